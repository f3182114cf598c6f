//! The FHIR R4 interface: handlers that read the request, call one interaction and put its result
//! into HTTP. Meaning of resources is in `schema-fhir`, decisions are in the entities.

mod bundle;
mod bundle_entries;
mod bundle_names;
mod conditional;
pub(crate) mod exchange;
mod index;
mod people;
mod place;
mod plan;
pub(crate) mod read;
pub(crate) mod refuse;
mod respond;
pub(crate) mod search;
mod store;
mod stored;
mod take;
mod write;

pub(crate) use take::{Sent, replay, take};

use crate::http::ApiError;
use crate::http::app::App;
use crate::http::request::{self, Asked, BodyRefused};
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::{get, post};
use respond::{base_url, check_accept, resource_response};
use schema_fhir::capability::{ServerFacts, capability_statement};
use schema_fhir::primitive::is_id;
use schema_fhir::tables::resource_type;
use schema_types::clinical::ResourceKey;
use schema_types::error_code::ErrorCode;
use serde_json::{Value, json};
use std::sync::Arc;

/// The paths under `/fhir`.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/fhir", post(post_bundle))
        .route("/fhir/", post(post_bundle))
        .route("/fhir/metadata", get(get_metadata))
        .route("/fhir/{type}", get(get_search).post(post_create))
        .route("/fhir/{type}/_search", post(post_search))
        .route("/fhir/{type}/{id}", get(get_read).put(put_update).delete(delete_resource))
        .route("/fhir/{type}/{id}/_history/{version}", get(get_version))
}

type Answered = Result<Response, ApiError>;

fn finish(answered: Answered) -> Response {
    answered.unwrap_or_else(ApiError::into_fhir)
}

fn known_type(name: &str) -> Result<&'static str, ApiError> {
    resource_type(name).ok_or_else(|| {
        ApiError::new(ErrorCode::FhirResourceType, "the resource type is unknown to FHIR R4")
    })
}

fn key(name: &str, id: &str) -> Result<ResourceKey, ApiError> {
    let resource_type = known_type(name)?.to_owned();
    if !is_id(id) {
        return Err(ApiError::new(ErrorCode::FhirNotFound, "there is no such resource"));
    }
    Ok(ResourceKey { resource_type, id: id.to_owned() })
}

async fn get_metadata(State(app): State<Arc<App>>, asked: Asked) -> Response {
    finish(check_accept(&asked).map(|()| {
        let base_url = base_url(&app, &asked);
        let facts = ServerFacts {
            software_version: &app.status.version,
            base_url: &base_url,
            description: "Medulla node",
            started_at: app.status.started_at,
        };
        respond::json_response(200, &as_served(capability_statement(&facts)))
    }))
}

/// What this server does beyond what the parser of searches and bundles knows of.
fn as_served(mut statement: Value) -> Value {
    let resources = statement.pointer_mut("/rest/0/resource").and_then(Value::as_array_mut);
    for resource in resources.into_iter().flatten() {
        resource["conditionalCreate"] = Value::Bool(true);
        if let Some(interactions) = resource["interaction"].as_array_mut() {
            interactions.push(json!({ "code": "vread" }));
        }
    }
    statement
}

async fn get_read(
    State(app): State<Arc<App>>,
    Path((name, id)): Path<(String, String)>,
    asked: Asked,
) -> Response {
    finish(read_one(&app, &asked, (&name, &id), None).await)
}

async fn get_version(
    State(app): State<Arc<App>>,
    Path((name, id, version)): Path<(String, String, String)>,
    asked: Asked,
) -> Response {
    let Ok(version) = version.parse() else {
        let error = ApiError::new(ErrorCode::FhirNotFound, "there is no such version");
        return error.into_fhir();
    };
    finish(read_one(&app, &asked, (&name, &id), Some(version)).await)
}

async fn read_one(
    app: &Arc<App>,
    asked: &Asked,
    (name, id): (&str, &str),
    version: Option<u64>,
) -> Answered {
    check_accept(asked)?;
    respond::only_format(asked)?;
    let shown = read::read(&app.gateway, &asked.caller, key(name, id)?, version).await?;
    Ok(resource_response(200, &shown))
}

