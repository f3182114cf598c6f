//! One test per attack by somebody who can write the store but has no signing key (AUD-2): what
//! finds it, and which index is named. The log has 40 records and a head after each 8; attacks
//! happen around record 19, between the heads at 16 and 24.

use crate::support::{Log, SHARD, record};
use actors_audit::{FindingKind as Kind, Report, VerifyRules};
use schema_types::error_code::ErrorCode;
use schema_types::ids::ShardId;

fn log() -> Log {
    Log::new(40, 8)
}

struct Expected<'a> {
    findings: &'a [(Kind, u64)],
    first_bad: u64,
    is_exact: bool,
    /// `proven_below..=first_bad_at_most`.
    between: (u64, u64),
}

fn check(log: &Log, expected: &Expected<'_>) {
    let report = log.verify();
    let found: Vec<_> = report.findings.iter().map(|it| (it.kind, it.index)).collect();
    assert_eq!(found, expected.findings, "{report:#?}");
    assert_eq!(report.first_bad, Some(expected.first_bad));
    assert_eq!(report.first_bad_is_exact, expected.is_exact);
    assert_eq!((report.proven_below, report.first_bad_at_most.unwrap()), expected.between);
    assert_eq!((report.ok, report.code()), (false, Some(ErrorCode::AuditBroken)));
}

#[test]
fn a_sound_log_is_sound() {
    for records in [0, 1, 7, 8, 9, 40] {
        let report = Log::new(records, 8).verify();
        assert!(report.ok && report.findings.is_empty(), "{report:?}");
        assert_eq!((report.records, report.proven_below), (records, records));
        assert_eq!((report.first_bad, report.code()), (None, None));
        assert_eq!(report.heads_checked, records.div_ceil(8));
    }
}

#[test]
fn altered_record_is_named_exactly() {
    let mut log = log();
    log.alter(19);
    log.alter(22);
    log.alter(33);
    let findings =
        &[(Kind::LeafHashMismatch, 19), (Kind::LeafHashMismatch, 22), (Kind::LeafHashMismatch, 33)];
    check(&log, &Expected { findings, first_bad: 19, is_exact: true, between: (19, 19) });
    assert_eq!(log.verify().heads_checked, 5);
}

#[test]
fn altered_with_its_own_digests_breaks_at_the_next_row() {
    let mut log = log();
    log.alter(19);
    log.rechain(19, 20);
    let findings = &[(Kind::ChainMismatch, 20), (Kind::RootMismatch, 24)];
    check(&log, &Expected { findings, first_bad: 20, is_exact: false, between: (16, 20) });
}

#[test]
fn altered_with_all_later_digests_is_bounded_by_heads() {
    let mut log = log();
    log.alter(19);
    log.rechain_to_end(19);
    let findings = &[(Kind::RootMismatch, 24)];
    check(&log, &Expected { findings, first_bad: 16, is_exact: false, between: (16, 23) });
}

#[test]
fn with_a_head_per_record_recomputed_digests_are_named_exactly() {
    let mut log = Log::new(40, 1);
    log.alter(19);
    log.rechain_to_end(19);
    let findings = &[(Kind::RootMismatch, 20)];
    check(&log, &Expected { findings, first_bad: 19, is_exact: true, between: (19, 19) });
}

#[test]
fn altered_digests_beside_a_genuine_record_are_named_exactly() {
    for (byte, kind) in [(5, Kind::LeafHashMismatch), (40, Kind::ChainMismatch)] {
        let mut log = log();
        log.flip(19, byte, 1);
        let findings = &[(kind, 19)];
        check(&log, &Expected { findings, first_bad: 19, is_exact: true, between: (19, 19) });
    }
}

#[test]
fn forged_leaf_hashes_beside_genuine_records_do_not_hide_that_they_are_genuine() {
    let (mut log, genuine) = (log(), log());
    log.alter(19);
    log.rechain_to_end(19);
    for (forged, genuine) in log.rows.iter_mut().zip(&genuine.rows).skip(19) {
        forged.1.truncate(65);
        forged.1.extend(&genuine.1[65..]);
    }
    let findings = &[(Kind::LeafHashMismatch, 19)];
    let report = log.verify();
    assert_eq!((report.findings[0].kind, report.findings[0].index), findings[0]);
    assert_eq!((report.first_bad, report.first_bad_is_exact), (Some(19), true));
    assert_eq!(report.heads_checked, 5);
}

