//! An MLLP client: one message, one acknowledgement, in order, over a connection that is opened
//! again when it breaks. What an acknowledgement means is read here too.

use crate::client::delivery::Fate;
use crate::client::retry;
use schema_hl7::mllp::{END_BLOCK, FrameDecoder, START_BLOCK, encode_frame};
use std::io;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Time that an acknowledgement may take, seconds.
const ANSWER_SECONDS_MAX: u64 = 120;
/// Bytes of one acknowledgement.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;
const READ_BYTES: usize = 16 * 1024;

/// What an acknowledgement says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Verdict {
    Accepted,
    /// Taken before; no second effect.
    Duplicate,
    /// Kept for a person to look at; the code of the reason.
    Quarantined(String),
    /// Not taken now; the same bytes may be taken later.
    Later(String),
    /// Not taken and not kept.
    Refused(String),
}

/// A client of one MLLP listener.
#[derive(Debug)]
pub(crate) struct Mllp {
    address: String,
    stream: Option<TcpStream>,
}

impl Mllp {
    /// A client that connects when it first sends; `address` is `host:port`.
    pub(crate) const fn new(address: String) -> Self {
        Self { address, stream: None }
    }

    /// Sends one message and says what became of it. Waits and tries again when the node is busy
    /// or the connection breaks; a repeat of what was taken already has no second effect.
    pub(crate) async fn deliver(&mut self, message: &[u8]) -> Fate {
        let mut tried = 0;
        loop {
            let verdict = match self.exchange(message).await {
                Ok(answer) => verdict(&answer),
                Err(error) => {
                    self.stream = None;
                    Verdict::Later(format!("connection: {}", error.kind()))
                }
            };
            let reason = match verdict {
                Verdict::Accepted => return Fate::Accepted,
                Verdict::Duplicate => return Fate::Duplicate,
                Verdict::Quarantined(code) => return Fate::Quarantined(code),
                Verdict::Refused(reason) => return Fate::Failed(reason),
                Verdict::Later(reason) => reason,
            };
            let Some(wait) = retry::wait_before(tried, None) else { return Fate::Failed(reason) };
            tried += 1;
            tokio::time::sleep(wait).await;
        }
    }

    async fn exchange(&mut self, message: &[u8]) -> io::Result<Vec<u8>> {
        let patience = Duration::from_secs(ANSWER_SECONDS_MAX);
        let has_framing = message.iter().any(|byte| matches!(*byte, START_BLOCK | END_BLOCK));
        if has_framing {
            let answers = timeout(patience, self.exchange_alone(message)).await??;
            return worst(answers).ok_or_else(|| io::ErrorKind::UnexpectedEof.into());
        }
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => connect(&self.address).await?,
        };
        let (stream, answer) = timeout(patience, exchange(stream, message)).await??;
        self.stream = Some(stream);
        Ok(answer)
    }

    /// Bytes that contain framing get a connection of their own, since they may be answered more
    /// than once.
    async fn exchange_alone(&mut self, message: &[u8]) -> io::Result<Vec<Vec<u8>>> {
        let mut stream = connect(&self.address).await?;
        stream.write_all(&encode_frame(message)).await?;
        stream.shutdown().await?;
        let mut received = Vec::new();
        let limit = u64::try_from(ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
        stream.take(limit).read_to_end(&mut received).await?;
        let mut decoder = FrameDecoder::new(ANSWER_BYTES_MAX);
        decoder.push(&received);
        Ok(decoder.filter_map(Result::ok).map(|frame| frame.bytes.into_exposed()).collect())
    }
}

async fn connect(address: &str) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

