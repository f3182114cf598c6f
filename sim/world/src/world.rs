//! The world: hosts that live side by side in small steps of time, the network between them, and
//! the faults that are due.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use node_env::Clock;

use crate::fault::{Fault, Planned, disk_failure};
use crate::host::{Host, Program, SYNC_MICROS};
use crate::net::{Link, NetCounts, Profile, SimNet};
use crate::seed::Seed;
use crate::trace::Trace;

/// Length of a step, microseconds. No segment is on its way for less, so that hosts may live
/// through a step one after the other and nobody learns of his future.
pub const STEP_MICROS: u64 = 1_000;
/// Every so many steps a slow host gets one.
const SLOW_STEPS: u64 = 16;
/// How long a supervisor waits before it starts a process that ended, microseconds.
const SUPERVISOR_MICROS: u64 = 500_000;

/// What ends when its time has come.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Link { from: u8, to: u8 },
    DiskFull { host: u8 },
    DiskStall { host: u8 },
}

/// A simulated world.
pub struct World {
    seed: Seed,
    now_micros: Arc<AtomicU64>,
    steps: u64,
    net: SimNet,
    hosts: BTreeMap<u8, Host>,
    trace: Arc<Trace>,
    faults: Vec<Planned>,
    next_fault: usize,
    endings: Vec<(u64, Ending)>,
    injected: BTreeMap<&'static str, u64>,
    is_healed: bool,
}

impl World {
    /// A world without hosts. `faults` in the order of their times.
    #[must_use]
    pub fn new(seed: Seed, profile: Profile, faults: Vec<Planned>, trace: Arc<Trace>) -> Self {
        Self {
            seed,
            now_micros: Arc::new(AtomicU64::new(0)),
            steps: 0,
            net: SimNet::new(seed, profile, Arc::clone(&trace)),
            hosts: BTreeMap::new(),
            trace,
            faults,
            next_fault: 0,
            endings: Vec::new(),
            injected: BTreeMap::new(),
            is_healed: false,
        }
    }

    /// Adds a host and starts its process at `boots_at_micros`.
    pub fn add(&mut self, number: u8, boots_at_micros: u64, program: impl Program) {
        let time = Arc::clone(&self.now_micros);
        let mut host = Host::new(number, self.seed, time, Box::new(program));
        host.boots_at_micros = Some(boots_at_micros);
        self.hosts.insert(number, host);
    }

    /// Time of the world, microseconds.
    #[must_use]
    pub fn now_micros(&self) -> u64 {
        self.now_micros.load(Ordering::SeqCst)
    }

    /// Whether a process runs at the host.
    #[must_use]
    pub fn is_running(&self, host: u8) -> bool {
        self.hosts.get(&host).is_some_and(Host::is_running)
    }

    /// How often a process was started at the host.
    #[must_use]
    pub fn incarnation(&self, host: u8) -> u64 {
        self.hosts.get(&host).map_or(0, |host| host.incarnation)
    }

    /// The disk of a host.
    #[must_use]
    pub fn disk(&self, host: u8) -> Option<node_env::fake::FakeDisk> {
        self.hosts.get(&host).map(|host| host.disk.clone())
    }

    /// What the wall clock of a host says, microseconds since 1970.
    #[must_use]
    pub fn wall_unix_micros(&self, host: u8) -> Option<i64> {
        self.hosts.get(&host).map(|host| host.time.wall_unix_micros())
    }

