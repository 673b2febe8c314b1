//! The crates that a function is made of, in the form of cargo's home: exactly those, not its whole cache.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::de::IgnoredAny;

use crate::cargo::{ForwardedConfig, LockedPackage, lockfile};
use crate::compile::node::{Node, Sources};
use crate::compile::{CARGO_HOME, CompileJob};
use crate::error::Result;
use crate::report::{Event, Reporter};
use crate::sys::{Lock, Sha, fs};

/// The lock, in cargo's home, that cargo holds alone while it downloads. It also asks for what it knows, and then empties and
/// fills files of an index (cargo's `util/cache_lock.rs`, `sources/registry/http_remote.rs`).
const DOWNLOADS: &str = ".package-cache";

/// Adds cargo's home: the crates, their entries in the index, git checkouts and configuration; and registries in a folder
/// at their own places.
///
/// # Errors
/// A file cannot be read.
pub fn add(job: &CompileJob, forwarded: &ForwardedConfig, sources: &mut Sources, report: &mut Reporter) -> Result<()> {
    let home = &job.workspace.cargo_home;
    sources.insert(format!("{CARGO_HOME}/config.toml"), Node::made(forwarded.toml.clone().into_bytes()));
    let locked = lockfile::read(&job.workspace.root)?;
    let mut registries = BTreeSet::new();
    for folder in job.downloads() {
        let Ok(below) = folder.strip_prefix(home) else { continue };
        let parts: Vec<&str> = below.iter().filter_map(|part| part.to_str()).collect();
        match parts.as_slice() {
            ["registry", "src", registry, name, ..] => {
                registries.insert(registry.to_string());
                whole(sources, home, &format!("registry/src/{registry}/{name}"), "");
                let archive = format!("registry/cache/{registry}/{name}.crate");
                if fs::is_file(&home.join(&archive)) {
                    whole(sources, home, &archive, "");
                }
            }
            ["git", "checkouts", repository, revision, ..] => {
                whole(sources, home, &format!("git/checkouts/{repository}/{revision}"), "");
                // It grows with each revision that is fetched.
                let revisions: String = locked.iter().map(|package| package.source.as_str()).collect();
                whole(sources, home, &format!("git/db/{repository}"), &revisions);
            }
            _ => {}
        }
    }
    // Cargo resolves the whole lockfile, whatever it then compiles.
    let mut versions_of: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for LockedPackage { name, version, source, .. } in &locked {
        if source.starts_with("registry+") || source.starts_with("sparse+") {
            versions_of.entry(name.clone()).or_default().insert(version.clone());
        }
    }
    let index = || indexes(home, &registries, &versions_of);
    let (mut nodes, is_whole) = index()?;
    if !is_whole {
        let waiting = || report.emit(&Event::Waiting { holder: "cargo, which changes its downloads".into() });
        let _unchanged = Lock::share(&home.join(DOWNLOADS), waiting);
        (nodes, _) = index()?;
    }
    sources.extend(nodes);
    // A registry in a folder: its crates are checked by the lockfile. Vendored sources are inputs.
    for folder in forwarded.absolute_folders.iter().chain(&forwarded.relative_folders) {
        if fs::is_dir(&folder.join("index"))
            && let Some(place) = job.layout.place_of(folder)
        {
            sources.insert(place, Node::Whole(folder.clone(), Sha::of(format!("{locked:?}").as_bytes())));
        }
    }
    Ok(())
}

/// What cargo knows of the locked versions of each crate, from the indexes of registries; `registries` are those that crates
/// are from. And whether all of it is there: otherwise, another cargo may be writing it.
fn indexes(
    home: &Path,
    registries: &BTreeSet<String>,
    versions_of: &BTreeMap<String, BTreeSet<String>>,
) -> Result<(Sources, bool)> {
    let (mut nodes, mut is_whole) = (Sources::new(), true);
    for registry in fs::names_in(&home.join("registry/index")).unwrap_or_default() {
        let index = home.join("registry/index").join(&registry);
        let place = format!("registry/index/{registry}");
        let has_crates = registries.contains(&registry);
        if fs::is_dir(&index.join(".git")) && has_crates {
            // An index in git: cargo uses its cache only together with the repository.
            let text = format!("{versions_of:?}");
            whole(&mut nodes, home, &place, &text);
            continue;
        }
        let mut is_needed = false;
        for (name, versions) in versions_of {
            let file = format!(".cache/{}", path_in_index(name));
            if let Some(bytes) = fs::read_if_exists(&index.join(&file))? {
                let (kept, has_all) = only_versions(bytes, versions);
                nodes.insert(format!("{CARGO_HOME}/{place}/{file}"), Node::made(kept));
                (is_needed, is_whole) = (true, is_whole && (has_all || !has_crates));
            }
        }
        if is_needed {
            let bytes = fs::read_if_exists(&index.join("config.json"))?;
            let is_read = |bytes: &Vec<u8>| serde_json::from_slice::<IgnoredAny>(bytes).is_ok();
            is_whole &= !has_crates || bytes.as_ref().is_some_and(is_read);
            nodes.extend(bytes.map(|bytes| (format!("{CARGO_HOME}/{place}/config.json"), Node::made(bytes))));
        }
    }
    Ok((nodes, is_whole))
}

/// Adds a folder or a file of cargo's home that never changes while `version` is the same.
fn whole(sources: &mut Sources, home: &Path, name: &str, version: &str) {
    let sha = Sha::of(format!("{}\0{name}\0{version}", home.display()).as_bytes());
    sources.insert(format!("{CARGO_HOME}/{name}"), Node::Whole(home.join(name), sha));
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
/// then pairs of a version and its JSON, each text ended by NUL. Other formats are returned unchanged. And whether it has all
/// that are wanted.
fn only_versions(bytes: Vec<u8>, wanted: &BTreeSet<String>) -> (Vec<u8>, bool) {
    const HEAD: usize = 5;
    let trim = || {
        let (head, rest) = bytes.split_at_checked(HEAD).filter(|(head, _)| head[0] == 3)?;
        let mut texts = rest.strip_suffix(&[0])?.split(|byte| *byte == 0);
        let (mut kept, mut count) = (head.to_vec(), 0);
        kept.extend(texts.next()?);
        kept.push(0);
        while let Some(version) = texts.next() {
            let json = texts.next().filter(|json| json.starts_with(b"{"))?;
            if wanted.contains(std::str::from_utf8(version).ok()?) {
                count += 1;
                for text in [version, json] {
                    kept.extend(text);
                    kept.push(0);
                }
            }
        }
        Some((kept, count == wanted.len()))
    };
    trim().unwrap_or((bytes, false))
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
        let kept = b"\x03\x02\0\0\0etag: x\x001.0.1\0{\"a\":2}\0".to_vec();
        assert_eq!(only_versions(cached.clone(), &wanted), (kept.clone(), true));
        // Cut off, such as while it is written.
        assert_eq!(only_versions(kept[..13].to_vec(), &wanted), (kept[..13].to_vec(), false));
        let all = ["1.0.0", "1.0.1", "2.0.0"].map(String::from);
        assert_eq!(only_versions(cached.clone(), &BTreeSet::from(all)), (cached, true));
        for unknown in [&b"\x04\x02\0\0\0etag\x001.0.0\0{}\0"[..], b"\x03\x02", b"", b"\x03\x02\0\0\0e\x001.0.0\0odd\0"]
        {
            assert_eq!(only_versions(unknown.to_vec(), &wanted), (unknown.to_vec(), false));
        }
    }
}
