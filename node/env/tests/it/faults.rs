//! What the faked disk does when the power goes, space runs out or a fault is injected, and
//! that clock and randomness depend on their inputs alone.

use std::path::Path;
use std::sync::Arc;

use node_env::fake::{FakeDisk, Fault, ManualClock, SeededRng};
use node_env::{Clock, Disk, DiskError, DiskFile, DiskOperation, OpenMode, Rng};

const DIRECTORY: &str = "/data";
const PATH: &str = "/data/a";

fn new_file(disk: &FakeDisk) -> Arc<dyn DiskFile> {
    disk.create_dir(Path::new(DIRECTORY)).unwrap();
    let file = disk.open(Path::new(PATH), OpenMode::CreateNew).unwrap();
    file.allocate(8192).unwrap();
    file.sync_data().unwrap();
    disk.sync_dir(Path::new(DIRECTORY)).unwrap();
    file
}

#[test]
fn synced_data_survives_and_unsynced_data_is_lost_kept_or_torn() {
    let (mut lost, mut kept, mut torn) = (0, 0, 0);
    for seed in 0..200 {
        let disk = FakeDisk::new(seed);
        let file = new_file(&disk);
        file.write_at(0, &[1; 1024]).unwrap();
        file.sync_data().unwrap();
        file.write_at(4096, &[2; 2048]).unwrap();
        disk.cut_power();
        assert!(file.sync_data().is_err());
        disk.restart();
        assert!(file.length().is_err(), "a file open before the cut stays unusable");
        let contents = disk.contents(Path::new(PATH)).unwrap();
        assert!(contents[..1024].iter().all(|&byte| byte == 1));
        match contents[4096..6144].iter().filter(|&&byte| byte == 2).count() {
            0 => lost += 1,
            2048 => kept += 1,
            part => {
                assert_eq!(part % 512, 0, "sectors are kept or lost as a whole");
                torn += 1;
            }
        }
    }
    assert!(lost > 20 && kept > 20 && torn > 20, "{lost} {kept} {torn}");
}

#[test]
fn an_unsynced_name_can_be_lost_and_a_synced_one_never_is() {
    let mut lost = 0;
    for seed in 0..50 {
        let disk = FakeDisk::new(seed);
        new_file(&disk);
        disk.open(Path::new("/data/b"), OpenMode::CreateNew).unwrap().sync_data().unwrap();
        disk.cut_power();
        disk.restart();
        assert!(disk.contents(Path::new(PATH)).is_some());
        lost += usize::from(disk.contents(Path::new("/data/b")).is_none());
    }
    assert!((5..45).contains(&lost), "{lost}");
}

#[test]
fn the_power_goes_at_the_operation_asked_for() {
    let disk = FakeDisk::new(3);
    let file = new_file(&disk);
    disk.cut_power_after(2);
    assert!(file.write_at(0, &[1]).is_ok());
    assert!(file.write_at(1, &[1]).is_err());
    assert!(!disk.is_powered());
    assert!(file.length().is_err());
}

#[test]
fn injected_faults_hit_the_chosen_operation_once() {
    let disk = FakeDisk::new(4);
    let file = new_file(&disk);
    disk.inject(DiskOperation::SyncData, 1, Fault::Io);
    disk.inject(DiskOperation::Write, 0, Fault::NoSpace);
    assert!(matches!(file.write_at(0, &[1]), Err(DiskError::NoSpace { .. })));
    assert!(file.write_at(0, &[1]).is_ok());
    assert!(file.sync_data().is_ok());
    assert!(matches!(file.sync_data(), Err(DiskError::Io { .. })));
    assert!(file.sync_data().is_ok());
}

#[test]
fn space_and_rights_end_where_told() {
    let disk = FakeDisk::new(5);
    let file = new_file(&disk);
    disk.set_capacity_bytes(Some(8192));
    assert!(file.write_at(8000, &[1; 192]).is_ok());
    assert!(matches!(file.write_at(8000, &[1; 193]), Err(DiskError::NoSpace { .. })));
    assert!(matches!(file.allocate(9000), Err(DiskError::NoSpace { .. })));
    disk.set_capacity_bytes(None);
    assert!(file.allocate(9000).is_ok());
    disk.set_read_only(true);
    assert!(matches!(file.write_at(0, &[1]), Err(DiskError::Permission { .. })));
    assert!(matches!(disk.lock_dir(Path::new(DIRECTORY)), Err(DiskError::Permission { .. })));
}

#[test]
fn randomness_depends_on_the_seed_alone_and_the_clock_on_its_owner() {
    let (first, second) = (SeededRng::new(1), SeededRng::new(1));
    assert_eq!(first.next_u64(), 0x910A_2DEC_8902_5CC1, "published value of SplitMix64");
    assert_eq!(second.next_u64(), 0x910A_2DEC_8902_5CC1);
    let mut buffers = [[0; 13]; 2];
    first.fill(&mut buffers[0]);
    second.fill(&mut buffers[1]);
    assert_eq!(buffers[0], buffers[1]);
    let clock = ManualClock::new(1_000);
    clock.advance_micros(5);
    assert_eq!((clock.wall_unix_micros(), clock.monotonic_micros()), (1_005, 5));
    clock.set_wall_unix_micros(-1);
    assert_eq!((clock.wall_unix_micros(), clock.monotonic_micros()), (-1, 5));
}
