//! A log under attack: rows and heads as a store would hold them, with the attacker's tools.

use actors_audit::{
    Appender, Chain, Hash, HeadSet, HeadSigner, LeafRow, Report, VerifyRules, verify_log,
};
use schema_types::ids::ShardId;
use schema_types::time::Timestamp;

pub(crate) const SHARD: ShardId = ShardId(3);

pub(crate) fn signer() -> HeadSigner {
    HeadSigner::new(&[7; 32])
}

pub(crate) fn record(index: u64) -> Vec<u8> {
    format!("record {index} by nurse-4 for TREAT").into_bytes()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Log {
    pub(crate) rows: Vec<(u64, Vec<u8>)>,
    pub(crate) heads: Vec<(u64, Vec<u8>)>,
    pub(crate) anchors: Vec<(u64, Hash)>,
    pub(crate) rules: VerifyRules,
}

impl Log {
    /// `records` records, a head after each `head_every` of them and at the end.
    pub(crate) fn new(records: u64, head_every: u64) -> Self {
        Self::of_shard(SHARD, (records, head_every), record)
    }

    pub(crate) fn of_shard(
        shard: ShardId,
        (count, head_every): (u64, u64),
        record: impl Fn(u64) -> Vec<u8>,
    ) -> Self {
        let (signer, mut end) = (signer(), Appender::new(shard));
        let mut log =
            Self { rows: vec![], heads: vec![], anchors: vec![], rules: Default::default() };
        for record in (0..count).map(record) {
            let (index, row) = end.append(record).unwrap();
            log.rows.push((index, row.encode()));
            if end.size() % head_every == 0 || end.size() == count {
                let at = Timestamp::from_unix_seconds(1_795_000_000);
                let signed = signer.sign(end.head(at, signer.key_id()));
                log.heads.push((end.size(), signed.encode().to_vec()));
            }
        }
        log
    }

    pub(crate) fn verify(&self) -> Report {
        self.verify_checked(|_, _| Ok(()))
    }

    pub(crate) fn verify_checked(
        &self,
        check: impl FnMut(u64, &[u8]) -> Result<(), String>,
    ) -> Report {
        let mut heads = HeadSet::new(SHARD, &[signer().public()]).unwrap();
        self.heads.iter().for_each(|(size, bytes)| heads.add_stored(*size, bytes));
        self.anchors.iter().for_each(|(size, root)| heads.add_anchor(*size, *root));
        let rows = self.rows.iter().map(|(index, row)| (*index, row));
        verify_log(heads, self.rules, check, rows)
    }

    pub(crate) fn root_of(&self, size: usize) -> Hash {
        let mut tree = actors_audit::Frontier::new();
        for (_, row) in &self.rows[..size] {
            tree.append_hash(LeafRow::decode(row).unwrap().leaf_hash);
        }
        tree.root()
    }

    pub(crate) fn flip(&mut self, at: usize, byte: usize, mask: u8) {
        self.rows[at].1[byte] ^= mask;
    }

    /// Changes only the record's bytes.
    pub(crate) fn alter(&mut self, at: usize) {
        let mut row = LeafRow::decode(&self.rows[at].1).unwrap();
        row.record = b"nothing to see here".to_vec();
        self.rows[at].1 = row.encode();
    }

    /// Gives rows the indexes of their places.
    pub(crate) fn renumber(&mut self) {
        for (index, row) in (0..).zip(&mut self.rows) {
            row.0 = index;
        }
    }

    /// Recomputes leaf hash and running digest of the rows `from..to`.
    pub(crate) fn rechain(&mut self, from: usize, to: usize) {
        let mut before = match from.checked_sub(1) {
            None => Chain::genesis(SHARD),
            Some(place) => Chain::from_digest(digests(&self.rows[place].1)),
        };
        for (_, bytes) in &mut self.rows[from..to] {
            let record = bytes.get(65..).unwrap_or_default().to_vec();
            let row = LeafRow::new(record, &before).unwrap();
            before = Chain::from_digest(row.chain);
            *bytes = row.encode();
        }
    }

    pub(crate) fn rechain_to_end(&mut self, from: usize) {
        self.rechain(from, self.rows.len());
    }
}

fn digests(row: &[u8]) -> Hash {
    row.get(33..65).and_then(|digest| digest.try_into().ok()).unwrap_or_default()
}
