//! The CapabilityStatement: exactly the resources, interactions and search parameters that the
//! search parser and the Bundle plan accept.

use crate::search::parameters;
use crate::tables::resource_types;
use crate::time::render_instant;
use schema_types::time::Timestamp;
use serde_json::{Value, json};

/// What the statement says of the running server.
#[derive(Debug, Clone)]
pub struct ServerFacts<'a> {
    /// The version of the software.
    pub software_version: &'a str,
    /// The base URL of the FHIR interface, without a slash at the end.
    pub base_url: &'a str,
    /// What a person should know of the installation, for example where it listens for HL7 v2.
    pub description: &'a str,
    /// When the server started: the date of the statement.
    pub started_at: Timestamp,
}

/// Builds the statement for all resource types of FHIR R4.
#[must_use]
pub fn capability_statement(facts: &ServerFacts<'_>) -> Value {
    let resources: Vec<Value> = resource_types().map(resource).collect();
    json!({
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": render_instant(facts.started_at),
        "kind": "instance",
        "software": { "name": "Medulla", "version": facts.software_version },
        "implementation": { "description": facts.description, "url": facts.base_url },
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [{
            "mode": "server",
            "resource": resources,
            "interaction": [{ "code": "transaction" }, { "code": "batch" }],
        }],
    })
}

fn resource(name: &str) -> Value {
    let searchable: Vec<Value> = parameters(name)
        .into_iter()
        .map(|known| json!({ "name": known.name, "type": known.kind.as_str() }))
        .collect();
    let interactions: Vec<Value> = ["read", "create", "update", "delete", "search-type"]
        .into_iter()
        .map(|code| json!({ "code": code }))
        .collect();
    json!({
        "type": name,
        "interaction": interactions,
        "versioning": "versioned-update",
        "readHistory": false,
        "updateCreate": true,
        "conditionalCreate": false,
        "conditionalUpdate": false,
        "conditionalDelete": "not-supported",
        "searchParam": searchable,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resource::Resource;

    #[test]
    fn lists_every_type_and_is_sound() {
        let facts = ServerFacts {
            software_version: "0.1.0",
            base_url: "http://localhost:8080/fhir",
            description: "test",
            started_at: Timestamp::from_unix_seconds(0),
        };
        let statement = capability_statement(&facts);
        let resources = statement["rest"][0]["resource"].as_array().unwrap();
        assert_eq!(resources.len(), 146);
        let patient = resources.iter().find(|one| one["type"] == "Patient").unwrap();
        assert!(patient["searchParam"].as_array().unwrap().iter().any(|p| p["name"] == "family"));
        assert_eq!(Resource::from_value(statement).unwrap().validate(), Vec::new());
    }
}
