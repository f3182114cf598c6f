//! Random tampering (AUD-2): whatever is done to the rows, it is found, and what the report claims
//! about the first bad index is true.

use crate::support::Log;
use proptest::prelude::*;
use proptest::sample::Index;

#[derive(Debug, Clone)]
enum Tampering {
    Flip { at: Index, byte: Index, mask: u8 },
    Alter { at: Index },
    AlterAndRechain { at: Index, rows: usize },
    Rechain { at: Index },
    Swap { at: Index, with: Index },
    Delete { at: Index },
    DeleteAndRenumber { at: Index },
    Insert { at: Index, from: Index },
    Truncate { at: Index },
}

fn tampering() -> impl Strategy<Value = Tampering> {
    let at = any::<Index>;
    prop_oneof![
        (at(), at(), 1..=u8::MAX).prop_map(|(at, byte, mask)| Tampering::Flip { at, byte, mask }),
        at().prop_map(|at| Tampering::Alter { at }),
        (at(), 1..9_usize).prop_map(|(at, rows)| Tampering::AlterAndRechain { at, rows }),
        at().prop_map(|at| Tampering::Rechain { at }),
        (at(), at()).prop_map(|(at, with)| Tampering::Swap { at, with }),
        at().prop_map(|at| Tampering::Delete { at }),
        at().prop_map(|at| Tampering::DeleteAndRenumber { at }),
        (at(), at()).prop_map(|(at, from)| Tampering::Insert { at, from }),
        at().prop_map(|at| Tampering::Truncate { at }),
    ]
}

fn has_fields(log: &Log, at: usize) -> bool {
    log.rows[at].1.len() >= 65 && log.rows[at].1[0] == 1
}

fn apply(log: &mut Log, tampering: &Tampering) {
    let count = log.rows.len();
    if count == 0 {
        return;
    }
    match tampering {
        Tampering::Flip { at, byte, mask } => {
            let at = at.index(count);
            log.flip(at, byte.index(log.rows[at].1.len()), *mask);
        }
        Tampering::Alter { at } if has_fields(log, at.index(count)) => log.alter(at.index(count)),
        Tampering::AlterAndRechain { at, rows } if has_fields(log, at.index(count)) => {
            let from = at.index(count);
            log.alter(from);
            log.rechain(from, count.min(from + rows));
        }
        Tampering::Alter { .. } | Tampering::AlterAndRechain { .. } => (),
        Tampering::Rechain { at } => log.rechain_to_end(at.index(count)),
        Tampering::Swap { at, with } => {
            let (at, with) = (at.index(count), with.index(count));
            let (first, second) = (log.rows[at].1.clone(), log.rows[with].1.clone());
            log.rows[at].1 = second;
            log.rows[with].1 = first;
        }
        Tampering::Delete { at } => drop(log.rows.remove(at.index(count))),
        Tampering::DeleteAndRenumber { at } => {
            log.rows.remove(at.index(count));
            log.renumber();
        }
        Tampering::Insert { at, from } => {
            log.rows.insert(at.index(count), log.rows[from.index(count)].clone());
            log.renumber();
        }
        Tampering::Truncate { at } => log.rows.truncate(at.index(count)),
    }
}

/// The first index whose row is not what it was, or that is new.
fn first_difference(log: &Log, genuine: &Log) -> Option<u64> {
    let pairs = log.rows.iter().zip(&genuine.rows);
    let same = pairs.take_while(|(left, right)| left == right).count();
    let is_equal = same == log.rows.len() && same == genuine.rows.len();
    (!is_equal).then(|| same.try_into().unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn one_altered_byte_is_found_and_named_exactly_aud_2(
        (records, head_every) in (1_u64..60, 1_u64..20),
        (at, byte, mask) in (any::<Index>(), any::<Index>(), 1..=u8::MAX),
    ) {
        let mut log = Log::new(records, head_every);
        let at = at.index(log.rows.len());
        log.flip(at, byte.index(log.rows[at].1.len()), mask);
        let report = log.verify();
        prop_assert!(!report.ok);
        prop_assert_eq!(report.first_bad, Some(at.try_into().unwrap()));
        prop_assert!(report.first_bad_is_exact);
    }

    #[test]
    fn one_altered_record_with_recomputed_digests_is_found_by_the_next_head_aud_2(
        (records, head_every) in (1_u64..60, 1_u64..20),
        at in any::<Index>(),
    ) {
        let mut log = Log::new(records, head_every);
        let at = at.index(log.rows.len());
        log.alter(at);
        log.rechain_to_end(at);
        let at = u64::try_from(at).unwrap();
        let head_before = at - at % head_every;
        let head_after = records.min(head_before + head_every);
        let report = log.verify();
        prop_assert_eq!(report.first_bad, Some(head_before));
        prop_assert_eq!(report.proven_below, head_before);
        prop_assert_eq!(report.first_bad_at_most, Some(head_after - 1));
        prop_assert_eq!(report.first_bad_is_exact, head_after - head_before == 1);
    }

    #[test]
    fn any_tampering_is_found_and_the_claims_are_true_aud_2(
        (records, head_every) in (1_u64..40, 1_u64..12),
        steps in proptest::collection::vec(tampering(), 1..5),
    ) {
        let genuine = Log::new(records, head_every);
        let mut log = genuine.clone();
        steps.iter().for_each(|step| apply(&mut log, step));
        let report = log.verify();
        let Some(first) = first_difference(&log, &genuine) else {
            prop_assert!(report.ok);
            return Ok(());
        };
        prop_assert!(!report.ok);
        prop_assert!(report.proven_below <= first, "{report:?}");
        prop_assert!(report.first_bad_at_most >= Some(first), "{first}: {report:?}");
        prop_assert!(report.first_bad <= report.first_bad_at_most);
        prop_assert!(!report.first_bad_is_exact || report.first_bad == Some(first), "{report:?}");
    }
}
