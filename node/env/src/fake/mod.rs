//! The outside world, faked and seeded: a clock that is moved by hand, reproducible randomness
//! and a disk in memory that loses power, fills up and fails on demand. Only tests and
//! simulation use it.

mod clock;
mod disk;
mod rng;
mod world;

pub use clock::ManualClock;
pub use disk::FakeDisk;
pub use rng::SeededRng;
pub use world::Fault;
