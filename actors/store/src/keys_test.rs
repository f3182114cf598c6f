//! Tests of the key layout: what is built parses back, ranges hold exactly their own keys.

use super::*;

const HASHES: [u64; 7] = [0, 1, 255, 256, 1 << 40, u64::MAX - 1, u64::MAX];

fn entity(hash: u64, key: &'static str) -> EntityRef<'static> {
    EntityRef { hash, tenant: "north", kind: 1, key }
}

#[test]
fn keys_come_back_from_their_parsers() {
    for hash in HASHES {
        let who = entity(hash, "p\0 1");
        let owned = parse_entity(Family::Snapshot, &snapshot(who)).unwrap();
        assert_eq!(owned.as_ref(), who);
        assert_eq!(parse_entity(Family::DataKey, &data_key(who)).unwrap().as_ref(), who);
        let parsed = parse_sequenced(Family::Journal, &journal(who, hash)).unwrap();
        assert_eq!((parsed.0.as_ref(), parsed.1), (who, hash));
        let parsed = parse_sequenced(Family::Outbox, &outbox(who, 9)).unwrap();
        assert_eq!((parsed.0.as_ref(), parsed.1), (who, 9));
        let parsed = parse_audit_by_entity(&audit_by_entity(who, 7, hash)).unwrap();
        assert_eq!((parsed.0.as_ref(), parsed.1, parsed.2), (who, 7, hash));
        let (receiver, sender) = parse_inbox(&inbox(who, entity(3, "d"))).unwrap();
        assert_eq!((receiver.as_ref(), sender.as_ref()), (who, entity(3, "d")));
        let parsed = parse_timer(&timer(u16::MAX, -5, who, "silence")).unwrap();
        assert_eq!((parsed.shard, parsed.due_unix_micros), (u16::MAX, -5));
        assert_eq!((parsed.entity.as_ref(), parsed.name.as_str()), (who, "silence"));
        let parsed = parse_resource(&resource(who, "Observation", "o1", 2)).unwrap();
        assert_eq!((parsed.entity.as_ref(), parsed.version), (who, 2));
        assert_eq!((parsed.resource_type.as_str(), parsed.id.as_str()), ("Observation", "o1"));
    }
    assert_eq!(parse_owner(&owner(17)), Ok(17));
    assert_eq!(parse_audit(Family::AuditLeaf, &audit_leaf(3, 4)), Ok((3, 4)));
    assert_eq!(parse_audit(Family::AuditHead, &audit_head(3, 4)), Ok((3, 4)));
    assert_eq!(parse_quarantine(&quarantine(12)), Ok(12));
    assert!(parse_owner(&quarantine(12)).is_err());
    assert!(parse_quarantine(&raw_chunk(&[0; 32], 1)).is_err());
}

#[test]
fn sequences_sort_by_number() {
    let who = entity(5, "p");
    for pair in [0, 1, 9, 10, 255, 256, 65_535, 65_536, u64::MAX].windows(2) {
        assert!(journal(who, pair[0]) < journal(who, pair[1]), "{pair:?}");
        assert!(audit_leaf(1, pair[0]) < audit_leaf(1, pair[1]), "{pair:?}");
        assert!(resource(who, "A", "b", pair[0]) < resource(who, "A", "b", pair[1]), "{pair:?}");
    }
}

#[test]
fn families_do_not_overlap() {
    let all = [
        Family::Owner,
        Family::HoldMark,
        Family::Journal,
        Family::Snapshot,
        Family::CommandDone,
        Family::MessageDone,
        Family::AuditLeaf,
        Family::AuditHead,
        Family::AuditByEntity,
        Family::Outbox,
        Family::Inbox,
        Family::Timer,
        Family::Resource,
        Family::Index,
        Family::DataKey,
        Family::Quarantine,
        Family::Raw,
        Family::Meta,
    ];
    for (position, first) in all.iter().enumerate() {
        for second in &all[position + 1..] {
            let apart = !family_range(*first).intersects(&family_range(*second));
            assert!(apart, "{first:?} {second:?}");
        }
    }
}

#[test]
fn ranges_hold_their_own_keys_only() {
    let range = entity_range(Family::Journal, entity(5, "p"));
    assert!(range.contains(&journal(entity(5, "p"), 0)));
    assert!(range.contains(&journal(entity(5, "p"), u64::MAX)));
    assert!(!range.contains(&journal(entity(5, "p1"), 0)));
    assert!(!range.contains(&journal(entity(6, "p"), 0)));
    let from = journal_from(entity(5, "p"), 7);
    assert!(!from.contains(&journal(entity(5, "p"), 6)));
    assert!(from.contains(&journal(entity(5, "p"), 7)));
    for (position, hash) in HASHES.iter().enumerate() {
        let range = hash_range(Family::Snapshot, HASHES[1], HASHES[4]);
        let inside = (1..=4).contains(&position);
        assert_eq!(range.contains(&snapshot(entity(*hash, "p"))), inside, "{hash}");
    }
    let due = timers_due(2, 1000);
    for (shard, micros, inside) in
        [(2, -1, true), (2, 0, true), (2, 1000, true), (2, 1001, false), (1, 5, false)]
    {
        assert_eq!(due.contains(&timer(shard, micros, entity(9, "p"), "n")), inside, "{micros}");
    }
    assert!(audit_leaves_from(1, 256).contains(&audit_leaf(1, u64::MAX)));
    assert!(!audit_leaves_from(1, 256).contains(&audit_leaf(1, 255)));
    assert!(!audit_leaves_from(1, 256).contains(&audit_leaf(2, 256)));
    assert!(raw_range(&[7; 32]).contains(&raw_chunk(&[7; 32], 0)));
    assert!(!raw_range(&[7; 32]).contains(&raw_chunk(&[8; 32], 0)));
    let versions = resource_versions(entity(1, "p"), "Patient", "x");
    assert!(versions.contains(&resource(entity(1, "p"), "Patient", "x", 3)));
    assert!(!versions.contains(&resource(entity(1, "p"), "Patient", "x1", 3)));
    let of_type = resources_of_type(entity(1, "p"), "Patient");
    assert!(of_type.contains(&resource(entity(1, "p"), "Patient", "x1", 3)));
    assert!(!of_type.contains(&resource(entity(1, "p"), "Patients", "x1", 3)));
}
