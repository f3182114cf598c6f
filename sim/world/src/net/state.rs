//! All streams, listeners and links, and what is on its way.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::task::Waker;

use node_env::fake::SeededRng;

use super::link::{Link, Profile, RETRANSMITS_MAX, retransmit_micros};
use crate::trace::Trace;

/// Bytes that one direction of a stream takes before its writer has to wait.
pub(super) const WINDOW_BYTES: usize = 256 * 1024;
/// Streams that wait to be accepted at one address.
const BACKLOG_MAX: usize = 128;

/// What became of the network so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct NetCounts {
    /// Streams that were asked for.
    pub connects: u64,
    /// Segments that arrived.
    pub segments: u64,
    /// Bytes that arrived.
    pub bytes: u64,
    /// Attempts that met a cut link or a dead host.
    pub held: u64,
    /// Streams that ended by a reset.
    pub resets: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    /// The wish for a stream reaches the host of end 1.
    Open,
    /// The answer to it reaches end 0.
    Opened,
    /// The first segment of direction 0 or 1 arrives.
    Segment(usize),
    /// End 0 or 1 learns that the stream is broken.
    Reset(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Event {
    at_micros: u64,
    number: u64,
    stream: u64,
    what: What,
    attempt: u32,
}

#[derive(Debug)]
pub(super) enum Segment {
    Bytes(Vec<u8>),
    End,
}

/// One direction: from end `i` to end `1 - i`.
#[derive(Debug, Default)]
pub(super) struct Pipe {
    flight: VecDeque<Segment>,
    flight_bytes: usize,
    last_micros: u64,
    /// Of direction 0: the asker knows that the stream is open.
    pub(super) is_answered: bool,
    pub(super) arrived: VecDeque<u8>,
    pub(super) has_ended: bool,
    pub(super) is_closed: bool,
    pub(super) reader: Option<Waker>,
    pub(super) writer: Option<Waker>,
}

impl Pipe {
    pub(super) fn room(&self) -> usize {
        WINDOW_BYTES.saturating_sub(self.flight_bytes + self.arrived.len())
    }
}

/// One side of a stream.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) host: u8,
    incarnation: u64,
    pub(super) address: SocketAddr,
    pub(super) is_reset: bool,
    /// Nobody holds it any longer.
    pub(super) is_gone: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opening {
    Asked,
    Open,
    Refused,
}

#[derive(Debug)]
pub(super) struct StreamState {
    pub(super) ends: [End; 2],
    pub(super) pipes: [Pipe; 2],
    pub(super) opening: Opening,
    pub(super) opener: Option<Waker>,
}

#[derive(Debug, Default)]
pub(super) struct ListenerState {
    pub(super) waiting: VecDeque<u64>,
    pub(super) acceptor: Option<Waker>,
    pub(super) host: u8,
}

#[derive(Debug)]
pub(super) struct HostState {
    pub(super) is_up: bool,
    pub(super) incarnation: u64,
    pub(super) next_port: u16,
}

pub(super) struct State {
    pub(super) rng: SeededRng,
    pub(super) profile: Profile,
    /// No segment arrives before this: the hosts have lived up to it already.
    pub(super) horizon_micros: u64,
    next_stream: u64,
    next_event: u64,
    events: BinaryHeap<Reverse<Event>>,
    pub(super) streams: BTreeMap<u64, StreamState>,
    pub(super) listeners: BTreeMap<SocketAddr, ListenerState>,
    pub(super) links: BTreeMap<(u8, u8), Link>,
    pub(super) hosts: BTreeMap<u8, HostState>,
    pub(super) counts: NetCounts,
    pub(super) trace: Arc<Trace>,
    pub(super) wakers: Vec<Waker>,
}

impl State {
    /// Nobody is there and nothing is on its way.
    pub(super) const fn empty(rng: SeededRng, profile: Profile, trace: Arc<Trace>) -> Self {
        Self {
            rng,
            profile,
            horizon_micros: 0,
            next_stream: 1,
            next_event: 0,
            events: BinaryHeap::new(),
            streams: BTreeMap::new(),
            listeners: BTreeMap::new(),
            links: BTreeMap::new(),
            hosts: BTreeMap::new(),
            counts: NetCounts { connects: 0, segments: 0, bytes: 0, held: 0, resets: 0 },
            trace,
            wakers: Vec::new(),
        }
    }

    /// When the next event is due, microseconds.
    pub(super) fn next_micros(&self) -> Option<u64> {
        self.events.peek().map(|Reverse(event)| event.at_micros)
    }

    /// Lets everything happen that is due.
    pub(super) fn arrive_until(&mut self, now_micros: u64) {
        while let Some(Reverse(event)) = self.events.peek().copied() {
            if event.at_micros > now_micros {
                break;
            }
            self.events.pop();
            self.arrive(now_micros, event);
        }
    }

    pub(super) fn wake(&mut self, waker: Option<Waker>) {
        self.wakers.extend(waker);
    }

    fn schedule(&mut self, at_micros: u64, stream: u64, what: What, attempt: u32) {
        let number = self.next_event;
        self.next_event += 1;
        self.events.push(Reverse(Event { at_micros, number, stream, what, attempt }));
    }

    fn link(&self, from: u8, to: u8) -> Link {
        self.links.get(&(from, to)).copied().unwrap_or_default()
    }

    /// When something sent now arrives, links as they are now.
    fn arrival_micros(&mut self, now_micros: u64, from: u8, to: u8, bytes: usize) -> u64 {
        let link = self.link(from, to);
        let mut at = now_micros + self.profile.draw_micros(&self.rng) + link.delay_micros;
        let byte_micros = (bytes as u64).saturating_mul(1_000_000);
        at += byte_micros.checked_div(link.bytes_per_second).unwrap_or(0);
        at.max(self.horizon_micros)
    }

    /// Begins a stream; the id of it.
    pub(super) fn open(&mut self, now: u64, host: u8, ip: [u8; 4], to: SocketAddr) -> u64 {
        let id = self.next_stream;
        self.next_stream += 1;
        self.counts.connects += 1;
        let other = host_of(to);
        let port = self.free_port(host);
        let end = |host, incarnation, address| End {
            host,
            incarnation,
            address,
            is_reset: false,
            is_gone: false,
        };
        let (mine, theirs) = (self.incarnation(host), self.incarnation(other));
        let ends = [end(host, mine, SocketAddr::from((ip, port))), end(other, theirs, to)];
        let pipes = [Pipe::default(), Pipe::default()];
        let stream = StreamState { ends, pipes, opening: Opening::Asked, opener: None };
        self.streams.insert(id, stream);
        let at = self.arrival_micros(now, host, other, 0);
        self.schedule(at, id, What::Open, 0);
        id
    }

    pub(super) fn free_port(&mut self, host: u8) -> u16 {
        let Some(known) = self.hosts.get_mut(&host) else { return 0 };
        known.next_port = known.next_port.checked_add(1).unwrap_or(20_000);
        known.next_port
    }

    pub(super) fn listen(&mut self, host: u8, address: SocketAddr) -> bool {
        if self.listeners.contains_key(&address) {
            return false;
        }
        self.listeners.insert(address, ListenerState { host, ..ListenerState::default() });
        true
    }

    fn incarnation(&self, host: u8) -> u64 {
        self.hosts.get(&host).map_or(0, |known| known.incarnation)
    }

    /// Puts a segment on its way from an end.
    pub(super) fn send(&mut self, now: u64, id: u64, end: usize, segment: Segment) {
        let Some(stream) = self.streams.get(&id) else { return };
        let (from, to) = (stream.ends[end].host, stream.ends[1 - end].host);
        let bytes = match &segment {
            Segment::Bytes(bytes) => bytes.len(),
            Segment::End => 0,
        };
        let checksum = match &segment {
            Segment::Bytes(bytes) => u64::from(crc32c::crc32c(bytes)),
            Segment::End => u64::MAX,
        };
        let at = self.arrival_micros(now, from, to, bytes);
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let pipe = &mut stream.pipes[end];
        let at = at.max(pipe.last_micros);
        pipe.last_micros = at;
        pipe.flight_bytes += bytes;
        pipe.flight.push_back(segment);
        self.schedule(at, id, What::Segment(end), 0);
        let numbers = [id, u64::from(to), bytes as u64, checksum];
        self.trace.note((now, Some(from)), "send", &numbers, || {
            format!("stream {id} to {to}: {bytes} bytes")
        });
    }

    fn arrive(&mut self, now: u64, event: Event) {
        let Some(stream) = self.streams.get(&event.stream) else { return };
        let (from, to) = match event.what {
            What::Open => (0, 1),
            What::Opened => (1, 0),
            What::Segment(end) => (end, 1 - end),
            What::Reset(end) => (1 - end, end),
        };
        let (sender, receiver) = (stream.ends[from], stream.ends[to]);
        let is_up = self.hosts.get(&receiver.host).is_some_and(|host| host.is_up);
        if self.link(sender.host, receiver.host).is_cut || !is_up {
            self.hold(now, event);
            return;
        }
        match event.what {
            What::Open => self.arrive_open(now, event.stream),
            What::Opened => self.arrive_opened(event.stream),
            What::Segment(end) => self.arrive_segment(now, event.stream, end),
            What::Reset(end) => self.break_end(event.stream, end),
        }
    }

    /// Not now: the sender tries again later, and at last gives up.
    fn hold(&mut self, now: u64, event: Event) {
        self.counts.held += 1;
        if event.attempt >= RETRANSMITS_MAX {
            let sender = match event.what {
                What::Open => 0,
                What::Opened => 1,
                What::Segment(end) => end,
                What::Reset(_) => return,
            };
            self.break_end(event.stream, sender);
            return;
        }
        let attempt = event.attempt + 1;
        self.schedule(now + retransmit_micros(attempt), event.stream, event.what, attempt);
    }

    fn arrive_open(&mut self, now: u64, id: u64) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let address = stream.ends[1].address;
        let (from, to) = (stream.ends[1].host, stream.ends[0].host);
        let incarnation = self.hosts.get(&from).map_or(0, |host| host.incarnation);
        stream.ends[1].incarnation = incarnation;
        let listener = self.listeners.get_mut(&address);
        let mut woken = None;
        stream.opening = match listener {
            Some(listener) if listener.waiting.len() < BACKLOG_MAX => {
                listener.waiting.push_back(id);
                woken = listener.acceptor.take();
                Opening::Open
            }
            _ => Opening::Refused,
        };
        self.wake(woken);
        let at = self.arrival_micros(now, from, to, 0);
        self.schedule(at, id, What::Opened, 0);
    }

    fn arrive_opened(&mut self, id: u64) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let waker = stream.opener.take();
        stream.pipes[0].is_answered = true;
        stream.ends[0].is_reset |= stream.opening == Opening::Refused;
        self.wake(waker);
    }

    fn arrive_segment(&mut self, now: u64, id: u64, end: usize) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        let receiver = stream.ends[1 - end];
        let is_another = self.hosts.get(&receiver.host).map(|host| host.incarnation)
            != Some(receiver.incarnation);
        let is_end = matches!(stream.pipes[end].flight.front(), Some(Segment::End));
        if receiver.is_gone && is_end && !is_another {
            // It has left as well: an ordinary end.
            let pipes_are_empty = stream.pipes[1 - end].flight.is_empty();
            stream.pipes[end].flight.pop_front();
            if pipes_are_empty && stream.ends[end].is_gone {
                self.streams.remove(&id);
            }
            return;
        }
        if is_another || receiver.is_reset || receiver.is_gone {
            // Nobody there knows this stream: its kernel says so.
            self.tell_reset_at(now, id, end);
            return;
        }
        let pipe = &mut stream.pipes[end];
        let Some(segment) = pipe.flight.pop_front() else { return };
        let numbers;
        match segment {
            Segment::Bytes(bytes) => {
                pipe.flight_bytes -= bytes.len();
                numbers = [id, bytes.len() as u64];
                self.counts.segments += 1;
                self.counts.bytes += bytes.len() as u64;
                pipe.arrived.extend(bytes);
            }
            Segment::End => {
                numbers = [id, u64::MAX];
                pipe.has_ended = true;
            }
        }
        let waker = pipe.reader.take();
        self.wake(waker);
        self.trace.note((now, Some(receiver.host)), "arrive", &numbers, || format!("stream {id}"));
    }

    pub(super) fn tell_reset(&mut self, id: u64, end: usize) {
        let now = self.horizon_micros;
        self.tell_reset_at(now, id, end);
    }

    fn tell_reset_at(&mut self, now: u64, id: u64, end: usize) {
        let Some(stream) = self.streams.get(&id) else { return };
        let (from, to) = (stream.ends[1 - end].host, stream.ends[end].host);
        let at = self.arrival_micros(now, from, to, 0);
        self.schedule(at, id, What::Reset(end), 0);
    }

    /// An end learns that its stream is broken.
    pub(super) fn break_end(&mut self, id: u64, end: usize) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        if stream.ends[end].is_reset {
            return;
        }
        stream.ends[end].is_reset = true;
        let wakers = [
            stream.pipes[1 - end].reader.take(),
            stream.pipes[end].writer.take(),
            stream.opener.take(),
        ];
        self.counts.resets += 1;
        wakers.into_iter().for_each(|waker| self.wake(waker));
    }

    /// Nobody holds an end any longer.
    pub(super) fn leave(&mut self, now: u64, id: u64, end: usize) {
        let Some(stream) = self.streams.get_mut(&id) else { return };
        stream.ends[end].is_gone = true;
        let is_heard = !stream.pipes[1 - end].arrived.is_empty();
        let is_over = stream.ends.iter().all(|end| end.is_gone);
        if is_over && stream.pipes.iter().all(|pipe| pipe.flight.is_empty()) {
            self.streams.remove(&id);
        } else if is_heard && !stream.ends[end].is_reset {
            // Bytes that nobody will read: the other end is told so (RFC 1122, 4.2.2.13).
            self.tell_reset_at(now, id, 1 - end);
        }
    }
}

/// The host at an address `127.0.0.N`.
pub(super) fn host_of(address: SocketAddr) -> u8 {
    match address.ip() {
        std::net::IpAddr::V4(ip) => ip.octets()[3],
        std::net::IpAddr::V6(_) => u8::MAX,
    }
}
