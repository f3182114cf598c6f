//! FHIR date, dateTime, instant and time to instants and back. A value without a time of day begins
//! at midnight UTC, since FHIR gives it no offset.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, Timelike};
use schema_types::time::{
    MICROS_PER_DAY, MICROS_PER_MINUTE, MICROS_PER_SECOND, Precision, StatedTime, Timestamp,
};

/// Year 1 in microseconds since the Unix epoch: nothing earlier is accepted.
const FIRST_MICROS: i64 = -62_135_596_800_000_000;
/// The last microsecond of year 9999.
const LAST_MICROS: i64 = 253_402_300_799_999_999;

/// What a statement of time covers: from `begin` (inclusive) to `end` (exclusive).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    /// First instant; [`Timestamp::MIN`] when open.
    pub begin: Timestamp,
    /// First instant after; [`Timestamp::MAX`] when open.
    pub end: Timestamp,
}

impl Interval {
    /// The shortest interval at `at`.
    #[must_use]
    pub const fn at(at: Timestamp) -> Self {
        Self { begin: at, end: at.plus_micros(1) }
    }

    /// The earliest known instant: the begin, or the last instant when the begin is open.
    #[must_use]
    pub fn anchor(&self) -> Option<Timestamp> {
        if self.begin != Timestamp::MIN {
            return Some(self.begin);
        }
        (self.end != Timestamp::MAX).then(|| self.end.plus_micros(-1))
    }
}

/// Parses a FHIR `date`: `YYYY`, `YYYY-MM` or `YYYY-MM-DD`, year 1 to 9999.
#[must_use]
pub fn parse_date(text: &str) -> Option<StatedTime> {
    let (date, precision) = calendar_date(text)?;
    Some(StatedTime { at: midnight(date), precision, offset_minutes: None })
}

/// Parses a FHIR `dateTime`: a date, or date, time to the second or finer, and offset.
#[must_use]
pub fn parse_date_time(text: &str) -> Option<StatedTime> {
    match text.split_once('T') {
        None => parse_date(text),
        Some((date, clock)) => {
            let (date, precision) = calendar_date(date)?;
            if precision != Precision::Day {
                return None;
            }
            let zone = clock.find(['Z', '+', '-'])?;
            let (clock, zone) = clock.split_at(zone);
            let offset_minutes = offset(zone)?;
            let (micros, precision) = time_of_day(clock)?;
            let shift = micros - i64::from(offset_minutes) * MICROS_PER_MINUTE;
            let at = midnight(date).plus_micros(shift);
            // Offsets can carry the first and last day out of range.
            if at.unix_micros() < FIRST_MICROS {
                return None;
            }
            Some(StatedTime { at, precision, offset_minutes: Some(offset_minutes) })
        }
    }
}

/// Parses a FHIR `instant`: like a dateTime, but to the second at least.
#[must_use]
pub fn parse_instant(text: &str) -> Option<StatedTime> {
    parse_date_time(text).filter(|stated| stated.offset_minutes.is_some())
}

/// Parses a FHIR `time` of day; microseconds since midnight.
#[must_use]
pub fn parse_time(text: &str) -> Option<i64> {
    time_of_day(text).map(|(micros, _)| micros)
}

/// What a stated time covers, by its precision.
#[must_use]
pub fn interval(stated: StatedTime) -> Interval {
    let begin = stated.at;
    let end = match stated.precision {
        Precision::Year => months_later(begin, 12),
        Precision::Month => months_later(begin, 1),
        Precision::Day => begin.plus_micros(MICROS_PER_DAY),
        Precision::Hour => begin.plus_micros(60 * MICROS_PER_MINUTE),
        Precision::Minute => begin.plus_micros(MICROS_PER_MINUTE),
        Precision::Second => begin.plus_micros(MICROS_PER_SECOND),
        Precision::Fraction => begin.plus_micros(1),
    };
    Interval { begin, end }
}

/// An instant in FHIR form, UTC, with as many decimals (0, 3 or 6) as it needs. Instants outside
/// year 1 to 9999 are shown as the nearest that FHIR can write.
#[must_use]
pub fn render_instant(at: Timestamp) -> String {
    let micros = at.unix_micros().clamp(FIRST_MICROS, LAST_MICROS);
    let Some(time) = DateTime::from_timestamp_micros(micros) else {
        return "1970-01-01T00:00:00Z".to_owned();
    };
    let (hour, minute, second) = (time.hour(), time.minute(), time.second());
    let day = format!("{:04}-{:02}-{:02}", time.year(), time.month(), time.day());
    let fraction = micros.rem_euclid(MICROS_PER_SECOND);
    match fraction {
        0 => format!("{day}T{hour:02}:{minute:02}:{second:02}Z"),
        whole if whole % 1000 == 0 => {
            format!("{day}T{hour:02}:{minute:02}:{second:02}.{:03}Z", whole / 1000)
        }
        _ => format!("{day}T{hour:02}:{minute:02}:{second:02}.{fraction:06}Z"),
    }
}

fn midnight(date: NaiveDate) -> Timestamp {
    let days = date.signed_duration_since(NaiveDate::default()).num_days();
    Timestamp::from_unix_micros(days.saturating_mul(MICROS_PER_DAY))
}

fn months_later(begin: Timestamp, months: u32) -> Timestamp {
    let days = u64::try_from(begin.unix_micros().div_euclid(MICROS_PER_DAY) - FIRST_DAY);
    NaiveDate::from_ymd_opt(1, 1, 1)
        .and_then(|first| first.checked_add_days(Days::new(days.ok()?)))
        .and_then(|date| date.checked_add_months(Months::new(months)))
        .map_or(Timestamp::MAX, midnight)
}

