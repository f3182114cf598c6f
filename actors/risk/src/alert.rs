//! Which results need somebody: thresholds as in the clinical response of each publication.

use schema_types::patient::Severity;
use schema_types::score::{Band, ScoreModel, ScoreResult};

/// How urgent a result is; `None` when nobody needs to be told. It follows from the band, and so
/// from what is certain of an incomplete result.
///
/// - NEWS2 from 7 (emergency assessment): critical; 5-6 (urgent response) or a single red score
///   (urgent ward review): warning. RCP 2017, chart 4.
/// - MEWS from 5 (odds ratio of death 5.4): critical, Subbe 2001; 4, where many sites act: warning.
/// - qSOFA from 2 and SIRS from 2: warning. Both ask for assessment and are no diagnosis
///   (Singer 2016; Bone 1992; Surviving Sepsis 2021 advises against qSOFA as single screen).
/// - Shock index from 1.0: critical; from 0.9: warning (Rady 1994).
/// - KDIGO AKI stages 2 and 3: critical; stage 1: warning. KDIGO 2012, figure 4.
#[must_use]
pub const fn alert_severity(score: &ScoreResult) -> Option<Severity> {
    let severity_when_high = match score.model {
        ScoreModel::News2 | ScoreModel::Mews | ScoreModel::ShockIndex | ScoreModel::KdigoAki => {
            Severity::Critical
        }
        ScoreModel::Qsofa | ScoreModel::Sirs => Severity::Warning,
    };
    match score.band {
        Band::Normal | Band::Low => None,
        Band::LowMedium | Band::Medium => Some(Severity::Warning),
        Band::High => Some(severity_when_high),
    }
}
