//! One MLLP connection: a frame, its messages, its answer, then the next frame (ORD-1). An `AA`
//! is written only after the commit (ACK-1).

use super::counters::Counters;
use super::limits::{
    CARRIAGE_RETURN_WAIT_MS_MAX, FRAME_SILENCE_SECONDS_MAX, LAST_MESSAGE_WAIT_MS_MAX,
    LINGER_BYTES_MAX, LINGER_SECONDS_MAX, READ_BYTES_MAX, WRITE_SECONDS_MAX,
};
use super::overloaded;
use super::room::Room;
use crate::gateway::Gateway;
use crate::hl7;
use node_env::BoxedStream;
use node_env::trace::{Operation, Outcome};
use schema_hl7::mllp::{Frame, FrameDecoder, FrameError, FrameProblem, encode_frame};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::watch;
use tokio::time::timeout;

/// The client is gone or does not read its answers.
struct Broken;

/// What ended a wait for bytes.
enum Waited {
    Bytes(usize),
    /// The stream ended, or was silent for too long.
    End,
    /// Silence after an end block.
    Silence,
    /// The gateway begins to shut down.
    Stopping,
    /// It does, and no message is on its way.
    Stop,
}

pub(super) struct Connection {
    stream: BoxedStream,
    decoder: FrameDecoder,
    room: Room,
    gateway: Gateway,
    counters: Arc<Counters>,
    stop: watch::Receiver<bool>,
    input: Vec<u8>,
}

impl Connection {
    pub(super) fn new(
        stream: BoxedStream,
        gateway: Gateway,
        counters: Arc<Counters>,
        room: Room,
        stop: watch::Receiver<bool>,
    ) -> Self {
        Self {
            stream,
            decoder: FrameDecoder::new(gateway.limits.message_bytes_max),
            room,
            gateway,
            counters,
            stop,
            input: vec![0; READ_BYTES_MAX],
        }
    }

    /// Serves the connection to its end.
    pub(super) async fn run(mut self) {
        if self.serve().await.is_ok() {
            linger(&mut self.stream).await;
        }
    }

    async fn serve(&mut self) -> Result<(), Broken> {
        loop {
            while let Some(piece) = self.decoder.next() {
                let is_last = *self.stop.borrow();
                if is_last {
                    // The client hears the end together with the answer, and sends the rest and
                    // what is next elsewhere.
                    self.stream.hold_back();
                }
                self.answer(piece).await?;
                if is_last {
                    return Ok(());
                }
            }
            match self.wait().await {
                Waited::Bytes(read) => self.take_in(read).await?,
                Waited::Silence => {
                    if let Some(piece) = self.decoder.end_of_burst() {
                        self.answer(piece).await?;
                    }
                }
                Waited::End => {
                    let empty = FrameDecoder::new(0);
                    if let Some(piece) = std::mem::replace(&mut self.decoder, empty).finish() {
                        self.answer(piece).await?;
                    }
                    return Ok(());
                }
                Waited::Stopping => {}
                // What was begun and not answered is the sender's to send again.
                Waited::Stop => return Ok(()),
            }
        }
    }

    async fn wait(&mut self) -> Waited {
        if *self.stop.borrow() {
            return self.wait_last().await;
        }
        let is_silence_an_end = !self.decoder.is_waiting_for_carriage_return();
        let idle = self.gateway.limits.mllp_idle_seconds_max;
        let patience = if !is_silence_an_end {
            Duration::from_millis(CARRIAGE_RETURN_WAIT_MS_MAX)
        } else if self.room.bytes() > 0 {
            Duration::from_secs(idle.min(FRAME_SILENCE_SECONDS_MAX))
        } else {
            Duration::from_secs(idle)
        };
        let stop = &mut self.stop;
        tokio::select! {
            read = timeout(patience, self.stream.read(&mut self.input)) => match read {
                Ok(Ok(0) | Err(_)) => Waited::End,
                Ok(Ok(read)) => Waited::Bytes(read),
                Err(_) if is_silence_an_end => Waited::End,
                Err(_) => Waited::Silence,
            },
            _ = stop.wait_for(|stop| *stop) => Waited::Stopping,
        }
    }

