//! Tests of the whole crate: fixtures of our own, the public corpus where it is at hand, and a
//! moment of fuzzing.

#![expect(clippy::print_stdout, reason = "the corpus table is for whoever runs the test")]
#![expect(clippy::unwrap_used, reason = "a helper that cannot go on fails the test")]

mod bundle;
mod corpus;
mod extract;
mod fuzz;
mod render;
mod search;
mod validation;

use schema_fhir::{ExtractContext, Limits, Resource};
use schema_types::ids::{MessageDigest, SourceId, TenantId};
use schema_types::time::Timestamp;

/// A resource of our own making, known to be JSON of a known type.
fn resource(json: &str) -> Resource {
    Resource::parse(json.as_bytes(), &Limits::default()).unwrap()
}

fn context() -> ExtractContext {
    ExtractContext {
        tenant: TenantId::new("t"),
        source: SourceId::new("test"),
        message: MessageDigest::of(b"message"),
        received_at: Timestamp::from_unix_seconds(1_000),
    }
}
