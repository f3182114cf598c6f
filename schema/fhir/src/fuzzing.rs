//! One entry point that drives bytes through everything this crate does, for the fuzz target and
//! its smoke test. No result counts, only that nothing panics or hangs.

use crate::bundle::{BundlePlan, Resolution};
use crate::extract::{ExtractContext, extract};
use crate::limits::Limits;
use crate::outcome;
use crate::resource::Resource;
use crate::search::{Candidate, SearchQuery};
use schema_types::ids::{MessageDigest, SourceId, TenantId};
use schema_types::time::Timestamp;

/// Parses, validates, extracts, plans and searches whatever `bytes` are. Answers whether they were
/// a resource.
///
/// # Panics
/// When what is written does not read the same: the finding that fuzzing looks for.
pub fn fuzz_entry(bytes: &[u8]) -> bool {
    search(bytes);
    let Ok(mut resource) = Resource::parse(bytes, &Limits::default()) else {
        return false;
    };
    let problems = resource.validate();
    let _shown = outcome::refusal(&problems).to_string();
    resource.set_id("fuzz");
    resource.set_version(1, Timestamp::from_unix_seconds(0));
    let again = Resource::parse(&resource.to_json(), &Limits::default());
    assert_eq!(again.as_ref(), Ok(&resource), "what is written must read the same");
    let context = ExtractContext {
        tenant: TenantId::new("t"),
        source: SourceId::new("fuzz"),
        message: MessageDigest::default(),
        received_at: Timestamp::from_unix_seconds(0),
    };
    let facts = extract(&resource, &context);
    if let Ok(query) = SearchQuery::parse(facts.resource_type, &[]) {
        let _matched = query.matches(&Candidate::of_facts(&facts, Timestamp::MIN));
    }
    if let Ok(mut plan) = BundlePlan::parse(resource, &Limits::default()) {
        let named = plan.assign_ids(&mut |entry| Ok(format!("n{}", entry.index)));
        let pointed = plan.rewrite_references(&mut |_, _| Resolution::Missing);
        let _order = plan.execution_order();
        for entry in plan.entries.iter().filter_map(|entry| entry.resource.as_ref()) {
            if named.is_ok() && pointed.is_ok() {
                let _facts = extract(entry, &context);
            }
        }
    }
    true
}

/// Takes the bytes as a query string.
fn search(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let pairs: Vec<(String, String)> = text
        .split('&')
        .take(crate::limits::SEARCH_PARAMETERS_MAX)
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    for name in ["Patient", "Observation"] {
        if let Ok(query) = SearchQuery::parse(name, &pairs) {
            let _patients = query.patients();
        }
    }
}
