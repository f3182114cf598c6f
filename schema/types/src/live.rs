//! The columns of live queries: what can be asked of every entity without waking it, with their
//! stable numbers, names, units and places in a stored live row.
//!
//! Numbers and slots are append only. A name in a query is a column's name or one of its aliases,
//! in snake case. The bytes of a row are in `schema_wire::live`, its making in each entity.

use crate::ids::EntityKind;
use crate::measure::Measure;
use crate::score::ScoreModel;

/// The version of the layout of live rows. Rows are made again from the states when it grows.
pub const ROW_VERSION: u8 = 1;
/// How many slots a row has.
pub const SLOTS: u8 = 128;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    /// Text, compared byte by byte.
    Text,
    /// A number in the column's unit.
    Number,
    /// An instant, to the second.
    Time,
    /// True or false, never missing.
    Truth,
    /// One of these words, compared in this order.
    Word(&'static [&'static str]),
}

/// Where a column's value is found. A slot holds up to 32 bits or is absent: absent is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the key of the row.
    Key,
    /// A slot with a decimal.
    Decimal(u8),
    /// A slot with a whole number.
    Count(u8),
    /// A slot with an instant.
    Time(u8),
    /// A slot that names a text.
    Text(u8),
    /// Some bits of a slot: 0 is missing, `n` the `n`-th word.
    Word {
        /// The slot.
        slot: u8,
        /// The lowest bit.
        shift: u8,
        /// How many bits.
        bits: u8,
    },
    /// One bit of a slot.
    Truth {
        /// The slot.
        slot: u8,
        /// The bit.
        bit: u8,
    },
    /// Completed years since the date in a slot, counted when the question is asked.
    Age(u8),
}

/// A column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    /// The stable number; never reused.
    pub number: u16,
    /// The name in queries and answers.
    pub name: &'static str,
    /// Other names that queries may use.
    pub aliases: &'static [&'static str],
    /// What it holds.
    pub holds: Holds,
    /// The UCUM unit of a number; empty when it has none.
    pub unit: &'static str,
    /// Where it is stored.
    pub place: Place,
    /// What it says, for people.
    pub about: &'static str,
}

/// Slots of a patient's row.
pub mod patient_slot {
    /// First of the newest values, in the order of `Measure::ALL`; room for 40.
    pub const VALUES: u8 = 0;
    /// First of the times of the newest values; room for 40.
    pub const TIMES: u8 = 40;
    /// First of the scores' minima, in the order of `ScoreModel::ALL`; room for 8.
    pub const MINIMA: u8 = 80;
    /// First of the scores' maxima; room for 8.
    pub const MAXIMA: u8 = 88;
    /// First of the instants for which the scores hold; room for 8.
    pub const AS_OF: u8 = 96;
    /// Bands: three bits for each model.
    pub const BANDS: u8 = 104;
    /// Registration, sex, class and the like; see [`flag`].
    pub const FLAGS: u8 = 105;
    /// Date of birth.
    pub const BIRTH: u8 = 106;
    /// Begin of the open stay.
    pub const ADMITTED_AT: u8 = 107;
    /// How many alerts are open.
    pub const OPEN_ALERTS: u8 = 108;
    /// When the oldest open alert was raised.
    pub const OLDEST_ALERT_AT: u8 = 109;
    /// How many observations were ever recorded.
    pub const OBSERVATIONS: u8 = 110;
    /// The time of the newest value.
    pub const OBSERVED_AT: u8 = 111;
    /// When the person died.
    pub const DECEASED_AT: u8 = 112;
    /// Facility of the open stay.
    pub const FACILITY: u8 = 113;
    /// Ward of the open stay.
    pub const UNIT: u8 = 114;
    /// Room of the open stay.
    pub const ROOM: u8 = 115;
    /// Bed of the open stay.
    pub const BED: u8 = 116;

