//! How much is done in each shard: the growth of its audit log, since every access leaves a record
//! there (AUD-1), smoothed over a minute. Kept by the leader alone; a new one begins anew.

use actors_runtime::{StoredShard, SubmitError, stored_shards};
use actors_store::Store;
use consensus_control::ControlState;
use consensus_placement::{Figures, ShardFigure};
use schema_types::ids::ShardId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// How often the logs are looked at, milliseconds; more rarely where there are very many shards.
const LOOK_MS: u64 = 5_000;
const SHARDS_PER_LOOK_MS: usize = 1;
/// Over which time loads are smoothed, milliseconds.
const SMOOTH_MS: u64 = 60_000;

#[derive(Debug, Clone, Copy)]
struct Seen {
    records: u64,
    /// Records a second, in thousandths.
    milli_rate: u64,
}

/// The loads of the shards.
#[derive(Debug, Default)]
pub(crate) struct Loads {
    seen: BTreeMap<ShardId, Seen>,
    looked_ms: Option<u64>,
}

impl Loads {
    /// Looks at the logs when it is time.
    pub(crate) async fn look(
        &mut self,
        store: &Arc<dyn Store>,
        now_ms: u64,
    ) -> Result<(), SubmitError> {
        let pause_ms =
            LOOK_MS.max(u64::try_from(self.seen.len() / SHARDS_PER_LOOK_MS).unwrap_or(0));
        let passed_ms = self.looked_ms.map(|before| now_ms.saturating_sub(before));
        if passed_ms.is_some_and(|passed| passed < pause_ms) {
            return Ok(());
        }
        let snapshot = store.begin().await?;
        let stored = stored_shards(&*snapshot).await?;
        self.note(&stored, passed_ms.unwrap_or(0));
        self.looked_ms = Some(now_ms);
        Ok(())
    }

    fn note(&mut self, stored: &[StoredShard], passed_ms: u64) {
        let mut seen = BTreeMap::new();
        for stored in stored.iter().filter(|stored| stored.owner.is_some()) {
            let shard = ShardId(stored.shard);
            let records = stored.audit_records;
            let before = self.seen.get(&shard).copied();
            let before = before.unwrap_or(Seen { records, milli_rate: 0 });
            let grown = records.saturating_sub(before.records);
            let rate = grown.saturating_mul(1_000_000).checked_div(passed_ms).unwrap_or(0);
            let share = passed_ms.min(SMOOTH_MS);
            let milli_rate = (before.milli_rate.saturating_mul(SMOOTH_MS - share)
                + rate.saturating_mul(share))
                / SMOOTH_MS;
            seen.insert(shard, Seen { records, milli_rate });
        }
        self.seen = seen;
    }

    /// The figures for the planner. Hashes are even, so the middle of a range halves its load.
    pub(crate) fn figures(&self, state: &ControlState) -> Figures {
        let figure = |(shard, seen): (&ShardId, &Seen)| {
            let range = state.shards().get(shard)?.range;
            let load = seen.milli_rate / 1_000;
            Some((*shard, ShardFigure { load, split_at: range.middle() }))
        };
        Figures { shards: self.seen.iter().filter_map(figure).collect(), ..Figures::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schema_types::cluster::Epoch;

    fn stored(shard: u16, audit_records: u64) -> StoredShard {
        StoredShard { shard, epoch: Epoch(1), owner: Some("n".to_owned()), audit_records }
    }

    #[test]
    fn a_steady_load_is_found_and_a_burst_is_smoothed() {
        let mut loads = Loads::default();
        loads.note(&[stored(0, 1_000), stored(1, 0)], 0);
        let mut records = 1_000;
        for _ in 0..60 {
            records += 5_000;
            loads.note(&[stored(0, records), stored(1, 0)], 5_000);
        }
        let rate = loads.seen[&ShardId(0)].milli_rate;
        assert!((950_000..=1_000_000).contains(&rate), "{rate}");
        assert_eq!(loads.seen[&ShardId(1)].milli_rate, 0);
        loads.note(&[stored(0, records + 60_000)], 5_000);
        let rate = loads.seen[&ShardId(0)].milli_rate;
        assert!((1_500_000..2_000_000).contains(&rate), "a twelfth of the burst: {rate}");
        assert_eq!(loads.seen.len(), 1, "a shard that is no more is forgotten");
    }
}
