//! One connection: the greeting, the wait until the client's last session is settled, the
//! session, and the farewell.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use node_env::BoxedDuplex;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::error::{Farewell, LinkError};
use crate::frame::{Frame, FrameReader};
use crate::gather::{Replies, write_gathered};
use crate::limits::FRAME_BYTES_MAX;
use crate::message::{self, Greeting, Hello, Welcome};
use crate::server::counters::add;
use crate::server::served::Admission;
use crate::server::session::Session;
use crate::server::{ServerShared, until_stopped};
use crate::silence::Silence;

type Input = ReadHalf<BoxedDuplex>;
type Output = WriteHalf<BoxedDuplex>;

/// Tells a client that there is no room for it, as far as that needs no waiting.
pub(crate) fn turn_away(shared: &ServerShared, mut stream: BoxedDuplex) {
    add(&shared.counters.refused);
    let mut out = Vec::new();
    message::put_farewell(&mut out, Farewell::TooManySessions);
    drop(stream.write_all(&out).now_or_never());
}

/// Serves a connection until it ends, and its commits until they are answered.
pub(crate) async fn serve(
    shared: Arc<ServerShared>,
    stream: BoxedDuplex,
    mut stopped: watch::Receiver<bool>,
) {
    let (mut input, output) = tokio::io::split(stream);
    let mut reader = FrameReader::new();
    let greeting = Duration::from_millis(shared.config.greeting_ms_max);
    let hello = match timeout(greeting, first_frame(&mut reader, &mut input)).await {
        Ok(Ok(frame)) => match message::hello(frame) {
            Greeting::Understood(hello) => Ok(hello),
            Greeting::Farewell(farewell, _) => Err(farewell),
        },
        Ok(Err(LinkError::Protocol(_))) => Err(Farewell::NoGreeting),
        Ok(Err(_)) | Err(_) => Err(Farewell::Silent),
    };
    let admission = hello.and_then(|hello| shared.served.admit(&hello));
    let admission = match admission {
        Ok(admission) => admission,
        Err(farewell) => return refuse(&shared, output, farewell).await,
    };
    reader.allow(FRAME_BYTES_MAX);
    let waited = settle(&shared, &admission, &mut stopped).await;
    let admission = match waited {
        Ok(()) => {
            let parts = Parts { reader, input, output };
            run(&shared, admission, parts, &mut stopped).await
        }
        Err(farewell) => {
            refuse(&shared, output, farewell).await;
            admission
        }
    };
    shared.served.leave(&admission);
}

async fn first_frame(reader: &mut FrameReader, input: &mut Input) -> Result<Frame, LinkError> {
    loop {
        if let Some(frame) = reader.next()? {
            return Ok(frame);
        }
        if reader.fill(input).await? == 0 {
            return Err(LinkError::Closed);
        }
    }
}

async fn refuse(shared: &ServerShared, mut output: Output, farewell: Farewell) {
    add(&shared.counters.refused);
    tracing::debug!(reason = %farewell, "a connection was refused");
    let mut out = Vec::new();
    message::put_farewell(&mut out, farewell);
    let told = async {
        output.write_all(&out).await?;
        output.shutdown().await
    };
    // One that is gone needs no farewell.
    drop(timeout(shared.config.liveness.silence(), told).await);
}

/// Waits until nothing of the client's earlier sessions is under way (OWN-1).
async fn settle(
    shared: &ServerShared,
    admission: &Admission,
    stopped: &mut watch::Receiver<bool>,
) -> Result<(), Farewell> {
    let Admission { gate, session, hello } = admission;
    let drain = Duration::from_millis(shared.config.drain_ms_max);
    tokio::select! {
        biased;
        () = until_stopped(stopped) => Err(Farewell::ShuttingDown),
        farewell = gate.superseded(*session, hello.incarnation) => Err(farewell),
        drained = timeout(drain, gate.drained()) => drained.map_err(|_| Farewell::Draining),
    }
}

struct Parts {
    reader: FrameReader,
    input: Input,
    output: Output,
}

/// Why a session ended.
#[derive(Debug)]
enum End {
    /// The server ends it, and says so.
    Farewell(Farewell),
    /// The client has closed it, or the connection is lost.
    Gone,
}

