//! Frontier and proofs against the recursive definitions of RFC 9162, for every size up to a bound.

use actors_audit::{
    Appender, AuditError, Frontier, Hash, LeafHashes, LeafRow, PreparedLeaf, SubtreeCache,
    consistency_proof, empty_root, inclusion_proof, leaf_hash, node_hash, root_at,
    verify_consistency, verify_inclusion,
};
use proptest::prelude::*;
use schema_types::ids::ShardId;

const SIZE_MAX: usize = 130;

#[derive(Clone)]
struct Leaves(Vec<Hash>);

impl Leaves {
    fn new(count: usize) -> Self {
        Self((0..count).map(|index| leaf_hash(&index.to_be_bytes())).collect())
    }
}

impl LeafHashes for Leaves {
    fn size(&self) -> u64 {
        self.0.len().try_into().unwrap()
    }
    fn leaf_hash(&self, index: u64) -> Option<Hash> {
        self.0.get(usize::try_from(index).ok()?).copied()
    }
}

/// MTH(D) of section 2.1.1, over leaf hashes.
fn naive_root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => empty_root(),
        [leaf] => *leaf,
        _ => {
            let (left, right) = leaves.split_at(naive_split(leaves.len()));
            node_hash(&naive_root(left), &naive_root(right))
        }
    }
}

fn naive_split(count: usize) -> usize {
    let mut split = 1;
    while split * 2 < count {
        split *= 2;
    }
    split
}

/// PATH(m, D) of section 2.1.3.1.
fn naive_path(index: usize, leaves: &[Hash]) -> Vec<Hash> {
    if leaves.len() == 1 {
        return vec![];
    }
    let (left, right) = leaves.split_at(naive_split(leaves.len()));
    let (mut path, sibling) = if index < left.len() {
        (naive_path(index, left), right)
    } else {
        (naive_path(index - left.len(), right), left)
    };
    path.push(naive_root(sibling));
    path
}

/// SUBPROOF(m, D, b) of section 2.1.4.1.
fn naive_subproof(old: usize, leaves: &[Hash], is_known: bool) -> Vec<Hash> {
    if old == leaves.len() {
        return if is_known { vec![] } else { vec![naive_root(leaves)] };
    }
    let (left, right) = leaves.split_at(naive_split(leaves.len()));
    let (mut path, sibling) = if old <= left.len() {
        (naive_subproof(old, left, is_known), right)
    } else {
        (naive_subproof(old - left.len(), right, false), left)
    };
    path.push(naive_root(sibling));
    path
}

fn wide(value: usize) -> u64 {
    value.try_into().unwrap()
}

/// Every way to spoil a proof by one element: altered, removed, repeated, one appended. Trees of
/// medium size are passed over, their shapes occur in the others.
fn spoiled(proof: &[Hash], size: usize) -> Vec<Vec<Hash>> {
    if (34..127).contains(&size) {
        return vec![];
    }
    let mut all = vec![[proof, &[[9; 32]]].concat()];
    for at in 0..proof.len() {
        let mut altered = proof.to_vec();
        altered[at][at % 32] ^= 1;
        let mut shorter = proof.to_vec();
        shorter.remove(at);
        let mut longer = proof.to_vec();
        longer.insert(at, proof[at]);
        all.extend([altered, shorter, longer]);
    }
    all
}

#[test]
fn frontier_and_roots_follow_the_definition() {
    let leaves = Leaves::new(SIZE_MAX);
    let mut frontier = Frontier::new();
    for size in 0..=SIZE_MAX {
        let expected = naive_root(&leaves.0[..size]);
        assert_eq!(frontier.root(), expected, "size {size}");
        assert_eq!(root_at(&leaves, wide(size)).unwrap(), expected);
        let copy = Frontier::decode(&frontier.encode()).unwrap();
        assert_eq!(copy, frontier);
        if size < SIZE_MAX {
            assert_eq!(frontier.append_hash(leaves.0[size]), wide(size));
        }
    }
}

