//! SQLite as it is set up when it must not lose anything: write-ahead log, `synchronous=FULL`, one
//! writer, 256 observations in a transaction with statements prepared once for it, each one event
//! and one audit row of the sizes that the node writes. It scores nothing and checks nothing.

use super::{RowBytes, Work};
use crate::error::BenchError;
use rusqlite::{Connection, params};
use std::path::Path;

/// Observations in one transaction.
pub const BATCH_OPERATIONS: u32 = 256;

/// The writer.
pub struct Sqlite {
    connection: Connection,
    patients: i64,
    written: i64,
    event: Vec<u8>,
    audit: Vec<u8>,
}

impl Sqlite {
    /// Makes a database in `folder`.
    ///
    /// # Errors
    /// [`BenchError::Outside`].
    pub fn open(folder: &Path, patients: u64, rows: RowBytes) -> Result<Self, BenchError> {
        let failed = |error: rusqlite::Error| BenchError::outside("SQLite", error);
        std::fs::create_dir_all(folder).map_err(|error| BenchError::outside("SQLite", error))?;
        let connection = Connection::open(folder.join("reference.db")).map_err(failed)?;
        connection
            .execute_batch(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;
                 CREATE TABLE event (patient INTEGER, sequence INTEGER, body BLOB,
                   PRIMARY KEY (patient, sequence)) WITHOUT ROWID;
                 CREATE TABLE audit (number INTEGER PRIMARY KEY, body BLOB);",
            )
            .map_err(failed)?;
        let patients = i64::try_from(patients.max(1)).unwrap_or(i64::MAX);
        let (event, audit) = (vec![0x5a; rows.journal], vec![0xa5; rows.audit]);
        Ok(Self { connection, patients, written: 0, event, audit })
    }

    fn transaction(&mut self) -> Result<(), rusqlite::Error> {
        let transaction = self.connection.transaction()?;
        {
            let mut event = transaction.prepare("INSERT INTO event VALUES (?1, ?2, ?3)")?;
            let mut audit = transaction.prepare("INSERT INTO audit VALUES (?1, ?2)")?;
            for _ in 0..BATCH_OPERATIONS {
                let number = self.written;
                event.execute(params![number % self.patients, number, self.event])?;
                audit.execute(params![number, self.audit])?;
                self.written += 1;
            }
        }
        transaction.commit()
    }
}

impl Work for Sqlite {
    fn step(&mut self) -> Result<u32, String> {
        self.transaction().map(|()| BATCH_OPERATIONS).map_err(|error| error.to_string())
    }
}
