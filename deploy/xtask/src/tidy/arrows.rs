//! Which crate may depend on which: a level for each crate, arrows that must not exist whatever
//! the levels say, crates from outside that have one owner, and cores that stay free of I/O.
//! Only direct arrows are looked at; indirect ones are made of direct ones.

use super::Finding;
use crate::repository::{Dependency, Package, Repository};

/// Each crate and its level; a crate depends only on lower levels. Crates of later steps are
/// listed already, so that their place is decided here and not by whoever adds them.
const LEVELS: [(&str, u8); 37] = [
    ("node-env", 0),
    ("schema-types", 1),
    ("schema-wire", 2),
    ("schema-hl7", 2),
    ("schema-fhir", 2),
    ("schema-dicom", 2),
    ("schema-x12", 2),
    ("schema-ccda", 2),
    ("schema-wearable", 2),
    ("actors-core", 3),
    ("actors-store", 3),
    ("actors-risk", 3),
    ("actors-audit", 3),
    ("consensus-control", 3),
    ("consensus-placement", 4),
    ("actors-patient", 4),
    ("actors-device", 4),
    ("actors-facility", 4),
    // Below the shell and the node, whose work it judges; chaos has it too.
    ("sim-checks", 5),
    ("actors-runtime", 5),
    ("consensus-raft", 5),
    ("node-store-embedded", 5),
    ("node-store-fdb", 5),
    ("node-store-remote", 6),
    ("node-client", 5),
    ("node-auth", 5),
    ("node-query", 6),
    ("node-ingest", 7),
    ("node-rpc", 8),
    ("node-console", 8),
    ("node-app", 9),
    ("sim-world", 11),
    ("sim-runner", 12),
    ("node-bench", 10),
    ("node-medulla", 11),
    ("chaos-runner", 7),
    ("deploy-xtask", 0),
];

/// Arrows that must not exist, as patterns: a name, or a prefix that ends with `*`.
const FORBIDDEN: [(&str, &str, &str); 16] = [
    ("actors-*", "consensus-*", "actors and consensus share only values of schema-types"),
    ("consensus-*", "actors-*", "actors and consensus share only values of schema-types"),
    ("actors-patient", "actors-device", "entities talk by messages"),
    ("actors-patient", "actors-facility", "entities talk by messages"),
    ("actors-device", "actors-patient", "entities talk by messages"),
    ("actors-device", "actors-facility", "entities talk by messages"),
    ("actors-facility", "actors-patient", "entities talk by messages"),
    ("actors-facility", "actors-device", "entities talk by messages"),
    ("schema-types", "node-env", "the words depend on nothing here"),
    ("schema-*", "actors-*", "words have no behaviour"),
    ("node-*", "sim-*", "production holds no simulator"),
    ("node-*", "chaos-*", "production holds no chaos"),
    ("actors-*", "chaos-*", "production holds no chaos"),
    ("chaos-*", "node-app", "chaos hurts real processes and links none"),
    ("deploy-xtask", "*-*", "the tool must build when the product does not"),
    ("*-*", "deploy-xtask", "nothing ships the tool"),
];

/// Crates from outside that only their owners may name.
const OWNED: [(&str, &[&str]); 15] = [
    ("ractor", &["actors-runtime", "node-rpc"]),
    ("ractor_cluster", &["node-rpc"]),
    ("openraft", &["consensus-raft"]),
    ("capnp", &["schema-wire", "node-client", "node-rpc"]),
    ("capnp-rpc", &["node-client", "node-rpc"]),
    ("capnp-futures", &["node-client", "node-rpc"]),
    ("capnpc", &["deploy-xtask"]),
    ("foundationdb", &["node-store-fdb"]),
    ("getrandom", &["node-env"]),
    ("fjall", &["node-store-embedded"]),
    ("redb", &["node-store-embedded"]),
    ("axum", &["node-ingest", "node-console", "node-app"]),
    ("cedar-policy", &["node-auth"]),
    ("sqlparser", &["node-query"]),
    ("rmp-serde", &["actors-runtime"]),
];

/// Crates that decide or name things: no runtime, no socket, no randomness of their own.
const PURE: [&str; 14] = [
    "schema-types",
    "schema-wire",
    "schema-hl7",
    "schema-fhir",
    "actors-core",
    "actors-store",
    "actors-risk",
    "actors-audit",
    "actors-patient",
    "actors-device",
    "actors-facility",
    "consensus-control",
    "consensus-placement",
    "sim-checks",
];
const IMPURE: [&str; 9] =
    ["tokio", "async-std", "smol", "mio", "socket2", "hyper", "rand", "uuid", "getrandom"];
/// Domain types know no wire or disk format. They may have the data model of serde, for calls
/// between nodes of neighbouring releases; what is stored goes through `schema/wire`.
const FORMATS: [&str; 8] =
    ["serde_json", "serde_bytes", "rmp-serde", "ciborium", "postcard", "capnp", "prost", "bincode"];

/// Features of `node-env` that bring a world with them, and who may ship them.
const WORLDS: [(&str, &[&str]); 3] = [
    ("real", &["node-medulla", "node-client", "chaos-runner"]),
    ("fake", &["sim-world"]),
    ("mutations", &["sim-world", "sim-runner"]),
];

