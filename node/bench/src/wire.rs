//! Callers over sockets, one connection each: HL7 v2 over MLLP and FHIR over HTTP.

use crate::http::{self, Connection, code_in};
use crate::load::Caller;
use crate::local::{Crowd, Share};
use crate::people::{SOURCE, patient_key};
use crate::vitals::vital;
use chrono::{DateTime, SecondsFormat, Utc};
use node_env::Clock;
use std::io;
use std::sync::Arc;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const FRAME_START: u8 = 0x0b;
const FRAME_END: [u8; 2] = [0x1c, 0x0d];
/// Bytes of one acknowledgement.
const ACK_BYTES_MAX: usize = 64 * 1024;

/// Sends results as HL7 v2 over MLLP and waits for each acknowledgement.
pub struct MllpCaller {
    address: String,
    clock: Arc<dyn Clock>,
    stream: Option<TcpStream>,
    share: Share,
    name: String,
    calls: u64,
    /// OBX segments of a message.
    results: u32,
    received: Vec<u8>,
}

impl MllpCaller {
    /// Callers with `results` OBX segments in each message.
    #[must_use]
    pub fn crowd(address: &str, clock: &Arc<dyn Clock>, crowd: &Crowd, results: u32) -> Vec<Self> {
        crowd.make(|index, share| Self {
            address: address.to_owned(),
            clock: Arc::clone(clock),
            stream: None,
            share,
            name: format!("{:x}-{index:x}", crowd.run),
            calls: 0,
            results: results.max(1),
            received: Vec::new(),
        })
    }

    fn message(&mut self) -> Vec<u8> {
        let (patient, turn) = self.share.next_turn();
        let now = wall(&self.clock).format("%Y%m%d%H%M%S%.3f+0000").to_string();
        let mut text = format!(
            "MSH|^~\\&|MONITOR|{SOURCE}|MEDULLA|NODE|{now}||ORU^R01^ORU_R01|{}-{:x}|P|2.5.1\r\
             PID|1||{patient:08}^^^{SOURCE}^MR\rOBR|1|||85353-1^Vital signs^LN|||{now}\r",
            self.name, self.calls
        );
        for index in 0..self.results {
            let (measure, value) =
                vital(patient, turn * u64::from(self.results) + u64::from(index));
            let code = measure.loinc().unwrap_or_default();
            let unit = measure.unit();
            let set = index + 1;
            text.push_str(&format!(
                "OBX|{set}|NM|{code}^{}^LN||{value}|{unit}|||||F|||{now}\r",
                measure.label()
            ));
        }
        self.calls += 1;
        let mut frame = Vec::with_capacity(text.len() + 3);
        frame.push(FRAME_START);
        frame.extend_from_slice(text.as_bytes());
        frame.extend_from_slice(&FRAME_END);
        frame
    }

    async fn exchange(&mut self) -> io::Result<()> {
        let frame = self.message();
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(&self.address).await?,
        };
        stream.write_all(&frame).await?;
        self.received.clear();
        while !self.received.ends_with(&FRAME_END) {
            if stream.read_buf(&mut self.received).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if self.received.len() > ACK_BYTES_MAX {
                return Err(io::ErrorKind::InvalidData.into());
            }
        }
        self.stream = Some(stream);
        Ok(())
    }
}

impl Caller for MllpCaller {
    async fn call(&mut self) -> Result<u32, String> {
        self.exchange().await.map_err(|error| connection_code(&error))?;
        let text = String::from_utf8_lossy(&self.received);
        let Some(place) = text.find("\rMSA|") else { return Err("mllp-no-msa".to_owned()) };
        match text.get(place + 5..place + 7) {
            Some("AA") => Ok(1),
            other => {
                let code = code_in(&text);
                Err(code.unwrap_or_else(|| format!("mllp-{}", other.unwrap_or_default())))
            }
        }
    }
}

/// Posts a FHIR Observation and waits until it is created.
pub struct FhirCaller {
    address: String,
    clock: Arc<dyn Clock>,
    connection: Option<Connection>,
    share: Share,
}

impl FhirCaller {
    /// Callers that share the patients between them.
    #[must_use]
    pub fn crowd(address: &str, clock: &Arc<dyn Clock>, crowd: &Crowd) -> Vec<Self> {
        crowd.make(|_, share| Self {
            address: address.to_owned(),
            clock: Arc::clone(clock),
            connection: None,
            share,
        })
    }

    fn request(&mut self) -> Vec<u8> {
        let (patient, turn) = self.share.next_turn();
        let (measure, value) = vital(patient, turn);
        let code = measure.loinc().unwrap_or_default();
        let unit = measure.unit();
        let now = wall(&self.clock).to_rfc3339_opts(SecondsFormat::Millis, true);
        let body = format!(
            "{{\"resourceType\":\"Observation\",\"status\":\"final\",\"category\":[{{\"coding\":[\
             {{\"system\":\"http://terminology.hl7.org/CodeSystem/observation-category\",\
             \"code\":\"vital-signs\"}}]}}],\"code\":{{\"coding\":[{{\"system\":\
             \"http://loinc.org\",\"code\":\"{code}\"}}]}},\"subject\":{{\"reference\":\
             \"Patient/{}\"}},\"effectiveDateTime\":\"{now}\",\"valueQuantity\":{{\"value\":\
             {value},\"unit\":\"{unit}\",\"system\":\"http://unitsofmeasure.org\",\
             \"code\":\"{unit}\"}}}}",
            patient_key(patient)
        );
        http::send("POST", "/fhir/Observation", "application/fhir+json", &body)
    }
}

impl Caller for FhirCaller {
    async fn call(&mut self) -> Result<u32, String> {
        let request = self.request();
        let answer = exchange(&self.address, &mut self.connection, &request).await?;
        if answer.status == 201 { Ok(1) } else { Err(answer.code()) }
    }
}

/// Reads live states over HTTP, one after the other.
pub struct HttpReader {
    address: String,
    connection: Option<Connection>,
    share: Share,
}

impl HttpReader {
    /// Callers that share the patients between them.
    #[must_use]
    pub fn crowd(address: &str, crowd: &Crowd) -> Vec<Self> {
        crowd.make(|_, share| Self { address: address.to_owned(), connection: None, share })
    }
}

impl Caller for HttpReader {
    async fn call(&mut self) -> Result<u32, String> {
        let (patient, _) = self.share.next_turn();
        let request = http::get(&format!("/api/v1/patients/{}", patient_key(patient)));
        let answer = exchange(&self.address, &mut self.connection, &request).await?;
        if answer.status == 200 { Ok(1) } else { Err(answer.code()) }
    }
}

async fn exchange(
    address: &str,
    kept: &mut Option<Connection>,
    request: &[u8],
) -> Result<http::Answer, String> {
    let work = async {
        let mut connection = match kept.take() {
            Some(connection) => connection,
            None => Connection::open(address).await?,
        };
        let answer = connection.exchange(request).await?;
        *kept = Some(connection);
        Ok(answer)
    };
    work.await.map_err(|error: io::Error| connection_code(&error))
}

async fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

fn connection_code(error: &io::Error) -> String {
    format!("connection: {}", error.kind())
}

fn wall(clock: &Arc<dyn Clock>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(clock.wall_unix_micros()).unwrap_or_default()
}