#[test]
fn swapped_records_are_found() {
    let mut within = log();
    within.rows.swap(18, 21);
    within.renumber();
    let findings = &[
        (Kind::ChainMismatch, 18),
        (Kind::ChainMismatch, 19),
        (Kind::ChainMismatch, 21),
        (Kind::ChainMismatch, 22),
        (Kind::RootMismatch, 24),
    ];
    check(&within, &Expected { findings, first_bad: 18, is_exact: false, between: (16, 18) });
    let mut after_a_head = log();
    after_a_head.rows.swap(16, 30);
    after_a_head.renumber();
    let report = after_a_head.verify();
    assert_eq!((report.first_bad, report.first_bad_is_exact), (Some(16), true));
    within.rechain_to_end(18);
    let findings = &[(Kind::RootMismatch, 24)];
    check(&within, &Expected { findings, first_bad: 16, is_exact: false, between: (16, 23) });
}

#[test]
fn deleted_record_leaves_a_gap() {
    let mut inner = log();
    inner.rows.remove(19);
    let findings = &[(Kind::Missing, 19)];
    check(&inner, &Expected { findings, first_bad: 19, is_exact: false, between: (16, 19) });
    let mut after_a_head = log();
    after_a_head.rows.drain(16..26);
    let findings = &[(Kind::Missing, 16)];
    check(&after_a_head, &Expected { findings, first_bad: 16, is_exact: true, between: (16, 16) });
}

#[test]
fn deleted_and_renumbered_breaks_the_chain() {
    let mut log = log();
    log.rows.remove(19);
    log.renumber();
    let findings = &[(Kind::ChainMismatch, 19), (Kind::RootMismatch, 24), (Kind::Truncated, 39)];
    check(&log, &Expected { findings, first_bad: 19, is_exact: false, between: (16, 19) });
    log.rechain_to_end(19);
    let findings = &[(Kind::RootMismatch, 24), (Kind::Truncated, 39)];
    check(&log, &Expected { findings, first_bad: 16, is_exact: false, between: (16, 23) });
}

#[test]
fn truncated_tail_contradicts_the_heads_that_remain() {
    let mut between_heads = log();
    between_heads.rows.truncate(35);
    let findings = &[(Kind::Truncated, 35)];
    check(
        &between_heads,
        &Expected { findings, first_bad: 35, is_exact: false, between: (32, 35) },
    );
    let mut at_a_head = log();
    at_a_head.rows.truncate(32);
    let findings = &[(Kind::Truncated, 32)];
    check(&at_a_head, &Expected { findings, first_bad: 32, is_exact: true, between: (32, 32) });
    let mut emptied = log();
    emptied.rows.clear();
    let findings = &[(Kind::Truncated, 0)];
    check(&emptied, &Expected { findings, first_bad: 0, is_exact: true, between: (0, 0) });
}

#[test]
fn truncated_tail_with_its_heads_leaves_uncovered_records() {
    let mut log = log();
    log.rows.truncate(35);
    log.heads.truncate(4);
    let findings = &[(Kind::Uncovered, 32)];
    check(&log, &Expected { findings, first_bad: 32, is_exact: false, between: (32, 34) });
    log.rules = VerifyRules { records_after_last_head_max: 3 };
    assert!(log.verify().ok, "a writer that signs seldom may end like this");
}

#[test]
fn old_copy_of_the_shard_is_found_by_an_anchor_only() {
    let mut old = log();
    old.rows.truncate(32);
    old.heads.truncate(4);
    assert!(old.verify().ok, "the store alone cannot show that it is old");
    old.anchors.push((40, log().root_of(40)));
    let findings = &[(Kind::Truncated, 32)];
    check(&old, &Expected { findings, first_bad: 32, is_exact: true, between: (32, 32) });
}

#[test]
fn inserted_record_is_found() {
    let forged = (0, Log::new(1, 1).rows[0].1.clone());
    let mut careless = log();
    careless.rows.insert(19, forged);
    careless.renumber();
    let findings =
        &[(Kind::ChainMismatch, 19), (Kind::ChainMismatch, 20), (Kind::RootMismatch, 24)];
    let mut with_uncovered = findings.to_vec();
    check(&careless, &Expected { findings, first_bad: 19, is_exact: false, between: (16, 19) });
    let mut one_link = careless.clone();
    one_link.rechain(19, 20);
    with_uncovered.remove(0);
    let findings = with_uncovered.as_slice();
    check(&one_link, &Expected { findings, first_bad: 20, is_exact: false, between: (16, 20) });
    careless.rechain_to_end(19);
    let findings = &[(Kind::RootMismatch, 24)];
    check(&careless, &Expected { findings, first_bad: 16, is_exact: false, between: (16, 23) });
}

