//! Files, folders and archives as a stream of messages, read in pieces: memory does not grow with
//! the size of a file, only with that of its largest message.

use super::kind::{Format, HEAD_BYTES, Kind, kind_of};
use crate::failure::Failure;
use flate2::read::MultiGzDecoder;
use schema_hl7::batch::{BatchItem, split};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of HL7 text that are taken apart at once; a longer message is kept whole.
const HL7_CHUNK_BYTES: usize = 2 * 1024 * 1024;
/// Bytes of one message, resource or line: more than a node takes, so that it can say so.
const MESSAGE_BYTES_MAX: usize = 65 * 1024 * 1024;

/// A file of a folder or archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// Path, and the name within an archive.
    pub(crate) name: String,
    /// Folder and kind, for the summary.
    pub(crate) group: String,
}

/// Takes what is read. An `Err` ends the reading: nobody takes it any more.
pub(crate) trait Sink {
    /// A file begins, with what it holds.
    fn file(&mut self, source: &Arc<Source>, kind: Kind) -> Result<(), Closed>;
    /// One HL7 message of the file that began last.
    fn hl7(&mut self, source: &Arc<Source>, bytes: Vec<u8>) -> Result<(), Closed>;
    /// One FHIR document of the file that began last, with its number from 0.
    fn fhir(&mut self, source: &Arc<Source>, line: u64, bytes: Vec<u8>) -> Result<(), Closed>;
    /// A file that cannot be read to its end.
    fn broken(&mut self, source: &Arc<Source>, reason: String) -> Result<(), Closed>;
}

/// Nobody takes it any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

/// Every file below the paths, folders in the order of names; each with the folder it belongs to.
///
/// # Errors
/// [`Failure::Usage`] for a path that is not there.
pub(crate) fn find(paths: &[PathBuf]) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    for path in paths {
        let missing =
            |error: io::Error| Failure::usage(format!("{}: {}", path.display(), error.kind()));
        let metadata = fs::metadata(path).map_err(missing)?;
        if metadata.is_dir() { walk(path, &mut found)? } else { found.push(path.clone()) }
    }
    Ok(found)
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) -> Result<(), Failure> {
    let failed =
        |error: io::Error| Failure::failed(format!("{}: {}", folder.display(), error.kind()));
    let mut entries = fs::read_dir(folder)
        .map_err(failed)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<io::Result<Vec<_>>>()
        .map_err(failed)?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() { walk(&entry, found)? } else { found.push(entry) }
    }
    Ok(())
}

/// Reads one file into the sink.
///
/// # Errors
/// [`Closed`] when the sink is.
pub(crate) fn read(path: &Path, format: Format, sink: &mut dyn Sink) -> Result<(), Closed> {
    let name = path.display().to_string();
    let lower = name.to_ascii_lowercase();
    let folder = path.parent().map(|folder| folder.display().to_string()).unwrap_or_default();
    let mut reader = Reader { format, folder, sink };
    let file = match File::open(path) {
        Ok(file) => BufReader::new(file),
        Err(error) => return reader.fail(&name, &error),
    };
    if lower.ends_with(".tar.gz") || lower.ends_with(".tgz") {
        reader.folder.clone_from(&name);
        reader.archive(&name, MultiGzDecoder::new(file))
    } else if lower.ends_with(".tar") {
        reader.folder.clone_from(&name);
        reader.archive(&name, file)
    } else if lower.ends_with(".gz") {
        reader.document(&name, &name[..name.len() - 3], &mut MultiGzDecoder::new(file))
    } else {
        reader.document(&name, &name, &mut { file })
    }
}

struct Reader<'a> {
    format: Format,
    folder: String,
    sink: &'a mut dyn Sink,
}