/// What `[dev-dependencies]` may name against the rules above.
const DEV_FREE: [&str; 3] = ["node-env", "tempfile", "proptest"];

pub(super) fn check(repository: &Repository) -> Vec<Finding> {
    let mut findings = Vec::new();
    for package in &repository.packages {
        let Some(level) = level_of(&package.name) else {
            let message = "has no level in deploy/xtask/src/tidy/arrows.rs";
            findings.push(Finding::new(&package.folder, 0, message));
            continue;
        };
        for dependency in &package.dependencies {
            if dependency.is_dev && DEV_FREE.contains(&dependency.name.as_str()) {
                continue;
            }
            for message in broken(package, level, dependency) {
                let manifest = format!("{}/Cargo.toml", package.folder);
                let arrow = format!("{} -> {}: {message}", package.name, dependency.name);
                findings.push(Finding::new(&manifest, 0, arrow));
            }
        }
    }
    findings
}

fn broken(package: &Package, level: u8, dependency: &Dependency) -> Vec<String> {
    let (from, to) = (package.name.as_str(), dependency.name.as_str());
    let mut messages = Vec::new();
    if let Some(below) = level_of(to).filter(|&below| below >= level) {
        messages.push(format!("level {level} may not depend on level {below}"));
    }
    for (source, target, reason) in FORBIDDEN {
        if level_of(to).is_some() && matches(source, from) && matches(target, to) {
            messages.push(reason.to_owned());
        }
    }
    for (owned, owners) in OWNED {
        if owned == to && !owners.contains(&from) {
            messages.push(format!("only {} may name it", owners.join(", ")));
        }
    }
    for (feature, shippers) in WORLDS {
        let is_asked = dependency.features.iter().any(|asked| asked == feature);
        if to == "node-env" && is_asked && !shippers.contains(&from) {
            messages.push(format!("only {} may ship feature {feature}", shippers.join(", ")));
        }
    }
    if PURE.contains(&from) && IMPURE.contains(&to) {
        messages.push("this crate is pure: no runtime, socket or randomness".to_owned());
    }
    if from == "schema-types" && FORMATS.contains(&to) {
        messages.push("domain types know no wire or disk format".to_owned());
    }
    messages
}

fn level_of(name: &str) -> Option<u8> {
    LEVELS.iter().find(|(known, _)| *known == name).map(|(_, level)| *level)
}

fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some("*-") => name.contains('-'),
        Some(prefix) => name.starts_with(prefix),
        None => pattern == name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `to` is a name, or a name and a feature with a slash between.
    fn findings(from: &str, to: &str, is_dev: bool) -> Vec<Finding> {
        let (name, feature) = to.split_once('/').unwrap_or((to, ""));
        let (name, features) = (name.to_owned(), vec![feature.to_owned()]);
        let dependencies = vec![Dependency { name, is_dev, features }];
        let folder = from.replacen('-', "/", 1);
        let package = Package { name: from.to_owned(), folder, dependencies };
        check(&Repository { packages: vec![package], ..Repository::default() })
    }

    #[test]
    fn canaries_are_caught() {
        let cases = [
            ("actors-patient", "consensus-control"),
            ("consensus-raft", "actors-store"),
            ("actors-patient", "actors-device"),
            ("actors-device", "actors-facility"),
            ("actors-patient", "ractor"),
            ("node-ingest", "openraft"),
            ("node-app", "capnp"),
            ("actors-store", "foundationdb"),
            ("node-medulla", "sim-world"),
            ("node-app", "chaos-runner"),
            ("chaos-runner", "node-app"),
            ("schema-types", "schema-wire"),
            ("schema-types", "serde_json"),
            ("schema-types", "rmp-serde"),
            ("node-app", "rmp-serde"),
            ("actors-risk", "tokio"),
            ("actors-core", "actors-runtime"),
            ("deploy-xtask", "node-env"),
            ("node-medulla", "deploy-xtask"),
            ("node-newcomer", "thiserror"),
            ("node-app", "node-env/real"),
            ("node-medulla", "node-env/fake"),
            ("node-app", "node-env/mutations"),
            ("actors-store", "getrandom"),
        ];
        for (from, to) in cases {
            assert!(!findings(from, to, false).is_empty(), "{from} -> {to} went through");
        }
    }

    #[test]
    fn allowed_arrows_pass() {
        let cases = [
            ("actors-runtime", "ractor", false),
            ("actors-runtime", "actors-patient", false),
            ("schema-wire", "capnp", false),
            ("node-medulla", "node-app", false),
            ("sim-runner", "sim-world", false),
            ("node-medulla", "node-env/real", false),
            ("node-app", "node-env/fake", true),
            ("schema-types", "node-env", true),
            ("schema-types", "serde", false),
            ("actors-patient", "proptest", true),
        ];
        for (from, to, is_dev) in cases {
            assert_eq!(findings(from, to, is_dev), [], "{from} -> {to}");
        }
        assert!(!findings("actors-patient", "tokio", true).is_empty(), "dev is no way around");
    }
}