    /// A message that is on its way when the gateway stops is still answered.
    async fn wait_last(&mut self) -> Waited {
        let patience = Duration::from_millis(LAST_MESSAGE_WAIT_MS_MAX);
        match timeout(patience, self.stream.read(&mut self.input)).await {
            Ok(Ok(0) | Err(_)) => Waited::End,
            Ok(Ok(read)) => Waited::Bytes(read),
            Err(_) => Waited::Stop,
        }
    }

    /// Gives what was read to the decoder, if there is room for it (LIM-1).
    async fn take_in(&mut self, read: usize) -> Result<(), Broken> {
        let bytes = &self.input[..read];
        self.counters.received_bytes.add(u64::try_from(read).unwrap_or(0));
        let has_room = self.room.add(bytes);
        self.counters.note_buffered(self.room.bytes());
        if has_room {
            self.decoder.push(bytes);
            return Ok(());
        }
        let failure = overloaded("bytes of unfinished messages");
        let reply = hl7::refusal(&self.gateway, &failure);
        self.write(&reply).await?;
        linger(&mut self.stream).await;
        Err(Broken)
    }

    async fn answer(&mut self, piece: Result<Frame, FrameError>) -> Result<(), Broken> {
        let (reply, was_too_large) = match piece {
            Ok(frame) => {
                let work = Box::pin(hl7::receive_frame(&self.gateway, frame.bytes.expose()));
                let tracer = self.gateway.runtime.tracer();
                let answered = match tracer.request(Operation::MllpMessage, None) {
                    None => work.await,
                    Some(span) => {
                        let answered = span.around(work).await;
                        span.end(Outcome::Done("answered"));
                        answered
                    }
                };
                for received in &answered.received {
                    self.counters.note(received);
                }
                (answered.reply, false)
            }
            Err(error) => {
                let raw = error.bytes.expose();
                let caller = hl7::sender(raw, "mllp");
                let work = hl7::refuse(&self.gateway, &caller, raw, "mllp", error.error());
                let received = Box::pin(work).await;
                self.counters.note(&received);
                (received.reply, error.problem == FrameProblem::TooLarge)
            }
        };
        self.room.release(was_too_large);
        self.write(&reply).await
    }

    async fn write(&mut self, reply: &[u8]) -> Result<(), Broken> {
        write_frame(&mut self.stream, reply).await?;
        self.counters.sent_bytes.add(u64::try_from(reply.len()).unwrap_or(0));
        Ok(())
    }
}

async fn write_frame(stream: &mut (impl AsyncWrite + Unpin), reply: &[u8]) -> Result<(), Broken> {
    let frame = encode_frame(reply);
    let write = async {
        stream.write_all(&frame).await?;
        stream.flush().await
    };
    match timeout(Duration::from_secs(WRITE_SECONDS_MAX), write).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) | Err(_) => Err(Broken),
    }
}

/// Says why a connection is not served, and closes it.
pub(super) async fn turn_away(mut stream: impl AsyncRead + AsyncWrite + Unpin, reply: Vec<u8>) {
    if write_frame(&mut stream, &reply).await.is_ok() {
        linger(&mut stream).await;
    }
}

/// Ends our side and reads on for a moment: closing with unread bytes could take the last answer
/// from the client.
async fn linger(stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let rest = async {
        if stream.shutdown().await.is_err() {
            return;
        }
        let mut thrown_away = vec![0; READ_BYTES_MAX];
        let mut room = LINGER_BYTES_MAX;
        while let Ok(read) = stream.read(&mut thrown_away).await
            && read > 0
            && read <= room
        {
            room -= read;
        }
    };
    let is_over = timeout(Duration::from_secs(LINGER_SECONDS_MAX), rest).await;
    if is_over.is_err() {
        tracing::debug!("a client kept its connection open after the last answer");
    }
}
