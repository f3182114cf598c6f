//! The person as models see one: the age in completed years at an instant, from an ISO 8601 date of
//! any precision. No other time arithmetic.

use actors_risk::Person;
use schema_types::patient::Demographics;
use schema_types::time::{MICROS_PER_DAY, Timestamp};

/// The person at the instant `as_of` (UTC). A birth date without month or day counts as early as it
/// can be: an adult taken for a child would not be watched.
#[must_use]
pub fn person_at(demographics: &Demographics, as_of: Timestamp) -> Person {
    let birth_date = demographics.birth_date.value.as_ref();
    let age_years = birth_date.and_then(|date| age_years(date.expose(), as_of));
    Person { age_years }
}

fn age_years(birth_date: &str, as_of: Timestamp) -> Option<u32> {
    let mut parts = birth_date.splitn(3, '-');
    let year: i64 = parts.next()?.parse().ok()?;
    let month: i64 = parts.next().map_or(Some(1), |part| part.parse().ok())?;
    let day: i64 = parts.next().map_or(Some(1), |part| part.parse().ok())?;
    let today = civil_from_days(as_of.unix_micros().div_euclid(MICROS_PER_DAY));
    let had_birthday = (today.1, today.2) >= (month, day);
    let years = today.0.checked_sub(year)?.checked_sub(i64::from(!had_birthday))?;
    u32::try_from(years).ok()
}

/// Year, month and day of the proleptic Gregorian calendar, from days since 1970-01-01: counted in
/// eras of 400 years that begin on 1 March.
const fn civil_from_days(days: i64) -> (i64, i64, i64) {
    const DAYS_PER_ERA: i64 = 146_097;
    const EPOCH_TO_ERA_DAYS: i64 = 719_468;
    let shifted = days + EPOCH_TO_ERA_DAYS;
    let era = shifted.div_euclid(DAYS_PER_ERA);
    let day_of_era = shifted.rem_euclid(DAYS_PER_ERA);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + if month <= 2 { 1 } else { 0 };
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema_types::patient::Stated;
    use schema_types::phi::Phi;

    #[test]
    fn age_is_in_completed_years() {
        // 2026-03-02T00:00:00Z
        let as_of = Timestamp::from_unix_seconds(1_772_409_600);
        let cases = [
            ("2010-03-02", Some(16)),
            ("2010-03-03", Some(15)),
            ("2010", Some(16)),
            ("2010-03", Some(16)),
            ("2010-04", Some(15)),
            ("1904-02-29", Some(122)),
            ("2027-01-01", None),
            ("unknown", None),
            ("", None),
        ];
        for (text, expected) in cases {
            let value = Some(Phi::new(text.to_owned()));
            let birth_date = Stated { value, stated_at: Timestamp::MIN };
            let demographics = Demographics { birth_date, ..Demographics::default() };
            assert_eq!(person_at(&demographics, as_of).age_years, expected, "{text}");
        }
    }

    #[test]
    fn calendar_has_its_leap_days() {
        let cases = [
            (0, (1970, 1, 1)),
            (-1, (1969, 12, 31)),
            (59, (1970, 3, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_514, (2026, 3, 2)),
        ];
        for (days, expected) in cases {
            assert_eq!(civil_from_days(days), expected, "{days}");
        }
    }
}
