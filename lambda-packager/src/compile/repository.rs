//! The git repository that a compile sees if `.git` is an input: made from the user's, with all commits and tags, the
//! folders of the last commit, and no file. It is the same for the same commit and the same inputs, whether the user's is a
//! clone, a worktree or a submodule, and has nothing of its configuration, which may hold tokens.
//!
//! Its index says of each file of the commit whether it was changed, as far as the inputs tell: what is no input counts
//! as unchanged, since it is not in the fingerprint. So `git describe --dirty` and `git status` answer for the inputs.
//!
//! Source: <https://git-scm.com/docs/gitrepository-layout>.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::compile::CompileJob;
use crate::compile::node::{Node, Sources};
use crate::error::{Error, Result};
use crate::fingerprint::{declared, git};
use crate::snapshot::RULE;
use crate::sys;
use crate::sys::{Invocation, Lock, env, fs, relative};

/// For the history of a large repository.
const TIMEOUT: Duration = Duration::from_secs(10 * 60);

/// The folder in the repository that is the home of git's configuration for a compile.
const CONFIG_HOME: &str = "lambda-packager";

/// The variables by which git finds its configuration for a compile, and no other one. libgit2 and gitoxide know the first.
///
/// Source: <https://git-scm.com/docs/git-config#ENVIRONMENT>.
pub fn variables(job: &CompileJob) -> Vec<(String, String)> {
    let Some((_, place)) = work_tree(job) else { return Vec::new() };
    let home = format!("{place}/.git/{CONFIG_HOME}");
    let config = format!("{home}/git/config");
    [("XDG_CONFIG_HOME", home), ("GIT_CONFIG_GLOBAL", config), ("GIT_CONFIG_NOSYSTEM", "1".into())]
        .map(|(name, value)| (name.into(), value))
        .into()
}

/// The top folder of the working tree and its place, if `.git` is an input.
fn work_tree<'a>(job: &CompileJob<'a>) -> Option<(&'a Path, String)> {
    let top = git::work_tree(&job.workspace.root).filter(|_| declared::has_git(job.config))?;
    Some((top, job.layout.place_of(top)?))
}

/// Adds the repository to `sources`, if `.git` is an input.
///
/// # Errors
/// If git is missing, or cannot read the repository.
pub fn add(job: &CompileJob, sources: &mut Sources) -> Result<()> {
    let Some((top, place)) = work_tree(job) else { return Ok(()) };
    for file in git::files(&job.workspace.root)? {
        job.layout.place_of(&file).iter().for_each(|place| drop(sources.remove(place)));
    }
    let folder = job.workspace.state_folder().join(".repository");
    let _lock = Lock::acquire(&folder.with_extension("lock"), |_| ())?;
    // Also what a run left that was killed.
    fs::remove_tree(&folder)?;
    fs::create_dirs(&folder)?;
    let made = make(job, sources, top, &place, &folder);
    fs::remove_tree(&folder)?;
    sources.extend(made?.into_iter().map(|(name, content)| (format!("{place}/.git/{name}"), Node::made(content))));
    Ok(())
}

/// The files of the repository for the working tree `top`, which is at `place`. Git writes some of them to `folder`.
fn make(job: &CompileJob, sources: &Sources, top: &Path, place: &str, folder: &Path) -> Result<Vec<(String, Vec<u8>)>> {
    let git = Git::of(top)?;
    let Head { reference, commit, tree } = git.head()?;
    let tags = git.tags()?;
    let listed = git.call(&["ls-tree", "-r", "-t", "-z", "HEAD"])?;
    let (mut folders, mut files) = (vec![tree.as_str()], Vec::new());
    for (head, path) in split(&listed, 0).filter_map(|entry| split_once(entry, b'\t')) {
        // Mode, kind and name of the object.
        let head = str::from_utf8(head).unwrap_or_default();
        match head.split(' ').nth(1) {
            Some("tree") => folders.extend(head.split(' ').nth(2)),
            _ => files.push(path),
        }
    }
    let told = Told::of(job, top);
    // The paths that are not as in the commit, staged or not, and those that git neither knows nor ignores.
    let status = ["status", "--porcelain", "-z", "--untracked-files=all", "--ignore-submodules=all", "--no-renames"];
    let status = git.call(&status)?;
    let differing: BTreeSet<&[u8]> =
        split(&status, 0).filter_map(|entry| entry.get(3..)).filter(|path| told.has(path)).collect();

    let index = folder.join("index");
    git.with_index(&index, &["read-tree", "HEAD"], Vec::new())?;
    let unchanged = files.iter().filter(|path| !differing.contains(*path)).flat_map(|path| [path, &b"\0"[..]].concat());
    git.with_index(&index, &["update-index", "-z", "--assume-unchanged", "--stdin"], unchanged.collect())?;

    let files: BTreeSet<&[u8]> = files.into_iter().collect();
    let below = format!("{place}/");
    let mut exclude = String::new();
    for path in sources.keys().filter_map(|path| path.strip_prefix(&below)) {
        let is_git = path.starts_with(".git/");
        if !is_git && !files.contains(path.as_bytes()) && !differing.contains(path.as_bytes()) {
            exclude.push_str(&pattern(path));
        }
    }

    let mut made = git.history(&commit, &tags, &folders, &folder.join("pack"))?;
    made.extend([("index".into(), fs::read(&index)?), ("info/exclude".into(), exclude.into_bytes())]);
    let head = match &reference {
        Some(name) => format!("ref: {name}\n"),
        None => format!("{commit}\n"),
    };
    made.push(("HEAD".into(), head.into_bytes()));
    // A build script may read it. Without a reference, the folder must exist all the same.
    let (name, content) = reference.map_or(("refs/.keep".into(), String::new()), |name| (name, format!("{commit}\n")));
    made.push((name, content.into_bytes()));
    let tags: String = tags.iter().map(|(object, name)| format!("{object} {name}\n")).collect();
    made.push(("packed-refs".into(), tags.into_bytes()));
    made.push(("config".into(), config(commit.len()).into_bytes()));
    // A compile in a container is another user than the one who owns the sources.
    let place = place.replace('\\', "\\\\").replace('"', "\\\"");
    let safe = format!("[safe]\n\tdirectory = \"{place}\"\n");
    made.push((format!("{CONFIG_HOME}/git/config"), safe.into_bytes()));
    if let Some(shallow) = git.shallow()? {
        made.push(("shallow".into(), shallow));
    }
    Ok(made)
}

