//! Answers: filters, order, groups, what is missing; entities asleep stay asleep; one version.

use crate::world::{NOW_SECONDS, Person, World, decimal, patient};
use node_query::Value;
use schema_types::time::Timestamp;

fn ward() -> Vec<(&'static str, Person)> {
    let person = |rate: &str, news2: (u32, u32), unit, born| Person {
        heart_rate: decimal(rate),
        news2: Some(news2),
        unit: Some(unit),
        born: Some(born),
        in_hospital: true,
        ..Person::default()
    };
    vec![
        ("a", Person { taken_minutes_ago: 90, ..person("120", (7, 4), "W1", (1950, 11, 23)) }),
        ("b", Person { lactate: decimal("2.3"), ..person("80", (2, 1), "W1", (1950, 11, 24)) }),
        ("c", Person { lactate: decimal("0.9"), ..person("119.9", (9, 4), "W2", (2000, 1, 1)) }),
        ("d", Person { observations: 3, ..Person::default() }),
    ]
}

#[tokio::test]
async fn filters() {
    let world = World::with(&ward()).await;
    let cases: [(&str, &[&str]); 17] = [
        ("heart_rate >= 120", &["a"]),
        ("heart_rate = 119.9", &["c"]),
        ("lactate > 2.3", &[]),
        ("lactate >= 2.3", &["b"]),
        ("not lactate > 1", &["c"]),
        ("lactate is null", &["a", "d"]),
        ("unit = \"W1\"", &["a", "b"]),
        ("unit <> 'W1'", &["c"]),
        ("unit in ('W2', 'W9')", &["c"]),
        ("news2_band = 'high' and in_hospital", &["a", "c"]),
        ("news2_band < 'high'", &["b"]),
        ("minutes_since(heart_rate) >= 90", &["a"]),
        ("age >= 76", &["a"]),
        ("age = 75", &["b"]),
        ("coalesce(lactate, 99) > 50", &["a", "d"]),
        ("heart_rate between 80 and 119.9", &["b", "c"]),
        ("key like '_' and key > 'b'", &["c", "d"]),
    ];
    for (condition, expected) in cases {
        let text = format!("select key from patients where {condition} order by key");
        assert_eq!(world.keys(&text).await, expected, "{condition}");
    }
}

#[tokio::test]
async fn order_and_limit() {
    let world = World::with(&ward()).await;
    let cases: [(&str, &[&str]); 5] = [
        ("order by news2 desc", &["c", "a", "b", "d"]),
        ("order by news2", &["b", "a", "c", "d"]),
        ("order by unit desc, heart_rate", &["c", "b", "a", "d"]),
        ("order by news2 desc limit 1", &["c"]),
        ("order by lactate, key desc", &["c", "b", "d", "a"]),
    ];
    for (clause, expected) in cases {
        let text = format!("select key from patients {clause}");
        assert_eq!(world.keys(&text).await, expected, "{clause}");
    }
    let answer = world.ask("from patients order by news2 desc limit 1").await.unwrap();
    assert!(answer.truncated);
    assert_eq!((answer.matched, answer.scanned), (4, 4));
    assert_eq!(answer.entities, [patient("c")]);
    let taken = world.ask("select heart_rate_at from patients where key = 'a'").await.unwrap();
    let at = Timestamp::from_unix_seconds(NOW_SECONDS - 90 * 60);
    assert_eq!(taken.rows, [[Value::Time(at)]]);
}

#[tokio::test]
async fn groups() {
    let world = World::with(&ward()).await;
    let text = "select unit, count(*), count(lactate), avg(heart_rate), max(news2_band), \
                min(heart_rate), sum(observations_total) from patients group by unit order by unit";
    let answer = world.ask(text).await.unwrap();
    let (text, number) = (|text: &str| Value::Text(text.to_owned()), Value::Number);
    let missing = Value::Missing;
    let expected = vec![
        vec![
            text("W1"),
            number(2.0),
            number(1.0),
            number(100.0),
            Value::Word("high"),
            number(80.0),
            number(0.0),
        ],
        vec![
            text("W2"),
            number(1.0),
            number(1.0),
            number(119.9),
            Value::Word("high"),
            number(119.9),
            number(0.0),
        ],
        vec![
            missing.clone(),
            number(1.0),
            number(0.0),
            missing.clone(),
            missing.clone(),
            missing,
            number(3.0),
        ],
    ];
    assert_eq!(answer.rows, expected);
    assert!(answer.entities.is_empty() && !answer.truncated);

    let having = "select unit from patients group by unit having count(*) > 1";
    assert_eq!(world.keys(having).await, ["W1"]);
    let nothing = world.ask("select count(*), max(age) from patients where key = 'x'").await;
    assert_eq!(World::rows(nothing), [[Value::Number(0.0), Value::Missing]]);
    let calculated = "select count(*) * 2 + 1 from patients group by news2 >= 7 order by 1 desc";
    let counts = World::rows(world.ask(calculated).await);
    assert_eq!(counts, [[number(5.0)], [number(3.0)], [number(3.0)]]);
}

#[tokio::test]
async fn nobody_is_woken() {
    let world = World::with(&ward()).await;
    let before = world.runtime.resident();
    world.ask("heart_rate > 0").await.unwrap();
    world.ask("from facilities").await.unwrap();
    assert_eq!(world.runtime.resident(), before);
    assert_eq!(before, (0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_of_one_version() {
    const PEOPLE: u32 = 3_000;
    const EACH: u32 = 100;
    let world = World::new().await;
    let row = |observations| Person { observations, ..Person::default() }.row();
    let key = |number: u32| patient(&format!("p{number}"));
    world.put((0..PEOPLE).map(|number| (key(number), row(EACH))).collect()).await;
    let sum = "select sum(observations_total), count(*) from patients";
    let move_some = async {
        // Each commit takes from one and gives to another, in a far part of the key space.
        for step in 0..400 {
            let (from, to) = (step % PEOPLE, (step * 7 + 1_500) % PEOPLE);
            if from != to {
                world.put(vec![(key(from), row(EACH - 1)), (key(to), row(EACH + 1))]).await;
                world.put(vec![(key(from), row(EACH)), (key(to), row(EACH))]).await;
            }
        }
    };
    let ask_often = async {
        let expected =
            vec![vec![Value::Number(f64::from(PEOPLE * EACH)), Value::Number(f64::from(PEOPLE))]];
        let mut versions = Vec::new();
        for _ in 0..20 {
            let answer = world.ask(sum).await.unwrap();
            assert_eq!(answer.rows, expected);
            versions.push(answer.version);
        }
        versions
    };
    let ((), versions) = tokio::join!(move_some, ask_often);
    assert!(versions.is_sorted());
}
