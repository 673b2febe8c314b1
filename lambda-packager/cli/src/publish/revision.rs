//! The revision of the sources of an image.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lambda_packager::internal::{Error, Glob, RULE, Result, Rule, Snapshot, git, glob, lexically_clean};

/// Enough for the status of a large repository on a slow disk.
const TIMEOUT: Duration = Duration::from_secs(60);

/// The state of the sources in git.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revision {
    /// The commit that is checked out.
    pub head: String,
    /// The last commit that changed an input. The image names this one: another commit makes no other image.
    pub inputs: String,
    /// Whether an input has uncommitted changes.
    pub dirty: bool,
    /// When `inputs` was committed, as RFC 3339 writes it.
    pub committed: String,
    /// The URL of the repository, for people.
    pub source: Option<String>,
}

/// The revision of `inputs` in the workspace at `root`; `None` without a git history. `packages` are the folders of all
/// packages: where one begins, another one ends. The files in `made` are outputs, whether git ignores them or not.
///
/// # Errors
/// If git fails.
pub fn of(root: &Path, inputs: &Snapshot, packages: &[PathBuf], made: &[PathBuf]) -> Result<Option<Revision>> {
    let Some(git) = git::git(root) else { return Ok(None) };
    // Git writes dates in the local time zone.
    let variables = git::environment().into_iter().chain([("TZ".into(), "UTC0".into())]).collect();
    let git = git.only(variables).args(&["--no-optional-locks"]);
    let output = git.clone().args(&["rev-parse", "--show-toplevel"]).output(None, TIMEOUT)?;
    let Some(output) = git::answer(output, root)? else { return Ok(None) };
    let top = output.stdout_text();
    let head = git.clone().args(&["rev-parse", "--verify", "--quiet", "HEAD"]).output(None, TIMEOUT)?;
    if !head.success() {
        // A repository without a commit.
        return Ok(None);
    }
    let head = head.stdout_text();
    let ask = |args: &[&str], paths: &[String]| {
        let call = git.clone().args(args).args(&["--"]).args(paths);
        let output = call.output(None, TIMEOUT)?;
        if output.success() {
            return Ok(output.stdout_text());
        }
        Err(Error::config(format!("`git {}` failed in {}", args[0], root.display())).source(output.stderr_text()))
    };
    let (mut commits, mut dirty) = (Vec::new(), false);
    for paths in paths(root, Path::new(&top), inputs, packages, made) {
        commits.push(ask(&["log", "-1", "--format=%H"], &paths)?);
        dirty = dirty || !ask(&["status", "--porcelain"], &paths)?.is_empty();
    }
    commits.retain(|commit| !commit.is_empty());
    // Of several, the one that has the others in its history.
    let newest = ["log", "-1", "--topo-order", "--format=%H %cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"];
    let newest: Vec<&str> = newest.into_iter().chain(commits.iter().map(String::as_str)).collect();
    let last = if commits.is_empty() { String::new() } else { ask(&newest, &[])? };
    let (inputs, time) = last.split_once(' ').unwrap_or((&head, "1970-01-01T00:00:00Z"));
    let remote = git.clone().args(&["config", "--get", "remote.origin.url"]).output(None, TIMEOUT)?;
    Ok(Some(Revision {
        inputs: inputs.to_string(),
        committed: time.to_string(),
        dirty,
        source: browsable(&remote.stdout_text()),
        head,
    }))
}

