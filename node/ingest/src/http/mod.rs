//! The HTTP gateway: one router for health, metrics, FHIR and the operators' API, and the loop that
//! serves it. What the paths do is in `crate::fhir` and `crate::api`.

pub(crate) mod app;
pub mod error;
mod guard;
mod health;
pub mod limits;
mod listener;
pub(crate) mod metrics;
pub(crate) mod request;
pub mod status;

pub use error::ApiError;
pub use status::NodeStatus;

use crate::gateway::Gateway;
use app::App;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::Uri;
use axum::response::Response;
use axum::routing::get;
use listener::Accepting;
use node_env::Listener;
use schema_types::error_code::ErrorCode;
use std::future::{Future, IntoFuture};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// The whole HTTP interface of a node.
pub fn router(gateway: Gateway, status: NodeStatus) -> Router {
    let app = App::new(gateway, status);
    Router::new()
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/metrics", get(metrics::metrics))
        .merge(crate::fhir::routes())
        .merge(crate::api::routes())
        .fallback(unknown_path)
        .method_not_allowed_fallback(unknown_method)
        // Bodies are bounded where they are read, with an answer of our own.
        .layer(DefaultBodyLimit::disable())
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), guard::guard))
        .with_state(app)
}

/// Serves until `ending` resolves, then waits for the requests in work, but not for those who
/// only watch: at most [`limits::SHUTDOWN_GRACE_MS`].
///
/// # Errors
/// What the listener fails with.
pub async fn serve(
    listener: Box<dyn Listener>,
    router: Router,
    ending: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let (ended, has_ended) = oneshot::channel();
    let ending = async move {
        ending.await;
        // The other end is gone only when nobody serves any more.
        let _nobody_serves = ended.send(());
    };
    let served = axum::serve(Accepting(listener), router).with_graceful_shutdown(ending);
    let grace = async move {
        if has_ended.await.is_err() {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(limits::SHUTDOWN_GRACE_MS)).await;
    };
    tokio::select! {
        result = served.into_future() => result,
        () = grace => Ok(()),
    }
}

async fn unknown_path(uri: Uri) -> Response {
    let code =
        if guard::is_fhir(uri.path()) { ErrorCode::FhirInteraction } else { ErrorCode::BadRequest };
    let error = ApiError::new(code, "there is nothing at this path").with_status(404);
    guard::refusal(uri.path(), error)
}

async fn unknown_method(uri: Uri) -> Response {
    let code =
        if guard::is_fhir(uri.path()) { ErrorCode::FhirInteraction } else { ErrorCode::BadRequest };
    let error = ApiError::new(code, "the method is not supported here").with_status(405);
    guard::refusal(uri.path(), error)
}
