//! The known peers, the session of each, and which of two connections between the same nodes
//! stays. No I/O: what to do with a session that has to go is the caller's business.

use super::envelope::Token;
use super::fault::PeerFault;
use super::handler::Work;
use super::id::PeerId;
use super::session::{Phase, Session};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::task::AbortHandle;

/// All that is known of a peer.
pub(crate) struct Record {
    pub(crate) address: String,
    pub(crate) session: Option<Arc<Session>>,
    pub(crate) work: Arc<Work>,
    /// We have offered a session, and the answer is not there yet.
    is_offering: bool,
    /// Dials that failed since the last session.
    pub(crate) attempts: u32,
    /// Why there is no session.
    pub(crate) fault: PeerFault,
    /// Since when there is none.
    pub(crate) since_micros: u64,
    pub(crate) dialer: Option<AbortHandle>,
}

impl Record {
    pub(crate) fn new(address: String, work: Work, since_micros: u64) -> Self {
        Self {
            address,
            session: None,
            work: Arc::new(work),
            is_offering: false,
            attempts: 0,
            fault: PeerFault::NotYetDialled,
            since_micros,
            dialer: None,
        }
    }

    /// The session, unless it is over and only not yet put away.
    fn current(&self) -> Option<&Arc<Session>> {
        let is_over = |session: &&Arc<Session>| matches!(session.phase(), Phase::Ended(_));
        self.session.as_ref().filter(|session| !is_over(session))
    }
}

/// What a dialer is to do.
pub(crate) enum Turn {
    /// The peer is no longer listed.
    Stop,
    /// Dial this address.
    Dial(String),
    /// Wait until this session has ended.
    Wait(Arc<Session>),
}

/// The peers of a network.
#[derive(Default)]
pub(crate) struct Directory {
    peers: RwLock<BTreeMap<PeerId, Record>>,
    tokens: RwLock<BTreeMap<Token, Arc<Session>>>,
}

