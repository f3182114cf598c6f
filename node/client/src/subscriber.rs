//! Subscriptions that mend themselves: after a lost connection they go on behind what was given to
//! the application. A push is given as one, so what it holds comes wholly or not at all.

use crate::error::ClientError;
use crate::limits::SUBSCRIPTION_PUSHES_MAX;
use crate::model::{AlertChange, AlertItem, Position};
use crate::read;
use crate::stream::{AlertStream, Pushed};
use crate::worker::{Link, Worker};
use schema_wire::rpc_capnp::{self as wire, alert_subscriber, alerts, subscription};
use std::cell::RefCell;
use std::rc::Rc;
use tokio::sync::{Notify, mpsc};

/// What the subscriber and the one who mends the subscription share.
struct Shared {
    pushes: mpsc::Sender<Result<Pushed, ClientError>>,
    /// After everything that was given to the application.
    position: RefCell<Option<Position>>,
    /// Set when the server ended the subscription.
    ended: RefCell<Option<ClientError>>,
    has_ended: Notify,
}

struct Subscriber(Rc<Shared>);

impl alert_subscriber::Server for Subscriber {
    async fn push(
        self: Rc<Self>,
        params: alert_subscriber::PushParams,
        _: alert_subscriber::PushResults,
    ) -> Result<(), capnp::Error> {
        let params = params.get()?;
        let position = Position(params.get_position()?.to_vec());
        let mut items = Vec::new();
        for one in params.get_items()? {
            items.push(item(one).map_err(|error| capnp::Error::failed(error.to_string()))?);
        }
        if let Some(last) = items.last_mut() {
            last.position = Some(position.clone());
        }
        // The return is the acknowledgement: a full buffer slows the server.
        let room = self.0.pushes.reserve().await;
        let room = room.map_err(|_| capnp::Error::disconnected("nobody listens".to_owned()))?;
        self.0.position.replace(Some(position));
        room.send(Ok(items));
        Ok(())
    }

    async fn end(
        self: Rc<Self>,
        params: alert_subscriber::EndParams,
        _: alert_subscriber::EndResults,
    ) -> Result<(), capnp::Error> {
        let reason = read::failure(params.get()?.get_failure()?);
        self.0.ended.replace(Some(reason.unwrap_or_else(|error| error)));
        self.0.has_ended.notify_one();
        Ok(())
    }
}

fn item(reader: wire::alert_item::Reader<'_>) -> Result<AlertItem, ClientError> {
    let change = match reader.get_change() {
        Ok(wire::AlertChange::Raised) => AlertChange::Raised,
        Ok(wire::AlertChange::SeverityChanged) => AlertChange::SeverityChanged,
        Ok(wire::AlertChange::Acknowledged) => AlertChange::Acknowledged,
        Ok(wire::AlertChange::Escalated) => AlertChange::Escalated,
        Ok(wire::AlertChange::Resolved) => AlertChange::Resolved,
        Ok(wire::AlertChange::Unknown) | Err(_) => AlertChange::Unknown,
    };
    let alert = if reader.has_alert() { Some(read::alert(reader.get_alert()?)?) } else { None };
    Ok(AlertItem {
        patient: reader.get_patient()?.to_string()?,
        sequence: reader.get_sequence(),
        change,
        condition: reader.get_condition()?.to_string()?,
        alert,
        position: None,
    })
}

/// Subscribes and keeps the subscription until the stream is dropped.
pub(crate) async fn subscribe(
    worker: Rc<Worker>,
    from: Option<Position>,
) -> Result<AlertStream, ClientError> {
    let (pushes, given) = mpsc::channel(SUBSCRIPTION_PUSHES_MAX);
    let shared = Rc::new(Shared {
        pushes,
        position: RefCell::new(from),
        ended: RefCell::default(),
        has_ended: Notify::new(),
    });
    let link = worker.link();
    let first = begin(&link, &shared).await?;
    let start = shared.position.borrow().clone();
    tokio::task::spawn_local(keep(worker, link, Rc::clone(&shared), first));
    Ok(AlertStream::new(given, start))
}

async fn begin(link: &Link, shared: &Rc<Shared>) -> Result<subscription::Client, ClientError> {
    let session = link.session().await?;
    let alerts: alerts::Client = session.alerts_request().send().pipeline.get_alerts();
    let mut request = alerts.subscribe_request();
    let mut params = request.get();
    let mut start = params.reborrow().init_start();
    match &*shared.position.borrow() {
        None => start.set_now(()),
        Some(Position(position)) => start.set_after(position),
    }
    params.set_subscriber(capnp_rpc::new_client(Subscriber(Rc::clone(shared))));
    let answer = request.send().promise.await?;
    let subscription = answer.get()?.get_subscription()?;
    // Where it began, so that a connection lost before the first push loses nothing.
    let began = subscription.position_request().send().promise.await?;
    let began = Position(began.get()?.get_position()?.to_vec());
    shared.position.borrow_mut().get_or_insert(began);
    Ok(subscription)
}

/// Waits for the end of a subscription and begins it again, until nobody listens or there is a
/// reason that another try cannot mend.
async fn keep(worker: Rc<Worker>, link: Rc<Link>, shared: Rc<Shared>, first: subscription::Client) {
    let mut current = Some(first);
    let mut tries = 0;
    loop {
        if let Some(subscription) = current.take() {
            tries = 0;
            tokio::select! {
                () = shared.pushes.closed() => return,
                () = shared.has_ended.notified() => {}
                () = link.lost() => {}
            }
            drop(subscription);
        }
        // Too slow is no reason to end: the application sees everything, only later.
        let ended = shared.ended.borrow_mut().take();
        if let Some(reason) = ended.filter(|reason| !reason.is_mendable()) {
            drop(shared.pushes.send(Err(reason)).await);
            return;
        }
        match begin(&link, &shared).await {
            Ok(subscription) => current = Some(subscription),
            Err(error) if error.is_mendable() => {
                tries += 1;
                if shared.pushes.is_closed() {
                    return;
                }
                worker.back_off(tries, error.retry_after_ms()).await;
            }
            Err(error) => {
                drop(shared.pushes.send(Err(error)).await);
                return;
            }
        }
    }
}
