//! What can go wrong, as data: a list that is drawn from the seed before the run begins, can be
//! written down, shortened and run again.

use node_env::DiskOperation;
use node_env::fake::{Fault as DiskFailure, SeededRng};
use serde::{Deserialize, Serialize};

use crate::seed::Seed;

/// One thing that goes wrong at a host or between two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
pub enum Fault {
    /// The process dies (kill -9); its kernel lives and keeps what was written.
    Kill,
    /// The power goes: what was not synced may be lost, torn or kept.
    PowerCut,
    /// The power goes during a changing disk operation, the `after`-th from now.
    PowerCutAtIo {
        /// Counts from 1.
        after: u64,
    },
    /// The process is asked to end, and started again when it has.
    Restart,
    /// The process stands still (SIGSTOP) and then sees the whole gap at once.
    Pause,
    /// The process gets a small part of its time.
    Slow,
    /// Nothing passes between the host and all others.
    Isolate,
    /// Nothing passes from the host to another; the way back is open.
    CutTo {
        /// The other host.
        other: u8,
    },
    /// Nothing passes between the host and another.
    CutWith {
        /// The other host.
        other: u8,
    },
    /// Everything from the host takes longer.
    Lag {
        /// Milliseconds more on the way.
        milliseconds: u64,
    },
    /// Little passes from the host.
    Clog {
        /// Bytes a second.
        bytes_per_second: u64,
    },
    /// All streams between the host and another break.
    Reset {
        /// The other host.
        other: u8,
    },
    /// The wall clock jumps.
    ClockJump {
        /// Milliseconds, either way.
        milliseconds: i64,
    },
    /// The wall clock runs fast or slow.
    ClockDrift {
        /// Parts of a million.
        ppm: i64,
    },
    /// An operation of the disk fails once (EIO).
    DiskError {
        /// Which: 0 read, 1 write, 2 sync.
        operation: u8,
        /// After so many that succeed.
        after: u64,
    },
    /// The disk is full for a while.
    DiskFull,
    /// The disk answers slowly for a while.
    DiskStall {
        /// Milliseconds that each sync takes.
        milliseconds: u64,
    },
}

/// A fault with its place and time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Planned {
    /// When, microseconds of the world.
    pub at_micros: u64,
    /// At which host.
    pub host: u8,
    /// How long, or how long the host stays down, microseconds; what ends by itself has 0.
    pub for_micros: u64,
    /// What.
    #[serde(flatten)]
    pub fault: Fault,
}

impl Fault {
    /// Name of its class, as sweeps count it.
    #[must_use]
    pub const fn class(&self) -> &'static str {
        match self {
            Self::Kill => "kill",
            Self::PowerCut => "power_cut",
            Self::PowerCutAtIo { .. } => "power_cut_at_io",
            Self::Restart => "restart",
            Self::Pause => "pause",
            Self::Slow => "slow",
            Self::Isolate => "isolate",
            Self::CutTo { .. } => "cut_one_way",
            Self::CutWith { .. } => "cut_both_ways",
            Self::Lag { .. } => "lag",
            Self::Clog { .. } => "clog",
            Self::Reset { .. } => "reset",
            Self::ClockJump { .. } => "clock_jump",
            Self::ClockDrift { .. } => "clock_drift",
            Self::DiskError { .. } => "disk_error",
            Self::DiskFull => "disk_full",
            Self::DiskStall { .. } => "disk_stall",
        }
    }
}

/// All classes, in the order in which a swarm switches them on or off.
pub const CLASSES: [&str; 17] = [
    "kill",
    "power_cut",
    "power_cut_at_io",
    "restart",
    "pause",
    "slow",
    "isolate",
    "cut_one_way",
    "cut_both_ways",
    "lag",
    "clog",
    "reset",
    "clock_jump",
    "clock_drift",
    "disk_error",
    "disk_full",
    "disk_stall",
];

/// What a plan of faults is drawn for.
#[derive(Debug, Clone)]
pub struct Hostility {
    /// Hosts that faults may hit.
    pub hosts: Vec<u8>,
    /// Hosts between which links exist.
    pub peers: Vec<u8>,
    /// First and last moment, microseconds of the world.
    pub between_micros: (u64, u64),
    /// Faults on average.
    pub faults: u64,
    /// Classes that never happen here.
    pub without: Vec<&'static str>,
}

