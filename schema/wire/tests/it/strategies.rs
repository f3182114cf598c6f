//! Generated values of every record. A value is read off a tape of bytes, which proptest makes and
//! shrinks; where the tape ends, everything is as small as it can be.

mod clinical;
mod device_facility;
mod patient;
mod records;

use proptest::prelude::*;
use schema_types::Decimal;
use schema_types::clinical::{Code, Provenance};
use schema_types::error_code::ErrorCode;
use schema_types::ids::{EntityId, EntityKind, MessageDigest, SourceId, TenantId};
use schema_types::measure::Measure;
use schema_types::time::Timestamp;
use std::collections::BTreeMap;

const TAPE_BYTES_MAX: usize = 3000;

/// Where values come from.
pub(crate) struct Tape {
    bytes: std::vec::IntoIter<u8>,
}

/// A strategy for what `read` reads off a tape.
pub(crate) fn from_tape<T: std::fmt::Debug>(read: fn(&mut Tape) -> T) -> impl Strategy<Value = T> {
    proptest::collection::vec(any::<u8>(), 0..TAPE_BYTES_MAX)
        .prop_map(move |bytes| read(&mut Tape { bytes: bytes.into_iter() }))
}

impl Tape {
    fn byte(&mut self) -> u8 {
        self.bytes.next().unwrap_or(0)
    }

    fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[usize::from(self.byte()) % choices.len()]
    }

    fn u64(&mut self) -> u64 {
        match self.byte() % 6 {
            0 => 0,
            1 => 1,
            2 => u64::MAX,
            3 => u64::from(self.byte()),
            _ => u64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    fn u32(&mut self) -> u32 {
        u32::try_from(self.u64() >> 32).unwrap()
    }

    fn i64(&mut self) -> i64 {
        match self.byte() % 5 {
            0 => 0,
            1 => i64::MIN,
            2 => i64::MAX,
            3 => -1,
            _ => i64::from_le_bytes(std::array::from_fn(|_| self.byte())),
        }
    }

    fn time(&mut self) -> Timestamp {
        Timestamp::from_unix_micros(self.i64())
    }

    fn text(&mut self) -> String {
        let pieces = ["", "a", "OBX|1^2", "Grüße", "日本語", "\0", "\"\\\r\n", "0123456789"];
        (0..self.byte() % 4).map(|_| self.pick(&pieces)).collect()
    }

    fn bytes(&mut self) -> Vec<u8> {
        (0..self.byte() % 40).map(|_| self.byte()).collect()
    }

    fn option<T>(&mut self, read: fn(&mut Self) -> T) -> Option<T> {
        self.flag().then(|| read(self))
    }

    fn list<T>(&mut self, read: fn(&mut Self) -> T) -> Vec<T> {
        (0..self.byte() % 4).map(|_| read(self)).collect()
    }

    fn map<K: Ord, V>(&mut self, read: fn(&mut Self) -> (K, V)) -> BTreeMap<K, V> {
        self.list(read).into_iter().collect()
    }

    fn digest(&mut self) -> MessageDigest {
        let byte = self.byte();
        if byte == 0 { MessageDigest::default() } else { MessageDigest::of(&[byte]) }
    }

    fn decimal(&mut self) -> Decimal {
        let magnitude = (i128::from(self.u64()) << 32) | i128::from(self.u32());
        let mantissa = if self.flag() { -magnitude } else { magnitude };
        let scale = u32::from(self.byte() % 29);
        Decimal::try_from_i128_with_scale(mantissa, scale).unwrap()
    }

    fn entity(&mut self) -> EntityId {
        let kinds = [EntityKind::Patient, EntityKind::Device, EntityKind::Facility];
        let kind = self.pick(&kinds);
        EntityId::new(TenantId::new(self.text()), kind, &self.text())
    }

    fn measure(&mut self) -> Measure {
        self.pick(Measure::ALL)
    }

    fn error_code(&mut self) -> ErrorCode {
        self.pick(ErrorCode::ALL)
    }

    fn code(&mut self) -> Code {
        Code { system: self.text(), code: self.text(), display: self.text() }
    }

    fn provenance(&mut self) -> Provenance {
        let source = SourceId::new(self.text());
        Provenance { source, message: self.digest(), position: self.text() }
    }
}
