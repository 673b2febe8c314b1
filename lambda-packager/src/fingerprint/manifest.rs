//! The record of a build: `target/lambda/<function>/manifest.json`. `docs/manifest.md` documents its schema; every change
//! of the schema increases [`SCHEMA`].

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::cargo::Workspace;
use crate::error::{Error, Result};
use crate::fingerprint::{DiscoveredInputs, Ingredients};
use crate::packaged::ManifestProblem;
use crate::snapshot::Snapshot;
use crate::sys::git::git;
use crate::sys::{Sha, Stamp, fs, lexically_clean};

/// The version of the manifest's schema.
pub const SCHEMA: u32 = 7;
/// The number of runs in the history.
const HISTORY: usize = 10;

/// The record of a build.
#[derive(Clone, Serialize, Deserialize)]
pub struct Manifest {
    pub schema: u32,
    pub packager: String,
    pub function: String,
    /// The workspace's path: a copied target directory belongs to another workspace.
    pub workspace: String,
    /// The inode of the file itself when it was written. A copy has another one: who made it is unknown.
    pub inode: u64,
    pub fingerprint: Sha,
    pub ingredients: Ingredients,
    #[serde(rename = "road")]
    pub backend: BackendRecord,
    pub artifact: Artifact,
    /// Inputs that changed during the compile, so that it may have read two versions.
    pub changed_while_compiling: Vec<String>,
    pub stages_ms: BTreeMap<String, u64>,
    /// The last builds, the newest first.
    pub history: Vec<Run>,
    #[serde(rename = "extras")]
    pub discovered_inputs: DiscoveredInputs,
    pub inputs: Snapshot,
}

/// The backend that compiled it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct BackendRecord {
    /// `docker`, `podman`, `finch`, `nerdctl` or `host`; `none` where nothing is compiled.
    pub engine: String,
    pub engine_version: String,
    /// The name of the container; empty on the host.
    pub container: String,
    /// Compiled in the clean room.
    pub clean_room: bool,
    /// The image reference, or `borrowed toolchain`, or `host toolchain`.
    pub base: String,
    /// The id of the image. On the host, a digest of the toolchain.
    pub image_id: String,
    /// The base of the builder image, `name@digest`; empty if the host's toolchain was used.
    pub base_digest: String,
    /// The host's toolchain was used.
    pub host_toolchain: bool,
    /// The compile could read only its inputs.
    pub hermetic: bool,
    /// Why this backend is not the first choice; empty if it is.
    pub fallback: String,
}

impl BackendRecord {
    /// That of a layer of files.
    pub fn of_nothing() -> Self {
        Self { engine: "none".into(), hermetic: true, ..Self::default() }
    }
}

impl std::fmt::Display for BackendRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.engine == "none" {
            f.write_str("none: nothing to compile")?;
        } else if self.clean_room {
            write!(f, "{} {}, clean room, {}", self.engine, self.engine_version, self.base)?;
        } else if self.container.is_empty() {
            write!(f, "{}, no container, not hermetic", self.base)?;
        } else {
            write!(f, "{} {}, container {}, {}", self.engine, self.engine_version, self.container, self.base)?;
        }
        if self.fallback.is_empty() { Ok(()) } else { write!(f, " ({})", self.fallback) }
    }
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Artifact {
    pub zip_sha256: Sha,
    pub zip_bytes: u64,
    pub bootstrap_sha256: Sha,
    pub bootstrap_bytes: u64,
    /// The paths of the zip, relative to the workspace, and their stamps when written.
    pub copies: BTreeMap<String, Stamp>,
    /// The time before they were last checked, by the clock of the file system.
    pub checked_at_ns: i64,
    /// The image that runs it; empty if the backend makes none.
    pub image: String,
    /// The paths of its debug information, relative to the workspace, and their digests.
    pub debug: BTreeMap<String, Sha>,
}

impl Artifact {
    /// The recorded digest of the artifact's file `path`.
    pub fn sha_of(&self, path: &str) -> Sha {
        match self.debug.get(path) {
            Some(sha) => *sha,
            None if is_bootstrap(path) => self.bootstrap_sha256,
            None => self.zip_sha256,
        }
    }
}

