//! Joined records: the survivor sees the values of a retired record as its own, under the link
//! alone, so that separating leaves no trace (PAT-8). Notices converge in any order; no circle
//! closes (PAT-10): a retired record accepts no other, and two that cross are decided alike.

use super::alerts::{self, Standing};
use super::draft::Draft;
use super::scores::{self, Touched};
use super::{Decided, Refusal, critical};
use crate::event::{Event, LinkRole};
use crate::evolve::measures::{WITHDRAWN_AT, says_the_same};
use crate::limits::{CONTRIBUTION_VALUES_MAX, LINK_DEPTH_MAX, LINKS_MAX};
use crate::view::{Timeline, replay};
use actors_core::Notice;
use schema_types::Decimal;
use schema_types::clinical::Provenance;
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, EntityKind, ObservationId};
use schema_types::measure::Measure;
use schema_types::patient::{Link, MeasuredValue, PatientNotice};
use schema_types::time::Timestamp;

type Values = Vec<(Measure, MeasuredValue)>;

pub(super) fn decide_merge(
    draft: &mut Draft<'_>,
    retired: &EntityId,
    at: Timestamp,
    provenance: Provenance,
) -> Decided {
    let this = draft.context.entity;
    if draft.links().contains_key(retired) {
        return Ok(());
    }
    let is_possible = retired != this
        && retired.kind() == EntityKind::Patient
        && retired.tenant() == this.tenant();
    if !is_possible {
        return Err(Refusal::wrong(
            ErrorCode::PatientMerge,
            "a patient cannot be joined with that",
        ));
    }
    if draft.merged_into().is_some() && !node_env::planted!("merge-into-retired-record") {
        let reason = "this record was itself retired into another";
        return Err(Refusal::wrong(ErrorCode::PatientMerge, reason));
    }
    if draft.links().len() >= LINKS_MAX {
        return Err(Refusal::limit("too many records retired into one"));
    }
    let role = LinkRole::Survivor;
    let other = retired.clone();
    draft.emit(Event::LinkAdded { other, role, at, provenance: provenance.clone() });
    let notice = PatientNotice::Retired { into: this.clone(), at, provenance };
    draft.send(retired, Notice::Patient(notice));
    Ok(())
}

pub(super) fn decide_unmerge(draft: &mut Draft<'_>, retired: &EntityId, at: Timestamp) -> Decided {
    if !draft.links().contains_key(retired) {
        return Err(Refusal::wrong(ErrorCode::PatientLink, "there is no such link to undo"));
    }
    drop_link(draft, retired, at);
    if !node_env::planted!("unmerge-not-told") {
        separate(draft, retired, at);
    }
    Ok(())
}

fn separate(draft: &mut Draft<'_>, other: &EntityId, at: Timestamp) {
    let from = draft.context.entity.clone();
    draft.send(other, Notice::Patient(PatientNotice::Separated { from, at }));
}

/// Removes a link of a survivor with all that came by it, there and further up.
fn drop_link(draft: &mut Draft<'_>, other: &EntityId, at: Timestamp) {
    let contributed: Values = draft.links().get(other).map(link_values).unwrap_or_default();
    draft.emit(Event::LinkRemoved { other: other.clone(), at });
    if !node_env::planted!("unmerge-keeps-results") {
        scores::reinterpret(draft);
    }
    for measure in contributed.iter().map(|(measure, _)| *measure) {
        critical::end_without_reason(draft, measure);
    }
    if let Some((into, _)) = draft.merged_into().cloned() {
        let withdrawn = |(measure, mut value): (Measure, MeasuredValue)| {
            value.effective_at = WITHDRAWN_AT;
            value.value = Decimal::ZERO;
            (measure, through(other, value))
        };
        contribute(draft, &into, contributed.into_iter().map(withdrawn).collect());
    }
}

/// This record was retired. Of two statements into different records the earlier one holds.
pub(super) fn on_retired(
    draft: &mut Draft<'_>,
    into: &EntityId,
    at: Timestamp,
    provenance: Provenance,
) {
    let this = draft.context.entity;
    if into == this {
        return;
    }
    if let Some((current, since)) = draft.merged_into().cloned() {
        if current == *into {
            return;
        }
        if (since, &current) < (at, into) {
            separate(draft, into, at);
            return;
        }
        draft.emit(Event::LinkRemoved { other: current.clone(), at });
        separate(draft, &current, at);
    }
    if let Some(link) = draft.links().get(into) {
        // Each was to survive the other: the other record decides by the same comparison.
        if (link.since, this) < (at, into) || node_env::planted!("merge-crossing-keeps-both") {
            return;
        }
        drop_link(draft, into, at);
    }
    let other = into.clone();
    draft.emit(Event::LinkAdded { other, role: LinkRole::Retired, at, provenance });
    let values = everything(draft);
    if values.is_empty() && !node_env::planted!("merge-empty-not-told") {
        // Even without values: a survivor that knows of no link answers by separating.
        let from = this.clone();
        let notice = PatientNotice::Contribution { from, values: Vec::new() };
        draft.send(into, Notice::Patient(notice));
    }
    contribute(draft, into, values);
}

/// The link was undone, by whichever side knew first.
pub(super) fn on_separated(draft: &mut Draft<'_>, from: &EntityId, at: Timestamp) {
    let retired_at = match draft.merged_into() {
        Some((into, since)) if into == from => Some(*since),
        Some(_) | None => None,
    };
    if draft.links().contains_key(from) {
        drop_link(draft, from, at);
    } else if let Some(retired_at) = retired_at {
        draft.emit(Event::LinkRemoved { other: from.clone(), at });
        judge_since(draft, retired_at);
    }
}

