//! The files of a tree, by its rule.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::fs::FileType;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::snapshot::visible::is_visible;
use crate::sys::{Glob, Stamp, fs, git};

/// A folder that is an input, with the files in it that `rule` selects.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tree {
    /// Relative to the base; empty for the base itself.
    pub path: String,
    pub rule: Rule,
    /// Globs relative to the base: files and folders that are left out. They belong to the tree, so that a listing that
    /// was made with others is not used.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub exclude: Vec<String>,
}

impl Tree {
    pub fn new(path: impl Into<String>, rule: Rule) -> Self {
        Self { path: path.into(), rule, exclude: Vec::new() }
    }

    pub fn without(self, exclude: &[String]) -> Self {
        Self { exclude: exclude.to_vec(), ..self }
    }

    /// Whether the file `path` would be listed if it existed and git did not ignore it; `packages` are the folders of all
    /// packages. All are relative to the base.
    pub fn would_list(&self, path: &str, packages: &[String]) -> bool {
        let below = |folder: &str| match path.strip_prefix(folder) {
            Some(rest) if folder.is_empty() => Some(rest).filter(|rest| !rest.starts_with("../")),
            rest => rest?.strip_prefix('/'),
        };
        let Some(rest) = below(&self.path).filter(|_| !self.exclude.iter().any(|glob| Glob::new(glob).covers(path)))
        else {
            return false;
        };
        match &self.rule {
            Rule::Package => {
                !packages.iter().any(|package| package.len() > self.path.len() && below(package).is_some())
            }
            Rule::Top => !rest.contains('/') && !is_for_people(OsStr::new(rest)),
            Rule::Everything => true,
            Rule::Matching(pattern) => Glob::new(pattern).matches(path),
        }
    }
}

/// The files of a tree that are inputs.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Rule {
    /// Files that git does not ignore, without the packages that begin inside of it.
    Package,
    /// Files that lie directly in the folder and that git does not ignore, without those that only people read.
    Top,
    /// All files: for a folder that a build script or the user named.
    Everything,
    /// Files that match a glob, which is relative to the base.
    Matching(String),
}

pub struct ListedFolder {
    /// Relative to the base.
    pub path: String,
    pub stamp: Stamp,
    /// Names that are not in `files`: folders and ignored files.
    pub others: Vec<String>,
    /// Sorted.
    pub files: Vec<String>,
}

/// Lists `tree` below `base`, without `excluded`. The folders are in the order of their paths; `packages` are the folders
/// of all packages.
pub fn list(tree: &Tree, base: &Path, excluded: &[PathBuf], packages: &[PathBuf]) -> Result<Vec<ListedFolder>> {
    let root = base.join(&tree.path);
    let exclude: Vec<Glob> = tree.exclude.iter().map(|pattern| Glob::new(pattern)).collect();
    if exclude.iter().any(|glob| glob.covers(&tree.path)) {
        return Ok(Vec::new());
    }
    let (ignored, matching) = match &tree.rule {
        Rule::Package | Rule::Top => (ignored_by_git(&root)?, None),
        Rule::Everything => (None, None),
        Rule::Matching(pattern) => (None, Some(Glob::new(pattern))),
    };
    let mut skipped = excluded.to_vec();
    skipped.extend(ignored.into_iter().flatten());
    skipped.sort_unstable();
    let mut walk = Walk {
        rule: &tree.rule,
        matching,
        exclude,
        packages,
        boundaries: [fs::canonical(base)?, fs::canonical(&root).unwrap_or_else(|_| root.clone())],
        skipped,
        seen: BTreeSet::new(),
        links: Vec::new(),
        folders: Vec::new(),
    };
    walk.folder(&root, tree.path.clone(), true)?;
    // Links after real folders: a folder that is reached both ways is listed under its real path.
    while let Some((path, relative)) = walk.links.pop() {
        let target = fs::canonical(&path)?;
        if walk.boundaries.iter().any(|boundary| is_visible(&target, boundary)) {
            walk.folder(&path, relative, false)?;
        }
    }
    walk.folders.sort_unstable_by(|a, b| a.path.cmp(&b.path));
    Ok(walk.folders)
}

/// With it cargo marks what it makes, such as a target directory, at whichever place it was told to make it.
///
/// Source: <https://bford.info/cachedir/>.
const MARK: &str = "CACHEDIR.TAG";

struct Walk<'a> {
    rule: &'a Rule,
    matching: Option<Glob>,
    exclude: Vec<Glob>,
    packages: &'a [PathBuf],
    /// A link is followed only if its target is in the base or in the tree itself.
    boundaries: [PathBuf; 2],
    /// Sorted.
    skipped: Vec<PathBuf>,
    /// Device and inode of the folders listed so far, so that a link back to one of them is not followed.
    seen: BTreeSet<(u64, u64)>,
    links: Vec<(PathBuf, String)>,
    folders: Vec<ListedFolder>,
}