    /// Lowest bits of what [`FLAGS`] holds.
    pub mod flag {
        /// Two bits: how the patient is known.
        pub const REGISTRATION: u8 = 0;
        /// Three bits: administrative sex.
        pub const SEX: u8 = 2;
        /// Three bits: class of the open stay.
        pub const CLASS: u8 = 5;
        /// Two bits: severity of the most urgent open alert.
        pub const SEVERITY: u8 = 8;
        /// One bit: whether the person is in hospital.
        pub const IN_HOSPITAL: u8 = 10;
        /// One bit: whether the person died.
        pub const DECEASED: u8 = 11;
        /// One bit: whether the record was retired into another.
        pub const MERGED: u8 = 12;
    }
}

/// Slots of a device's row.
pub mod device_slot {
    /// Key of the patient it measures.
    pub const PATIENT: u8 = 0;
    /// Since when it measures that patient.
    pub const ASSOCIATED_AT: u8 = 1;
    /// Bit 0: whether it is silent.
    pub const FLAGS: u8 = 2;
    /// Since when it is silent.
    pub const SILENT_SINCE: u8 = 3;
    /// Battery charge.
    pub const BATTERY: u8 = 4;
    /// When a batch last arrived.
    pub const HEARD_AT: u8 = 5;
    /// Samples that arrived.
    pub const SAMPLES: u8 = 6;
    /// Sequence numbers that were missed at first.
    pub const MISSED: u8 = 7;
    /// Batches that arrived late or repeated.
    pub const OUT_OF_ORDER: u8 = 8;
    /// Estimated device clock minus hospital clock.
    pub const CLOCK_OFFSET: u8 = 9;
    /// Expected interval between batches.
    pub const INTERVAL: u8 = 10;
}

/// Slots of a facility's row. The numbers of empty beds follow `BedStatus` in order.
pub mod facility_slot {
    /// Inpatients in a ward, in a bed or not.
    pub const OCCUPIED: u8 = 0;
    /// Beds ever seen.
    pub const BEDS: u8 = 1;
    /// Beds with one patient.
    pub const BEDS_OCCUPIED: u8 = 2;
    /// Beds with more than one patient.
    pub const BEDS_IN_CONFLICT: u8 = 3;
    /// Inpatients in a ward without a bed.
    pub const WITHOUT_BED: u8 = 4;
    /// First of the empty beds by status; six.
    pub const BEDS_EMPTY: u8 = 5;
}

const REGISTRATIONS: Holds = Holds::Word(&["provisional", "registered"]);
const SEXES: Holds = Holds::Word(&["female", "male", "other", "unknown"]);
const CLASSES: Holds =
    Holds::Word(&["unknown", "inpatient", "outpatient", "emergency", "pre-admission", "virtual"]);
const SEVERITIES: Holds = Holds::Word(&["warning", "critical"]);
const BANDS: Holds = Holds::Word(&["normal", "low", "low-medium", "medium", "high"]);
/// How many bits of the slot of bands one model has.
pub const BAND_BITS: u8 = 3;

const fn column(
    (number, name): (u16, &'static str),
    (holds, place): (Holds, Place),
    about: &'static str,
) -> Column {
    Column { number, name, aliases: &[], holds, unit: "", place, about }
}

const fn unit(unit: &'static str, column: Column) -> Column {
    Column { unit, ..column }
}

const fn also(aliases: &'static [&'static str], column: Column) -> Column {
    Column { aliases, ..column }
}

const fn key(number: u16, about: &'static str) -> Column {
    also(&["id"], column((number, "key"), (Holds::Text, Place::Key), about))
}

