//! The connection of a client: made, greeted, used until it is lost, and made again.

use std::sync::Arc;
use std::time::Duration;

use node_env::BoxedDuplex;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::client::shared::{Link, Shared};
use crate::error::LinkError;
use crate::frame::FrameReader;
use crate::gather::write_gathered;
use crate::limits::FRAME_BYTES_MAX;
use crate::message::{self, Greeting, Hello, PROTOCOL_VERSION, Welcome};
use crate::silence::Silence;
use crate::stream::Connector;

/// A connection that the server has greeted.
struct Greeted {
    input: ReadHalf<BoxedDuplex>,
    output: WriteHalf<BoxedDuplex>,
    reader: FrameReader,
    welcome: Welcome,
}

/// Keeps a connection, until the server refuses this client for good.
pub(crate) async fn keep(shared: Arc<Shared>, connector: Arc<dyn Connector>) {
    let instance = shared.config.rng.next_u64();
    let mut pause_ms = shared.config.backoff_ms_min;
    let mut connection = 0;
    loop {
        connection += 1;
        let identity = shared.config.identity;
        let hello = Hello {
            client_id: identity.client_id.0,
            incarnation: identity.incarnation,
            instance,
            connection,
        };
        let error = match connect(&shared, connector.as_ref(), &hello).await {
            Ok(greeted) => {
                pause_ms = shared.config.backoff_ms_min;
                shared.connected(connection, &greeted.welcome);
                tracing::info!(connection, "connected to the store server");
                converse(&shared, connection, greeted).await
            }
            Err(error) => error,
        };
        let reason: Arc<str> = error.to_string().into();
        if error.is_final() {
            tracing::error!(reason = %reason, "the store server refuses this client");
            return shared.disconnected(Link::Stopped(reason));
        }
        tracing::warn!(reason = %reason, connection, "no connection to the store server");
        shared.disconnected(Link::Down(reason));
        // Half of the pause, and up to as much again: clients do not come back all at once.
        let spread = shared.config.rng.next_u64() % pause_ms.max(1);
        tokio::time::sleep(Duration::from_millis((pause_ms + spread) / 2)).await;
        pause_ms = pause_ms.saturating_mul(2).min(shared.config.backoff_ms_max);
    }
}

async fn connect(
    shared: &Shared,
    connector: &dyn Connector,
    hello: &Hello,
) -> Result<Greeted, LinkError> {
    let ms = shared.config.connect_ms_max;
    let greeted = timeout(Duration::from_millis(ms), greet(connector, hello)).await;
    greeted.map_err(|_| LinkError::ConnectTimeout(ms))?
}

async fn greet(connector: &dyn Connector, hello: &Hello) -> Result<Greeted, LinkError> {
    let stream = connector.connect().await?;
    let (mut input, mut output) = tokio::io::split(stream);
    let mut out = Vec::new();
    message::put_hello(&mut out, PROTOCOL_VERSION, hello);
    output.write_all(&out).await?;
    let mut reader = FrameReader::new();
    let frame = loop {
        if let Some(frame) = reader.next()? {
            break frame;
        }
        if reader.fill(&mut input).await? == 0 {
            return Err(LinkError::Closed);
        }
    };
    match message::welcome(frame)? {
        Greeting::Understood(welcome) => {
            reader.allow(FRAME_BYTES_MAX);
            Ok(Greeted { input, output, reader, welcome })
        }
        Greeting::Farewell(_, theirs) if theirs != PROTOCOL_VERSION => {
            Err(LinkError::Version { theirs, ours: PROTOCOL_VERSION })
        }
        Greeting::Farewell(farewell, _) => Err(LinkError::Farewell(farewell)),
    }
}

/// Uses a connection until it is lost; gives why.
async fn converse(shared: &Arc<Shared>, connection: u64, greeted: Greeted) -> LinkError {
    let Greeted { mut input, mut output, mut reader, .. } = greeted;
    let silence = shared.config.liveness.silence();
    tokio::select! {
        biased;
        error = listen(shared, connection, &mut reader, &mut input) => error,
        written = write_gathered(shared.as_ref(), &mut output, silence) => {
            written.err().unwrap_or(LinkError::Closed)
        }
    }
}

async fn listen(
    shared: &Arc<Shared>,
    connection: u64,
    reader: &mut FrameReader,
    input: &mut ReadHalf<BoxedDuplex>,
) -> LinkError {
    let liveness = shared.config.liveness;
    let mut heartbeat = interval(liveness.heartbeat());
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut silence = Silence::new(liveness);
    loop {
        match shared.take_replies(connection, reader) {
            Ok(None) => {}
            Ok(Some(farewell)) => return LinkError::Farewell(farewell),
            Err(error) => return error.into(),
        }
        tokio::select! {
            biased;
            _ = heartbeat.tick() => {
                shared.heartbeat();
                if silence.is_too_long() {
                    return LinkError::Silent(liveness.silence_ms_max);
                }
            }
            read = reader.fill(input) => match read {
                Ok(0) => return LinkError::Closed,
                Ok(_) => silence.heard(),
                Err(error) => return error.into(),
            },
        }
    }
}
