//! What reaches a collector: the spans of real requests, and nothing of the patients in them.

use super::*;
use crate::client::http::{Answer, Base};
use crate::environment;
use bytes::BytesMut;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use node_app::{NodeConfig, assemble};
use serde_json::Value;
use std::convert::Infallible;
use std::sync::Mutex;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// In every place of a message where a patient may be.
const CANARY: &str = "ZZCANARY";

/// A collector: keeps the bodies that it is sent.
#[derive(Default)]
struct Collector {
    bodies: Mutex<Vec<Bytes>>,
}

impl Collector {
    async fn start(self: &Arc<Self>, status: StatusCode) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let collector = Arc::clone(self);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let collector = Arc::clone(&collector);
                let answer = move |request: Request<Incoming>| {
                    let collector = Arc::clone(&collector);
                    async move {
                        assert_eq!(request.uri().path(), TRACES_PATH);
                        assert_eq!(request.headers()["content-type"], "application/json");
                        let body = request.into_body().collect().await.unwrap().to_bytes();
                        collector.bodies.lock().unwrap().push(body);
                        let mut response = Response::new(Full::new(Bytes::from("{}")));
                        *response.status_mut() = status;
                        Ok::<_, Infallible>(response)
                    }
                };
                let serving = hyper::server::conn::http1::Builder::new();
                let serving = serving.serve_connection(TokioIo::new(stream), service_fn(answer));
                tokio::spawn(async move { drop(serving.await) });
            }
        });
        url
    }

    fn text(&self) -> String {
        let bodies = self.bodies.lock().unwrap();
        bodies.iter().map(|body| String::from_utf8(body.to_vec()).unwrap()).collect()
    }

    fn spans(&self) -> Vec<Value> {
        let bodies = self.bodies.lock().unwrap();
        let read = bodies.iter().flat_map(|body| {
            let body: Value = serde_json::from_slice(body).unwrap();
            body["resourceSpans"][0]["scopeSpans"][0]["spans"].as_array().unwrap().clone()
        });
        read.collect()
    }
}

fn message() -> String {
    format!(
        "MSH|^~\\&|LIS{CANARY}|H{CANARY}|MEDULLA|H|20260601||ORU^R01^ORU_R01|C{CANARY}|P|2.5.1\r\
         PID|1||P{CANARY}^^^H^MR||{CANARY}^{CANARY}\rOBR|1|||2823-3^Potassium^LN|||202606011000\r\
         OBX|1|NM|2823-3^Potassium^LN||4.1|mmol/L^^UCUM|||||F|||202606011000\r"
    )
}

async fn send_mllp(address: std::net::SocketAddr, message: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(format!("\x0b{message}\x1c\r").as_bytes()).await.unwrap();
    let mut answer = BytesMut::new();
    while !answer.ends_with(b"\x1c\r") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0, "an answer");
    }
    String::from_utf8(answer.to_vec()).unwrap()
}

async fn put_patient(http: std::net::SocketAddr) -> Answer {
    let identity =
        Identity { principal: Some(format!("nurse:{CANARY}")), purpose: Some("TREAT".to_owned()) };
    let client = Http::new(Base::parse(&format!("http://{http}")).unwrap(), identity);
    let body = serde_json::json!({
        "resourceType": "Patient",
        "id": format!("p{CANARY}"),
        "identifier": [{ "system": format!("urn:{CANARY}"), "value": CANARY }],
        "name": [{ "family": CANARY }],
    });
    let path = format!("/fhir/Patient/p{CANARY}");
    let mut question = Question::new(Method::PUT, path, Bytes::from(body.to_string()));
    question.content_type = "application/fhir+json";
    client.ask(question).await.unwrap()
}

fn section(otlp: String) -> TelemetrySection {
    TelemetrySection { otlp, traces_per_million: MILLION }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_the_spans_of_requests_and_nothing_of_patients() {
    let collector = Arc::new(Collector::default());
    let url = collector.start(StatusCode::OK).await;
    let folder = tempfile::tempdir().unwrap();
    let outside = environment::real();
    let (tracer, telemetry) = section(url).start(&outside, "node-7").unwrap();
    let free = Some("127.0.0.1:0".to_owned());
    let config = NodeConfig {
        tracer: tracer.clone(),
        mllp: free.clone(),
        http: free,
        ..NodeConfig::new(folder.path().join("data"))
    };
    let node = Box::pin(assemble(outside, config)).await.unwrap();
    let answer = send_mllp(node.mllp_address().unwrap(), &message()).await;
    assert!(answer.contains("|AA|") || answer.contains("MSA|CA"), "{answer}");
    let answer = put_patient(node.http_address().unwrap()).await;
    assert!((200..300).contains(&answer.status), "{answer:?}");
    node.stop().await;
    telemetry.unwrap().finish().await;

    let text = collector.text();
    assert!(!text.contains("CANARY"), "PHI-1: {text}");
    assert!(!text.to_lowercase().contains(&CANARY.to_lowercase()), "PHI-1: {text}");
    assert!(text.contains("node-7"));
    let spans = collector.spans();
    for root in ["mllp.message", "http.request"] {
        let root = spans.iter().find(|span| span["name"] == root).unwrap();
        let part_of = |parent: &Value, name: &str| {
            let found = spans.iter().find(|span| {
                span["name"] == name
                    && span["parentSpanId"] == parent["spanId"]
                    && span["traceId"] == parent["traceId"]
            });
            found.unwrap_or_else(|| panic!("no {name} in {parent}: {text}")).clone()
        };
        let submit = part_of(root, "entity.submit");
        part_of(&submit, "store.commit");
    }
    let counts = tracer.counts().unwrap();
    assert_eq!((counts.exported, counts.dropped, counts.lost), (counts.recorded, 0, 0));
    assert_eq!(u64::try_from(spans.len()).unwrap(), counts.exported);
}

#[tokio::test]
async fn what_a_collector_refuses_is_counted_and_gone() {
    let collector = Arc::new(Collector::default());
    let url = collector.start(StatusCode::SERVICE_UNAVAILABLE).await;
    let (tracer, telemetry) = section(url).start(&environment::real(), "a").unwrap();
    for _ in 0..3 {
        drop(tracer.request(node_env::trace::Operation::RpcCall, None).unwrap());
    }
    telemetry.unwrap().finish().await;
    let counts = tracer.counts().unwrap();
    assert_eq!((counts.recorded, counts.exported, counts.lost), (3, 0, 3));
    assert_eq!(collector.spans().len(), 3);
}

#[tokio::test]
async fn nothing_is_traced_unless_it_is_asked_for() {
    let (tracer, telemetry) = TelemetrySection::default().start(&environment::real(), "a").unwrap();
    assert!(!tracer.is_on() && telemetry.is_none());
    for wrong in ["https://h:4318", "h:4318", "grpc://h"] {
        assert!(section(wrong.to_owned()).start(&environment::real(), "a").is_err(), "{wrong}");
    }
    let too_many = TelemetrySection { traces_per_million: MILLION + 1, ..Default::default() };
    assert!(too_many.start(&environment::real(), "a").is_err());
}
