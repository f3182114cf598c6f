//! Models run again when their inputs changed: at the newest input, and at each late one. After a
//! command, each current result is what its model says of the values held (PAT-5).

use super::alerts::{self, Finding, Standing};
use super::draft::Draft;
use crate::event::Event;
use crate::evolve::scores::record;
use crate::limits::{LATE_ALERT_MICROS_MAX, LATE_INSTANTS_MAX};
use crate::person::person_at;
use crate::view::{Newest, Timeline};
use actors_risk::{Evaluation, Person};
use schema_types::measure::Measure;
use schema_types::patient::AlertCondition;
use schema_types::score::{ScoreModel, ScoreResult, Scores};
use schema_types::time::Timestamp;

/// Why models run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cause {
    /// Something was observed or corrected.
    NewValues,
    /// Nothing was observed: records were joined or separated, or the age became another.
    Reinterpreted,
}

/// What changed the inputs of models: measures, and the times of new values on each timeline.
#[derive(Debug, Default)]
pub(super) struct Touched {
    measures: Vec<Measure>,
    present: Vec<(Measure, Timestamp)>,
    future: Vec<Measure>,
    /// Whether any value is gone: the fold may then have dropped the result of any model.
    has_lost: bool,
}

impl Touched {
    /// A value of this measure is gone.
    pub(super) fn lost(&mut self, measure: Measure) {
        self.has_lost = true;
        self.note(measure);
    }

    /// There is a value of this measure and time.
    pub(super) fn gained(&mut self, measure: Measure, at: Timestamp, future_dated: bool) {
        self.note(measure);
        if future_dated {
            self.future.push(measure);
        } else {
            self.present.push((measure, at));
        }
    }

    fn note(&mut self, measure: Measure) {
        if !self.measures.contains(&measure) {
            self.measures.push(measure);
        }
    }

    fn touches(&self, model: ScoreModel) -> bool {
        self.has_lost || reads_any(model, &self.measures)
    }

    /// The times of new values that a model reads, before `newest`, oldest first.
    fn instants_before(&self, model: ScoreModel, newest: Timestamp) -> Vec<Timestamp> {
        let reads = actors_risk::depends_on(model);
        let late =
            self.present.iter().filter(|(measure, at)| *at < newest && reads.contains(measure));
        let mut late: Vec<Timestamp> = late.map(|(_, at)| *at).collect();
        late.sort_unstable();
        late.dedup();
        late
    }
}

fn reads_any(model: ScoreModel, measures: &[Measure]) -> bool {
    let reads = actors_risk::depends_on(model);
    measures.iter().any(|measure| reads.contains(measure))
}

/// Runs every model again at its newest input.
pub(super) fn reinterpret(draft: &mut Draft<'_>) {
    let mut run = Run::of(draft);
    for model in ScoreModel::ALL {
        run.now(*model, Cause::Reinterpreted);
    }
    let found = run.found;
    settle(draft, found);
}

/// Runs the models that read what was touched, each once at its newest input and at up to
/// `late_max` late ones.
pub(super) fn rescore(draft: &mut Draft<'_>, touched: &Touched, late_max: usize) {
    if touched.measures.is_empty() {
        return;
    }
    let mut run = Run::of(draft);
    for model in ScoreModel::ALL.iter().copied().filter(|model| touched.touches(*model)) {
        run.late(model, touched, late_max.min(LATE_INSTANTS_MAX));
        run.now(model, Cause::NewValues);
        if reads_any(model, &touched.future) {
            run.future(model);
        }
    }
    let found = run.found;
    settle(draft, found);
}

/// Records what was found as one event, then tells the alerts.
fn settle(draft: &mut Draft<'_>, found: Found) {
    if !found.results.is_empty() {
        draft.emit(Event::ScoresRecorded { results: found.results });
    }
    for news in found.news {
        match news {
            News::Found(finding, standing) => alerts::judge(draft, finding, standing),
            News::Gone(model) => alerts::end(draft, &AlertCondition::Score(model)),
        }
    }
}

/// What a run of models came to.
struct Found {
    /// In the order in which they were found.
    results: Vec<ScoreResult>,
    /// Current results with the new ones.
    current: Scores,
    /// What alerts have to know, in order.
    news: Vec<News>,
}

enum News {
    Found(Finding, Standing),
    /// What the alert rested on is gone, and no further result will come.
    Gone(ScoreModel),
}

