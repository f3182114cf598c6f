//! The engine's answer equals a naive evaluation over decoded people, for any people and question.

use crate::world::{Person, World};
use node_query::Value;
use proptest::prelude::*;
use schema_types::Decimal;
use std::collections::BTreeMap;

const UNITS: [&str; 3] = ["W1", "W2", "ICU"];

/// A condition as text and as what it means.
#[derive(Debug, Clone)]
enum Condition {
    Rate(&'static str, i64),
    Lactate(&'static str, i64),
    News(&'static str, u32),
    Unit(usize),
    LactateMissing,
    InHospital,
    Between(i64, i64),
    Quotient(i64),
    Not(Box<Condition>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

impl Condition {
    fn text(&self) -> String {
        match self {
            Self::Rate(how, limit) => format!("heart_rate {how} {limit}"),
            Self::Lactate(how, tenths) => format!("lactate {how} {}", tenth(*tenths)),
            Self::News(how, limit) => format!("news2 {how} {limit}"),
            Self::Unit(index) => format!("unit = \"{}\"", UNITS[*index]),
            Self::LactateMissing => "lactate is null".to_owned(),
            Self::InHospital => "in_hospital".to_owned(),
            Self::Between(low, high) => format!("heart_rate between {low} and {high}"),
            Self::Quotient(limit) => format!("heart_rate / lactate + news2 * 2 > {limit}"),
            Self::Not(inner) => format!("not ({})", inner.text()),
            Self::And(one, other) => format!("({}) and ({})", one.text(), other.text()),
            Self::Or(one, other) => format!("({}) or ({})", one.text(), other.text()),
        }
    }

    fn means(&self, person: &Person) -> Option<bool> {
        let number = |value: Option<Decimal>| value.map(float);
        let news = person.news2.map(|(points, _)| points);
        match self {
            Self::Rate(how, limit) => Some(holds(how, person.heart_rate?, Decimal::from(*limit))),
            Self::Lactate(how, tenths) => Some(holds(how, person.lactate?, tenth(*tenths))),
            Self::News(how, limit) => Some(holds(how, news?, *limit)),
            Self::Unit(index) => Some(person.unit? == UNITS[*index]),
            Self::LactateMissing => Some(person.lactate.is_none()),
            Self::InHospital => Some(person.in_hospital),
            Self::Between(low, high) => {
                let rate = person.heart_rate?;
                Some(rate >= Decimal::from(*low) && rate <= Decimal::from(*high))
            }
            Self::Quotient(limit) => {
                let quotient = number(person.heart_rate)? / number(person.lactate)?;
                let sum = quotient + f64::from(news?) * 2.0;
                Some(sum > float(Decimal::from(*limit)))
            }
            Self::Not(inner) => inner.means(person).map(|known| !known),
            Self::And(one, other) => match (one.means(person), other.means(person)) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                (None, _) | (_, None) => None,
            },
            Self::Or(one, other) => match (one.means(person), other.means(person)) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                (None, _) | (_, None) => None,
            },
        }
    }
}

fn tenth(tenths: i64) -> Decimal {
    Decimal::new(tenths, 1)
}

fn float(decimal: Decimal) -> f64 {
    decimal.to_string().parse().unwrap()
}

fn holds<T: PartialOrd>(how: &str, one: T, other: T) -> bool {
    match how {
        "=" => one == other,
        "!=" => one != other,
        "<" => one < other,
        "<=" => one <= other,
        ">" => one > other,
        ">=" => one >= other,
        _ => panic!("{how}"),
    }
}

fn how() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["=", "!=", "<", "<=", ">", ">="])
}

fn condition() -> impl Strategy<Value = Condition> {
    let leaf = prop_oneof![
        (how(), 60_i64..70).prop_map(|(how, limit)| Condition::Rate(how, limit)),
        (how(), 5_i64..25).prop_map(|(how, tenths)| Condition::Lactate(how, tenths)),
        (how(), 0_u32..10).prop_map(|(how, limit)| Condition::News(how, limit)),
        (0..UNITS.len()).prop_map(Condition::Unit),
        Just(Condition::LactateMissing),
        Just(Condition::InHospital),
        (55_i64..65, 60_i64..75).prop_map(|(low, high)| Condition::Between(low, high)),
        (20_i64..90).prop_map(Condition::Quotient),
    ];
    leaf.prop_recursive(3, 12, 2, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| Condition::Not(Box::new(one))),
            (inner.clone(), inner.clone())
                .prop_map(|(one, other)| Condition::And(Box::new(one), Box::new(other))),
            (inner.clone(), inner)
                .prop_map(|(one, other)| Condition::Or(Box::new(one), Box::new(other))),
        ]
    })
}

