//! Queries from text to answer, over a runtime on the in-memory store. Every person is invented.
#![cfg(test)]

mod answers;
mod audit;
mod bounds;
mod fill;
mod language;
mod oracle;
mod world;
