//! A decision in the making: the events so far, folded into copies of just those parts of the state
//! that they touch, and the effects that follow from the difference. Dropped when refused.

use crate::command::Changes;
use crate::event::Event;
use crate::evolve::measures::{bound, measured_value, surplus};
use crate::evolve::{Ground, evolve_part};
use crate::limits::escalation_micros;
use crate::state::{State, is_known, timer_name};
use crate::view::{Changed, Timeline, View};
use actors_core::{Context, Effect, IndexEntry, Notice};
use schema_types::clinical::{Location, Movement, Observation, ResourceKey, ResourceMeta};
use schema_types::facility::{FacilityNotice, Stay};
use schema_types::history::{Series, insert_in_order, value_order};
use schema_types::ids::{EncounterId, EntityId, EntityKind, ObservationId};
use schema_types::measure::Measure;
use schema_types::patient::{
    Alert, AlertCondition, AlertStatus, Demographics, Encounter, Link, MeasuredValue,
};
use schema_types::score::Scores;
use schema_types::time::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Draft<'a> {
    pub(super) base: &'a State,
    pub(super) context: &'a Context<'a>,
    /// The parts that changed so far; what is copied on demand is reached by accessors.
    work: State,
    copied: Copied,
    measures: Vec<(Measure, Changed)>,
    stays_touched: BTreeSet<EncounterId>,
    alerts_touched: BTreeSet<AlertCondition>,
    events: Vec<Event>,
    effects: Vec<Effect>,
    changes: Changes,
}

/// Which parts of the draft stand in place of those of the state.
#[derive(Debug, Clone, Copy, Default)]
struct Copied {
    demographics: bool,
    alerts: bool,
    devices: bool,
    links: bool,
}

impl<'a> Draft<'a> {
    pub(super) fn new(base: &'a State, context: &'a Context<'a>) -> Self {
        let work = State {
            registration: base.registration,
            observations_total: base.observations_total,
            scores: base.scores.clone(),
            alerts_total: base.alerts_total,
            merged_into: base.merged_into.clone(),
            ..State::default()
        };
        Self {
            base,
            context,
            work,
            copied: Copied::default(),
            measures: Vec::new(),
            stays_touched: BTreeSet::new(),
            alerts_touched: BTreeSet::new(),
            events: Vec::new(),
            effects: Vec::new(),
            changes: Changes::default(),
        }
    }

    pub(super) const fn registration(&self) -> schema_types::patient::Registration {
        self.work.registration
    }

    pub(super) const fn merged_into(&self) -> Option<&(EntityId, Timestamp)> {
        self.work.merged_into.as_ref()
    }

    pub(super) const fn scores(&self) -> &Scores {
        &self.work.scores
    }

    pub(super) const fn alerts_total(&self) -> u64 {
        self.work.alerts_total
    }

    pub(super) const fn demographics(&self) -> &Demographics {
        if self.copied.demographics { &self.work.demographics } else { &self.base.demographics }
    }

    pub(super) const fn alerts(&self) -> &BTreeMap<AlertCondition, Alert> {
        if self.copied.alerts { &self.work.alerts } else { &self.base.alerts }
    }

    pub(super) const fn devices(&self) -> &BTreeMap<EntityId, Timestamp> {
        if self.copied.devices { &self.work.devices } else { &self.base.devices }
    }

    pub(super) const fn links(&self) -> &BTreeMap<EntityId, Link> {
        if self.copied.links { &self.work.links } else { &self.base.links }
    }

    pub(super) const fn changes(&mut self) -> &mut Changes {
        &mut self.changes
    }

    pub(super) fn push_effect(&mut self, effect: Effect) {
        self.effects.push(effect);
    }

    pub(super) fn send(&mut self, to: &EntityId, notice: Notice) {
        self.effects.push(Effect::Send { to: to.clone(), notice });
    }

    /// Adds an event and folds it.
    pub(super) fn emit(&mut self, event: Event) {
        let ground = Ground {
            present: self.view(Timeline::Present),
            future: self.view(Timeline::Future),
            links: self.links(),
            demographics: self.demographics(),
            scores: &self.work.scores,
        };
        for model in ground.falls_with(&event) {
            self.work.scores.remove(model);
        }
        self.touch(&event);
        if let Event::ObservationRecorded { observation, recorded_at, future_dated, .. } = &event {
            self.fold_observation(observation, *recorded_at, *future_dated);
        } else {
            evolve_part(&mut self.work, &event);
        }
        if let Event::ScoresRecorded { results } = &event {
            self.changes.scores.extend(results);
        }
        self.events.push(event);
    }

