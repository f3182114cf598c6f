//! The facility as its callers see it: commands in, events, effects and replies out.

#![cfg(test)]

mod beds;
mod census;
mod corpus;
mod properties;
mod reads;
mod support;
