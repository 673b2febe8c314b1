//! What cargo wants to see of packages that it does not compile: their manifests are inputs, and for the targets in them
//! there are empty files.

use std::path::Path;

use serde_json::Value;

use crate::compile::CompileJob;
use crate::compile::node::{Node, Sources};
use crate::error::Result;
use crate::sys::{Sha, Table, fs, lexically_clean, toml};

/// The placeholder of a library. Documented, for packages with the lint `missing_docs`.
pub const LIBRARY: &str = "//! A placeholder.\n";
/// The placeholder of a program.
pub const PROGRAM: &str = "//! A placeholder.\nfn main() {}\n";

/// The digests of both.
pub fn digests() -> [Sha; 2] {
    [LIBRARY, PROGRAM].map(|text| Sha::of(text.as_bytes()))
}

/// Adds the placeholders that `sources` needs. They follow from the manifests alone, which are inputs.
///
/// # Errors
/// If a manifest is not valid TOML.
pub fn add(job: &CompileJob, sources: &mut Sources) -> Result<()> {
    let folders = job.workspace.path_dependencies.all().map(|folder| folder.join("Cargo.toml"));
    let local = job.local_packages();
    for manifest in job.workspace.manifests().chain(folders) {
        let Some(place) = job.layout.place_of(&manifest) else { continue };
        if !sources.contains_key(&place) || !fs::is_file(&manifest) {
            continue;
        }
        let folder = Path::new(&place).parent().unwrap_or(Path::new("/"));
        let is_compiled = local.iter().any(|package| manifest.parent() == Some(&package.folder));
        for (path, text) in targets(&toml::read(&manifest)?, is_compiled) {
            let place = lexically_clean(&folder.join(path)).to_string_lossy().into_owned();
            sources.entry(place).or_insert_with(|| Node::made(text.into()));
        }
    }
    Ok(())
}

/// The main files that cargo looks for, because the manifest names a target; and one for a package that is not compiled,
/// whose targets cargo would find by their files.
///
/// Source: <https://doc.rust-lang.org/cargo/reference/cargo-targets.html>.
fn targets(manifest: &Table, is_compiled: bool) -> Vec<(String, &'static str)> {
    let Some(package) = manifest.get("package") else { return Vec::new() };
    let path_of = |target: &Value| target.get("path").and_then(Value::as_str).map(String::from);
    let library = manifest.get("lib").and_then(path_of).unwrap_or_else(|| "src/lib.rs".into());
    let mut found = Vec::new();
    if !is_compiled || manifest.contains_key("lib") {
        found.push((library, LIBRARY));
    }
    for (kind, folder) in [("bin", "src/bin"), ("example", "examples"), ("test", "tests"), ("bench", "benches")] {
        for target in manifest.get(kind).and_then(Value::as_array).into_iter().flatten() {
            let by_name = || Some(format!("{folder}/{}.rs", target.get("name")?.as_str()?));
            // A compiled package has its own, in one of the places where cargo looks.
            if let Some(path) = path_of(target).or_else(|| by_name().filter(|_| !is_compiled)) {
                found.push((path, PROGRAM));
            }
        }
    }
    if let Some(name) = package.get("default-run").and_then(Value::as_str).filter(|_| !is_compiled) {
        found.push((format!("src/bin/{name}.rs"), PROGRAM));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_a_manifest_names_have_a_file() {
        let of = |text: &str, is_compiled| {
            let found = targets(&toml::parse(text.as_bytes(), Path::new("Cargo.toml")).unwrap(), is_compiled);
            found.into_iter().map(|(path, _)| path).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of("[package]\nname = \"p\"\n", false), "src/lib.rs");
        assert_eq!(of("[package]\nname = \"p\"\n", true), "");
        assert_eq!(of("[workspace]\n", false), "");
        let named = "[package]\nname = \"p\"\ndefault-run = \"c\"\n[lib]\npath = \"l.rs\"\n[[bin]]\nname = \"a\"\n\
                     [[bin]]\nname = \"b\"\npath = \"b.rs\"\n[[test]]\nname = \"t\"\n[[example]]\nname = \"e\"\n[[bench]]\nname = \"x\"\n";
        assert_eq!(of(named, false), "l.rs src/bin/a.rs b.rs examples/e.rs tests/t.rs benches/x.rs src/bin/c.rs");
        assert_eq!(of(named, true), "l.rs b.rs");
    }
}
