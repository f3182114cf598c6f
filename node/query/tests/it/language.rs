//! What is a query and what is not, with the place of what is wrong.

use crate::world::World;
use node_query::{Query, QueryError};
use schema_types::error_code::ErrorCode;

#[test]
fn good_texts_are_read() {
    let texts = [
        "news2 >= 7",
        "NEWS2 >= 7 AND Unit = \"W3\"",
        "news2 >= 7 and facility = 'F1' order by news2 desc, key limit 5",
        "not (heart_rate between 50 and 110) or spo2 < 92",
        "unit in (\"W1\", \"W2\") and bed not in ('1')",
        "unit like \"W%\" and unit not like '%X'",
        "lactate is null and creatinine is not null",
        "news2_band = \"high\" or highest_severity >= 'warning'",
        "minutes_since(heart_rate) > 60 and hours_since(admitted_at) <= 24.5",
        "admitted_at > \"2026-11-22T08:00:00Z\" and admitted_at < now()",
        "coalesce(shock_index, heart_rate / systolic, 0) >= 0.9",
        "in_hospital and not deceased is true",
        "in_hospital = true and -age + 3 * 2 < +5",
        "select * from patients where age >= 65",
        "select key, heart_rate * 2 as twice from patients order by twice desc limit 3;",
        "select facility, count(*), avg(heart_rate), max(news2) from patients \
         where in_hospital group by facility having count(*) > 3 order by 2 desc, facility",
        "select count(*) from devices where silent",
        "from devices where battery < 20",
        "from facilities",
        "select max(last_observed_at), min(news2_band), round(avg(heart_rate), 1) from patients",
        "select unit, facility from patients group by facility, unit",
        "select hours_since(admitted_at), count(*) from patients group by hours_since(admitted_at)",
        "null = 3",
    ];
    for text in texts {
        if let Err(error) = Query::parse(text) {
            panic!("{text}: {error}");
        }
    }
}

#[test]
fn bad_texts_are_refused_with_their_place() {
    let texts = [
        ("", 1, "expected an expression"),
        ("hart_rate > 5", 1, "did you mean heart_rate?"),
        ("news2 >= 7 and spo3 < 90", 16, "did you mean spo2?"),
        ("news2 >= 7 and\n  spo3 < 90", 18, "did you mean spo2?"),
        ("news2 >= 7 an unit = 'W3'", 12, "expected end of the query"),
        ("news2 >= \"7\"", 10, "cannot be compared with a number"),
        ("unit = 7", 8, "cannot be compared with a text"),
        ("news2_band = \"hihg\"", 14, "normal, low, low-medium, medium, high"),
        ("admitted_at > \"yesterday\"", 15, "expected a time"),
        ("heart_rate", 1, "expected a condition"),
        ("news2 >= 7 and unit", 16, "expected a condition"),
        ("unit = \"W3", 8, "is not closed"),
        ("(news2 >= 7", 12, "expected )"),
        ("news2 >= 7 limit 0", 18, "from 1 to 10000"),
        ("news2 >= 7 limit 10001", 18, "from 1 to 10000"),
        ("unit + 1 > 3", 1, "not a number"),
        ("minutes_since(unit) > 3", 15, "has no time"),
        ("minutes_sinse(heart_rate) > 3", 1, "did you mean minutes_since?"),
        ("coalesce(heart_rate, unit) > 3", 1, "one type"),
        ("heart_rate like \"1%\"", 1, "only texts"),
        ("avg(heart_rate) > 3", 1, "aggregates stand in select"),
        ("select key from people", 17, "patients, devices or facilities"),
        ("select key, count(*) from patients", 8, "neither in group by"),
        ("select max(max(news2)) from patients", 12, "aggregates stand in select"),
        ("select sum(unit) from patients", 8, "this aggregate takes numbers"),
        ("select key from patients having key = \"a\"", 33, "having needs group by"),
        ("select key from patients order by 2", 35, "no such column"),
        ("select key from patients order by key nulls first", 35, "missing comes last"),
        ("select key from patients, devices", 25, "expected end of the query"),
        ("select (select 1) from patients", 9, "queries cannot do this"),
        ("key = cast(3 as text)", 12, "queries cannot do this"),
        ("key = 'a' group by key", 1, "says what to select"),
        ("count(distinct key) = 3", 1, "queries cannot do this"),
        ("heart_rate % 2 = 0", 14, "no such operator"),
        ("exists (select 1)", 9, "queries cannot do this"),
    ];
    for (text, place, expected) in texts {
        match Query::parse(text) {
            Err(error @ QueryError::Text { .. }) => {
                let shown = error.to_string();
                assert!(shown.contains(expected), "{text}: {shown}");
                assert!(shown.ends_with(&format!("at position {place}")), "{text}: {shown}");
                assert_eq!(error.code(), ErrorCode::QueryText);
            }
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn errors_quote_nothing_of_the_text_phi_1() {
    let texts =
        ["key = 'CANARY", "CANARY = 3", "key = 'a' CANARY", "key = CANARY(3)", "'CANARY' + 1"];
    for text in texts {
        let error = Query::parse(text).unwrap_err();
        assert!(!error.to_string().contains("CANARY"), "{error}");
    }
}

#[test]
fn texts_are_bounded_lim_1() {
    let long = format!("unit = '{}'", "x".repeat(5_000));
    let deep = format!("{}news2 > 1{}", "(".repeat(100), ")".repeat(100));
    let nots = format!("{}in_hospital", "not ".repeat(500));
    let sums = format!("{}1 > 0", "1+".repeat(1_500));
    let minus = format!("{}1 > 0", "- ".repeat(1_500));
    let calls = format!("{}1{} > 0", "round(".repeat(100), ")".repeat(100));
    assert!(Query::parse(&nots).is_err());
    for text in [long, deep, sums, minus, calls] {
        match Query::parse(&text) {
            Err(error) => assert_eq!(error.code(), ErrorCode::QueryLimit, "{error}"),
            Ok(_) => panic!("{} bytes were taken", text.len()),
        }
    }
    let chain = vec!["news2 > 1"; 300].join(" or ");
    assert!(Query::parse(&chain).is_ok(), "a chain is one level");
}

#[test]
fn what_is_audited_has_no_literals_phi_1() {
    let cases = [
        ("news2 >= 7 and unit = \"W3\"", "news2 >= ? and unit = ?"),
        ("KEY = 'SMITH' -- about John", "key = ?"),
        ("select key, age as CANARY from patients", "select key, age as ? from patients"),
        ("unit in ('a',\n   'b')", "unit in (?, ?)"),
    ];
    for (text, expected) in cases {
        assert_eq!(Query::parse(text).unwrap().shown(), expected, "{text}");
    }
}

#[tokio::test]
async fn columns_of_an_answer_are_named() {
    let world = World::new().await;
    let text = "select key, heart_rate, avg_age from patients";
    assert!(world.ask(text).await.is_err());
    let text = "select unit as ward, count(*), avg(heart_rate), avg(heart_rate) from patients \
                group by unit";
    let columns = world.ask(text).await.unwrap().columns;
    let names: Vec<(&str, &str)> =
        columns.iter().map(|column| (column.name.as_str(), column.unit)).collect();
    let expected = [
        ("ward", ""),
        ("count(*)", ""),
        ("avg(heart_rate)", "/min"),
        ("avg(heart_rate)_2", "/min"),
    ];
    assert_eq!(names, expected);
}
