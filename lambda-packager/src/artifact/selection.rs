//! What each entry of the setting `include` selects.

use std::path::{Component, Path};

use crate::config::Config;
use crate::error::{Error, Result};
use crate::sys::glob::is_glob;
use crate::sys::{Glob, fs, glob, lexically_clean, relative};

/// What one entry selects. Paths and patterns are relative to the root of the workspace, as those of a snapshot are.
#[derive(Debug, PartialEq)]
pub struct Selection {
    /// As the user wrote it.
    pub entry: String,
    /// The file or the folder; for a glob, the folder in which it can match.
    pub path: String,
    /// The glob. It selects files, and does not follow links to folders.
    pub pattern: Option<String>,
    /// Where the file or folder at `path` is in the zip; empty for the top.
    pub name: String,
    /// What later entries with `!` take out.
    pub without: Vec<TakenOut>,
}

/// An entry with `!`.
#[derive(Debug, Clone, PartialEq)]
pub struct TakenOut {
    /// As the user wrote it.
    pub entry: String,
    /// What it covers is taken out.
    pub pattern: String,
}

/// What the setting `include` selects for a package in `folder`, in the order of its entries. A path that exists as it is
/// written is that path, whatever characters it has.
///
/// # Errors
/// An entry that is no path in the package, no glob and no `DEST:SRC` in the workspace at `root`, or that takes out files
/// where none were selected.
pub fn selections(config: &Config, folder: &Path, root: &Path) -> Result<Vec<Selection>> {
    let from_root = |path: &str| relative(&lexically_clean(&folder.join(path)), root);
    // The folder's own name is no pattern.
    let escaped = root.join(glob::escape(&relative(folder, root)));
    let glob_from_root = |glob: &str| relative(&lexically_clean(&escaped.join(glob)), root);
    let refused = |entry: &str, what: &str, hint: &str| {
        Err(Error::config(format!("{}: {entry:?} {what}", config.place_of("include"))).hint_with(hint))
    };
    let mut all: Vec<Selection> = Vec::new();
    for entry in &config.include {
        let exists = || Ok::<_, Error>(fs::lstat(&folder.join(entry))?.is_some());
        if let Some(pattern) = entry.strip_prefix('!') {
            if let Some(hint) = glob::fault(pattern) {
                return refused(entry, "is not `!` and a path or glob of the package", hint);
            }
            if all.is_empty() {
                return refused(
                    entry,
                    "takes files out, but no entry before it selects any",
                    "the entries apply in their order: put it behind the entry that selects the files",
                );
            }
            let is_there = glob::is_glob(pattern) && fs::lstat(&folder.join(pattern))?.is_some();
            let pattern = if is_there { glob::escape(&from_root(pattern)) } else { glob_from_root(pattern) };
            let taken_out = TakenOut { entry: entry.clone(), pattern };
            all.iter_mut().for_each(|selection| selection.without.push(taken_out.clone()));
            continue;
        }
        let plain = |source: &str, name: String, pattern| {
            let (entry, path, without) = (entry.clone(), from_root(source), Vec::new());
            Selection { entry, path, pattern, name, without }
        };
        if let Some((to, source)) = entry.split_once(':').filter(|_| !exists().unwrap_or(true)) {
            let Some(name) = inner_name(to).filter(|_| !to.is_empty() && !to.ends_with('/')) else {
                let hint = "before the `:` is where it goes in the zip, without `..` and without `/` at its end; `.` is the top";
                return refused(entry, "has no place in the zip before its `:`", hint);
            };
            let path = lexically_clean(&folder.join(source));
            if source.is_empty() || source.starts_with('/') || !path.starts_with(root) {
                let hint = "after the `:` is a path relative to the package's folder; copy the file into the workspace";
                return refused(entry, &format!("leads out of {}", root.display()), hint);
            }
            if is_glob(source) && fs::lstat(&path)?.is_none() {
                let hint = "name the folder after the `:`, and take files out of it with a later entry `!GLOB`";
                return refused(entry, "has a glob after its `:`", hint);
            }
            all.push(plain(source, name, None));
            continue;
        }
        let Some(name) = inner_name(entry).filter(|name| !name.is_empty()) else {
            let hint = "include paths are relative to the package's folder, without `..`; `DEST:SRC` puts a file or folder \
                 of the workspace at a place in the zip";
            return refused(entry, "is not a path inside the package", hint);
        };
        if is_glob(entry) && !exists()? {
            if let Some(hint) = glob::fault(entry) {
                return refused(entry, "is not a valid glob", hint);
            }
            let fixed = Glob::new(entry).fixed_folder();
            all.push(plain(&fixed, fixed.clone(), Some(glob_from_root(entry))));
        } else {
            all.push(plain(entry, name, None));
        }
    }
    Ok(all)
}

