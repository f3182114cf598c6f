//! The measurements that scores, rules and views know by name: LOINC and IEEE 11073 codes,
//! canonical unit, plausible range and how long a value may be used.
//!
//! Sources: LOINC vital-signs panel 85353-1 and common chemistry codes; ISO/IEEE 11073-10101
//! nomenclature; validity per `clinical-scores` rule 2. Text results and rare tests are kept as
//! observations without a [`Measure`].

use crate::quantity::{Analyte, ConversionError, convert};
use crate::time::{MICROS_PER_DAY, MICROS_PER_HOUR};
use rust_decimal::Decimal;

/// The code system URI of LOINC.
pub const LOINC_SYSTEM: &str = "http://loinc.org";
/// The code system URI of ISO/IEEE 11073-10101.
pub const MDC_SYSTEM: &str = "urn:iso:std:iso:11073:10101";
/// The code system of settings that clinicians make here, such as the SpO2 scale.
pub const MEDULLA_SYSTEM: &str = "urn:medulla:measure";

macro_rules! measures {
    ($( $(#[$doc:meta])* $name:ident = $number:literal, $label:literal, $unit:literal,
        $low:literal ..= $high:literal, $validity:expr, $analyte:ident,
        [$($loinc:literal),*], [$($mdc:literal),*]; )*) => {
        /// A measurement known by name. Coded ones use small whole numbers as values.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Measure { $( $(#[$doc])* $name, )* }

        impl Measure {
            /// Every measure, in stable order.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// How many measures there are.
            pub const COUNT: usize = Self::ALL.len();

            /// The place in [`Measure::ALL`]; not stable, for tables in memory only.
            #[must_use]
            pub const fn index(self) -> usize { self as usize }

            /// The stable number in stored data; never reused.
            #[must_use]
            pub const fn number(self) -> u16 { match self { $(Self::$name => $number),* } }

            /// The measure of a stable number.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number { $($number => Some(Self::$name),)* _ => None }
            }

            /// Short lower-case name with hyphens, for JSON, queries and terminals.
            #[must_use]
            pub const fn label(self) -> &'static str { match self { $(Self::$name => $label),* } }

            /// The UCUM unit in which values are held.
            #[must_use]
            pub const fn unit(self) -> &'static str { match self { $(Self::$name => $unit),* } }

            /// Bounds outside which a value cannot come from a living person, inclusive, in
            /// [`Measure::unit`]; such a value is kept but never scored.
            #[must_use]
            pub const fn plausible(self) -> (i64, i64) {
                match self { $(Self::$name => ($low, $high)),* }
            }

            /// How long a spot value may be used for scoring, in microseconds.
            #[must_use]
            pub const fn validity_micros(self) -> i64 {
                match self { $(Self::$name => $validity),* }
            }

            /// The substance, for molar conversion.
            #[must_use]
            pub const fn analyte(self) -> Analyte {
                match self { $(Self::$name => Analyte::$analyte),* }
            }

            /// The measure of a LOINC code.
            #[must_use]
            pub fn from_loinc(code: &str) -> Option<Self> {
                match code { $( $($loinc => Some(Self::$name),)* )* _ => None }
            }

            /// The measure of an IEEE 11073-10101 numeric code.
            #[must_use]
            pub fn from_mdc(code: &str) -> Option<Self> {
                match code { $( $($mdc => Some(Self::$name),)* )* _ => None }
            }

            /// The preferred LOINC code, if LOINC has one.
            #[must_use]
            pub fn loinc(self) -> Option<&'static str> {
                let codes: &[&'static str] = match self { $(Self::$name => &[$($loinc),*]),* };
                codes.first().copied()
            }
        }
    };
}

const SPOT: i64 = 12 * MICROS_PER_HOUR;
const DAY: i64 = MICROS_PER_DAY;
const SETTING: i64 = 365 * MICROS_PER_DAY;

