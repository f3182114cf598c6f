//! The outside world, faked and seeded: a clock that is moved by hand, reproducible randomness
//! and a disk in memory that loses power, fills up and fails on demand. Only tests and
//! simulation use it.

mod clock;

mod rng;

pub use clock::ManualClock;

pub use rng::SeededRng;
