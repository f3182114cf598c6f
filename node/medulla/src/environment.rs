//! The real world for a node: files, clock, randomness, network and threads of this machine.

use node_app::Environment;
use node_env::real::{RealClock, RealDisk, RealRng, TcpNetwork, ThreadSpawner};
use node_store_embedded::Execution;
use std::sync::Arc;

const _: () = assert!(
    cfg!(debug_assertions) || !node_env::mutation::COMPILED,
    "a release does not hold the planted bugs: build without the feature `mutations` of node-env"
);

/// The environment in which production nodes run.
pub(crate) fn real() -> Environment {
    Environment {
        disk: Arc::new(RealDisk),
        clock: Arc::new(RealClock::new()),
        rng: Arc::new(RealRng),
        network: Arc::new(TcpNetwork),
        execution: Execution::Threads(Arc::new(ThreadSpawner)),
    }
}