/// Whether git tracks `path`, or what is in it, in the repository that `root` is in.
fn is_tracked(path: &str, root: &Path) -> bool {
    const TIMEOUT: Duration = Duration::from_secs(30);
    let args = ["--literal-pathspecs", "ls-files", "--error-unmatch", "--", path];
    let answer = git(root).map(|git| git.args(&args).output(None, TIMEOUT));
    answer.is_some_and(|output| output.is_ok_and(|output| output.success()))
}

/// Whether this file of the artifact is the bootstrap, and not a copy of the zip.
pub fn is_bootstrap(path: &str) -> bool {
    path.ends_with("/bootstrap")
}

/// A build in the history.
#[derive(Clone, Serialize, Deserialize)]
pub struct Run {
    /// Seconds since the Unix epoch.
    pub at_epoch_secs: u64,
    pub verdict: String,
    pub elapsed_ms: u64,
    pub zip_bytes: u64,
    /// The name of the container that compiled it; empty for another backend.
    pub container: String,
}

impl Manifest {
    /// Reads the manifest of `function` in `workspace`.
    pub fn load(path: &Path, function: &str, workspace: &Workspace) -> Result<Self, ManifestProblem> {
        match fs::read_own(path) {
            Ok(Some(bytes)) => Self::parse(bytes, function, workspace),
            Ok(None) => Err(ManifestProblem::Absent),
            Err(e) => Err(ManifestProblem::Unreadable { detail: e.to_string() }),
        }
    }

    fn parse(bytes: Vec<u8>, function: &str, workspace: &Workspace) -> Result<Self, ManifestProblem> {
        /// The field that every schema has.
        #[derive(Deserialize)]
        struct Head {
            schema: u32,
        }
        let unreadable = |detail: String| ManifestProblem::Unreadable { detail };
        // Check for UTF-8 once. Parsing bytes would check each string separately.
        let text = String::from_utf8(bytes).map_err(|e| unreadable(e.to_string()))?;
        let manifest = match serde_json::from_str::<Self>(&text) {
            Ok(manifest) if manifest.schema == SCHEMA => manifest,
            other => {
                let head: Head = serde_json::from_str(&text).map_err(|e| unreadable(e.to_string()))?;
                return Err(match (head.schema.cmp(&SCHEMA), other) {
                    (Ordering::Greater, _) => ManifestProblem::Newer { schema: head.schema },
                    (Ordering::Less, _) => ManifestProblem::Older { schema: head.schema },
                    (Ordering::Equal, Err(e)) => unreadable(e.to_string()),
                    (Ordering::Equal, Ok(_)) => unreadable("two different schema numbers".into()),
                });
            }
        };
        if manifest.function != function {
            return Err(ManifestProblem::Foreign { owner: format!("the function {}", manifest.function) });
        }
        if Path::new(&manifest.workspace) != workspace.root {
            return Err(ManifestProblem::Foreign { owner: format!("the workspace {}", manifest.workspace) });
        }
        let stray = manifest.inputs.trees.iter().flat_map(|record| record.foreign_paths()).next().map(String::from);
        match stray {
            Some(path) => Err(ManifestProblem::Outside { path }),
            None => Ok(manifest),
        }
    }

    /// A recorded path outside of the workspace and its local packages, or one that was found and git does not track. `/usr` is
    /// allowed: everybody can read it, and a build script may name headers there.
    fn foreign_path(&self, workspace: &Workspace) -> Option<&str> {
        let roots = || std::iter::once(&workspace.root).chain(workspace.path_dependencies.all());
        let foreign = |path: &&String| {
            let clean = lexically_clean(&workspace.root.join(path));
            !roots().any(|root| clean.starts_with(root)) && !clean.starts_with("/usr")
        };
        let DiscoveredInputs { files, folders, found } = &self.discovered_inputs;
        // A compile sees what was found, so it must be what git has.
        let untracked = found.iter().filter(|path| !is_tracked(path, &workspace.root));
        files.iter().chain(folders).filter(foreign).chain(untracked).next().map(String::as_str)
    }

