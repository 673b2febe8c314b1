//! The files that decide what git ignores, besides `.gitignore`: a file in the index is not ignored, and the
//! configuration can name a file with rules.
//!
//! Source: <https://git-scm.com/docs/gitignore>, <https://git-scm.com/docs/git-config#FILES>.

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::fingerprint::git::{Folders, folders};
use crate::sys::{env, fs, lexically_clean};

/// Configuration can include more of it; git refuses more levels.
const DEPTH: usize = 10;

/// The files for the repository that `folder` is in, absolute, whether they exist or not. Empty if there is none.
///
/// # Errors
/// If a file of the repository cannot be read.
pub fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let Some(Folders { own, common, .. }) = folders(folder)? else { return Ok(Vec::new()) };
    let mut files = vec![own.join("index"), common.join("info/exclude")];
    let mut queue: Vec<(PathBuf, usize)> = configurations()
        .into_iter()
        .chain([common.join("config"), own.join("config.worktree")])
        .map(|path| (path, 0))
        .collect();
    files.extend(user_folder().map(|folder| folder.join("ignore")));
    while let Some((path, depth)) = queue.pop() {
        // If the user cannot read it, git cannot either.
        let text = fs::read_if_exists(&path).ok().flatten().unwrap_or_default();
        for named in named(&String::from_utf8_lossy(&text)) {
            match named {
                Named::Rules(text) => files.push(resolved(&text, folder)),
                Named::More(text) if depth < DEPTH => {
                    queue.push((resolved(&text, path.parent().unwrap_or(&path)), depth + 1));
                }
                Named::More(_) => {}
            }
        }
        files.push(path);
    }
    files.sort_unstable();
    files.dedup();
    Ok(files)
}

/// Whether this is the index of a repository.
pub fn is_index(path: &Path) -> bool {
    path.ends_with("index") && path.components().any(|part| part.as_os_str() == ".git")
}

/// The configuration of the machine and of the user.
fn configurations() -> Vec<PathBuf> {
    let named = |variable: &str| env::var_os(variable).map(PathBuf::from);
    let mut all = vec![named("GIT_CONFIG_SYSTEM").unwrap_or_else(|| "/etc/gitconfig".into())];
    match named("GIT_CONFIG_GLOBAL") {
        Some(global) => all.push(global),
        None => {
            all.extend(user_folder().map(|folder| folder.join("config")));
            all.extend(env::home().ok().map(|home| home.join(".gitconfig")));
        }
    }
    all
}

/// The folder of the user's files of git, without `.gitconfig`.
fn user_folder() -> Option<PathBuf> {
    let set = env::var_os("XDG_CONFIG_HOME").filter(|folder| !folder.is_empty()).map(PathBuf::from);
    set.or_else(|| Some(env::home().ok()?.join(".config"))).map(|folder| folder.join("git"))
}

fn resolved(text: &str, folder: &Path) -> PathBuf {
    match (text.strip_prefix("~/"), env::home()) {
        (Some(rest), Ok(home)) => home.join(rest),
        _ => lexically_clean(&folder.join(text)),
    }
}

/// What a configuration names.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    /// A file with rules.
    Rules(String),
    /// More configuration, whatever the condition: what it names is looked at, and git decides whether it counts.
    More(String),
}

fn named(text: &str) -> Vec<Named> {
    let mut found = Vec::new();
    let mut section = String::new();
    for line in text.lines() {
        let mut line = line.trim();
        if let Some((head, rest)) = line.strip_prefix('[').and_then(|line| line.split_once(']')) {
            section = head.split([' ', '\t', '"']).next().unwrap_or_default().to_ascii_lowercase();
            line = rest.trim();
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        let value = unquoted(value.trim());
        match (section.as_str(), key.trim().to_ascii_lowercase().as_str()) {
            ("core", "excludesfile") => found.push(Named::Rules(value)),
            ("include" | "includeif", "path") => found.push(Named::More(value)),
            _ => {}
        }
    }
    found
}

/// A value without quotes, escapes and a comment.
fn unquoted(value: &str) -> String {
    let (mut text, mut in_quotes) = (String::new(), false);
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => in_quotes = !in_quotes,
            '\\' => text.extend(chars.next()),
            '#' | ';' if !in_quotes => break,
            c => text.push(c),
        }
    }
    text.trim_end().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_rules_are_found_in_every_form() {
        let text = "[core]\n\teditor = vi\n\texcludesFile = ~/a # mine\n[Include] path = \"b;c\"\n[user]\npath = no\n\
                    [includeIf \"gitdir:~/x/\"]\n  path = d\\\\e\n[core \"x\"]\n[CORE]\nexcludesfile=f\n; excludesfile = g\n";
        let rules = |text: &str| Named::Rules(text.into());
        let more = |text: &str| Named::More(text.into());
        assert_eq!(named(text), [rules("~/a"), more("b;c"), more("d\\e"), rules("f")]);
    }

    #[test]
    fn what_a_repository_and_its_configuration_name_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonical(dir.path()).unwrap();
        let write = |name: &str, text: &str| fs::replace(&root.join(name), text.as_bytes(), 0o644, None).unwrap();
        assert_eq!(files(&root).unwrap(), Vec::<PathBuf>::new());
        write(".git/HEAD", "ref: refs/heads/main\n");
        write(".git/config", "[include]\npath = ../more\n");
        write("more", "[core]\nexcludesFile = rules\n");
        let found = files(&root.join("below")).unwrap();
        for name in [".git/index", ".git/info/exclude", ".git/config", "more", "below/rules"] {
            assert!(found.contains(&root.join(name)), "{name} in {found:?}");
        }
        assert!(is_index(&root.join(".git/index")) && !is_index(&root.join("src/index")));
    }
}
