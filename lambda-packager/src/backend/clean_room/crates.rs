//! The crates that a function is made of, in the form of cargo's home: exactly those, not its whole cache.

use std::collections::{BTreeMap, BTreeSet};

use crate::backend::clean_room::members::{Member, Members, add_file, add_folder};
use crate::cargo::{ForwardedConfig, LockedPackage, lockfile};
use crate::compile::{CARGO_HOME, CompileJob};
use crate::error::Result;
use crate::sys::fs;

/// Cargo's home in the clean room: archives of the crates, their entries in the index, git checkouts and configuration;
/// and vendored sources at their own paths.
///
/// # Errors
/// A file cannot be read.
pub fn members(job: &CompileJob, forwarded: &ForwardedConfig) -> Result<Members> {
    let home = &job.workspace.cargo_home;
    let mut members = Members::new();
    let config = Member::File { content: forwarded.toml.clone().into_bytes(), executable: false };
    members.insert(format!("{CARGO_HOME}/config.toml"), config);
    let mut registries = BTreeSet::new();
    for folder in &job.function.package.downloads {
        let Ok(below) = folder.strip_prefix(home) else { continue };
        let parts: Vec<&str> = below.iter().filter_map(|part| part.to_str()).collect();
        match parts.as_slice() {
            ["registry", "src", registry, name, ..] => {
                registries.insert(registry.to_string());
                let file = format!("registry/cache/{registry}/{name}.crate");
                add_file(&mut members, format!("{CARGO_HOME}/{file}"), &home.join(file))?;
            }
            ["git", "checkouts", repository, revision, ..] => {
                for folder in [format!("git/db/{repository}"), format!("git/checkouts/{repository}/{revision}")] {
                    add_folder(&mut members, &format!("{CARGO_HOME}/{folder}"), &home.join(folder))?;
                }
            }
            _ => {}
        }
    }
    // Cargo resolves the whole lockfile, whatever it then compiles.
    let mut versions_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for LockedPackage { name, version, .. } in lockfile::read(&job.workspace.root)? {
        versions_of.entry(name).or_default().insert(version);
    }
    for registry in fs::names_in(&home.join("registry/index")).unwrap_or_default() {
        let index = home.join("registry/index").join(&registry);
        let place = format!("{CARGO_HOME}/registry/index/{registry}");
        if fs::is_dir(&index.join(".git")) && registries.contains(&registry) {
            // An index in git: cargo uses its cache only together with the repository.
            add_folder(&mut members, &place, &index)?;
            continue;
        }
        let mut is_needed = false;
        for (name, versions) in &versions_of {
            let file = format!(".cache/{}", path_in_index(name));
            if let Some(bytes) = fs::read_if_exists(&index.join(&file))? {
                let content = only_versions(bytes, versions);
                members.insert(format!("{place}/{file}"), Member::File { content, executable: false });
                is_needed = true;
            }
        }
        if is_needed {
            add_file(&mut members, format!("{place}/config.json"), &index.join("config.json"))?;
        }
    }
    let absolute = forwarded.absolute_folders.iter().map(|folder| (folder.to_string_lossy().into_owned(), folder));
    let relative = forwarded.relative_folders.iter();
    let relative = relative.filter_map(|folder| Some((job.mounts.to_container(folder)?, folder)));
    for (place, folder) in absolute.chain(relative) {
        add_folder(&mut members, &place, folder)?;
    }
    Ok(members)
}

/// The path of a crate in an index: <https://doc.rust-lang.org/cargo/reference/registry-index.html#index-files>.
fn path_in_index(name: &str) -> String {
    let name = name.to_lowercase();
    match name.len() {
        1 | 2 => format!("{}/{name}", name.len()),
        3 => format!("3/{}/{name}", &name[..1]),
        _ => format!("{}/{}/{name}", &name[..2], &name[2..4]),
    }
}

/// A crate's entry in cargo's cache of the index, without the versions that are not locked: they are as large as the
/// crates. Its format since cargo 1.73: the number 3, four bytes for the version of the index, a text for its revision,
/// then pairs of a version and its JSON, each text ended by NUL. Other formats are returned unchanged.
fn only_versions(bytes: Vec<u8>, wanted: &BTreeSet<String>) -> Vec<u8> {
    const HEAD: usize = 5;
    let trim = || {
        let (head, rest) = bytes.split_at_checked(HEAD).filter(|(head, _)| head[0] == 3)?;
        let mut texts = rest.strip_suffix(&[0])?.split(|byte| *byte == 0);
        let mut kept = head.to_vec();
        kept.extend(texts.next()?);
        kept.push(0);
        while let Some(version) = texts.next() {
            let json = texts.next().filter(|json| json.starts_with(b"{"))?;
            if wanted.contains(std::str::from_utf8(version).ok()?) {
                for text in [version, json] {
                    kept.extend(text);
                    kept.push(0);
                }
            }
        }
        Some(kept)
    };
    trim().unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crates_have_their_paths_in_an_index() {
        let paths = ["a", "ab", "Abc", "abcd", "serde_json"].map(path_in_index);
        assert_eq!(paths, ["1/a", "2/ab", "3/a/abc", "ab/cd/abcd", "se/rd/serde_json"]);
    }

    #[test]
    fn only_locked_versions_stay_and_another_format_is_unchanged() {
        let cached = b"\x03\x02\0\0\0etag: x\x001.0.0\0{\"a\":1}\x001.0.1\0{\"a\":2}\x002.0.0\0{}\0".to_vec();
        let wanted = BTreeSet::from(["1.0.1".to_string()]);
        assert_eq!(only_versions(cached.clone(), &wanted), b"\x03\x02\0\0\0etag: x\x001.0.1\0{\"a\":2}\0");
        let all = ["1.0.0", "1.0.1", "2.0.0"].map(String::from);
        assert_eq!(only_versions(cached.clone(), &BTreeSet::from(all)), cached);
        for unknown in [&b"\x04\x02\0\0\0etag\x001.0.0\0{}\0"[..], b"\x03\x02", b"", b"\x03\x02\0\0\0e\x001.0.0\0odd\0"]
        {
            assert_eq!(only_versions(unknown.to_vec(), &wanted), unknown);
        }
    }
}
