//! PostgreSQL as Debian installs it, on a folder of its own and a Unix socket, with its usual
//! durability: each connection does `BEGIN`, one event, one audit row, `COMMIT`, with prepared
//! statements and one round trip per statement, as applications do. Started and stopped here; it
//! refuses to run as root, so then it runs as another user.

use super::RowBytes;
use crate::error::BenchError;
use crate::load::Caller;
use crate::process::Process;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tokio_postgres::{Client, NoTls, Statement};

/// Connections at most: each is a process of the server.
pub const CONNECTIONS_MAX: usize = 128;
/// Tries to reach a server that starts, each a tenth of a second apart.
const START_TRIES_MAX: u32 = 300;
/// How to install what is missing.
pub const INSTALL: &str = "PostgreSQL is not installed: apt-get install postgresql";

/// A server of our own.
pub struct Server {
    folder: tempfile::TempDir,
    programs: PathBuf,
    user: Option<(u32, u32)>,
    process: Child,
}

/// The folder of `initdb` and `postgres`, newest version first; `None` when not installed.
#[must_use]
pub fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<(u32, PathBuf)> = versions
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let version = entry.file_name().to_str()?.parse().ok()?;
            let programs = entry.path().join("bin");
            programs.join("initdb").exists().then_some((version, programs))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, programs)| programs)
}

impl Server {
    /// Makes a database cluster in a temporary folder and starts it. `None` when PostgreSQL is not
    /// installed.
    ///
    /// # Errors
    /// [`BenchError::Outside`].
    pub async fn start(connections: usize) -> Result<Option<Self>, BenchError> {
        let Some(programs) = programs() else { return Ok(None) };
        let failed = |error: io::Error| BenchError::outside("PostgreSQL", error);
        let folder = tempfile::Builder::new().prefix("medulla-bench-pg-").tempdir();
        let folder = folder.map_err(failed)?;
        let user = other_user().map_err(failed)?;
        if let Some((user, group)) = user {
            chown(folder.path(), Some(user), Some(group)).map_err(failed)?;
        }
        let data = folder.path().join("data");
        let mut initdb = command(&programs, "initdb", user, folder.path());
        initdb.arg("-D").arg(&data).args(["-A", "trust", "-U", "bench", "-E", "UTF8", "-N"]);
        let made = tokio::task::spawn_blocking(move || initdb.status()).await;
        match made {
            Ok(Ok(status)) if status.success() => {}
            Ok(Ok(status)) => return Err(BenchError::outside("initdb", status)),
            Ok(Err(error)) => return Err(failed(error)),
            Err(error) => return Err(BenchError::outside("initdb", error)),
        }
        let mut postgres = command(&programs, "postgres", user, folder.path());
        postgres.arg("-D").arg(&data).arg("-k").arg(folder.path());
        postgres.args(["-c", "listen_addresses=", "-c"]);
        postgres.arg(format!("max_connections={}", connections + 10));
        let process = postgres.spawn().map_err(failed)?;
        let server = Self { folder, programs, user, process };
        server.prepare().await?;
        Ok(Some(server))
    }

    async fn prepare(&self) -> Result<(), BenchError> {
        let mut tries = 0;
        let client = loop {
            match self.connect().await {
                Ok(client) => break client,
                Err(error) if tries == START_TRIES_MAX => {
                    return Err(BenchError::outside("PostgreSQL", error));
                }
                Err(_) => tries += 1,
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        };
        let tables = "CREATE TABLE event (patient bigint, sequence bigint, body bytea,
                        PRIMARY KEY (patient, sequence));
                      CREATE TABLE audit (caller bigint, number bigint, body bytea,
                        PRIMARY KEY (caller, number));";
        let made = client.batch_execute(tables).await;
        made.map_err(|error| BenchError::outside("PostgreSQL", error))
    }

