//! The bytes of a live row: fixed slots of two or four bytes, of which one can be read without
//! decoding the others. Which slot means what is in `schema_types::live`.
//!
//! All little-endian: version (1), present slots (16, one bit each), wide slots (16), base instant
//! in seconds since 1970 (8); then the present slots in order, two bytes each or four when wide;
//! then the texts. A row is derived data: it is made again from the state when the layout changes.

use schema_types::Decimal;
use schema_types::live::{ROW_VERSION, SLOTS};
use schema_types::time::{MICROS_PER_SECOND, Timestamp};

/// Texts of one row, at most.
pub const TEXTS_MAX: usize = 8;
/// Bytes of one text; a longer one is cut at the end of a character.
pub const TEXT_BYTES_MAX: usize = 255;
/// Bytes of a row at most: every slot wide, every text as long as it can be.
pub const ROW_BYTES_MAX: usize = HEADER_BYTES + 4 * SLOT_COUNT + TEXTS_MAX * TEXT_BYTES_MAX;

const SLOT_COUNT: usize = SLOTS as usize;
const HEADER_BYTES: usize = 41;
const NARROW_SCALE_SHIFT: u32 = 14;
const NARROW_SCALE_MAX: u32 = 3;
const NARROW_MANTISSA_MAX: u32 = (1 << NARROW_SCALE_SHIFT) - 1;
const WIDE_SCALE_SHIFT: u32 = 29;
const WIDE_SCALE_MAX: u32 = 7;
const WIDE_NEGATIVE: u32 = 1 << 28;
const WIDE_MANTISSA_MAX: u32 = WIDE_NEGATIVE - 1;
const NARROW_MAX: u32 = u16::MAX as u32;
const POWERS_OF_TEN: [f64; 8] = [1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7];

/// Collects the slots of a row; slots that are never put are missing. Each text slot is put once.
#[derive(Debug)]
pub struct RowWriter<'a> {
    base_seconds: i64,
    present: u128,
    wide: u128,
    slots: [u32; SLOT_COUNT],
    texts: [(u8, &'a str); TEXTS_MAX],
    text_count: usize,
}

impl<'a> RowWriter<'a> {
    /// An empty row. Instants up to 18 hours before `base` take the least space.
    #[must_use]
    pub const fn new(base: Timestamp) -> Self {
        Self {
            base_seconds: seconds(base),
            present: 0,
            wide: 0,
            slots: [0; SLOT_COUNT],
            texts: [(0, ""); TEXTS_MAX],
            text_count: 0,
        }
    }

    fn put(&mut self, slot: u8, bits: u32, wide: bool) {
        let Some(place) = self.slots.get_mut(usize::from(slot)) else { return };
        *place = bits;
        self.present |= 1 << slot;
        if wide {
            self.wide |= 1 << slot;
        }
    }

    /// A whole number, or bits.
    pub fn count(&mut self, slot: u8, count: u32) {
        self.put(slot, count, count > NARROW_MAX);
    }

    /// A whole number; above 32 bits the largest one there is.
    pub fn count_u64(&mut self, slot: u8, count: u64) {
        self.count(slot, u32::try_from(count).unwrap_or(u32::MAX));
    }

    /// A number, exact up to 8 significant digits of which at most 7 are decimals; beyond that
    /// rounded to them, half to even. Past 268,435,455 it stays there.
    pub fn decimal(&mut self, slot: u8, value: Decimal) {
        let (bits, wide) = pack_decimal(value);
        self.put(slot, bits, wide);
    }

    /// An instant, cut to the second; more than 68 years from the base it stays there.
    pub fn time(&mut self, slot: u8, at: Timestamp) {
        let before_base = self.base_seconds.saturating_sub(seconds(at));
        match u16::try_from(before_base) {
            Ok(narrow) => self.put(slot, u32::from(narrow), false),
            Err(_) => {
                let limit = i64::from(i32::MAX);
                let clamped = i32::try_from(before_base.clamp(-limit, limit)).unwrap_or(i32::MAX);
                self.put(slot, u32::from_le_bytes(clamped.to_le_bytes()), true);
            }
        }
    }

    /// A text; an empty one is missing, as is one beyond [`TEXTS_MAX`].
    pub fn text(&mut self, slot: u8, text: &'a str) {
        let Some(place) = self.texts.get_mut(self.text_count).filter(|_| !text.is_empty()) else {
            return;
        };
        *place = (slot, text.get(..text.floor_char_boundary(TEXT_BYTES_MAX)).unwrap_or(text));
        self.text_count += 1;
    }

    /// The row. One allocation.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        let mut tail_bytes: u32 = 0;
        for index in 0..self.text_count {
            let (slot, text) = self.texts[index];
            let length = u32::try_from(text.len()).unwrap_or(u32::MAX);
            let is_narrow = tail_bytes <= u32::from(u8::MAX);
            let shift = if is_narrow { 8 } else { 16 };
            self.put(slot, (tail_bytes << shift) | length, !is_narrow);
            tail_bytes += length;
        }
        let slot_bytes = 2 * (self.present.count_ones() + self.wide.count_ones());
        let bytes = usize::try_from(slot_bytes + tail_bytes).unwrap_or(ROW_BYTES_MAX);
        let mut row = Vec::with_capacity(HEADER_BYTES + bytes);
        row.push(ROW_VERSION);
        row.extend_from_slice(&self.present.to_le_bytes());
        row.extend_from_slice(&self.wide.to_le_bytes());
        row.extend_from_slice(&self.base_seconds.to_le_bytes());
        let mut left = self.present;
        while left != 0 {
            let slot = left.trailing_zeros();
            left &= left - 1;
            let bits = self.slots[slot as usize].to_le_bytes();
            let is_wide = self.wide >> slot & 1 == 1;
            row.extend_from_slice(if is_wide { &bits } else { &bits[..2] });
        }
        for (_, text) in &self.texts[..self.text_count] {
            row.extend_from_slice(text.as_bytes());
        }
        row
    }
}

