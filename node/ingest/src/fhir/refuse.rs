//! Refused input of the FHIR interface goes into quarantine with the request that it came by, so
//! that it can be replayed through the same path.

use super::exchange::Exchange;
use crate::gateway::{Caller, Gateway};
use crate::http::ApiError;
use crate::quarantine::{self, Refused};
use schema_types::ids::SourceId;
use schema_types::phi::Phi;

/// The channel name of the FHIR interface in quarantine.
pub(crate) const CHANNEL: &str = "fhir";

/// Where refused bytes came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entrance {
    /// `POST` or `PUT`.
    pub(crate) method: String,
    /// The path and query, for example `/fhir/Patient/p1`.
    pub(crate) path: String,
}

impl Entrance {
    pub(crate) fn new(method: &str, path: &str) -> Self {
        Self { method: method.to_owned(), path: path.to_owned() }
    }

    /// The media type with the request as a parameter: what quarantine has room for.
    fn content_type(&self, media_type: &str) -> String {
        let plain = media_type.split(';').next().unwrap_or_default().trim();
        format!("{plain}; request=\"{} {}\"", self.method, self.path)
    }

    /// The request of a quarantined item.
    pub(crate) fn of(content_type: &str) -> Option<Self> {
        let (_, request) = content_type.split_once("; request=\"")?;
        let (method, path) = request.strip_suffix('"')?.split_once(' ')?;
        Some(Self::new(method, path))
    }
}

/// Keeps bytes that were refused for what they are; the answer then names the item. When they
/// cannot be kept, the answer says so instead, and the sender keeps them.
pub(crate) async fn keep(
    gateway: &Gateway,
    caller: &Caller,
    (source, entrance): (&SourceId, &Entrance),
    (raw, media_type): (&[u8], &str),
    mut error: ApiError,
) -> ApiError {
    if raw.is_empty() || !error.concerns_content() {
        return error;
    }
    let location = error.problems.first().map(|problem| problem.path.clone()).unwrap_or_default();
    let refused = Refused {
        source: source.clone(),
        channel: CHANNEL,
        code: error.code,
        reason: error.message.clone(),
        location,
        raw: Phi::new(raw.to_vec()),
        content_type: entrance.content_type(media_type),
    };
    match quarantine::keep(gateway, caller, refused).await {
        Ok(id) => {
            error.quarantine = Some(id);
            error
        }
        Err(failure) => failure.into(),
    }
}

/// Keeps one entry of a bundle as a bundle of its own.
pub(crate) async fn keep_entry(exchange: &Exchange, bundle: &[u8], error: ApiError) -> ApiError {
    let entrance = Entrance::new("POST", "/fhir");
    let place = (&exchange.source, &entrance);
    keep(&exchange.gateway, &exchange.caller, place, (bundle, "application/fhir+json"), error).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_survives_in_the_media_type() {
        let entrance = Entrance::new("PUT", "/fhir/Patient/p1?x=\"y\"");
        let content_type = entrance.content_type("application/fhir+json; charset=utf-8");
        assert!(content_type.starts_with("application/fhir+json; request="));
        assert_eq!(Entrance::of(&content_type), Some(entrance));
        assert_eq!(Entrance::of("application/json"), None);
    }
}
