//! The output of `cargo metadata`, and the workspace that is made of it.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::cargo::path_dependencies::source_root;
use crate::cargo::reached::{patches, unused_beside, with_their_own};
use crate::cargo::{Closure, LocalPackage, Package, PathDependencies, Profiles, Program, Workspace};
use crate::config::{cargo_lambda_tables, from_manifest};
use crate::error::{Error, Result};
use crate::sys::{env, fs, relative};

/// The fields of `cargo metadata --format-version 1` that the packager uses.
///
/// Format: <https://doc.rust-lang.org/cargo/commands/cargo-metadata.html>.
#[derive(Deserialize)]
pub struct Metadata {
    packages: Vec<MetadataPackage>,
    workspace_members: Vec<String>,
    /// Cargo tells them since 1.71.
    workspace_default_members: Option<Vec<String>>,
    resolve: Resolve,
    workspace_root: PathBuf,
    target_directory: PathBuf,
    /// Cargo tells it since 1.91.
    build_directory: Option<PathBuf>,
    metadata: Value,
}

#[derive(Deserialize)]
struct MetadataPackage {
    id: String,
    name: String,
    source: Option<String>,
    links: Option<String>,
    manifest_path: PathBuf,
    metadata: Value,
    /// As declared, including those for other platforms.
    dependencies: Vec<Declared>,
    #[serde(default)]
    features: BTreeMap<String, Vec<String>>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Declared {
    path: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    #[serde(default)]
    crate_types: Vec<String>,
    name: String,
    src_path: PathBuf,
    #[serde(rename = "required-features", default)]
    required_features: Vec<String>,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<DependencyKind>,
}

#[derive(Deserialize)]
struct DependencyKind {
    kind: Option<String>,
}

/// Each package by its id.
type Graph<'a> = HashMap<&'a str, Resolved<'a>>;

struct Resolved<'a> {
    package: &'a MetadataPackage,
    dependencies: &'a [Dependency],
    /// Which of the downloads it is, if it is not local.
    download: Option<usize>,
}

impl MetadataPackage {
    fn folder(&self) -> PathBuf {
        self.manifest_path.parent().unwrap_or(Path::new("/")).to_path_buf()
    }

    fn vendored(&self) -> Result<LocalPackage> {
        // Cargo reports `/workspace/../vendor` if the configuration says `../vendor`.
        let folder = fs::canonical(&self.folder())?;
        // A downloaded crate builds without the workspace.
        Ok(LocalPackage {
            name: self.name.clone(),
            source_root: folder.clone(),
            folder,
            has_build_script: false,
            reads_anything: false,
        })
    }

    fn has_target(&self, kind: &str) -> bool {
        self.targets.iter().any(|target| target.kind.iter().any(|known| known == kind))
    }
}

impl Metadata {
    pub fn into_workspace(self, asked: &Path) -> Result<Workspace> {
        let root = &self.workspace_root;
        let graph = self.graph();
        let default = self.workspace_default_members.as_ref().unwrap_or(&self.workspace_members);
        let members = self.workspace_members.iter().filter_map(|id| graph.get(id.as_str()));
        let member = |package: &MetadataPackage| member(package, default.contains(&package.id), &graph);
        let mut members = members.map(|resolved| member(resolved.package)).collect::<Result<Vec<_>>>()?;
        name_apart(&mut members);
        let local = || self.packages.iter().filter(|package| package.source.is_none());
        let mut local_manifests: Vec<String> = local().map(|package| relative(&package.manifest_path, root)).collect();
        let dependencies = local().flat_map(|package| &package.dependencies);
        let mut declared: Vec<PathBuf> = dependencies.filter_map(|dependency| dependency.path.clone()).collect();
        declared.extend(patches(root)?);
        let known = local().map(MetadataPackage::folder).collect();
        let declared = with_their_own(declared, known)?;
        // Cargo requires a target in each of them, also in those that it does not compile.
        let unlisted = declared.iter().filter(|folder| !local().any(|package| package.folder() == **folder));
        let mut targets: Vec<(PathBuf, bool)> = unlisted.map(|folder| (folder.join("src/lib.rs"), true)).collect();
        for target in local().flat_map(|package| &package.targets) {
            let is_program =
                |kind: &String| ["bin", "example", "test", "bench", "custom-build"].contains(&kind.as_str());
            targets.push((target.src_path.clone(), !target.kind.iter().any(is_program)));
        }
        let manifests: Vec<PathBuf> = local().map(|package| package.manifest_path.clone()).collect();
        let folders = local().map(MetadataPackage::folder).chain(declared.iter().cloned());
        let path_dependencies = PathDependencies::of(root, folders, &manifests)?;
        let asked = relative(asked, root);
        if !local_manifests.contains(&asked) {
            // The manifest of a virtual workspace belongs to no package.
            local_manifests.push(asked);
        }
        local_manifests.sort_unstable();
        let downloads = || self.packages.iter().filter(|package| package.source.is_some());
        let cargo_home = env::cargo_home()?;
        let vendored = downloads().filter(|package| !package.manifest_path.starts_with(&cargo_home));
        let vendored = vendored.map(MetadataPackage::vendored).collect::<Result<Vec<_>>>()?;
        Ok(Workspace {
            configured_targets: [self.target_directory].into_iter().chain(self.build_directory).collect(),
            metadata: self.metadata.get(from_manifest::KEY).cloned().unwrap_or_default(),
            cargo_lambda: self.metadata.get(cargo_lambda_tables::KEY).cloned().unwrap_or_default(),
            has_git_sources: (self.packages.iter()).any(|p| p.source.as_ref().is_some_and(|s| s.starts_with("git+"))),
            downloads: downloads().map(MetadataPackage::folder).collect(),
            vendored_unused: unused_beside(&vendored)?,
            vendored,
            profiles: Profiles::read(root)?,
            members,
            local_manifests,
            targets,
            declared,
            path_dependencies,
            included_configs: Vec::new(),
            outputs: Vec::new(),
            cargo_home,
            root: self.workspace_root,
        })
    }

