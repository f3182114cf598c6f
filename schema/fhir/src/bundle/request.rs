//! The request of one entry: method, target, conditions, and whether they fit the resource.

use super::{BundleKind, Entry, if_match_version, local_tail};
use crate::error::FhirError;
use crate::primitive::is_id;
use crate::resource::Resource;
use crate::tables::resource_type;
use schema_types::error_code::ErrorCode;
use serde_json::Value;
use std::fmt;

/// The methods that an entry can ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Remove.
    Delete,
    /// Create.
    Post,
    /// Create or replace at a known id.
    Put,
    /// Change a part.
    Patch,
    /// Read or search.
    Get,
}

impl Method {
    /// Whether the method changes a resource.
    #[must_use]
    pub const fn changes(self) -> bool {
        match self {
            Self::Delete | Self::Post | Self::Put | Self::Patch => true,
            Self::Get => false,
        }
    }

    pub(super) const fn rank(self) -> u8 {
        match self {
            Self::Delete => 0,
            Self::Post => 1,
            Self::Put | Self::Patch => 2,
            Self::Get => 3,
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "DELETE" => Self::Delete,
            "POST" => Self::Post,
            "PUT" => Self::Put,
            "PATCH" => Self::Patch,
            "GET" | "HEAD" => Self::Get,
            _ => return None,
        })
    }
}

/// What `request.url` names. `Debug` shows the form and type only (PHI-1).
#[derive(Clone, PartialEq, Eq)]
pub enum Target {
    /// `Type`.
    Type(&'static str),
    /// `Type/id`.
    Instance {
        /// The FHIR type.
        resource_type: &'static str,
        /// The logical id.
        id: String,
    },
    /// `Type?query`: a search, or a conditional change.
    Conditional {
        /// The FHIR type.
        resource_type: &'static str,
        /// The query after `?`, still percent-encoded.
        query: String,
    },
    /// Anything else that a GET may name, such as `metadata` or `Patient/1/_history`.
    Other(String),
}

impl Target {
    /// The FHIR type, if the URL names one.
    #[must_use]
    pub const fn resource_type(&self) -> Option<&'static str> {
        match self {
            Self::Type(name) => Some(name),
            Self::Instance { resource_type, .. } | Self::Conditional { resource_type, .. } => {
                Some(resource_type)
            }
            Self::Other(_) => None,
        }
    }

    pub(super) const fn needs_id(&self, method: Method) -> bool {
        match self {
            Self::Type(_) | Self::Conditional { .. } => method.changes(),
            Self::Instance { .. } | Self::Other(_) => false,
        }
    }

    fn from_url(url: &str) -> Self {
        let (path, query) = match url.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (url, None),
        };
        let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        if path.contains("://") {
            let start = parts.iter().position(|part| resource_type(part).is_some());
            parts.drain(..start.unwrap_or(parts.len()));
        }
        let known = parts.first().and_then(|name| resource_type(name));
        match (known, parts.as_slice(), query) {
            (Some(resource_type), [_], Some(query)) => {
                Self::Conditional { resource_type, query: query.to_owned() }
            }
            (Some(name), [_], None) => Self::Type(name),
            (Some(resource_type), [_, id], None) if is_id(id) => {
                Self::Instance { resource_type, id: (*id).to_owned() }
            }
            _ => Self::Other(url.to_owned()),
        }
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let form = match self {
            Self::Type(_) => "Type",
            Self::Instance { .. } => "Instance",
            Self::Conditional { .. } => "Conditional",
            Self::Other(_) => "Other",
        };
        write!(formatter, "{form}({})", self.resource_type().unwrap_or("?"))
    }
}

