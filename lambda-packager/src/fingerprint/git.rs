//! The files of a git repository that name its commit: what `.git` in the setting `inputs` stands for.
//!
//! Source: <https://git-scm.com/docs/gitrepository-layout>.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::sys::{fs, lexically_clean};

/// A reference can name another one; git follows five.
const DEPTH: usize = 5;

/// The files that name the commit and the tags of the repository that `root` is in, absolute, whether they exist or not.
/// Empty if there is none. Whether files were changed since the commit is not in them.
pub fn files(root: &Path) -> Result<Vec<PathBuf>> {
    let Some(Folders { own, common, mut files }) = folders(root)? else { return Ok(Vec::new()) };
    let mut name = "HEAD".to_string();
    for _ in 0..DEPTH {
        // The references of a worktree alone precede the shared ones.
        let places = [own.join(&name), common.join(&name)];
        let found = places.iter().find(|place| fs::is_file(place)).cloned();
        files.extend(places.into_iter().filter(|_| name != "HEAD"));
        files.extend((name == "HEAD").then(|| own.join("HEAD")));
        let Some(place) = found else { break };
        match reference(&place)? {
            Some(next) => name = next,
            None => break,
        }
    }
    files.extend(["packed-refs", "shallow"].map(|name| common.join(name)));
    // Another format for references keeps the names of its files there: <https://git-scm.com/docs/reftable>.
    let tables = [&own, &common].map(|folder| folder.join("reftable/tables.list"));
    files.extend(tables.into_iter().filter(|list| fs::is_file(list)));
    add_files_below(&common.join("refs/tags"), &mut files)?;
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

/// The folder in which git makes a file for a new tag, and for the next commit of a branch that is packed.
pub fn references(root: &Path) -> Result<Option<PathBuf>> {
    Ok(folders(root)?.map(|folders| folders.common.join("refs")))
}

/// The folders of a repository.
pub struct Folders {
    pub own: PathBuf,
    /// What a worktree shares with the others.
    pub common: PathBuf,
    /// The files that name these folders.
    files: Vec<PathBuf>,
}

pub fn folders(root: &Path) -> Result<Option<Folders>> {
    let mut files = Vec::new();
    let Some(git_folder) = work_tree(root).map(|folder| folder.join(".git")) else { return Ok(None) };
    // In a worktree and in a submodule, `.git` is a file that names the real folder.
    let own = match pointer(&git_folder, "gitdir: ")? {
        Some(folder) => {
            files.push(git_folder);
            folder
        }
        None => git_folder,
    };
    let common_file = own.join("commondir");
    let common = match pointer(&common_file, "")? {
        Some(folder) => {
            files.push(common_file);
            folder
        }
        None => own.clone(),
    };
    Ok(Some(Folders { own, common, files }))
}

/// The top folder of the working tree that `root` is in.
pub fn work_tree(root: &Path) -> Option<&Path> {
    root.ancestors().find(|folder| is_repository(&folder.join(".git")))
}

fn is_repository(path: &Path) -> bool {
    fs::is_file(path) || fs::is_file(&path.join("HEAD"))
}

/// The folder that the file `path` names after `prefix`, if there is such a file.
fn pointer(path: &Path, prefix: &str) -> Result<Option<PathBuf>> {
    let text = if fs::is_file(path) { line_of(path)? } else { None };
    let folder = text.as_deref().and_then(|line| line.strip_prefix(prefix));
    Ok(folder.map(|folder| lexically_clean(&path.parent().unwrap_or(path).join(folder))))
}

/// The reference that the reference in the file `path` names, if it names one and not a commit.
fn reference(path: &Path) -> Result<Option<String>> {
    let line = line_of(path)?;
    let name = line.as_deref().and_then(|line| line.strip_prefix("ref:")).map(str::trim);
    // It must not lead out of the repository.
    Ok(name.filter(|name| name.starts_with("refs/") && !name.contains("..")).map(String::from))
}

fn line_of(path: &Path) -> Result<Option<String>> {
    let text = fs::read_if_exists(path)?.and_then(|bytes| String::from_utf8(bytes).ok());
    Ok(text.map(|text| text.trim_end_matches(['\r', '\n']).to_string()))
}

fn add_files_below(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    if !fs::is_dir(folder) {
        return Ok(());
    }
    for (name, kind) in fs::typed_names_in(folder)? {
        let path = folder.join(name);
        if kind.is_dir() {
            add_files_below(&path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::sys::{Invocation, Sha, env};

    fn git(folder: &Path, args: &str) {
        let identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "protocol.file.allow=always"];
        let git = Invocation::new(&env::find_program("git").unwrap()).args(&identity);
        let args: Vec<&str> = args.split(' ').collect();
        let output = git.args(&args).folder(folder).output(None, Duration::from_secs(60)).unwrap();
        assert!(output.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// A folder with the repository `main`, which has one commit.
    fn repository(more: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let base = fs::canonical(dir.path()).unwrap();
        git(&base, &format!("init -q -b trunk{more} main"));
        git(&base.join("main"), "commit -q --allow-empty -m a");
        (dir, base)
    }

    /// The files for `root`, relative to `base`.
    fn names(root: &Path, base: &Path) -> String {
        let files = files(root).unwrap();
        files.iter().map(|path| crate::sys::relative(path, base)).collect::<Vec<_>>().join(" ")
    }

    /// Path and content of every file.
    fn state(root: &Path) -> Vec<(PathBuf, Option<Sha>)> {
        let content = |path: &PathBuf| fs::read_if_exists(path).unwrap().map(|bytes| Sha::of(&bytes));
        files(root).unwrap().into_iter().map(|path| (path.clone(), content(&path))).collect()
    }

    /// Does `change`, which must change what is recorded for `root`.
    fn assert_seen(root: &Path, change: &str) {
        let before = state(root);
        git(root, change);
        assert_ne!(state(root), before, "{change}");
    }

    #[test]
    fn each_change_of_the_commit_or_a_tag_is_seen_also_from_a_folder_below() {
        let (_dir, base) = repository("");
        let root = base.join("main");
        assert_eq!(names(&root, &root), ".git/HEAD .git/packed-refs .git/refs/heads/trunk .git/shallow");
        fs::create_dirs(&root.join("deep/er")).unwrap();
        assert_eq!(files(&root.join("deep/er")).unwrap(), files(&root).unwrap());
        for change in [
            "commit -q --allow-empty -m b",
            "tag v1",
            "tag -a v/2 -m v2",
            "pack-refs --all",
            "commit -q --allow-empty -m c",
            "tag -d v1",
            "checkout -q -b other/branch",
            "checkout -q --detach",
            "reset -q --hard HEAD~1",
            "symbolic-ref HEAD refs/heads/trunk",
        ] {
            assert_seen(&root, change);
        }
        // A reference that names another one.
        git(&root, "symbolic-ref refs/heads/alias refs/heads/trunk");
        git(&root, "symbolic-ref HEAD refs/heads/alias");
        assert!(names(&root, &root).contains("refs/heads/alias .git/refs/heads/trunk"), "{}", names(&root, &root));
    }

    #[test]
    fn a_worktree_and_a_submodule_name_their_folders_in_files() {
        let (_dir, base) = repository("");
        git(&base.join("main"), "worktree add -q ../tree");
        assert_eq!(
            names(&base.join("tree"), &base),
            "main/.git/packed-refs main/.git/refs/heads/tree main/.git/shallow main/.git/worktrees/tree/HEAD \
             main/.git/worktrees/tree/commondir main/.git/worktrees/tree/refs/heads/tree tree/.git"
        );
        assert_seen(&base.join("tree"), "commit -q --allow-empty -m b");
        assert_seen(&base.join("tree"), "checkout -q --detach");
        git(&base, "init -q -b trunk outer");
        git(&base.join("outer"), "submodule add -q ../main sub");
        let sub = names(&base.join("outer/sub"), &base.join("outer"));
        for file in [".git/modules/sub/HEAD", ".git/modules/sub/refs/heads/trunk", "sub/.git"] {
            assert!(sub.split(' ').any(|known| known == file), "{sub}");
        }
        assert_seen(&base.join("outer/sub"), "commit -q --allow-empty -m b");
    }

    #[test]
    fn references_in_tables_are_seen() {
        let probe = tempfile::tempdir().unwrap();
        let git = Invocation::new(&env::find_program("git").unwrap()).folder(probe.path());
        let args = ["init", "-q", "--ref-format=reftable", "main"];
        if !git.args(&args).output(None, Duration::from_secs(60)).unwrap().success() {
            return; // A git before 2.45 has no such format.
        }
        let (_dir, base) = repository(" --ref-format=reftable");
        for change in ["commit -q --allow-empty -m b", "tag v1", "checkout -q --detach"] {
            assert_seen(&base.join("main"), change);
        }
        super::tests::git(&base.join("main"), "worktree add -q ../tree");
        assert_seen(&base.join("tree"), "commit -q --allow-empty -m c");
    }

    #[test]
    fn without_a_repository_there_is_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dirs(&dir.path().join(".git")).unwrap();
        assert!(files(dir.path()).unwrap().is_empty());
    }
}
