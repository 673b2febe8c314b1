//! The direction of imports: a room uses the rooms below it, never one above, and files form no circle.
//!
//! Reads the paths that begin with `crate::` in the library and in the bin, and those that begin with a child in a file
//! that declares children; unit tests count too. What a file passes on by `pub use` belongs to the file it comes from.
#![allow(clippy::disallowed_methods)] // The doors are the crates' own; this reads their sources.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The rooms of the library, top to bottom.
const LIBRARY: &[&str] = &[
    "lib",
    "internal",
    "build_script",
    "pipeline",
    "backend",
    "compile",
    "report",
    "fingerprint",
    "engine",
    "cargo",
    "artifact",
    "snapshot",
    "config",
    "packaged",
    "sys",
    "error",
];

/// The rooms of the bin, top to bottom; below them is the library.
const BIN: &[&str] = &[
    "main",
    "cli",
    "image",
    "production",
    "container",
    "doctor",
    "clean",
    "verify",
    "init",
    "shim",
    "signals",
    "project",
    "args",
    "answers",
    "json",
    "publish",
];

/// The source files of a crate by their module path, such as `sys::fs`.
struct Sources(BTreeMap<String, PathBuf>);

/// `from` imports `to`, at a line of its file.
struct Import {
    from: String,
    to: String,
    place: String,
}

impl Sources {
    fn of(folder: &Path) -> Self {
        let mut all = BTreeMap::new();
        let mut folders = vec![folder.to_path_buf()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(&next).expect("a folder of sources") {
                let path = entry.expect("an entry").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let below = path.strip_prefix(folder).expect("it is below").with_extension("");
                    let parts: Vec<_> = below.iter().map(|part| part.to_string_lossy()).collect();
                    let name = parts.join("::");
                    all.insert(name.strip_suffix("::mod").unwrap_or(&name).to_string(), path);
                }
            }
        }
        Self(all)
    }

    /// The file that a path such as `sys::fs::read` leads to.
    fn file_of<'a>(&'a self, mut path: &str) -> Option<&'a str> {
        loop {
            if let Some((name, _)) = self.0.get_key_value(path) {
                return Some(name);
            }
            path = path.rsplit_once("::")?.0;
        }
    }

    fn imports(&self) -> Vec<Import> {
        let texts: Vec<(&String, String)> =
            self.0.iter().map(|(name, path)| (name, fs::read_to_string(path).expect("a file of sources"))).collect();
        let (mut all, mut passed_on) = (Vec::new(), BTreeMap::new());
        for (from, text) in &texts {
            let below = if *from == "lib" || *from == "main" { String::new() } else { format!("{from}::") };
            let children =
                text.lines().filter_map(|line| line.strip_suffix(';')?.rsplit_once("mod ").map(|(_, name)| name));
            for child in children {
                for (line, path, is_passed_on) in paths_in(text, &format!("{child}::")) {
                    let target = format!("{below}{child}::{path}");
                    if is_passed_on {
                        let name = path.rsplit("::").next().unwrap_or_default();
                        passed_on.insert(format!("{below}{name}"), target);
                    } else {
                        all.push((from.to_string(), line, target));
                    }
                }
            }
            all.extend(paths_in(text, "crate::").into_iter().map(|(line, path, _)| (from.to_string(), line, path)));
        }
        let origin = |path: &String| {
            let prefixes = path.match_indices("::").map(|(at, _)| &path[..at]).chain([path.as_str()]);
            let known = prefixes.filter_map(|prefix| passed_on.get(prefix)).next();
            self.file_of(known.unwrap_or(path)).map(String::from)
        };
        let import = |(from, line, target): (String, usize, String)| {
            let place = format!("{}:{line}: {target}", self.0[&from].display());
            origin(&target).filter(|to| *to != from).map(|to| Import { from, to, place })
        };
        all.into_iter().filter_map(import).collect()
    }
}

/// Every path after `start` in a source, with the number of its line, and whether it is in a `pub use`; groups are
/// taken apart.
fn paths_in(text: &str, start: &str) -> Vec<(usize, String, bool)> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices(start) {
        let before = &text[text[..at].rfind('\n').map_or(0, |end| end + 1)..at];
        let is_path = !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':');
        if is_path && !before.contains("//") && !before.contains('"') {
            let line = text[..at].matches('\n').count() + 1;
            let passed_on = before == "pub use ";
            leaves("", &text[at + start.len()..], &mut |path| found.push((line, path, passed_on)));
        }
    }
    found
}

/// Hands on each path of a tree such as `a::{b, c::{d, self}}`; returns what follows the tree.
fn leaves<'a>(prefix: &str, tree: &'a str, each: &mut dyn FnMut(String)) -> &'a str {
    let tree = tree.trim_start();
    let end = tree.find(|c: char| !c.is_alphanumeric() && c != '_' && c != ':').unwrap_or(tree.len());
    let (name, mut rest) = tree.split_at(end);
    let path = format!("{prefix}{name}");
    if !rest.starts_with('{') || !(path.is_empty() || path.ends_with("::")) {
        each(path.trim_end_matches("::self").trim_end_matches("::").to_string());
        return rest;
    }
    loop {
        rest = rest[1..].trim_start();
        if let Some(after) = rest.strip_prefix('}') {
            return after;
        }
        rest = leaves(&path, rest, each).trim_start();
        if !rest.starts_with(',') {
            return rest.strip_prefix('}').unwrap_or(rest);
        }
    }
}