pub(super) fn entry(
    kind: BundleKind,
    index: usize,
    value: &Value,
    resource: Option<Resource>,
) -> Result<Entry, FhirError> {
    let place = format!("Bundle.entry[{index}]");
    let refuse = |reason: &str| FhirError::new(ErrorCode::FhirBundle, &place, reason);
    let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let full_url = text("/fullUrl");
    let request = value.get("request");
    let (method, target) = match (kind, request, &resource) {
        (BundleKind::Collection, None, Some(resource)) => stored(resource),
        (BundleKind::Collection, _, _) => {
            return Err(refuse("an entry of a collection has a resource and no request"));
        }
        (BundleKind::Transaction | BundleKind::Batch, None, _) => {
            return Err(refuse("bdl-3: request is missing"));
        }
        (BundleKind::Transaction | BundleKind::Batch, Some(_), _) => {
            let method = text("/request/method").unwrap_or_default();
            let method =
                Method::from_name(&method).ok_or_else(|| refuse("method is not supported"))?;
            (method, Target::from_url(&text("/request/url").unwrap_or_default()))
        }
    };
    let if_match = match text("/request/ifMatch") {
        Some(tag) => Some(if_match_version(&tag, &format!("{place}.request.ifMatch"))?),
        None => None,
    };
    let id = match &target {
        Target::Instance { id, .. } => Some(id.clone()),
        Target::Type(_) | Target::Conditional { .. } | Target::Other(_) => None,
    };
    let if_none_exist = text("/request/ifNoneExist");
    let entry = Entry { index, full_url, method, target, if_none_exist, if_match, resource, id };
    // A collection is a bag of copies: its URLs may be those of elsewhere.
    if kind != BundleKind::Collection {
        fits(&entry, &place)?;
    }
    Ok(entry)
}

fn stored(resource: &Resource) -> (Method, Target) {
    let resource_type = resource.resource_type();
    match resource.id() {
        Some(id) => (Method::Put, Target::Instance { resource_type, id: id.to_owned() }),
        None => (Method::Post, Target::Type(resource_type)),
    }
}

/// Whether method, URL, fullUrl and resource agree.
fn fits(entry: &Entry, place: &str) -> Result<(), FhirError> {
    let refuse = |reason: &str| Err(FhirError::new(ErrorCode::FhirBundle, place, reason));
    let unsupported = |reason: &str| {
        Err(FhirError::new(ErrorCode::FhirInteraction, &format!("{place}.request.url"), reason))
    };
    match (entry.method, &entry.target) {
        (Method::Get, _)
        | (Method::Post, Target::Type(_))
        | (Method::Delete | Method::Patch, Target::Instance { .. } | Target::Conditional { .. })
        | (Method::Put, Target::Instance { .. } | Target::Conditional { .. }) => {}
        (Method::Post, _) => return unsupported("POST needs the URL of a resource type"),
        (Method::Put | Method::Patch | Method::Delete, _) => {
            return unsupported("PUT, PATCH and DELETE need the URL of a resource");
        }
    }
    let wants_body = matches!(entry.method, Method::Post | Method::Put | Method::Patch);
    if wants_body != entry.resource.is_some() {
        return refuse("POST, PUT and PATCH need a resource; GET and DELETE must have none");
    }
    let Some(resource) = entry.resource.as_ref().filter(|_| entry.method != Method::Patch) else {
        return Ok(());
    };
    if entry.target.resource_type() != Some(resource.resource_type()) {
        return refuse("resourceType is not that of request.url");
    }
    // A body without id takes that of the URL, as other servers have it.
    let other_id = resource.id().is_some_and(|id| entry.id.as_deref().is_some_and(|url| url != id));
    if entry.method == Method::Put && other_id {
        return refuse("the id of the resource is not that of request.url");
    }
    // bdl: fullUrl must not disagree with the id in the resource; urn: URLs say nothing of it.
    let tail = entry.full_url.as_deref().and_then(local_tail);
    if let (Some(tail), Some(id)) = (tail, resource.id())
        && tail != format!("{}/{id}", resource.resource_type())
    {
        return refuse("fullUrl disagrees with the type or id of the resource");
    }
    Ok(())
}