measures! {
    /// Breaths per minute.
    RespiratoryRate = 1, "respiratory-rate", "/min", 1..=80, SPOT, None,
        ["9279-1", "9303-9", "19840-8"], ["151562", "151578"];
    /// Arterial oxygen saturation by pulse oximetry or blood gas, percent.
    OxygenSaturation = 2, "oxygen-saturation", "%", 1..=100, SPOT, None,
        ["59408-5", "2708-6", "20564-1"], ["150456"];
    /// Inhaled oxygen flow; above 0 means supplemental oxygen.
    OxygenFlow = 3, "oxygen-flow", "L/min", 0..=100, SPOT, None, ["3151-8"], [];
    /// Inhaled oxygen fraction, percent; above 21 means supplemental oxygen.
    InspiredOxygen = 4, "inspired-oxygen", "%", 15..=100, SPOT, None,
        ["3150-6", "19994-3", "71835-3"], [];
    /// Systolic blood pressure.
    SystolicPressure = 5, "systolic-pressure", "mm[Hg]", 1..=350, SPOT, None,
        ["8480-6", "8459-0", "8460-8", "8461-6", "76534-7"], ["150021", "150017", "150033"];
    /// Diastolic blood pressure.
    DiastolicPressure = 6, "diastolic-pressure", "mm[Hg]", 1..=250, SPOT, None,
        ["8462-4", "8453-3", "8454-1", "8455-8", "76535-4"], ["150022", "150018", "150034"];
    /// Mean arterial pressure.
    MeanPressure = 7, "mean-pressure", "mm[Hg]", 1..=300, SPOT, None,
        ["8478-0", "76536-2"], ["150023", "150019", "150035"];
    /// Heart or pulse rate.
    HeartRate = 8, "heart-rate", "/min", 1..=350, SPOT, None,
        ["8867-4", "8889-8", "8893-0", "68999-2"], ["147842", "149530", "149546", "149522"];
    /// Body temperature.
    BodyTemperature = 9, "body-temperature", "Cel", 15..=45, SPOT, None,
        ["8310-5", "8331-1", "8332-9", "8333-7", "8329-5", "8328-7", "76011-6", "8330-3"],
        ["150364", "150344", "188424"];
    /// Level of consciousness: 0 alert, 1 new confusion, 2 voice, 3 pain, 4 unresponsive.
    Consciousness = 10, "consciousness", "{code}", 0..=4, SPOT, None,
        ["67775-7", "80288-4", "11454-5"], [];
    /// Glasgow coma scale total.
    GlasgowComaScale = 11, "glasgow-coma-scale", "{score}", 3..=15, SPOT, None, ["9269-2"], [];
    /// Which NEWS2 SpO2 scale a clinician chose: 1 or 2.
    OxygenScale = 12, "oxygen-scale", "{code}", 1..=2, SETTING, None, [], [];
    /// Body weight.
    BodyWeight = 13, "body-weight", "kg", 0..=700, SETTING, None,
        ["29463-7", "3141-9", "3142-7"], ["188736"];
    /// Body height.
    BodyHeight = 14, "body-height", "cm", 10..=280, SETTING, None, ["8302-2", "3137-7"], ["188740"];
    /// Urine output over the last hour, in mL.
    UrineOutput = 15, "urine-output-hourly", "mL", 0..=5000, DAY, None, ["9187-6"], [];
    /// Creatinine in serum, plasma or blood.
    Creatinine = 20, "creatinine", "mg/dL", 0..=60, 7 * DAY, Creatinine,
        ["2160-0", "38483-4", "14682-9", "59826-8", "77140-2"], [];
    /// White blood cells.
    WhiteCells = 21, "white-cells", "10*9/L", 0..=1000, DAY, None,
        ["6690-2", "26464-8", "804-5", "49498-9"], [];
    /// Immature neutrophils (bands), percent of white cells.
    Bands = 22, "bands", "%", 0..=100, DAY, None, ["764-1", "26508-2", "35332-6"], [];
    /// Arterial carbon dioxide pressure.
    ArterialCarbonDioxide = 23, "arterial-carbon-dioxide", "mm[Hg]", 1..=250, SPOT, None,
        ["2019-8", "32771-8"], [];
    /// Arterial oxygen pressure.
    ArterialOxygen = 24, "arterial-oxygen", "mm[Hg]", 1..=800, SPOT, None,
        ["2703-7", "19255-9"], [];
    /// Platelets.
    Platelets = 25, "platelets", "10*9/L", 0..=5000, DAY, None,
        ["777-3", "26515-7", "778-1"], [];
    /// Total bilirubin.
    Bilirubin = 26, "bilirubin", "mg/dL", 0..=100, DAY, Bilirubin, ["1975-2", "14631-6"], [];
    /// International normalised ratio.
    Inr = 27, "inr", "{INR}", 0..=50, DAY, None, ["6301-6", "34714-6"], [];
    /// Sodium.
    Sodium = 28, "sodium", "mmol/L", 50..=250, DAY, MonovalentIon,
        ["2951-2", "2947-0", "32717-1"], [];
    /// Potassium.
    Potassium = 29, "potassium", "mmol/L", 0..=20, DAY, MonovalentIon,
        ["2823-3", "6298-4", "32713-0"], [];
    /// Haemoglobin.
    Haemoglobin = 30, "haemoglobin", "g/dL", 0..=40, DAY, Haemoglobin,
        ["718-7", "30313-1", "20509-6"], [];
    /// Urea nitrogen.
    UreaNitrogen = 31, "urea-nitrogen", "mg/dL", 0..=500, DAY, UreaNitrogen,
        ["3094-0", "6299-2", "22664-7", "14937-7"], [];
    /// Lactate.
    Lactate = 32, "lactate", "mmol/L", 0..=50, DAY, Lactate,
        ["2524-7", "32693-4", "2518-9", "14118-4"], [];
    /// Albumin.
    Albumin = 33, "albumin", "g/dL", 0..=15, DAY, None, ["1751-7"], [];
    /// Glucose.
    Glucose = 34, "glucose", "mg/dL", 0..=3000, DAY, Glucose,
        ["2345-7", "2339-0", "15074-8", "2340-8", "41653-7", "14749-6"], [];
}