impl Directory {
    pub(crate) fn peers(&self) -> RwLockReadGuard<'_, BTreeMap<PeerId, Record>> {
        self.peers.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn peers_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<PeerId, Record>> {
        self.peers.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn tokens_mut(&self) -> RwLockWriteGuard<'_, BTreeMap<Token, Arc<Session>>> {
        self.tokens.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The session that a batch is from.
    pub(crate) fn session_of(&self, token: Token) -> Option<Arc<Session>> {
        self.tokens.read().unwrap_or_else(PoisonError::into_inner).get(&token).cloned()
    }

    /// The work of a known peer.
    pub(crate) fn work_of(&self, peer: PeerId) -> Option<Arc<Work>> {
        self.peers().get(&peer).map(|record| Arc::clone(&record.work))
    }

    /// What the dialer of a peer does next.
    pub(crate) fn turn(&self, peer: PeerId) -> Turn {
        let peers = self.peers();
        let Some(record) = peers.get(&peer) else { return Turn::Stop };
        match record.current() {
            Some(session) => Turn::Wait(Arc::clone(session)),
            None => Turn::Dial(record.address.clone()),
        }
    }

    /// Notes that a peer is about to be offered a session, unless its own connection is there by
    /// now. Not before: who cannot reach a peer must not keep out the one that can reach it.
    pub(crate) fn offer(&self, peer: PeerId) -> Result<(), PeerFault> {
        let mut peers = self.peers_mut();
        let record = peers.get_mut(&peer).ok_or(PeerFault::Removed)?;
        if record.current().is_some() {
            return Err(PeerFault::Duplicate);
        }
        record.is_offering = true;
        Ok(())
    }

    /// Notes how a dial ended that brought no session.
    pub(crate) fn dial_failed(&self, peer: PeerId, fault: PeerFault) -> u32 {
        let mut peers = self.peers_mut();
        let Some(record) = peers.get_mut(&peer) else { return 0 };
        record.is_offering = false;
        record.attempts = record.attempts.saturating_add(1);
        record.fault = fault;
        record.attempts
    }

    /// Takes a session that we dialled, unless the peer's own connection is there already.
    pub(crate) fn dialed(&self, session: &Arc<Session>) -> Result<(), PeerFault> {
        let mut peers = self.peers_mut();
        let record = peers.get_mut(&session.peer).ok_or(PeerFault::Removed)?;
        record.is_offering = false;
        if record.current().is_some() {
            return Err(PeerFault::Duplicate);
        }
        self.install(record, session);
        Ok(())
    }

    /// Takes a session that a peer dialled, and gives back the one whose place it takes; or says
    /// that the peer's connection is not the one that stays.
    pub(crate) fn incoming(
        &self,
        own: PeerId,
        session: &Arc<Session>,
    ) -> Result<Option<Arc<Session>>, PeerFault> {
        let mut peers = self.peers_mut();
        let record = peers.get_mut(&session.peer).ok_or(PeerFault::UnknownPeer)?;
        let current = record.current().cloned();
        let existing = current.as_ref().map(|current| Existing {
            is_ours: current.initiator == own,
            is_same_incarnation: current.incarnation == session.incarnation,
        });
        if !stays(own < session.peer, record.is_offering, existing) {
            return Err(PeerFault::Duplicate);
        }
        self.install(record, session);
        Ok(current)
    }

    fn install(&self, record: &mut Record, session: &Arc<Session>) {
        record.session = Some(Arc::clone(session));
        record.fault = PeerFault::Opening;
        self.tokens_mut().insert(session.token, Arc::clone(session));
    }

    /// Notes that calls can be made.
    pub(crate) fn opened(&self, session: &Session) {
        if let Some(record) = self.peers_mut().get_mut(&session.peer) {
            record.attempts = 0;
        }
    }

    /// Forgets a session that has ended.
    pub(crate) fn closed(&self, session: &Session, fault: PeerFault, now_micros: u64) {
        self.tokens_mut().remove(&session.token);
        let mut peers = self.peers_mut();
        let Some(record) = peers.get_mut(&session.peer) else { return };
        if record.session.as_ref().is_some_and(|current| current.number == session.number) {
            record.session = None;
            record.fault = fault;
            record.since_micros = now_micros;
        }
    }

    /// Every session that there is.
    pub(crate) fn sessions(&self) -> Vec<Arc<Session>> {
        self.peers().values().filter_map(|record| record.session.clone()).collect()
    }
}

/// A session that exists when another connection of the same peer comes in.
#[derive(Debug, Clone, Copy)]
struct Existing {
    is_ours: bool,
    is_same_incarnation: bool,
}

/// Whether a connection that a peer opened becomes the session. Both sides must come to the same
/// end: the connection that the smaller id opens wins, and who dials has no session, or lost it.
fn stays(is_own_smaller: bool, is_offering: bool, existing: Option<Existing>) -> bool {
    match existing {
        None => !(is_own_smaller && is_offering),
        // The peer dials only without a session: it has lost the old one.
        Some(Existing { is_ours: false, .. }) => true,
        // A restarted peer cannot have the session that we hold.
        Some(Existing { is_same_incarnation: false, .. }) => true,
        // Both dialled. If it has really lost ours, silence will show it.
        Some(Existing { is_ours: true, is_same_incarnation: true }) => !is_own_smaller,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_of_two_connections_stays() {
        let ours = |is_same_incarnation| Some(Existing { is_ours: true, is_same_incarnation });
        let theirs = Some(Existing { is_ours: false, is_same_incarnation: true });
        let cases = [
            // own is smaller, offering, existing, stays
            (true, false, None, true),
            (true, true, None, false),
            (false, false, None, true),
            (false, true, None, true),
            (true, false, theirs, true),
            (false, false, theirs, true),
            (true, false, ours(false), true),
            (false, false, ours(false), true),
            (true, false, ours(true), false),
            (false, false, ours(true), true),
        ];
        for (is_own_smaller, is_offering, existing, expected) in cases {
            let stays = stays(is_own_smaller, is_offering, existing);
            assert_eq!(stays, expected, "{is_own_smaller} {is_offering} {existing:?}");
        }
    }

    #[test]
    fn crossed_dials_end_in_one_session() {
        // Both offer before either hears of the other: exactly one of the two is let in.
        let smaller_lets_in = stays(true, true, None);
        let larger_lets_in = stays(false, true, None);
        assert_eq!((smaller_lets_in, larger_lets_in), (false, true));
    }
}