    /// The manifest that was read from `path`, if it was written there: then it names what a compile of this machine read,
    /// wherever that lies. One that came with a checkout or an archive, or from another machine, is not believed: its zip
    /// may be of anything. Where `trusts_restored`, it is, but must not make us read any file.
    pub fn believed(self, path: &Path, trusts_restored: bool, workspace: &Workspace) -> Result<Self, ManifestProblem> {
        let inode = fs::lstat(path).ok().flatten().map(|meta| Stamp::of(&meta).inode);
        if inode == Some(self.inode) {
            return Ok(self);
        }
        if !trusts_restored {
            return Err(ManifestProblem::Copied);
        }
        match self.foreign_path(workspace) {
            Some(path) => Err(ManifestProblem::Outside { path: path.to_string() }),
            None => Ok(self),
        }
    }

    /// Writes the manifest. This is the last step of a build; until then, the previous manifest is valid.
    pub fn store(&mut self, path: &Path) -> Result<()> {
        let text = |inode| {
            self.inode = inode;
            let text = serde_json::to_vec_pretty(self);
            text.map(Cow::from).map_err(|e| Error::config("cannot write the manifest").source(e))
        };
        fs::Staged::write_with_inode(path, text, 0o644, None)?.commit()
    }

    /// The history with `run` in front.
    pub fn history_with(previous: Option<&Self>, run: Run) -> Vec<Run> {
        let before = previous.map_or(&[][..], |manifest| &manifest.history);
        std::iter::once(run).chain(before.iter().cloned()).take(HISTORY).collect()
    }
}

