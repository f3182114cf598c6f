//! Tests of the audit log against its definition (RFC 9162) and against attackers (AUD-2).
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod alteration;
mod attacks;
mod heads;
mod merkle;
mod support;
mod vectors;