/// A record that comes back into use pages for what it learned while it was retired.
fn judge_since(draft: &mut Draft<'_>, retired_at: Timestamp) {
    for result in draft.scores().clone().values().filter(|result| !result.future_dated) {
        let view = draft.view(Timeline::Present);
        let finding = replay(&view, draft.demographics(), result)
            .filter(|score| score.inputs().any(|input| input.value.recorded_at > retired_at))
            .map(|score| scores::finding(&score, result));
        if let Some(finding) = finding {
            alerts::judge(draft, finding, Standing::Newest);
        }
    }
    for measure in Measure::ALL {
        let newest = draft.view(Timeline::Present).newest_value(*measure, Timestamp::MAX);
        if newest.is_some_and(|value| value.recorded_at > retired_at) {
            critical::judge_newest(draft, *measure);
        }
    }
}

/// Values of a record that was retired into this one. Of two copies of a value the one sent last
/// holds, so that any order and repeats give the same.
pub(super) fn on_contribution(draft: &mut Draft<'_>, from: &EntityId, values: Values) {
    if !draft.links().contains_key(from) {
        separate(draft, from, draft.context.now);
        return;
    }
    let mut touched = Touched::default();
    let mut lost = Vec::new();
    let mut onward = Values::new();
    for (measure, value) in values {
        let held = held_copy(draft, from, measure, &value.observation);
        let is_newer = held.is_none_or(|held| copy_order(&value) > copy_order(held))
            || node_env::planted!("merge-takes-older-copy");
        if !is_newer || !may_pass(draft.context.entity, &value.observation) {
            continue;
        }
        if !held.is_some_and(|held| says_the_same(held, &value)) {
            if held.is_some() {
                touched.lost(measure);
                lost.push(measure);
            }
            if value.effective_at != WITHDRAWN_AT {
                touched.gained(measure, value.effective_at, value.future_dated);
            }
            onward.push((measure, through(from, value.clone())));
        }
        draft.emit(Event::ContributionReceived { from: from.clone(), measure, value });
    }
    scores::rescore(draft, &touched, 1);
    for measure in Measure::ALL {
        if critical::has_newer(draft, *measure) {
            critical::judge_newest(draft, *measure);
        } else if lost.contains(measure) {
            critical::end_without_reason(draft, *measure);
        }
    }
    if let Some((into, _)) = draft.merged_into().cloned() {
        contribute(draft, &into, onward);
    }
}

fn held_copy<'a>(
    draft: &'a Draft<'_>,
    from: &EntityId,
    measure: Measure,
    observation: &ObservationId,
) -> Option<&'a MeasuredValue> {
    let values = draft.links().get(from)?.contributions.get(&measure)?;
    values.iter().rfind(|value| value.observation == *observation)
}

/// The order in which copies of one value were sent.
fn copy_order(value: &MeasuredValue) -> (Timestamp, bool, Timestamp, Decimal) {
    let is_withdrawn = value.effective_at == WITHDRAWN_AT;
    (value.recorded_at, is_withdrawn, value.effective_at, value.value)
}

/// Tells the surviving record values, stamped with the time of telling.
pub(super) fn contribute(draft: &mut Draft<'_>, into: &EntityId, values: Values) {
    let now = draft.context.now;
    let stamped = |(measure, mut value): (Measure, MeasuredValue)| {
        value.recorded_at = now;
        (measure, value)
    };
    let mut values = values.into_iter().map(stamped).peekable();
    while values.peek().is_some() {
        let values: Values = values.by_ref().take(CONTRIBUTION_VALUES_MAX).collect();
        let from = draft.context.entity.clone();
        draft.send(into, Notice::Patient(PatientNotice::Contribution { from, values }));
    }
}

/// Own values, and those of records retired into this one.
fn everything(draft: &Draft<'_>) -> Values {
    let view = draft.view(Timeline::Present);
    let own = Measure::ALL
        .iter()
        .flat_map(|measure| view.own(*measure).iter().map(|value| (*measure, value.clone())));
    let joined = draft.links().iter().flat_map(|(from, link)| {
        let values = link_values(link).into_iter();
        values.map(move |(measure, value)| (measure, through(from, value)))
    });
    own.chain(joined).collect()
}

/// The values that a link contributes, without those withdrawn.
fn link_values(link: &Link) -> Values {
    let all = link
        .contributions
        .iter()
        .flat_map(|(measure, values)| values.iter().map(|value| (*measure, value.clone())));
    all.filter(|(_, value)| value.effective_at != WITHDRAWN_AT).collect()
}

/// Names a value that came from `from`: ids are unique within one patient only.
fn through(from: &EntityId, mut value: MeasuredValue) -> MeasuredValue {
    value.observation = ObservationId::new(format!("{:016x}/{}", from.hash(), value.observation));
    value
}

/// Whether a value may come here: it has not been here before and has not come too far.
fn may_pass(this: &EntityId, observation: &ObservationId) -> bool {
    let here = format!("{:016x}", this.hash());
    let mut steps = observation.as_str().split('/');
    observation.as_str().matches('/').count() <= LINK_DEPTH_MAX && steps.all(|step| step != here)
}
