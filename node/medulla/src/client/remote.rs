//! The operators' interface of a node: JSON in, JSON out, refusals as failures with their codes.

use crate::client::http::{Answer, Base, Http, Identity, NoAnswer, Question};
use crate::failure::Failure;
use bytes::Bytes;
use hyper::Method;
use serde_json::Value;

/// Which node, and who asks; for commands with a usual purpose.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Remote {
    /// Address of the node
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    pub(crate) to: String,
    /// Purpose of use, for example TREAT or HOPERAT (HL7 v3 PurposeOfUse); it is audited
    #[arg(long, value_name = "P")]
    pub(crate) purpose: Option<String>,
    /// Who asks; it is audited
    #[arg(long, value_name = "NAME")]
    pub(crate) principal: Option<String>,
}

/// Which node, who asks and what for; for commands that show a patient's data.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RemoteWithPurpose {
    /// Address of the node
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8080")]
    to: String,
    /// Purpose of use, for example TREAT or HOPERAT (HL7 v3 PurposeOfUse); it is audited
    #[arg(long, value_name = "P")]
    purpose: String,
    /// Who asks; it is audited
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
}

/// A node's operators' interface.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    pub(crate) http: Http,
}

impl Remote {
    /// The node, for a purpose that the command usually has.
    pub(crate) fn api(self, usual_purpose: &str) -> Result<Api, Failure> {
        let purpose = self.purpose.unwrap_or_else(|| usual_purpose.to_owned());
        Api::new(&self.to, self.principal, purpose)
    }
}

impl RemoteWithPurpose {
    pub(crate) fn api(self) -> Result<Api, Failure> {
        Api::new(&self.to, self.principal, self.purpose)
    }
}

impl Api {
    pub(crate) fn new(
        url: &str,
        principal: Option<String>,
        purpose: String,
    ) -> Result<Self, Failure> {
        let identity = Identity { principal, purpose: Some(purpose) };
        Ok(Self { http: Http::new(Base::parse(url)?, identity) })
    }

    /// `GET`.
    pub(crate) async fn get(&self, path: impl Into<String>) -> Result<Value, Failure> {
        self.ask(Question::get(path)).await
    }

    /// `POST` of a JSON object.
    pub(crate) async fn post(&self, path: String, body: &Value) -> Result<Value, Failure> {
        let body = if body.is_null() { Bytes::new() } else { Bytes::from(body.to_string()) };
        self.ask(Question::new(Method::POST, path, body)).await
    }

    /// Any request whose answer is JSON.
    pub(crate) async fn ask(&self, question: Question) -> Result<Value, Failure> {
        let answer = self.http.ask(question).await.map_err(|error| self.unreachable(&error))?;
        if (200..300).contains(&answer.status) {
            if answer.body.is_empty() {
                return Ok(Value::Null);
            }
            let malformed = |_| Failure::failed("the answer of the node is not JSON");
            return serde_json::from_slice(&answer.body).map_err(malformed);
        }
        Err(refusal(&answer))
    }

    /// Every item of a listing, page by page; `name` is its key.
    pub(crate) async fn list(
        &self,
        path: &str,
        parameters: &[(&str, Option<String>)],
        name: &str,
    ) -> Result<Vec<Value>, Failure> {
        let mut items = Vec::new();
        let mut after = None;
        loop {
            let mut parameters = parameters.to_vec();
            parameters.push(("after", after.take()));
            let page = self.get(crate::client::http::with_query(path, &parameters)).await?;
            items.extend(page.get(name).and_then(Value::as_array).cloned().unwrap_or_default());
            after = match page.get("next") {
                Some(Value::String(token)) => Some(token.clone()),
                Some(Value::Number(token)) => Some(token.to_string()),
                _ => return Ok(items),
            };
        }
    }

    pub(crate) fn unreachable(&self, error: &NoAnswer) -> Failure {
        let base = self.http.base();
        Failure::failed(format!("{base}: {error} (is `medulla serve` running there?)"))
    }
}

/// What the node says of a refusal.
pub(crate) fn refusal(answer: &Answer) -> Failure {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    let text = |name: &str| {
        let found = body.get("error").and_then(|error| error.get(name));
        found.and_then(Value::as_str).map(str::to_owned)
    };
    let message = text("message").unwrap_or_else(|| format!("HTTP status {}", answer.status));
    Failure::Failed { code: text("code"), message }
}