const FIRST_DAY: i64 = FIRST_MICROS / MICROS_PER_DAY;

fn digits(text: &str, length: usize) -> Option<u32> {
    let plain = text.len() == length && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

fn calendar_date(text: &str) -> Option<(NaiveDate, Precision)> {
    let mut parts = text.split('-');
    let year = i32::try_from(digits(parts.next()?, 4)?).ok()?;
    let month = parts.next();
    let day = parts.next();
    if parts.next().is_some() || year == 0 {
        return None;
    }
    let (month, day, precision) = match (month, day) {
        (None, _) => (1, 1, Precision::Year),
        (Some(month), None) => (digits(month, 2)?, 1, Precision::Month),
        (Some(month), Some(day)) => (digits(month, 2)?, digits(day, 2)?, Precision::Day),
    };
    Some((NaiveDate::from_ymd_opt(year, month, day)?, precision))
}

fn time_of_day(text: &str) -> Option<(i64, Precision)> {
    let (whole, fraction) = match text.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (text, None),
    };
    let mut parts = whole.split(':');
    let hour = digits(parts.next()?, 2)?;
    let minute = digits(parts.next()?, 2)?;
    let second = digits(parts.next()?, 2)?;
    // 60 is a leap second; it is folded into the next minute.
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let seconds = i64::from(hour) * 3600 + i64::from(minute) * 60 + i64::from(second);
    let micros = seconds * MICROS_PER_SECOND;
    let Some(fraction) = fraction else {
        return Some((micros, Precision::Second));
    };
    if fraction.is_empty() || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let six: String = fraction.chars().chain("000000".chars()).take(6).collect();
    Some((micros + i64::from(digits(&six, 6)?), Precision::Fraction))
}

fn offset(zone: &str) -> Option<i16> {
    if zone == "Z" {
        return Some(0);
    }
    let (sign, rest) = match zone.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, zone.strip_prefix('-')?),
    };
    let (hours, minutes) = rest.split_once(':')?;
    let (hours, minutes) = (digits(hours, 2)?, digits(minutes, 2)?);
    if minutes > 59 || hours * 60 + minutes > 14 * 60 {
        return None;
    }
    i16::try_from(hours * 60 + minutes).ok().map(|total| sign * total)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_precision() {
        let cases = [
            ("2020", 1_577_836_800_000_000, Precision::Year, None, 366 * MICROS_PER_DAY),
            ("2020-02", 1_580_515_200_000_000, Precision::Month, None, 29 * MICROS_PER_DAY),
            ("1970-01-02", MICROS_PER_DAY, Precision::Day, None, MICROS_PER_DAY),
            ("1970-01-01T01:00:00+01:00", 0, Precision::Second, Some(60), MICROS_PER_SECOND),
            ("1970-01-01T00:00:00.5Z", 500_000, Precision::Fraction, Some(0), 1),
            ("1969-12-31T19:00:00.123456789-05:00", 123_456, Precision::Fraction, Some(-300), 1),
            ("1969-12-31T23:59:60Z", 0, Precision::Second, Some(0), MICROS_PER_SECOND),
            (
                "2144-10-28T23:33:00-04:00",
                5_516_998_380_000_000,
                Precision::Second,
                Some(-240),
                MICROS_PER_SECOND,
            ),
            ("0001", FIRST_MICROS, Precision::Year, None, 365 * MICROS_PER_DAY),
        ];
        for (text, micros, precision, offset_minutes, length) in cases {
            let stated = parse_date_time(text).unwrap();
            assert_eq!(stated.at.unix_micros(), micros, "{text}");
            assert_eq!((stated.precision, stated.offset_minutes), (precision, offset_minutes));
            let covered = interval(stated);
            assert_eq!(covered.end.micros_since(covered.begin), length, "{text}");
        }
    }

    #[test]
    fn refuses_what_is_not_a_time() {
        let cases = [
            "",
            "0000",
            "20",
            "2020-13",
            "2020-02-30",
            "2020-2-3",
            "2020-01-01T",
            "2020-01-01T10",
            "2020-01-01T10:00Z",
            "2020-01-01T10:00:00",
            "2020-01-01T24:00:00Z",
            "2020T10:00:00Z",
            "2020-01-01T10:00:00+15:00",
            "2020-01-01T10:00:00.Z",
            "2020-01-01 10:00:00Z",
            "0001-01-01T00:00:00+10:00",
            "2020-01-01T10:00:00z",
            "-2020",
            "2020-01-01T10:00:61Z",
            "2020-01-01T10:00:00Zulu",
            "2020-01-01T1é:00:00Z",
            "٢٠٢٠",
        ];
        for text in cases {
            assert_eq!(parse_date_time(text), None, "{text}");
        }
        assert_eq!(parse_instant("2020-01-01"), None);
        assert_eq!(parse_time("08:30:00.25"), Some(30_600_250_000));
        assert_eq!(parse_time("8:30"), None);
    }

    #[test]
    fn writes_what_it_reads() {
        for text in [
            "2026-11-23T08:00:00Z",
            "2026-11-23T08:00:00.123Z",
            "1901-01-01T00:00:00.000001Z",
            "0001-01-01T00:00:00Z",
        ] {
            assert_eq!(render_instant(parse_instant(text).unwrap().at), text);
        }
        assert_eq!(render_instant(Timestamp::MAX), "9999-12-31T23:59:59.999999Z");
        assert_eq!(render_instant(Timestamp::MIN), "0001-01-01T00:00:00Z");
    }
}
