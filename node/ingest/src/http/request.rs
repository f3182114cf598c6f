//! What a request says beside its body: who asks, for what purpose, with which parameters; and
//! how a body is read within its bounds.

use crate::gateway::Caller;
use crate::http::app::{App, BUDGET_UNIT_BYTES};
use crate::http::error::ApiError;
use crate::http::guard::{is_fhir, refusal};
use crate::http::limits::{HEADER_BYTES_MAX, REFUSED_PREFIX_BYTES_MAX, RETRY_AFTER_MS};
use axum::body::Body;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, Uri, header};
use axum::response::Response;
use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use schema_types::error_code::ErrorCode;
use schema_types::ids::PrincipalId;
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

const PRINCIPAL: &str = "x-medulla-principal";
const PURPOSE: &str = "x-medulla-purpose";
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Who asks when nobody says; only development listeners take requests without authentication.
const ANONYMOUS: &str = "dev:anonymous";
/// The purpose of a FHIR request that states none.
const FHIR_PURPOSE: &str = "TREAT";

/// A request without its body.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) caller: Caller,
    /// The command id that the caller chose.
    pub(crate) key: Option<String>,
    /// Decoded query parameters, in order.
    pub(crate) pairs: Vec<(String, String)>,
}

impl<S: Send + Sync> FromRequestParts<S> for Asked {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Response> {
        Self::of(parts).map_err(|error| refusal(parts.uri.path(), error))
    }
}

impl Asked {
    fn of(parts: &Parts) -> Result<Self, ApiError> {
        let text = |name| header_text(&parts.headers, name);
        let principal = text(PRINCIPAL)?.unwrap_or(ANONYMOUS).to_owned();
        let default_purpose = if is_fhir(parts.uri.path()) { FHIR_PURPOSE } else { "" };
        let purpose = text(PURPOSE)?.unwrap_or(default_purpose).to_owned();
        let key = text(IDEMPOTENCY_KEY)?.filter(|key| !key.is_empty()).map(str::to_owned);
        Ok(Self {
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            caller: Caller { principal: PrincipalId::new(principal), purpose },
            key,
            pairs: pairs_of(&parts.uri)?,
        })
    }

    /// The value of a query parameter.
    pub(crate) fn parameter(&self, name: &str) -> Option<&str> {
        self.pairs.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    /// Refuses query parameters that are not in `known`.
    ///
    /// # Errors
    /// [`ErrorCode::BadRequest`] for the first one.
    pub(crate) fn only(&self, known: &[&str]) -> Result<(), ApiError> {
        match self.pairs.iter().find(|(name, _)| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(_) => Err(ApiError::bad_request("a query parameter is not supported")),
        }
    }

    /// A whole number among the query parameters.
    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, ApiError> {
        let Some(text) = self.parameter(name) else { return Ok(None) };
        let number = text.parse().map_err(|_| {
            ApiError::bad_request(format!("query parameter {name} is not a whole number"))
        })?;
        Ok(Some(number))
    }

    /// How many items a listing may have.
    pub(crate) fn limit(&self, default: usize, max: usize) -> Result<usize, ApiError> {
        let limit = self
            .number("limit")?
            .map_or(default, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(limit.clamp(1, max))
    }

    pub(crate) fn header(&self, name: impl header::AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// The text of a header that stays short and printable.
fn header_text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, ApiError> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().ok().filter(|text| text.len() <= HEADER_BYTES_MAX);
    let text = text.ok_or_else(|| ApiError::bad_request(format!("header {name} is malformed")))?;
    Ok(Some(text.trim()))
}

/// The decoded query parameters of a URI.
fn pairs_of(uri: &Uri) -> Result<Vec<(String, String)>, ApiError> {
    Query::try_from_uri(uri)
        .map(|Query(pairs)| pairs)
        .map_err(|_| ApiError::bad_request("the query is malformed"))
}

/// The decoded parameters of a query or form on its own.
///
/// # Errors
/// [`ErrorCode::BadRequest`] when it is malformed.
pub(crate) fn pairs(query: &str) -> Result<Vec<(String, String)>, ApiError> {
    let malformed = || ApiError::bad_request("the query is malformed");
    let uri = Uri::builder().path_and_query(format!("/?{query}")).build();
    pairs_of(&uri.map_err(|_| malformed())?)
}

/// A body in memory, with its share of the memory that all bodies may take.
pub(crate) struct Received {
    pub(crate) bytes: Bytes,
    _budget: Vec<OwnedSemaphorePermit>,
}

impl From<Bytes> for Received {
    /// A short prefix, for which no share of the memory is kept.
    fn from(bytes: Bytes) -> Self {
        Self { bytes, _budget: Vec::new() }
    }
}

/// Why a body was not read to its end.
pub(crate) enum BodyRefused {
    /// It is larger than the limit; its beginning.
    TooLarge(Bytes),
    /// No room, or the connection broke.
    Failed(ApiError),
}

/// Reads a body of at most `bytes_max`. Of a larger one only a short prefix is ever held when its
/// length is announced; otherwise reading stops at the limit.
pub(crate) async fn receive(
    app: &Arc<App>,
    headers: &HeaderMap,
    body: Body,
    bytes_max: usize,
) -> Result<Received, BodyRefused> {
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<usize>().ok());
    let is_too_large = announced.is_some_and(|length| length > bytes_max);
    let wanted_max = if is_too_large { REFUSED_PREFIX_BYTES_MAX } else { bytes_max };
    let mut budget = Vec::new();
    let mut held = BytesMut::new();
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let failed = |error: ApiError| BodyRefused::Failed(error);
        let data = chunk.map_err(|_| failed(ApiError::bad_request("the body was cut off")))?;
        let units = u32::try_from(data.len().div_ceil(BUDGET_UNIT_BYTES)).unwrap_or(u32::MAX);
        let share = Arc::clone(&app.body_budget).try_acquire_many_owned(units);
        let overloaded = |_| failed(ApiError::overloaded("request bodies", RETRY_AFTER_MS));
        budget.push(share.map_err(overloaded)?);
        held.extend_from_slice(&data);
        if held.len() > wanted_max || (is_too_large && held.len() == wanted_max) {
            held.truncate(REFUSED_PREFIX_BYTES_MAX);
            return Err(BodyRefused::TooLarge(held.freeze()));
        }
    }
    if is_too_large {
        return Err(BodyRefused::TooLarge(held.freeze()));
    }
    app.metrics.count_body(held.len());
    Ok(Received { bytes: held.freeze(), _budget: budget })
}

/// Reads a body of a path where a larger one is only refused.
pub(crate) async fn receive_small(
    app: &Arc<App>,
    headers: &HeaderMap,
    body: Body,
) -> Result<Received, ApiError> {
    let bytes_max = app.gateway.limits.body_bytes_max;
    receive(app, headers, body, bytes_max).await.map_err(|refused| match refused {
        BodyRefused::TooLarge(_) => {
            ApiError::new(ErrorCode::FhirTooLarge, "the body is larger than the limit")
        }
        BodyRefused::Failed(error) => error,
    })
}
