//! One contract, two disks: what both must do alike.

use std::path::{Path, PathBuf};

use node_env::fake::FakeDisk;
use node_env::real::RealDisk;
use node_env::{Disk, DiskError, OpenMode};

fn check(disk: &dyn Disk, root: &Path) {
    let directory = root.join("data");
    let path = directory.join("a");
    assert!(matches!(disk.list(&directory), Err(DiskError::NotFound { .. })));
    disk.create_dir(&directory).unwrap();
    disk.create_dir(&directory).unwrap();
    assert!(matches!(disk.open(&path, OpenMode::ReadWrite), Err(DiskError::NotFound { .. })));
    let file = disk.open(&path, OpenMode::CreateNew).unwrap();
    let again = disk.open(&path, OpenMode::CreateNew);
    assert!(matches!(again, Err(DiskError::AlreadyExists { .. })));
    file.write_at(3, b"abc").unwrap();
    file.allocate(10).unwrap();
    file.allocate(2).unwrap();
    assert_eq!(file.length(), Ok(10));
    let mut buffer = [9; 16];
    assert_eq!(file.read_at(0, &mut buffer), Ok(10));
    assert_eq!(&buffer[..10], b"\0\0\0abc\0\0\0\0");
    assert_eq!(file.read_at(10, &mut buffer), Ok(0));
    file.truncate(4).unwrap();
    file.sync_data().unwrap();
    disk.rename(&path, &directory.join("b")).unwrap();
    disk.sync_dir(&directory).unwrap();
    assert_eq!(disk.list(&directory).unwrap(), ["b"]);
    let reader = disk.open(&directory.join("b"), OpenMode::Read).unwrap();
    assert_eq!(reader.length(), Ok(4));
    disk.remove(&directory.join("b")).unwrap();
    assert!(matches!(disk.remove(&directory.join("b")), Err(DiskError::NotFound { .. })));
    let lock = disk.lock_dir(&directory).unwrap();
    assert!(matches!(disk.lock_dir(&directory), Err(DiskError::Locked { .. })));
    drop(lock);
    assert!(disk.lock_dir(&directory).is_ok());
}

#[test]
fn the_faked_disk_keeps_the_contract() {
    check(&FakeDisk::new(1), &PathBuf::from("/fake"));
}

#[test]
fn the_real_disk_keeps_the_contract() {
    let directory = tempfile::tempdir().unwrap();
    check(&RealDisk, directory.path());
}