/// Why a value cannot be used as a measure.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MeasureError {
    /// The unit cannot be converted to the measure's unit.
    #[error("unit cannot be converted: {0}")]
    Unit(#[from] ConversionError),
    /// The value is outside the plausible range.
    #[error("value is outside the plausible range")]
    Implausible,
}

impl Measure {
    /// The measure of a coded observation.
    #[must_use]
    pub fn from_code(system: &str, code: &str) -> Option<Self> {
        match system {
            LOINC_SYSTEM | "LN" | "LOINC" | "urn:oid:2.16.840.1.113883.6.1" => {
                Self::from_loinc(code)
            }
            MDC_SYSTEM | "MDC" => Self::from_mdc(code),
            MEDULLA_SYSTEM | "MEDULLA" => {
                Self::ALL.iter().copied().find(|measure| measure.label() == code)
            }
            _ => None,
        }
    }

    /// The value in the measure's own unit, checked for plausibility. An empty unit is taken as
    /// the measure's own. A saturation or fraction of at most 1 with unit `1` counts as a ratio.
    ///
    /// # Errors
    /// [`MeasureError`] when the unit does not convert or the value is implausible.
    pub fn normalise(self, value: Decimal, unit: &str) -> Result<Decimal, MeasureError> {
        let unit = if unit.is_empty() { self.unit() } else { unit };
        let converted = convert(value, unit, self.unit(), self.analyte())?;
        if self.is_plausible(converted) { Ok(converted) } else { Err(MeasureError::Implausible) }
    }

    /// Whether a value in the measure's own unit can come from a living person. A body has no zero
    /// weight and no zero laboratory value; zero flow and codes are real.
    #[must_use]
    pub const fn is_plausible(self, value: Decimal) -> bool {
        let (low, high) = self.plausible();
        let mantissa = value.mantissa();
        // Bounds times a power of ten of at most 28 digits stay within 128 bits.
        let one = 10_i128.pow(value.scale());
        let is_inside = low as i128 * one <= mantissa && mantissa <= high as i128 * one;
        is_inside && (mantissa != 0 || self.may_be_zero())
    }

