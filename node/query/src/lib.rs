//! Live queries over all entities of a kind: filter, group, aggregate and top-n over their live
//! rows, at one version of the store, without waking anybody (see
//! `deploy/decisions/010-live-query.md`).
//!
//! The text is parsed by `sqlparser` and compiled to typed trees that read single columns of raw
//! rows. Every query has exactly one audit record before its answer is given (AUD-1, ACK-1).

mod answer;
mod ask;
mod audit;
mod collect;
mod compile;
mod error;
mod facilities;
mod functions;
pub mod limits;
mod names;
mod plan;
mod rank;
mod scan;
mod text;
mod tree;

pub use answer::{OutputColumn, QueryAnswer, Value};
pub use ask::{Asker, ask, run};
pub use audit::refuse;
pub use error::QueryError;
pub use limits::QueryLimits;
pub use plan::Query;
