//! Three-valued logic and patterns.

use super::*;
use schema_types::ids::{EntityKind, TenantId};

const KNOWN: [Option<bool>; 3] = [Some(true), Some(false), None];

fn value(truth: &Truth) -> Option<bool> {
    let keys = RowKeys::new(&TenantId::new("t1"), EntityKind::Patient);
    let moment = Moment { seconds: 0, today: 0 };
    truth.value(&Row { live: None, key: &[], keys: &keys, cells: &[Cell::Missing], moment })
}

#[test]
fn truth_tables() {
    let constant = |known| Truth::Constant(known);
    for one in KNOWN {
        let not = value(&Truth::Not(Box::new(constant(one))));
        assert_eq!(not, one.map(|known| !known));
        for other in KNOWN {
            let both = vec![constant(one), constant(other)];
            let all = match (one, other) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                (None, _) | (_, None) => None,
            };
            let any = match (one, other) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                (None, _) | (_, None) => None,
            };
            assert_eq!(value(&Truth::All(both.clone())), all, "{one:?} and {other:?}");
            assert_eq!(value(&Truth::AnyOf(both)), any, "{one:?} or {other:?}");
        }
    }
}

#[test]
fn what_is_missing_is_never_zero() {
    let missing = || Number::Cell(0);
    let zero = || Number::Constant(0.0);
    let comparisons = [
        Comparison::Equal,
        Comparison::Unequal,
        Comparison::Less,
        Comparison::LessOrEqual,
        Comparison::Greater,
        Comparison::GreaterOrEqual,
    ];
    for comparison in comparisons {
        assert_eq!(value(&Truth::Numbers(comparison, missing(), zero())), None);
        assert_eq!(value(&Truth::Numbers(comparison, missing(), missing())), None);
    }
    let divided = |one: f64, other: f64| {
        let (one, other) = (Number::Constant(one), Number::Constant(other));
        let quotient = Number::Calculated(Operation::Divide, Box::new(one), Box::new(other));
        value(&Truth::IsMissing(Box::new(Any::Number(quotient))))
    };
    assert_eq!(divided(1.0, 2.0), Some(false));
    assert_eq!(divided(1.0, 0.0), Some(true));
    assert_eq!(divided(0.0, 0.0), Some(true));
    let unknown = || Box::new(Truth::Constant(None));
    assert_eq!(value(&Truth::Is(unknown(), true)), Some(false));
    assert_eq!(value(&Truth::Is(unknown(), false)), Some(false));
    let first = Number::FirstOf(vec![missing(), Number::Constant(7.0), zero()]);
    assert_eq!(value(&Truth::Numbers(Comparison::Equal, first, Number::Constant(7.0))), Some(true));
}

#[test]
fn patterns() {
    let cases = [
        ("W3", "W3", true),
        ("W3", "W%", true),
        ("W3", "%3", true),
        ("W3", "%", true),
        ("", "%", true),
        ("", "_", false),
        ("W3", "W_", true),
        ("W33", "W_", false),
        ("WARD-3", "%A%-%", true),
        ("WARD-3", "%A%+%", false),
        ("Würzburg", "W_rzburg", true),
        ("aab", "%ab", true),
        ("abcabd", "%abd", true),
        ("W3", "w3", false),
    ];
    for (text, pattern, expected) in cases {
        assert_eq!(is_like(text.as_bytes(), pattern.as_bytes()), expected, "{text} {pattern}");
    }
}