    const fn may_be_zero(self) -> bool {
        matches!(self, Self::OxygenFlow | Self::Consciousness | Self::UrineOutput | Self::Bands)
    }
}

/// Levels of consciousness as values of [`Measure::Consciousness`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Acvpu {
    /// Alert.
    Alert,
    /// New confusion.
    Confusion,
    /// Responds to voice.
    Voice,
    /// Responds to pain.
    Pain,
    /// Unresponsive.
    Unresponsive,
}

impl Acvpu {
    /// The number used as a measure's value.
    #[must_use]
    pub const fn number(self) -> i64 {
        match self {
            Self::Alert => 0,
            Self::Confusion => 1,
            Self::Voice => 2,
            Self::Pain => 3,
            Self::Unresponsive => 4,
        }
    }

    /// The level of a measure's value.
    #[must_use]
    pub fn from_value(value: Decimal) -> Option<Self> {
        [Self::Alert, Self::Confusion, Self::Voice, Self::Pain, Self::Unresponsive]
            .into_iter()
            .find(|level| Decimal::from(level.number()) == value)
    }

    /// The level named by a code, an answer code (LOINC, SNOMED CT) or a word; case is ignored.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        match text.trim().to_ascii_lowercase().as_str() {
            "a" | "alert" | "la9340-6" | "248234008" | "la6558-1" | "conscious" => {
                Some(Self::Alert)
            }
            "c" | "confusion" | "new confusion" | "confused" | "130987000" | "la9342-2"
            | "la6560-2" => Some(Self::Confusion),
            "v"
            | "voice"
            | "responds to voice"
            | "verbal"
            | "300202002"
            | "la17108-4"
            | "responsive to voice" => Some(Self::Voice),
            "p" | "pain" | "responds to pain" | "450847001" | "la17107-6"
            | "responsive to pain" => Some(Self::Pain),
            "u" | "unresponsive" | "422107003" | "la9343-0" => Some(Self::Unresponsive),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_labels_are_unique() {
        for (index, one) in Measure::ALL.iter().enumerate() {
            assert_eq!(Measure::from_number(one.number()), Some(*one));
            for other in &Measure::ALL[index + 1..] {
                assert_ne!(one.number(), other.number());
                assert_ne!(one.label(), other.label());
            }
            if let Some(code) = one.loinc() {
                assert_eq!(Measure::from_code(LOINC_SYSTEM, code), Some(*one));
            }
        }
    }

    #[test]
    fn plausible_is_exact_at_every_precision() {
        let cases = [
            ("350", true),
            ("350.0000000000000000000000000", true),
            ("350.0000000000000000000000001", false),
            ("1", true),
            ("0.9999999999999999999999999999", false),
            ("79228162514264337593543950335", false),
            ("-79228162514264337593543950335", false),
        ];
        for (text, expected) in cases {
            let value: Decimal = text.parse().unwrap();
            assert_eq!(Measure::HeartRate.is_plausible(value), expected, "{text}");
        }
        assert!(Measure::ALL.iter().enumerate().all(|(place, one)| one.index() == place));
    }

    #[test]
    fn normalises_units_and_refuses_nonsense() {
        let temperature = Measure::BodyTemperature;
        let fever = temperature.normalise(Decimal::new(1004, 1), "[degF]").unwrap();
        assert_eq!(fever, Decimal::from(38));
        let cases = [
            (Measure::OxygenSaturation, "101"),
            (Measure::HeartRate, "-5"),
            (Measure::HeartRate, "0"),
            (Measure::RespiratoryRate, "81"),
            (Measure::Creatinine, "0"),
        ];
        for (measure, value) in cases {
            let result = measure.normalise(value.parse().unwrap(), measure.unit());
            assert_eq!(result, Err(MeasureError::Implausible), "{measure:?} {value}");
        }
        assert!(Measure::OxygenFlow.normalise(Decimal::ZERO, "L/min").is_ok());
        assert!(matches!(
            Measure::HeartRate.normalise(Decimal::ONE, "mg/dL"),
            Err(MeasureError::Unit(_))
        ));
    }
}
