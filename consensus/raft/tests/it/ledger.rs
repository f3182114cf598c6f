//! A machine to replicate: a list of numbers, and a heap of bytes to make snapshots large.

use consensus_raft::{Machine, RestoreError};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Command {
    Put(u64),
    Fill(Vec<u8>),
}

/// How many numbers and bytes there are afterwards.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Size {
    pub(crate) numbers: u64,
    pub(crate) bytes: u64,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Ledger {
    pub(crate) numbers: Vec<u64>,
    pub(crate) heap: Vec<u8>,
}

impl Machine for Ledger {
    type Command = Command;
    type Outcome = Size;

    fn apply(&mut self, _index: u64, command: Command) -> Size {
        match command {
            Command::Put(number) => self.numbers.push(number),
            Command::Fill(bytes) => self.heap.extend(bytes),
        }
        Size { numbers: self.numbers.len() as u64, bytes: self.heap.len() as u64 }
    }

    fn snapshot(&self) -> Vec<u8> {
        let mut bytes = (self.numbers.len() as u64).to_le_bytes().to_vec();
        bytes.extend(self.numbers.iter().flat_map(|number| number.to_le_bytes()));
        bytes.extend(&self.heap);
        bytes
    }

    fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        let short = || RestoreError { reason: "short".to_owned() };
        let (count, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
        let length = usize::try_from(u64::from_le_bytes(*count)).unwrap() * 8;
        let (numbers, heap) = rest.split_at_checked(length).ok_or_else(short)?;
        let number = |chunk: &[u8]| u64::from_le_bytes(chunk.try_into().unwrap());
        Ok(Self { numbers: numbers.chunks_exact(8).map(number).collect(), heap: heap.to_vec() })
    }
}

/// The same before it knew `Fill`.
#[derive(Debug, Clone, Default)]
pub(crate) struct OldLedger(Vec<u64>);

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum OldCommand {
    Put(u64),
}

impl Machine for OldLedger {
    type Command = OldCommand;
    type Outcome = Size;

    fn apply(&mut self, _index: u64, OldCommand::Put(number): OldCommand) -> Size {
        self.0.push(number);
        Size { numbers: self.0.len() as u64, bytes: 0 }
    }

    fn snapshot(&self) -> Vec<u8> {
        Ledger { numbers: self.0.clone(), heap: Vec::new() }.snapshot()
    }

    fn restore(bytes: &[u8]) -> Result<Self, RestoreError> {
        Ledger::restore(bytes).map(|ledger| Self(ledger.numbers))
    }
}
