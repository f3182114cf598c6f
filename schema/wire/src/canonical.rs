//! Canonical form and packing of a message in one segment, each in one pass over words. Cap'n
//! Proto's own functions do the same for any message through its arenas, at several times the
//! cost; the tests hold both to the same bytes. Nothing here knows what a message means.

use crate::limits::WORD_BYTES;

/// The pointer to a struct without any content: one word before itself, so that it is not null.
const EMPTY_STRUCT: u64 = 0xffff_fffc;

/// Longest run of words that one count byte names.
const RUN_WORDS_MAX: usize = 255;

/// The canonical words of the message in `segment`, its root pointer first: objects in the order of
/// the pointers to them, without trailing nothing. `None` when the message needs the general way:
/// it has pointers to other segments or to capabilities.
pub(crate) fn canonical(segment: &[u8]) -> Option<Vec<u64>> {
    let source = Source(segment);
    let mut out = Vec::with_capacity(segment.len() / WORD_BYTES);
    out.push(0);
    source.copy(0, &mut out, 0)?;
    Some(out)
}

/// A segment of a message, read by words.
#[derive(Clone, Copy)]
struct Source<'a>(&'a [u8]);

impl Source<'_> {
    fn word(self, place: usize) -> Option<u64> {
        let begin = place.checked_mul(WORD_BYTES)?;
        let bytes = self.0.get(begin..)?.first_chunk::<WORD_BYTES>()?;
        Some(u64::from_le_bytes(*bytes))
    }

    /// How many of `count` words from `begin` are left without trailing zero words.
    fn significant(self, begin: usize, count: usize) -> Option<usize> {
        let mut count = count;
        while count > 0 && self.word(begin + count - 1)? == 0 {
            count -= 1;
        }
        Some(count)
    }

    /// Copies what the pointer at `at` points to behind the end of `out`, and a pointer to it to
    /// `place` in `out`.
    fn copy(self, at: usize, out: &mut Vec<u64>, place: usize) -> Option<()> {
        let pointer = self.word(at)?;
        if pointer == 0 {
            return Some(());
        }
        let begin = target(pointer, at)?;
        match pointer & 3 {
            0 => {
                let (data, pointers) = struct_size(pointer)?;
                let data_kept = self.significant(begin, data)?;
                let pointers_kept = self.significant(begin + data, pointers)?;
                if data_kept + pointers_kept == 0 {
                    out[place] = EMPTY_STRUCT;
                    return Some(());
                }
                let to = out.len();
                out[place] = struct_pointer(offset(place, to)?, (data_kept, pointers_kept))?;
                out.resize(to + data_kept + pointers_kept, 0);
                self.copy_struct((begin, data), out, to, (data_kept, pointers_kept))
            }
            1 => self.copy_list(pointer, begin, out, place),
            _ => None,
        }
    }

    fn copy_struct(
        self,
        (begin, data): (usize, usize),
        out: &mut Vec<u64>,
        to: usize,
        (data_kept, pointers_kept): (usize, usize),
    ) -> Option<()> {
        for index in 0..data_kept {
            out[to + index] = self.word(begin + index)?;
        }
        for index in 0..pointers_kept {
            self.copy(begin + data + index, out, to + data_kept + index)?;
        }
        Some(())
    }

    fn copy_list(self, pointer: u64, begin: usize, out: &mut Vec<u64>, place: usize) -> Option<()> {
        let count = usize::try_from(pointer >> 35).ok()?;
        let to = out.len();
        let shape = pointer & 0x7_0000_0000;
        let bits = match shape >> 32 {
            0 => 0,
            1 => 1,
            2 => 8,
            3 => 16,
            4 => 32,
            5 => 64,
            6 => {
                out[place] = offset(place, to)? | 1 | (pointer & !0xffff_ffff);
                out.resize(to + count, 0);
                return (0..count).try_for_each(|index| self.copy(begin + index, out, to + index));
            }
            _ => return self.copy_structs(begin, out, place),
        };
        out[place] = offset(place, to)? | 1 | (pointer & !0xffff_ffff);
        for index in 0..(count * bits).div_ceil(64) {
            out.push(self.word(begin + index)?);
        }
        Some(())
    }

    /// A list of structs: all elements get the size of the largest.
    fn copy_structs(self, begin: usize, out: &mut Vec<u64>, place: usize) -> Option<()> {
        let tag = self.word(begin)?;
        let count = usize::try_from((tag & 0xffff_ffff) >> 2).ok()?;
        let (data, pointers) = struct_size(tag)?;
        let element = |index: usize| begin + 1 + index * (data + pointers);
        let mut kept = (0, 0);
        for index in 0..count {
            kept.0 = self.significant(element(index), data)?.max(kept.0);
            kept.1 = self.significant(element(index) + data, pointers)?.max(kept.1);
        }
        let size = kept.0 + kept.1;
        let to = out.len();
        let words = u64::try_from(count * size).ok()?;
        out[place] = offset(place, to)? | 1 | (7 << 32) | (words << 35);
        out.push(struct_pointer(u64::try_from(count).ok()? << 2, kept)?);
        out.resize(to + 1 + count * size, 0);
        for index in 0..count {
            self.copy_struct((element(index), data), out, to + 1 + index * size, kept)?;
        }
        Some(())
    }
}

