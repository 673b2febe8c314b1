//! Which files a tree consists of. A package's own folder is listed as cargo lists it: without what
//! git ignores and without packages nested in it.
//!
//! Source: <https://doc.rust-lang.org/cargo/reference/build-scripts.html#change-detection>.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::sys::fs::Stamp;
use crate::sys::process::Invocation;
use crate::sys::{env, fs};

/// A folder that is an input with all that is in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tree {
    /// Relative to the base; empty for the base itself.
    pub path: String,
    pub rule: Rule,
}

/// What of a tree counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Rule {
    /// What git does not ignore, without nested packages.
    #[serde(rename = "package")]
    Package,
    /// Everything: a folder that a build script named.
    #[serde(rename = "everything")]
    Everything,
}

pub struct ListedFolder {
    /// Relative to the base.
    pub path: String,
    pub stamp: Stamp,
    /// Names that are not files of the listing.
    pub others: Vec<String>,
    /// Sorted.
    pub files: Vec<String>,
}

/// Lists `tree` below `base`; folders in the order of their paths.
pub fn list(tree: &Tree, base: &Path, excluded: &[PathBuf]) -> Result<Vec<ListedFolder>> {
    let root = base.join(&tree.path);
    let mut skipped = excluded.to_vec();
    let versioned = match tree.rule {
        Rule::Package => ignored_by_git(&root)?,
        Rule::Everything => None,
    };
    let mut walk = Walk {
        rule: tree.rule,
        // Without git to say what is generated, cargo's own mark on its target directories does.
        skip_marked: tree.rule == Rule::Package && versioned.is_none(),
        boundaries: [fs::canonical(base)?, fs::canonical(&root).unwrap_or_else(|_| root.clone())],
        skipped: Default::default(),
        seen: BTreeSet::new(),
        links: Vec::new(),
        folders: Vec::new(),
    };
    skipped.extend(versioned.into_iter().flatten());
    skipped.sort_unstable();
    walk.skipped = skipped;
    walk.folder(&root, tree.path.clone(), true)?;
    // Links after real folders: what is reached both ways goes by its real path.
    while let Some((path, relative)) = walk.links.pop() {
        let target = fs::canonical(&path)?;
        if walk.boundaries.iter().any(|boundary| target.starts_with(boundary)) {
            walk.folder(&path, relative, false)?;
        }
    }
    walk.folders.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(walk.folders)
}

struct Walk {
    rule: Rule,
    skip_marked: bool,
    /// Links are followed to what lies in the base or in the tree itself.
    boundaries: [PathBuf; 2],
    /// Sorted.
    skipped: Vec<PathBuf>,
    /// Device and inode of the folders listed so far: a link back to one ends there.
    seen: BTreeSet<(u64, u64)>,
    links: Vec<(PathBuf, String)>,
    folders: Vec<ListedFolder>,
}

impl Walk {
    fn folder(&mut self, path: &Path, relative: String, is_root: bool) -> Result<()> {
        let Some(meta) = fs::stat(path)?.filter(std::fs::Metadata::is_dir) else {
            return Ok(());
        };
        if !self.seen.insert((meta.dev(), meta.ino())) {
            return Ok(());
        }
        // Stamped before it is read: what comes in between shows as a change.
        let stamp = Stamp::of(&meta);
        let names = fs::typed_names_in(path)?;
        if !is_root && self.rule == Rule::Package && names.iter().any(|(name, _)| name == "Cargo.toml") {
            // Listed as empty: should it stop being a package of its own, its stamp moves.
            let others = names.into_iter().map(|(name, _)| lossy(name)).collect();
            let listed = ListedFolder { path: relative, stamp, others, files: Vec::new() };
            self.folders.push(listed);
            return Ok(());
        }
        let mut listed = ListedFolder { path: relative, stamp, others: Vec::new(), files: Vec::new() };
        let mut subfolders = Vec::new();
        for (name, kind) in names {
            let child = path.join(&name);
            let is_dir = kind.is_dir();
            let generated = self.skip_marked && is_dir && fs::is_file(&child.join("CACHEDIR.TAG"));
            if self.skipped.binary_search(&child).is_ok() || generated || (is_dir && name == ".git") {
                listed.others.push(lossy(name));
                continue;
            }
            let name = fs::utf8(path, name)?;
            let below = if listed.path.is_empty() { name.clone() } else { format!("{}/{name}", listed.path) };
            if is_dir {
                subfolders.push((child, below));
                listed.others.push(name);
                continue;
            }
            if kind.is_symlink() && fs::is_dir(&child) {
                self.links.push((child, below));
            }
            listed.files.push(name);
        }
        self.folders.push(listed);
        for (child, below) in subfolders {
            self.folder(&child, below, false)?;
        }
        Ok(())
    }
}

/// A name that is no input, for comparison only.
pub fn lossy(name: OsString) -> String {
    name.into_string().unwrap_or_else(|name| name.to_string_lossy().into_owned())
}

/// What git ignores below `root`, as absolute paths, whole folders as one; `None` where there is no
/// git or no repository.
fn ignored_by_git(root: &Path) -> Result<Option<Vec<PathBuf>>> {
    const TIMEOUT: Duration = Duration::from_secs(60);
    let Some(git) = env::find_program("git") else {
        return Ok(None);
    };
    let args = ["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"];
    let output = Invocation::new(&git).args(&args).folder(root).output(None, TIMEOUT)?;
    if !output.success() {
        return Ok(None);
    }
    use std::os::unix::ffi::OsStrExt;
    let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let path = |name: &[u8]| {
        let name = name.strip_suffix(b"/").unwrap_or(name);
        root.join(std::ffi::OsStr::from_bytes(name))
    };
    Ok(Some(names.map(path).collect()))
}
