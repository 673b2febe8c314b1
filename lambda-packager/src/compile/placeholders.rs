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

/// The library of a package that nothing is compiled from, as cargo told. Were it compiled after all, an empty one could go
/// unnoticed.
const UNUSED: &str = "//! A placeholder.\n\
    compile_error!(\"lambda-packager was told by cargo that the function does not need this package, so its sources are not here; \
    flags that set the `cfg` of a dependency count in .cargo/config.toml\");\n";

/// All of them.
const ALL: [&str; 3] = [LIBRARY, PROGRAM, UNUSED];

/// Their digests.
pub fn digests() -> [Sha; 3] {
    ALL.map(|text| Sha::of(text.as_bytes()))
}

pub fn is_one(node: &Node) -> bool {
    ALL.iter().any(|text| *node == Node::made(text.as_bytes().to_vec()))
}

/// Adds the placeholders that `sources` needs. They follow from the manifests alone, which are inputs.
///
/// # Errors
/// If a manifest is not valid TOML.
pub fn add(job: &CompileJob, sources: &mut Sources) -> Result<()> {
    let folders = job.workspace.path_dependencies.all().map(|folder| folder.join("Cargo.toml"));
    let local = job.local_packages();
    let unused = job.workspace.vendored_unused.iter().map(|folder| folder.join("Cargo.toml"));
    for manifest in job.workspace.manifests().chain(folders).chain(unused) {
        let Some(place) = job.layout.place_of(&manifest) else { continue };
        if !sources.contains_key(&place) || !fs::is_file(&manifest) {
            continue;
        }
        let folder = Path::new(&place).parent().unwrap_or(Path::new("/"));
        let here = manifest.parent();
        let is_compiled = local.iter().any(|package| here == Some(&package.folder));
        let meant = job.functions.iter().filter(|function| here == Some(function.package.folder()));
        let meant: Vec<_> = meant.map(|function| (kind_of(function.is_example), function.name.as_str())).collect();
        for (path, text) in targets(&toml::read(&manifest)?, is_compiled.then_some(meant.as_slice())) {
            let place = lexically_clean(&folder.join(path)).to_string_lossy().into_owned();
            sources.entry(place).or_insert_with(|| Node::made(text.into()));
        }
    }
    Ok(())
}

fn kind_of(is_example: bool) -> &'static str {
    if is_example { "example" } else { "bin" }
}

/// The main files that cargo looks for, because the manifest names a target; and one for a package that is not compiled,
/// whose targets cargo would find by their files. `compiled` are kind and name of the targets that are compiled of a package
/// with its library: where one has no file, that is an error of cargo's, and no program that does nothing.
///
/// Source: <https://doc.rust-lang.org/cargo/reference/cargo-targets.html>.
fn targets(manifest: &Table, compiled: Option<&[(&str, &str)]>) -> Vec<(String, &'static str)> {
    let Some(package) = manifest.get("package") else { return Vec::new() };
    let path_of = |target: &Value| target.get("path").and_then(Value::as_str).map(String::from);
    let mut found = Vec::new();
    if compiled.is_none() {
        let library = manifest.get("lib").and_then(path_of).unwrap_or_else(|| "src/lib.rs".into());
        found.push((library, UNUSED));
        // Cargo wants one where there is this key.
        if package.get("links").is_some() && package.get("build").is_none() {
            found.push(("build.rs".into(), PROGRAM));
        }
    }
    for (kind, folder) in [("bin", "src/bin"), ("example", "examples"), ("test", "tests"), ("bench", "benches")] {
        for target in manifest.get(kind).and_then(Value::as_array).into_iter().flatten() {
            let name = target.get("name").and_then(Value::as_str);
            if compiled.is_some_and(|compiled| name.is_some_and(|name| compiled.contains(&(kind, name)))) {
                continue;
            }
            let by_name = || Some(format!("{folder}/{}.rs", name?));
            // A compiled package has its own, in one of the places where cargo looks.
            if let Some(path) = path_of(target).or_else(|| by_name().filter(|_| compiled.is_none())) {
                found.push((path, PROGRAM));
            }
        }
    }
    if let Some(name) = package.get("default-run").and_then(Value::as_str).filter(|_| compiled.is_none()) {
        found.push((format!("src/bin/{name}.rs"), PROGRAM));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_that_a_manifest_names_have_a_file() {
        let of = |text: &str, compiled: Option<&[(&str, &str)]>| {
            let found = targets(&toml::parse(text.as_bytes(), Path::new("Cargo.toml")).unwrap(), compiled);
            found.into_iter().map(|(path, _)| path).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(of("[package]\nname = \"p\"\n", None), "src/lib.rs");
        assert_eq!(of("[package]\nname = \"p\"\n", Some(&[])), "");
        assert_eq!(of("[workspace]\n", None), "");
        assert_eq!(of("[package]\nname = \"p\"\nlinks = \"z\"\n", None), "src/lib.rs build.rs");
        assert_eq!(of("[package]\nname = \"p\"\nlinks = \"z\"\nbuild = \"b.rs\"\n", None), "src/lib.rs");
        let named = "[package]\nname = \"p\"\ndefault-run = \"c\"\n[lib]\npath = \"l.rs\"\n[[bin]]\nname = \"a\"\n\
                     [[bin]]\nname = \"b\"\npath = \"b.rs\"\n[[test]]\nname = \"t\"\n\
                     [[example]]\nname = \"e\"\npath = \"e.rs\"\n[[bench]]\nname = \"x\"\n";
        assert_eq!(of(named, None), "l.rs src/bin/a.rs b.rs e.rs tests/t.rs benches/x.rs src/bin/c.rs");
        assert_eq!(of(named, Some(&[])), "b.rs e.rs");
        assert_eq!(of(named, Some(&[("bin", "b"), ("bin", "e")])), "e.rs");
        assert_eq!(of(named, Some(&[("example", "e")])), "b.rs");
    }
}
