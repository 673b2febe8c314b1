//! The record of a build: `target/lambda/<function>/manifest.json`. Its schema is documented in
//! `docs/manifest.md`; [`SCHEMA`] grows with every change of it.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cargo::Workspace;
use crate::error::{Error, Result};
use crate::fingerprint::ingredients::Ingredients;
use crate::fingerprint::inputs::DiscoveredInputs;
use crate::packaged::ManifestProblem;
use crate::snapshot::record::{Entry, FolderRecord, Snapshot, TreeRecord};
use crate::sys::fs;
use crate::sys::fs::Stamp;
use crate::sys::paths::lexically_clean;
use crate::sys::sha256::Sha;

/// The version of the manifest's schema.
pub const SCHEMA: u32 = 3;
/// How many runs the history holds.
const HISTORY: usize = 10;

/// What was built from what.
#[derive(Clone, Serialize, Deserialize)]
pub struct Manifest {
    pub schema: u32,
    pub packager: String,
    pub function: String,
    /// The workspace's path: a copied target directory is another's.
    pub workspace: String,
    pub fingerprint: Sha,
    pub ingredients: Ingredients,
    #[serde(rename = "road")]
    pub backend: BackendRecord,
    pub artifact: Artifact,
    /// Inputs that the compile may have read in two versions.
    pub changed_while_compiling: Vec<String>,
    pub stages_ms: BTreeMap<String, u64>,
    /// The last builds, the newest first.
    pub history: Vec<Run>,
    pub discovered_inputs: DiscoveredInputs,
    #[serde(with = "one_line_each")]
    pub inputs: Snapshot,
}

/// How it was compiled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct BackendRecord {
    /// `docker`, `podman`, `finch`, `nerdctl` or `host`.
    pub engine: String,
    pub engine_version: String,
    /// Name of the container; empty on the host.
    pub container: String,
    /// Compiled in the clean room.
    pub clean_room: bool,
    /// Image reference, or `borrowed toolchain`, or `host toolchain`.
    pub base: String,
    /// Id of the image; on the host, a digest of the toolchain.
    pub image_id: String,
    /// What the image's toolchain was installed into, `name@digest`; empty where the host's took part.
    pub base_digest: String,
    /// The host's toolchain took part.
    pub host_toolchain: bool,
    /// Nothing but the inputs could be reached.
    pub hermetic: bool,
    /// Why the road is not the first choice; empty where it is.
    pub fallback: String,
}

impl std::fmt::Display for BackendRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.clean_room {
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
    /// Places of the zip, relative to the workspace, and what they looked like when written.
    pub copies: BTreeMap<String, Stamp>,
    /// Before they were last looked at, by the clock of the file system.
    pub checked_at_ns: i64,
    /// The image that runs it; empty where the road makes none.
    pub image: String,
}

impl Artifact {
    /// The digest of the file of the artifact that is named so.
    pub fn sha_of(&self, path: &str) -> Sha {
        if is_bootstrap(path) { self.bootstrap_sha256 } else { self.zip_sha256 }
    }
}

/// Whether this file of an artifact is the bootstrap, and no copy of the zip.
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
}

impl Manifest {
    /// Reads the manifest of `function` in `workspace`.
    pub fn load(path: &Path, function: &str, workspace: &Workspace) -> Result<Self, ManifestProblem> {
        /// The field that every schema has; the rest may be anything.
        #[derive(Deserialize)]
        struct Head {
            schema: u32,
        }
        let unreadable = |detail: String| ManifestProblem::Unreadable { detail };
        let bytes = match fs::read_own(path) {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Err(ManifestProblem::Absent),
            Err(e) => return Err(unreadable(e.to_string())),
        };
        // Checked to be UTF-8 at once: from bytes, each string in it would be checked by itself.
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
        match manifest.outside(workspace) {
            Some(path) => Err(ManifestProblem::Outside { path: path.to_string() }),
            None => Ok(manifest),
        }
    }

    /// A path that the record would lead us to and that is not the workspace's: a record can come with
    /// a checkout. What the machine itself has for everybody is no secret: a build script may name its
    /// headers, of the borrowed toolchain.
    fn outside(&self, workspace: &Workspace) -> Option<&str> {
        let roots = || std::iter::once(&workspace.root).chain(&workspace.outside.folders);
        let foreign = |path: &&String| {
            let clean = lexically_clean(&workspace.root.join(path));
            !roots().any(|root| clean.starts_with(root)) && !clean.starts_with("/usr")
        };
        let discovered_inputs =
            self.discovered_inputs.files.iter().chain(&self.discovered_inputs.folders).find(foreign);
        let mut recorded = self.inputs.trees.iter().flat_map(|record| record.astray());
        discovered_inputs.map(String::as_str).or_else(|| recorded.next())
    }

    /// Writes the manifest, the last act of a build: before it, the record of the build before holds.
    pub fn store(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(|e| Error::config("cannot write the manifest").source(e))?;
        fs::replace(path, &text, 0o644, None)
    }

    /// The history with `run` in front.
    pub fn history_with(previous: Option<&Self>, run: Run) -> Vec<Run> {
        let before = previous.map_or(&[][..], |manifest| &manifest.history);
        std::iter::once(run).chain(before.iter().cloned()).take(HISTORY).collect()
    }
}

/// The inputs, one file on a line: a person can read them and a diff can show them.
mod one_line_each {
    use serde::{Deserializer, Serializer, ser};

    use super::*;

    #[derive(Serialize)]
    struct Inputs<'a> {
        taken_at_ns: i64,
        trees: Vec<Tree<'a>>,
        files: Vec<Box<RawValue>>,
    }

    #[derive(Serialize)]
    struct Tree<'a> {
        tree: &'a crate::snapshot::listing::Tree,
        folders: Vec<Folder<'a>>,
    }

    #[derive(Serialize)]
    struct Folder<'a> {
        path: &'a str,
        stamp: Box<RawValue>,
        others: Box<RawValue>,
        files: Vec<Box<RawValue>>,
    }

    fn line<E: ser::Error>(value: &impl Serialize) -> Result<Box<RawValue>, E> {
        serde_json::value::to_raw_value(value).map_err(E::custom)
    }

    fn lines<E: ser::Error>(entries: &[Entry]) -> Result<Vec<Box<RawValue>>, E> {
        entries.iter().map(line).collect()
    }

    fn folder<E: ser::Error>(folder: &FolderRecord) -> Result<Folder<'_>, E> {
        Ok(Folder {
            path: &folder.path,
            stamp: line(&folder.stamp)?,
            others: line(&folder.others)?,
            files: lines(&folder.files)?,
        })
    }

    fn tree<E: ser::Error>(record: &TreeRecord) -> Result<Tree<'_>, E> {
        let folders = record.folders.iter().map(folder).collect::<Result<_, E>>()?;
        Ok(Tree { tree: &record.tree, folders })
    }

    pub fn serialize<S: Serializer>(snapshot: &Snapshot, serializer: S) -> Result<S::Ok, S::Error> {
        let inputs = Inputs {
            taken_at_ns: snapshot.taken_at_ns,
            trees: snapshot.trees.iter().map(tree).collect::<Result<_, S::Error>>()?,
            files: lines(&snapshot.files)?,
        };
        inputs.serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Snapshot, D::Error> {
        Snapshot::deserialize(deserializer)
    }
}