/// For tests: the record of a build of the function `f` in `/w`.
#[cfg(test)]
pub fn sample() -> serde_json::Value {
    serde_json::json!({
        "schema": SCHEMA, "packager": "1", "function": "f", "workspace": "/w", "inode": 0, "fingerprint": Sha::of(b""),
        "ingredients": {}, "stages_ms": {}, "history": [], "changed_while_compiling": [], "inputs": Snapshot::default(),
        "road": {
            "engine": "docker", "engine_version": "1", "container": "c", "clean_room": false, "base": "b", "image_id": "i",
            "base_digest": "", "host_toolchain": false, "hermetic": true, "fallback": "",
        },
        "artifact": {
            "zip_sha256": Sha::of(b"zip"), "zip_bytes": 3, "bootstrap_sha256": Sha::of(b"bootstrap"),
            "bootstrap_bytes": 9, "copies": {}, "checked_at_ns": 1, "image": "", "debug": {},
        },
        "extras": {"files": ["/usr/include/x.h"], "folders": []},
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::damaged;
    use crate::snapshot::{Entry, FolderRecord, Kind, Rule, Tree, TreeRecord};

    #[test]
    fn a_damaged_manifest_names_no_file_outside() {
        let workspace = Workspace::sample(Path::new("/w"), &[("a", &["f"])]);
        let stamp = Stamp { size_bytes: 1, mtime_ns: 2, ctime_ns: 3, inode: 4 };
        let entry = |name: &str| Entry { name: name.into(), kind: Kind::File, stamp, sha: Sha::of(b"") };
        let folder =
            json!({"path": "a/src", "stamp": stamp, "others": ["target"], "files": [entry("main.rs"), entry("b")]});
        let tree = json!({"tree": Tree::new("a", Rule::Package), "folders": [folder]});
        let mut manifest = sample();
        manifest["inputs"] =
            json!({"taken_at_ns": 5, "trees": [tree], "files": [entry("Cargo.lock"), entry("/usr/include/x.h")]});
        manifest["history"] =
            json!([{"at_epoch_secs": 1, "verdict": "first build", "elapsed_ms": 2, "zip_bytes": 3, "container": "c"}]);
        manifest["artifact"]["copies"] = json!({"target/lambda/f/bootstrap": stamp});
        let bytes = manifest.to_string().into_bytes();
        let whole = Manifest::parse(bytes.clone(), "f", &workspace).unwrap();
        damaged::each(&[bytes], |bytes| {
            let read = Manifest::parse(bytes.to_vec(), "f", &workspace);
            let restored = |manifest: Manifest| manifest.believed(Path::new("/w/none"), true, &workspace);
            let Ok(manifest) = read.and_then(restored) else { return };
            let at = |path: &str| lexically_clean(&Path::new("/w").join(path));
            let discovered = &manifest.discovered_inputs;
            let named = discovered.files.iter().chain(&discovered.folders).chain(&discovered.found);
            for path in named.map(|path| at(path)) {
                assert!(path.starts_with("/w") || path.starts_with("/usr"), "{}", path.display());
            }
            // Which trees and single files are looked at is compared with the scope.
            for record in manifest.inputs.trees.iter() {
                for folder in &record.folders {
                    let paths = folder.files.iter().map(|entry| folder.path_of(entry)).chain([folder.path.clone()]);
                    paths.for_each(|path| assert!(at(&path).starts_with(at(&record.tree.path)), "{path}"));
                }
            }
            manifest.inputs.changes_since(&whole.inputs);
            let _ = (manifest.backend.to_string(), serde_json::to_vec(&manifest).unwrap());
        });
    }

    #[test]
    fn a_manifest_is_read_only_if_it_is_of_this_schema_function_and_workspace() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("manifest.json");
        let workspace = Workspace::sample(Path::new("/w"), &[("a", &["f"])]);
        let stamp = Stamp { size_bytes: 1, mtime_ns: 2, ctime_ns: 3, inode: 4 };
        let folder = FolderRecord { path: "a".into(), stamp, others: vec!["src".into()], files: Vec::new() };
        let record = TreeRecord { tree: Tree::new("a", Rule::Package), folders: vec![folder] };
        let inputs = Snapshot { taken_at_ns: 5, trees: Arc::new(vec![record]), files: Arc::default() };
        let read = |changes: serde_json::Value| {
            let mut manifest = sample();
            manifest.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
            fs::replace(&path, manifest.to_string().as_bytes(), 0o644, None).unwrap();
            Manifest::load(&path, "f", &workspace)
        };
        let mut manifest = read(json!({"inputs": inputs})).unwrap();
        manifest.store(&path).unwrap();
        let believed = |restored| Manifest::load(&path, "f", &workspace).unwrap().believed(&path, restored, &workspace);
        let copied = || fs::replace(&path, &fs::read(&path).unwrap(), 0o644, None).unwrap();
        assert!(believed(false).is_ok());
        copied();
        assert_eq!(believed(false).err(), Some(ManifestProblem::Copied));
        assert!(believed(true).is_ok());
        let text = String::from_utf8(fs::read(&path).unwrap()).unwrap();
        assert!(text.contains("\"others\": [\"src\"]") && text.contains("\"folders\""), "{text}");
        let again = Manifest::load(&path, "f", &workspace).unwrap();
        assert!(again.inputs.changes_since(&manifest.inputs).is_empty());
        // What a compile of this machine read may lie anywhere; a record of others must not make us read it.
        for outside in ["../secret", "/usr/../etc/passwd"] {
            for extras in
                [json!({"files": [outside], "folders": []}), json!({"files": [], "folders": [], "found": [outside]})]
            {
                read(json!({"extras": extras})).unwrap().store(&path).unwrap();
                assert!(believed(false).is_ok() && believed(true).is_ok(), "{outside}");
                copied();
                assert_eq!(believed(false).err(), Some(ManifestProblem::Copied));
                assert_eq!(believed(true).err(), Some(ManifestProblem::Outside { path: outside.into() }));
            }
        }
        for (changes, expected) in [
            (json!({"schema": SCHEMA + 1}), ManifestProblem::Newer { schema: SCHEMA + 1 }),
            (json!({"schema": 1, "inputs": null}), ManifestProblem::Older { schema: 1 }),
            (json!({"function": "g"}), ManifestProblem::Foreign { owner: "the function g".into() }),
            (json!({"workspace": "/v"}), ManifestProblem::Foreign { owner: "the workspace /v".into() }),
        ] {
            assert_eq!(read(changes).err(), Some(expected));
        }
        assert!(matches!(read(json!({"inputs": 1})), Err(ManifestProblem::Unreadable { .. })));
        assert!(matches!(Manifest::load(&dir.path().join("none"), "f", &workspace), Err(ManifestProblem::Absent)));
    }
}
