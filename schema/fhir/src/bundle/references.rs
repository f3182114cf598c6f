//! References between the entries of a Bundle: `urn:uuid:` and other fullUrls become `Type/id`, and
//! conditional references are put to the caller. Narrative is never touched.

use super::{BundleKind, BundlePlan, Method, local_tail};
use crate::error::FhirError;
use crate::path::Path;
use crate::reference::Reference;
use schema_types::error_code::ErrorCode;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The answer to a conditional reference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Resolution {
    /// It points at this `Type/id`.
    Found(String),
    /// Leave it as sent.
    Keep,
    /// It must resolve and does not (or not to one resource): a problem of the entry.
    Missing,
}

struct Rewrite<'a> {
    /// fullUrl, or `Type/id` as sent, to `Type/id` as stored.
    targets: BTreeMap<String, String>,
    /// Only fullUrls: what a plain `url` may be compared with.
    urls: BTreeSet<String>,
    strict: bool,
    conditional: &'a mut dyn FnMut(&'static str, &str) -> Resolution,
    problems: Vec<FhirError>,
}

impl BundlePlan {
    /// Points every reference to an entry at the id that the entry got, and sets the ids in the
    /// resources. Call after [`BundlePlan::assign_ids`]. `conditional` is asked for each
    /// reference of the form `Type?query`.
    ///
    /// # Errors
    /// For a transaction every `urn:` reference without entry and every conditional reference
    /// answered [`Resolution::Missing`] (`MED-FHIR-008`); entries of a batch or collection with
    /// such a conditional reference are moved to [`BundlePlan::refused`].
    pub fn rewrite_references(
        &mut self,
        conditional: &mut dyn FnMut(&'static str, &str) -> Resolution,
    ) -> Result<(), Vec<FhirError>> {
        let (targets, urls) = self.targets();
        let strict = self.kind == BundleKind::Transaction;
        let mut rewrite = Rewrite { targets, urls, strict, conditional, problems: Vec::new() };
        let mut refused: Vec<(usize, FhirError)> = Vec::new();
        let mut problems = Vec::new();
        for entry in &mut self.entries {
            let (index, id) = (entry.index, entry.id.clone());
            let Some(resource) = entry.resource.as_mut() else { continue };
            let root = Path::root("Bundle");
            let list = root.child("entry");
            let place = list.item(index);
            let place = place.child("resource");
            resource.change(|map| rewrite.object(map, &place));
            if let Some(id) = id {
                resource.set_id(&id);
            }
            let found = std::mem::take(&mut rewrite.problems);
            if strict {
                problems.extend(found);
            } else if let Some(first) = found.into_iter().next() {
                refused.push((index, first));
            }
        }
        self.refuse(refused);
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    fn targets(&self) -> (BTreeMap<String, String>, BTreeSet<String>) {
        let mut targets = BTreeMap::new();
        let mut urls = BTreeSet::new();
        for entry in &self.entries {
            let (Some(name), Some(id)) = (entry.resource_type(), &entry.id) else { continue };
            let stored = format!("{name}/{id}");
            if let Some(url) = &entry.full_url {
                targets.insert(url.clone(), stored.clone());
                urls.insert(url.clone());
            }
            // An own id counts as a name for other entries unless fullUrl is a urn.
            let sent = match &entry.full_url {
                Some(url) => local_tail(url),
                None => {
                    let sent = entry.resource.as_ref().and_then(|resource| resource.id());
                    sent.map(|id| format!("{name}/{id}"))
                }
            };
            if entry.method == Method::Put {
                targets.insert(stored.clone(), stored.clone());
            }
            if let Some(sent) = sent {
                targets.entry(sent).or_insert(stored);
            }
        }
        (targets, urls)
    }
}

impl Rewrite<'_> {
    fn object(&mut self, map: &mut serde_json::Map<String, Value>, path: &Path<'_>) {
        for (name, value) in map.iter_mut() {
            let place = path.child(name);
            match (name.as_str(), value) {
                ("reference", Value::String(text)) => self.reference(text, &place),
                ("url", Value::String(text)) => {
                    if self.urls.contains(text)
                        && let Some(stored) = self.targets.get(text)
                    {
                        text.clone_from(stored);
                    }
                }
                (_, value) => self.value(value, &place),
            }
        }
    }

    fn value(&mut self, value: &mut Value, path: &Path<'_>) {
        if let Some(map) = value.as_object_mut() {
            self.object(map, path);
        } else if let Some(items) = value.as_array_mut() {
            for (index, item) in items.iter_mut().enumerate() {
                self.value(item, &path.item(index));
            }
        }
    }

    fn reference(&mut self, text: &mut String, path: &Path<'_>) {
        let (whole, fragment) = match text.split_once('#') {
            Some((whole, fragment)) if !whole.is_empty() => (whole, Some(fragment)),
            Some(_) | None => (text.as_str(), None),
        };
        let plain = whole.split_once("/_history/").map_or(whole, |(plain, _)| plain);
        if let Some(stored) = self.targets.get(plain) {
            if stored != plain {
                *text = match fragment {
                    Some(fragment) => format!("{stored}#{fragment}"),
                    None => stored.clone(),
                };
            }
            return;
        }
        let problem = match Reference::from_text(text) {
            Reference::Urn(_) if self.strict => {
                Some("no entry of the transaction has this fullUrl")
            }
            Reference::Conditional { resource_type, query } => {
                match (self.conditional)(resource_type, &query) {
                    Resolution::Found(stored) => {
                        *text = stored;
                        None
                    }
                    Resolution::Keep => None,
                    Resolution::Missing => Some("the conditional reference does not resolve"),
                }
            }
            Reference::Urn(_)
            | Reference::Local { .. }
            | Reference::Absolute { .. }
            | Reference::Contained(_)
            | Reference::Identifier { .. }
            | Reference::Other(_) => None,
        };
        if let Some(reason) = problem {
            let place = path.to_string();
            self.problems.push(FhirError::new(ErrorCode::FhirReference, &place, reason));
        }
    }
}
