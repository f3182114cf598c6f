//! The streaming verifier of one shard's log (AUD-2). Rows are read once, in index order; memory
//! does not grow with the log, only with the number of heads.
//!
//! Signed heads are the only proof; leaf hashes and running digests in the rows are hints, because
//! whoever can write the store can recompute them. A hint says where; the next head says whether
//! the hint is to be believed, and only then is a first bad index called exact.

use crate::chain::Chain;
use crate::hash::{Hash, leaf_hash};
use crate::head_set::{HeadSet, TrustedHead};
use crate::limits::FINDINGS_MAX;
use crate::report::{FindingKind, Findings, Report};
use crate::row::RowView;
use crate::track::Track;
use schema_types::ids::ShardId;

/// What a sound log looks like, as far as the writer's habits decide it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct VerifyRules {
    /// Most records that may follow the last trusted head. 0, the default, when every commit
    /// stores a signed head; then records that somebody without the key appended are found.
    pub records_after_last_head_max: u64,
}

/// Checks a log row by row. `C` is the caller's check of one record (index, bytes); its error text
/// goes into the report and must not contain patient data.
pub struct Verifier<C> {
    shard: ShardId,
    rules: VerifyRules,
    check: C,
    /// Sorted by size; those before `head_next` are done.
    heads: Vec<TrustedHead>,
    head_next: usize,
    head_findings: Findings,
    state: State,
}

/// Where the first bad index is.
#[derive(Debug, Clone, Copy)]
struct Verdict {
    first: u64,
    is_exact: bool,
    at_most: u64,
}

struct State {
    records: u64,
    index_next: u64,
    /// The best hypothesis: the stored leaf hash where it and the running digest agree.
    main: Track,
    /// The records' own hashes, kept apart from where they differ from `main`.
    by_record: Option<Track>,
    /// Running digest as the row before stores it; `None` at the start and after a gap.
    chain_stored: Option<Chain>,
    /// Records before this index are what a trusted head vouches for.
    proven: u64,
    /// The same for heads from outside the store.
    anchored: u64,
    /// First evidence at or after `proven`.
    suspect: Option<u64>,
    /// The records cannot be compared with heads any more: one root differed, or rows are missing.
    is_lost: bool,
    is_fork_known: bool,
    verdict: Option<Verdict>,
    heads_checked: u64,
    anchors_checked: u64,
    findings: Findings,
}

/// Verifies a whole log: `rows` are (index, row bytes) in index order, see [`crate::LeafRow`].
pub fn verify_log<B: AsRef<[u8]>>(
    heads: HeadSet,
    rules: VerifyRules,
    check: impl FnMut(u64, &[u8]) -> Result<(), String>,
    rows: impl IntoIterator<Item = (u64, B)>,
) -> Report {
    let mut verifier = Verifier::new(heads, rules, check);
    for (index, row) in rows {
        verifier.push(index, row.as_ref());
    }
    verifier.finish()
}

impl<C: FnMut(u64, &[u8]) -> Result<(), String>> Verifier<C> {
    /// A verifier at the start of the log of the heads' shard.
    pub fn new(heads: HeadSet, rules: VerifyRules, check: C) -> Self {
        let HeadSet { shard, mut heads, findings: head_findings, .. } = heads;
        heads.sort_unstable();
        let state = State::new(shard);
        let mut verifier = Self { shard, rules, check, heads, head_next: 0, head_findings, state };
        verifier.settle_heads();
        verifier
    }

    /// Takes the next row.
    pub fn push(&mut self, index: u64, row: &[u8]) {
        let state = &mut self.state;
        state.records += 1;
        if index < state.index_next {
            return state.note_repeated(index);
        }
        if index > state.index_next {
            state.note_gap(index);
        }
        match RowView::of(row) {
            Ok(view) => {
                state.take_row(index, &view);
                if let Err(detail) = (self.check)(index, view.record) {
                    state.note(FindingKind::RecordInvalid, index, detail);
                }
            }
            Err(error) => {
                state.note(FindingKind::RowMalformed, index, error.to_string());
                state.skip_row(&leaf_hash(row));
            }
        }
        self.state.index_next = index.saturating_add(1);
        self.settle_heads();
    }

