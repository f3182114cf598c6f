//! A FHIR resource of any R4 type, kept whole: order and decimals as sent. Only its id, its
//! `meta.versionId`, its `meta.lastUpdated` and rewritten references ever change.

use crate::error::FhirError;
use crate::json;
use crate::limits::Limits;
use crate::primitive::is_id;
use crate::tables::resource_type;
use crate::time::render_instant;
use crate::validate;
use schema_types::error_code::ErrorCode;
use schema_types::phi::Phi;
use schema_types::time::Timestamp;
use serde_json::{Map, Value};

/// A resource with a known type. `Debug` shows the type only (PHI-1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    resource_type: &'static str,
    body: Phi<Value>,
}

impl Resource {
    /// Parses JSON and checks size, nesting, repeated names, `resourceType` and the form of `id`.
    /// The structure is checked by [`Resource::validate`].
    ///
    /// # Errors
    /// `MED-FHIR-001` not JSON or not a resource, `MED-FHIR-003` unknown type, `MED-FHIR-011` too
    /// large, `MED-FHIR-002` malformed id.
    pub fn parse(bytes: &[u8], limits: &Limits) -> Result<Self, FhirError> {
        let resource = Self::from_value(json::parse(bytes, limits)?)?;
        if resource.resource_type != "Bundle" && bytes.len() > limits.resource_bytes_max {
            let reason = "resource exceeds the limit";
            return Err(FhirError::new(ErrorCode::FhirTooLarge, resource.resource_type, reason));
        }
        Ok(resource)
    }

    /// A resource from a JSON value.
    ///
    /// # Errors
    /// As [`Resource::parse`], size and nesting excepted.
    pub fn from_value(value: Value) -> Result<Self, FhirError> {
        let Some(map) = value.as_object() else {
            let reason = "body is not a JSON object";
            return Err(FhirError::new(ErrorCode::FhirSyntax, "", reason));
        };
        let Some(name) = map.get("resourceType").and_then(Value::as_str) else {
            let reason = "resourceType is missing";
            return Err(FhirError::new(ErrorCode::FhirSyntax, "", reason));
        };
        let Some(known) = resource_type(name) else {
            let reason = "resourceType is not a type of FHIR R4";
            return Err(FhirError::new(ErrorCode::FhirResourceType, "", reason).with_status(422));
        };
        if map.get("id").is_some_and(|id| !id.as_str().is_some_and(is_id)) {
            let path = format!("{known}.id");
            return Err(FhirError::structure(&path, "value", "id is malformed"));
        }
        Ok(Self { resource_type: known, body: Phi::new(value) })
    }

    /// The FHIR type, for example `Observation`.
    #[must_use]
    pub const fn resource_type(&self) -> &'static str {
        self.resource_type
    }

    /// The logical id, if there is one.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.get("id").and_then(Value::as_str)
    }

    /// `meta.versionId`, if there is one.
    #[must_use]
    pub fn version_id(&self) -> Option<&str> {
        self.get("meta")?.get("versionId")?.as_str()
    }

    /// The whole resource as JSON.
    #[must_use]
    pub const fn value(&self) -> &Value {
        self.body.expose()
    }

    /// The resource as JSON text, without insignificant white space.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        self.value().to_string().into_bytes()
    }

    /// Gives up the wrapper.
    #[must_use]
    pub fn into_value(self) -> Value {
        self.body.into_exposed()
    }

    /// Sets the logical id. `id` must have the form of an id (at most 64 of `A-Z a-z 0-9 - .`).
    pub fn set_id(&mut self, id: &str) {
        self.change(|map| {
            if let Some(place) = map.get_mut("id") {
                *place = Value::from(id);
            } else {
                let index = usize::from(map.contains_key("resourceType")).min(map.len());
                map.shift_insert(index, "id".to_owned(), Value::from(id));
            }
        });
    }

    /// Sets `meta.versionId` and `meta.lastUpdated`; the rest of `meta` stays as sent.
    pub fn set_version(&mut self, version: u64, updated_at: Timestamp) {
        self.change(|map| {
            if !map.get("meta").is_some_and(Value::is_object) {
                map.shift_remove("meta");
                let index = map.keys().take_while(|key| *key == "resourceType" || *key == "id");
                let index = index.count();
                map.shift_insert(index, "meta".to_owned(), Value::Object(Map::new()));
            }
            if let Some(Value::Object(meta)) = map.get_mut("meta") {
                meta.insert("versionId".to_owned(), Value::from(version.to_string()));
                meta.insert("lastUpdated".to_owned(), Value::from(render_instant(updated_at)));
            }
        });
    }

    /// Every structural problem, at most [`crate::limits::ISSUES_MAX`]; empty when it is sound.
    #[must_use]
    pub fn validate(&self) -> Vec<FhirError> {
        validate::resource(self.resource_type, self.value())
    }

    pub(crate) fn get(&self, name: &str) -> Option<&Value> {
        self.value().get(name)
    }

    pub(crate) fn change(&mut self, edit: impl FnOnce(&mut Map<String, Value>)) {
        let mut value = std::mem::take(&mut self.body).into_exposed();
        if let Value::Object(map) = &mut value {
            edit(map);
        }
        self.body = Phi::new(value);
    }
}
