//! Transaction, batch and collection Bundles as a plan of entries: checked, ordered, with
//! references between entries rewritten once ids are assigned. Nothing is executed here.

mod references;
mod request;
mod response;

pub use references::Resolution;
pub use request::{Method, Target};
pub use response::{EntryResponse, response_bundle};

use crate::error::FhirError;
use crate::etag;
use crate::limits::Limits;
use crate::path::Path;
use crate::reference::Reference;
use crate::resource::Resource;
use crate::validate;
use schema_types::error_code::ErrorCode;
use serde_json::Value;
use std::collections::BTreeSet;

/// The kinds of Bundle that `POST /fhir` processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BundleKind {
    /// All or nothing.
    Transaction,
    /// Each entry on its own.
    Batch,
    /// No requests: each entry is stored on its own, by PUT if it has an id, else by POST.
    Collection,
}

/// One entry to execute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its place in `Bundle.entry`.
    pub index: usize,
    /// `fullUrl` as sent.
    pub full_url: Option<String>,
    /// What to do.
    pub method: Method,
    /// What to do it to.
    pub target: Target,
    /// The search of `ifNoneExist`: create only when it finds nothing.
    pub if_none_exist: Option<String>,
    /// The version of `ifMatch`.
    pub if_match: Option<u64>,
    /// The body.
    pub resource: Option<Resource>,
    /// The logical id that the entry ends up with: from the URL, or assigned.
    pub id: Option<String>,
}

impl Entry {
    /// The FHIR type that the entry concerns, if it names one.
    #[must_use]
    pub const fn resource_type(&self) -> Option<&'static str> {
        self.target.resource_type()
    }

    fn path(&self) -> String {
        format!("Bundle.entry[{}]", self.index)
    }

    /// What no other entry of a transaction may change too: `Type/id`, `Type?query`.
    fn identities(&self) -> Vec<String> {
        let Some(name) = self.target.resource_type() else { return Vec::new() };
        let by_id = self.id.as_ref().map(|id| format!("{name}/{id}"));
        let query = match &self.target {
            Target::Conditional { query, .. } => Some(query),
            Target::Type(_) => self.if_none_exist.as_ref(),
            Target::Instance { .. } | Target::Other(_) => None,
        };
        by_id.into_iter().chain(query.map(|query| format!("{name}?{query}"))).collect()
    }
}

/// A Bundle made ready for execution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BundlePlan {
    /// What kind of Bundle it is.
    pub kind: BundleKind,
    /// How many entries were sent.
    pub entries_total: usize,
    /// Sound entries in the order sent.
    pub entries: Vec<Entry>,
    /// Refused entries of a batch or collection: index and first problem. Empty for transactions.
    pub refused: Vec<(usize, FhirError)>,
}

impl BundlePlan {
    /// Reads and validates a Bundle with all its resources; no separate
    /// [`Resource::validate`] is needed.
    ///
    /// # Errors
    /// `MED-FHIR-007` when it is no Bundle of a kind that is processed; for transactions also every
    /// problem of every entry. A batch or collection keeps the problems of entries in
    /// [`BundlePlan::refused`].
    pub fn parse(bundle: Resource, limits: &Limits) -> Result<Self, Vec<FhirError>> {
        let kind = kind_of(&bundle).map_err(|problem| vec![problem])?;
        let mut bundle = bundle;
        let mut sent = Vec::new();
        bundle.change(|map| {
            if let Some(Value::Array(entries)) = map.shift_remove("entry") {
                sent = entries;
            }
        });
        let problems = bundle.validate();
        if !problems.is_empty() {
            return Err(problems);
        }
        let entries_total = sent.len();
        if entries_total > limits.bundle_entries_max {
            return Err(vec![FhirError::new(
                ErrorCode::FhirTooLarge,
                "Bundle.entry",
                "more entries than the limit",
            )]);
        }
        let mut plan = Self { kind, entries_total, entries: Vec::new(), refused: Vec::new() };
        let mut problems = Vec::new();
        for (index, entry) in sent.into_iter().enumerate() {
            match plan.entry(index, entry) {
                Ok(entry) => plan.entries.push(entry),
                Err(found) => problems.push((index, found)),
            }
        }
        if kind == BundleKind::Transaction {
            let mut all: Vec<FhirError> = problems.into_iter().flat_map(|(_, list)| list).collect();
            all.extend(plan.repeated_identities());
            return if all.is_empty() { Ok(plan) } else { Err(all) };
        }
        plan.refused = problems
            .into_iter()
            .filter_map(|(index, list)| Some((index, list.into_iter().next()?)))
            .collect();
        Ok(plan)
    }

    /// The positions in [`BundlePlan::entries`] in the order in which FHIR executes them: DELETE,
    /// POST, PUT and PATCH, GET for a transaction; as sent otherwise.
    #[must_use]
    pub fn execution_order(&self) -> Vec<usize> {
        let mut order: Vec<usize> = (0..self.entries.len()).collect();
        if self.kind == BundleKind::Transaction {
            order.sort_by_key(|position| self.entries[*position].method.rank());
        }
        order
    }

