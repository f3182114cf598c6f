//! The counter from which a process of a client draws its incarnation: a small file that is
//! durable before its number is used, so that no two processes have the same one (OWN-1).

use std::path::{Path, PathBuf};

use node_env::{Disk, DiskError, OpenMode};

const FILE: &str = "incarnation";
const FILE_NEW: &str = "incarnation.new";
/// The number and its checksum.
const NUMBER_BYTES: usize = 8;
const FILE_BYTES: usize = NUMBER_BYTES + 4;

/// Why there is no incarnation.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IncarnationError {
    /// The disk failed.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// The counter does not match its checksum. A number that is higher than any before must be
    /// given by hand, or the client must get another name.
    #[error("the counter in {path} is damaged", path = path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
    },
}

/// The next incarnation of the client that keeps its counter in this directory, from 1 on;
/// durable when this returns. The caller holds the directory's lock, or is otherwise the only one.
///
/// # Errors
/// [`IncarnationError`]; no number is used then.
pub fn next_incarnation(disk: &dyn Disk, directory: &Path) -> Result<u64, IncarnationError> {
    disk.create_dir(directory)?;
    let next = read(disk, &directory.join(FILE))?.saturating_add(1);
    let number = next.to_le_bytes();
    let bytes = [&number[..], &crc32c::crc32c(&number).to_le_bytes()].concat();
    let new = directory.join(FILE_NEW);
    let file = disk.open(&new, OpenMode::CreateOrOpen)?;
    file.write_at(0, &bytes)?;
    file.sync_data()?;
    disk.rename(&new, &directory.join(FILE))?;
    disk.sync_dir(directory)?;
    Ok(next)
}

fn read(disk: &dyn Disk, path: &Path) -> Result<u64, IncarnationError> {
    let file = match disk.open(path, OpenMode::Read) {
        Ok(file) => file,
        Err(DiskError::NotFound { .. }) => return Ok(0),
        Err(error) => return Err(error.into()),
    };
    let mut bytes = [0; FILE_BYTES];
    let length = file.read_at(0, &mut bytes)?;
    let number = bytes.first_chunk::<NUMBER_BYTES>();
    let checksum = bytes.last_chunk::<4>();
    match (number, checksum) {
        (Some(number), Some(checksum))
            if length == FILE_BYTES && crc32c::crc32c(number).to_le_bytes() == *checksum =>
        {
            Ok(u64::from_le_bytes(*number))
        }
        (_, _) => Err(IncarnationError::Damaged { path: path.to_path_buf() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use node_env::fake::FakeDisk;

    #[test]
    fn incarnations_only_grow_whenever_the_power_goes_own_1() {
        for seed in 0..20 {
            let disk = FakeDisk::new(seed);
            let directory = Path::new("/client");
            let mut last = 0;
            for cut in 0..60 {
                disk.cut_power_after(cut % 9);
                if let Ok(next) = next_incarnation(&disk, directory) {
                    assert!(next > last, "{next} after {last}");
                    last = next;
                }
                disk.restart();
            }
            assert!(last > 5, "{last}");
        }
    }

    #[test]
    fn a_damaged_counter_is_told() {
        let disk = FakeDisk::new(1);
        let directory = Path::new("/client");
        assert_eq!(next_incarnation(&disk, directory), Ok(1));
        assert_eq!(next_incarnation(&disk, directory), Ok(2));
        disk.flip_bit(&directory.join(FILE), 3, 1);
        let found = next_incarnation(&disk, directory);
        assert!(matches!(found, Err(IncarnationError::Damaged { .. })), "{found:?}");
    }
}
