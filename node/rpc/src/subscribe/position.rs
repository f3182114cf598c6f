//! Durable positions as opaque bytes: for alerts the next audit record of each shard, for a patient
//! the last journal sequence that was seen. Both are numbers of the store, so they mean the same
//! after a restart.

use crate::failure::Failure;

const ALERTS: u8 = 1;
const PATIENT: u8 = 2;

/// The next audit record to look at, by shard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AlertPosition(pub(crate) Vec<u64>);

/// The last journal sequence that was seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PatientPosition(pub(crate) u64);

const NOT_ONE: Failure = Failure::bad_request("the position is not one of this data directory");

fn numbers(kind: u8, bytes: &[u8]) -> Result<Vec<u64>, Failure> {
    let rest = bytes.strip_prefix(&[kind]).ok_or(NOT_ONE)?;
    let (words, []) = rest.as_chunks::<8>() else { return Err(NOT_ONE) };
    Ok(words.iter().map(|word| u64::from_be_bytes(*word)).collect())
}

fn bytes(kind: u8, numbers: &[u64]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(1 + numbers.len() * 8);
    bytes.push(kind);
    bytes.extend(numbers.iter().flat_map(|number| number.to_be_bytes()));
    bytes
}

impl AlertPosition {
    /// Reads a position; `heads` are the lengths of the audit logs now. Shards that came to be
    /// since are read from their beginning.
    pub(crate) fn read(position: &[u8], heads: &[u64]) -> Result<Self, Failure> {
        let next = numbers(ALERTS, position)?;
        let is_known = !next.is_empty()
            && next.len() <= heads.len()
            && next.iter().zip(heads).all(|(a, b)| a <= b);
        if is_known { Ok(Self(next)) } else { Err(NOT_ONE) }
    }

    /// Makes room for shards that came to be.
    pub(crate) fn reach(&mut self, shards: usize) {
        if self.0.len() < shards {
            self.0.resize(shards, 0);
        }
    }

    /// Whether some log is longer than what was looked at.
    pub(crate) fn is_behind(&self, heads: &[u64]) -> bool {
        let known = self.0.iter().copied().chain(std::iter::repeat(0));
        heads.iter().zip(known).any(|(head, next)| next < *head)
    }

    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        bytes(ALERTS, &self.0)
    }
}

impl PatientPosition {
    /// Reads a position; `last` is the patient's journal sequence now.
    pub(crate) fn read(position: &[u8], last: u64) -> Result<Self, Failure> {
        match numbers(PATIENT, position)?[..] {
            [sequence] if sequence <= last => Ok(Self(sequence)),
            _ => Err(NOT_ONE),
        }
    }

    pub(crate) fn to_bytes(self) -> Vec<u8> {
        bytes(PATIENT, &[self.0])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_behind_what_it_has_not_looked_at() {
        let position = AlertPosition(vec![2, 5]);
        for (heads, is_behind) in [
            (&[2, 5][..], false),
            (&[1, 4], false),
            (&[2], false),
            (&[2, 6], true),
            (&[3, 4], true),
            (&[2, 5, 0], false),
            (&[2, 5, 1], true),
        ] {
            assert_eq!(position.is_behind(heads), is_behind, "{heads:?}");
        }
    }

    #[test]
    fn positions_come_back_and_foreign_ones_are_refused() {
        let position = AlertPosition(vec![0, 7, u64::MAX]);
        let heads = [1, 7, u64::MAX];
        assert_eq!(AlertPosition::read(&position.to_bytes(), &heads), Ok(position.clone()));
        let mut grown = AlertPosition::read(&position.to_bytes(), &[1, 7, u64::MAX, 5]).unwrap();
        grown.reach(4);
        assert_eq!(grown.0, [0, 7, u64::MAX, 0], "a new shard from its beginning");
        let patient = PatientPosition(9);
        assert_eq!(PatientPosition::read(&patient.to_bytes(), 9), Ok(patient));
        assert!(PatientPosition::read(&patient.to_bytes(), 8).is_err(), "of later data");
        assert!(AlertPosition::read(&position.to_bytes(), &[1, 6, 0]).is_err(), "of later data");
        assert!(AlertPosition::read(&position.to_bytes(), &heads[..2]).is_err(), "other shards");
        for foreign in [&[][..], &[ALERTS], &[ALERTS, 1, 2], &[9; 9], &patient.to_bytes()] {
            assert!(AlertPosition::read(foreign, &heads).is_err(), "{foreign:?}");
        }
        assert!(PatientPosition::read(&position.to_bytes(), 9).is_err());
    }
}