const fn text(id: (u16, &'static str), slot: u8, about: &'static str) -> Column {
    column(id, (Holds::Text, Place::Text(slot)), about)
}

const fn count(id: (u16, &'static str), slot: u8, about: &'static str) -> Column {
    unit("1", column(id, (Holds::Number, Place::Count(slot)), about))
}

const fn decimal(id: (u16, &'static str), slot: u8, about: &'static str) -> Column {
    column(id, (Holds::Number, Place::Decimal(slot)), about)
}

const fn time(id: (u16, &'static str), slot: u8, about: &'static str) -> Column {
    column(id, (Holds::Time, Place::Time(slot)), about)
}

const fn truth(id: (u16, &'static str), at: (u8, u8), about: &'static str) -> Column {
    column(id, (Holds::Truth, Place::Truth { slot: at.0, bit: at.1 }), about)
}

const fn word(
    id: (u16, &'static str),
    words: Holds,
    (slot, shift, bits): (u8, u8, u8),
    about: &'static str,
) -> Column {
    column(id, (words, Place::Word { slot, shift, bits }), about)
}

/// The slot of a measure's newest value.
#[must_use]
pub const fn value_slot(measure: Measure) -> u8 {
    patient_slot::VALUES + measure as u8
}

/// The slot of the time of a measure's newest value.
#[must_use]
pub const fn time_slot(measure: Measure) -> u8 {
    patient_slot::TIMES + measure as u8
}

const fn band_place(model: ScoreModel) -> (u8, u8, u8) {
    (patient_slot::BANDS, BAND_BITS * model as u8, BAND_BITS)
}

macro_rules! patient_columns {
    (
        own: [$($own:expr),* $(,)?],
        measures: [$($measure:ident $value:literal [$($alias:literal),*]),* $(,)?],
        scores: [$($model:ident $score:literal),* $(,)?],
    ) => {
        /// The columns of patients: the person and the stay, then the newest value of each measure
        /// (its number is 100 more than the measure's, its time's 200 more), then the scores (from
        /// 300, ten for each model).
        pub const PATIENT: &[Column] = &[
            $($own,)*
            $(
                unit(Measure::$measure.unit(), also(&[$($alias),*], decimal(
                    (100 + Measure::$measure.number(), $value),
                    value_slot(Measure::$measure),
                    concat!("newest ", $value),
                ))),
                time(
                    (200 + Measure::$measure.number(), concat!($value, "_at")),
                    time_slot(Measure::$measure),
                    concat!("time of the newest ", $value),
                ),
            )*
            $(
                unit("{score}", also(
                    &[concat!($score, "_minimum"), concat!($score, "_min")],
                    decimal(
                        (300 + 10 * ScoreModel::$model.number(), $score),
                        patient_slot::MINIMA + ScoreModel::$model as u8,
                        concat!("lowest ", $score, " that missing inputs allow"),
                    ),
                )),
                unit("{score}", also(
                    &[concat!($score, "_max")],
                    decimal(
                        (301 + 10 * ScoreModel::$model.number(), concat!($score, "_maximum")),
                        patient_slot::MAXIMA + ScoreModel::$model as u8,
                        concat!("highest ", $score, " that missing inputs allow"),
                    ),
                )),
                word(
                    (302 + 10 * ScoreModel::$model.number(), concat!($score, "_band")),
                    BANDS,
                    band_place(ScoreModel::$model),
                    concat!("band of the lowest ", $score),
                ),
                time(
                    (303 + 10 * ScoreModel::$model.number(), concat!($score, "_as_of")),
                    patient_slot::AS_OF + ScoreModel::$model as u8,
                    concat!("instant for which ", $score, " holds"),
                ),
            )*
        ];
    };
}

patient_columns! {
    own: [
        key(1, "key of the patient"),
        word((2, "registration"), REGISTRATIONS,
            (patient_slot::FLAGS, patient_slot::flag::REGISTRATION, 2), "how the patient is known"),
        text((3, "facility"), patient_slot::FACILITY, "facility of the open stay"),
        also(&["ward"], text((4, "unit"), patient_slot::UNIT, "ward of the open stay")),
        text((5, "room"), patient_slot::ROOM, "room of the open stay"),
        text((6, "bed"), patient_slot::BED, "bed of the open stay"),
        also(&["class"], word((7, "encounter_class"), CLASSES,
            (patient_slot::FLAGS, patient_slot::flag::CLASS, 3), "class of the open stay")),
        truth((8, "in_hospital"), (patient_slot::FLAGS, patient_slot::flag::IN_HOSPITAL),
            "whether a stay is open that is neither outpatient nor virtual"),
        time((9, "admitted_at"), patient_slot::ADMITTED_AT, "begin of the open stay"),
        unit("a", column((10, "age"), (Holds::Number, Place::Age(patient_slot::BIRTH)),
            "completed years at the time of the query (UTC)")),
        word((11, "sex"), SEXES,
            (patient_slot::FLAGS, patient_slot::flag::SEX, 3), "administrative sex"),
        count((12, "open_alerts"), patient_slot::OPEN_ALERTS, "open alerts"),
        also(&["severity"], word((13, "highest_severity"), SEVERITIES,
            (patient_slot::FLAGS, patient_slot::flag::SEVERITY, 2),
            "severity of the most urgent open alert")),
        time((14, "oldest_alert_at"), patient_slot::OLDEST_ALERT_AT,
            "when the oldest open alert was raised"),
        also(&["observations"], count((15, "observations_total"), patient_slot::OBSERVATIONS,
            "observations ever recorded")),
        time((16, "last_observed_at"), patient_slot::OBSERVED_AT,
            "time of the newest value of any measure"),
        truth((17, "deceased"), (patient_slot::FLAGS, patient_slot::flag::DECEASED),
            "whether the person died"),
        time((18, "deceased_at"), patient_slot::DECEASED_AT, "when the person died"),
        truth((19, "merged"), (patient_slot::FLAGS, patient_slot::flag::MERGED),
            "whether the record was retired into another"),
    ],
    measures: [
        RespiratoryRate "respiratory_rate" ["rr"],
        OxygenSaturation "oxygen_saturation" ["spo2"],
        OxygenFlow "oxygen_flow" [],
        InspiredOxygen "inspired_oxygen" ["fio2"],
        SystolicPressure "systolic_pressure" ["systolic", "sbp"],
        DiastolicPressure "diastolic_pressure" ["diastolic", "dbp"],
        MeanPressure "mean_pressure" ["map"],
        HeartRate "heart_rate" ["hr", "pulse"],
        BodyTemperature "body_temperature" ["temperature"],
        Consciousness "consciousness" ["acvpu"],
        GlasgowComaScale "glasgow_coma_scale" ["gcs"],
        OxygenScale "oxygen_scale" [],
        BodyWeight "body_weight" ["weight"],
        BodyHeight "body_height" ["height"],
        UrineOutput "urine_output_hourly" ["urine_output"],
        Creatinine "creatinine" [],
        WhiteCells "white_cells" ["wbc"],
        Bands "bands" [],
        ArterialCarbonDioxide "arterial_carbon_dioxide" ["paco2"],
        ArterialOxygen "arterial_oxygen" ["pao2"],
        Platelets "platelets" [],
        Bilirubin "bilirubin" [],
        Inr "inr" [],
        Sodium "sodium" [],
        Potassium "potassium" [],
        Haemoglobin "haemoglobin" ["hemoglobin"],
        UreaNitrogen "urea_nitrogen" ["bun"],
        Lactate "lactate" [],
        Albumin "albumin" [],
        Glucose "glucose" [],
    ],
    scores: [
        News2 "news2",
        Mews "mews",
        Qsofa "qsofa",
        Sirs "sirs",
        ShockIndex "shock_index",
        KdigoAki "kdigo_aki",
    ],
}

/// The columns of devices.
pub const DEVICE: &[Column] = &[
    key(401, "key of the device"),
    text((402, "patient"), device_slot::PATIENT, "key of the patient that it measures"),
    time((403, "associated_at"), device_slot::ASSOCIATED_AT, "since when it measures the patient"),
    truth((404, "silent"), (device_slot::FLAGS, 0), "whether it went silent"),
    time((405, "silent_since"), device_slot::SILENT_SINCE, "since when it is silent"),
    unit("%", count((406, "battery"), device_slot::BATTERY, "battery charge")),
    time((407, "last_heard_at"), device_slot::HEARD_AT, "when a batch last arrived"),
    count((408, "samples_total"), device_slot::SAMPLES, "samples that arrived"),
    count((409, "missed_total"), device_slot::MISSED, "sequence numbers missed at first"),
    count((410, "out_of_order_total"), device_slot::OUT_OF_ORDER, "batches late or repeated"),
    unit(
        "s",
        decimal(
            (411, "clock_offset"),
            device_slot::CLOCK_OFFSET,
            "estimated device clock minus hospital clock",
        ),
    ),
    unit(
        "s",
        decimal((412, "batch_interval"), device_slot::INTERVAL, "expected interval of batches"),
    ),
];

/// The columns of facilities; their rows are made when the question is asked.
pub const FACILITY: &[Column] = &[
    key(501, "key of the facility"),
    count((502, "occupied"), facility_slot::OCCUPIED, "inpatients in its wards"),
    count((503, "beds"), facility_slot::BEDS, "beds ever seen"),
    count((504, "beds_occupied"), facility_slot::BEDS_OCCUPIED, "beds with one patient"),
    count((505, "beds_in_conflict"), facility_slot::BEDS_IN_CONFLICT, "beds with several patients"),
    count((506, "without_bed"), facility_slot::WITHOUT_BED, "inpatients without a bed"),
    count((507, "beds_ready"), facility_slot::BEDS_EMPTY, "empty beds that are ready"),
    count((508, "beds_reserved"), facility_slot::BEDS_EMPTY + 1, "empty beds kept for somebody"),
    count((509, "beds_dirty"), facility_slot::BEDS_EMPTY + 2, "empty beds not cleaned"),
    count((510, "beds_cleaning"), facility_slot::BEDS_EMPTY + 3, "empty beds being cleaned"),
    count((511, "beds_blocked"), facility_slot::BEDS_EMPTY + 4, "empty beds out of use"),
    count((512, "beds_closed"), facility_slot::BEDS_EMPTY + 5, "empty beds not staffed"),
];

/// The columns of a kind of entity.
#[must_use]
pub const fn columns(kind: EntityKind) -> &'static [Column] {
    match kind {
        EntityKind::Patient => PATIENT,
        EntityKind::Device => DEVICE,
        EntityKind::Facility => FACILITY,
    }
}

/// A date as the slot of a date holds it: ordered, and without calendar arithmetic. `None` when no
/// calendar has such a date between the years 0 and 9999.
#[must_use]
pub const fn packed_date(year: i64, month: i64, day: i64) -> Option<u32> {
    if year < 0 || year > 9_999 || month < 1 || month > 12 || day < 1 || day > 31 {
        return None;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above")]
    Some(((year << 9) | (month << 5) | day) as u32)
}

/// Completed years from one packed date to another; `None` when the first is the later one.
#[must_use]
pub const fn years_between(birth: u32, today: u32) -> Option<u32> {
    const DAY_OF_YEAR: u32 = (1 << 9) - 1;
    let had_birthday = today & DAY_OF_YEAR >= birth & DAY_OF_YEAR;
    let years = (today >> 9).checked_sub(birth >> 9);
    match years {
        Some(years) if had_birthday => Some(years),
        Some(years) => years.checked_sub(1),
        None => None,
    }
}

const _: () = assert!(Measure::ALL.len() <= 40 && ScoreModel::ALL.len() <= 8);

#[cfg(test)]
#[path = "live_test.rs"]
mod tests;
