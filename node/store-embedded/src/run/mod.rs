//! Runs: immutable sorted files of keys and values, the durable form of the index. Each block
//! has a checksum that covers where it belongs and is verified on every read, so damage is
//! noticed and never served. Which runs exist is the manifest's business.

mod cursor;
mod filter;
mod reader;
mod writer;

pub(crate) use cursor::RunCursor;
pub(crate) use reader::{Damage, Run};
pub(crate) use writer::{WriteError, write_run};

/// Name of the file of a run.
pub(crate) fn file_name(id: u64) -> String {
    format!("run-{id:016x}")
}

/// Whether a file of this name is a run.
pub(crate) fn is_run(name: &str) -> bool {
    name.starts_with("run-")
}

/// First bytes of the trailer.
const MAGIC: u64 = 0x324E_5552_4C55_4445;
/// The same of the first format, which differs in its filter only.
const MAGIC_FIRST: u64 = 0x314E_5552_4C55_4445;
/// Fixed end of the file.
const TRAILER_BYTES: usize = 64;
/// Value length that stands for a cleared key.
const CLEARED: u32 = u32::MAX;

/// Checksum of a part of a run; includes the run and the offset, so that a block that was
/// written to or read from the wrong place does not pass.
fn part_checksum(id: u64, offset: u64, payload: &[u8]) -> u32 {
    crate::codec::checksum(&[&id.to_le_bytes(), &offset.to_le_bytes(), payload])
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use actors_store::{KeyRange, Version};
    use bytes::Bytes;
    use node_env::fake::FakeDisk;
    use node_env::{Disk, OpenMode};

    use super::*;
    use crate::codec::length32;
    use crate::merge::{Direction, Merge, Source};
    use crate::part::Part;
    use crate::row::{Row, Wanted, append};

    const COUNT: u32 = 2_000;

    fn key(number: u32) -> Vec<u8> {
        format!("a common beginning {number:06}").into_bytes()
    }

    /// Every third key is cleared.
    fn value(number: u32) -> Option<Vec<u8>> {
        (!number.is_multiple_of(3)).then(|| format!("value {number}").into_bytes())
    }

    fn part() -> Part {
        let (mut chunk, mut rows) = (Vec::new(), Vec::new());
        for number in 0..COUNT {
            let (key, value) = (key(number), value(number));
            append(&mut chunk, &key, value.as_deref());
            let at = chunk.len() - key.len() - value.as_ref().map_or(0, Vec::len);
            rows.extend(Row::new(1, 0, at, &key, value.is_none()));
        }
        Part::new(rows, vec![Bytes::from(chunk)])
    }

    fn written(disk: &FakeDisk, keep_cleared: bool) -> Run {
        let directory = Path::new("/data");
        disk.create_dir(directory).unwrap();
        let (part, all) = (part(), KeyRange::prefix(b""));
        let source = Source::Part(part.cursor(&all, Version::MAX, Direction::Forward));
        let mut entries = Merge::new(vec![source], Direction::Forward);
        let bytes = write_run(disk, directory, 7, &mut entries, keep_cleared).unwrap();
        let run = Run::open(disk, directory, 7).unwrap();
        assert_eq!(Some(run.bytes), bytes);
        run
    }

    #[test]
    fn a_run_gives_back_what_was_written_with_or_without_cleared_keys() {
        for keep_cleared in [true, false] {
            let run = written(&FakeDisk::new(1), keep_cleared);
            let kept = (0..COUNT).filter(|number| keep_cleared || value(*number).is_some());
            let mut kept: Vec<u32> = kept.filter(|number| (100..1_900).contains(number)).collect();
            let range = KeyRange::new(key(100), key(1_900));
            for direction in [Direction::Forward, Direction::Backward] {
                let mut cursor = run.cursor(&range, direction, false).unwrap();
                for number in &kept {
                    let (found, stored) = cursor.entry().unwrap();
                    assert_eq!((found, stored), (&key(*number)[..], value(*number).as_deref()));
                    cursor.advance(direction).unwrap();
                }
                assert!(cursor.entry().is_none());
                kept.reverse();
            }
            for number in 0..COUNT {
                let expected = Some(value(number)).filter(|value| keep_cleared || value.is_some());
                let found = run.get(&Wanted::new(&key(number))).unwrap();
                assert_eq!(found, expected.map(|value| value.map(Bytes::from)), "{number}");
            }
            assert_eq!(run.get(&Wanted::new(b"absent")).unwrap(), None);
        }
    }

    /// A run as the first format has it: one block and a filter without blocks.
    fn of_first_format(disk: &FakeDisk) -> Run {
        let directory = Path::new("/data");
        disk.create_dir(directory).unwrap();
        let (id, first): (u64, &[u8]) = (3, b"key");
        let mut file = Vec::new();
        let mut part = |payload: &[u8]| {
            let offset = file.len() as u64;
            file.extend_from_slice(payload);
            file.extend_from_slice(&part_checksum(id, offset, payload).to_le_bytes());
            (offset, payload.len() as u64)
        };
        let lengths = [length32(first.len()), 5].map(u32::to_le_bytes).concat();
        let (block_at, block_bytes) = part(&[&lengths, first, b"value"].concat());
        let index = [
            &length32(first.len()).to_le_bytes()[..],
            &block_at.to_le_bytes(),
            &u32::try_from(block_bytes).unwrap().to_le_bytes(),
            first,
        ];
        let (index_at, index_bytes) = part(&index.concat());
        let (filter_at, filter_bytes) = part(&[0xFF; 8]);
        let numbers = [MAGIC_FIRST, id, 1, index_at, index_bytes, filter_at, filter_bytes];
        let mut trailer = numbers.map(u64::to_le_bytes).concat();
        trailer.extend_from_slice(&[0; 4]);
        part(&trailer);
        let stored: Arc<dyn node_env::DiskFile> =
            disk.open(&directory.join(file_name(id)), OpenMode::CreateOrOpen).unwrap();
        stored.write_at(0, &file).unwrap();
        Run::open(disk, directory, id).unwrap()
    }

    #[test]
    fn a_run_of_the_first_format_is_read() {
        let run = of_first_format(&FakeDisk::new(2));
        let found = run.get(&Wanted::new(b"key")).unwrap();
        assert_eq!(found, Some(Some(Bytes::from_static(b"value"))));
        assert_eq!(run.get(&Wanted::new(b"kez")).unwrap(), None);
        assert_eq!(run.verify(), vec![]);
    }
}