impl Reader<'_> {
    fn source(&self, name: &str, kind: &str) -> Arc<Source> {
        let group = format!("{} ({kind})", self.folder);
        Arc::new(Source { name: name.to_owned(), group })
    }

    fn fail(&mut self, name: &str, error: &io::Error) -> Result<(), Closed> {
        let source = self.source(name, "unreadable");
        self.sink.broken(&source, error.kind().to_string())
    }

    fn archive(&mut self, name: &str, reader: impl Read) -> Result<(), Closed> {
        let mut archive = tar::Archive::new(reader);
        let entries = match archive.entries() {
            Ok(entries) => entries,
            Err(error) => return self.fail(name, &error),
        };
        for entry in entries {
            let mut entry = match entry {
                Ok(entry) => entry,
                // Nothing after a damaged header can be found.
                Err(error) => return self.fail(name, &error),
            };
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let inner = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let full = format!("{name}/{inner}");
            match inner.strip_suffix(".gz") {
                Some(plain) => self.document(&full, plain, &mut MultiGzDecoder::new(entry))?,
                None => self.document(&full, &inner, &mut entry)?,
            }
        }
        Ok(())
    }

    /// One file, decompressed; `plain` is its name without the compression.
    fn document(&mut self, name: &str, plain: &str, input: &mut dyn Read) -> Result<(), Closed> {
        let mut head = Vec::new();
        let limit = u64::try_from(HEAD_BYTES).unwrap_or(u64::MAX);
        if let Err(error) = input.take(limit).read_to_end(&mut head) {
            return self.fail(name, &error);
        }
        let kind = kind_of(plain, &head, self.format);
        let label = match kind {
            Kind::Hl7 => "hl7",
            Kind::Json | Kind::Lines => "fhir",
            Kind::Skipped(_) => "other",
        };
        let source = self.source(name, label);
        self.sink.file(&source, kind)?;
        let mut input = head.chain(input);
        let read = match kind {
            Kind::Skipped(_) => Ok(Ok(())),
            Kind::Hl7 => self.hl7(&source, &mut input),
            Kind::Json => self.json(&source, &mut input),
            Kind::Lines => self.lines(&source, &mut BufReader::new(input)),
        };
        match read {
            Ok(taken) => taken,
            Err(error) => self.sink.broken(&source, error.kind().to_string()),
        }
    }

    fn json(&mut self, source: &Arc<Source>, input: &mut dyn Read) -> Taken {
        let mut bytes = Vec::new();
        input.take(u64::try_from(MESSAGE_BYTES_MAX).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
        Ok(self.sink.fhir(source, 0, bytes))
    }

    fn lines(&mut self, source: &Arc<Source>, input: &mut dyn BufRead) -> Taken {
        let mut number = 0;
        loop {
            let mut line = Vec::new();
            let limit = u64::try_from(MESSAGE_BYTES_MAX).unwrap_or(u64::MAX);
            if input.take(limit).read_until(b'\n', &mut line)? == 0 {
                return Ok(Ok(()));
            }
            if !line.trim_ascii().is_empty()
                && let Err(closed) = self.sink.fhir(source, number, line)
            {
                return Ok(Err(closed));
            }
            number += 1;
        }
    }

    /// Cuts a stream before a message header and gives each piece to the splitter.
    fn hl7(&mut self, source: &Arc<Source>, input: &mut dyn Read) -> Taken {
        let mut held: Vec<u8> = Vec::new();
        let mut wanted = HL7_CHUNK_BYTES;
        loop {
            let more = wanted.saturating_sub(held.len());
            let limit = u64::try_from(more).unwrap_or(u64::MAX);
            let read = input.take(limit).read_to_end(&mut held)?;
            let is_end = read < more;
            let cut = if is_end { Some(held.len()) } else { last_boundary(&held) };
            let Some(cut) = cut.or((held.len() >= MESSAGE_BYTES_MAX).then_some(held.len())) else {
                // One long message: read on until its end.
                wanted = held.len() + HL7_CHUNK_BYTES;
                continue;
            };
            let rest = held.split_off(cut);
            if let Err(closed) = self.pieces(source, &held) {
                return Ok(Err(closed));
            }
            if is_end {
                return Ok(Ok(()));
            }
            (held, wanted) = (rest, HL7_CHUNK_BYTES);
        }
    }

    fn pieces(&mut self, source: &Arc<Source>, bytes: &[u8]) -> Result<(), Closed> {
        for item in split(bytes) {
            match item {
                BatchItem::Message { bytes, .. } | BatchItem::Refused { bytes, .. } => {
                    // What is no message is sent all the same: the node keeps it for a person.
                    self.sink.hl7(source, bytes.into_exposed())?;
                }
                BatchItem::Warning(_) => {}
            }
        }
        Ok(())
    }
}

/// An error of the file, or what the sink said.
type Taken = io::Result<Result<(), Closed>>;

/// Where the last message of a piece begins: before its start block, or before its header line.
fn last_boundary(bytes: &[u8]) -> Option<usize> {
    let is_framed = bytes.contains(&schema_hl7::mllp::START_BLOCK);
    let found = if is_framed {
        bytes.iter().rposition(|byte| *byte == schema_hl7::mllp::START_BLOCK)
    } else {
        let starts = |window: &[u8]| matches!(window[0], b'\r' | b'\n') && &window[1..] == b"MSH";
        bytes.windows(4).rposition(starts).map(|at| at + 1)
    };
    found.filter(|at| *at > 0)
}

#[cfg(test)]
#[path = "files_test.rs"]
mod tests;
