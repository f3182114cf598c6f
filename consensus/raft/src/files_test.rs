//! Each small file through crashes, rot and loss.

use node_env::DiskOperation;
use node_env::fake::{FakeDisk, SeededRng};

use super::*;
use crate::config::Config;

const DIRECTORY: &str = "/raft";

fn disk() -> FakeDisk {
    let disk = FakeDisk::new(1);
    disk.create_dir(Path::new(DIRECTORY)).unwrap();
    disk
}

fn ballot(term: u64) -> Ballot {
    Ballot { term, node: 2, won: term.is_multiple_of(2) }
}

fn open_vote(disk: &FakeDisk) -> Result<Ballot, StartError> {
    VoteFile::open(disk, Path::new(DIRECTORY)).map(|(_, ballot)| ballot)
}

#[test]
fn an_identity_comes_back_and_a_flipped_bit_is_seen() {
    let disk = disk();
    let options = Options {
        cluster: ClusterId([7; 16]),
        node: NodeId(3),
        address: String::new(),
        directory: DIRECTORY.into(),
        config: Config::default(),
    };
    let identity = Identity::draw(&options, &SeededRng::new(1));
    assert_eq!(Identity::read(&disk, Path::new(DIRECTORY)), Ok(None));
    identity.write(&disk, Path::new(DIRECTORY)).unwrap();
    assert_eq!(Identity::read(&disk, Path::new(DIRECTORY)), Ok(Some(identity)));
    disk.flip_bit(&Path::new(DIRECTORY).join(IDENTITY_FILE), 20, 3);
    assert!(Identity::read(&disk, Path::new(DIRECTORY)).is_err());
}

#[test]
fn a_vote_survives_damage_of_either_copy_but_not_of_both() {
    let disk = disk();
    let path = Path::new(DIRECTORY).join(VOTE_FILE);
    VoteFile::create(&disk, Path::new(DIRECTORY)).unwrap();
    let (mut file, first) = VoteFile::open(&disk, Path::new(DIRECTORY)).unwrap();
    assert_eq!(first, Ballot::default());
    file.write(ballot(8)).unwrap();
    for offset in [20, 4_096 + 20] {
        let copy = disk.fork(2);
        copy.flip_bit(&path, offset, 1);
        assert_eq!(open_vote(&copy), Ok(ballot(8)), "{offset}");
        assert_eq!(open_vote(&copy), Ok(ballot(8)), "repaired {offset}");
    }
    disk.flip_bit(&path, 20, 1);
    disk.flip_bit(&path, 4_096 + 20, 1);
    assert!(matches!(open_vote(&disk), Err(StartError::Damaged { .. })));
}

#[test]
fn a_lost_vote_file_is_refused() {
    assert!(matches!(open_vote(&disk()), Err(StartError::Damaged { .. })));
}

#[test]
fn a_promised_vote_survives_a_crash_at_any_operation_of_the_next() {
    for cut in 1..=4 {
        for seed in 0..64 {
            let disk = FakeDisk::new(seed);
            disk.create_dir(Path::new(DIRECTORY)).unwrap();
            disk.set_garbage(true);
            VoteFile::create(&disk, Path::new(DIRECTORY)).unwrap();
            disk.sync_dir(Path::new(DIRECTORY)).unwrap();
            let (mut file, _) = VoteFile::open(&disk, Path::new(DIRECTORY)).unwrap();
            file.write(ballot(4)).unwrap();
            disk.cut_power_after(cut);
            assert!(file.write(ballot(5)).is_err());
            disk.restart();
            let found = open_vote(&disk).unwrap();
            assert!(found == ballot(4) || found == ballot(5), "cut {cut} seed {seed}: {found:?}");
            assert_eq!(open_vote(&disk), Ok(found), "it stays what it was read as");
        }
    }
}

#[test]
fn a_note_comes_back_without_a_sync_and_rot_only_makes_it_older() {
    let disk = disk();
    let (mut file, note) = NoteFile::open(&disk, Path::new(DIRECTORY)).unwrap();
    assert_eq!(note, Note::default());
    let position = |index| Position { term: 1, leader: 1, index };
    for index in 1..=3 {
        let note = Note { sequence: index * 10, committed: Some(position(index)) };
        file.write(note).unwrap();
    }
    let read = |disk: &FakeDisk| NoteFile::open(disk, Path::new(DIRECTORY)).unwrap().1;
    assert_eq!(read(&disk).committed, Some(position(3)));
    disk.flip_bit(&Path::new(DIRECTORY).join(NOTE_FILE), 4_096 + 20, 0);
    assert_eq!(read(&disk).committed, Some(position(2)));
}

#[test]
fn a_vote_that_a_restart_shows_after_a_failed_sync_is_durable_again() {
    for seed in 0..100 {
        let disk = FakeDisk::new(seed);
        disk.create_dir(Path::new(DIRECTORY)).unwrap();
        VoteFile::create(&disk, Path::new(DIRECTORY)).unwrap();
        disk.sync_dir(Path::new(DIRECTORY)).unwrap();
        let (mut file, _) = VoteFile::open(&disk, Path::new(DIRECTORY)).unwrap();
        disk.inject(DiskOperation::SyncData, 0, node_env::fake::Fault::Io);
        file.write(ballot(8)).unwrap_err();
        disk.halt();
        disk.restart_process();
        let shown = open_vote(&disk).unwrap();
        disk.cut_power();
        disk.restart();
        assert_eq!(open_vote(&disk), Ok(shown), "seed {seed}");
    }
}
