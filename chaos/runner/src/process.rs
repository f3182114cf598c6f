//! A node as a process: started, killed, started again on the same data and ports.

use crate::http;
use anyhow::{Context, Result, bail};
use std::fs::{File, OpenOptions};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

const READY_SECONDS_MAX: u64 = 60;

/// A node that can be killed and started again.
pub(crate) struct NodeProcess {
    binary: PathBuf,
    wrapper: Vec<String>,
    /// Further options of `serve`.
    options: Vec<String>,
    data: PathBuf,
    log: File,
    pub(crate) mllp: SocketAddr,
    pub(crate) http: SocketAddr,
    child: Option<Child>,
}

/// The binary under test: given, or beside this one.
pub(crate) fn binary(given: Option<&Path>) -> Result<PathBuf> {
    let path = match given {
        Some(path) => path.to_path_buf(),
        None => std::env::current_exe()?.with_file_name("medulla"),
    };
    if !path.is_file() {
        bail!("{} is missing: cargo build --release -p node-medulla", path.display());
    }
    Ok(path)
}

/// A port that nobody listens on, below those that the system gives to connections: one of these
/// could be gone when a node wants it.
pub(crate) fn free_address() -> Result<SocketAddr> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let first = u16::try_from(std::process::id() % 9_000)?;
    for _ in 0..1_000 {
        let port = 20_000 + (first + NEXT.fetch_add(1, Ordering::Relaxed)) % 12_000;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            return Ok(listener.local_addr()?);
        }
    }
    bail!("no free port")
}

#[expect(clippy::disallowed_methods, reason = "chaos measures real processes in real time")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "chaos waits for real processes")]
pub(crate) fn pause(duration: Duration) {
    std::thread::sleep(duration);
}

impl NodeProcess {
    /// A node that does not run yet. `wrapper` is put before the binary (`strace ...`).
    pub(crate) fn new(binary: PathBuf, data: &Path, wrapper: Vec<String>) -> Result<Self> {
        let path = data.with_extension("log");
        let log = OpenOptions::new().create(true).append(true).open(path)?;
        let (mllp, http) = (free_address()?, free_address()?);
        let (options, data, child) = (Vec::new(), data.to_path_buf(), None);
        Ok(Self { binary, wrapper, options, data, log, mllp, http, child })
    }

    /// The same node with further options.
    pub(crate) fn with_options(mut self, options: Vec<String>) -> Self {
        self.options = options;
        self
    }

    /// Starts the node; does not wait.
    pub(crate) fn start(&mut self) -> Result<()> {
        let mut words = self.wrapper.clone();
        words.push(self.binary.display().to_string());
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).arg("serve").arg("--insecure-dev");
        command.arg("--data").arg(&self.data);
        command.arg("--mllp").arg(self.mllp.to_string());
        command.arg("--http").arg(self.http.to_string());
        command.args(&self.options);
        command.stdin(Stdio::null()).stdout(self.log.try_clone()?).stderr(self.log.try_clone()?);
        self.child = Some(command.spawn().context("the node could not be started")?);
        Ok(())
    }

    /// Waits until the node says that it is ready; gives the time that took.
    pub(crate) fn wait_ready(&mut self) -> Result<Duration> {
        let begin = now();
        while begin.elapsed() < Duration::from_secs(READY_SECONDS_MAX) {
            if http::get(self.http, "/ready").is_ok_and(|response| response.status == 200) {
                return Ok(begin.elapsed());
            }
            if let Some(child) = &mut self.child
                && let Some(status) = child.try_wait()?
            {
                let said = self.last_line();
                bail!("the node ended while it started: {status}: {said}");
            }
            pause(Duration::from_millis(5));
        }
        bail!("the node was not ready within {READY_SECONDS_MAX} s")
    }

    /// What the node said last.
    fn last_line(&self) -> String {
        let text = std::fs::read_to_string(self.data.with_extension("log"));
        let said = text.ok().and_then(|text| text.lines().last().map(str::to_owned));
        said.unwrap_or_else(|| "it said nothing".to_owned())
    }

    /// kill -9.
    pub(crate) fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Sends a signal, for example `STOP`.
    pub(crate) fn signal(&self, name: &str) -> Result<()> {
        let child = self.child.as_ref().context("the node does not run")?;
        let target = child_of(child.id(), !self.wrapper.is_empty()).to_string();
        Command::new("kill").args([&format!("-{name}"), &target]).status()?;
        Ok(())
    }

    /// SIGTERM, and the exit status.
    pub(crate) fn terminate(&mut self) -> Result<ExitStatus> {
        self.signal("TERM")?;
        let child = self.child.as_mut().context("the node does not run")?;
        let status = child.wait()?;
        self.child = None;
        Ok(status)
    }

    /// Whether the process is still there.
    pub(crate) fn is_running(&mut self) -> Result<bool> {
        match &mut self.child {
            Some(child) => Ok(child.try_wait()?.is_none()),
            None => Ok(false),
        }
    }

    /// Runs another command of the binary and gives its last line of output as JSON.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Result<serde_json::Value> {
        let output = Command::new(&self.binary).args(arguments).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let last = text.lines().last().context("no output")?;
        serde_json::from_str(last).context("last line is not JSON")
    }
}

/// With a wrapper the node is the wrapper's only child.
fn child_of(process: u32, is_wrapped: bool) -> u32 {
    if !is_wrapped {
        return process;
    }
    let path = format!("/proc/{process}/task/{process}/children");
    let children = std::fs::read_to_string(path).unwrap_or_default();
    children.split_whitespace().next().and_then(|id| id.parse().ok()).unwrap_or(process)
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        if self.kill().is_err() {
            eprintln!("a node process could not be ended");
        }
    }
}
