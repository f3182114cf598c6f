//! A commit from its turn to its answer: tried until it is decided, looked into when a try does not
//! say what became of it (ONCE-1: it is never tried again before that is known), given up at its
//! deadline.

use actors_store::limits::TRANSACTION_BYTES_MAX;
use actors_store::mutation::versionstamp;
use actors_store::{CommitError, CommitRequest, Committed, Versionstamp};

use crate::attempt::{Ticket, attempt, stamp_version};
use crate::client::Landed;
use crate::code::{Code, Verdict};
use crate::core::{Core, Tries};
use crate::limits::RETRY_AFTER_MS;
use crate::settle::{Fate, settle};
use crate::versions::ask_once;

pub(crate) type Outcome = Result<Committed, CommitError>;

/// How it ended.
pub(crate) enum Ended {
    /// Decided.
    Known(Outcome),
    /// Not within the time; the ticket tells later.
    InDoubt(Ticket, CommitError),
}

/// What a failed try means for the next one.
enum Next {
    Again(Code),
    End(Ended),
}

/// Runs one commit in a slot that nobody else uses meanwhile.
pub(crate) async fn run(core: &Core, request: &CommitRequest, slot: u32) -> Ended {
    let mut tries = Tries::within_ms(core.config.commit_ms_max);
    let mut is_recent_usable = true;
    loop {
        let code = match read_version(core, request, is_recent_usable).await {
            Err(Missing::Answer(error)) => return Ended::Known(Err(error)),
            Err(Missing::Version(code)) => code,
            Ok(version) => {
                let ticket = Ticket::new(core, slot, version);
                match attempt(core, request, &ticket).await {
                    Ok(landed) => return Ended::Known(Ok(committed(core, landed))),
                    Err(code) => match judge(core, request, ticket, code, &mut tries).await {
                        Next::End(ended) => return ended,
                        Next::Again(code) => code,
                    },
                }
            }
        };
        is_recent_usable = false;
        if code.verdict() == Verdict::Refused {
            return Ended::Known(Err(CommitError::Stopped { reason: code.to_string() }));
        }
        if core.is_closed() || !tries.again(core).await {
            // What was tried is known to have had no effect.
            core.counters.overloaded.add();
            return Ended::Known(Err(CommitError::Overloaded { retry_after_ms: RETRY_AFTER_MS }));
        }
    }
}

fn has_read(request: &CommitRequest) -> bool {
    request.read_conflicts.iter().any(|range| !range.is_empty())
}

enum Missing {
    /// The caller gets this.
    Answer(CommitError),
    /// No version could be had.
    Version(Code),
}

/// The version at which the request counts as having read. What has read nothing takes a version
/// heard of just now: all that it conflicts with is its own ticket, which is newer.
async fn read_version(
    core: &Core,
    request: &CommitRequest,
    is_recent_usable: bool,
) -> Result<i64, Missing> {
    if !has_read(request) {
        return match core.recent().filter(|_| is_recent_usable) {
            Some(version) => Ok(version),
            None => ask_once(core).await.map_err(Missing::Version),
        };
    }
    let future = CommitError::Invalid { reason: "the read version is in the future" };
    let Ok(version) = i64::try_from(request.read_version) else {
        return Err(Missing::Answer(future));
    };
    if version == 0 {
        return Err(Missing::Answer(CommitError::TooOld));
    }
    if core.has_reached(version) {
        return Ok(version);
    }
    let newest = ask_once(core).await.map_err(Missing::Version)?;
    if version > newest { Err(Missing::Answer(future)) } else { Ok(version) }
}

async fn judge(
    core: &Core,
    request: &CommitRequest,
    ticket: Ticket,
    code: Code,
    tries: &mut Tries,
) -> Next {
    let has_read = has_read(request);
    let known = |error| Next::End(Ended::Known(Err(error)));
    match code.verdict() {
        Verdict::Conflict if has_read => {
            core.counters.conflicts.add();
            known(CommitError::Conflict)
        }
        Verdict::TooOld if has_read => known(CommitError::TooOld),
        Verdict::TooLarge => {
            let (bytes, bytes_max) = (request.size_bytes(), TRANSACTION_BYTES_MAX);
            known(CommitError::TooLarge { bytes, bytes_max })
        }
        // What has read nothing has nothing to be too late for.
        Verdict::Conflict | Verdict::TooOld | Verdict::Transient => Next::Again(code),
        // Said by the client before anything was sent.
        Verdict::Refused => known(CommitError::Stopped { reason: code.to_string() }),
        Verdict::Unknown => find_out(core, ticket, code, tries).await,
    }
}

async fn find_out(core: &Core, ticket: Ticket, code: Code, tries: &mut Tries) -> Next {
    core.counters.unknown.add();
    let unknown = |reason: String| CommitError::UnknownResult { reason };
    match settle(core, &ticket, tries).await {
        Ok(Fate::Landed(stamp)) => Next::End(Ended::Known(Ok(found(core, stamp)))),
        Ok(Fate::Void) => Next::Again(code),
        Ok(Fate::Lost) => {
            let reason = format!("{code}, and its marker is out of date");
            Next::End(Ended::Known(Err(unknown(reason))))
        }
        Err(last) => {
            let reason = format!("{code}, and then {last}");
            Next::End(Ended::InDoubt(ticket, unknown(reason)))
        }
    }
}

fn committed(core: &Core, landed: Landed) -> Committed {
    core.heard_of(landed.version);
    core.counters.commits.add();
    let version = u64::try_from(landed.version).unwrap_or(0);
    node_env::always!(
        landed.versionstamp[..8] == version.to_be_bytes(),
        "STORE-1",
        "a versionstamp begins with the version of its commit"
    );
    Committed { version, versionstamp: landed.versionstamp }
}

fn found(core: &Core, stamp: Versionstamp) -> Committed {
    let version = stamp_version(&stamp);
    node_env::always!(
        stamp >= versionstamp(1, 0),
        "STORE-1",
        "a marker holds the versionstamp of a commit"
    );
    committed(core, Landed { version, versionstamp: stamp })
}