impl Walk<'_> {
    fn folder(&mut self, path: &Path, relative: String, is_root: bool) -> Result<()> {
        let Some(meta) = fs::stat(path)?.filter(std::fs::Metadata::is_dir) else {
            return Ok(());
        };
        if !self.seen.insert((meta.dev(), meta.ino())) {
            return Ok(());
        }
        // Take the stamp before the names: then a later change is visible in the stamp.
        let stamp = Stamp::of(&meta);
        let names = fs::typed_names_in(path)?;
        let is_others = || self.packages.iter().any(|package| package == path);
        if !is_root && *self.rule == Rule::Package && (names.iter().any(|(name, _)| name == MARK) || is_others()) {
            // Recorded, so that it is noticed when that ends.
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
            let not_on_top = *self.rule == Rule::Top && (is_dir || is_for_people(&name));
            let is_skipped = self.skipped.binary_search(&child).is_ok() || name == ".git";
            let below = join(&listed.path, &name.to_string_lossy());
            if is_skipped || not_on_top || !self.is_selected(&below, kind) {
                listed.others.push(lossy(name));
                continue;
            }
            let name = fs::utf8(path, name)?;
            if is_dir {
                subfolders.push((child, below));
                listed.others.push(name);
                continue;
            }
            if kind.is_symlink() && *self.rule != Rule::Top && fs::is_dir(&child) {
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

    /// Whether the globs select a file, or something that can be in a folder. A link counts as both: it is recorded, so
    /// that it is seen when it leads elsewhere.
    fn is_selected(&self, path: &str, kind: FileType) -> bool {
        let is_wanted = |glob: &Glob| {
            (!kind.is_dir() && glob.matches(path))
                || ((kind.is_dir() || kind.is_symlink()) && glob.may_match_below(path))
        };
        self.matching.as_ref().is_none_or(is_wanted) && !self.exclude.iter().any(|glob| glob.matches(path))
    }
}

/// Whether a file at the top of a workspace is documentation or a licence.
fn is_for_people(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    name.ends_with(b".md") || name.starts_with(b"LICENSE")
}

/// The path of `name` in `folder`.
pub fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") }
}

/// A name that is no input. Used for comparison only.
pub fn lossy(name: OsString) -> String {
    name.into_string().unwrap_or_else(|name| name.to_string_lossy().into_owned())
}

/// The absolute paths below `root` that git ignores, with one path for a whole folder. `None` if git is not installed
/// or there is no repository.
///
/// # Errors
/// If there is one that git cannot read.
fn ignored_by_git(root: &Path) -> Result<Option<Vec<PathBuf>>> {
    const TIMEOUT: Duration = Duration::from_secs(60);
    let Some(git) = git::git(root) else { return Ok(None) };
    let args = ["ls-files", "-z", "--others", "--ignored", "--exclude-standard", "--directory"];
    let answer = git::answer(git.clone().args(&args).output(None, TIMEOUT)?, root);
    // It fails below a folder that it ignores, where all is ignored and nothing is left out.
    if answer.is_err() && git.args(&["check-ignore", "--quiet", "."]).output(None, TIMEOUT)?.success() {
        return Ok(None);
    }
    let Some(output) = answer? else { return Ok(None) };
    use std::os::unix::ffi::OsStrExt;
    let names = output.stdout.split(|byte| *byte == 0).filter(|name| !name.is_empty());
    let path = |name: &[u8]| {
        let name = name.strip_suffix(b"/").unwrap_or(name);
        root.join(OsStr::from_bytes(name))
    };
    Ok(Some(names.map(path).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_lists_its_files_and_follows_links_inside_its_boundaries() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = dir.path().join("p");
        for name in [
            "src/main.rs",
            "nested/Cargo.toml",
            "template/Cargo.toml",
            "target/CACHEDIR.TAG",
            "out.zip",
            "deep/.git/config",
            "VERSION",
            "a.md",
            "LICENSE-MIT",
        ] {
            fs::replace(&root.join(name), b"", 0o644, None).unwrap();
        }
        // A file where a repository has its folder elsewhere.
        let separate = format!("--separate-git-dir={}", dir.path().join("repository").display());
        let made = git::git(&root).unwrap().args(&["init", "--quiet", &separate]).output(None, Duration::from_secs(60));
        assert!(made.unwrap().success() && fs::is_file(&root.join(".git")));
        for name in [dir.path().join("shared/a.rs"), other.path().join("b.rs")] {
            fs::replace(&name, b"", 0o644, None).unwrap();
        }
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, root.join(name)).unwrap();
        link(&dir.path().join("shared"), "inside");
        link(other.path(), "outside");
        link(&root, "back");
        // Into a repository's own folder.
        link(&root.join("deep/.git"), "repository");
        let files = |rule| {
            let tree = Tree::new("p", rule);
            let listed = list(&tree, dir.path(), &[root.join("out.zip")], &[root.join("nested")]).unwrap();
            let paths =
                |folder: ListedFolder| folder.files.into_iter().map(move |name| format!("{}/{name}", folder.path));
            listed.into_iter().flat_map(paths).collect::<Vec<_>>().join(" ")
        };
        let top = "p/LICENSE-MIT p/VERSION p/a.md p/back p/inside p/outside p/repository p/inside/a.rs";
        let (template, sources) = ("p/template/Cargo.toml", "p/src/main.rs");
        assert_eq!(files(Rule::Package), format!("{top} {sources} {template}"));
        let everything = format!("{top} p/nested/Cargo.toml {sources} p/target/CACHEDIR.TAG {template}");
        assert_eq!(files(Rule::Everything), everything);
        assert_eq!(files(Rule::Top), "p/VERSION p/back p/inside p/outside p/repository");
    }

    /// The files of a tree, and the names that it leaves out.
    fn listed(tree: &Tree, base: &Path) -> [String; 2] {
        let folders = list(tree, base, &[base.join("target")], &[]).unwrap();
        let names = |of: fn(&ListedFolder) -> &Vec<String>| {
            let all = folders.iter().flat_map(|folder| of(folder).iter().map(|name| join(&folder.path, name)));
            all.collect::<Vec<_>>().join(" ")
        };
        [names(|folder| &folder.files), names(|folder| &folder.others)]
    }

    #[test]
    fn a_glob_selects_files_and_looks_only_into_folders_that_can_hold_some() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path().join("w");
        for name in
            ["proto/a.proto", "proto/a.md", "proto/v1/b.proto", "proto/.git/x.proto", "web/dist/x.css", "target/y.css"]
        {
            fs::replace(&base.join(name), b"", 0o644, None).unwrap();
        }
        fs::replace(&dir.path().join("assets/deep/logo.svg"), b"", 0o644, None).unwrap();
        std::os::unix::fs::symlink("v1", base.join("proto/latest")).unwrap();
        let of = |path: &str, pattern: &str| listed(&Tree::new(path, Rule::Matching(pattern.into())), &base);
        assert_eq!(of("proto", "proto/*.proto"), ["proto/a.proto", "proto/.git proto/a.md proto/latest proto/v1"]);
        // A link that is followed is recorded: it can be changed to another folder.
        assert_eq!(of("proto", "proto/**/*.proto")[0], "proto/a.proto proto/latest proto/v1/b.proto");
        assert_eq!(of("", "*/*/*.css")[0], "proto/latest web/dist/x.css");
        assert_eq!(of("", "web/*/*.css")[0], "web/dist/x.css");
        assert_eq!(of("../assets", "../assets/**"), ["../assets/deep/logo.svg", "../assets/deep"]);
        assert_eq!(of("none", "none/*"), ["", ""]);
    }

    #[test]
    fn what_would_be_listed_is_what_is_listed() {
        let dir = tempfile::tempdir().unwrap();
        let names = [
            "p/a.rs",
            "p/a.md",
            "p/deep/a.rs",
            "p/deep/a.bak",
            "p/inner/Cargo.toml",
            "p/inner/a.rs",
            "pp/a.rs",
            "a.rs",
        ];
        for name in names {
            fs::replace(&dir.path().join(name), b"", 0o644, None).unwrap();
        }
        let packages = ["p", "p/inner"].map(String::from);
        let folders = ["p", "p/inner"].map(|name| dir.path().join(name));
        for rule in [Rule::Package, Rule::Top, Rule::Everything, Rule::Matching("p/*/*.rs".into())] {
            for path in ["p", "", "p/inner"] {
                let tree = Tree::new(path, rule.clone()).without(&["**/*.bak".into()]);
                let listed = list(&tree, dir.path(), &[], &folders).unwrap();
                let listed: Vec<String> =
                    listed.iter().flat_map(|folder| folder.files.iter().map(|name| join(&folder.path, name))).collect();
                for name in names {
                    let would_be = tree.would_list(name, &packages);
                    assert_eq!(would_be, listed.iter().any(|known| known == name), "{name} of {tree:?}");
                }
            }
        }
        assert!(!Tree::new("", Rule::Everything).would_list("../a.rs", &[]));
    }

    #[test]
    fn what_is_excluded_is_left_out_by_every_rule() {
        let dir = tempfile::tempdir().unwrap();
        let base = dir.path();
        for name in ["p/src/a.rs", "p/src/a.bak", "p/data/big", "p/data/deep/b", "p/VERSION"] {
            fs::replace(&base.join(name), b"", 0o644, None).unwrap();
        }
        let exclude = ["./p/data/", "**/*.bak", "p/V*"].map(String::from);
        let of = |path: &str, rule: Rule| listed(&Tree::new(path, rule).without(&exclude), base);
        for rule in [Rule::Package, Rule::Everything, Rule::Matching("p/**".into())] {
            assert_eq!(of("p", rule), ["p/src/a.rs", "p/VERSION p/data p/src p/src/a.bak"]);
        }
        assert_eq!(of("p", Rule::Top), ["", "p/VERSION p/data p/src"]);
        // A tree in an excluded folder.
        assert_eq!(of("p/data/deep", Rule::Everything), ["", ""]);
    }
}
