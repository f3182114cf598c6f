//! Prints how many records per second one core appends and verifies, with the running digest, and
//! what a head costs. Run with `cargo run --release -p actors-audit --example append_rate`.
#![expect(clippy::print_stdout, reason = "the figures are the output")]
#![expect(clippy::disallowed_methods, reason = "a measurement needs the real clock")]

use actors_audit::{Appender, HeadSet, HeadSigner, VerifyRules, verify_log};
use schema_types::ids::ShardId;
use schema_types::time::Timestamp;
use std::time::Instant;

const RECORDS: u32 = 1_000_000;
const RECORD_BYTES: usize = 200;
const SHARD: ShardId = ShardId(0);

fn main() {
    for batch_records in [1_000_000, 64, 1] {
        measure(batch_records, RECORDS.min(batch_records.saturating_mul(100_000)));
    }
}

/// Appends in batches on a clone of the log's end, with a signed head per batch; then verifies.
fn measure(batch_records: u32, records: u32) {
    let signer = HeadSigner::new(&[1; 32]);
    let (mut end, mut rows, mut heads) = (Appender::new(SHARD), Vec::new(), Vec::new());
    let start = Instant::now();
    let mut appended = 0;
    while appended < records {
        let mut batch = end.clone();
        for number in appended..records.min(appended + batch_records) {
            let mut record = vec![0; RECORD_BYTES];
            record[..4].copy_from_slice(&number.to_be_bytes());
            if let Ok((index, row)) = batch.append(record) {
                rows.push((index, row.encode()));
            }
        }
        let head = batch.head(Timestamp::default(), signer.key_id());
        heads.push((batch.size(), signer.sign(head).encode()));
        end = batch;
        appended = appended.saturating_add(batch_records);
    }
    let append_seconds = start.elapsed().as_secs_f64();
    let start = Instant::now();
    let Ok(mut trusted) = HeadSet::new(SHARD, &[signer.public()]) else { return };
    heads.iter().for_each(|(size, bytes)| trusted.add_stored(*size, bytes));
    let report = verify_log(trusted, VerifyRules::default(), |_, _| Ok(()), rows);
    let verify_seconds = start.elapsed().as_secs_f64();
    println!(
        "{records} records of {RECORD_BYTES} bytes, a signed head per {batch_records}: \
         appended {:.0}/s, verified {:.0}/s, ok {}",
        f64::from(records) / append_seconds,
        f64::from(records) / verify_seconds,
        report.ok,
    );
}