    /// Ends the log and gives the verdict.
    pub fn finish(mut self) -> Report {
        let largest = self.heads.get(self.head_next..).and_then(<[_]>::last).copied();
        self.state.end(largest, self.rules.records_after_last_head_max);
        let State { records, proven, anchored, verdict, heads_checked, anchors_checked, .. } =
            self.state;
        let mut findings = self.state.findings.kept;
        let head_findings_kept = FINDINGS_MAX.saturating_sub(findings.len());
        let head_findings_lost = self.head_findings.kept.len().saturating_sub(head_findings_kept);
        findings.extend(self.head_findings.kept.into_iter().take(head_findings_kept));
        let findings_dropped = self.state.findings.dropped
            + self.head_findings.dropped
            + u64::try_from(head_findings_lost).unwrap_or(u64::MAX);
        Report {
            shard: self.shard,
            records,
            ok: findings.is_empty(),
            first_bad: verdict.map(|verdict| verdict.first),
            first_bad_is_exact: verdict.is_some_and(|verdict| verdict.is_exact),
            first_bad_at_most: verdict.map(|verdict| verdict.at_most),
            proven_below: verdict.map_or(proven, |verdict| proven.min(verdict.first)),
            anchored_below: verdict.map_or(anchored, |verdict| anchored.min(verdict.first)),
            heads_checked,
            anchors_checked,
            findings,
            findings_dropped,
        }
    }

    /// Compares the records so far with every head of their number.
    fn settle_heads(&mut self) {
        let size = self.state.index_next;
        let rest = self.heads.get(self.head_next..).unwrap_or_default();
        let count = rest.iter().take_while(|head| head.size <= size).count();
        // Heads that a gap jumped over cannot be compared; they are passed with the rest.
        let group: Vec<TrustedHead> =
            rest.iter().take(count).filter(|head| head.size == size).copied().collect();
        self.head_next += count;
        if !group.is_empty() {
            self.state.settle(&group);
        }
    }
}

impl State {
    fn new(shard: ShardId) -> Self {
        let main = Track::new(shard);
        Self {
            records: 0,
            index_next: 0,
            chain_stored: Some(main.chain),
            main,
            by_record: None,
            proven: 0,
            anchored: 0,
            suspect: None,
            is_lost: false,
            is_fork_known: false,
            verdict: None,
            heads_checked: 0,
            anchors_checked: 0,
            findings: Findings::new(FINDINGS_MAX),
        }
    }

    /// Records evidence against the row at `index`.
    fn note(&mut self, kind: FindingKind, index: u64, detail: impl Into<String>) {
        self.findings.add(kind, index, detail);
        self.suspect = Some(self.suspect.map_or(index, |earlier| earlier.min(index)));
    }

    fn note_repeated(&mut self, index: u64) {
        let is_repeat = index.checked_add(1) == Some(self.index_next);
        let kind = if is_repeat { FindingKind::Duplicated } else { FindingKind::OutOfOrder };
        let detail = format!("index {index} came when {} was due", self.index_next);
        if index >= self.proven {
            return self.note(kind, index, detail);
        }
        self.findings.add(kind, index, detail);
        self.conclude(Verdict { first: index, is_exact: true, at_most: index });
    }

    fn note_gap(&mut self, index: u64) {
        let (first, last) = (self.index_next, index - 1);
        self.note(FindingKind::Missing, first, format!("records {first} to {last} are missing"));
        self.chain_stored = None;
        self.lose(first);
    }

    fn take_row(&mut self, index: u64, row: &RowView<'_>) {
        if !row.is_well_formed() {
            self.note(FindingKind::RowMalformed, index, "format of the row is unknown");
        }
        let by_record = leaf_hash(row.record);
        let chosen = self.choose(row, &by_record);
        if by_record != row.leaf_hash {
            let detail = if chosen == by_record {
                "the running digest fits the record, not the leaf hash beside it"
            } else {
                "the record does not hash to the leaf hash beside it"
            };
            self.note(FindingKind::LeafHashMismatch, index, detail);
        }
        let chain = self.main.chain.next(&chosen);
        let continues = |before: Chain| before.next(&chosen).digest() == &row.chain;
        if chain.digest() != &row.chain && !self.chain_stored.is_none_or(continues) {
            let detail = "the running digest continues neither the log nor the row before";
            self.note(FindingKind::ChainMismatch, index, detail);
        }
        if self.by_record.is_none() && chosen != by_record {
            self.by_record = Some(self.main.clone());
        }
        if let Some(track) = &mut self.by_record {
            let chain = track.chain.next(&by_record);
            track.push(&by_record, chain);
        }
        self.main.push(&chosen, chain);
        self.chain_stored = Some(Chain::from_digest(row.chain));
    }

    /// Passes over a row that cannot be read at all.
    fn skip_row(&mut self, stand_in: &Hash) {
        self.chain_stored = None;
        for track in [Some(&mut self.main), self.by_record.as_mut()].into_iter().flatten() {
            let chain = track.chain.next(stand_in);
            track.push(stand_in, chain);
        }
    }