#[test]
fn forged_tail_is_not_covered() {
    let mut log = log();
    log.rows.extend((40..43).map(|index| (index, record(index))));
    for (_, row) in &mut log.rows[40..] {
        *row = [&[0; 65], row.as_slice()].concat();
    }
    log.rechain_to_end(40);
    let findings = &[(Kind::Uncovered, 40)];
    check(&log, &Expected { findings, first_bad: 40, is_exact: false, between: (40, 42) });
}

#[test]
fn rows_of_another_shard_do_not_fit() {
    let mut log = log();
    log.rows = Log::of_shard(ShardId(SHARD.0 + 1), (40, 8), record).rows;
    let findings = &[(Kind::ChainMismatch, 0)];
    check(&log, &Expected { findings, first_bad: 0, is_exact: true, between: (0, 0) });
}

#[test]
fn repeated_and_late_indexes_are_named() {
    let mut log = log();
    log.rows.insert(20, log.rows[19].clone());
    let findings = &[(Kind::Duplicated, 19)];
    check(&log, &Expected { findings, first_bad: 19, is_exact: true, between: (19, 19) });
    log.rows.insert(30, log.rows[5].clone());
    let findings = &[(Kind::Duplicated, 19), (Kind::OutOfOrder, 5)];
    check(&log, &Expected { findings, first_bad: 5, is_exact: true, between: (5, 5) });
}

#[test]
fn rows_cut_short_are_named() {
    let mut short_record = log();
    short_record.rows[19].1.truncate(70);
    let findings = &[(Kind::LeafHashMismatch, 19)];
    check(&short_record, &Expected { findings, first_bad: 19, is_exact: true, between: (19, 19) });
    let mut no_digests = log();
    no_digests.rows[19].1.truncate(64);
    let findings = &[(Kind::RowMalformed, 19), (Kind::RootMismatch, 24)];
    check(&no_digests, &Expected { findings, first_bad: 19, is_exact: false, between: (16, 19) });
}

#[test]
fn records_that_the_caller_refuses_are_named() {
    let report = log().verify_checked(|index, _| {
        if index == 21 { Err(format!("field 3 of {}", "é".repeat(200))) } else { Ok(()) }
    });
    assert_eq!(report.findings[0].kind, Kind::RecordInvalid);
    assert!(report.findings[0].detail.len() <= 200);
    assert_eq!((report.first_bad, report.first_bad_is_exact), (Some(21), true));
}

#[test]
fn second_history_with_the_stolen_key_is_bounded_by_anchors() {
    let genuine = log();
    let forged = |index: u64| if index < 10 { record(index) } else { b"forged".to_vec() };
    let mut fork = Log::of_shard(SHARD, (40, 8), forged);
    assert!(fork.verify().ok, "with the key, the store alone proves nothing");
    fork.anchors = vec![(8, genuine.root_of(8)), (20, genuine.root_of(20))];
    let findings = &[(Kind::RootMismatch, 20), (Kind::HeadFork, 24)];
    check(&fork, &Expected { findings, first_bad: 8, is_exact: false, between: (8, 19) });
    fork.anchors[1] = (24, genuine.root_of(24));
    let findings = &[(Kind::HeadFork, 24), (Kind::RootMismatch, 24), (Kind::HeadFork, 32)];
    let report = fork.verify();
    assert_eq!((report.findings[0].kind, report.findings[0].index), findings[0]);
    assert_eq!((report.first_bad, report.first_bad_at_most), (Some(8), Some(23)));
    assert_eq!((report.anchored_below, report.anchors_checked), (8, 2));
    fork.anchors.clear();
    fork.heads.push(genuine.heads[2].clone());
    let findings = &[(Kind::HeadFork, 24)];
    check(&fork, &Expected { findings, first_bad: 0, is_exact: false, between: (0, 23) });
}

#[test]
fn findings_are_bounded() {
    let mut log = Log::new(500, 100);
    (0..500).for_each(|at| log.alter(at));
    let report: Report = log.verify();
    assert_eq!((report.findings.len(), report.findings_dropped), (100, 400));
    assert_eq!((report.first_bad, report.first_bad_is_exact), (Some(0), true));
}
