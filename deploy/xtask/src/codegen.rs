//! Regenerates the committed Cap'n Proto Rust of `schema/wire`, or compares it with what the
//! schemas give now. Builds never need the `capnp` tool; only this does.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, Result, bail};

const SCHEMA_FOLDER: &str = "schema/wire/schema";
const OUTPUT_FOLDER: &str = "schema/wire/src/gen";
/// Where the generated modules sit below the root of `schema-wire`.
const PARENT_MODULE: &[&str] = &[];
/// Goes before each module: generated code keeps none of the rules for written code.
const HEADER: &str = "\
// Written by `cargo xtask gen` from the schema of the same name; do not edit.
#![allow(
    unsafe_code,
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    unused_lifetimes,
    elided_lifetimes_in_paths,
    clippy::all,
    clippy::pedantic,
    clippy::restriction,
    reason = \"generated\"
)]
";
const TOOL_VERSION_COMMENT: &str = "// capnp binary version";
const EDITION: &str = "2024";

/// File name to text of each generated module.
type Generated = BTreeMap<String, String>;

/// Writes the generated code; a file whose schema is gone is removed.
///
/// # Errors
/// No `capnp` tool, a schema that it refuses, or a folder that cannot be written.
pub(crate) fn write(root: &Path) -> Result<()> {
    let fresh = generate(root)?;
    let folder = root.join(OUTPUT_FOLDER);
    fs::create_dir_all(&folder).with_context(|| format!("creating {OUTPUT_FOLDER}"))?;
    let committed = committed(root)?;
    for name in committed.keys().filter(|name| !fresh.contains_key(*name)) {
        fs::remove_file(folder.join(name)).with_context(|| format!("removing {name}"))?;
        println!("removed {OUTPUT_FOLDER}/{name}");
    }
    for (name, text) in &fresh {
        let word = if committed.get(name) == Some(text) { "unchanged" } else { "wrote" };
        if word == "wrote" {
            fs::write(folder.join(name), text).with_context(|| format!("writing {name}"))?;
        }
        println!("{word} {OUTPUT_FOLDER}/{name}");
    }
    Ok(())
}

/// Compares the committed code with what the schemas give now; writes nothing in the repository.
///
/// # Errors
/// As `write`, and when anything differs; the message names each file.
pub(crate) fn check(root: &Path) -> Result<()> {
    let fresh = generate(root)?;
    let differences = differences(&committed(root)?, &fresh);
    if differences.is_empty() {
        println!("generated code is current: {} modules", fresh.len());
        return Ok(());
    }
    bail!(
        "the generated code is not what the schemas give; run `cargo xtask gen` and commit:\n  {}",
        differences.join("\n  ")
    )
}

fn differences(committed: &Generated, fresh: &Generated) -> Vec<String> {
    let mut found = Vec::new();
    for (name, text) in fresh {
        match committed.get(name) {
            None => found.push(format!("{OUTPUT_FOLDER}/{name} is missing")),
            Some(old) if old == text => {}
            Some(old) => {
                let line = old.lines().zip(text.lines()).take_while(|(a, b)| a == b).count() + 1;
                found.push(format!("{OUTPUT_FOLDER}/{name} differs from line {line} on"));
            }
        }
    }
    for name in committed.keys().filter(|name| !fresh.contains_key(*name)) {
        found.push(format!("{OUTPUT_FOLDER}/{name} has no schema"));
    }
    found
}

fn committed(root: &Path) -> Result<Generated> {
    let folder = root.join(OUTPUT_FOLDER);
    if !folder.is_dir() {
        return Ok(Generated::new());
    }
    read_modules(&folder)
}

fn read_modules(folder: &Path) -> Result<Generated> {
    let mut modules = Generated::new();
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default().to_owned();
        if name.ends_with("_capnp.rs") {
            let text = fs::read_to_string(&path).with_context(|| format!("reading {name}"))?;
            modules.insert(name, text);
        }
    }
    Ok(modules)
}

fn schemas(root: &Path) -> Result<Vec<PathBuf>> {
    let folder = root.join(SCHEMA_FOLDER);
    let mut found = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| format!("reading {SCHEMA_FOLDER}"))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "capnp") {
            found.push(path);
        }
    }
    found.sort();
    if found.is_empty() {
        bail!("no .capnp file in {SCHEMA_FOLDER}");
    }
    Ok(found)
}

fn generate(root: &Path) -> Result<Generated> {
    need_tool("capnp", "install the Debian package capnproto or the same of your system")?;
    need_tool("rustfmt", "run `rustup component add rustfmt`")?;
    let scratch = Scratch::new(root)?;
    let request = compile(root)?;
    capnpc::codegen::CodeGenerationCommand::new()
        .output_directory(&scratch.0)
        .default_parent_module(PARENT_MODULE.iter().map(|&name| name.to_owned()).collect())
        .run(request.as_slice())
        .context("the Rust code could not be written")?;
    for (name, text) in read_modules(&scratch.0)? {
        let file = scratch.0.join(&name);
        fs::write(&file, dressed(&text)).with_context(|| format!("writing {name}"))?;
        format_file(root, &file)?;
    }
    read_modules(&scratch.0)
}