const fn seconds(at: Timestamp) -> i64 {
    at.unix_micros().div_euclid(MICROS_PER_SECOND)
}

fn pack_decimal(value: Decimal) -> (u32, bool) {
    if let Some(packed) = pack_exact(value) {
        return packed;
    }
    let rounded = (0..=WIDE_SCALE_MAX).rev().find_map(|scale| pack_exact(value.round_dp(scale)));
    let sign = if value.is_sign_negative() { WIDE_NEGATIVE } else { 0 };
    rounded.unwrap_or((sign | WIDE_MANTISSA_MAX, true))
}

fn pack_exact(value: Decimal) -> Option<(u32, bool)> {
    let (scale, mantissa) = (value.scale(), value.mantissa());
    let magnitude = u32::try_from(mantissa.unsigned_abs()).ok()?;
    let is_negative = mantissa < 0;
    if scale <= NARROW_SCALE_MAX && magnitude <= NARROW_MANTISSA_MAX && !is_negative {
        return Some(((scale << NARROW_SCALE_SHIFT) | magnitude, false));
    }
    if scale <= WIDE_SCALE_MAX && magnitude <= WIDE_MANTISSA_MAX {
        let sign = if is_negative { WIDE_NEGATIVE } else { 0 };
        return Some(((scale << WIDE_SCALE_SHIFT) | sign | magnitude, true));
    }
    None
}

/// A row to read from. Reading never panics: what does not fit the bytes is missing.
#[derive(Debug, Clone, Copy)]
pub struct LiveRow<'a> {
    bytes: &'a [u8],
    present: u128,
    wide: u128,
}

impl<'a> LiveRow<'a> {
    /// Opens a row; `None` when it is too short or of another version.
    #[must_use]
    pub fn open(bytes: &'a [u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (present, rest) = rest.split_first_chunk::<16>()?;
        let (wide, rest) = rest.split_first_chunk::<16>()?;
        if *version != ROW_VERSION || rest.len() < 8 {
            return None;
        }
        let (present, wide) = (u128::from_le_bytes(*present), u128::from_le_bytes(*wide));
        Some(Self { bytes, present, wide: wide & present })
    }

    /// The bits of a slot and whether it is wide.
    #[inline]
    fn slot(&self, slot: u8) -> Option<(u32, bool)> {
        let bit = 1_u128.checked_shl(u32::from(slot))?;
        if self.present & bit == 0 {
            return None;
        }
        let below = bit - 1;
        let units = (self.present & below).count_ones() + (self.wide & below).count_ones();
        let rest = self.bytes.get(HEADER_BYTES + 2 * usize::try_from(units).ok()?..)?;
        if self.wide & bit == 0 {
            rest.first_chunk::<2>().map(|bytes| (u32::from(u16::from_le_bytes(*bytes)), false))
        } else {
            rest.first_chunk::<4>().map(|bytes| (u32::from_le_bytes(*bytes), true))
        }
    }

    /// A whole number, or bits.
    #[inline]
    #[must_use]
    pub fn count(&self, slot: u8) -> Option<u32> {
        self.slot(slot).map(|(bits, _)| bits)
    }

    /// A number: the `f64` nearest to the stored decimal, so that it equals the `f64` of the same
    /// decimal read from text.
    #[inline]
    #[must_use]
    pub fn decimal(&self, slot: u8) -> Option<f64> {
        let (bits, is_wide) = self.slot(slot)?;
        let (scale, mantissa) = if is_wide {
            (bits >> WIDE_SCALE_SHIFT, bits & WIDE_MANTISSA_MAX)
        } else {
            (bits >> NARROW_SCALE_SHIFT, bits & NARROW_MANTISSA_MAX)
        };
        // Both operands are exact, so the quotient is rounded once.
        let magnitude = f64::from(mantissa) / POWERS_OF_TEN[(scale & WIDE_SCALE_MAX) as usize];
        let is_negative = is_wide && bits & WIDE_NEGATIVE != 0;
        Some(if is_negative { -magnitude } else { magnitude })
    }

    /// An instant, in seconds since 1970.
    #[inline]
    #[must_use]
    pub fn time_seconds(&self, slot: u8) -> Option<i64> {
        let (bits, is_wide) = self.slot(slot)?;
        let base = self.bytes.get(HEADER_BYTES - 8..)?.first_chunk::<8>()?;
        let before_base = if is_wide {
            i64::from(i32::from_le_bytes(bits.to_le_bytes()))
        } else {
            i64::from(bits)
        };
        Some(i64::from_le_bytes(*base).saturating_sub(before_base))
    }

    /// A text, in UTF-8.
    #[inline]
    #[must_use]
    pub fn text(&self, slot: u8) -> Option<&'a [u8]> {
        let (bits, is_wide) = self.slot(slot)?;
        let (offset, length) =
            if is_wide { (bits >> 16, bits & 0xFFFF) } else { (bits >> 8, bits & 0xFF) };
        let units = self.present.count_ones() + self.wide.count_ones();
        let begin = HEADER_BYTES + 2 * usize::try_from(units).ok()?;
        let tail = self.bytes.get(begin..)?;
        let offset = usize::try_from(offset).ok()?;
        tail.get(offset..)?.get(..usize::try_from(length).ok()?)
    }
}

#[cfg(test)]
#[path = "live_test.rs"]
mod tests;
