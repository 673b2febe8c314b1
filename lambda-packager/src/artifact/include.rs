//! The files that `include` puts into the zip beside `bootstrap`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};

use crate::artifact::Member;
use crate::error::{Error, Result};
use crate::sys::fs;

/// Reads the files and folders in `include`, relative to the package's `folder`. Their names in the zip are their paths
/// in the package.
///
/// # Errors
/// If a path is absolute, has `..`, does not exist, is named `bootstrap`, or leads out of `boundary` through a symlink.
/// `place` is the location of the setting, for the message.
pub fn members(include: &[String], folder: &Path, boundary: &Path, place: &str) -> Result<Vec<Member>> {
    let mut members = Vec::new();
    for entry in include {
        let path = Path::new(entry);
        let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        let name = path.components().filter(|part| *part != Component::CurDir);
        let name = name.map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
        if !inside || name.is_empty() {
            return Err(Error::config(format!("{place}: {entry:?} is not a path inside the package"))
                .hint_with("include paths are relative to the package's folder, without `..`"));
        }
        collect(&folder.join(path), &name, boundary, place, &mut members)?;
    }
    members.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    members.dedup_by(|a, b| a.name == b.name);
    if members.iter().any(|member| member.name == "bootstrap") {
        return Err(Error::config(format!("{place}: `bootstrap` is the name of the compiled function")));
    }
    Ok(members)
}

fn collect(path: &Path, name: &str, boundary: &Path, place: &str, members: &mut Vec<Member>) -> Result<()> {
    let Some(meta) = fs::stat(path)? else {
        return Err(Error::config(format!("{place}: {} does not exist", path.display())));
    };
    // Resolve symlinks, so that none puts a file from elsewhere on the machine into the zip.
    if !fs::canonical(path)?.starts_with(boundary) {
        return Err(Error::config(format!("{place}: {} leads out of {}", path.display(), boundary.display()))
            .hint_with("copy the file into the package"));
    }
    if meta.is_dir() {
        for entry in fs::names_in(path)? {
            collect(&path.join(&entry), &format!("{name}/{entry}"), boundary, place, members)?;
        }
        return Ok(());
    }
    let executable = meta.permissions().mode() & 0o111 != 0;
    members.push(Member { name: name.to_string(), executable, content: fs::read(path)? });
    Ok(())
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
        std::os::unix::fs::symlink(other.path(), root.join("link")).unwrap();
        let read = |include: &[&str]| {
            let include: Vec<String> = include.iter().map(|entry| entry.to_string()).collect();
            members(&include, &root, &root, "`include`").map_or_else(
                |error| error.to_string(),
                |all| all.iter().map(|m| format!("{} {} ", m.name, m.executable)).collect(),
            )
        };
        assert_eq!(read(&["./config", "config/b.json"]), "config/b.json false config/run.sh true ");
        for (entry, expected) in [
            ("/etc/passwd", "is not a path inside the package"),
            ("config/../..", "is not a path inside the package"),
            (".", "is not a path inside the package"),
            ("none", "does not exist"),
            ("link", "leads out of"),
            ("bootstrap", "is the name of the compiled function"),
        ] {
            let error = read(&[entry]);
            assert!(error.starts_with("`include`: ") && error.contains(expected), "{entry}: {error}");
        }
    }
}
