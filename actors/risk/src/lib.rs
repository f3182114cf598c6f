//! Pure, versioned risk models: NEWS2, MEWS, qSOFA, SIRS, shock index and KDIGO AKI, with their
//! tables as data and the source of each beside it.
//!
//! A model is a function of a history, an instant and a person; it reads no clock, keeps no state
//! and uses no floating point (DET-1). Missing is not zero: an incomplete result has a range, and
//! its band follows from the lower end. Raising, suppressing and resolving alerts is not done
//! here; the patient entity does that with [`alert_severity`] and [`critical_value`].

mod alert;
mod criteria;
mod critical;
mod history;
mod kdigo;
pub mod limits;
mod mews;
mod news2;
mod part;
mod qsofa;
pub mod reference;
mod shock_index;
mod sirs;
mod table;

pub use alert::alert_severity;
pub use critical::{
    CRITICAL_LIMITS, CriticalBound, CriticalLimit, critical_value, critical_value_for,
};
pub use history::{History, Observed, Reading};
pub use part::{Evaluation, Input};

use schema_types::measure::Measure;
use schema_types::score::ScoreModel;
use schema_types::time::Timestamp;

/// What a model needs to know about the person beside the observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Person {
    /// Completed years of life at the instant of the evaluation; `None` when unknown, which
    /// counts as adult, because most patients are and silence would be worse.
    pub age_years: Option<u32>,
}

impl Person {
    /// Whether the person is known to be younger than [`limits::ADULT_AGE_YEARS_MIN`].
    #[must_use]
    pub fn is_child(&self) -> bool {
        self.age_years.is_some_and(|age| age < limits::ADULT_AGE_YEARS_MIN)
    }
}

/// Which reading of "altered mentation" qSOFA uses. Each has its own model version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AlteredMentation {
    /// Glasgow coma scale below 15: the published bedside rule (Singer 2016).
    #[default]
    Below15,
    /// Glasgow coma scale 13 or lower: as in the derivation cohort (Seymour 2016).
    AtMost13,
}

/// Local choices that the publications leave open; the default is the published bedside rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Options {
    /// For qSOFA.
    pub altered_mentation: AlteredMentation,
}

/// Runs a model on what was known at `as_of`, with the default [`Options`].
///
/// `None` when no input of the model was ever observed (settings such as the SpO2 scale or the
/// weight do not count), or when the model is not for this person: all models except KDIGO AKI
/// were made for adults, and NEWS2 excludes those under 16 by its own terms.
#[must_use]
pub fn evaluate<'a>(
    model: ScoreModel,
    history: &'a dyn History,
    as_of: Timestamp,
    person: &Person,
) -> Option<Evaluation<'a>> {
    evaluate_with(model, history, as_of, person, Options::default())
}

/// [`evaluate`] with local choices.
#[must_use]
pub fn evaluate_with<'a>(
    model: ScoreModel,
    history: &'a dyn History,
    as_of: Timestamp,
    person: &Person,
    options: Options,
) -> Option<Evaluation<'a>> {
    if person.is_child() && is_for_adults_only(model) {
        return None;
    }
    let observed = Observed::new(history, as_of);
    match model {
        ScoreModel::News2 => news2::evaluate(&observed),
        ScoreModel::Mews => mews::evaluate(&observed),
        ScoreModel::Qsofa => qsofa::evaluate(&observed, options.altered_mentation),
        ScoreModel::Sirs => sirs::evaluate(&observed),
        ScoreModel::ShockIndex => shock_index::evaluate(&observed),
        ScoreModel::KdigoAki => kdigo::evaluate(&observed),
    }
}

/// A result names a version of its model that is not built in: it cannot be replayed here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownVersion {
    /// Which model.
    pub model: ScoreModel,
    /// The version that is not built in.
    pub version: u16,
}

/// [`evaluate`] by the version that a result names: replaying it gives the same parts.
///
/// # Errors
/// [`UnknownVersion`] when the version is not built in.
pub fn evaluate_version<'a>(
    (model, version): (ScoreModel, u16),
    history: &'a dyn History,
    as_of: Timestamp,
    person: &Person,
) -> Result<Option<Evaluation<'a>>, UnknownVersion> {
    let readings = [AlteredMentation::Below15, AlteredMentation::AtMost13];
    let options = match model {
        ScoreModel::Qsofa => readings
            .into_iter()
            .find(|rule| reference::qsofa_version(*rule) == version)
            .map(|altered_mentation| Options { altered_mentation }),
        ScoreModel::News2
        | ScoreModel::Mews
        | ScoreModel::Sirs
        | ScoreModel::ShockIndex
        | ScoreModel::KdigoAki => (reference::version(model) == version).then(Options::default),
    };
    let options = options.ok_or(UnknownVersion { model, version })?;
    Ok(evaluate_with(model, history, as_of, person, options))
}

/// Whether the model's limits hold for adults only. Heart and respiratory rates that are normal in
/// a small child would be alarms in all of these.
#[must_use]
pub const fn is_for_adults_only(model: ScoreModel) -> bool {
    match model {
        ScoreModel::News2
        | ScoreModel::Mews
        | ScoreModel::Qsofa
        | ScoreModel::Sirs
        | ScoreModel::ShockIndex => true,
        ScoreModel::KdigoAki => false,
    }
}

/// The measures that a model reads; a change of any other cannot change its result.
#[must_use]
pub const fn depends_on(model: ScoreModel) -> &'static [Measure] {
    match model {
        ScoreModel::News2 => news2::DEPENDS_ON,
        ScoreModel::Mews => mews::DEPENDS_ON,
        ScoreModel::Qsofa => qsofa::DEPENDS_ON,
        ScoreModel::Sirs => sirs::DEPENDS_ON,
        ScoreModel::ShockIndex => shock_index::DEPENDS_ON,
        ScoreModel::KdigoAki => kdigo::DEPENDS_ON,
    }
}

/// The models to run again when a value of `measure` arrives, in stable order.
pub fn models_for(measure: Measure) -> impl Iterator<Item = ScoreModel> {
    let reads = move |model: &ScoreModel| depends_on(*model).contains(&measure);
    ScoreModel::ALL.iter().copied().filter(reads)
}
