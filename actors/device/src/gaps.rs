//! Sequence numbers: which batches are missing, and where a batch stands among those seen (DEV-2).
//! Whether anything is done with a batch's observations is not decided here.

use crate::command::BatchOrder;
use crate::limits::GAPS_MAX;
use crate::state::State;
use schema_types::device::SampleSummary;

/// Where a batch stands, and how many sequence numbers were skipped just before it.
#[must_use]
pub fn order_of(state: &State, summary: &SampleSummary) -> (BatchOrder, u64) {
    let (Some(sequence), Some(last)) = (summary.sequence, state.last_sequence) else {
        return (BatchOrder::Next, 0);
    };
    if sequence > last {
        return (BatchOrder::Next, sequence - last - 1);
    }
    if contains(&state.gaps, sequence) {
        return (BatchOrder::FilledGap, 0);
    }
    // A repeat holds samples that were taken before the last arrival. A live batch with newer ones
    // under an old number comes from a device that counts anew.
    let taken_at = summary.device_time.plus_micros(state.clock_offset_micros.saturating_neg());
    let is_fresh = state.last_received_at.is_none_or(|received_at| taken_at > received_at);
    if is_fresh && !summary.stored_and_forwarded {
        return (BatchOrder::Restarted, 0);
    }
    (BatchOrder::Repeated, 0)
}

/// Notes a batch that is not late: opens a gap before it, or forgets all gaps when the device
/// counts anew.
pub(crate) fn advance(state: &mut State, sequence: u64) {
    match state.last_sequence {
        Some(last) if sequence <= last => state.gaps.clear(),
        Some(last) if sequence > last + 1 => {
            state.gaps.push((last + 1, sequence - 1));
            forget_oldest(&mut state.gaps);
        }
        Some(_) | None => {}
    }
    state.last_sequence = Some(sequence);
}

/// Closes the gap at one number; nothing happens when there is none.
pub(crate) fn fill(gaps: &mut Vec<(u64, u64)>, sequence: u64) {
    let Some(index) = gaps.iter().position(|gap| is_within(*gap, sequence)) else { return };
    let (first, last) = gaps.remove(index);
    if sequence < last {
        gaps.insert(index, (sequence + 1, last));
    }
    if first < sequence {
        gaps.insert(index, (first, sequence - 1));
    }
    forget_oldest(gaps);
}

/// Whether gaps are ascending, apart and below the newest number.
pub(crate) fn are_ordered(gaps: &[(u64, u64)], last_sequence: Option<u64>) -> bool {
    let are_ranges = gaps.iter().all(|(first, last)| first <= last);
    let are_apart = gaps.windows(2).all(|pair| matches!(pair, [one, next] if one.1 < next.0));
    let newest = gaps.last().map(|gap| gap.1);
    are_ranges && are_apart && newest.is_none_or(|end| last_sequence.is_some_and(|last| end < last))
}

fn contains(gaps: &[(u64, u64)], sequence: u64) -> bool {
    gaps.iter().any(|gap| is_within(*gap, sequence))
}

const fn is_within((first, last): (u64, u64), sequence: u64) -> bool {
    first <= sequence && sequence <= last
}

fn forget_oldest(gaps: &mut Vec<(u64, u64)>) {
    let excess = gaps.len().saturating_sub(GAPS_MAX);
    gaps.drain(..excess);
}