    /// Copies what the event is about to change.
    fn touch(&mut self, event: &Event) {
        match event {
            Event::MovementRecorded { encounter, .. } => {
                if let Some(stay) = self.base.encounters.get(encounter) {
                    let stays = &mut self.work.encounters;
                    stays.entry(encounter.clone()).or_insert_with(|| stay.clone());
                }
                self.stays_touched.insert(encounter.clone());
            }
            Event::AlertRaised { alert } => self.touch_alert(&alert.condition),
            Event::AlertSuppressed { condition, .. }
            | Event::AlertSeverityChanged { condition, .. }
            | Event::AlertCalmed { condition, .. }
            | Event::AlertAcknowledged { condition, .. }
            | Event::AlertEscalated { condition, .. }
            | Event::AlertResolved { condition, .. } => self.touch_alert(condition),
            Event::LinkAdded { .. }
            | Event::LinkRemoved { .. }
            | Event::ContributionReceived { .. } => {
                if !std::mem::replace(&mut self.copied.links, true) {
                    self.work.links = self.base.links.clone();
                }
            }
            Event::DemographicsStated { .. } => {
                if !std::mem::replace(&mut self.copied.demographics, true) {
                    self.work.demographics = self.base.demographics.clone();
                }
            }
            Event::DeviceAssociated { .. } | Event::DeviceDissociated { .. } => {
                if !std::mem::replace(&mut self.copied.devices, true) {
                    self.work.devices = self.base.devices.clone();
                }
            }
            Event::ObservationRecorded { .. }
            | Event::ScoreRecorded { .. }
            | Event::ScoresRecorded { .. }
            | Event::ResourceStored { .. } => {}
        }
    }

    fn touch_alert(&mut self, condition: &AlertCondition) {
        if !std::mem::replace(&mut self.copied.alerts, true) {
            self.work.alerts = self.base.alerts.clone();
        }
        self.alerts_touched.insert(condition.clone());
    }

    /// What `evolve` does to the histories, without copying one to which a value is appended.
    fn fold_observation(
        &mut self,
        observation: &Observation,
        recorded_at: Timestamp,
        future_dated: bool,
    ) {
        self.work.observations_total = self.work.observations_total.saturating_add(1);
        if let Some((measure, _)) = self.view(Timeline::Present).find_own(&observation.id) {
            self.copy_measure(measure).retain(|value| value.observation != observation.id);
        }
        let Some((measure, value)) = measured_value(observation, recorded_at, future_dated) else {
            return;
        };
        let is_untouched = self.measures.iter().all(|(one, _)| *one != measure);
        match self.base.measures.get(&measure) {
            None if is_untouched => {
                self.measures.push((measure, Changed::Appended { left: 0, value }));
            }
            Some(series) if is_untouched && self.is_appended(series, &value) => {
                let left = surplus(series, &value, series.len() + 1);
                self.measures.push((measure, Changed::Appended { left, value }));
            }
            Some(_) | None => {
                let series = self.copy_measure(measure);
                insert_in_order(series, value);
                bound(series, |_| {});
            }
        }
    }

    /// Whether a value joins a history behind all others, and all count together.
    fn is_appended(&self, series: &Series, value: &MeasuredValue) -> bool {
        !value.future_dated
            && !self.base.measures.has_future_dated()
            && series.back().is_none_or(|last| value_order(last) < value_order(value))
    }

    /// A copy of a history with what was done to it so far, to be changed at will.
    fn copy_measure(&mut self, measure: Measure) -> &mut Series {
        let place = self.measures.iter().position(|(one, _)| *one == measure);
        let place = place.unwrap_or_else(|| {
            self.measures.push((measure, self.copied_values(measure)));
            self.measures.len() - 1
        });
        if let (_, Changed::Appended { .. }) = self.measures[place] {
            self.measures[place].1 = self.copied_values(measure);
        }
        match &mut self.measures[place].1 {
            Changed::Replaced(series) => series,
            Changed::Appended { .. } => unreachable!("replaced above"),
        }
    }

    fn copied_values(&self, measure: Measure) -> Changed {
        Changed::Replaced(self.view(Timeline::Present).own(measure).iter().cloned().collect())
    }

