//! What the checks look at: the files of the working tree, the packages of the workspace and the
//! golden bytes of earlier commits. Reading is here; judging is in `tidy`.

mod rust_lines;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context, Result, bail};
use serde_json::Value;

pub(crate) use rust_lines::{Line, rust_lines};

/// Where the golden bytes of the wire formats are kept.
pub(crate) const GOLDEN_FOLDER: &str = "schema/wire/golden";
const FOLDERS_SKIPPED: [&str; 4] = [".git", "target", "node_modules", "__pycache__"];

/// The root of the repository that this tool was built from.
pub(crate) fn root() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.ancestors().nth(2).unwrap_or(own).to_path_buf()
}

/// Everything that a check may read.
#[derive(Default)]
pub(crate) struct Repository {
    /// Path relative to the root, with `/`, to the bytes of the file.
    pub(crate) files: BTreeMap<String, Vec<u8>>,
    /// The hand-written Rust files, line by line.
    pub(crate) rust: BTreeMap<String, Vec<Line>>,
    /// The members of the workspace.
    pub(crate) packages: Vec<Package>,
    /// Golden files of the base commit; `None` when there is no base to compare with.
    pub(crate) golden_before: Option<BTreeMap<String, Vec<u8>>>,
}

/// One member of the workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub(crate) name: String,
    /// Folder relative to the root.
    pub(crate) folder: String,
    pub(crate) dependencies: Vec<Dependency>,
}

/// One line of a manifest's dependency tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Dependency {
    pub(crate) name: String,
    /// True for `[dev-dependencies]`.
    pub(crate) is_dev: bool,
    /// The features that the manifest asks for.
    pub(crate) features: Vec<String>,
}

impl Repository {
    /// Reads the working tree at `root`, asks cargo for the packages and git for the base.
    ///
    /// # Errors
    /// An unreadable file, or a workspace that cargo refuses. A missing git is no error.
    pub(crate) fn read(root: &Path) -> Result<Self> {
        let mut files = BTreeMap::new();
        collect(root, root, &mut files)?;
        let mut repository = Self::of_files(files);
        repository.packages = packages(root)?;
        repository.golden_before = golden_before(root);
        Ok(repository)
    }

    /// A repository that has only files.
    pub(crate) fn of_files(files: BTreeMap<String, Vec<u8>>) -> Self {
        let rust = files
            .iter()
            .filter(|(path, _)| path.ends_with(".rs") && !is_generated(path))
            .filter_map(|(path, bytes)| {
                let text = std::str::from_utf8(bytes).ok()?;
                Some((path.clone(), rust_lines(path, text)))
            })
            .collect();
        Self { files, rust, ..Self::default() }
    }

    /// The text of a file, if it exists and is UTF-8.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).and_then(|bytes| std::str::from_utf8(bytes).ok())
    }

    /// All UTF-8 files with their text.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, bytes)| {
            std::str::from_utf8(bytes).ok().map(|text| (path.as_str(), text))
        })
    }

    /// True when a file lies below the folder.
    pub(crate) fn has_folder(&self, folder: &str) -> bool {
        let prefix = format!("{folder}/");
        self.files.range(prefix.clone()..).next().is_some_and(|(path, _)| path.starts_with(&prefix))
    }
}

#[cfg(test)]
impl Repository {
    /// A repository in memory for the canaries.
    pub(crate) fn in_memory(files: &[(&str, &str)]) -> Self {
        let owned = files.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        Self::of_files(owned.collect())
    }
}

/// Generated code keeps none of the rules for written code.
pub(crate) fn is_generated(path: &str) -> bool {
    path.contains("/src/gen/")
}

fn collect(root: &Path, folder: &Path, files: &mut BTreeMap<String, Vec<u8>>) -> Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))? {
        let entry = entry?;
        let path = entry.path();
        let kind = entry.file_type()?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if kind.is_dir() {
            if !FOLDERS_SKIPPED.contains(&name.as_str()) {
                collect(root, &path, files)?;
            }
        } else if kind.is_file() {
            let relative = path.strip_prefix(root).unwrap_or(&path);
            let key = relative.to_string_lossy().replace('\\', "/");
            let bytes = fs::read(&path).with_context(|| format!("reading {key}"))?;
            files.insert(key, bytes);
        }
    }
    Ok(())
}

fn packages(root: &Path) -> Result<Vec<Package>> {
    let output = Command::new("cargo")
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(root)
        .output()
        .context("cargo metadata could not be started")?;
    if !output.status.success() {
        bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata")?;
    let listed = metadata["packages"].as_array().context("cargo metadata has no packages")?;
    listed.iter().map(|value| package(root, value)).collect()
}

fn package(root: &Path, value: &Value) -> Result<Package> {
    let name = value["name"].as_str().context("a package has a name")?.to_owned();
    let manifest = Path::new(value["manifest_path"].as_str().context("a package has a manifest")?);
    let folder = manifest.parent().context("a manifest lies in a folder")?;
    let relative = folder.strip_prefix(root).context("a member lies in the repository")?;
    let listed = value["dependencies"].as_array().context("a package lists dependencies")?;
    let dependencies = listed.iter().map(|dependency| Dependency {
        name: dependency["name"].as_str().unwrap_or_default().to_owned(),
        is_dev: dependency["kind"].as_str() == Some("dev"),
        features: features(&dependency["features"]),
    });
    Ok(Package {
        name,
        folder: relative.to_string_lossy().replace('\\', "/"),
        dependencies: dependencies.collect(),
    })
}

fn features(listed: &Value) -> Vec<String> {
    let names = listed.as_array().into_iter().flatten().filter_map(Value::as_str);
    names.map(str::to_owned).collect()
}

/// The golden files of the commit where this branch left the shared line, or else of the commit
/// before this one.
fn golden_before(root: &Path) -> Option<BTreeMap<String, Vec<u8>>> {
    let base = ["origin/main", "origin/HEAD"]
        .iter()
        .find_map(|line| git_text(root, &["merge-base", "HEAD", line]))
        .filter(|base| Some(base) != git_text(root, &["rev-parse", "HEAD"]).as_ref())
        .or_else(|| git_text(root, &["rev-parse", "--verify", "--quiet", "HEAD~1"]))?;
    let listed = git_text(root, &["ls-tree", "-r", "--name-only", &base, GOLDEN_FOLDER])?;
    let mut golden = BTreeMap::new();
    for path in listed.lines() {
        let shown = git(root, &["show", &format!("{base}:{path}")])?;
        golden.insert(path.to_owned(), shown.stdout);
    }
    Some(golden)
}

fn git(root: &Path, arguments: &[&str]) -> Option<Output> {
    let output = Command::new("git").args(arguments).current_dir(root).output().ok()?;
    output.status.success().then_some(output)
}

fn git_text(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = git(root, arguments)?;
    Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
