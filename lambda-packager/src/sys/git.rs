//! Calls of git.

use std::ffi::{OsStr, OsString};
use std::path::Path;

use crate::error::{Error, Result};
use crate::sys::{Invocation, Output, env};

/// Git in `folder`; `None` if it is not installed.
pub fn git(folder: &Path) -> Option<Invocation> {
    Some(Invocation::new(&env::find_program("git")?).only(environment()).folder(folder))
}

/// Our own environment without the variables that name another repository or index: git sets them for its hooks, and
/// such a hook may call us. The messages of git are in English.
///
/// Source: `git rev-parse --local-env-vars`.
pub fn environment() -> Vec<(OsString, OsString)> {
    let kept = env::vars_os().filter(|(name, _)| is_kept(name));
    kept.chain([("LC_ALL".into(), "C".into())]).collect()
}

fn is_kept(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    let is_of_user = name.starts_with("GIT_CONFIG") && name != "GIT_CONFIG" && name != "GIT_CONFIG_PARAMETERS";
    !name.starts_with("GIT_") || is_of_user || name == "GIT_EXEC_PATH"
}

/// The answer of git to a call in `folder`; `None` if it is in no working tree.
///
/// # Errors
/// If git refuses to read the repository, or cannot: then nothing may be taken for its answer.
pub fn answer(output: Output, folder: &Path) -> Result<Option<Output>> {
    if output.success() {
        return Ok(Some(output));
    }
    let said = output.stderr_text();
    // It looked for one in all folders around. Without these words there is a `.git` that leads to none.
    if ["not a git repository (or any ", "must be run in a work tree"].iter().any(|text| said.contains(text)) {
        return Ok(None);
    }
    // The root of a workspace may end in a slash.
    let place = folder.components().as_path().display();
    let error = |what: &str| Error::config(format!("git {what}: {place}")).source(said.clone());
    Err(match said.split_once("dubious ownership in repository at '").and_then(|(_, rest)| rest.split_once('\'')) {
        Some((top, _)) => error("does not read the repository of another user")
            .hint_with(format!("if you trust it, run `git config --global --add safe.directory {top}`")),
        None if said.contains("not a git repository: ") => error("finds no repository where `.git` says that it is")
            .hint_with("what git ignores cannot be told without it: make that folder available here, or remove `.git`"),
        None => error("cannot read the repository").hint_with("git's own message says why"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_variables_of_the_user_reach_git() {
        for (name, kept) in [
            ("GIT_DIR", false),
            ("GIT_INDEX_FILE", false),
            ("GIT_WORK_TREE", false),
            ("GIT_CONFIG_PARAMETERS", false),
            ("GIT_CONFIG_GLOBAL", true),
            ("GIT_CONFIG_COUNT", true),
            ("PATH", true),
        ] {
            assert_eq!(is_kept(OsStr::new(name)), kept, "{name}");
        }
    }

    #[test]
    fn a_repository_that_is_gone_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let ask = || {
            let call = git(folder.path()).unwrap().args(&["rev-parse", "--git-dir"]);
            answer(call.output(None, std::time::Duration::from_secs(60)).unwrap(), folder.path())
        };
        assert!(ask().unwrap().is_none());
        // As a worktree or a submodule has it whose main repository was not copied along.
        let file = folder.path().join(".git");
        crate::sys::fs::replace(&file, b"gitdir: /nowhere/.git/worktrees/w\n", 0o644, None).unwrap();
        let error = ask().map(|output| output.is_some()).unwrap_err();
        assert!(error.to_string().contains("finds no repository where `.git` says that it is"), "{error}");
    }
}
