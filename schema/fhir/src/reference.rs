//! What a `Reference` points at. Ids and queries can be identifiers of patients: `Debug` shows only
//! the form and the type (PHI-1).

use crate::primitive::is_id;
use crate::tables::resource_type;
use serde_json::Value;
use std::fmt;

/// The target of a reference.
#[derive(Clone, PartialEq, Eq)]
pub enum Reference {
    /// `Type/id` or `Type/id/_history/version`, on this server.
    Local {
        /// The FHIR type.
        resource_type: &'static str,
        /// The logical id.
        id: String,
    },
    /// The same under an absolute base URL.
    Absolute {
        /// Everything before the type.
        base: String,
        /// The FHIR type.
        resource_type: &'static str,
        /// The logical id.
        id: String,
    },
    /// `urn:uuid:...` or `urn:oid:...`, to be resolved within a Bundle.
    Urn(String),
    /// `Type?parameters`, to be resolved by a search (transactions only).
    Conditional {
        /// The FHIR type.
        resource_type: &'static str,
        /// The query after `?`, still percent-encoded.
        query: String,
    },
    /// `#id`: contained in the same resource.
    Contained(String),
    /// A logical reference by business identifier.
    Identifier {
        /// The FHIR type, if stated.
        resource_type: Option<&'static str>,
        /// The identifier's system; may be empty.
        system: String,
        /// The identifier's value.
        value: String,
    },
    /// Anything else.
    Other(String),
}

impl Reference {
    /// Reads the text of `Reference.reference`.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        if let Some(id) = text.strip_prefix('#') {
            return Self::Contained(id.to_owned());
        }
        if text.starts_with("urn:") {
            return Self::Urn(text.to_owned());
        }
        if let Some((name, query)) = text.split_once('?')
            && let Some(resource_type) = resource_type(name)
        {
            return Self::Conditional { resource_type, query: query.to_owned() };
        }
        restful(text).unwrap_or_else(|| Self::Other(text.to_owned()))
    }

    /// Reads a `Reference` object; `None` when it names nothing but a display text.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        if let Some(text) = value.get("reference").and_then(Value::as_str) {
            return Some(Self::from_text(text));
        }
        let identifier = value.get("identifier")?;
        let system = identifier.get("system").and_then(Value::as_str).unwrap_or_default();
        Some(Self::Identifier {
            resource_type: value.get("type").and_then(Value::as_str).and_then(resource_type),
            system: system.to_owned(),
            value: identifier.get("value")?.as_str()?.to_owned(),
        })
    }

    /// The FHIR type that the reference names, if it does.
    #[must_use]
    pub const fn resource_type(&self) -> Option<&'static str> {
        match self {
            Self::Local { resource_type, .. }
            | Self::Absolute { resource_type, .. }
            | Self::Conditional { resource_type, .. } => Some(resource_type),
            Self::Identifier { resource_type, .. } => *resource_type,
            Self::Urn(_) | Self::Contained(_) | Self::Other(_) => None,
        }
    }

    /// The logical id, for references to this server; an absolute URL keeps only its last part, so
    /// check [`Reference::Absolute`] first where the base matters.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Local { id, .. } | Self::Absolute { id, .. } => Some(id),
            Self::Urn(_)
            | Self::Conditional { .. }
            | Self::Contained(_)
            | Self::Identifier { .. }
            | Self::Other(_) => None,
        }
    }
}

fn restful(text: &str) -> Option<Reference> {
    let path = text.split_once("/_history/").map_or(text, |(path, _)| path);
    let (head, id) = path.rsplit_once('/')?;
    if !is_id(id) {
        return None;
    }
    let id = id.to_owned();
    match head.rsplit_once('/') {
        None => Some(Reference::Local { resource_type: resource_type(head)?, id }),
        Some((base, name)) => {
            let resource_type = resource_type(name)?;
            let absolute = base.contains("://");
            let base = base.to_owned();
            absolute.then_some(Reference::Absolute { base, resource_type, id })
        }
    }
}

impl fmt::Debug for Reference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self {
            Self::Local { .. } => "Local",
            Self::Absolute { .. } => "Absolute",
            Self::Urn(_) => "Urn",
            Self::Conditional { .. } => "Conditional",
            Self::Contained(_) => "Contained",
            Self::Identifier { .. } => "Identifier",
            Self::Other(_) => "Other",
        };
        write!(formatter, "{form}({})", self.resource_type().unwrap_or("?"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form() {
        let cases = [
            ("Patient/1", "Local(Patient)", Some("1")),
            ("Patient/1/_history/2", "Local(Patient)", Some("1")),
            ("http://x.org/fhir/Patient/a.b", "Absolute(Patient)", Some("a.b")),
            ("urn:uuid:0b8e", "Urn(?)", None),
            ("Practitioner?identifier=http://x|1", "Conditional(Practitioner)", None),
            ("#p1", "Contained(?)", None),
            ("patient/1", "Other(?)", None),
            ("Patient/", "Other(?)", None),
            ("Patient", "Other(?)", None),
            ("a/Patient/1", "Other(?)", None),
            ("", "Other(?)", None),
        ];
        for (text, debug, id) in cases {
            let reference = Reference::from_text(text);
            assert_eq!(format!("{reference:?}"), debug, "{text}");
            assert_eq!(reference.id(), id, "{text}");
        }
    }

    #[test]
    fn debug_hides_ids_phi_1() {
        let shown = format!("{:?}", Reference::from_text("Patient/CANARY"));
        assert!(!shown.contains("CANARY"));
    }
}