/// A run of models over the values of a draft, which looks each newest value up once.
struct Run<'a> {
    draft: &'a Draft<'a>,
    newest: Newest<'a>,
    /// The person at the instant that was asked for last: mostly it is the same for all models.
    person: (Timestamp, Person),
    found: Found,
}

impl<'a> Run<'a> {
    fn of(draft: &'a Draft<'a>) -> Self {
        let found =
            Found { results: Vec::new(), current: draft.scores().clone(), news: Vec::new() };
        let newest = Newest::of(draft.view(Timeline::Present));
        let person = (Timestamp::MIN, person_at(draft.demographics(), Timestamp::MIN));
        Self { draft, newest, person, found }
    }

    fn person(&mut self, at: Timestamp) -> Person {
        if self.person.0 != at {
            self.person = (at, person_at(self.draft.demographics(), at));
        }
        self.person.1
    }

    /// At late inputs: older than the result that was current before, which they never replace.
    fn late(&mut self, model: ScoreModel, touched: &Touched, late_max: usize) {
        let Some(newest) = self.newest.trigger(model) else { return };
        let mut late = touched.instants_before(model, newest);
        if late.is_empty() {
            return;
        }
        let before = self.draft.view_before(Timeline::Present).newest_trigger(model);
        let Some(newest_before) = before else { return };
        late.retain(|at| *at < newest_before);
        late.drain(..late.len().saturating_sub(late_max));
        for at in late {
            let person = self.person(at);
            let Some(score) = actors_risk::evaluate(model, &self.newest, at, &person) else {
                continue;
            };
            let result = score.result(false);
            let finding = finding(&score, &result);
            self.found.take(result);
            if newest.micros_since(at) <= LATE_ALERT_MICROS_MAX {
                self.found.tell(self.draft, finding, Standing::Late);
            }
        }
    }

    fn now(&mut self, model: ScoreModel, cause: Cause) {
        let standing = match cause {
            Cause::NewValues => Standing::Newest,
            Cause::Reinterpreted => Standing::Reinterpreted,
        };
        if let Some(at) = self.newest.trigger(model) {
            let person = self.person(at);
            if let Some(score) = actors_risk::evaluate(model, &self.newest, at, &person) {
                self.found.take_if_changed(self.draft, &score, standing);
                return;
            }
        }
        self.future(model);
        let was_known = self.draft.base.scores.contains_key(&model);
        if was_known && !self.found.current.contains_key(&model) {
            self.found.news.push(News::Gone(model));
        }
    }

    /// Among future-dated values only (PAT-4). Present results stand before it.
    fn future(&mut self, model: ScoreModel) {
        let view = self.draft.view(Timeline::Future);
        let Some(at) = view.newest_trigger(model) else { return };
        let person = self.person(at);
        if let Some(score) = actors_risk::evaluate(model, &view, at, &person) {
            self.found.take_if_changed(self.draft, &score, Standing::Future);
        }
    }
}

impl Found {
    fn take(&mut self, result: ScoreResult) {
        record(&mut self.current, &result);
        self.results.push(result);
    }

    fn take_if_changed(&mut self, draft: &Draft<'_>, score: &Evaluation<'_>, standing: Standing) {
        let result = score.result(standing == Standing::Future);
        let is_known = self.current.get(&result.model) == Some(&result)
            || self.results.last() == Some(&result);
        if is_known {
            return;
        }
        // The fold drops results that may rest on what is gone; the same one again is no news.
        let is_news = draft.base.scores.get(&result.model) != Some(&result);
        self.take(result);
        if is_news {
            self.tell(draft, finding(score, &result), standing);
        }
    }

    fn tell(&mut self, draft: &Draft<'_>, finding: Finding, standing: Standing) {
        // Most results need nobody and calm nothing.
        let matters =
            finding.severity.is_some() || !self.news.is_empty() || !draft.alerts().is_empty();
        if matters {
            self.news.push(News::Found(finding, standing));
        }
    }
}

/// What a result means for the alert of its model.
pub(super) fn finding(score: &Evaluation<'_>, result: &ScoreResult) -> Finding {
    Finding {
        condition: AlertCondition::Score(result.model),
        severity: actors_risk::alert_severity(result),
        observed_at: result.as_of,
        trigger: result.minimum,
        observation: score.newest_input().map(|input| input.value.observation.clone()),
    }
}
