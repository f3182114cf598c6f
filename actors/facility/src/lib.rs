//! The facility: beds, wards, who is in them, and a directory of shared resources.
//!
//! It owns what beds are ready for and a copy of each stay, from which it answers census and bed
//! board. It never changes a stay: stays belong to patients, who tell the whole of each.

pub mod command;
pub mod limits;