/// The configuration of a repository whose objects have names of this length.
fn config(length: usize) -> String {
    let (version, format) = if length > 40 { (1, "[extensions]\n\tobjectFormat = sha256\n") } else { (0, "") };
    format!("[core]\n\trepositoryFormatVersion = {version}\n\tbare = false\n\tfileMode = true\n{format}")
}

/// A line that makes git ignore exactly `path`: <https://git-scm.com/docs/gitignore>.
fn pattern(path: &str) -> String {
    let is_special = |c: char| "\\*?[ ".contains(c);
    let escaped: String = path.chars().flat_map(|c| is_special(c).then_some('\\').into_iter().chain([c])).collect();
    format!("/{escaped}\n")
}

/// The files whose state the inputs tell.
struct Told<'a> {
    job: &'a CompileJob<'a>,
    top: &'a Path,
    present: BTreeSet<String>,
    packages: Vec<String>,
}

impl<'a> Told<'a> {
    fn of(job: &'a CompileJob<'a>, top: &'a Path) -> Self {
        let root = &job.workspace.root;
        let present = job.inputs.present().into_iter().map(|(name, _)| name).collect();
        let packages = job.workspace.package_folders().iter().map(|folder| relative(folder, root)).collect();
        Self { job, top, present, packages }
    }

    /// Whether `path`, relative to the top, is an input, or would be one if it existed.
    fn has(&self, path: &[u8]) -> bool {
        let Ok(path) = str::from_utf8(path).map(|path| self.top.join(path)) else { return false };
        let name = relative(&path, &self.job.workspace.root);
        let inputs = self.job.inputs;
        let would_be = || {
            inputs.trees.iter().any(|record| record.tree.would_list(&name, &self.packages))
                || inputs.files.iter().any(|entry| !entry.name.starts_with(RULE) && entry.name == name)
        };
        self.present.contains(&name) || (fs::lstat(&path).is_ok_and(|meta| meta.is_none()) && would_be())
    }
}

/// What `HEAD` names.
struct Head {
    /// The branch, unless it names a commit.
    reference: Option<String>,
    commit: String,
    tree: String,
}

/// Git in a working tree, as if its user had no configuration that changes what it writes.
struct Git<'a> {
    program: PathBuf,
    top: &'a Path,
}

impl<'a> Git<'a> {
    fn of(top: &'a Path) -> Result<Self> {
        let program = env::find_program("git").ok_or_else(|| {
            Error::config("`.git` is an input, and git is not installed")
                .hint_with("install git, or remove \".git\" from `inputs`")
        })?;
        Ok(Self { program, top })
    }

    fn call(&self, args: &[&str]) -> Result<Vec<u8>> {
        self.run(None, args, Vec::new())
    }

    fn with_index(&self, index: &Path, args: &[&str], input: Vec<u8>) -> Result<Vec<u8>> {
        self.run(Some(index), args, input)
    }

