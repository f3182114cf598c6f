//! The seams to the outside world: clock, randomness, threads, files and the network as traits,
//! traces of requests, the marks (`always!`, `sometimes!`) that production, simulation and chaos
//! share, and the planted bugs. Level 0: every crate may use it, it uses none. The real
//! implementations sit behind the feature `real` (only node/medulla, chaos and tests enable it),
//! the faked ones behind `fake`, the planted bugs behind `mutations`.

pub mod clock;
pub mod disk;
#[cfg(feature = "fake")]
pub mod fake;
pub mod marks;
pub mod mutation;
#[cfg(feature = "net")]
pub mod net;
#[cfg(feature = "real")]
pub mod real;
pub mod rng;
pub mod spawn;
pub mod trace;

pub use clock::Clock;
pub use disk::{DirectoryLock, Disk, DiskError, DiskFile, DiskOperation, OpenMode};
#[cfg(feature = "net")]
pub use net::{BoxedDuplex, BoxedStream, Duplex, Listener, Network, Stream};
pub use rng::Rng;
#[cfg(feature = "net")]
pub use spawn::Offload;
pub use spawn::{JoinThread, SpawnError, Spawner, ThreadPanicked};
