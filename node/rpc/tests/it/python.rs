//! The Python quickstart against a node: with the schema of today, and with the first one, which
//! must work for ever. Skipped where Python has no pycapnp.

use super::world::World;
use std::path::Path;
use std::process::Command;

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../..");

#[tokio::test(flavor = "multi_thread")]
async fn the_quickstart_works_with_the_newest_and_the_first_schema() {
    let python = |arguments: &[&str]| Command::new("python3").args(arguments).output();
    if !python(&["-c", "import capnp"]).is_ok_and(|output| output.status.success()) {
        println!("skipped: python3 has no pycapnp");
        return;
    }
    let node = World::new().start().await;
    let address = node.address.to_string();
    for schema in ["schema/wire/schema/rpc.capnp", "schema/wire/golden/rpc-v1.capnp"] {
        let script = format!("{ROOT}/node/client/python/quickstart.py");
        let schema = Path::new(ROOT).join(schema).display().to_string();
        let address = address.clone();
        let ran = tokio::task::spawn_blocking(move || {
            Command::new("python3").args(["-B", &script, &address, &schema]).output().unwrap()
        });
        let output = ran.await.unwrap();
        let (said, complained) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{said}\n{complained}");
        for expected in ["repeated False", "repeated True", "MED-CLIN-003", "heart-rate: 121.0"] {
            assert!(said.contains(expected), "{expected} is not in\n{said}\n{complained}");
        }
        for expected in ["critical-potassium raised", "news2:", "patients:", "MED-PAT-001"] {
            assert!(said.contains(expected), "{expected} is not in\n{said}\n{complained}");
        }
    }
    node.stop().await;
}