#[test]
fn inclusion_proofs_follow_the_definition_and_fail_when_spoiled() {
    let leaves = Leaves::new(SIZE_MAX);
    for size in 1..=SIZE_MAX {
        let root = naive_root(&leaves.0[..size]);
        for index in 0..size {
            let proof = inclusion_proof(&leaves, wide(index), wide(size)).unwrap();
            assert_eq!(proof, naive_path(index, &leaves.0[..size]), "{index} of {size}");
            let check = |leaf: usize, index: usize, proof: &[Hash]| {
                verify_inclusion(&leaves.0[leaf], wide(index), wide(size), proof, &root)
            };
            assert_eq!(check(index, index, &proof), Ok(()));
            for bad in spoiled(&proof, size) {
                assert_eq!(check(index, index, &bad), Err(AuditError::Proof));
            }
            if size > 1 {
                let other = (index + 1) % size;
                assert_eq!(check(other, index, &proof), Err(AuditError::Proof));
                assert_eq!(check(index, other, &proof), Err(AuditError::Proof));
            }
        }
    }
}

#[test]
fn consistency_proofs_follow_the_definition_and_fail_when_spoiled() {
    let leaves = Leaves::new(SIZE_MAX);
    let roots: Vec<Hash> = (0..=SIZE_MAX).map(|size| naive_root(&leaves.0[..size])).collect();
    for new in 1..=SIZE_MAX {
        for old in 1..=new {
            let proof = consistency_proof(&leaves, wide(old), wide(new)).unwrap();
            assert_eq!(proof, naive_subproof(old, &leaves.0[..new], true), "{old} to {new}");
            let check = |old_root: &Hash, new_root: &Hash, proof: &[Hash]| {
                verify_consistency((wide(old), old_root), (wide(new), new_root), proof)
            };
            assert_eq!(check(&roots[old], &roots[new], &proof), Ok(()));
            assert_eq!(check(&[1; 32], &roots[new], &proof), Err(AuditError::Proof));
            assert_eq!(check(&roots[old], &[1; 32], &proof), Err(AuditError::Proof));
            for bad in spoiled(&proof, new) {
                assert_eq!(check(&roots[old], &roots[new], &bad), Err(AuditError::Proof));
            }
        }
    }
}

#[test]
fn the_empty_tree_is_consistent_with_every_tree_and_needs_no_proof() {
    let leaves = Leaves::new(5);
    let root = root_at(&leaves, 5).unwrap();
    assert_eq!(consistency_proof(&leaves, 0, 5).unwrap(), Vec::<Hash>::new());
    assert_eq!(verify_consistency((0, &empty_root()), (5, &root), &[]), Ok(()));
    assert_eq!(verify_consistency((0, &root), (5, &root), &[]), Err(AuditError::Proof));
    assert_eq!(verify_consistency((0, &empty_root()), (0, &root), &[]), Err(AuditError::Proof));
    let proof = [[0; 32]];
    assert_eq!(verify_consistency((0, &empty_root()), (5, &root), &proof), Err(AuditError::Proof));
}

#[test]
fn what_is_outside_the_tree_is_refused() {
    let leaves = Leaves::new(5);
    let outside = |value, size| Err(AuditError::OutOfRange { value, size });
    assert_eq!(inclusion_proof(&leaves, 5, 5), outside(5, 5));
    assert_eq!(inclusion_proof(&leaves, 0, 6), outside(6, 5));
    assert_eq!(consistency_proof(&leaves, 4, 3), outside(4, 3));
    assert_eq!(root_at(&leaves, 6), Err(AuditError::OutOfRange { value: 6, size: 5 }));
    let refused = Err(AuditError::OutOfRange { value: 5, size: 5 });
    assert_eq!(verify_inclusion(&[0; 32], 5, 5, &[], &[0; 32]), refused);
}

