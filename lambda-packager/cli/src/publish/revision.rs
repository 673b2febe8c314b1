//! Which revision of the sources an image is of.

use std::path::{Path, PathBuf};
use std::time::Duration;

use lambda_packager::internal::{Invocation, RULE, Snapshot, env, lexically_clean};
use lambda_packager::{Error, Result};

/// For a status of a large repository on a slow disk.
const TIMEOUT: Duration = Duration::from_secs(60);

/// What git says of the sources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Revision {
    /// The commit that is checked out.
    pub head: String,
    /// The last commit that changed an input: the image names this one, so that a commit to something
    /// else makes no other image.
    pub inputs: String,
    /// Whether an input is not as committed.
    pub dirty: bool,
    /// When `inputs` was committed.
    pub committed_epoch_secs: u64,
    /// Where the repository can be looked at.
    pub source: Option<String>,
}

/// The revision of `inputs` in the workspace at `root`; `None` where git keeps no history of it.
/// What is `made` is no input, whether git ignores it or not.
///
/// # Errors
/// Where git refuses to tell.
pub fn of(root: &Path, inputs: &Snapshot, made: &[PathBuf]) -> Result<Option<Revision>> {
    let Some(program) = env::find_program("git") else {
        return Ok(None);
    };
    let git = Invocation::new(&program).args(&["--no-optional-locks"]).folder(root);
    let output = git.clone().args(&["rev-parse", "--show-toplevel"]).output(None, TIMEOUT)?;
    if !output.success() {
        let said = output.stderr_text();
        if said.contains("not a git repository") {
            return Ok(None);
        }
        return Err(Error::config(format!("git could not read the revision of {}", root.display())).source(said));
    }
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
    let last = ask(&["log", "-1", "--format=%H %ct"])?;
    let dirty = !ask(&["status", "--porcelain"])?.is_empty();
    let (inputs, time) = last.split_once(' ').unwrap_or((&head, "0"));
    let remote = git.clone().args(&["config", "--get", "remote.origin.url"]).output(None, TIMEOUT)?;
    Ok(Some(Revision {
        inputs: inputs.to_string(),
        committed_epoch_secs: time.parse().unwrap_or(0),
        dirty,
        source: browsable(&remote.stdout_text()),
        head,
    }))
}

/// The folders and files that hold the inputs, as far as the repository at `top` does.
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

/// A remote as people open it, the same however it was cloned; never with a password in it.
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

/// A time as RFC 3339 writes it.
pub fn date(epoch_secs: u64) -> String {
    let (days, seconds) = (epoch_secs / 86_400, epoch_secs % 86_400);
    // Years that begin in March, so that a leap day is the last day:
    // <https://howardhinnant.github.io/date_algorithms.html#civil_from_days>.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    let year = year + 400 * era + u64::from(month <= 2);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
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

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
        ] {
            assert_eq!(date(seconds), text);
        }
    }
}
