//! The device as its callers see it: commands in, events, effects and replies out.

#![cfg(test)]

mod association;
mod properties;
mod reads;
mod samples;
mod silence;
mod support;
