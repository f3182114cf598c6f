//! What became of a commit of which nobody has said so. Reads the marker of its slot: the ticket
//! is there, so it took effect. It is not there: then a transaction that has read the marker and
//! writes the ticket's own range makes sure that it never will. If that one takes effect, the
//! commit in question had no effect before it (the marker would have changed, a conflict) and can
//! have none after it (its own range has changed since its read version, a conflict).

use actors_store::{KeyRange, Versionstamp};

use crate::attempt::Ticket;
use crate::client::{ConflictSide, Purpose};
use crate::code::Code;
use crate::core::{Core, Tries, within};
use crate::limits::PROOF_VERSIONS_MAX;

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It took effect, as this.
    Landed(Versionstamp),
    /// It had no effect and never will.
    Void,
    /// Nobody will know: too much time has passed between the commit and the question.
    Lost,
}

/// Finds out, however long it takes up to the deadline of the tries; then says what stood in the
/// way last.
pub(crate) async fn settle(core: &Core, ticket: &Ticket, tries: &mut Tries) -> Result<Fate, Code> {
    loop {
        let code = match settle_once(core, ticket).await {
            Ok(fate) => {
                match fate {
                    Fate::Landed(_) => core.counters.found_done.add(),
                    Fate::Void => core.counters.found_void.add(),
                    Fate::Lost => {}
                }
                return Ok(fate);
            }
            Err(code) => code,
        };
        // Whatever stood in the way, the commit has its fate: ask again.
        if core.is_closed() || !tries.again(core).await {
            return Err(code);
        }
    }
}

async fn settle_once(core: &Core, ticket: &Ticket) -> Result<Fate, Code> {
    let limit_ms = core.config.commit_try_ms_max;
    let transaction = core.transaction(Purpose::Commit)?;
    let version = within(limit_ms, transaction.read_version()).await?;
    core.heard_of(version);
    let stored = within(limit_ms, transaction.get(&ticket.marker)).await?;
    if let Some(stamp) = ticket.landed(stored.as_deref()) {
        return Ok(Fate::Landed(stamp));
    }
    if version.saturating_sub(ticket.read_version) > PROOF_VERSIONS_MAX {
        // The marker may have been swept away.
        return Ok(Fate::Lost);
    }
    let marker = KeyRange::single(&ticket.marker);
    transaction.add_conflict(ConflictSide::Read, &marker.begin, &marker.end)?;
    let own = &ticket.own_range;
    transaction.add_conflict(ConflictSide::Write, &own.begin, &own.end)?;
    within(limit_ms, transaction.commit()).await.map(|_| Fate::Void)
}
