//! The inputs of a function: the files and folders to record.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::artifact::{Selection, selections};
use crate::cargo::{Function, Workspace, config_flags, linkers};
use crate::config::Config;
use crate::error::Result;
use crate::fingerprint::declared::{declared, has_git, is_excluded};
use crate::fingerprint::{git, git_rules};
use crate::snapshot::{RULE, Rule, Scope, Tree};
use crate::sys::{Glob, env, fs, lexically_clean, relative};

/// Inputs that only a compile can name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DiscoveredInputs {
    /// What was read besides the sources: files in rustc's dep-info, and files and folders in `rerun-if-changed` of build
    /// scripts, such as headers of the machine.
    pub files: BTreeSet<String>,
    pub folders: BTreeSet<String>,
    /// Files, and folders of no package, that a compile missed and that the repository has.
    #[serde(default)]
    pub found: BTreeSet<String>,
}

/// All inputs of `function` that are known before a compile.
pub fn scope(
    workspace: &Workspace,
    function: &Function,
    config: &Config,
    discovered_inputs: &DiscoveredInputs,
) -> Result<Scope> {
    let root = &workspace.root;
    let mut trees = Vec::new();
    let mut files: BTreeSet<String> = workspace.fixed_files()?.into_iter().collect();
    let linkers = linkers::by_path(workspace, config.target_arch.triple())?;
    files.extend(linkers.iter().map(|linker| relative(linker, root)));
    let local = &function.closure().local;
    // What lies at the top of a workspace belongs to no package, and a build script of any may read it.
    for top in local.iter().map(|package| &package.source_root).chain([root]) {
        if local.iter().all(|package| package.folder != *top) {
            trees.push(Tree::new(relative(top, root), Rule::Top));
        }
    }
    // sqlx keeps there what its macros read of a database: <https://docs.rs/sqlx/latest/sqlx/macro.query.html>.
    if fs::is_dir(&root.join(".sqlx")) {
        trees.push(Tree::new(".sqlx", Rule::Everything));
    }
    for package in local {
        trees.push(Tree::new(relative(&package.folder, root), Rule::Package));
        if package.source_root != package.folder {
            files.insert(relative(&package.source_root.join("Cargo.toml"), root));
        }
        // Ignore rules apply to all subfolders. The repository may begin above the workspace, and has rules of its own.
        let above = package.folder.ancestors().skip(1).map(|folder| folder.join(".gitignore"));
        let rules = above.chain(git_rules::files(&package.folder)?);
        files.extend(rules.map(|path| format!("{RULE}{}", relative(&path, root))));
    }
    let vendored = workspace.vendored.iter().map(|package| relative(&package.folder, root));
    for folder in discovered_inputs.folders.iter().cloned().chain(vendored) {
        trees.push(Tree::new(folder, Rule::Everything));
    }
    let mut trees: Vec<Tree> = trees.into_iter().map(|tree| tree.without(&config.exclude)).collect();
    let (declared_trees, declared_files) = declared(workspace, config)?;
    trees.extend(declared_trees);
    files.extend(declared_files);
    files.extend(discovered_inputs.files.iter().filter(|file| !is_excluded(file, config)).cloned());
    // What goes into the zip is an input, whether the compile sees it or not.
    for Selection { path, pattern, without, .. } in selections(config, function.package.folder(), root)? {
        match pattern {
            Some(pattern) => {
                let without: Vec<_> = without.into_iter().map(|taken_out| taken_out.pattern).collect();
                trees.push(Tree::new(path, Rule::Matching(pattern)).without(&without));
            }
            // A snapshot lists a folder once, by whichever link leads there, and `without` may cover one link only.
            None if fs::is_dir(&root.join(&path)) => trees.push(Tree::new(path, Rule::Everything)),
            None => drop(files.insert(path)),
        }
    }
    for name in &discovered_inputs.found {
        if fs::is_dir(&root.join(name)) {
            trees.push(Tree::new(name.clone(), Rule::Package).without(&config.exclude));
        } else {
            files.insert(name.clone());
        }
    }
    files.extend(config_flags::files(workspace, config)?);
    for folder in &workspace.vendored_unused {
        files.extend(["Cargo.toml", ".cargo-checksum.json"].map(|name| relative(&folder.join(name), root)));
    }
    // Cargo reads the manifests of all members before it compiles any.
    files.extend(workspace.manifests().map(|manifest| relative(&manifest, root)));
    files.extend(workspace.path_dependencies.all().map(|folder| relative(&folder.join("Cargo.toml"), root)));
    trees.sort_unstable();
    trees.dedup();
    let (packages, excluded) = (workspace.package_folders(), excluded(workspace, function, config));
    Ok(Scope { trees, files: files.into_iter().collect(), packages, excluded })
}

