//! Sizes of typical records: the journal is on the hot path, so growth must be noticed.

use crate::samples;

/// Name and most bytes.
const BUDGETS: &[(&str, usize)] = &[("patient-event-observation-recorded", 250)];

#[test]
fn typical_records_stay_small() {
    let all = samples::all();
    for sample in &all {
        println!("{:5} bytes  {}", sample.encoded.len(), sample.name);
    }
    for (name, bytes_max) in BUDGETS {
        let sample = all.iter().find(|sample| sample.name == *name).unwrap();
        let bytes = sample.encoded.len();
        assert!(bytes <= *bytes_max, "{name}: {bytes} bytes, at most {bytes_max}");
    }
}
