//! A peer in a process of its own: this test binary, started again for one test.

use super::world::{Echo, config};
use node_rpc::peer::{PeerId, PeerNetwork, TlsFiles};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Names the folder with the child's files; a run without it is nobody's child.
const FOLDER: &str = "MEDULLA_PEER_TEST_CHILD";
/// What the line with the child's address starts with.
const ADDRESS: &str = "peer-address ";

/// A peer process; killed when dropped.
pub(super) struct PeerProcess {
    child: Child,
    pub(super) address: String,
}

impl PeerProcess {
    /// Starts node 2, which knows node 1 at an address.
    pub(super) fn start(folder: &Path, files: &TlsFiles, one: &str) -> Self {
        let contents = [
            ("authorities", &files.authorities_pem[..]),
            ("chain", &files.certificate_chain_pem),
            ("key", &files.private_key_pem),
            ("one", one),
        ];
        for (name, text) in contents {
            std::fs::write(folder.join(name), text).unwrap();
        }
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["peer::child::a_peer_for_other_tests", "--exact", "--nocapture"])
            .env(FOLDER, folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .find_map(|line| {
                line.unwrap().split_once(ADDRESS).map(|(_, address)| address.to_owned())
            })
            .unwrap();
        Self { child, address }
    }

    /// Sends the process a signal by name.
    pub(super) fn signal(&self, name: &str) {
        let process = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &process]).status().unwrap().success());
    }
}

impl Drop for PeerProcess {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a child is told by its environment that it is one")]
fn a_peer_for_other_tests() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let read = |name: &str| std::fs::read_to_string(Path::new(&folder).join(name)).unwrap();
    let files = TlsFiles {
        authorities_pem: read("authorities"),
        certificate_chain_pem: read("chain"),
        private_key_pem: read("key"),
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        let network = PeerNetwork::start(config(2, files), Echo::new()).await.unwrap();
        network.set_peers(&[(PeerId::new(1), read("one"))].into());
        let mut out = std::io::stdout();
        writeln!(out, "{ADDRESS}{}", network.address()).unwrap();
        out.flush().unwrap();
        // Ends with whoever started it.
        let ended = tokio::task::spawn_blocking(|| std::io::stdin().lines().count());
        drop(ended.await);
    });
}
