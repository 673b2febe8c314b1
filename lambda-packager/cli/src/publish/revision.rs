//! The revision of the sources of an image.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lambda_packager::internal::{Error, RULE, Result, Snapshot, git, lexically_clean};

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

/// The revision of `inputs` in the workspace at `root`; `None` without a git history. The files in `made` are outputs,
/// whether git ignores them or not.
///
/// # Errors
/// If git fails.
pub fn of(root: &Path, inputs: &Snapshot, made: &[PathBuf]) -> Result<Option<Revision>> {
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
    let paths = paths(root, Path::new(&top), inputs, made);
    let ask = |args: &[&str]| {
        let call = git.clone().args(args).args(&["--"]).args(&paths);
        let output = call.output(None, TIMEOUT)?;
        if output.success() {
            return Ok(output.stdout_text());
        }
        Err(Error::config(format!("`git {}` failed in {}", args[0], root.display())).source(output.stderr_text()))
    };
    let last = ask(&["log", "-1", "--format=%H %cd", "--date=format-local:%Y-%m-%dT%H:%M:%SZ"])?;
    let dirty = !ask(&["status", "--porcelain"])?.is_empty();
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

/// The folders and files of the inputs in the repository at `top`.
fn paths(root: &Path, top: &Path, inputs: &Snapshot, made: &[PathBuf]) -> Vec<String> {
    let in_repository = |path: PathBuf| {
        let path = lexically_clean(&path);
        path.strip_prefix(top).map(|path| path.to_string_lossy().into_owned()).ok()
    };
    let trees = inputs.trees.iter().map(|record| &record.tree.path);
    let files = inputs.files.iter().map(|entry| &entry.name).filter(|name| !name.starts_with(RULE));
    let looked_at = trees.chain(files).filter_map(|path| in_repository(root.join(path)));
    let left_out = made.iter().filter_map(|path| in_repository(path.clone()));
    let looked_at = looked_at.map(|path| format!(":(top,literal){path}"));
    looked_at.chain(left_out.map(|path| format!(":(top,literal,exclude){path}"))).collect()
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