/// The imports that lead upwards, by the order of `rooms`.
fn upwards<'a>(imports: &'a [Import], rooms: &[&str]) -> Vec<&'a str> {
    let rank = |file: &str| {
        let room = file.split("::").next().unwrap_or(file);
        rooms.iter().position(|known| *known == room).unwrap_or_else(|| panic!("{room} is not in the list of rooms"))
    };
    let up = imports.iter().filter(|import| rank(&import.from) > rank(&import.to));
    up.map(|import| import.place.as_str()).collect()
}

/// A circle of imports, file by file, if there is one.
fn circle(imports: &[Import]) -> Option<Vec<&str>> {
    let mut below: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for import in imports {
        below.entry(&import.from).or_default().insert(&import.to);
    }
    // Files that import nothing that is left are taken away, until only circles and what leads to them are left.
    loop {
        let left: BTreeSet<&str> = below.keys().copied().collect();
        below.retain(|_, to| to.iter().any(|to| left.contains(to)));
        if below.len() == left.len() {
            break;
        }
    }
    let mut way: Vec<&str> = Vec::new();
    let mut at = *below.keys().next()?;
    while !way.contains(&at) {
        way.push(at);
        at = below[at].iter().copied().find(|to| below.contains_key(to))?;
    }
    way.drain(..way.iter().position(|file| *file == at)?);
    way.push(at);
    Some(way)
}

fn check(folder: &Path, rooms: &[&str]) {
    let sources = Sources::of(folder);
    let imports = sources.imports();
    assert!(!imports.is_empty(), "no import was found in {}", folder.display());
    let (up, circle) = (upwards(&imports, rooms), circle(&imports));
    println!(
        "{}: {} rooms, {} files, {} imports, {} upwards, circles: {}",
        folder.display(),
        rooms.len(),
        sources.0.len(),
        imports.len(),
        up.len(),
        u8::from(circle.is_some()),
    );
    assert!(up.is_empty(), "imports that lead upwards:\n{}", up.join("\n"));
    if let Some(circle) = circle {
        let on_it = |import: &&Import| circle.windows(2).any(|step| step[0] == import.from && step[1] == import.to);
        let places: Vec<_> = imports.iter().filter(on_it).map(|import| import.place.as_str()).collect();
        panic!("a circle of imports: {}\n{}", circle.join(" -> "), places.join("\n"));
    }
}

#[test]
fn imports_of_the_library_point_down_and_form_no_circle() {
    check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), LIBRARY);
}

/// Windows compiles what is not behind `#[cfg(unix)]`; `start` has a twin there.
#[test]
fn what_every_system_compiles_imports_nothing_that_is_only_for_unix() {
    let sources = Sources::of(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"));
    let mut only_unix = Vec::new();
    for (file, path) in &sources.0 {
        let text = fs::read_to_string(path).expect("a file of sources");
        for gated in text.split("#[cfg(unix)]\n").skip(1) {
            let item = gated.split(';').next().and_then(|item| item.lines().last()).unwrap_or_default();
            if let Some(name) = item.trim_start_matches("pub ").strip_prefix("mod ") {
                only_unix.push(format!("{file}::{name}").trim_start_matches("lib::").to_string());
            }
        }
    }
    assert!(only_unix.iter().any(|room| room == "pipeline") && only_unix.iter().any(|file| file == "sys::fs"));
    let is_only_unix = |file: &str| only_unix.iter().any(|room| format!("{file}::").starts_with(&format!("{room}::")));
    let imports = sources.imports();
    let is_wrong = |import: &&Import| {
        import.from != "build_script::start" && !is_only_unix(&import.from) && is_only_unix(&import.to)
    };
    let wrong: Vec<_> = imports.iter().filter(is_wrong).map(|import| import.place.as_str()).collect();
    assert!(wrong.is_empty(), "not there on every system:\n{}", wrong.join("\n"));
}

#[test]
fn imports_of_the_bin_point_down_and_form_no_circle() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cli/src");
    // The library's own package comes without the bin.
    if folder.is_dir() {
        check(&folder, BIN);
    }
}

#[test]
fn groups_are_taken_apart_and_circles_are_found() {
    let paths = |text: &str| paths_in(text, "crate::").into_iter().map(|(_, path, _)| path).collect::<Vec<_>>();
    assert_eq!(paths("use crate::a::{b, c::{d, self}, e,};"), ["a::b", "a::c::d", "a::c", "a::e"]);
    assert_eq!(paths("// crate::a\nlet x = crate::b::c(1) + lambda_crate::d;"), ["b::c"]);
    assert_eq!(paths("use crate::{a, b::c};"), ["a", "b::c"]);
    let import = |from: &str, to: &str| Import { from: from.into(), to: to.into(), place: format!("{from}->{to}") };
    let straight = [import("a", "b"), import("b", "c"), import("a", "c")];
    assert_eq!(circle(&straight), None);
    assert!(upwards(&straight, &["a", "b", "c"]).is_empty());
    assert_eq!(upwards(&straight, &["b", "a", "c"]), ["a->b"]);
    let round = [import("a", "b"), import("b", "c"), import("c", "b")];
    assert_eq!(circle(&round), Some(vec!["b", "c", "b"]));
}
