//! Which compiled units may be stale. Cargo compares dates, this project compares content. Between two recorded builds
//! there may have been compiles that failed, were killed, or were for another function, so the target directory itself
//! records the content that each local package was compiled from.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::cargo::{Function, Workspace};
use crate::compile::Staleness;
use crate::error::Result;
use crate::fingerprint::{DiscoveredInputs, Ingredients};
use crate::pipeline::{Gate, Places, Project, Task};
use crate::snapshot::{Entry, Kind, Snapshot};
use crate::sys::{Sha, fs, lexically_clean};

/// Decides which cached units may be reused for what `gate` saw.
pub fn of(task: &Task, gate: &Gate) -> Result<Staleness> {
    let Task { project: Project { workspace, config, .. }, function, places } = task;
    let known = gate.discovered_inputs();
    let inputs = &gate.now.snapshot;
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_nanos());
    let name = format!("{}\0{}\0{now}", places.folder.display(), std::process::id());
    Ok(Staleness {
        packages: packages(workspace, function, &known, inputs),
        surroundings: surroundings(workspace, &gate.ingredients, inputs)?,
        compile: Sha::of(name.as_bytes()).short(16),
        clean_compiles: if config.force { Vec::new() } else { clean_compiles(workspace)? },
    })
}

/// Records that no input changed during the compile, so that its units are known to be made from that content.
pub fn settle(places: &Places, staleness: &Staleness) -> Result<()> {
    fs::replace(&noted_in(&places.folder), staleness.compile.as_bytes(), 0o644, None)
}

fn noted_in(folder: &Path) -> PathBuf {
    folder.join("compiled")
}

/// The last compile of each function during which no input changed. Functions share a target directory.
fn clean_compiles(workspace: &Workspace) -> Result<Vec<String>> {
    let mut names = Vec::new();
    let state = workspace.state_folder();
    for folder in fs::names_in(&state)? {
        let note = fs::read_own(&noted_in(&state.join(folder)))?;
        names.extend(note.and_then(|note| String::from_utf8(note).ok()));
    }
    // They are passed in one argument, separated by blanks.
    names.retain(|name| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    Ok(names)
}

/// For each local package a digest of its own files, of the files that belong to no package (any package may read
/// them), and of the packages whose files its units read; of all files where a build script or a macro may read any.
/// Vendored packages are included: cargo assumes that they never change.
fn packages(
    workspace: &Workspace,
    function: &Function,
    known: &DiscoveredInputs,
    inputs: &Snapshot,
) -> Vec<(String, Sha)> {
    let vendored = |path: &Path| workspace.vendored.iter().find(|package| path.starts_with(&package.folder));
    let mut own: BTreeMap<String, String> = BTreeMap::new();
    let mut common = String::new();
    for (path, entry) in inputs.present() {
        let full = lexically_clean(&workspace.root.join(&path));
        match vendored(&full).or_else(|| function.package.owner_of(&full)) {
            // With the mtime: cargo compiles a touched package again, with an OUT_DIR that may be from other content.
            Some(package) => {
                let text = own.entry(package.name.clone()).or_default();
                text.push_str(&format!("{} {}", line(&path, entry), entry.stamp.mtime_ns));
            }
            None => common.push_str(&line(&path, entry)),
        }
    }
    let local = &function.package.local_folders;
    let digest = |name: &String| {
        let reads = known.shared_reads.iter().filter(|pair| pair.contains(name)).flatten();
        let all: BTreeSet<String> = reads.chain([name]).cloned().collect();
        let reads_anything = local.iter().any(|package| package.name == *name && package.reads_anything);
        let read = own.iter().filter(|(owner, _)| reads_anything || all.contains(*owner));
        let mut text: String = read.map(|(_, files)| files.as_str()).collect();
        if local.iter().any(|package| package.name == *name) {
            text.push_str(&common);
        }
        Sha::of(text.as_bytes())
    };
    // By name, as cargo's records are: two packages of one name are dropped together.
    let names: BTreeSet<String> = workspace.vendored.iter().chain(local).map(|package| package.name.clone()).collect();
    names.into_iter().map(|name| (name.clone(), digest(&name))).collect()
}

/// What a build script can read of its environment without telling cargo.
fn surroundings(workspace: &Workspace, ingredients: &Ingredients, inputs: &Snapshot) -> Result<Sha> {
    let mut text = String::new();
    for (name, value) in ingredients.iter().filter(|(name, _)| name.starts_with("variable ") || *name == "network") {
        text.push_str(&format!("{name}={value}\n"));
    }
    // The `[env]` of cargo's configuration reaches every build script.
    let configs: BTreeSet<String> = workspace.config_files()?.into_iter().collect();
    let configs = inputs.present().into_iter().filter(|(path, _)| configs.contains(path));
    text.extend(configs.map(|(path, entry)| line(&path, entry)));
    Ok(Sha::of(text.as_bytes()))
}

fn line(path: &str, entry: &Entry) -> String {
    let executable = entry.kind == Kind::Executable;
    format!("{path}\0{executable} {}\n", entry.sha)
}