    /// How often each class of fault happened.
    #[must_use]
    pub const fn injected(&self) -> &BTreeMap<&'static str, u64> {
        &self.injected
    }

    /// What the network did.
    #[must_use]
    pub fn net_counts(&self) -> NetCounts {
        self.net.counts()
    }

    /// Streams that somebody holds, or that something is on its way in.
    #[must_use]
    pub fn net_streams(&self) -> usize {
        self.net.streams()
    }

    /// Lives up to a time; `look` is called after each step.
    pub fn run_until(&mut self, until_micros: u64, mut look: impl FnMut(&Self)) {
        while self.now_micros() < until_micros {
            self.step();
            look(self);
        }
    }

    fn step(&mut self) {
        let now = self.now_micros();
        let next = now + STEP_MICROS;
        self.steps += 1;
        self.end_what_is_over(now);
        self.inject(now);
        self.boot(now);
        self.net.deliver(now, next);
        let steps = self.steps;
        for host in self.hosts.values() {
            let is_paused = host.paused_until_micros > now;
            let is_waiting = host.slow_until_micros > now && !steps.is_multiple_of(SLOW_STEPS);
            if !is_paused && !is_waiting {
                host.step(next);
            }
        }
        self.now_micros.store(next, Ordering::SeqCst);
        self.bury(next);
    }

    /// Ends hosts whose power went or whose process ended during the step.
    fn bury(&mut self, now: u64) {
        for host in self.hosts.values_mut().filter(|host| host.is_running()) {
            let (silently, after) = match (host.disk.is_powered(), host.has_ended()) {
                (false, _) => (true, host.boots_at_micros.unwrap_or(now + SUPERVISOR_MICROS)),
                (true, true) => (false, host.boots_at_micros.unwrap_or(now + SUPERVISOR_MICROS)),
                (true, false) => continue,
            };
            self.trace.note((now, Some(host.number)), "ended", &[u64::from(silently)], || {
                if silently { "the power is gone".to_owned() } else { "by itself".to_owned() }
            });
            host.end(&self.net, silently);
            host.boots_at_micros = Some(after.max(now));
        }
    }

    fn boot(&mut self, now: u64) {
        for host in self.hosts.values_mut() {
            if host.is_running() || host.boots_at_micros.is_none_or(|at| at > now) {
                continue;
            }
            if host.incarnation > 0 {
                // Files that were open are gone with the process in any case.
                restart_disk(&host.disk);
            }
            host.boot(self.seed, &self.net);
            let incarnation = host.incarnation;
            self.trace.note((now, Some(host.number)), "boot", &[incarnation], || {
                format!("incarnation {incarnation}")
            });
        }
    }

    fn inject(&mut self, now: u64) {
        while let Some(planned) = self.faults.get(self.next_fault).copied() {
            if planned.at_micros > now || self.is_healed {
                break;
            }
            self.next_fault += 1;
            self.apply(now, planned);
        }
    }

    /// Makes something go wrong now.
    fn apply(&mut self, now: u64, planned: Planned) {
        let Planned { host: number, for_micros, fault, .. } = planned;
        let others: Vec<u8> = self.hosts.keys().copied().filter(|host| *host != number).collect();
        let Some(host) = self.hosts.get_mut(&number) else { return };
        if !host.is_running() {
            return;
        }
        let class = fault.class();
        *self.injected.entry(class).or_default() += 1;
        self.trace.note((now, Some(number)), "fault", &[for_micros], || describe(class, &planned));
        let until = now + for_micros;
        match fault {
            Fault::Kill => {
                host.disk.halt();
                host.end(&self.net, false);
                host.boots_at_micros = Some(until);
            }
            Fault::PowerCut => {
                host.disk.cut_power();
                host.end(&self.net, true);
                host.boots_at_micros = Some(until);
            }
            Fault::PowerCutAtIo { after } => {
                host.disk.cut_power_after(after);
                host.boots_at_micros = Some(until);
            }
            Fault::Restart => {
                host.boots_at_micros = Some(until);
                host.ask_to_stop();
            }
            Fault::Pause => host.paused_until_micros = until,
            Fault::Slow => host.slow_until_micros = until,
            Fault::ClockJump { milliseconds } => host.time.jump_micros(milliseconds * 1_000),
            Fault::ClockDrift { ppm } => host.time.set_drift_ppm(ppm),
            Fault::DiskError { operation, after } => {
                let (operation, failure) = disk_failure(operation);
                host.disk.inject(operation, after, failure);
            }
            Fault::DiskFull => {
                host.disk.set_capacity_bytes(Some(host.disk.used_bytes()));
                self.endings.push((until, Ending::DiskFull { host: number }));
            }
            Fault::DiskStall { milliseconds } => {
                host.sync_micros.store(milliseconds * 1_000, Ordering::SeqCst);
                self.endings.push((until, Ending::DiskStall { host: number }));
            }
            Fault::Isolate => others.iter().for_each(|other| self.cut(number, *other, until)),
            Fault::CutWith { other } => self.cut(number, other, until),
            Fault::CutTo { other } => {
                self.link(number, other, Link { is_cut: true, ..Link::default() }, until);
            }
            Fault::Lag { milliseconds } => {
                let link = Link { delay_micros: milliseconds * 1_000, ..Link::default() };
                others.iter().for_each(|other| self.link(number, *other, link, until));
            }
            Fault::Clog { bytes_per_second } => {
                let link = Link { bytes_per_second, ..Link::default() };
                others.iter().for_each(|other| self.link(number, *other, link, until));
            }
            Fault::Reset { other } => self.net.reset_between(number, other),
        }
    }

    fn cut(&mut self, one: u8, other: u8, until: u64) {
        let cut = Link { is_cut: true, ..Link::default() };
        self.link(one, other, cut, until);
        self.link(other, one, cut, until);
    }

    fn link(&mut self, from: u8, to: u8, link: Link, until: u64) {
        self.net.set_link(from, to, link);
        self.endings.push((until, Ending::Link { from, to }));
    }

    fn end_what_is_over(&mut self, now: u64) {
        let mut left = Vec::new();
        for (until, ending) in std::mem::take(&mut self.endings) {
            if until > now {
                left.push((until, ending));
                continue;
            }
            self.undo(ending);
        }
        self.endings = left;
    }

    fn undo(&self, ending: Ending) {
        match ending {
            Ending::Link { from, to } => self.net.set_link(from, to, Link::default()),
            Ending::DiskFull { host } => {
                if let Some(host) = self.hosts.get(&host) {
                    host.disk.set_capacity_bytes(None);
                }
            }
            Ending::DiskStall { host } => {
                if let Some(host) = self.hosts.get(&host) {
                    host.sync_micros.store(SYNC_MICROS, Ordering::SeqCst);
                }
            }
        }
    }

    /// Ends all trouble: links are mended, hosts run, disks have room, and no fault comes any more.
    pub fn heal(&mut self) {
        let now = self.now_micros();
        self.is_healed = true;
        self.trace.note((now, None), "heal", &[], || "no more faults".to_owned());
        for (_, ending) in std::mem::take(&mut self.endings) {
            self.undo(ending);
        }
        self.net.heal();
        for host in self.hosts.values_mut() {
            host.paused_until_micros = 0;
            host.slow_until_micros = 0;
            host.disk.clear_faults();
            if host.boots_at_micros.is_some() && !host.is_running() {
                host.boots_at_micros = Some(now);
            }
        }
    }

    /// Cuts the power of hosts for good, all at once.
    pub fn cut_power(&mut self, hosts: &[u8]) {
        let now = self.now_micros();
        self.trace.note((now, None), "cut_power", &[], || format!("{hosts:?}"));
        for host in hosts.iter().filter_map(|host| self.hosts.get(host)) {
            host.disk.cut_power();
        }
        for number in hosts {
            if let Some(host) = self.hosts.get_mut(number) {
                host.end(&self.net, true);
                host.boots_at_micros = None;
                host.disk.restart();
            }
        }
    }
}

fn restart_disk(disk: &node_env::fake::FakeDisk) {
    if disk.is_powered() {
        disk.restart_process();
    } else {
        disk.restart();
    }
}

fn describe(class: &str, planned: &Planned) -> String {
    format!("{class} for {} ms: {:?}", planned.for_micros / 1_000, planned.fault)
}
