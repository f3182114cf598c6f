//! A whole node over a faked disk or a real one: what an operator meets.

mod census;
mod trouble;
mod world;