    fn run(&self, index: Option<&Path>, args: &[&str], input: Vec<u8>) -> Result<Vec<u8>> {
        const SETTINGS: &[&str] = &[
            "core.fsmonitor=false",
            "core.hooksPath=/dev/null",
            "core.sparseCheckout=false",
            "core.splitIndex=false",
            "index.skipHash=false",
            "index.sparse=false",
            "index.threads=1",
            "index.version=2",
            "pack.packSizeLimit=0",
        ];
        // The working tree is as its user has it; only what is written here is not.
        let settings = SETTINGS.iter().filter(|_| args[0] != "status").flat_map(|setting| ["-c", setting]);
        let settings: Vec<&str> = settings.chain(["--no-replace-objects", "--no-optional-locks"]).collect();
        let mut variables = sys::git::environment();
        variables.extend(index.map(|index| ("GIT_INDEX_FILE".into(), index.into())));
        variables.push(("GIT_NO_LAZY_FETCH".into(), "1".into()));
        let call = Invocation::new(&self.program).args(&settings).args(args).only(variables).folder(self.top);
        let output = call.output(Some(input.into()), TIMEOUT)?;
        if output.success() {
            return Ok(output.stdout);
        }
        Err(Error::config(format!("`.git` is an input, and `git {}` failed in {}", args[0], self.top.display()))
            .source(output.stderr_text())
            .hint_with("git's own message says why; without a commit there is nothing to name: commit, or remove \".git\" from `inputs`"))
    }

    fn text(&self, args: &[&str]) -> Result<String> {
        self.call(args).map(|output| String::from_utf8_lossy(&output).into_owned())
    }

    fn head(&self) -> Result<Head> {
        let objects = self.text(&["rev-parse", "HEAD^{commit}", "HEAD^{tree}"])?;
        let mut objects = objects.lines().map(String::from);
        let (commit, tree) = (objects.next().unwrap_or_default(), objects.next().unwrap_or_default());
        // `HEAD` itself, if it names a commit.
        let reference = self.text(&["rev-parse", "--symbolic-full-name", "HEAD"])?.trim().to_string();
        Ok(Head { reference: Some(reference).filter(|name| name.starts_with("refs/")), commit, tree })
    }

    /// The tags of commits: object and name, sorted by name.
    fn tags(&self) -> Result<Vec<(String, String)>> {
        let format = "--format=%(objectname) %(refname) %(objecttype) %(*objecttype)";
        let listed = self.text(&["for-each-ref", "--sort=refname", format, "refs/tags"])?;
        let tags = listed.lines().filter_map(|line| {
            let mut fields = line.split(' ');
            let (object, name) = (fields.next()?, fields.next()?);
            // What it names, and if that is a tag, what that one names: not a tree or a file.
            let is_of_commit = fields.any(|kind| kind == "commit");
            is_of_commit.then(|| (object.to_string(), name.to_string()))
        });
        Ok(tags.collect())
    }

    /// All commits that lead to `commit` and to the tags, these tags, and the folders of the one commit; in a pack that git
    /// writes to `base`, and that is the same however the user's repository is packed.
    fn history(
        &self,
        commit: &str,
        tags: &[(String, String)],
        folders: &[&str],
        base: &Path,
    ) -> Result<Vec<(String, Vec<u8>)>> {
        let starts = [commit].into_iter().chain(tags.iter().map(|(object, _)| object.as_str()));
        let starts: String = starts.map(|object| format!("{object}\n")).collect();
        let mut objects =
            self.run(None, &["rev-list", "--objects", "--filter=tree:0", "--stdin"], starts.into_bytes())?;
        objects.extend(folders.iter().flat_map(|object| format!("{object}\n").into_bytes()));
        let same = ["--threads=1", "--window=0", "--no-reuse-delta", "--no-reuse-object", "--compression=1"];
        let mut args = vec!["pack-objects", "--quiet", "--index-version=2"];
        let base_name = base.to_string_lossy();
        args.extend(same.iter().chain([&base_name.as_ref()]));
        let name = String::from_utf8_lossy(&self.run(None, &args, objects)?).trim().to_string();
        let read = |extension: &str| -> Result<(String, Vec<u8>)> {
            let file = format!("pack-{name}.{extension}");
            Ok((format!("objects/pack/{file}"), fs::read(&base.with_file_name(file))?))
        };
        Ok(vec![read("pack")?, read("idx")?])
    }

    /// Where the history is cut off, in a fixed order.
    fn shallow(&self) -> Result<Option<Vec<u8>>> {
        let path = self.text(&["rev-parse", "--git-path", "shallow"])?;
        let Some(content) = fs::read_if_exists(&self.top.join(path.trim_end_matches('\n')))? else { return Ok(None) };
        let mut lines: Vec<&[u8]> = split(&content, b'\n').collect();
        lines.sort_unstable();
        Ok(Some(lines.iter().flat_map(|line| [line, &b"\n"[..]].concat()).collect()))
    }
}

/// The parts of `bytes` between `separator`, without empty ones.
fn split(bytes: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    bytes.split(move |byte| *byte == separator).filter(|part| !part.is_empty())
}

fn split_once(bytes: &[u8], separator: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == separator)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_ignores_one_path_only() {
        assert_eq!(pattern("a/b.rs"), "/a/b.rs\n");
        assert_eq!(pattern("#a [b]*?\\ "), "/#a\\ \\[b]\\*\\?\\\\\\ \n");
    }
}