/// Where the pointer at `at` points to. Its offset is signed and counts from behind it.
fn target(pointer: u64, at: usize) -> Option<usize> {
    let low = u32::try_from(pointer & 0xffff_ffff).ok()?.cast_signed();
    at.checked_add(1)?.checked_add_signed(isize::try_from(low >> 2).ok()?)
}

/// Words of data and of pointers that a struct pointer or tag names.
fn struct_size(pointer: u64) -> Option<(usize, usize)> {
    Some((usize::try_from((pointer >> 32) & 0xffff).ok()?, usize::try_from(pointer >> 48).ok()?))
}

fn struct_pointer(low: u64, (data, pointers): (usize, usize)) -> Option<u64> {
    Some(low | (u64::try_from(data).ok()? << 32) | (u64::try_from(pointers).ok()? << 48))
}

/// The offset bits of a pointer at `place` to something behind it.
fn offset(place: usize, to: usize) -> Option<u64> {
    Some(u64::try_from(to - place - 1).ok()? << 2)
}

/// Packs a message of one segment behind `bytes`: its segment table, then its words.
pub(crate) fn pack(words: &[u64], bytes: &mut Vec<u8>) -> Option<()> {
    pack_words(&[u64::from(u32::try_from(words.len()).ok()?) << 32], bytes);
    pack_words(words, bytes);
    Some(())
}

fn pack_words(words: &[u64], bytes: &mut Vec<u8>) {
    let mut rest = words;
    while let Some((word, behind)) = rest.split_first() {
        rest = behind;
        let mut packed = [0_u8; 9];
        let (mut tag, mut length) = (0_u8, 1);
        for (bit, byte) in (0..8).zip(word.to_le_bytes()) {
            let is_set = u8::from(byte != 0);
            packed[length] = byte;
            length += usize::from(is_set);
            tag |= is_set << bit;
        }
        packed[0] = tag;
        bytes.extend_from_slice(&packed[..length]);
        let run = match tag {
            0 => run_length(rest, |word| word == 0),
            0xff => run_length(rest, has_one_zero_byte_at_most),
            _ => continue,
        };
        let (run, behind) = rest.split_at(run);
        bytes.push(u8::try_from(run.len()).unwrap_or(u8::MAX));
        if tag == 0xff {
            run.iter().for_each(|word| bytes.extend_from_slice(&word.to_le_bytes()));
        }
        rest = behind;
    }
}

fn run_length(words: &[u64], belongs: impl Fn(u64) -> bool) -> usize {
    words.iter().take(RUN_WORDS_MAX).take_while(|word| belongs(**word)).count()
}

fn has_one_zero_byte_at_most(word: u64) -> bool {
    word.to_le_bytes().iter().filter(|byte| **byte == 0).count() <= 1
}