    /// The leaf hash that the row most likely had: where record and stored leaf hash differ, the
    /// running digest tells which of the two was altered.
    fn choose(&self, row: &RowView<'_>, by_record: &Hash) -> Hash {
        if *by_record == row.leaf_hash {
            return *by_record;
        }
        let fits = |leaf_hash: &Hash| {
            [Some(self.main.chain), self.chain_stored]
                .into_iter()
                .flatten()
                .any(|before| before.next(leaf_hash).digest() == &row.chain)
        };
        if !fits(&row.leaf_hash) && fits(by_record) { *by_record } else { row.leaf_hash }
    }

    /// Compares with the trusted heads of the present size, at least one.
    fn settle(&mut self, group: &[TrustedHead]) {
        let size = self.index_next;
        let is_forked = group.iter().any(|head| head.root != group[0].root);
        if is_forked {
            self.findings.add(FindingKind::HeadFork, size, "heads of one size differ");
        }
        if self.is_lost {
            return self.settle_lost(group);
        }
        let anchors = group.iter().filter(|head| head.is_anchor).count();
        self.heads_checked += u64::try_from(group.len()).unwrap_or(u64::MAX);
        self.anchors_checked += u64::try_from(anchors).unwrap_or(u64::MAX);
        let vouched = |track: &Track| {
            let root = track.frontier.root();
            group.iter().any(|head| head.root == root && (head.is_anchor || anchors == 0))
        };
        if vouched(&self.main) {
            self.by_record = None;
        } else if let Some(track) = self.by_record.take_if(|track| vouched(track)) {
            self.main = track;
        } else {
            let detail = format!("root differs; records below {} are proven", self.proven);
            self.findings.add(FindingKind::RootMismatch, size, detail);
            self.lose(size.saturating_sub(1));
            return if is_forked {
                self.conclude_fork(size)
            };
        }
        if let Some(first) = self.suspect.take() {
            self.conclude(Verdict { first, is_exact: true, at_most: first });
        }
        self.proven = size;
        if anchors > 0 {
            self.anchored = size;
        } else if is_forked {
            self.conclude_fork(size);
        }
    }

    /// A head that fits records which an earlier head contradicts: the key signed two histories.
    fn settle_lost(&mut self, group: &[TrustedHead]) {
        let root = self.main.frontier.root();
        if !self.is_fork_known && group.iter().any(|head| head.root == root) {
            let detail = "a trusted head vouches for records that an earlier one contradicts";
            self.findings.add(FindingKind::HeadFork, self.index_next, detail);
            self.conclude_fork(self.index_next);
        }
    }

    /// The key signed two histories, so that only anchors still prove anything.
    fn conclude_fork(&mut self, size: u64) {
        self.is_fork_known = true;
        let at_most = self.verdict.map_or(size.saturating_sub(1), |earlier| earlier.at_most);
        self.conclude(Verdict { first: self.anchored, is_exact: false, at_most });
    }

    /// Some record in `proven..=at_most` is bad and no later head can say which.
    fn lose(&mut self, at_most: u64) {
        self.is_lost = true;
        let first = self.suspect.unwrap_or(self.proven);
        let at_most = self.suspect.unwrap_or(at_most);
        self.conclude(Verdict { first, is_exact: at_most == self.proven, at_most });
    }

    fn conclude(&mut self, verdict: Verdict) {
        if self.verdict.is_none_or(|earlier| verdict.first < earlier.first) {
            self.verdict = Some(verdict);
        }
    }

    fn end(&mut self, largest: Option<TrustedHead>, uncovered_max: u64) {
        let size = self.index_next;
        let uncovered = size - self.proven;
        if let Some(head) = largest {
            let origin = if head.is_anchor { "an anchor" } else { "a signed head" };
            let detail = format!("{origin} has {} records, the log {size}", head.size);
            self.note(FindingKind::Truncated, size, detail);
        } else if uncovered > uncovered_max && !self.is_lost {
            let detail = format!("no trusted head covers the last {uncovered} records");
            self.findings.add(FindingKind::Uncovered, self.proven, detail);
            let at_most = self.suspect.unwrap_or(size - 1);
            let first = self.suspect.unwrap_or(self.proven);
            let is_exact = self.suspect == Some(self.proven);
            self.conclude(Verdict { first, is_exact, at_most });
            return;
        }
        if !self.is_lost && self.suspect.is_some() {
            self.lose(size);
        }
    }
}
