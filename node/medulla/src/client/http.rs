//! A small HTTP/1.1 client with kept connections, on hyper, which the node's own HTTP server brings
//! along anyway. Plain text only: TLS comes with the security work.

use crate::failure::Failure;
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use hyper::{Method, Request, Response, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use std::time::Duration;

/// Time that an answer may take, seconds.
const ANSWER_SECONDS_MAX: u64 = 120;
/// Time that a connection may take to open, seconds.
const CONNECT_SECONDS_MAX: u64 = 10;
/// Bytes of one answer.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Where a node listens: `http://host:port` and perhaps a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Base {
    authority: String,
    /// Without a slash at the end.
    path: String,
}

impl Base {
    /// Reads a URL.
    ///
    /// # Errors
    /// [`Failure::Usage`] when it is not an `http` URL.
    pub(crate) fn parse(url: &str) -> Result<Self, Failure> {
        let wrong = |what: &str| Failure::usage(format!("{what}: {url}"));
        let uri: Uri = url.parse().map_err(|_| wrong("not a URL"))?;
        match uri.scheme_str() {
            Some("http") => {}
            Some("https") => return Err(wrong("https comes with the security work; use http")),
            _ => return Err(wrong("the URL must begin with http://")),
        }
        let authority = uri.authority().ok_or_else(|| wrong("the URL names no host"))?;
        let path = uri.path().trim_end_matches('/').to_owned();
        Ok(Self { authority: authority.to_string(), path })
    }

    /// The path of the URL, without a slash at the end.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    fn uri(&self, path: &str) -> Result<Uri, hyper::http::Error> {
        Uri::builder().scheme("http").authority(&*self.authority).path_and_query(path).build()
    }
}

impl std::fmt::Display for Base {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "http://{}", self.authority)
    }
}

/// Who asks, and what for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) principal: Option<String>,
    pub(crate) purpose: Option<String>,
}

/// A request to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) method: Method,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) content_type: &'static str,
    /// The command's name, so that a repeat has no second effect.
    pub(crate) key: Option<String>,
    pub(crate) body: Bytes,
}

impl Question {
    pub(crate) fn get(path: impl Into<String>) -> Self {
        Self::new(Method::GET, path, Bytes::new())
    }

    pub(crate) fn new(method: Method, path: impl Into<String>, body: Bytes) -> Self {
        let content_type = "application/json";
        Self { method, path: path.into(), content_type, key: None, body }
    }
}

/// What came back.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// A header's text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Whether the same request may be taken later.
    pub(crate) fn is_transient(&self) -> bool {
        matches!(self.status, 429 | 503)
    }

    /// When the node wants to be asked again.
    pub(crate) fn retry_after(&self) -> Option<Duration> {
        let text = self.headers.get(RETRY_AFTER)?.to_str().ok()?;
        text.trim().parse().ok().map(Duration::from_secs)
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum NoAnswer {
    /// The request cannot be written: a path or header that HTTP does not allow.
    Malformed,
    /// No connection, or it broke.
    Unreachable(String),
    /// It took too long.
    Late,
}

impl std::fmt::Display for NoAnswer {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed => formatter.write_str("the request cannot be written"),
            Self::Unreachable(reason) => write!(formatter, "no answer: {reason}"),
            Self::Late => write!(formatter, "no answer in {ANSWER_SECONDS_MAX} seconds"),
        }
    }
}

/// A client of one node. Cheap to clone; clones share connections.
#[derive(Debug, Clone)]
pub(crate) struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    base: Base,
    identity: Identity,
}

impl Http {
    pub(crate) fn new(base: Base, identity: Identity) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        connector.set_connect_timeout(Some(Duration::from_secs(CONNECT_SECONDS_MAX)));
        let client = Client::builder(TokioExecutor::new()).build(connector);
        Self { client, base, identity }
    }

    pub(crate) const fn base(&self) -> &Base {
        &self.base
    }

    /// Sends a request and reads the whole answer.
    pub(crate) async fn ask(&self, question: Question) -> Result<Answer, NoAnswer> {
        let work = async {
            let response = self.open(question).await?;
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await;
            let body = body.map_err(|error| NoAnswer::Unreachable(error.to_string()))?.to_bytes();
            Ok(Answer { status: parts.status.as_u16(), headers: parts.headers, body })
        };
        let patience = Duration::from_secs(ANSWER_SECONDS_MAX);
        tokio::time::timeout(patience, work).await.unwrap_or(Err(NoAnswer::Late))
    }

    /// Sends a request; the body of the answer is read by the caller.
    pub(crate) async fn open(&self, question: Question) -> Result<Response<Incoming>, NoAnswer> {
        let request = self.request(question).map_err(|_| NoAnswer::Malformed)?;
        self.client.request(request).await.map_err(|error| NoAnswer::Unreachable(reason(&error)))
    }

    fn request(&self, question: Question) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let Question { method, path, content_type, key, body } = question;
        let mut request = Request::new(Full::new(body));
        *request.uri_mut() = self.base.uri(&path)?;
        *request.method_mut() = method;
        let headers = request.headers_mut();
        headers.insert("content-type", HeaderValue::from_static(content_type));
        let named = [
            ("x-medulla-principal", self.identity.principal.as_deref()),
            ("x-medulla-purpose", self.identity.purpose.as_deref()),
            ("idempotency-key", key.as_deref()),
        ];
        for (name, value) in named {
            if let Some(value) = value {
                headers.insert(HeaderName::from_static(name), HeaderValue::from_str(value)?);
            }
        }
        Ok(request)
    }
}

/// The innermost cause, which says what happened.
fn reason(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

/// Text as one segment of a path or one value of a query.
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// A path with a query of those parameters that have a value.
pub(crate) fn with_query(path: &str, parameters: &[(&str, Option<String>)]) -> String {
    let mut whole = path.to_owned();
    let present = parameters.iter().filter_map(|(name, value)| Some((name, value.as_ref()?)));
    for (index, (name, value)) in present.enumerate() {
        whole.push(if index == 0 { '?' } else { '&' });
        whole.push_str(&format!("{name}={}", encoded(value)));
    }
    whole
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_read_and_others_refused() {
        let base = Base::parse("http://127.0.0.1:8080/fhir/").unwrap();
        assert_eq!((base.to_string().as_str(), base.path()), ("http://127.0.0.1:8080", "/fhir"));
        assert_eq!(Base::parse("http://h").unwrap().path(), "");
        for wrong in ["https://h/", "mllp://h:1", "h:8080", "", "http://"] {
            assert!(matches!(Base::parse(wrong), Err(Failure::Usage { .. })), "{wrong}");
        }
    }

    #[test]
    fn paths_are_encoded() {
        assert_eq!(encoded("A|b/ü c"), "A%7Cb%2F%C3%BC%20c");
        let query = [("from", Some("a+b".to_owned())), ("to", None), ("n", Some("1".to_owned()))];
        assert_eq!(with_query("/x", &query), "/x?from=a%2Bb&n=1");
        assert_eq!(with_query("/x", &[("to", None)]), "/x");
    }
}