async fn exchange(mut stream: TcpStream, message: &[u8]) -> io::Result<(TcpStream, Vec<u8>)> {
    stream.write_all(&encode_frame(message)).await?;
    let mut decoder = FrameDecoder::new(ANSWER_BYTES_MAX);
    let mut input = vec![0; READ_BYTES];
    loop {
        let read = stream.read(&mut input).await?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        decoder.push(&input[..read]);
        match decoder.next() {
            None => {}
            Some(Ok(frame)) => return Ok((stream, frame.bytes.into_exposed())),
            Some(Err(_)) => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Of several answers the one that says the least good.
fn worst(answers: Vec<Vec<u8>>) -> Option<Vec<u8>> {
    let rank = |answer: &Vec<u8>| match verdict(answer) {
        Verdict::Accepted => 0,
        Verdict::Duplicate => 1,
        Verdict::Quarantined(_) => 2,
        Verdict::Later(_) => 3,
        Verdict::Refused(_) => 4,
    };
    answers.into_iter().max_by_key(rank)
}

/// Reads an acknowledgement. The node says in ERR or MSA-3 where it kept what it did not take, and
/// its own code, whatever the version.
pub(crate) fn verdict(answer: &[u8]) -> Verdict {
    // An answer in a wide character set is still this text with zeros between.
    let plain: Vec<u8> = answer.iter().copied().filter(|byte| *byte != 0).collect();
    let text = String::from_utf8_lossy(&plain);
    let mut segments = text.split(['\r', '\n']);
    let Some(said) = segments.find(|segment| segment.starts_with("MSA")) else {
        return Verdict::Refused("no MSA in the answer".to_owned());
    };
    let separator = said.chars().nth(3).unwrap_or('|');
    let mut fields = said.split(separator);
    let code = code_in(&text).unwrap_or_else(|| "no code".to_owned());
    match fields.nth(1).unwrap_or_default() {
        "AA" | "CA" if fields.nth(1).is_some_and(|note| note.contains("duplicate")) => {
            Verdict::Duplicate
        }
        "AA" | "CA" => Verdict::Accepted,
        _ if text.contains("quarantine") => Verdict::Quarantined(code),
        _ if code.starts_with("MED-NODE-") => Verdict::Later(code),
        _ => Verdict::Refused(code),
    }
}

/// The first stable code in a text.
pub(crate) fn code_in(text: &str) -> Option<String> {
    let rest = text.get(text.find("MED-")?..)?;
    let is_code = |character: char| character.is_ascii_uppercase() || character.is_ascii_digit();
    let end = rest.find(|character: char| !is_code(character) && character != '-');
    let code = rest.get(..end.unwrap_or(rest.len()))?;
    Some(code.trim_end_matches('-').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn acknowledgements_are_read() {
        let head = "MSH|^~\\&|MEDULLA|N|S|F|20260101||ACK^A01^ACK|1|P|2.5.1\r";
        let kept = "MSA|AE|1\rERR||PID^1^3|101^Required field missing^HL70357|E|\
                    MED-HL7-009^missing; quarantine 7^L";
        let old = "MSA|AE|1|MED-HL7-006 at MSH-9: not supported; quarantine 12\r";
        let busy = "MSA|AR|1\rERR|||207^Application internal error^HL70357|E|\
                    MED-NODE-001^retry: no room^L";
        let cases = [
            ("MSA|AA|1\r".to_owned(), Verdict::Accepted),
            ("MSA|AA|1|duplicate\r".to_owned(), Verdict::Duplicate),
            (kept.to_owned(), Verdict::Quarantined("MED-HL7-009".to_owned())),
            (old.to_owned(), Verdict::Quarantined("MED-HL7-006".to_owned())),
            (busy.to_owned(), Verdict::Later("MED-NODE-001".to_owned())),
            (
                "MSA|AE|1|MED-HL7-010 at PID\r".to_owned(),
                Verdict::Refused("MED-HL7-010".to_owned()),
            ),
            ("PID|1".to_owned(), Verdict::Refused("no MSA in the answer".to_owned())),
        ];
        for (body, expected) in cases {
            assert_eq!(verdict(format!("{head}{body}").as_bytes()), expected, "{body}");
        }
        let wide: Vec<u8> = "MSA|AA|1\r".bytes().flat_map(|byte| [byte, 0]).collect();
        assert_eq!(verdict(&wide), Verdict::Accepted);
    }

    #[test]
    fn other_delimiters_are_read_from_the_answer() {
        assert_eq!(verdict(b"MSH#^~\\&#\rMSA#AA#1\r"), Verdict::Accepted);
    }
}