/// Draws the list of faults for a seed: each class is on or off for the whole run (swarm testing,
/// Groce et al. 2012).
#[must_use]
pub fn draw(seed: Seed, hostility: &Hostility) -> Vec<Planned> {
    let rng = seed.stream("faults");
    let mut classes: Vec<&str> = CLASSES.into_iter().filter(|_| rng.below(2) == 0).collect();
    classes.retain(|class| !hostility.without.contains(class));
    if classes.is_empty() || hostility.hosts.is_empty() {
        return Vec::new();
    }
    let count = hostility.faults / 2 + rng.below(hostility.faults + 1);
    let mut planned: Vec<Planned> = (0..count).map(|_| one(&rng, &classes, hostility)).collect();
    planned.sort_by_key(|planned| planned.at_micros);
    planned
}

fn pick<T: Copy>(rng: &SeededRng, from: &[T]) -> T {
    let at = usize::try_from(rng.below(from.len() as u64)).unwrap_or(0);
    from[at]
}

fn one(rng: &SeededRng, classes: &[&str], hostility: &Hostility) -> Planned {
    let (first, last) = hostility.between_micros;
    let at_micros = first + rng.below(last.saturating_sub(first) + 1);
    let host = pick(rng, &hostility.hosts);
    let others: Vec<u8> = hostility.peers.iter().copied().filter(|peer| *peer != host).collect();
    let other = if others.is_empty() { host } else { pick(rng, &others) };
    let for_micros = 100_000 + rng.below(30) * rng.below(100) * 2_000;
    let milliseconds = 1 + rng.below(400);
    let signed = i64::try_from(rng.below(60_000)).unwrap_or(0) - 30_000;
    let fault = match pick(rng, classes) {
        "kill" => Fault::Kill,
        "power_cut" => Fault::PowerCut,
        "power_cut_at_io" => Fault::PowerCutAtIo { after: 1 + rng.below(40) },
        "restart" => Fault::Restart,
        "pause" => Fault::Pause,
        "slow" => Fault::Slow,
        "isolate" => Fault::Isolate,
        "cut_one_way" => Fault::CutTo { other },
        "cut_both_ways" => Fault::CutWith { other },
        "lag" => Fault::Lag { milliseconds },
        "clog" => Fault::Clog { bytes_per_second: 2_000 + rng.below(100_000) },
        "reset" => Fault::Reset { other },
        "clock_jump" => Fault::ClockJump { milliseconds: signed },
        "clock_drift" => Fault::ClockDrift { ppm: signed },
        "disk_error" => {
            let operation = u8::try_from(rng.below(3)).unwrap_or(0);
            Fault::DiskError { operation, after: rng.below(20) }
        }
        "disk_full" => Fault::DiskFull,
        _ => Fault::DiskStall { milliseconds: 1 + milliseconds / 4 },
    };
    Planned { at_micros, host, for_micros, fault }
}

/// The operation and failure of a [`Fault::DiskError`].
#[must_use]
pub const fn disk_failure(operation: u8) -> (DiskOperation, DiskFailure) {
    match operation {
        0 => (DiskOperation::Read, DiskFailure::Io),
        1 => (DiskOperation::Write, DiskFailure::Io),
        _ => (DiskOperation::SyncData, DiskFailure::Io),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hostility() -> Hostility {
        Hostility {
            hosts: vec![1, 2, 3],
            peers: vec![1, 2, 3, 9],
            between_micros: (1_000, 9_000_000),
            faults: 20,
            without: vec!["disk_full"],
        }
    }

    #[test]
    fn a_seed_draws_the_same_list_and_classes_stay_out() {
        let all: Vec<Planned> = (0..200).flat_map(|seed| draw(Seed(seed), &hostility())).collect();
        let again: Vec<Planned> =
            (0..200).flat_map(|seed| draw(Seed(seed), &hostility())).collect();
        assert_eq!(all, again);
        assert!(all.iter().all(|planned| (1_000..=9_000_000).contains(&planned.at_micros)));
        let seen = |class: &str| all.iter().any(|planned| planned.fault.class() == class);
        let missing: Vec<_> = CLASSES.into_iter().filter(|class| !seen(class)).collect();
        assert_eq!(missing, ["disk_full"]);
    }

    #[test]
    fn a_list_can_be_written_and_read() {
        let list = draw(Seed(3), &hostility());
        assert!(!list.is_empty());
        let written = serde_json::to_string(&list).unwrap();
        assert_eq!(serde_json::from_str::<Vec<Planned>>(&written).unwrap(), list);
    }
}