    /// Gives every entry that needs one its id: `assign` answers with the id for a POST, or for a
    /// conditional PUT or DELETE the id that its search found (or a new one for PUT).
    ///
    /// # Errors
    /// The problems that `assign` reports, and two entries of a transaction that end up at the
    /// same resource; entries of a batch are moved to [`BundlePlan::refused`] instead.
    pub fn assign_ids(
        &mut self,
        assign: &mut dyn FnMut(&Entry) -> Result<String, FhirError>,
    ) -> Result<(), Vec<FhirError>> {
        let mut problems = Vec::new();
        for entry in &mut self.entries {
            if entry.id.is_some() || !entry.target.needs_id(entry.method) {
                continue;
            }
            match assign(entry) {
                Ok(id) => entry.id = Some(id),
                Err(problem) => problems.push((entry.index, problem)),
            }
        }
        if self.kind == BundleKind::Transaction {
            let mut all: Vec<FhirError> = problems.into_iter().map(|(_, one)| one).collect();
            all.extend(self.repeated_identities());
            return if all.is_empty() { Ok(()) } else { Err(all) };
        }
        self.refuse(problems);
        Ok(())
    }

    /// Moves entries to the refused ones.
    fn refuse(&mut self, problems: Vec<(usize, FhirError)>) {
        let gone: BTreeSet<usize> = problems.iter().map(|(index, _)| *index).collect();
        self.entries.retain(|entry| !gone.contains(&entry.index));
        self.refused.extend(problems);
        self.refused.sort_by_key(|(index, _)| *index);
    }

    fn entry(&self, index: usize, mut value: Value) -> Result<Entry, Vec<FhirError>> {
        let root = Path::root("Bundle");
        let list = root.child("entry");
        let place = list.item(index);
        let body = value.as_object_mut().and_then(|map| map.shift_remove("resource"));
        // Without its resource the entry may look empty; bdl-5 is judged below.
        let empty = value.as_object().is_none_or(serde_json::Map::is_empty);
        if !(empty && body.is_some()) {
            let rest = match &body {
                Some(_) => with_stub(&value),
                None => value.clone(),
            };
            stop(validate::part("Bundle.entry", &rest, &place))?;
        }
        let resource = match body {
            None => None,
            Some(body) => {
                stop(validate::nested_resource(&body, &place.child("resource")))?;
                Some(Resource::from_value(body).map_err(|problem| vec![problem])?)
            }
        };
        request::entry(self.kind, index, &value, resource).map_err(|problem| vec![problem])
    }

    /// Entries that change the same resource, or whose fullUrl names another entry.
    fn repeated_identities(&self) -> Vec<FhirError> {
        let changing = || self.entries.iter().filter(|entry| entry.method.changes());
        let mut identities = BTreeSet::new();
        let mut urls = BTreeSet::new();
        let mut problems = Vec::new();
        let mut refuse = |entry: &Entry, reason: &str| {
            problems.push(FhirError::new(ErrorCode::FhirBundle, &entry.path(), reason));
        };
        for entry in changing() {
            if entry.identities().into_iter().any(|identity| !identities.insert(identity)) {
                refuse(entry, "another entry of the transaction changes the same resource");
            }
            if entry.full_url.as_ref().is_some_and(|url| !urls.insert(url)) {
                refuse(entry, "another entry has the same fullUrl");
            }
        }
        for entry in changing().filter(|entry| entry.method == Method::Post && entry.id.is_none()) {
            let named = entry.full_url.as_deref().and_then(local_tail);
            if named.is_some_and(|named| identities.contains(&named)) {
                refuse(entry, "fullUrl is the URL of a resource that another entry changes");
            }
        }
        problems
    }
}

fn stop(problems: Vec<FhirError>) -> Result<(), Vec<FhirError>> {
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// The entry with a token resource, so that `bdl-5` sees that there is one.
fn with_stub(entry: &Value) -> Value {
    let mut entry = entry.clone();
    if let Some(map) = entry.as_object_mut() {
        map.insert("resource".to_owned(), serde_json::json!({ "resourceType": "Parameters" }));
    }
    entry
}

fn kind_of(bundle: &Resource) -> Result<BundleKind, FhirError> {
    let refuse = |reason: &str| FhirError::new(ErrorCode::FhirBundle, "Bundle.type", reason);
    if bundle.resource_type() != "Bundle" {
        return Err(FhirError::new(ErrorCode::FhirBundle, "", "the body is not a Bundle"));
    }
    match bundle.get("type").and_then(Value::as_str) {
        Some("transaction") => Ok(BundleKind::Transaction),
        Some("batch") => Ok(BundleKind::Batch),
        Some("collection") => Ok(BundleKind::Collection),
        Some(_) => Err(refuse("only transaction, batch and collection are processed")),
        None => Err(refuse("Bundle.type is missing")),
    }
}

/// The version of `ifMatch` in an entry or of an `If-Match` header.
///
/// # Errors
/// `MED-FHIR-005` when it is not one weak entity tag with a number: no version of ours has such.
pub fn if_match_version(text: &str, path: &str) -> Result<u64, FhirError> {
    let reason = "the entity tag is not of the form W/\"version\"";
    etag::parse(text).ok_or_else(|| FhirError::new(ErrorCode::FhirVersionConflict, path, reason))
}

/// Where a reference between entries would point: `Type/id` of a RESTful URL.
fn local_tail(url: &str) -> Option<String> {
    match Reference::from_text(url) {
        Reference::Local { resource_type, id } | Reference::Absolute { resource_type, id, .. } => {
            Some(format!("{resource_type}/{id}"))
        }
        Reference::Urn(_)
        | Reference::Conditional { .. }
        | Reference::Contained(_)
        | Reference::Identifier { .. }
        | Reference::Other(_) => None,
    }
}