    async fn connect(&self) -> Result<Client, tokio_postgres::Error> {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.folder.path()).user("bench").dbname("postgres");
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(async move {
            // The caller sees a broken connection as the failure of its call.
            drop(connection.await);
        });
        Ok(client)
    }

    /// Connections that insert.
    ///
    /// # Errors
    /// [`BenchError::Outside`].
    pub async fn callers(
        &self,
        count: usize,
        patients: u64,
        rows: RowBytes,
    ) -> Result<Vec<PostgresCaller>, BenchError> {
        let failed = |error: tokio_postgres::Error| BenchError::outside("PostgreSQL", error);
        let mut callers = Vec::new();
        let step = i64::try_from(count).unwrap_or(i64::MAX);
        for number in 0..step {
            let client = self.connect().await.map_err(failed)?;
            let insert_event = client.prepare("INSERT INTO event VALUES ($1, $2, $3)");
            let insert_event = insert_event.await.map_err(failed)?;
            let insert_audit = client.prepare("INSERT INTO audit VALUES ($1, $2, $3)");
            let insert_audit = insert_audit.await.map_err(failed)?;
            callers.push(PostgresCaller {
                client,
                insert_event,
                insert_audit,
                number,
                step,
                patients: i64::try_from(patients.max(1)).unwrap_or(i64::MAX),
                written: 0,
                event: vec![0x5a; rows.journal],
                audit: vec![0xa5; rows.audit],
            });
        }
        Ok(callers)
    }

    /// CPU time of the server's processes, microseconds.
    #[must_use]
    pub fn cpu_micros(&self) -> u64 {
        Process::Other(self.process.id()).cpu_micros_with_children()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let mut stop = command(&self.programs, "pg_ctl", self.user, self.folder.path());
        stop.arg("-D").arg(self.folder.path().join("data")).args(["stop", "-m", "immediate"]);
        if !stop.status().is_ok_and(|status| status.success()) {
            drop(self.process.kill());
        }
        drop(self.process.wait());
    }
}

fn command(programs: &Path, name: &str, user: Option<(u32, u32)>, folder: &Path) -> Command {
    let mut command = Command::new(programs.join(name));
    command.current_dir(folder);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    if let Some((user, group)) = user {
        command.uid(user).gid(group);
    }
    command
}

/// Who runs the server instead of root: `postgres`, else `nobody`; `None` when this is not root.
fn other_user() -> io::Result<Option<(u32, u32)>> {
    if fs::metadata("/proc/self")?.uid() != 0 {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let ids = |name: &str| user_ids(&users, name);
    ids("postgres")
        .or_else(|| ids("nobody"))
        .map(Some)
        .ok_or_else(|| io::ErrorKind::NotFound.into())
}

fn user_ids(users: &str, name: &str) -> Option<(u32, u32)> {
    users.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then_some(())?;
        let user = fields.nth(1)?.parse().ok()?;
        Some((user, fields.next()?.parse().ok()?))
    })
}

/// One connection.
pub struct PostgresCaller {
    client: Client,
    insert_event: Statement,
    insert_audit: Statement,
    number: i64,
    step: i64,
    patients: i64,
    written: i64,
    event: Vec<u8>,
    audit: Vec<u8>,
}

impl PostgresCaller {
    async fn insert(&mut self) -> Result<(), tokio_postgres::Error> {
        let patient = (self.number + self.written * self.step) % self.patients;
        let sequence = self.number + self.written * self.step;
        self.client.batch_execute("BEGIN").await?;
        self.client.execute(&self.insert_event, &[&patient, &sequence, &self.event]).await?;
        self.client.execute(&self.insert_audit, &[&self.number, &sequence, &self.audit]).await?;
        self.client.batch_execute("COMMIT").await?;
        self.written += 1;
        Ok(())
    }
}

impl Caller for PostgresCaller {
    async fn call(&mut self) -> Result<u32, String> {
        let code = |error: &tokio_postgres::Error| match error.code() {
            Some(state) => format!("sqlstate-{}", state.code()),
            None => "connection".to_owned(),
        };
        self.insert().await.map(|()| 1).map_err(|error| code(&error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_by_their_whole_name() {
        let users = "root:x:0:0::/:/bin/sh\npostgresql:x:1:2::/:\npostgres:x:101:104:,:/:/bin/sh";
        assert_eq!(user_ids(users, "postgres"), Some((101, 104)));
        assert_eq!(user_ids(users, "nobody"), None);
    }
}