fn person() -> impl Strategy<Value = Person> {
    let rate = prop::option::of((600_i64..700).prop_map(tenth));
    let lactate = prop::option::of((5_i64..25).prop_map(tenth));
    let news2 = prop::option::of((0_u32..10, 0_u32..5));
    let unit = prop::option::of(prop::sample::select(UNITS.to_vec()));
    (rate, lactate, news2, unit, any::<bool>(), 0_u32..100_000).prop_map(
        |(heart_rate, lactate, news2, unit, in_hospital, observations)| Person {
            heart_rate,
            lactate,
            news2,
            unit,
            in_hospital,
            observations,
            ..Person::default()
        },
    )
}

type Grouped = BTreeMap<Option<&'static str>, (f64, Option<f64>, Option<u32>)>;

/// Count, sum of heart rates and highest score of those who meet the condition, by unit.
fn grouped(people: &[Person], condition: &Condition) -> Grouped {
    let mut groups = Grouped::new();
    for person in people.iter().filter(|one| condition.means(one) == Some(true)) {
        let (count, sum, most) = groups.entry(person.unit).or_default();
        *count += 1.0;
        if let Some(rate) = person.heart_rate {
            *sum = Some(sum.unwrap_or_default() + float(rate));
        }
        *most = (*most).max(person.news2.map(|(points, _)| points));
    }
    groups
}

fn close(value: &Value, expected: Option<f64>) -> bool {
    match (value, expected) {
        (Value::Number(number), Some(expected)) => (number - expected).abs() < 1e-6,
        (Value::Missing, None) => true,
        _ => false,
    }
}

async fn check(people: Vec<Person>, condition: Condition) -> Result<(), TestCaseError> {
    let names: Vec<String> = (0..people.len()).map(|number| format!("p{number:03}")).collect();
    let named: Vec<(&str, Person)> =
        names.iter().map(String::as_str).zip(people.iter().cloned()).collect();
    let world = World::with(&named).await;
    let text = condition.text();

    let keys = world.keys(&format!("select key from patients where {text} order by key")).await;
    let expected: Vec<&str> = named
        .iter()
        .filter(|(_, person)| condition.means(person) == Some(true))
        .map(|(name, _)| *name)
        .collect();
    prop_assert_eq!(keys, expected);

    let top = format!("select key from patients where {text} order by news2 desc, key limit 3");
    let mut ranked: Vec<&(&str, Person)> =
        named.iter().filter(|(_, person)| condition.means(person) == Some(true)).collect();
    let points = |person: &Person| person.news2.map(|(points, _)| points);
    ranked.sort_by_key(|(name, person)| (std::cmp::Reverse(points(person)), *name));
    let expected: Vec<&str> = ranked.iter().take(3).map(|(name, _)| *name).collect();
    prop_assert_eq!(world.keys(&top).await, expected);

    let by_unit = format!(
        "select unit, count(*), sum(heart_rate), max(news2) from patients \
         where {text} group by unit order by unit"
    );
    let groups = grouped(&people, &condition);
    let rows = World::rows(world.ask(&by_unit).await);
    prop_assert_eq!(rows.len(), groups.len());
    for row in rows {
        let unit = match &row[0] {
            Value::Text(unit) => UNITS.iter().copied().find(|one| one == unit),
            Value::Missing => None,
            Value::Number(_) | Value::Truth(_) | Value::Time(_) | Value::Word(_) => {
                return Err(TestCaseError::fail("a unit is a text"));
            }
        };
        let (count, sum, most) = groups[&unit];
        prop_assert!(close(&row[1], Some(count)), "{:?}", row);
        prop_assert!(close(&row[2], sum), "{:?} {:?}", row, sum);
        prop_assert!(close(&row[3], most.map(f64::from)), "{:?}", row);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn the_engine_agrees_with_naive_evaluation(
        people in prop::collection::vec(person(), 0..40),
        condition in condition(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(check(people, condition))?;
    }
}
