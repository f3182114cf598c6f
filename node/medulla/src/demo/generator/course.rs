//! How ill a person is over time, and what that does to vital signs and laboratory values. A sketch
//! that makes scores rise and fall plausibly, not a model of physiology.

use super::random::Random;

const MINUTE: i64 = 60;
const HOUR: i64 = 3_600;

/// When a person becomes worse, and better again.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Decline {
    /// When it begins, seconds since the start.
    pub(crate) begins_at: i64,
    /// From its beginning to its worst, seconds.
    pub(crate) ramp: i64,
    /// How long the worst lasts, seconds.
    pub(crate) hold: i64,
    /// How bad it becomes, 0 to 1.
    peak: f64,
}

/// A person's course through the day.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Course {
    pub(crate) decline: Option<Decline>,
    /// Long-standing hypoxia: a clinician chose the second oxygen scale of NEWS2.
    pub(crate) is_hypoxic: bool,
    /// Creatinine rises.
    pub(crate) has_kidney_injury: bool,
    /// Potassium becomes critical.
    pub(crate) has_high_potassium: bool,
    /// Acuity when nothing happens.
    base: f64,
    rate: f64,
    pressure: f64,
    creatinine: f64,
}

/// One set of vital signs.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Vitals {
    pub(crate) respiratory_rate: f64,
    pub(crate) saturation: f64,
    pub(crate) oxygen_flow: f64,
    pub(crate) systolic: f64,
    pub(crate) diastolic: f64,
    pub(crate) heart_rate: f64,
    pub(crate) temperature: f64,
    /// SNOMED CT code and text of the level of consciousness.
    pub(crate) consciousness: (&'static str, &'static str),
}

const ALERT: (&str, &str) = ("248234008", "Mentally alert");
const CONFUSED: (&str, &str) = ("130987000", "Acute confusion");
const VOICE: (&str, &str) = ("300202002", "Responds to voice");
const PAIN: (&str, &str) = ("450847001", "Responds to pain");