#[test]
fn huge_sizes_do_not_overflow_a_verifier() {
    let proof = vec![[1; 32]; 70];
    for old in [1, 2, u64::MAX / 2, 1 << 63, u64::MAX - 1] {
        let result = verify_consistency((old, &[1; 32]), (u64::MAX, &[1; 32]), &proof);
        assert_eq!(result, Err(AuditError::Proof));
        let result = verify_inclusion(&[1; 32], old, u64::MAX, &proof, &[1; 32]);
        assert_eq!(result, Err(AuditError::Proof));
    }
}

#[test]
fn malformed_frontiers_are_refused() {
    let mut frontier = Frontier::new();
    (0..11_u64).for_each(|leaf| assert_eq!(frontier.append(&leaf.to_be_bytes()), leaf));
    let good = frontier.encode();
    for cut in 0..good.len() {
        assert_eq!(Frontier::decode(&good[..cut]), Err(AuditError::Malformed { what: "frontier" }));
    }
    let mut other_format = good.clone();
    other_format[0] = 2;
    let mut other_size = good.clone();
    other_size[8] = 15;
    let longer = [good.as_slice(), &[0]].concat();
    for bad in [other_format, other_size, longer] {
        assert_eq!(Frontier::decode(&bad), Err(AuditError::Malformed { what: "frontier" }));
    }
}

#[test]
fn a_leaf_prepared_elsewhere_is_the_same_leaf() {
    let mut at_once = Appender::new(ShardId(1));
    let mut prepared = Appender::new(ShardId(1));
    for length in [0_usize, 1, 64, 300] {
        let record = vec![7; length];
        let leaf = PreparedLeaf::new(&record).unwrap();
        assert_eq!(leaf.row_bytes(), 65 + length);
        let (index, row) = prepared.append_prepared(leaf);
        let (expected_index, expected) = at_once.append(record).unwrap();
        assert_eq!((index, row), (expected_index, expected.encode()));
    }
    assert_eq!(prepared, at_once);
    let large = vec![0; actors_audit::limits::RECORD_BYTES_MAX + 1];
    assert!(matches!(PreparedLeaf::new(&large), Err(AuditError::RecordTooLarge { .. })));
}

#[test]
fn a_batch_on_a_clone_can_be_dropped_and_the_end_survives_storage() {
    let mut end = Appender::new(ShardId(1));
    let (_, first) = end.append(b"first".to_vec()).unwrap();
    let mut batch = end.clone();
    batch.append(b"lost".to_vec()).unwrap();
    drop(batch);
    let mut stored = Appender::decode(&end.encode()).unwrap();
    assert_eq!(stored, end);
    let (index, second) = end.append(b"second".to_vec()).unwrap();
    assert_eq!(index, 1);
    assert_eq!(stored.follow(&first), Err(AuditError::Malformed { what: "leaf row" }));
    assert_eq!(stored.follow(&second), Ok(1));
    assert_eq!(stored, end);
    assert_eq!(LeafRow::decode(&second.encode()), Ok(second));
    assert!(end.append(vec![0; 65_537]).is_err());
    assert_eq!(stored, end, "a refused record leaves no trace");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_cache_changes_no_proof(size in 1_usize..1000, points in any::<[u64; 4]>()) {
        let plain = Leaves::new(size);
        let cached = SubtreeCache::new(plain.clone());
        for point in points {
            let tree_size = point % wide(size) + 1;
            let index = (point >> 32) % tree_size;
            prop_assert_eq!(
                inclusion_proof(&cached, index, tree_size),
                inclusion_proof(&plain, index, tree_size)
            );
            prop_assert_eq!(
                consistency_proof(&cached, index, tree_size),
                consistency_proof(&plain, index, tree_size)
            );
        }
    }
}

proptest! {
    #[test]
    fn decoders_take_any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(frontier) = Frontier::decode(&bytes) {
            prop_assert_eq!(frontier.encode(), bytes.clone());
        }
        if let Ok(row) = LeafRow::decode(&bytes) {
            prop_assert_eq!(row.encode(), bytes.clone());
        }
        if let Ok(end) = Appender::decode(&bytes) {
            prop_assert_eq!(end.encode(), bytes);
        }
    }
}
