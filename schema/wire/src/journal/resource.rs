//! Versions of FHIR resources, kept beside the journal.

use crate::bytes::{decode, encode};
use crate::common::clinical::{
    read_observation, read_resource_meta, write_observation, write_resource_meta,
};
use crate::error::WireError;
use crate::journal_capnp as wire;
use schema_types::clinical::{Observation, ResourceMeta};
use schema_types::phi::Phi;

/// The content of a stored resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoredBody {
    /// FHIR JSON as it was sent.
    Json(Phi<Vec<u8>>),
    /// An observation that did not arrive as FHIR; rendered when read.
    Observation(Box<Observation>),
    /// Nothing: this version is a deletion.
    Deleted,
}

/// One version of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredResource {
    /// Its description.
    pub meta: ResourceMeta,
    /// Its content.
    pub body: StoredBody,
}

/// The stored form of a version of a resource.
#[must_use]
pub fn encode_resource(resource: &StoredResource) -> Vec<u8> {
    encode::<wire::stored_resource::Owned>(|mut builder| {
        write_resource_meta(builder.reborrow().init_meta(), &resource.meta);
        let mut body = builder.init_body();
        match &resource.body {
            StoredBody::Json(bytes) => body.set_json(bytes.expose()),
            StoredBody::Observation(observation) => {
                write_observation(body.init_observation(), observation);
            }
            StoredBody::Deleted => body.set_deleted(()),
        }
    })
}

/// A version of a resource from its stored form.
///
/// # Errors
/// [`WireError`] when the bytes do not decode.
pub fn decode_resource(bytes: &[u8]) -> Result<StoredResource, WireError> {
    use wire::stored_resource::body::Which;
    decode::<wire::stored_resource::Owned, _>(bytes, |reader| {
        let body = reader.get_body().which();
        let body = match body.map_err(WireError::not_in_schema("resource body"))? {
            Which::Unset(()) => return Err(WireError::Unset("resource body")),
            Which::Json(bytes) => StoredBody::Json(Phi::new(bytes?.to_vec())),
            Which::Observation(observation) => {
                StoredBody::Observation(Box::new(read_observation(observation?)?))
            }
            Which::Deleted(()) => StoredBody::Deleted,
        };
        Ok(StoredResource { meta: read_resource_meta(reader.get_meta()?)?, body })
    })
}
