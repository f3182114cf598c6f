//! A node is killed at each step of a hand-off, on either side: the shard opens again, no message
//! is lost and none counts twice (LIVE-1, ACK-1, ONCE-1, OWN-1).

use crate::cluster_world::{Cluster, Setting, until};
use futures::future::BoxFuture;
use node_app::cluster::{Drill, Moment, Step};
use node_ingest::hl7::Disposition;
use node_ingest::operations::Operation;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

/// Holds a node up for ever at one step, and tells.
struct HoldAt {
    wanted: Mutex<Option<(Step, Moment, mpsc::Sender<()>)>>,
}

impl HoldAt {
    fn wait_for(&self, step: Step, moment: Moment) -> mpsc::Receiver<()> {
        let (sender, reached) = mpsc::channel();
        *self.wanted.lock().unwrap() = Some((step, moment, sender));
        reached
    }
}

impl Drill for HoldAt {
    fn at(&self, step: Step, moment: Moment) -> BoxFuture<'_, ()> {
        let mut wanted = self.wanted.lock().unwrap();
        let is_it = wanted.as_ref().is_some_and(|it| (it.0, it.1) == (step, moment));
        let reached = if is_it { wanted.take() } else { None };
        drop(wanted);
        Box::pin(async move {
            if let Some((_, _, reached)) = reached {
                reached.send(()).unwrap();
                std::future::pending::<()>().await;
            }
        })
    }
}

/// The node that watches and takes messages; the others hand shards to each other.
const OBSERVER: usize = 0;
const SIDES: [usize; 2] = [1, 2];

/// A client of the observer.
#[derive(Default)]
struct Client {
    accepted: AtomicU64,
    is_over: AtomicBool,
}

impl Client {
    /// Sends results of one patient until told to stop, or until one is not accepted.
    fn send(&self, cluster: &Cluster, patient: &str, tag: &str) -> Result<(), String> {
        while !self.is_over.load(Ordering::Acquire) {
            let number = self.accepted.load(Ordering::Acquire);
            let minute = u32::try_from(number % 60).unwrap();
            let sent = cluster.node(OBSERVER).send(patient, &format!("{tag}-{number}"), minute);
            if sent != Disposition::Accepted {
                return Err(format!("message {number}: {sent:?}"));
            }
            self.accepted.fetch_add(1, Ordering::AcqRel);
        }
        Ok(())
    }
}

/// A shard that this node owns; one is moved there if need be.
fn given_to(cluster: &Cluster, at: usize) -> u16 {
    if let Some(shard) = cluster.shards_of(OBSERVER, at).first() {
        return *shard;
    }
    let owners = [OBSERVER].into_iter().chain(SIDES);
    let shard = owners.flat_map(|owner| cluster.shards_of(OBSERVER, owner)).next().unwrap();
    let to = cluster.settings[at].name.clone();
    cluster.operate(OBSERVER, Operation::Move { shard, to }).unwrap();
    until("the shard is there", || cluster.shards_of(OBSERVER, at).contains(&shard));
    cluster.settle();
    shard
}

/// Kills a node when a hand-off from `from` to `to` is at a step.
fn kill_at(
    cluster: &mut Cluster,
    drills: &[Arc<HoldAt>],
    (step, moment): (Step, Moment),
    kills_source: bool,
) {
    let tag = format!("{step:?}-{moment:?}-{kills_source}");
    let [from, to] = SIDES;
    let shard = given_to(cluster, from);
    let patient = cluster.patient_in(OBSERVER, shard);
    let before = cluster.node(OBSERVER).observations(&patient);

    let turn = if step.is_source_side() { from } else { to };
    let reached = drills[turn].wait_for(step, moment);
    let node = cluster.settings[to].name.clone();
    cluster.operate(OBSERVER, Operation::Move { shard, to: node }).unwrap();
    reached.recv_timeout(Duration::from_secs(30)).expect("the step is reached");
    let victim = if kills_source { from } else { to };
    let killed = cluster.nodes[victim].take();
    let sender = Client::default();
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| sender.send(cluster, &patient, &tag));
        drop(killed);
        until(&tag, || {
            let shards = cluster.node(OBSERVER).operations.shards();
            shards.iter().any(|it| it["shard"] == shard && it["state"] == "open")
        });
        let then = sender.accepted.load(Ordering::Acquire);
        let goes_on = || sender.accepted.load(Ordering::Acquire) > then + 3;
        until(&tag, || goes_on() || sending.is_finished());
        sender.is_over.store(true, Ordering::Release);
        sending.join().unwrap().unwrap_or_else(|failed| panic!("{tag}: {failed}"));
    });
    let accepted = sender.accepted.load(Ordering::Acquire);
    let after = cluster.node(OBSERVER).observations(&patient);
    assert_eq!(after - before, accepted, "{tag}: each message counts once");

    // The one that was held up begins anew, like the one that was killed.
    cluster.kill(turn);
    for side in SIDES {
        if cluster.nodes[side].is_none() {
            cluster.run(side).unwrap();
        }
    }
    cluster.settle();
}

fn kill_at_every_step_of(steps: &[Step]) {
    let drills: Vec<Arc<HoldAt>> =
        (0..3).map(|_| Arc::new(HoldAt { wanted: Mutex::new(None) })).collect();
    let setting = |setting: &mut Setting| {
        let at: usize = setting.name[1..].parse().unwrap();
        setting.balances = false;
        setting.drill = Some(Arc::clone(&drills[at - 1]) as Arc<dyn Drill>);
    };
    let mut cluster = Cluster::start(3, setting);
    for step in steps {
        // What is done before a step begins is done when the one before it is.
        let begins = matches!(step, Step::Fence | Step::Drain | Step::Claim);
        let moments = [(begins, Moment::Begins), (true, Moment::IsDone)];
        for moment in moments.into_iter().filter(|(is_one, _)| *is_one).map(|(_, moment)| moment) {
            for kills_source in [true, false] {
                kill_at(&mut cluster, &drills, (*step, moment), kills_source);
            }
        }
    }
}

#[test]
fn a_kill_while_the_source_fences_or_drains_loses_nothing_live_1_ack_1() {
    kill_at_every_step_of(&[Step::Fence, Step::Drain]);
}

#[test]
fn a_kill_while_the_new_owner_claims_loads_or_opens_loses_nothing_live_1_ack_1() {
    kill_at_every_step_of(&[Step::Claim, Step::Load, Step::Open]);
}