async fn get_search(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    asked: Asked,
) -> Response {
    let pairs = asked.pairs.clone();
    finish(search_type(&app, &asked, &name, pairs).await)
}

async fn post_search(
    State(app): State<Arc<App>>,
    Path(name): Path<String>,
    asked: Asked,
    body: Body,
) -> Response {
    finish(search_form(&app, &asked, &name, body).await)
}

async fn search_form(app: &Arc<App>, asked: &Asked, name: &str, body: Body) -> Answered {
    let media_type = asked.header("content-type").unwrap_or_default();
    let is_form = media_type.split(';').next().map(str::trim);
    if is_form != Some("application/x-www-form-urlencoded") {
        let reason = "a search is posted as application/x-www-form-urlencoded";
        return Err(ApiError::new(ErrorCode::FhirMediaType, reason));
    }
    let bytes_max = crate::http::limits::FORM_BYTES_MAX;
    let form = match request::receive(app, &asked.headers, body, bytes_max).await {
        Ok(received) => received.bytes,
        Err(BodyRefused::Failed(error)) => return Err(error),
        Err(BodyRefused::TooLarge(_)) => {
            return Err(ApiError::new(ErrorCode::FhirTooLarge, "the form is too large"));
        }
    };
    let form =
        std::str::from_utf8(&form).map_err(|_| ApiError::bad_request("the form is not UTF-8"))?;
    let mut pairs = asked.pairs.clone();
    pairs.extend(request::pairs(form)?);
    search_type(app, asked, name, pairs).await
}

async fn search_type(
    app: &Arc<App>,
    asked: &Asked,
    name: &str,
    pairs: Vec<(String, String)>,
) -> Answered {
    check_accept(asked)?;
    let base_url = base_url(app, asked);
    let (gateway, caller) = (&app.gateway, &asked.caller);
    let searcher = search::Searcher::new(gateway, caller, &base_url);
    let bundle = Box::pin(search::search(&searcher, known_type(name)?, &pairs)).await?;
    Ok(respond::json_response(200, &bundle))
}

async fn post_bundle(State(app): State<Arc<App>>, asked: Asked, body: Body) -> Response {
    write(&app, &asked, body).await
}

async fn post_create(State(app): State<Arc<App>>, asked: Asked, body: Body) -> Response {
    write(&app, &asked, body).await
}

async fn put_update(State(app): State<Arc<App>>, asked: Asked, body: Body) -> Response {
    write(&app, &asked, body).await
}

async fn delete_resource(State(app): State<Arc<App>>, asked: Asked) -> Response {
    write(&app, &asked, Body::empty()).await
}

/// Every write takes the same way, so that a replay from quarantine can take it too.
async fn write(app: &Arc<App>, asked: &Asked, body: Body) -> Response {
    if let Err(error) = check_accept(asked) {
        return error.into_fhir();
    }
    let base_url = base_url(app, asked);
    let bytes_max = app.gateway.limits.body_bytes_max;
    let received = request::receive(app, &asked.headers, body, bytes_max).await;
    let (received, is_cut) = match received {
        Ok(received) => (received, false),
        Err(BodyRefused::TooLarge(prefix)) => (prefix.into(), true),
        Err(BodyRefused::Failed(error)) => return error.into_fhir(),
    };
    let sent = Sent {
        method: asked.method.as_str().to_owned(),
        target: asked.uri.path_and_query().map_or("/", |target| target.as_str()).to_owned(),
        media_type: asked.header("content-type").map(str::to_owned),
        if_match: asked.header("if-match").map(str::to_owned),
        if_none_exist: asked.header("if-none-exist").map(str::to_owned),
        prefer: asked.header("prefer").map(str::to_owned),
        key: asked.key.clone(),
        caller: asked.caller.clone(),
        raw: received.bytes.clone(),
        is_cut,
    };
    let answered = Box::pin(take(app, sent, &base_url)).await;
    drop(received);
    finish(answered)
}