/// Runs the session to its end.
async fn run(
    shared: &Arc<ServerShared>,
    admission: Admission,
    parts: Parts,
    stopped: &mut watch::Receiver<bool>,
) -> Admission {
    let Parts { reader, input, mut output } = parts;
    let replies = Arc::new(Replies::default());
    let (commits_max, commit_bytes_max) =
        (shared.config.commits_max, shared.config.commit_bytes_max);
    replies.put(|out| message::put_welcome(out, &Welcome { commits_max, commit_bytes_max }));
    let (silence, outgoing) = (shared.config.liveness.silence(), Arc::clone(&replies));
    let writing = async move { write_gathered(outgoing.as_ref(), &mut output, silence).await };
    let writing = tokio::spawn(writing);
    add(&shared.counters.sessions);
    let Hello { client_id, incarnation, connection, .. } = admission.hello;
    let client = format_args!("{client_id:032x}").to_string();
    tracing::info!(client, incarnation, connection, "a session of the store begins");
    let (gate, number) = (Arc::clone(&admission.gate), admission.session);
    let session = Session::new(Arc::clone(shared), admission, Arc::clone(&replies));
    let mut conversation =
        Conversation { shared, session, reader, input, replies: &replies, writing };
    let end = tokio::select! {
        biased;
        () = until_stopped(stopped) => End::Farewell(Farewell::ShuttingDown),
        farewell = gate.superseded(number, incarnation) => End::Farewell(farewell),
        end = conversation.run() => end,
    };
    tracing::info!(client, incarnation, connection, ?end, "a session of the store ends");
    count_end(shared, &end);
    conversation.finish(&end).await
}

fn count_end(shared: &ServerShared, end: &End) {
    let counters = &shared.counters;
    match end {
        End::Farewell(Farewell::Superseded | Farewell::Reconnected) => add(&counters.superseded),
        End::Farewell(Farewell::Silent) => add(&counters.lost),
        End::Farewell(Farewell::Protocol) => add(&counters.broken),
        End::Farewell(_) | End::Gone => {}
    }
}

struct Conversation<'a> {
    shared: &'a ServerShared,
    session: Session,
    reader: FrameReader,
    input: Input,
    replies: &'a Replies,
    writing: JoinHandle<Result<(), LinkError>>,
}

impl Conversation<'_> {
    /// Takes requests and gives replies until one side has had enough. May be dropped at any
    /// await: what the store has stays in the session.
    async fn run(&mut self) -> End {
        let liveness = self.shared.config.liveness;
        let mut heartbeat = interval(liveness.heartbeat());
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut silence = Silence::new(liveness);
        loop {
            if let Err(error) = self.session.take_requests(&mut self.reader) {
                tracing::warn!(%error, "a client of the store breaks the protocol");
                return End::Farewell(Farewell::Protocol);
            }
            let has_room = self.session.has_room();
            tokio::select! {
                biased;
                _ = heartbeat.tick() => {
                    self.session.tick();
                    if !has_room {
                        // It is this side that does not listen.
                        silence.heard();
                    }
                    if silence.is_too_long() {
                        return End::Farewell(Farewell::Silent);
                    }
                }
                _ended = &mut self.writing => {
                    add(&self.shared.counters.lost);
                    return End::Gone;
                }
                () = self.session.progress(), if self.session.is_busy() => {}
                read = self.reader.fill(&mut self.input), if has_room => match read {
                    Ok(0) | Err(_) => return End::Gone,
                    Ok(_) => silence.heard(),
                },
                () = self.replies.room(), if !has_room => {}
            }
        }
    }

    /// Says farewell, and waits for the commits that the store has: before the farewell when
    /// the client can still use their results.
    async fn finish(self, end: &End) -> Admission {
        let Self { session, replies, writing, .. } = self;
        let admission = match end {
            End::Farewell(
                Farewell::ShuttingDown | Farewell::Superseded | Farewell::Reconnected,
            ) => {
                let admission = session.drain().await;
                bid_farewell(replies, end);
                admission
            }
            End::Farewell(_) | End::Gone => {
                bid_farewell(replies, end);
                session.drain().await
            }
        };
        if !writing.is_finished() {
            drop(writing.await);
        }
        admission
    }
}

fn bid_farewell(replies: &Replies, end: &End) {
    if let End::Farewell(farewell) = end {
        replies.put(|out| message::put_farewell(out, *farewell));
    }
    replies.close();
}