/// The folders and files of the inputs in the repository at `top`, as lists of patterns for git: what a pattern leaves out is
/// left out of its whole list.
fn paths(root: &Path, top: &Path, inputs: &Snapshot, packages: &[PathBuf], made: &[PathBuf]) -> Vec<Vec<String>> {
    let in_repository = |path: &Path| {
        let path = lexically_clean(&root.join(path));
        path.strip_prefix(top).map(|path| path.to_string_lossy().into_owned()).ok()
    };
    let left_out = |path: &Path| in_repository(path).map(|path| format!(":(top,literal,exclude){path}"));
    // The globs of git are ours, but for braces.
    let globs = |text: &str| -> Vec<String> {
        let base = in_repository(Path::new("")).map(|base| escaped(&base)).unwrap_or_default();
        let all = Glob::new(text).without_braces().into_iter().map(|pattern| glob::clean(&format!("{base}/{pattern}")));
        all.filter(|pattern| !pattern.starts_with("../")).collect()
    };
    let mut whole = Vec::new();
    let mut lists = Vec::new();
    for tree in inputs.trees.iter().map(|record| &record.tree) {
        let folder = lexically_clean(&root.join(&tree.path));
        let Some(path) = in_repository(&folder) else { continue };
        let literal = format!(":(top,literal){path}");
        let excluded = tree.exclude.iter().flat_map(|text| globs(text));
        // A folder covers what is in it.
        let excluded =
            excluded.flat_map(|glob| [format!(":(top,glob,exclude){glob}"), format!(":(top,glob,exclude){glob}/**")]);
        let excluded: Vec<String> = excluded.collect();
        let (patterns, left_out): (Vec<String>, Vec<String>) = match &tree.rule {
            Rule::Package => {
                let is_input = |package: &PathBuf| {
                    inputs.trees.iter().any(|other| lexically_clean(&root.join(&other.tree.path)) == **package)
                };
                let inner = packages.iter().filter(|package| package.starts_with(&folder) && **package != folder);
                let others = inner.filter(|package| !is_input(package)).filter_map(|package| left_out(package));
                (vec![literal], others.collect())
            }
            // What only people read there is no input.
            Rule::Top => {
                let below = if path.is_empty() { path } else { format!("{}/", escaped(&path)) };
                let of_people = ["*.md", "LICENSE*"].map(|names| format!(":(top,glob,exclude){below}{names}"));
                (vec![format!(":(top,glob){below}*")], of_people.to_vec())
            }
            Rule::Everything => (vec![literal], Vec::new()),
            Rule::Matching(text) => (globs(text).iter().map(|glob| format!(":(top,glob){glob}")).collect(), Vec::new()),
        };
        if left_out.is_empty() && excluded.is_empty() {
            whole.extend(patterns);
        } else {
            lists.push([patterns, left_out, excluded].concat());
        }
    }
    let files = inputs.files.iter().map(|entry| &entry.name).filter(|name| !name.starts_with(RULE));
    whole.extend(files.filter_map(|file| in_repository(Path::new(file))).map(|path| format!(":(top,literal){path}")));
    lists.push(whole);
    lists.retain(|list| !list.is_empty());
    let made: Vec<String> = made.iter().filter_map(|path| left_out(path)).collect();
    lists.iter_mut().for_each(|list| list.extend(made.iter().cloned()));
    lists
}

/// A path in a glob of git's.
fn escaped(path: &str) -> String {
    path.chars().flat_map(|c| "*?[]\\".contains(c).then_some('\\').into_iter().chain([c])).collect()
}

/// The URL of a remote for a browser: the same for every way to clone it, and without a password.
fn browsable(remote: &str) -> Option<String> {
    let rest = match remote.split_once("://") {
        Some(("http" | "https" | "ssh" | "git", rest)) => rest.to_string(),
        Some(_) => return None,
        // `git@github.com:owner/name`
        None => {
            let (host, path) = remote.split_once(':').filter(|(host, _)| !host.contains('/'))?;
            format!("{host}/{path}")
        }
    };
    let (authority, path) = rest.split_once('/')?;
    let host = authority.rsplit('@').next().unwrap_or_default();
    let path = path.trim_matches('/').trim_end_matches(".git");
    (!host.is_empty() && !path.is_empty()).then(|| format!("https://{host}/{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_remote_is_named_alike_however_it_was_cloned_and_without_a_password() {
        let expected = Some("https://github.com/owner/name".to_string());
        for remote in [
            "https://github.com/owner/name.git",
            "https://user:secret@github.com/owner/name",
            "git@github.com:owner/name.git",
            "ssh://git@github.com/owner/name/",
        ] {
            assert_eq!(browsable(remote), expected, "{remote}");
        }
        for remote in ["", "/srv/git/name.git", "file:///srv/git/name.git", "../name"] {
            assert_eq!(browsable(remote), None, "{remote}");
        }
    }
}