/// One laboratory value: LOINC code, name, value, unit.
pub(crate) type Analysis = (&'static str, &'static str, String, &'static str);

impl Course {
    pub(crate) fn new(random: &mut Random, span: i64) -> Self {
        let ramp_max = (span * 6 / 10).clamp(31 * MINUTE, 5 * HOUR);
        let ramp = random.between(30 * MINUTE, ramp_max);
        let decline = random.chance(140).then(|| Decline {
            begins_at: random.between(-ramp / 2, span * 7 / 10),
            ramp,
            hold: random.between(HOUR, 4 * HOUR),
            peak: 0.55 + 0.45 * random.fraction(),
        });
        Self {
            decline,
            is_hypoxic: random.chance(60),
            has_kidney_injury: random.chance(60),
            has_high_potassium: random.chance(30),
            base: 0.16 * random.fraction(),
            rate: random.noise(9.0),
            pressure: random.noise(13.0),
            creatinine: 0.7 + 0.4 * random.fraction(),
        }
    }

    /// How ill the person is, 0 to 1.
    pub(crate) fn acuity(&self, at: i64) -> f64 {
        let Some(decline) = &self.decline else { return self.base };
        let worst = decline.begins_at + decline.ramp;
        let better = worst + decline.hold;
        let part = |since: i64, length: i64| ratio(at - since, length).clamp(0.0, 1.0);
        let risen = part(decline.begins_at, decline.ramp) * decline.peak;
        // Recovery takes twice the time and stops above where it began.
        let recovered = part(better, decline.ramp * 2) * 0.8;
        self.base + risen * (1.0 - recovered)
    }

    pub(crate) fn vitals(&self, random: &mut Random, at: i64) -> Vitals {
        let ill = self.acuity(at).min(1.0);
        let is_on_oxygen = ill > 0.45;
        let normal_saturation = if self.is_hypoxic { 90.5 } else { 97.4 };
        let oxygen_flow = if is_on_oxygen { (2.0 + ill * 8.0).round() } else { 0.0 };
        let relief = if is_on_oxygen { 2.5 } else { 0.0 };
        let saturation = normal_saturation - 11.0 * ill + relief + random.noise(1.2);
        let systolic = 129.0 + self.pressure - 44.0 * ill + random.noise(7.0);
        let level = ill + random.noise(0.06);
        Vitals {
            respiratory_rate: (15.0 + 15.0 * ill + random.noise(1.8)).clamp(6.0, 60.0),
            saturation: saturation.clamp(62.0, 100.0),
            oxygen_flow,
            systolic: systolic.clamp(55.0, 215.0),
            diastolic: (systolic * 0.6 + random.noise(4.0)).clamp(30.0, 120.0),
            heart_rate: (75.0 + self.rate + 56.0 * ill + random.noise(5.0)).clamp(38.0, 190.0),
            temperature: (36.7 + 2.1 * ill + random.noise(0.25)).clamp(34.0, 41.0),
            consciousness: match level {
                level if level > 0.97 => PAIN,
                level if level > 0.82 => VOICE,
                level if level > 0.70 => CONFUSED,
                _ => ALERT,
            },
        }
    }

    pub(crate) fn analyses(&self, random: &mut Random, at: i64) -> Vec<Analysis> {
        let ill = self.acuity(at).min(1.0);
        let injury =
            if self.has_kidney_injury { ratio(at, 18 * HOUR).clamp(0.0, 1.2) } else { 0.0 };
        let creatinine = self.creatinine * (1.0 + 1.6 * injury) + random.noise(0.03);
        let risen = if self.has_high_potassium && at > 2 * HOUR { 2.6 } else { 0.0 };
        let potassium = 4.1 + risen + random.noise(0.3);
        let one = |value: f64| format!("{value:.1}");
        vec![
            ("2160-0", "Creatinine", format!("{creatinine:.2}"), "mg/dL"),
            ("2823-3", "Potassium", one(potassium), "mmol/L"),
            ("2951-2", "Sodium", format!("{:.0}", 139.0 + random.noise(3.0)), "mmol/L"),
            ("6690-2", "Leukocytes", one(7.6 + 9.0 * ill + random.noise(1.2)), "10*9/L"),
            ("718-7", "Haemoglobin", one(13.1 + random.noise(1.3)), "g/dL"),
            ("2524-7", "Lactate", one((1.0 + 4.0 * ill + random.noise(0.3)).max(0.4)), "mmol/L"),
        ]
    }

    /// Creatinine of two days ago, before anything happened.
    pub(crate) fn earlier_creatinine(&self) -> Analysis {
        ("2160-0", "Creatinine", format!("{:.2}", self.creatinine), "mg/dL")
    }
}

/// Seconds as parts of a length; both are far below what a float holds exactly.
fn ratio(part: i64, length: i64) -> f64 {
    let number = |seconds: i64| i32::try_from(seconds).map_or(f64::MAX, f64::from);
    number(part) / number(length.max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_decline_rises_and_falls() {
        let mut random = Random::new(3, 0);
        let mut course = Course::new(&mut random, 24 * HOUR);
        course.base = 0.1;
        course.decline = Some(Decline { begins_at: HOUR, ramp: 2 * HOUR, hold: HOUR, peak: 0.9 });
        let acuity = |hours: i64| course.acuity(hours * HOUR);
        assert!(acuity(0) < acuity(2) && acuity(2) < acuity(3));
        assert!((acuity(4) - 1.0).abs() < 1e-9);
        assert!(acuity(8) < 0.4 && acuity(8) > acuity(0));
        let (well, ill) = (course.vitals(&mut random, 0), course.vitals(&mut random, 4 * HOUR));
        assert!(ill.respiratory_rate > 24.0 && well.respiratory_rate < 21.0);
        assert!(ill.oxygen_flow > 0.0 && well.oxygen_flow == 0.0);
        assert!(ill.saturation < well.saturation && ill.systolic < well.systolic);
        assert_eq!(well.consciousness, ALERT);
        assert_ne!(ill.consciousness, ALERT);
    }
}
