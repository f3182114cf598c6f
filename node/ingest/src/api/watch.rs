//! `GET /api/v1/alerts/watch`: changes of alerts, and of scores if wanted, as server-sent events.

use super::access::admit;
use super::json::{alert, score};
use crate::feed::{self, Change, Watch};
use crate::http::ApiError;
use crate::http::app::App;
use crate::http::limits::RETRY_AFTER_MS;
use crate::http::request::Asked;
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use std::convert::Infallible;
use std::sync::Arc;

/// The handler.
pub(crate) async fn get_watch(State(app): State<Arc<App>>, asked: Asked) -> Response {
    watch(&app, &asked).await.unwrap_or_else(ApiError::into_json)
}

async fn watch(app: &Arc<App>, asked: &Asked) -> Result<Response, ApiError> {
    asked.only(&["scores"])?;
    let scores = match asked.parameter("scores") {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(ApiError::bad_request("scores is true or false")),
    };
    let place = Arc::clone(&app.watchers).try_acquire_owned();
    let place = place.map_err(|_| ApiError::overloaded("watchers", RETRY_AFTER_MS))?;
    admit(app, asked, app.gateway.facility("alerts"), "watch-alerts").await?;
    let wanted = Watch { caller: asked.caller.clone(), scores };
    let changes = feed::watch(app.gateway.clone(), wanted);
    // The place is given back when the client is gone and the stream with it.
    let state = (changes, place);
    let events = futures::stream::unfold(state, |(mut changes, place)| async move {
        let change = changes.recv().await?;
        Some((Ok::<Event, Infallible>(event(&change)), (changes, place)))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()).into_response())
}

fn event(change: &Change) -> Event {
    match change {
        Change::Alert(patient, one) => data(&alert(patient, one)),
        Change::Score(patient, one) => {
            let mut shown = score(one);
            if let Some(map) = shown.as_object_mut() {
                map.insert("patient".to_owned(), Value::from(patient.key()));
            }
            data(&json!({ "score": shown }))
        }
        Change::Lagged => data(&json!({ "lagged": true })).event("lagged"),
        Change::Failed(error) => {
            let error = json!({ "code": error.code().as_str(), "message": error.to_string() });
            data(&json!({ "error": error })).event("error")
        }
    }
}

fn data(value: &Value) -> Event {
    Event::default().data(value.to_string())
}
