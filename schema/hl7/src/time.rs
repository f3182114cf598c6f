//! The HL7 time formats: `YYYY[MM[DD[HH[MM[SS[.S[S[S[S]]]]]]]]][+/-ZZZZ]`.

use chrono::{Duration, NaiveDate, NaiveDateTime};
use schema_types::time::{MICROS_PER_MINUTE, Precision, StatedTime, Timestamp};

/// The furthest that any zone is from UTC.
const OFFSET_MINUTES_MAX: i16 = 14 * 60;

/// Why text is not a time.
pub(crate) const NOT_A_TIME: &str = "the value is not a date and time";

/// Parses an HL7 DT, TS or DTM value; text without an offset is `default_offset_minutes` east of
/// UTC. The instant is the start of what is stated.
///
/// # Errors
/// A reason without the value, when the text is not a time or the day does not exist.
pub fn parse_time(text: &str, default_offset_minutes: i16) -> Result<StatedTime, &'static str> {
    let text = text.trim();
    let sign = text.find(['+', '-']);
    let (local, offset) = text.split_at(sign.unwrap_or(text.len()));
    let offset_minutes = if offset.is_empty() { None } else { Some(parse_offset(offset)?) };
    let (digits, fraction) = match local.trim_end().split_once('.') {
        Some((digits, fraction)) => (digits, Some(fraction)),
        None => (local.trim_end(), None),
    };
    let (naive, precision) = parse_local(digits, fraction)?;
    let minutes = i64::from(offset_minutes.unwrap_or(default_offset_minutes));
    let micros = naive.and_utc().timestamp_micros();
    let at = Timestamp::from_unix_micros(micros).plus_micros(-minutes * MICROS_PER_MINUTE);
    Ok(StatedTime { at, precision, offset_minutes })
}

fn parse_local(
    digits: &str,
    fraction: Option<&str>,
) -> Result<(NaiveDateTime, Precision), &'static str> {
    let all_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !all_digits(digits) || !all_digits(fraction.unwrap_or_default()) {
        return Err(NOT_A_TIME);
    }
    let precision = match (digits.len(), fraction) {
        (4, None) => Precision::Year,
        (6, None) => Precision::Month,
        (8, None) => Precision::Day,
        (10, None) => Precision::Hour,
        (12, None) => Precision::Minute,
        (14, None) => Precision::Second,
        (14, Some(fraction)) if (1..=9).contains(&fraction.len()) => Precision::Fraction,
        _ => return Err(NOT_A_TIME),
    };
    let part = |from: usize, default: u32| -> u32 {
        digits.get(from..from + 2).and_then(|pair| pair.parse().ok()).unwrap_or(default)
    };
    let year: i32 = digits[..4].parse().map_err(|_| NOT_A_TIME)?;
    let (second, leap) = match part(12, 0) {
        60 => (59, 1),
        second => (second, 0),
    };
    let date = NaiveDate::from_ymd_opt(year, part(4, 1), part(6, 1)).filter(|_| year > 0);
    let naive = date
        .and_then(|date| date.and_hms_opt(part(8, 0), part(10, 0), second))
        .ok_or("the date or time of day does not exist")?;
    let micros = format!("{:0<6.6}", fraction.unwrap_or_default()).parse().unwrap_or(0);
    Ok((naive + Duration::seconds(leap) + Duration::microseconds(micros), precision))
}

fn parse_offset(text: &str) -> Result<i16, &'static str> {
    let digits = &text[1..];
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err("the offset from UTC is not four digits");
    }
    let hours: i16 = digits[..2].parse().map_err(|_| NOT_A_TIME)?;
    let minutes: i16 = digits[2..].parse().map_err(|_| NOT_A_TIME)?;
    let total = hours * 60 + minutes;
    if minutes > 59 || total > OFFSET_MINUTES_MAX {
        return Err("the offset from UTC does not exist");
    }
    Ok(if text.starts_with('-') { -total } else { total })
}

/// An HL7 date as an ISO 8601 date of the same precision, to the day.
pub(crate) fn iso_date(digits: &str, precision: Precision) -> String {
    let part = |range: std::ops::Range<usize>| digits.get(range).unwrap_or_default();
    match precision {
        Precision::Year => part(0..4).to_owned(),
        Precision::Month => format!("{}-{}", part(0..4), part(4..6)),
        Precision::Day
        | Precision::Hour
        | Precision::Minute
        | Precision::Second
        | Precision::Fraction => format!("{}-{}-{}", part(0..4), part(4..6), part(6..8)),
    }
}

/// An instant as HL7 writes it, in UTC to the second.
pub(crate) fn format_utc(at: Timestamp) -> String {
    chrono::DateTime::from_timestamp_micros(at.unix_micros())
        .map(|time| time.format("%Y%m%d%H%M%S+0000").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_precision_is_read() {
        let cases = [
            ("2026", 0, "20260101000000+0000", Precision::Year),
            ("202602", 0, "20260201000000+0000", Precision::Month),
            ("20240229", 60, "20240228230000+0000", Precision::Day),
            ("2026030213", 0, "20260302130000+0000", Precision::Hour),
            ("202603021345-0500", 0, "20260302184500+0000", Precision::Minute),
            ("20260302134501+0530", 0, "20260302081501+0000", Precision::Second),
            ("20260302134501.1234", 0, "20260302134501+0000", Precision::Fraction),
            ("20161231235960", 0, "20170101000000+0000", Precision::Second),
        ];
        for (text, zone, utc, precision) in cases {
            let time = parse_time(text, zone).unwrap();
            assert_eq!(
                (format_utc(time.at), time.precision),
                (utc.to_owned(), precision),
                "{text}"
            );
        }
        let fraction = parse_time("19700101000000.1234", 0).unwrap();
        assert_eq!(fraction.at.unix_micros(), 123_400);
    }

    #[test]
    fn what_does_not_exist_is_refused() {
        let cases = [
            "",
            "202",
            "20260230",
            "20261301",
            "2026030225",
            "202603021260",
            "20260302134561",
            "00000000",
            "2026-03-02",
            "20260302134501+5",
            "20260302134501+1500",
            "20260302.5",
            "20260302134501.",
            "٢٠٢٦",
            "yesterday",
        ];
        for text in cases {
            assert!(parse_time(text, 0).is_err(), "{text}");
        }
    }
}
