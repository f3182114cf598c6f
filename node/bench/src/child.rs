//! Other processes of this binary: a node that can be killed, a writer that can be cut off. They
//! are killed when their handle is dropped.

use crate::error::BenchError;
use crate::http::{self, Connection};
use node_env::Clock;
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

/// Time that a process may take until it says its line, seconds.
const LINE_SECONDS_MAX: u64 = 3_600;
/// Bytes of that line.
const LINE_BYTES_MAX: u64 = 64 * 1024;
/// Tries to get an answer from a node that starts, each a millisecond apart.
const READY_TRIES_MAX: u32 = 120_000;

/// A process of this binary.
pub struct Process {
    child: Child,
    output: Option<BufReader<ChildStdout>>,
    /// When it was started, by the clock's monotonic reading.
    pub started_at: u64,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    /// Starts the binary with arguments.
    ///
    /// # Errors
    /// [`BenchError::Outside`].
    pub fn start(
        program: &Path,
        arguments: &[String],
        clock: &Arc<dyn Clock>,
    ) -> Result<Self, BenchError> {
        let started_at = clock.monotonic_micros();
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn();
        let mut child = child.map_err(|error| BenchError::outside("child process", error))?;
        let output = child.stdout.take().map(BufReader::new);
        Ok(Self { child, output, started_at })
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// SIGKILL, and waits for the end.
    pub fn kill(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }

    /// Waits until it ended by itself.
    ///
    /// # Errors
    /// [`BenchError::Outside`] when it failed.
    pub async fn ended(&mut self) -> Result<(), BenchError> {
        // Its output closes when it ends.
        while self.line().await.is_ok() {}
        match self.child.wait() {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(BenchError::outside("child process", status)),
            Err(error) => Err(BenchError::outside("child process", error)),
        }
    }

    /// The next line that it prints.
    ///
    /// # Errors
    /// [`BenchError::Outside`] when it ended or says nothing.
    pub async fn line(&mut self) -> Result<String, BenchError> {
        let failed = |reason: &str| BenchError::outside("child process", reason);
        let mut output = self.output.take().ok_or_else(|| failed("its output is gone"))?;
        let reading = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            let result = (&mut output).take(LINE_BYTES_MAX).read_line(&mut line);
            (output, result.map(|_| line))
        });
        let patience = Duration::from_secs(LINE_SECONDS_MAX);
        let read = tokio::time::timeout(patience, reading).await;
        let (output, line) = read
            .map_err(|_| failed("it says nothing"))?
            .map_err(|error| BenchError::outside("child process", error))?;
        self.output = Some(output);
        let line = line.map_err(|error| BenchError::outside("child process", error))?;
        if line.is_empty() { Err(failed("it ended")) } else { Ok(line.trim_end().to_owned()) }
    }
}

/// A node in a process of its own.
pub struct ServedNode {
    /// The process.
    pub process: Process,
    /// Where it listens, by the name of the protocol.
    pub addresses: BTreeMap<String, String>,
    /// Time from process start until it says that it is ready, microseconds.
    pub ready_micros: u64,
}

impl ServedNode {
    /// Starts `serve` on a data directory and waits until `/ready` says so. `addresses` of an
    /// earlier node are taken again.
    ///
    /// # Errors
    /// [`BenchError::Outside`].
    pub async fn start(
        program: &Path,
        data: &Path,
        clock: &Arc<dyn Clock>,
        addresses: &BTreeMap<String, String>,
    ) -> Result<Self, BenchError> {
        let address =
            |name: &str| addresses.get(name).cloned().unwrap_or_else(|| "127.0.0.1:0".to_owned());
        let data = data.display().to_string();
        let (mllp, http) = (address("mllp"), address("http"));
        let arguments =
            ["serve", "--insecure-dev", "--data", &data, "--mllp", &mllp, "--http", &http];
        let mut process = Process::start(program, &arguments.map(str::to_owned), clock)?;
        let line = process.line().await?;
        let words = line.split_whitespace().filter_map(|word| word.split_once('='));
        let addresses = words.map(|(name, at)| (name.to_owned(), at.to_owned())).collect();
        let mut node = Self { process, addresses, ready_micros: 0 };
        node.answer("/ready").await?;
        node.ready_micros = clock.monotonic_micros().saturating_sub(node.process.started_at);
        Ok(node)
    }

    /// An address.
    ///
    /// # Errors
    /// [`BenchError::Outside`] when it does not listen there.
    pub fn address(&self, name: &str) -> Result<&str, BenchError> {
        let address = self.addresses.get(name).map(String::as_str);
        address.ok_or_else(|| BenchError::outside("child process", "it does not listen"))
    }

    /// Asks until the answer is 200; gives the body.
    ///
    /// # Errors
    /// [`BenchError::Outside`] when it never is.
    pub async fn answer(&self, path: &str) -> Result<Vec<u8>, BenchError> {
        let address = self.address("http")?;
        let mut last = "no answer".to_owned();
        for _ in 0..READY_TRIES_MAX {
            let work = async { Connection::open(address).await?.exchange(&http::get(path)).await };
            match work.await {
                Ok(answer) if answer.status == 200 => return Ok(answer.body),
                Ok(answer) => last = answer.code(),
                Err(error) => last = error.to_string(),
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err(BenchError::outside("node", last))
    }
}