    /// The values so far.
    pub(super) fn view(&self, timeline: Timeline) -> View<'_> {
        View::of_changed(self.base, &self.measures, self.links(), timeline)
    }

    /// The values before this decision.
    pub(super) const fn view_before(&self, timeline: Timeline) -> View<'a> {
        View::of(self.base, timeline)
    }

    pub(super) fn encounter(&self, id: &EncounterId) -> Option<&Encounter> {
        let stay = self.work.encounters.get(id).or_else(|| self.base.encounters.get(id));
        stay.map(Box::as_ref)
    }

    /// How many stays there are, one of this id included.
    pub(super) fn encounters_with(&self, id: &EncounterId) -> usize {
        let added = |one: &&EncounterId| !self.base.encounters.contains_key(*one);
        let new = self.work.encounters.keys().filter(added).count();
        let is_new = self.encounter(id).is_none();
        self.base.encounters.len() + new + usize::from(is_new)
    }

    pub(super) fn resource(&self, key: &ResourceKey) -> Option<&ResourceMeta> {
        self.work.resources.get(key).or_else(|| self.base.resources.get(key))
    }

    /// The value of an observation that this record holds.
    pub(super) fn held(&self, id: &ObservationId) -> Option<(Measure, &MeasuredValue)> {
        self.view(Timeline::Present).find_own(id)
    }

    /// The journal sequence number that the next event will have.
    pub(super) fn next_sequence(&self) -> u64 {
        let count = u64::try_from(self.events.len()).unwrap_or(u64::MAX);
        self.context.sequence.saturating_add(count).saturating_add(1)
    }

    /// Events, effects and changes, with the effects that follow from the difference in state.
    pub(super) fn finish(mut self) -> (Vec<Event>, Vec<Effect>, Changes) {
        self.index_what_is_new();
        self.tell_facilities();
        self.watch_alerts();
        let resolved = std::mem::take(&mut self.work.resolved_alerts);
        let ended = |condition: &AlertCondition| {
            resolved.iter().rfind(|alert| alert.condition == *condition)
        };
        for condition in &self.alerts_touched {
            let alert = self.alerts().get(condition).or_else(|| ended(condition));
            self.changes.alerts.extend(alert.cloned());
        }
        (self.events, self.effects, self.changes)
    }

    fn index_what_is_new(&mut self) {
        match (is_known(self.base), self.is_known()) {
            (false, true) => self.effects.push(Effect::PutIndex(IndexEntry::Known)),
            (true, false) => self.effects.push(Effect::ClearIndex(IndexEntry::Known)),
            (true, true) | (false, false) => {}
        }
        if !self.copied.demographics {
            return;
        }
        let known = &self.base.demographics.identifiers;
        for identifier in &self.work.demographics.identifiers {
            if known.binary_search(identifier).is_err() {
                self.effects.push(Effect::PutIndex(IndexEntry::Identifier {
                    system: identifier.system.clone(),
                    value: identifier.value.clone(),
                }));
            }
        }
    }

    fn is_known(&self) -> bool {
        is_known(&self.work) || !self.links().is_empty()
    }

    /// Tells every facility that a changed stay names the whole stay, so that order and repeats do
    /// not matter there.
    fn tell_facilities(&mut self) {
        let revision = self.next_sequence().saturating_sub(1);
        for id in std::mem::take(&mut self.stays_touched) {
            let Some(stay) = self.work.encounters.get(&id) else { continue };
            let movements = stay.movements.clone();
            let mut facilities = BTreeSet::new();
            // A rewritten movement may have been the only one to name the place that it left.
            let before = self.base.encounters.get(&id).map_or(&[][..], |stay| &stay.movements);
            for location in movements.iter().chain(before).flat_map(locations) {
                if !location.facility.is_empty() {
                    facilities.insert(location.facility.clone());
                }
            }
            for facility in facilities {
                let tenant = self.context.entity.tenant().clone();
                let to = EntityId::new(tenant, EntityKind::Facility, &facility);
                let patient = self.context.entity.clone();
                let stay = Stay { patient, revision, movements: movements.clone() };
                let notice = FacilityNotice::StayChanged { encounter: id.clone(), stay };
                self.effects.push(Effect::Send { to, notice: Notice::Facility(notice) });
            }
        }
    }

    /// Open alerts of a record in use are indexed and wait for an answer; those of a retired record
    /// page nobody (PAT-7) and come back with it.
    fn watch_alerts(&mut self) {
        let pages = self.work.merged_into.is_none();
        let paged = self.base.merged_into.is_none();
        let is_listed = pages && !self.alerts().is_empty();
        let was_listed = paged && !self.base.alerts.is_empty();
        match (was_listed, is_listed) {
            (false, true) => self.effects.push(Effect::PutIndex(IndexEntry::OpenAlerts)),
            (true, false) => self.effects.push(Effect::ClearIndex(IndexEntry::OpenAlerts)),
            (true, true) | (false, false) => {}
        }
        if pages == paged {
            return;
        }
        let open = if self.copied.alerts { &self.work.alerts } else { &self.base.alerts };
        for alert in open.values() {
            let name = timer_name(&alert.condition);
            if !pages {
                self.effects.push(Effect::CancelTimer { name });
            } else if alert.status != AlertStatus::Acknowledged {
                let due = self.context.now.plus_micros(escalation_micros(alert.severity));
                self.effects.push(Effect::SetTimer { name, due });
            }
        }
    }
}

fn locations(movement: &Movement) -> impl Iterator<Item = &Location> {
    movement.location.iter().chain(&movement.prior_location)
}
