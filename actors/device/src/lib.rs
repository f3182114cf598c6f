//! The device: what measures whom, how fresh and complete its feed is, and how wrong its clock is.
//!
//! It owns association, sequence gaps, clock offset, silence and battery. It never keeps a
//! patient's values: samples go on to the patient who was measured when they were taken.

pub mod command;
pub mod limits;
