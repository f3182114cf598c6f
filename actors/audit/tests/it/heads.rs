//! Signed heads: what a signature covers, and what the verifier does with heads that are wrong.

use crate::support::{Log, SHARD, record, signer};
use actors_audit::{
    AuditError, FindingKind, HeadSet, HeadSigner, KeyId, Report, SignedTreeHead, TreeHead,
};
use schema_types::ids::ShardId;
use schema_types::time::Timestamp;

fn signed() -> SignedTreeHead {
    signer().sign(TreeHead {
        shard: SHARD,
        size: 12,
        root: [5; 32],
        at: Timestamp::from_unix_micros(-1),
        key_id: KeyId([0; 8]),
    })
}

fn kinds(report: &Report) -> Vec<(FindingKind, u64)> {
    report.findings.iter().map(|finding| (finding.kind, finding.index)).collect()
}

#[test]
fn a_head_survives_storage_and_verifies() {
    let head = signed();
    assert_eq!(head.head.key_id, signer().key_id());
    assert_eq!(SignedTreeHead::decode(&head.encode()), Ok(head.clone()));
    assert_eq!(head.verify(&signer().public()), Ok(()));
    let other = HeadSigner::new(&[8; 32]);
    assert_eq!(head.verify(&other.public()), Err(AuditError::KeyUnknown));
    let malformed = Err(AuditError::Malformed { what: "tree head" });
    assert_eq!(SignedTreeHead::decode(&head.encode()[1..]), malformed);
    assert_eq!(SignedTreeHead::decode(&[head.encode().as_slice(), &[0]].concat()), malformed);
}

#[test]
fn every_byte_of_a_head_is_covered() {
    let good = signed().encode();
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        let result = SignedTreeHead::decode(&bad).and_then(|head| head.verify(&signer().public()));
        assert!(result.is_err(), "byte {at}");
    }
}

fn together(count: u16) -> Vec<SignedTreeHead> {
    let head = |shard| TreeHead { shard: ShardId(shard), ..signed().head };
    signer().sign_together((0..count).map(head).collect())
}

#[test]
fn heads_signed_together_verify_each_by_itself() {
    for count in [1, 2, 3, 4, 5, 7, 8, 9, 16, 33] {
        for signed in together(count) {
            let encoded = signed.encode();
            assert_eq!(SignedTreeHead::decode(&encoded), Ok(signed.clone()), "{count}");
            assert_eq!(signed.verify(&signer().public()), Ok(()), "{count}");
            let longer = [encoded.as_slice(), b"edge"].concat();
            let (first, rest) = SignedTreeHead::decode_first(&longer).unwrap();
            assert_eq!((first, rest), (signed, &b"edge"[..]));
        }
    }
    let alone = together(1).remove(0).encode();
    assert_eq!(alone.len(), SignedTreeHead::ENCODED_ALONE_BYTES);
}

#[test]
fn every_byte_of_a_head_signed_with_others_is_covered() {
    for signed in together(5) {
        let good = signed.encode();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            let result =
                SignedTreeHead::decode(&bad).and_then(|head| head.verify(&signer().public()));
            assert!(result.is_err(), "byte {at}");
        }
    }
}

#[test]
fn a_head_cannot_take_the_place_of_another_signed_with_it() {
    let heads = together(4);
    let mut swapped = heads[1].clone();
    swapped.head = heads[2].head;
    assert_eq!(swapped.verify(&signer().public()), Err(AuditError::Signature));
}

#[test]
fn signing_is_stable() {
    let encoded = signed().encode();
    assert_eq!(encoded[..11], [1, 0, 3, 0, 0, 0, 0, 0, 0, 0, 12]);
    assert_eq!(encoded[43..51], [0xff; 8]);
    assert_eq!(signed().encode(), encoded);
}

#[test]
fn debug_does_not_show_the_secret() {
    let shown = format!("{:?}", HeadSigner::new(&[0xab; 32]));
    assert!(shown.starts_with("HeadSigner") && !shown.contains("171, 171"), "{shown}");
}

#[test]
fn a_key_that_is_none_is_refused() {
    let mut none = [0xff; 32];
    none[0] = 2;
    let result = HeadSet::new(SHARD, &[none]).map(|_| ());
    assert_eq!(result, Err(AuditError::Malformed { what: "public key" }));
}

#[test]
fn a_bad_head_in_the_middle_is_named_and_harms_no_record() {
    for (byte, kind) in [
        (0, FindingKind::HeadMalformed),
        (10, FindingKind::HeadSignature),
        (20, FindingKind::HeadSignature),
        (55, FindingKind::HeadKeyUnknown),
        (100, FindingKind::HeadSignature),
    ] {
        let mut log = Log::new(40, 8);
        log.heads[1].1[byte] ^= 1;
        let report = log.verify();
        assert_eq!(kinds(&report), [(kind, 16)], "byte {byte}");
        assert_eq!((report.ok, report.first_bad, report.proven_below), (false, None, 40));
    }
}

#[test]
fn a_bad_last_head_leaves_the_tail_uncovered() {
    let mut log = Log::new(40, 8);
    log.heads[4].1[100] ^= 1;
    let report = log.verify();
    assert_eq!(kinds(&report), [(FindingKind::Uncovered, 32), (FindingKind::HeadSignature, 40)]);
    assert_eq!((report.first_bad, report.first_bad_is_exact), (Some(32), false));
}

#[test]
fn heads_of_another_shard_or_place_are_named() {
    let mut log = Log::new(16, 8);
    let other = Log::of_shard(ShardId(4), (16, 8), record);
    log.heads[0] = other.heads[0].clone();
    assert_eq!(kinds(&log.verify()), [(FindingKind::HeadShard, 8)]);
    let mut log = Log::new(16, 8);
    log.heads[0].0 = 9;
    let report = log.verify();
    assert_eq!(kinds(&report), [(FindingKind::HeadPlace, 9)]);
    assert_eq!(report.heads_checked, 2, "a signed head counts wherever it lies");
}

#[test]
fn a_deleted_head_before_the_last_proves_nothing_wrong() {
    let mut log = Log::new(40, 8);
    log.heads.remove(2);
    assert!(log.verify().ok);
}