    fn graph(&self) -> Graph<'_> {
        let mut graph = Graph::new();
        let mut places = 0..;
        for package in &self.packages {
            let download = package.source.as_ref().and_then(|_| places.next());
            graph.insert(&package.id, Resolved { package, dependencies: &[], download });
        }
        for node in &self.resolve.nodes {
            if let Some(resolved) = graph.get_mut(node.id.as_str()) {
                resolved.dependencies = &node.deps;
            }
        }
        graph
    }
}

fn member(package: &MetadataPackage, is_default: bool, graph: &Graph) -> Result<Package> {
    let of_kind =
        |kind: &'static str| package.targets.iter().filter(move |target| target.kind.iter().any(|known| known == kind));
    let of_programs = of_kind("bin").chain(of_kind("example"));
    // Rustc refuses it too, but a folder and a log are named after it before.
    if let Some(target) =
        of_programs.into_iter().find(|target| Path::new(&target.name).file_name() != Some(target.name.as_ref()))
    {
        let (manifest, name) = (package.manifest_path.display(), &target.name);
        return Err(Error::cargo(format!("{manifest}: {name:?} cannot be the name of a program"))
            .hint_with("give it a name without `/`"));
    }
    let program = |target: &Target, is_example: bool| Program {
        name: target.name.clone(),
        id: target.name.clone(),
        is_example,
        required_features: target.required_features.clone(),
    };
    let mut programs: Vec<Program> = of_kind("bin").map(|target| program(target, false)).collect();
    // An example may be a library.
    let examples = of_kind("example").filter(|target| target.crate_types.iter().any(|made| made == "bin"));
    programs.extend(examples.map(|target| program(target, true)));
    let has_example = programs.iter().any(|program| program.is_example);
    Ok(Package {
        name: package.name.clone(),
        manifest: package.manifest_path.clone(),
        is_default,
        metadata: package.metadata.get(from_manifest::KEY).cloned().unwrap_or_default(),
        cargo_lambda: package.metadata.get(cargo_lambda_tables::KEY).cloned().unwrap_or_default(),
        programs,
        features: package.features.clone(),
        closure: closure(package, graph, false)?,
        with_dev: if has_example { Some(closure(package, graph, true)?) } else { None },
    })
}

/// What `asked` is compiled from. Only its own dev-dependencies count, and only `with_dev`: cargo compiles an example with
/// them, and a bin without.
fn closure(asked: &MetadataPackage, graph: &Graph, with_dev: bool) -> Result<Closure> {
    let mut found = Closure::default();
    let mut seen = BTreeSet::from([asked.id.clone()]);
    let mut queue = vec![asked.id.as_str()];
    let mut next = 0;
    while let Some(id) = queue.get(next) {
        next += 1;
        let Some(Resolved { package, dependencies, download }) = graph.get(id) else { continue };
        let takes_dev = with_dev && package.id == asked.id;
        if let Some(index) = download {
            found.downloads.push(*index);
        } else {
            let folder = package.folder();
            let source_root = source_root(&folder)?;
            let used = dependencies.iter().filter_map(|dependency| graph.get(dependency.pkg.as_str()));
            let mut macros = used.filter(|used| used.download.is_none() && used.package.has_target("proc-macro"));
            let has_build_script = package.has_target("custom-build");
            let reads_anything = has_build_script || macros.next().is_some();
            let name = package.name.clone();
            found.local.push(LocalPackage { name, folder, source_root, has_build_script, reads_anything });
        }
        found.is_linked |= ["cdylib", "dylib", "staticlib"].iter().any(|kind| package.has_target(kind));
        found.linked_by.extend(package.links.iter().map(|links| (links.clone(), package.name.clone())));
        for dependency in *dependencies {
            let is_used = |kind: &DependencyKind| takes_dev || kind.kind.as_deref() != Some("dev");
            if dependency.dep_kinds.iter().any(is_used) && seen.insert(dependency.pkg.clone()) {
                queue.push(&dependency.pkg);
            }
        }
    }
    Ok(found)
}