/// Absolute paths that are never inputs.
pub fn excluded(workspace: &Workspace, function: &Function, config: &Config) -> Vec<PathBuf> {
    // A pipeline may have the homes of cargo and rustup in the project, so that it can keep them.
    let homes = [workspace.cargo_home.clone()].into_iter().chain(env::rustup_home().ok());
    let made = workspace.target_folders().into_iter().chain(homes);
    made.chain(output(workspace, function, config)).chain(workspace.outputs.iter().cloned()).collect()
}

/// In the setting `output`, what stands for the function.
const FUNCTION: &str = "{function}";

/// The path of the setting `output`.
pub fn output(workspace: &Workspace, function: &Function, config: &Config) -> Option<PathBuf> {
    let output = config.output.as_ref()?;
    let path = workspace.root.join(match output.to_str() {
        Some(text) => PathBuf::from(text.replace(FUNCTION, &function.id)),
        None => output.clone(),
    });
    // With `..` after a link it would lead elsewhere than it says, and one path could be written in two ways.
    Some(lexically_clean(&path))
}

/// The inputs of `outside`, which a compile read besides its sources, together with those that compiles `found`. Downloaded
/// crates, which a compile on the host reads in cargo's home, are no inputs: they are locked.
pub fn discovered_inputs(
    outside: &BTreeSet<PathBuf>,
    found: BTreeSet<String>,
    workspace: &Workspace,
) -> DiscoveredInputs {
    let mut discovered = DiscoveredInputs { found, ..DiscoveredInputs::default() };
    for path in outside.iter().filter(|path| !path.starts_with(&workspace.cargo_home)) {
        let names = if fs::is_dir(path) { &mut discovered.folders } else { &mut discovered.files };
        names.insert(relative(path, &workspace.root));
    }
    discovered
}

