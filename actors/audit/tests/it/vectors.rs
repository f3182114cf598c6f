//! The well-known tree of eight leaves that Certificate Transparency implementations share.

use actors_audit::{
    Frontier, Hash, LeafHashes, consistency_proof, empty_root, inclusion_proof, leaf_hash, root_at,
    verify_consistency, verify_inclusion,
};

const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];
const ROOTS: [&str; 9] = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];
const H_1: &str = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7";
const H_23: &str = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e";
const H_4567: &str = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4";
const H_4: &str = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b";
const H_45: &str = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a";
const H_67: &str = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0";

struct Tree(Vec<Hash>);

impl LeafHashes for Tree {
    fn size(&self) -> u64 {
        8
    }
    fn leaf_hash(&self, index: u64) -> Option<Hash> {
        self.0.get(usize::try_from(index).ok()?).copied()
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn hash(hex: &str) -> Hash {
    bytes(hex).try_into().unwrap()
}

fn tree() -> Tree {
    Tree(LEAVES.iter().map(|leaf| leaf_hash(&bytes(leaf))).collect())
}

#[test]
fn roots_match_the_published_ones() {
    let mut frontier = Frontier::new();
    assert_eq!(empty_root(), hash(ROOTS[0]));
    assert_eq!(frontier.root(), hash(ROOTS[0]));
    for (index, leaf) in (0..).zip(LEAVES) {
        assert_eq!(frontier.append(&bytes(leaf)), index);
        let size = usize::try_from(frontier.size()).unwrap();
        assert_eq!(frontier.root(), hash(ROOTS[size]), "size {size}");
        assert_eq!(root_at(&tree(), frontier.size()).unwrap(), hash(ROOTS[size]));
    }
}

#[test]
fn inclusion_proofs_match_the_published_ones() {
    let published: [(u64, u64, &[&str]); 5] = [
        (0, 1, &[]),
        (0, 8, &[H_1, H_23, H_4567]),
        (5, 8, &[H_4, H_67, ROOTS[4]]),
        (2, 3, &[ROOTS[2]]),
        (1, 5, &["6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d", H_23, H_4]),
    ];
    for (index, size, expected) in published {
        let proof = inclusion_proof(&tree(), index, size).unwrap();
        assert_eq!(proof, expected.iter().map(|hex| hash(hex)).collect::<Vec<_>>());
        let leaf = tree().leaf_hash(index).unwrap();
        let root = hash(ROOTS[usize::try_from(size).unwrap()]);
        assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), Ok(()));
    }
}

#[test]
fn consistency_proofs_match_the_published_ones() {
    let published: [(u64, u64, &[&str]); 4] = [
        (1, 1, &[]),
        (1, 8, &[H_1, H_23, H_4567]),
        (6, 8, &[H_45, H_67, ROOTS[4]]),
        (2, 5, &[H_23, H_4]),
    ];
    for (old, new, expected) in published {
        let proof = consistency_proof(&tree(), old, new).unwrap();
        assert_eq!(proof, expected.iter().map(|hex| hash(hex)).collect::<Vec<_>>());
        let root = |size: u64| hash(ROOTS[usize::try_from(size).unwrap()]);
        let (old_root, new_root) = (root(old), root(new));
        assert_eq!(verify_consistency((old, &old_root), (new, &new_root), &proof), Ok(()));
    }
}