/// Tells programs of the same name apart by their packages. No name of a program or a package has a dot. An example, which
/// is a function only where it is meant, changes the id of no bin.
fn name_apart(members: &mut [Package]) {
    let programs = || members.iter().flat_map(|package| &package.programs);
    let all: Vec<String> = programs().map(|program| program.name.clone()).collect();
    let bins: Vec<String> = members.iter().flat_map(Package::bins).map(|bin| bin.name.clone()).collect();
    for package in members {
        for program in &mut package.programs {
            let (names, infix) = if program.is_example { (&all, ".example") } else { (&bins, "") };
            if names.iter().filter(|name| **name == program.name).count() > 1 {
                program.id = format!("{}{infix}.{}", package.name, program.name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_bin_has_what_normal_and_build_dependencies_need_and_an_example_that_of_dev_dependencies_too() {
        let dir = tempfile::tempdir().unwrap();
        let (root, home) = (dir.path(), env::cargo_home().unwrap());
        let package = |name: &str, folder: &Path, source: Value, targets: Value| {
            json!({
                "id": name, "name": name, "source": source, "links": format!("lib{name}"), "metadata": null,
                "manifest_path": folder.join("Cargo.toml"), "dependencies": [], "targets": targets,
            })
        };
        for folder in ["", "b", "dev"] {
            fs::replace(&root.join(folder).join("Cargo.toml"), b"[package]\n", 0o644, None).unwrap();
        }
        let target = |kind: &str, made: &str, name: &str, features: &[&str]| json!({"kind": [kind], "crate_types": [made], "name": name, "src_path": root.join("main.rs"), "required-features": features});
        let bin = |name: &str, features: &[&str]| target("bin", "bin", name, features);
        let example = |name: &str, made: &str| target("example", made, name, &[]);
        let (download, tool) = (home.join("registry/src/r"), home.join("registry/src/tool"));
        let edge = |to: &str, kind: Value| json!({"pkg": to, "dep_kinds": [{"kind": kind}]});
        let metadata: Metadata = serde_json::from_value(json!({
            "packages": [
                package("a", root, Value::Null, json!([bin("a", &[]), bin("extra", &["x"]), example("extra", "bin"), example("demo", "bin"), example("lib", "cdylib")])),
                package("b", &root.join("b"), Value::Null, json!([bin("a", &[])])),
                package("dev", &root.join("dev"), Value::Null, json!([])),
                package("tool", &tool, json!("registry+x"), json!([])),
                package("unseen", &home.join("registry/src/unseen"), json!("registry+x"), json!([])),
                package("r", &download, json!("git+https://example.invalid/r"), json!([target("staticlib", "staticlib", "r", &[])])),
            ],
            "workspace_members": ["a", "b"], "workspace_default_members": ["b"], "workspace_root": root, "target_directory": "/w/made", "metadata": {"lambda-packager": {"mode": "dev"}, "lambda": {"env": {}}},
            "resolve": {"nodes": [
                {"id": "a", "deps": [edge("b", json!("build")), edge("dev", json!("dev"))]},
                {"id": "b", "deps": [edge("r", Value::Null), edge("a", Value::Null)]},
                {"id": "dev", "deps": [edge("tool", Value::Null), edge("unseen", json!("dev"))]},
            ]},
        }))
        .unwrap();
        let workspace = metadata.into_workspace(&root.join("Cargo.toml")).unwrap();
        let member = &workspace.members[0];
        let local = |closure: &Closure| closure.local.iter().map(|package| package.name.clone()).collect::<Vec<_>>();
        assert_eq!(local(&member.closure), ["a", "b"]);
        let folders =
            |closure: &Closure| closure.downloads.iter().map(|index| &workspace.downloads[*index]).collect::<Vec<_>>();
        // Examples need dev-dependencies, and what those need, but not their dev-dependencies.
        let with_dev = member.with_dev.as_ref().unwrap();
        assert_eq!(
            (local(with_dev), &workspace.members[1].with_dev),
            (vec!["a".into(), "b".into(), "dev".into()], &None)
        );
        assert_eq!(folders(with_dev), [&download, &tool]);
        assert_eq!([0, 1].map(|member| workspace.members[member].is_default), [false, true]);
        // Two packages have a bin of the same name; an example takes no bin's id.
        let programs = workspace.members.iter().flat_map(|package| &package.programs);
        let ids: Vec<_> = programs.map(|program| (&*program.id, program.is_example)).collect();
        let expected = [("a.a", false), ("extra", false), ("a.example.extra", true), ("demo", true), ("b.a", false)];
        assert_eq!(ids, expected);
        assert_eq!(member.programs[1].required_features, ["x"]);
        assert_eq!(folders(&member.closure), [&download]);
        // Cargo makes all kinds of a dependency's library.
        assert!(member.closure.is_linked);
        let links: Vec<_> = member.closure.linked_by.iter().map(|(links, _)| links.as_str()).collect();
        assert_eq!(links, ["liba", "libb", "libr"]);
        assert_eq!(workspace.local_manifests, ["Cargo.toml", "b/Cargo.toml", "dev/Cargo.toml"]);
        assert!(workspace.has_git_sources && workspace.vendored.is_empty());
        assert_eq!((workspace.metadata, workspace.cargo_lambda), (json!({"mode": "dev"}), json!({"env": {}})));
    }
}
