//! The fold: pure and total, one function per event that changes more than one field (DET-1).

use crate::event::Event;
use crate::gaps;
use crate::limits::PAST_ASSOCIATIONS_MAX;
use crate::state::{State, validate};
use schema_types::device::SampleSummary;
use schema_types::ids::EntityId;
use schema_types::time::Timestamp;

/// Folds one event into the state.
pub fn evolve(state: &mut State, event: &Event) {
    match event {
        Event::SamplesReceived { summary, missed, clock_offset_micros } => {
            evolve_samples_received(state, summary, *missed);
            state.clock_offset_micros = *clock_offset_micros;
        }
        Event::SamplesOutOfOrder { summary, filled_gap } => {
            evolve_samples_out_of_order(state, summary, *filled_gap);
        }
        Event::Associated { patient, at } => state.association = Some((patient.clone(), *at)),
        Event::Dissociated { patient, at } => evolve_dissociated(state, patient, *at),
        Event::WentSilent { at } => state.silent_since = Some(*at),
        Event::SpokeAgain { at: _ } => state.silent_since = None,
        Event::IntervalSet { interval_micros } => state.interval_micros = *interval_micros,
        Event::ResourceStored { meta } => {
            state.resources.insert(meta.key.clone(), meta.clone());
        }
    }
    debug_assert_eq!(validate(state), Ok(()));
}

fn evolve_samples_received(state: &mut State, summary: &SampleSummary, missed: u64) {
    if let Some(sequence) = summary.sequence {
        gaps::advance(state, sequence);
    }
    state.missed_total = state.missed_total.saturating_add(missed);
    state.samples_total = state.samples_total.saturating_add(u64::from(summary.samples));
    state.battery_percent = summary.battery_percent.or(state.battery_percent);
    note_arrival(state, summary);
}

/// A repeat is counted as a batch, its samples are not counted again (DEV-2).
fn evolve_samples_out_of_order(state: &mut State, summary: &SampleSummary, filled_gap: bool) {
    state.out_of_order_total = state.out_of_order_total.saturating_add(1);
    if let Some(sequence) = summary.sequence.filter(|_| filled_gap) {
        gaps::fill(&mut state.gaps, sequence);
        state.samples_total = state.samples_total.saturating_add(u64::from(summary.samples));
    }
    note_arrival(state, summary);
}

fn note_arrival(state: &mut State, summary: &SampleSummary) {
    state.last_received_at = state.last_received_at.max(Some(summary.received_at));
}

fn evolve_dissociated(state: &mut State, patient: &EntityId, at: Timestamp) {
    if let Some((_, since)) = state.association.take() {
        state.past_associations.push((patient.clone(), since, at.max(since)));
        let excess = state.past_associations.len().saturating_sub(PAST_ASSOCIATIONS_MAX);
        state.past_associations.drain(..excess);
    }
}