/// The inputs outside of the workspace besides its path dependencies.
pub fn outside(workspace: &Workspace, config: &Config, found: &BTreeSet<String>) -> Vec<PathBuf> {
    let declared = config.inputs.iter().map(|entry| Glob::new(entry).fixed_folder());
    // If a file of configuration is missing, the check of the inputs reported it.
    let configs = config_flags::files(workspace, config).unwrap_or_default();
    let above = found.iter().cloned().chain(declared).chain(configs).filter(|name| name.starts_with(".."));
    // Git looks for its folder at the top of the working tree.
    let work_tree = git::work_tree(&workspace.root).filter(|_| has_git(config)).map(PathBuf::from);
    above.map(|name| lexically_clean(&workspace.root.join(name))).chain(work_tree).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::artifact::include;
    use crate::config::ArtifactKind;
    use crate::snapshot::take;

    fn function<'a>(workspace: &'a Workspace) -> Function<'a> {
        Function { package: &workspace.members[0], name: "a".into(), id: "a".into(), is_example: false }
    }

    #[test]
    fn what_a_compile_read_is_an_input_unless_it_is_a_downloaded_crate() {
        let workspace = Workspace::sample(Path::new("/w"), &[("a", &["a"])]);
        let outside = ["/w/home/registry/src/x/lib.rs", "/usr/include/x.h"].map(PathBuf::from).into();
        let discovered = discovered_inputs(&outside, BTreeSet::new(), &workspace);
        assert_eq!(discovered.files, ["../usr/include/x.h".to_string()].into());
    }

    #[test]
    fn the_scope_has_packages_ignore_rules_and_what_is_included_or_discovered() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dirs(&dir.path().join("a/assets")).unwrap();
        fs::replace(&dir.path().join(".git/HEAD"), b"", 0o644, None).unwrap();
        let workspace = Workspace::sample(dir.path(), &[("a", &["a"]), ("b", &[])]);
        let mut config = Config::resolve(Vec::new());
        config.include = vec!["assets".into(), "x.json".into(), "*/*.css".into(), "!*/a.css".into()];
        config.output = Some("out.zip".into());
        let discovered = DiscoveredInputs {
            files: ["gen.rs".into()].into(),
            folders: ["proto".into()].into(),
            ..Default::default()
        };
        let scope = scope(&workspace, &function(&workspace), &config, &discovered).unwrap();
        let trees: Vec<_> = scope.trees.iter().map(|tree| (tree.path.as_str(), &tree.rule)).collect();
        let (package, everything) = (&Rule::Package, &Rule::Everything);
        assert_eq!(
            trees,
            [
                ("", &Rule::Top),
                ("a", package),
                ("a", &Rule::Matching("a/*/*.css".into())),
                ("a/assets", everything),
                ("b", package),
                ("proto", everything)
            ]
        );
        assert_eq!(scope.trees[2].exclude, ["a/*/a.css"]);
        for file in ["Cargo.lock", "a/x.json", "gen.rs", "./.gitignore", "./.git/info/exclude", "./../.gitignore"] {
            assert!(scope.files.iter().any(|known| known == file), "{file}: {:?}", scope.files);
        }
        assert!(!scope.files.iter().any(|known| known == "./a/.gitignore"), "the package's listing has it");
        let rustup = env::rustup_home().unwrap();
        let made = ["target", "home"].map(|name| dir.path().join(name)).into_iter();
        assert_eq!(scope.excluded, made.chain([rustup, dir.path().join("out.zip")]).collect::<Vec<_>>());
    }

    #[test]
    fn the_zip_is_no_input_however_its_path_is_written() {
        let workspace = Workspace::sample(Path::new("/w"), &[("a", &["a"])]);
        for path in ["out.zip", "a/../out.zip", "./dist/.././out.zip"] {
            let config = Config::of(serde_json::json!({"output": path}));
            let excluded = excluded(&workspace, &function(&workspace), &config);
            assert_eq!(excluded.last(), Some(&PathBuf::from("/w/out.zip")), "{path}");
        }
    }

    #[test]
    fn a_snapshot_has_every_file_that_goes_into_the_zip() {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonical(dir.path()).unwrap();
        for name in ["a/www/x.js", "a/www/v1/x.map", "a/www/.git/x.js", "a/b/v1/y.map", "shared/z.js", "target/t.js"] {
            fs::replace(&root.join(name), b"", 0o644, None).unwrap();
        }
        for (to, name) in
            [("../b/v1", "www/v2"), ("../b/v1", "www/v3"), ("../../shared", "www/v4"), ("x.js", "www/y.js")]
        {
            std::os::unix::fs::symlink(to, root.join("a").join(name)).unwrap();
        }
        let workspace = Workspace::sample(&root, &[("a", &["a"])]);
        let mut count = 0;
        for include in [
            &["www"][..],
            &["www/**"],
            &["**/*.js"],
            &["**/v?/*"],
            &["www/**", "!**/v1"],
            &["www", "!www/v2/*"],
            &["www", "!www/v3/*"],
            &["www", "!b/v1/*.map", "b/**"],
            &["x:www/v4", "top:..", "!../shared"],
        ] {
            let mut config = Config::resolve(Vec::new());
            config.include = include.iter().map(|entry| entry.to_string()).collect();
            // Nothing but what is included.
            config.exclude = vec!["**".into()];
            let scope = scope(&workspace, &function(&workspace), &config, &DiscoveredInputs::default()).unwrap();
            let snapshot = take::take(&scope, &root, None, 0).unwrap().snapshot;
            let real = |path: &Path| fs::canonical(path).unwrap();
            let recorded: BTreeSet<PathBuf> =
                snapshot.present().iter().map(|(path, _)| real(&root.join(path))).collect();
            let selections = selections(&config, &root.join("a"), &root).unwrap();
            let excluded = excluded(&workspace, &function(&workspace), &config);
            let around = include::Surroundings {
                root: &root,
                excluded: &excluded,
                place: "",
                kind: ArtifactKind::Function,
                binary: "a",
            };
            for file in include::find(&selections, &around).unwrap().files {
                assert!(recorded.contains(&real(&file.path)), "{include:?}: {}", file.path.display());
                count += 1;
            }
        }
        assert_eq!(count, 40);
    }

    #[test]
    fn what_is_excluded_is_no_input_but_what_is_included_is() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a/assets/x.css", "gen/b.rs"] {
            fs::replace(&dir.path().join(name), b"", 0o644, None).unwrap();
        }
        let workspace = Workspace::sample(dir.path(), &[("a", &["a"])]);
        let mut config = Config::resolve(Vec::new());
        config.include = vec!["assets".into()];
        config.inputs = vec!["gen".into()];
        config.exclude = vec!["a/assets".into(), "found".into()];
        let discovered =
            DiscoveredInputs { files: ["found/x.rs".into(), "other.rs".into()].into(), ..Default::default() };
        let scope = scope(&workspace, &function(&workspace), &config, &discovered).unwrap();
        let trees: Vec<_> = scope.trees.iter().map(|tree| (tree.path.as_str(), !tree.exclude.is_empty())).collect();
        assert_eq!(trees, [("", true), ("a", true), ("a/assets", false), ("gen", true)]);
        let has = |file: &str| scope.files.iter().any(|known| known == file);
        assert!(has("other.rs") && !has("found/x.rs") && has("Cargo.lock"));
    }
}