/// A path without `.`, if it stays where it begins.
fn inner_name(path: &str) -> Option<String> {
    let mut names = Vec::new();
    for part in Path::new(path).components() {
        match part {
            Component::Normal(name) => names.push(name.to_string_lossy()),
            Component::CurDir => {}
            _ => return None,
        }
    }
    Some(names.join("/"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(include: &[&str]) -> Result<Vec<Selection>> {
        let dir = tempfile::tempdir().unwrap();
        for name in ["app/odd:name", "app/[id].tsx"] {
            fs::replace(&dir.path().join(name), b"", 0o644, None).unwrap();
        }
        selections(&Config::of(json!({"include": include})), &dir.path().join("app"), dir.path())
    }

    #[test]
    fn entries_are_paths_globs_and_places() {
        let told = |include: &[&str]| {
            let tell = |Selection { path, pattern, name, without, .. }: Selection| {
                let without: Vec<_> = without.iter().map(|taken_out| taken_out.pattern.as_str()).collect();
                format!("{path} {} -> {name} {}", pattern.unwrap_or_default(), without.join(" ")).trim().to_string()
            };
            of(include).unwrap().into_iter().map(tell).collect::<Vec<_>>()
        };
        assert_eq!(
            told(&["./data/", "assets/**", "!assets/**/*.map", "etc/x:../shared/x", ".:top", "!../shared/raw", "*.md"]),
            [
                "app/data  -> data app/assets/**/*.map shared/raw",
                "app/assets app/assets/** -> assets app/assets/**/*.map shared/raw",
                "shared/x  -> etc/x shared/raw",
                "app/top  ->  shared/raw",
                "app app/*.md ->",
            ]
        );
        // As they are written.
        assert_eq!(told(&["odd:name", "[id].tsx"]), ["app/odd:name  -> odd:name", "app/[id].tsx  -> [id].tsx"]);
        assert_eq!(told(&["*.tsx", "![id].tsx"]), [r"app app/*.tsx ->  app/\[id].tsx"]);
        assert_eq!(
            told(&["{a,b}/*.js", r"\[id\].tsx", "!{a,b}.map"]),
            ["app app/{a,b}/*.js ->  app/{a,b}.map", r"app app/\[id\].tsx ->  app/{a,b}.map"]
        );
    }

    #[test]
    fn the_folder_of_the_package_is_no_pattern() {
        let dir = tempfile::tempdir().unwrap();
        let config = Config::of(json!({"include": ["*.{a,b}", "!*.c"]}));
        let all = selections(&config, &dir.path().join("{x}[y]"), dir.path()).unwrap();
        assert_eq!(all[0].pattern.as_deref(), Some(r"\{x}\[y]/*.{a,b}"));
        assert_eq!(all[0].without[0].pattern, r"\{x}\[y]/*.c");
    }

    #[test]
    fn an_entry_that_cannot_be_is_named_with_its_place() {
        for (include, expected) in [
            (&["/etc/passwd"][..], "\"/etc/passwd\" is not a path inside the package"),
            (&["../shared/**"], "\"../shared/**\" is not a path inside the package"),
            (&["."], "\".\" is not a path inside the package"),
            (&[""], "\"\" is not a path inside the package"),
            (&["a[b"], "\"a[b\" is not a valid glob"),
            (&["*.{a,b"], "\"*.{a,b\" is not a valid glob"),
            (&["{../a,b}/*"], "\"{../a,b}/*\" is not a valid glob"),
            (&["a", "!*.{a"], "\"!*.{a\" is not `!` and a path or glob"),
            (&["!a"], "\"!a\" takes files out, but no entry before it selects any"),
            (&["a", "!"], "\"!\" is not `!` and a path or glob"),
            (&["a", "!/etc"], "\"!/etc\" is not `!` and a path or glob"),
            (&["etc/:a"], "\"etc/:a\" has no place in the zip before its `:`"),
            (&["../a:a"], "\"../a:a\" has no place in the zip"),
            (&["/a:a"], "\"/a:a\" has no place in the zip"),
            (&[":a"], "\":a\" has no place in the zip"),
            (&["a:"], "\"a:\" leads out of "),
            (&["a:../../b"], "\"a:../../b\" leads out of "),
            (&["a:/etc/passwd"], "\"a:/etc/passwd\" leads out of "),
            (&["a:assets/*"], "\"a:assets/*\" has a glob after its `:`"),
        ] {
            let error = of(include).unwrap_err();
            assert!(error.to_string().starts_with(&format!("flag --include: {expected}")), "{include:?}: {error}");
            assert!(error.hint().is_some());
        }
    }
}
