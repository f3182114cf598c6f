//! A decision in the making: the events so far, folded into a copy of just those parts of the state
//! that they touch, and the effects that follow from the difference. Dropped when refused.

use crate::command::Changes;
use crate::event::Event;
use crate::evolve::{evolve_part, scores};
use crate::limits::escalation_micros;
use crate::state::{State, is_known, timer_name};
use crate::view::{Timeline, View};
use actors_core::{Context, Effect, IndexEntry, Notice};
use schema_types::clinical::{Location, Movement, ResourceKey, ResourceMeta};
use schema_types::facility::{FacilityNotice, Stay};
use schema_types::ids::{EncounterId, EntityId, EntityKind};
use schema_types::measure::Measure;
use schema_types::patient::{AlertCondition, AlertStatus, Encounter, Link};
use std::collections::{BTreeMap, BTreeSet};

pub(super) struct Draft<'a> {
    pub(super) base: &'a State,
    pub(super) context: &'a Context<'a>,
    /// The parts that changed so far; see the accessors for those that are copied on demand.
    work: State,
    measures_touched: BTreeSet<Measure>,
    links_copied: bool,
    stays_touched: BTreeSet<EncounterId>,
    alerts_touched: BTreeSet<AlertCondition>,
    events: Vec<Event>,
    effects: Vec<Effect>,
    changes: Changes,
}

impl<'a> Draft<'a> {
    pub(super) fn new(base: &'a State, context: &'a Context<'a>) -> Self {
        let work = State {
            registration: base.registration,
            demographics: base.demographics.clone(),
            observations_total: base.observations_total,
            scores: base.scores.clone(),
            alerts: base.alerts.clone(),
            alerts_total: base.alerts_total,
            devices: base.devices.clone(),
            merged_into: base.merged_into.clone(),
            ..State::default()
        };
        Self {
            base,
            context,
            work,
            measures_touched: BTreeSet::new(),
            links_copied: false,
            stays_touched: BTreeSet::new(),
            alerts_touched: BTreeSet::new(),
            events: Vec::new(),
            effects: Vec::new(),
            changes: Changes::default(),
        }
    }

    /// The state so far. Encounters, resources, measures and links are reached by accessors.
    pub(super) const fn work(&self) -> &State {
        &self.work
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
        self.touch(&event);
        if let Event::ScoreRecorded { score } = &event {
            let view = self.view(Timeline::Future);
            let is_future = view.is_input_of(score);
            let current = self.work.scores.get(&score.model);
            let current_is_future = current.is_some_and(|old| view.is_input_of(old));
            scores::record(&mut self.work.scores, score, is_future, current_is_future);
            self.changes.scores.push(score.clone());
        } else {
            evolve_part(&mut self.work, &event);
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
            Event::ObservationRecorded { observation, .. } => {
                let known = self.measure_of(&observation.id);
                let stated = observation.measured.map(|(measure, _)| measure);
                for measure in known.into_iter().chain(stated) {
                    self.touch_measure(measure);
                }
            }
            Event::AlertRaised { alert } => {
                self.alerts_touched.insert(alert.condition.clone());
            }
            Event::AlertSuppressed { condition, .. }
            | Event::AlertSeverityChanged { condition, .. }
            | Event::AlertCalmed { condition, .. }
            | Event::AlertAcknowledged { condition, .. }
            | Event::AlertEscalated { condition, .. }
            | Event::AlertResolved { condition, .. } => {
                self.alerts_touched.insert(condition.clone());
            }
            Event::LinkAdded { .. }
            | Event::LinkRemoved { .. }
            | Event::ContributionReceived { .. } => {
                if !self.links_copied {
                    self.links_copied = true;
                    self.work.links = self.base.links.clone();
                }
            }
            Event::DemographicsStated { .. }
            | Event::ScoreRecorded { .. }
            | Event::ResourceStored { .. }
            | Event::DeviceAssociated { .. }
            | Event::DeviceDissociated { .. } => {}
        }
    }

    fn touch_measure(&mut self, measure: Measure) {
        if self.measures_touched.insert(measure)
            && let Some(values) = self.base.measures.get(&measure)
        {
            self.work.measures.insert(measure, values.clone());
        }
    }

    /// The values so far.
    pub(super) fn view(&self, timeline: Timeline) -> View<'_> {
        let changed = (&self.measures_touched, &self.work.measures);
        View::of_changed(self.base, changed, self.links(), timeline)
    }

    /// The values before this decision.
    pub(super) const fn view_before(&self, timeline: Timeline) -> View<'a> {
        View::of(self.base, timeline)
    }

    pub(super) fn links(&self) -> &BTreeMap<EntityId, Link> {
        if self.links_copied { &self.work.links } else { &self.base.links }
    }

    pub(super) fn encounter(&self, id: &EncounterId) -> Option<&Encounter> {
        self.work.encounters.get(id).or_else(|| self.base.encounters.get(id))
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

    /// The measure under which an observation is held, if it is.
    pub(super) fn measure_of(&self, id: &schema_types::ids::ObservationId) -> Option<Measure> {
        let view = self.view(Timeline::Present);
        let holds = |measure: &Measure| view.own(*measure).iter().any(|v| v.observation == *id);
        Measure::ALL.iter().copied().find(holds)
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
            let alert = self.work.alerts.get(condition).or_else(|| ended(condition));
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
        let is_listed = pages && !self.work.alerts.is_empty();
        let was_listed = paged && !self.base.alerts.is_empty();
        match (was_listed, is_listed) {
            (false, true) => self.effects.push(Effect::PutIndex(IndexEntry::OpenAlerts)),
            (true, false) => self.effects.push(Effect::ClearIndex(IndexEntry::OpenAlerts)),
            (true, true) | (false, false) => {}
        }
        if pages == paged {
            return;
        }
        for alert in self.work.alerts.values() {
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
