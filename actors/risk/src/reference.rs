//! Where each model comes from and which version of its rules is built in.

use crate::AlteredMentation;
use schema_types::score::ScoreModel;

/// The publication that a model's tables were taken from.
#[must_use]
pub const fn citation(model: ScoreModel) -> &'static str {
    match model {
        ScoreModel::News2 => NEWS2,
        ScoreModel::Mews => MEWS,
        ScoreModel::Qsofa => QSOFA,
        ScoreModel::Sirs => SIRS,
        ScoreModel::ShockIndex => SHOCK_INDEX,
        ScoreModel::KdigoAki => KDIGO_AKI,
    }
}

/// The version of a model's tables and rules, as results carry it. A change of any table, edge or
/// rule takes a new number; numbers are never reused.
#[must_use]
pub const fn version(model: ScoreModel) -> u16 {
    match model {
        ScoreModel::News2
        | ScoreModel::Mews
        | ScoreModel::Sirs
        | ScoreModel::ShockIndex
        | ScoreModel::KdigoAki => 1,
        ScoreModel::Qsofa => qsofa_version(AlteredMentation::Below15),
    }
}

/// The version of qSOFA for each reading of altered mentation.
#[must_use]
pub const fn qsofa_version(rule: AlteredMentation) -> u16 {
    match rule {
        AlteredMentation::Below15 => 1,
        AlteredMentation::AtMost13 => 2,
    }
}

/// National Early Warning Score 2; the Royal College of Physicians allows free use when it is
/// acknowledged.
pub const NEWS2: &str = "Royal College of Physicians. National Early Warning Score (NEWS) 2: \
    Standardising the assessment of acute-illness severity in the NHS. London: RCP, 2017";

/// Modified Early Warning Score.
pub const MEWS: &str = "Subbe CP, Kruger M, Rutherford P, Gemmel L. Validation of a modified Early \
    Warning Score in medical admissions. QJM 2001;94:521-526";

/// Quick SOFA, with the derivation that used GCS 13 or lower.
pub const QSOFA: &str = "Singer M et al. The Third International Consensus Definitions for Sepsis \
    and Septic Shock (Sepsis-3). JAMA 2016;315:801-810; Seymour CW et al. JAMA 2016;315:762-774";

/// Systemic inflammatory response syndrome.
pub const SIRS: &str = "Bone RC et al. Definitions for sepsis and organ failure (ACCP/SCCM \
    Consensus Conference). Chest 1992;101:1644-1655";

/// Shock index.
pub const SHOCK_INDEX: &str = "Allgöwer M, Burri C. Schockindex. Dtsch Med Wochenschr \
    1967;92:1947-1950; threshold 0.9: Rady MY et al. Ann Emerg Med 1994;24:685-690";

/// Acute kidney injury.
pub const KDIGO_AKI: &str = "KDIGO Clinical Practice Guideline for Acute Kidney Injury, section \
    2.1. Kidney Int Suppl 2012;2:1-138";

/// Critical limits of laboratory values.
pub const CRITICAL_LIMITS: &str = "Kost GJ. Critical limits for urgent clinician notification at \
    US medical centers. JAMA 1990;263:704-707";

/// Calling criteria of medical emergency teams, for vital signs.
pub const EMERGENCY_TEAM: &str = "Hillman K et al. Introduction of the medical emergency team \
    (MET) system: a cluster-randomised controlled trial (MERIT). Lancet 2005;365:2091-2097";

/// Lactate that calls for immediate resuscitation.
pub const SURVIVING_SEPSIS: &str = "Levy MM, Evans LE, Rhodes A. The Surviving Sepsis Campaign \
    bundle: 2018 update. Intensive Care Med 2018;44:925-928";
