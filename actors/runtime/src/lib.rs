//! The shell around the pure entities: the only user of ractor. It hosts one supervised actor per
//! entity, admits and routes commands, commits many actors' units at once, keeps the audit logs,
//! delivers outbox messages and timers, and puts idle entities to sleep.
//!
//! Nothing here knows a protocol or a clinical rule.

mod admission;
mod audit_log;
pub mod blob;
mod committer;
pub mod config;
mod decide;
mod directory;
mod dispatch;
mod entity_actor;
pub mod error;
mod forward;
mod group;
mod head_keys;
mod hosting;
pub mod limits;
pub mod live;
pub mod load;
pub mod metrics;
mod node;
mod order;
mod outbox;
mod ownership;
mod passivator;
pub mod query;
pub mod remote;
mod residency;
mod rows;
#[cfg(test)]
mod runtime_test;
mod shards;
mod submit;
mod supervisor;
mod timers;
mod trace_words;
pub mod trail;
mod unit;

pub use admission::Urgency;
pub use audit_log::entity_ref;
pub use config::RuntimeConfig;
pub use directory::HostedEntity;
pub use error::SubmitError;
pub use forward::{Forward, ForwardError};
pub use group::{Group, Member};
pub use hosting::ShardGrant;
pub use node::{Runtime, RuntimeParts};
pub use ownership::{StoredShard, stored_shards};
pub use submit::{Attachments, Outcome};
pub use unit::Precondition;