/// With the header, and without the version of the tool, which differs between machines.
fn dressed(text: &str) -> String {
    let kept = text.lines().filter(|line| !line.starts_with(TOOL_VERSION_COMMENT));
    let mut dressed = HEADER.to_owned();
    for line in kept {
        dressed.push_str(line);
        dressed.push('\n');
    }
    dressed
}

/// What `capnp` says about the schemas, as a plugin reads it. Paths are given relative to the
/// root, because they end in the generated code.
fn compile(root: &Path) -> Result<Vec<u8>> {
    let mut command = Command::new("capnp");
    command.args(["compile", "--output=-", &format!("--src-prefix={SCHEMA_FOLDER}")]);
    for schema in schemas(root)? {
        let name = schema.file_name().context("a schema has a file name")?;
        command.arg(Path::new(SCHEMA_FOLDER).join(name));
    }
    // capnp warns when PWD is not the folder where it runs.
    let output = command
        .current_dir(root)
        .env_remove("PWD")
        .stderr(Stdio::inherit())
        .output()
        .context("capnp could not be started")?;
    if !output.status.success() {
        bail!("capnp refused the schemas, see above");
    }
    Ok(output.stdout)
}

fn format_file(root: &Path, file: &Path) -> Result<()> {
    let status = Command::new("rustfmt")
        .args(["--edition", EDITION, "--config-path"])
        .arg(root.join("rustfmt.toml"))
        .arg(file)
        .status()
        .context("rustfmt could not be started")?;
    if !status.success() {
        bail!("rustfmt refused {}", file.display());
    }
    Ok(())
}

fn need_tool(tool: &str, remedy: &str) -> Result<()> {
    let started = Command::new(tool)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !started {
        bail!("`{tool}` is needed to regenerate the Cap'n Proto code and is missing: {remedy}");
    }
    Ok(())
}

/// A folder of this process under the system's temporary folder, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(root: &Path) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("medulla-xtask-gen-{}-{count}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        if folder.starts_with(root) {
            bail!("the temporary folder lies in the repository; point TMPDIR elsewhere");
        }
        fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
        Ok(Self(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("warning: {} stays behind: {error}", self.0.display());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modules(pairs: &[(&str, &str)]) -> Generated {
        pairs.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect()
    }

    #[test]
    fn a_difference_is_named() {
        let committed = modules(&[("a_capnp.rs", "x\ny\n"), ("old_capnp.rs", "")]);
        assert_eq!(differences(&committed, &committed), Vec::<String>::new());
        let fresh = modules(&[("a_capnp.rs", "x\nz\n"), ("new_capnp.rs", "")]);
        let found = differences(&committed, &fresh).join("; ");
        for part in ["a_capnp.rs differs from line 2", "new_capnp.rs is missing", "no schema"] {
            assert!(found.contains(part), "{part} not in {found}");
        }
    }

    #[test]
    fn a_missing_tool_is_told_with_its_remedy() {
        let message = need_tool("medulla-no-such-tool", "install it").unwrap_err().to_string();
        assert!(message.contains("medulla-no-such-tool") && message.contains("install it"));
    }

    #[test]
    fn generation_is_stable_and_a_stale_file_is_caught() {
        if need_tool("capnp", "").is_err() {
            println!("skipped: the capnp tool is not installed");
            return;
        }
        let scratch = Scratch::new(Path::new("nowhere")).unwrap();
        let root = scratch.0.join("repository");
        fs::create_dir_all(root.join(SCHEMA_FOLDER)).unwrap();
        fs::write(root.join("rustfmt.toml"), "style_edition = \"2024\"\n").unwrap();
        let schema = root.join(SCHEMA_FOLDER).join("sample.capnp");
        let text = "@0xbf5147bb9ea6b2f1;\nstruct Sample { value @0 :UInt32; }\n";
        fs::write(&schema, text).unwrap();
        assert!(check(&root).unwrap_err().to_string().contains("sample_capnp.rs is missing"));
        write(&root).unwrap();
        check(&root).unwrap();
        let module = &committed(&root).unwrap()["sample_capnp.rs"];
        assert!(module.starts_with(HEADER) && !module.contains(TOOL_VERSION_COMMENT));
        fs::write(&schema, text.replace("value", "other")).unwrap();
        assert!(check(&root).unwrap_err().to_string().contains("sample_capnp.rs differs"));
        fs::write(&schema, "struct").unwrap();
        assert!(check(&root).unwrap_err().to_string().contains("capnp refused"));
    }
}
