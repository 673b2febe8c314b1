//! The files that `include` puts into the zip beside `bootstrap`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path, PathBuf};

use crate::artifact::Member;
use crate::error::{Error, Result};
use crate::sys::fs;

/// A file that goes into the zip.
pub struct Included {
    /// Its name in the zip: its path in the package.
    name: String,
    path: PathBuf,
    executable: bool,
}

/// The files and folders in `include`, relative to the package's `folder`.
///
/// # Errors
/// If a path is absolute, has `..`, does not exist, is no file and no folder, is named `bootstrap`, or leads out of
/// `boundary` or back to a folder around it through a symlink. `place` is the location of the setting, for the message.
pub fn find(include: &[String], folder: &Path, boundary: &Path, place: &str) -> Result<Vec<Included>> {
    let mut walk = Walk { boundary, place, around: Vec::new(), found: Vec::new() };
    for entry in include {
        let path = Path::new(entry);
        let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let name = path.components().filter(|part| *part != Component::CurDir);
        let name = name.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
        if !inside || name.is_empty() {
            return Err(Error::config(format!("{place}: {entry:?} is not a path inside the package"))
                .hint_with("include paths are relative to the package's folder, without `..`"));
        }
        walk.entry(&folder.join(path), name)?;
    }
    let mut found = walk.found;
    found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    found.dedup_by(|a, b| a.name == b.name);
    if found.iter().any(|file| file.name == "bootstrap") {
        return Err(Error::config(format!("{place}: `bootstrap` is the name of the compiled function")));
    }
    Ok(found)
}

/// Reads what was found.
pub fn read(included: Vec<Included>) -> Result<Vec<Member>> {
    let member = |Included { name, path, executable }| Ok(Member { name, executable, content: fs::read(&path)? });
    included.into_iter().map(member).collect()
}

struct Walk<'a> {
    boundary: &'a Path,
    place: &'a str,
    /// The real paths of the folders around the entry that is looked at.
    around: Vec<PathBuf>,
    found: Vec<Included>,
}

impl Walk<'_> {
    fn entry(&mut self, path: &Path, name: String) -> Result<()> {
        let Some(meta) = fs::stat(path)? else {
            return Err(match fs::lstat(path)? {
                Some(_) => {
                    self.refusal(path, "is a link that leads nowhere, or to itself").hint_with("remove that link")
                }
                None => self.refusal(path, "does not exist"),
            });
        };
        // Resolve symlinks, so that none puts a file from elsewhere on the machine into the zip.
        let real = fs::canonical(path)?;
        if !real.starts_with(self.boundary) {
            return Err(self
                .refusal(path, &format!("leads out of {}", self.boundary.display()))
                .hint_with("copy the file into the package"));
        }
        if meta.is_dir() {
            if self.around.contains(&real) {
                return Err(self
                    .refusal(path, "is a link to a folder around it, so it has no end")
                    .hint_with("remove that link"));
            }
            self.around.push(real);
            for entry in fs::names_in(path)? {
                self.entry(&path.join(&entry), format!("{name}/{entry}"))?;
            }
            self.around.pop();
            return Ok(());
        }
        if !meta.is_file() {
            return Err(self
                .refusal(path, "is not a regular file, but a pipe, a socket or a device")
                .hint_with("remove it, or include the other files one by one"));
        }
        let executable = meta.permissions().mode() & 0o111 != 0;
        self.found.push(Included { name, path: path.to_path_buf(), executable });
        Ok(())
    }

    fn refusal(&self, path: &Path, what: &str) -> Error {
        Error::config(format!("{}: {} {what}", self.place, path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_folders_of_the_package_are_included_and_nothing_else() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let root = fs::canonical(dir.path()).unwrap();
        for (name, mode) in [("config/b.json", 0o644), ("config/run.sh", 0o755), ("bootstrap", 0o755)] {
            fs::replace(&root.join(name), b"x", mode, None).unwrap();
        }
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, root.join(name)).unwrap();
        link(other.path(), "link");
        fs::create_dirs(&root.join("loop/deep")).unwrap();
        link(&root.join("loop"), "loop/deep/back");
        link(Path::new("self"), "self");
        fs::create_dirs(&root.join("odd")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("odd/socket")).unwrap();
        // Twice the same folder is no loop.
        link(Path::new("../config"), "loop/again");
        let packed = |include: &[&str]| {
            let include: Vec<String> = include.iter().map(|entry| entry.to_string()).collect();
            find(&include, &root, &root, "`include`").and_then(read).map_or_else(
                |error| error.to_string(),
                |all| all.iter().map(|m| format!("{} {} ", m.name, m.executable)).collect(),
            )
        };
        assert_eq!(packed(&["./config", "config/b.json"]), "config/b.json false config/run.sh true ");
        assert_eq!(
            packed(&["loop/again", "config"]),
            "config/b.json false config/run.sh true loop/again/b.json false loop/again/run.sh true "
        );
        for (entry, expected) in [
            ("/etc/passwd", "is not a path inside the package"),
            ("config/../..", "is not a path inside the package"),
            (".", "is not a path inside the package"),
            ("none", "does not exist"),
            ("link", "leads out of"),
            ("loop", "deep/back is a link to a folder around it"),
            ("self", "is a link that leads nowhere, or to itself"),
            ("odd", "odd/socket is not a regular file"),
            ("bootstrap", "is the name of the compiled function"),
        ] {
            let error = packed(&[entry]);
            assert!(error.starts_with("`include`: ") && error.contains(expected), "{entry}: {error}");
        }
    }
}
