//! Subscriptions: every durable change once and in order, over lost connections and restarts; who
//! is too slow is told and loses nothing (ACK-1, LIM-1).

use super::world::{Node, World, code, heart_rate, log_in, potassium, raw};
use node_client::{AlertStream, Client, Position};
use schema_wire::rpc_capnp::{alert_subscriber, patient_subscriber, session};
use std::cell::RefCell;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;
use tokio::sync::Notify;

const PATIENCE: Duration = Duration::from_secs(30);

/// Each makes one alert.
async fn raise(client: &Client, patients: std::ops::Range<u32>) -> Vec<String> {
    let names: Vec<String> = patients.map(|number| format!("p{number}")).collect();
    for name in &names {
        let receipt = client.observe(name, potassium(70, 1)).await.unwrap();
        assert_eq!(receipt.alerts.len(), 1, "{receipt:?}");
    }
    names
}

/// The patients of the next changes.
async fn take(stream: &mut AlertStream, count: usize) -> Vec<String> {
    let mut patients = Vec::new();
    for _ in 0..count {
        let item = tokio::time::timeout(PATIENCE, stream.next()).await.unwrap().unwrap().unwrap();
        patients.push(item.patient);
    }
    patients
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_outlives_connection_and_node() {
    let world = World::new();
    let node = world.start().await;
    let client = node.client().await;
    let mut stream = client.subscribe_alerts(None).await.unwrap();
    let before = raise(&client, 0..5).await;
    assert_eq!(sorted(take(&mut stream, 5).await), before);
    let position = stream.position().unwrap().clone();
    drop((stream, client));
    let client = node.client().await;
    let missed = raise(&client, 5..9).await;
    let address = node.stop().await;
    let node = world.start_at(Some(address)).await;
    let client = node.client().await;
    let mut stream = client.subscribe_alerts(Some(position.clone())).await.unwrap();
    assert_eq!(sorted(take(&mut stream, 4).await), missed, "what was missed, and only that");
    let later = raise(&client, 9..11).await;
    assert_eq!(sorted(take(&mut stream, 2).await), sorted(later));
    let foreign = client.subscribe_alerts(Some(Position(vec![1, 2, 3]))).await;
    assert_eq!(foreign.err().unwrap().code().as_str(), "MED-NODE-013");
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_mends_itself_without_gap_or_repeat() {
    let world = World::new();
    let mut node = world.start().await;
    let client = node.client().await;
    let mut stream = client.subscribe_alerts(None).await.unwrap();
    let mut raised = raise(&client, 0..3).await;
    let mut seen = take(&mut stream, 2).await;
    for round in 1..4 {
        let address = node.stop().await;
        node = world.start_at(Some(address)).await;
        let other = node.client().await;
        raised.extend(raise(&other, round * 10..round * 10 + 3).await);
    }
    seen.extend(take(&mut stream, raised.len() - seen.len()).await);
    let last = raise(&client, 90..91).await;
    assert_eq!(take(&mut stream, 1).await, last, "nothing comes twice before it");
    assert_eq!(sorted(seen), sorted(raised));
    node.stop().await;
}

/// Remembers what it was told; acknowledges only when it is let go on.
#[derive(Default)]
struct Recorder {
    told: RefCell<Vec<(String, u64)>>,
    position: RefCell<Vec<u8>>,
    ended: RefCell<Option<String>>,
    is_stuck: bool,
    changed: Notify,
}

impl Recorder {
    async fn wait(&self, is_enough: impl Fn(&Self) -> bool) {
        let until = async {
            while !is_enough(self) {
                self.changed.notified().await;
            }
        };
        tokio::time::timeout(PATIENCE, until).await.unwrap();
    }
}

impl alert_subscriber::Server for Recorder {
    fn push(
        self: Rc<Self>,
        params: alert_subscriber::PushParams,
        _: alert_subscriber::PushResults,
    ) -> impl Future<Output = Result<(), capnp::Error>> + 'static {
        let told = params.get().unwrap();
        for item in told.get_items().unwrap() {
            let patient = item.get_patient().unwrap().to_string().unwrap();
            self.told.borrow_mut().push((patient, item.get_sequence()));
        }
        self.position.replace(told.get_position().unwrap().to_vec());
        self.changed.notify_one();
        let is_stuck = self.is_stuck;
        async move {
            if is_stuck {
                std::future::pending::<()>().await;
            }
            Ok(())
        }
    }

    async fn end(
        self: Rc<Self>,
        params: alert_subscriber::EndParams,
        _: alert_subscriber::EndResults,
    ) -> Result<(), capnp::Error> {
        let failure = params.get()?.get_failure()?;
        self.ended.replace(Some(failure.get_code()?.to_string()?));
        self.changed.notify_one();
        Ok(())
    }
}

impl patient_subscriber::Server for Recorder {
    async fn push(
        self: Rc<Self>,
        params: patient_subscriber::PushParams,
        _: patient_subscriber::PushResults,
    ) -> Result<(), capnp::Error> {
        let told = params.get()?;
        for item in told.get_items()? {
            self.told.borrow_mut().push((item.get_kind()?.to_string()?, item.get_sequence()));
        }
        self.position.replace(told.get_position()?.to_vec());
        self.changed.notify_one();
        Ok(())
    }

    async fn end(
        self: Rc<Self>,
        params: patient_subscriber::EndParams,
        _: patient_subscriber::EndResults,
    ) -> Result<(), capnp::Error> {
        let failure = params.get()?.get_failure()?;
        self.ended.replace(Some(failure.get_code()?.to_string()?));
        self.changed.notify_one();
        Ok(())
    }
}

/// Subscribes from the beginning; the handle keeps the subscription.
async fn follow(
    session: &session::Client,
    recorder: &Rc<Recorder>,
    ward: &str,
) -> schema_wire::rpc_capnp::subscription::Client {
    let alerts = session.alerts_request().send().pipeline.get_alerts();
    let mut request = alerts.subscribe_request();
    let mut params = request.get();
    params.reborrow().init_start().set_beginning(());
    params.reborrow().init_filter().set_ward(ward);
    let subscriber: alert_subscriber::Client = capnp_rpc::new_client_from_rc(Rc::clone(recorder));
    params.set_subscriber(subscriber);
    let answer = request.send().promise.await.unwrap();
    answer.get().unwrap().get_subscription().unwrap()
}

async fn alerts_of(node: &Node, count: u32) {
    let client = node.client().await;
    raise(&client, 0..count).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_subscriber_is_told_and_cut_and_others_are_not() {
    let mut world = World::new();
    world.limits.subscriber_stall_ms_max = 200;
    let node = world.start().await;
    alerts_of(&node, 10).await;
    raw(node.address, |gateway| async move {
        let session = log_in(&gateway);
        let (slow, brisk) =
            (Rc::new(Recorder { is_stuck: true, ..Recorder::default() }), Rc::default());
        let handle = follow(&session, &slow, "").await;
        let other = follow(&session, &brisk, "").await;
        slow.wait(|slow| slow.ended.borrow().is_some()).await;
        assert_eq!(slow.ended.borrow().as_deref(), Some("MED-RPC-001"));
        brisk.wait(|brisk| brisk.told.borrow().len() == 10).await;
        assert_eq!(*brisk.ended.borrow(), None);
        let position = handle.position_request().send().promise.await.unwrap();
        let acknowledged = position.get().unwrap().get_position().unwrap().to_vec();
        assert_ne!(acknowledged, *slow.position.borrow(), "what was not acknowledged comes again");
        drop(other);
    })
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_session_ends_its_subscriptions_and_a_ward_hides_other_wards() {
    let node = World::new().start().await;
    alerts_of(&node, 3).await;
    raw(node.address, |gateway| async move {
        let session = log_in(&gateway);
        let granted = session.restrict_request().send().promise.await.unwrap();
        let granted = granted.get().unwrap();
        let (given, revoker) = (granted.get_session().unwrap(), granted.get_revoker().unwrap());
        let (all, ward) = (Rc::<Recorder>::default(), Rc::<Recorder>::default());
        let _handles = (follow(&given, &all, "").await, follow(&given, &ward, "ICU").await);
        all.wait(|all| all.told.borrow().len() == 3).await;
        revoker.revoke_request().send().promise.await.unwrap();
        all.wait(|all| all.ended.borrow().is_some()).await;
        assert_eq!(all.ended.borrow().as_deref(), Some("MED-AUTH-003"));
        ward.wait(|ward| ward.ended.borrow().is_some()).await;
        assert!(ward.told.borrow().is_empty(), "nobody is in that ward");
    })
    .await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_patient_is_followed_in_journal_order() {
    let node = World::new().start().await;
    let client = node.client().await;
    for value in 0..5 {
        client.observe("p1", heart_rate(80 + value, 50 - value)).await.unwrap();
    }
    let address = node.address;
    let told = raw(address, |gateway| async move {
        let session = log_in(&gateway);
        let mut request = session.patient_request();
        request.get().set_key("p1");
        let patient = request.send().pipeline.get_patient();
        let recorder = Rc::<Recorder>::default();
        let subscribe = |recorder: &Rc<Recorder>, after: Option<Vec<u8>>| {
            let mut request = patient.subscribe_request();
            let mut params = request.get();
            match &after {
                None => params.reborrow().init_start().set_beginning(()),
                Some(position) => params.reborrow().init_start().set_after(position),
            }
            let subscriber: patient_subscriber::Client =
                capnp_rpc::new_client_from_rc(Rc::clone(recorder));
            params.set_subscriber(subscriber);
            request.send()
        };
        let observations = |recorder: &Recorder| {
            let told = recorder.told.borrow();
            told.iter().filter(|(kind, _)| kind == "observation").count()
        };
        let first = subscribe(&recorder, None).promise.await.unwrap();
        recorder.wait(|recorder| observations(recorder) == 5).await;
        drop(first);
        client.observe("p1", heart_rate(99, 0)).await.unwrap();
        let position = recorder.position.borrow().clone();
        let second = subscribe(&recorder, Some(position)).promise.await.unwrap();
        recorder.wait(|recorder| observations(recorder) == 6).await;
        drop(second);
        let mut unknown = session.patient_request();
        unknown.get().set_key("nobody");
        let nobody = unknown.send().pipeline.get_patient();
        assert_eq!(code(nobody.subscribe_request().send().promise.await), "MED-PAT-001");
        recorder.told.borrow().clone()
    })
    .await;
    let sequences: Vec<u64> = told.iter().map(|(_, sequence)| *sequence).collect();
    assert!(sequences.is_sorted(), "{sequences:?}");
    let events = told.iter().filter(|(kind, _)| kind == "observation");
    let mut distinct: Vec<u64> = events.map(|(_, sequence)| *sequence).collect();
    distinct.dedup();
    assert_eq!(distinct.len(), 6, "none is told twice");
    node.stop().await;
}
