//! The files that `include` puts into the zip beside `bootstrap`.

use std::os::unix::fs::PermissionsExt;
use std::path::{Component, Path};

use crate::artifact::zip::Member;
use crate::error::{Error, Result};
use crate::sys::fs;

/// Reads what `include` names: files and folders (with all that is in them) of the package in
/// `folder`. Their names in the zip are their paths in the package.
///
/// # Errors
/// A path that is absolute, has `..`, does not exist, is named `bootstrap`, or leads out of
/// `boundary` through a symlink; `place` says where the setting is.
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
    members.sort_unstable_by(Member::by_name);
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
    // Resolved, so that no symlink smuggles a file of the machine into what is shipped.
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
    members.push(Member {
        name: name.to_string(),
        executable: meta.permissions().mode() & 0o111 != 0,
        content: fs::read(path)?,
    });
    Ok(())
}
