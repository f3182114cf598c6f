//! Questions: they change nothing, need a purpose of use, and are audited (AUD-1).

use super::{Decided, Refusal};
use crate::command::{AsOfView, ExplainedInput, Explanation, Read, Reply, TimelineItem};
use crate::person::person_at;
use crate::state::{State, is_known};
use crate::view::{Timeline, View, replayed, without_parts};
use actors_core::stay::fold_stay;
use actors_core::{Context, purpose, resource};
use schema_types::clinical::{Provenance, ResourceKey};
use schema_types::error_code::ErrorCode;
use schema_types::measure::Measure;
use schema_types::patient::AlertCondition;
use schema_types::score::{Score, ScoreModel, ScorePart};
use schema_types::time::Timestamp;

/// The operation for the audit log.
pub(super) fn operation(read: &Read) -> String {
    match read {
        Read::State => "show".to_owned(),
        Read::OpenAlerts => "alerts".to_owned(),
        Read::Resource(key) => format!("fhir-read {}", key.resource_type),
        Read::ResourceVersion(key, _) => format!("fhir-vread {}", key.resource_type),
        Read::Resources { types } => format!("fhir-search {}", types.join(",")),
        Read::Timeline { .. } => "timeline".to_owned(),
        Read::Explain { .. } => "explain".to_owned(),
        Read::AsOf { .. } => "as-of".to_owned(),
    }
}

pub(super) fn decide_read(state: &State, context: &Context<'_>, read: Read) -> Decided<Reply> {
    if purpose::check(context.purpose).is_err() {
        let reason = "the purpose of use is missing or not allowed";
        return Err(Refusal::denied(ErrorCode::PurposeRefused, reason));
    }
    if !is_known(state) {
        return Err(Refusal::wrong(ErrorCode::PatientUnknown, "there is no such patient"));
    }
    match read {
        Read::State => Ok(Reply::State(Box::new(state.clone()))),
        Read::OpenAlerts => Ok(Reply::Alerts(state.alerts.values().cloned().collect())),
        Read::Resource(key) => read_resource(state, key, None),
        Read::ResourceVersion(key, version) => read_resource(state, key, Some(version)),
        Read::Resources { types } => {
            Ok(Reply::Resources(resource::of_types(&state.resources, &types)))
        }
        Read::Timeline { from, to } => Ok(Reply::Timeline(timeline(state, from, to))),
        Read::Explain { model, as_of } => Ok(Reply::Explained(explain(state, model, as_of))),
        Read::AsOf { at } => Ok(Reply::AsOf(Box::new(as_of_view(state, at)))),
    }
}

fn read_resource(state: &State, key: ResourceKey, version: Option<u64>) -> Decided<Reply> {
    match resource::find(&state.resources, &key, version) {
        Ok(meta) => {
            let version = version.or(Some(meta.version));
            Ok(Reply::Resource { key, version, current: Some(Box::new(meta.clone())) })
        }
        // Observations that did not arrive as FHIR are known to the store alone.
        Err(_) if key.resource_type == "Observation" && !state.resources.contains_key(&key) => {
            Ok(Reply::Resource { key, version, current: None })
        }
        Err(ErrorCode::FhirGone) => {
            Err(Refusal::wrong(ErrorCode::FhirGone, "the resource was deleted"))
        }
        Err(code) => Err(Refusal::wrong(code, "there is no such resource or version")),
    }
}

fn timeline(state: &State, from: Timestamp, to: Timestamp) -> Vec<TimelineItem> {
    let mut items = Vec::new();
    for (encounter, stay) in &state.encounters {
        items.extend(stay.movements.iter().map(|movement| TimelineItem::Movement {
            encounter: encounter.clone(),
            movement: movement.clone(),
        }));
    }
    for (measure, values) in &state.measures {
        items.extend(
            values
                .iter()
                .map(|value| TimelineItem::Value { measure: *measure, value: value.clone() }),
        );
    }
    let alerts = state.resolved_alerts.iter().chain(state.alerts.values());
    items.extend(alerts.map(|alert| TimelineItem::Alert(Box::new(alert.clone()))));
    items.extend(state.scores.values().map(|result| TimelineItem::Score(*result)));
    let dated = state.resources.values().filter(|meta| meta.date.is_some() && !meta.deleted);
    items.extend(dated.map(|meta| TimelineItem::Resource(Box::new(meta.clone()))));
    items.retain(|item| from <= item.at() && item.at() < to);
    items.sort_by_key(TimelineItem::at);
    items
}

fn explain(state: &State, model: Option<ScoreModel>, as_of: Option<Timestamp>) -> Vec<Explanation> {
    let is_asked = |one: &ScoreModel| model.is_none_or(|model| model == *one);
    let models = ScoreModel::ALL.iter().copied().filter(is_asked);
    let explanations = models.filter_map(|model| match as_of {
        None => {
            let result = state.scores.get(&model)?;
            let score = replayed(state, result);
            let is_replayed = score.is_some();
            let score = score.unwrap_or_else(|| without_parts(result));
            Some(explain_score(state, score, (result.complete, is_replayed)))
        }
        Some(at) => {
            let score = evaluate_at(state, model, at)?;
            let complete = score.is_complete();
            Some(explain_score(state, score, (complete, true)))
        }
    });
    explanations.collect()
}

fn evaluate_at(state: &State, model: ScoreModel, at: Timestamp) -> Option<Score> {
    let view = View::of(state, Timeline::Present);
    let person = person_at(&state.demographics, at);
    actors_risk::evaluate(model, &view, at, &person).map(|score| score.to_score())
}

fn explain_score(state: &State, score: Score, (complete, replayed): (bool, bool)) -> Explanation {
    let inputs = score.parts.iter().flat_map(|part| explain_part(state, part, score.as_of));
    let inputs = inputs.collect();
    let alert = state.alerts.get(&AlertCondition::Score(score.model)).cloned();
    Explanation { score, complete, replayed, inputs, alert }
}

fn explain_part(state: &State, part: &ScorePart, as_of: Timestamp) -> Vec<ExplainedInput> {
    let find = |input| {
        let present = View::of(state, Timeline::Present).find(input);
        present.or_else(|| View::of(state, Timeline::Future).find(input))
    };
    let inputs = part.inputs.iter().map(|input| {
        let found = find(input);
        ExplainedInput {
            parameter: part.parameter,
            measure: input.measure,
            observation: input.observation.clone(),
            age_micros: as_of.micros_since(input.observed_at),
            future_dated: found.is_some_and(|(_, value)| value.future_dated),
            provenance: found.map(|(_, value)| Provenance::from(&value.provenance)),
            contributed_by: found.and_then(|(from, _)| from.cloned()),
        }
    });
    inputs.collect()
}

fn as_of_view(state: &State, at: Timestamp) -> AsOfView {
    let view = View::of(state, Timeline::Present);
    let newest =
        |measure: &Measure| view.newest_value(*measure, at).map(|value| (*measure, value.clone()));
    let begun = state
        .encounters
        .iter()
        .filter(|(_, stay)| stay.movements.first().is_some_and(|movement| movement.at <= at));
    AsOfView {
        at,
        demographics: state.demographics.clone(),
        values: Measure::ALL.iter().filter_map(newest).collect(),
        scores: ScoreModel::ALL.iter().filter_map(|model| evaluate_at(state, *model, at)).collect(),
        stays: begun.map(|(id, stay)| (id.clone(), fold_stay(&stay.movements, Some(at)))).collect(),
    }
}
