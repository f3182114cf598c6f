//! Stays told in one line each: `kind@time>ward`, folded and shown as `status ward start-end`.

use super::*;
use schema_types::clinical::Provenance;

fn movement(text: &str, index: usize) -> Movement {
    let (head, ward) = text.split_once('>').unwrap_or((text, ""));
    let (label, time) = head.split_once('@').unwrap();
    let (label, class) = label.split_once('/').unwrap_or((label, "I"));
    let kind = *MovementKind::ALL.iter().find(|kind| kind.label() == label).unwrap();
    let location = (!ward.is_empty()).then(|| Location {
        facility: "F1".into(),
        ward: ward.into(),
        room: String::new(),
        bed: "B1".into(),
    });
    Movement {
        kind,
        at: Timestamp::from_unix_seconds(time.parse().unwrap()),
        message_id: format!("m{index}"),
        class: match class {
            "I" => EncounterClass::Inpatient,
            "O" => EncounterClass::Outpatient,
            _ => EncounterClass::Unknown,
        },
        location,
        prior_location: None,
        provenance: Provenance::default(),
    }
}

fn show(stay: &FoldedStay) -> String {
    let second = |at: Option<Timestamp>| {
        at.map_or(String::from("?"), |at| (at.unix_micros() / 1_000_000).to_string())
    };
    let ward = stay.location.as_ref().map_or("-", |location| location.ward.as_str());
    let (start, end) = (second(stay.started_at), second(stay.ended_at));
    format!("{:?} {ward} {start}-{end}", stay.status)
}

#[test]
fn every_order_of_a_stay_folds_to_the_same() {
    let cases = [
        ("admit@1>A", "Open A 1-?"),
        ("admit@1>A discharge@9", "Discharged - 1-9"),
        ("admit@1>A transfer@2>B transfer@3>C", "Open C 1-?"),
        ("admit@1>A transfer@2>B cancel-transfer@3", "Open A 1-?"),
        ("admit@1>A transfer@2>B transfer@3>C cancel-transfer@4 cancel-transfer@5", "Open A 1-?"),
        ("admit@1>A cancel-transfer@3>Z", "Open Z 1-?"),
        ("transfer@2>B", "Open B 2-?"),
        ("cancel-transfer@2>B", "Open B 2-?"),
        ("cancel-discharge@2>B", "Open B 2-?"),
        ("admit@1>A discharge@5 cancel-discharge@6", "Open A 1-?"),
        ("admit@1>A transfer@2>B discharge@5 cancel-discharge@6>Z", "Open B 1-?"),
        ("admit@1>A discharge@5 cancel-discharge@6 discharge@7", "Discharged - 1-7"),
        ("admit@1>A cancel-admit@2", "Cancelled - ?-?"),
        ("admit@1>A cancel-admit@2 admit@3>B", "Open B 3-?"),
        ("admit@1>A cancel-admit@2 transfer@3>B discharge@4", "Cancelled - ?-?"),
        ("admit@1>A discharge@2 transfer@3>B", "Discharged - 1-2"),
        ("admit@1>A discharge@2 admit@3>B", "Open B 3-?"),
        ("pre-admit@1>A", "Planned A ?-?"),
        ("pre-admit@1>A admit@4>B", "Open B 4-?"),
        ("pre-admit@1>A discharge@4", "Discharged - ?-4"),
        ("update@3>A", "Open A 3-?"),
        ("update/O@3>A", "Planned - ?-?"),
        ("update@3>A admit@5>B", "Open B 5-?"),
        ("admit@1 update@3>A update@4>B", "Open A 1-?"),
        ("admit@1>A discharge@2 update@3>B", "Discharged - 1-2"),
        ("register/O@1>A to-inpatient@2>B", "Open B 1-?"),
        ("discharge@4", "Discharged - ?-4"),
        ("", "Planned - ?-?"),
    ];
    for (text, expected) in cases {
        let movements: Vec<Movement> =
            text.split_whitespace().enumerate().map(|(index, one)| movement(one, index)).collect();
        for_each_order(movements, &mut |order| {
            assert_eq!(show(&fold_stay(order, None)), expected, "{text}");
            let twice: Vec<Movement> = order.iter().chain(order).cloned().collect();
            assert_eq!(show(&fold_stay(&twice, None)), expected, "repeated: {text}");
        });
    }
}

/// Heap's algorithm.
fn for_each_order(mut items: Vec<Movement>, visit: &mut impl FnMut(&[Movement])) {
    fn walk(count: usize, items: &mut Vec<Movement>, visit: &mut impl FnMut(&[Movement])) {
        if count <= 1 {
            visit(items);
            return;
        }
        for index in 0..count {
            walk(count - 1, items, visit);
            let other = if count.is_multiple_of(2) { index } else { 0 };
            items.swap(other, count - 1);
        }
    }
    let count = items.len();
    walk(count, &mut items, visit);
}

#[test]
fn only_what_had_happened_counts_until_a_time() {
    let movements: Vec<Movement> = ["update@1>X", "admit@2>A", "transfer@4>B", "discharge@6"]
        .iter()
        .enumerate()
        .map(|(index, one)| movement(one, index))
        .collect();
    let cases =
        [(1, "Planned -"), (2, "Open A"), (4, "Open B"), (5, "Open B"), (6, "Discharged -")];
    for (second, expected) in cases {
        let stay = fold_stay(&movements, Some(Timestamp::from_unix_seconds(second)));
        assert!(show(&stay).starts_with(expected), "{second}: {}", show(&stay));
        assert_eq!(stay.occupies_bed(), (2..6).contains(&second), "{second}");
    }
}

#[test]
fn class_is_the_one_stated_last() {
    let cases = [
        ("register/O@1 to-inpatient/U@2", EncounterClass::Inpatient),
        ("admit@1 to-outpatient/U@2", EncounterClass::Outpatient),
        ("admit/U@1", EncounterClass::Inpatient),
        ("register/U@1", EncounterClass::Unknown),
        ("register/O@1 update@2", EncounterClass::Inpatient),
    ];
    for (text, expected) in cases {
        let movements: Vec<Movement> =
            text.split_whitespace().enumerate().map(|(index, one)| movement(one, index)).collect();
        assert_eq!(fold_stay(&movements, None).class, expected, "{text}");
    }
}
