//! The client library at run time: a program built with the feature starts without it, says
//! clearly that it is not there, and uses one that is; here one of a few lines, built by the test.
//! Each case runs in a process of its own, because a library is loaded once.

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use node_env::fake::SeededRng;
use node_env::real::RealClock;
use node_store_fdb::{Environment, FdbConfig, FdbError, FdbStore, stop_network};

/// Names the case to the process that plays it.
const CASE: &str = "MEDULLA_TEST_FDB_LIBRARY_CASE";

/// Enough of a client to be asked for its version and to run a network thread.
const FAKE: &str = r#"
#include <semaphore.h>
#include <stdio.h>
static sem_t stopped;
int fdb_get_max_api_version(void) { return VERSION; }
const char *fdb_get_error(int code) { return code == 1515 ? "No cluster file found" : "?"; }
int fdb_select_api_version_impl(int runtime, int header) {
  return runtime == 730 && header == 730 ? 0 : 2203;
}
int fdb_setup_network(void) { return sem_init(&stopped, 0, 0); }
int fdb_run_network(void) { sem_wait(&stopped); fprintf(stderr, "network ended\n"); return 0; }
int fdb_stop_network(void) { return sem_post(&stopped); }
int fdb_create_database(const char *file, void **out) { (void)file; (void)out; return 1515; }
"#;

fn build_fake(folder: &Path, version: u32) {
    let source = folder.join("fake.c");
    std::fs::write(&source, FAKE).unwrap();
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-pthread", "-o"])
        .arg(folder.join("libfdb_c.so"))
        .arg(format!("-DVERSION={version}"))
        .arg(&source)
        .status();
    assert!(built.unwrap().success());
}

/// Plays a case in a process of its own; gives what it wrote to stderr.
fn play(case: &str, variable: &str, value: &Path) -> String {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "library::the_process_of_a_case", "--nocapture"])
        .env(CASE, case)
        .env_remove("FDB_LOCAL_CLIENT_LIBRARY_PATH")
        .env_remove("FDB_CLIENT_LIB_PATH")
        .env(variable, value)
        .output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{case}: {said}");
    said
}

fn open() -> Result<(), FdbError> {
    let clock = Arc::new(RealClock::new());
    let environment = Environment { clock, rng: Arc::new(SeededRng::new(1)) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(FdbStore::open(FdbConfig::default(), environment)).map(drop)
}

/// Does nothing unless a test below has started this process.
#[test]
fn the_process_of_a_case() {
    let Some(case) = std::env::var_os(CASE) else { return };
    let found = open();
    match case.to_str().unwrap() {
        "missing" => {
            let Err(FdbError::ClientLibraryMissing { reason, .. }) = &found else {
                panic!("{found:?}");
            };
            assert!(reason.contains("no such library.so"), "{reason}");
            // It is looked for again, not remembered as missing.
            assert_eq!(open(), found);
        }
        "old" => assert_eq!(found, Err(FdbError::ClientLibraryTooOld { found: 710, needed: 730 })),
        "stopped" => {
            assert!(matches!(&found, Err(FdbError::Client { reason })
                if reason.contains("No cluster file found (1515)")));
            assert_eq!(open(), found);
            stop_network();
            stop_network();
            assert_eq!(open(), Err(FdbError::NetworkStopped));
        }
        "not stopped" => assert!(matches!(found, Err(FdbError::Client { .. }))),
        other => panic!("{other}"),
    }
}

#[test]
fn a_missing_library_is_said_clearly() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("no such library.so");
    play("missing", "FDB_LOCAL_CLIENT_LIBRARY_PATH", &file);
}

#[test]
fn a_library_that_is_too_old_is_said_clearly() {
    let folder = tempfile::tempdir().unwrap();
    build_fake(folder.path(), 710);
    play("old", "FDB_CLIENT_LIB_PATH", folder.path());
}

#[test]
fn the_network_runs_once_and_is_stopped() {
    let folder = tempfile::tempdir().unwrap();
    build_fake(folder.path(), 730);
    let said = play("stopped", "FDB_CLIENT_LIB_PATH", folder.path());
    assert!(said.contains("network ended"), "{said}");
}

#[test]
fn a_process_that_forgets_to_stop_the_network_ends_well() {
    let folder = tempfile::tempdir().unwrap();
    build_fake(folder.path(), 740);
    let said =
        play("not stopped", "FDB_LOCAL_CLIENT_LIBRARY_PATH", &folder.path().join("libfdb_c.so"));
    assert!(said.contains("network ended"), "{said}");
}
