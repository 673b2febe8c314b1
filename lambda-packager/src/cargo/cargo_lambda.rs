//! Where a project configures cargo-lambda, and with which of its variables.
//!
//! Source: <https://www.cargo-lambda.info/guide/configuration.html#loading-order>.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use crate::cargo::{Package, Workspace};
use crate::config::cargo_lambda_tables::{FILE, Table};
use crate::config::from_cargo_lambda::{CargoLambda, StandIn};
use crate::error::Result;
use crate::sys::{env, fs, relative, toml};

/// The path of the configuration file; the table in it; whether lists of several places are joined.
const GLOBAL: &str = "CARGO_LAMBDA_GLOBAL";
const CONTEXT: &str = "CARGO_LAMBDA_CONTEXT";
const JOINS: &str = "CARGO_LAMBDA_ADMERGE";
/// The variables that decide what cargo-lambda's tables say.
pub const VARIABLES: [&str; 3] = [GLOBAL, CONTEXT, JOINS];

impl Workspace {
    /// What the tables of cargo-lambda say about the bin `function` of `package`, for a caller in `start`. The strongest
    /// are those of the package, then those of the workspace, then a file: the one that a variable names, or the one in the
    /// folder of the package, or the one in the root. `stand_in` reads them in the place of cargo-lambda.
    ///
    /// # Errors
    /// If a table or a value is not valid, or the file cannot be read.
    pub fn cargo_lambda(
        &self,
        package: Option<&Package>,
        function: Option<&str>,
        start: &Path,
        stand_in: Option<StandIn>,
    ) -> Result<CargoLambda> {
        let names: Vec<&str> = function.into_iter().chain(package.map(|package| package.name.as_str())).collect();
        let mut tables = self.tables_of_cargo_lambda(package, &names)?;
        let file = self.file_of_cargo_lambda(package, start);
        let is_there = file.as_ref().is_some_and(|file| fs::is_file(file));
        if let Some(file) = file.as_ref().filter(|_| is_there) {
            tables.extend(Table::in_file(toml::read(file)?, file, variable(CONTEXT).as_deref())?);
        }
        let joins = variable(JOINS).is_some_and(|text| text == "true");
        let included = |entry: String| match package {
            Some(package) => from_package(&entry, package.folder(), &self.root).unwrap_or(entry),
            None => entry,
        };
        let mut all = CargoLambda::read(&tables, function, joins, stand_in, &included)?;
        if let Some(file) = file.as_ref().filter(|_| !is_there) {
            all.notes.push(format!("variable {GLOBAL}: {} is not a file: it has no effect", file.display()));
        }
        // They are asked for with each function, and a process has one environment.
        static IGNORED: OnceLock<Vec<String>> = OnceLock::new();
        let names = || env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        all.notes.extend(IGNORED.get_or_init(|| ignored_variables(names())).iter().cloned());
        all.file = file;
        Ok(all)
    }

    /// The tables in manifests, the strongest first, with those for one of `names`.
    pub fn tables_of_cargo_lambda(&self, package: Option<&Package>, names: &[&str]) -> Result<Vec<Table>> {
        let mut tables = Vec::new();
        if let Some(package) = package {
            let metadata = &package.cargo_lambda;
            tables.extend(Table::in_manifest(metadata, "package.metadata.lambda", &package.manifest, names)?);
        }
        let manifest = self.root.join("Cargo.toml");
        tables.extend(Table::in_manifest(&self.cargo_lambda, "workspace.metadata.lambda", &manifest, names)?);
        Ok(tables)
    }

    /// The configuration file, if there is one or a variable names one.
    fn file_of_cargo_lambda(&self, package: Option<&Package>, start: &Path) -> Option<PathBuf> {
        if let Some(named) = variable(GLOBAL) {
            return Some(start.join(named));
        }
        let folders = package.map(Package::folder).into_iter().chain([self.root.as_path()]);
        folders.map(|folder| folder.join(FILE)).find(|file| fs::is_file(file))
    }
}

/// An entry of cargo-lambda's `include` that is in `root` and not in the package, as one of ours, which are relative to the
/// package. For cargo-lambda they are relative to the folder of the call, which for a workspace is its root.
fn from_package(entry: &str, package: &Path, root: &Path) -> Option<String> {
    let is_in = |folder: &Path, name: &str| fs::lstat(&folder.join(name)).is_ok_and(|meta| meta.is_some());
    let (to, source) = entry.split_once(':').filter(|_| !is_in(package, entry)).unwrap_or((entry, entry));
    let is_meant = !source.is_empty() && !is_in(package, source) && is_in(root, source);
    is_meant.then(|| format!("{to}:{}", relative(&root.join(source), package)))
}

/// An empty variable counts as unset.
fn variable(name: &str) -> Option<String> {
    env::var(name).filter(|value| !value.is_empty())
}

/// A note for each variable that is a setting of cargo-lambda's `build`: they have variables here.
fn ignored_variables(names: impl Iterator<Item = String>) -> Vec<String> {
    let is_setting = |name: &String| {
        let rest = name.strip_prefix("CARGO_LAMBDA_").unwrap_or_default().to_uppercase();
        rest == "COMPILER" || rest.starts_with("BUILD.")
    };
    let mut names: Vec<String> = names.filter(is_setting).collect();
    names.sort_unstable();
    let note = |name| format!("variable {name} is not read: set LAMBDA_PACKAGER_<SETTING>");
    names.into_iter().map(note).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::config::Config;

    #[test]
    fn the_package_is_above_the_workspace_and_that_above_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let write = |name: &str, text: &str| fs::replace(&root.join(name), text.as_bytes(), 0o644, None).unwrap();
        let mut workspace = Workspace::sample(root, &[("a", &["api"])]);
        workspace.cargo_lambda = json!({"build": {"features": ["workspace"], "locked": true}});
        workspace.members[0].cargo_lambda = json!({"bin": {"api": {"build": {"features": ["package"]}}}});
        write("CargoLambda.toml", "[build]\nfeatures = [\"file\"]\nlocked = false\nprofile = \"dist\"\n");
        let of = |function: Option<&str>| {
            let package = function.map(|_| &workspace.members[0]);
            let said = workspace.cargo_lambda(package, function, root, None).unwrap();
            (Config::resolve(said.layers), said.file)
        };
        let (config, file) = of(Some("api"));
        assert_eq!(
            (config.features.as_slice(), config.locked, &*config.profile),
            (&["package".into()][..], true, "dist")
        );
        let expected =
            format!("`features` in [package.metadata.lambda.bin.api.build] of {}", root.join("a/Cargo.toml").display());
        assert_eq!(config.place_of("features"), expected);
        assert_eq!(file, Some(root.join("CargoLambda.toml")));
        assert_eq!(of(None).0.features, ["workspace"]);
        write("a/CargoLambda.toml", "");
        let (config, file) = of(Some("api"));
        assert_eq!((config.is_set("profile"), file), (false, Some(root.join("a/CargoLambda.toml"))));
    }

    #[test]
    fn what_is_included_is_in_the_package_or_at_the_top_of_the_workspace() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        for name in ["a/own", "a/both", "both", "shared/x", "a/odd:both"] {
            fs::replace(&root.join(name), b"", 0o644, None).unwrap();
        }
        let mut workspace = Workspace::sample(root, &[("a", &["api"])]);
        let entries = ["own", "both", "shared", "etc/x:shared/x", "etc:own", "odd:both", "none", "a/own", "*", ":"];
        workspace.cargo_lambda = json!({"build": {"include": entries}});
        let include = |package: Option<&Package>| {
            Config::resolve(workspace.cargo_lambda(package, Some("api"), root, None).unwrap().layers).include
        };
        let expected = [
            "own",
            "both",
            "shared:../shared",
            "etc/x:../shared/x",
            "etc:own",
            "odd:both",
            "none",
            "a/own:own",
            "*",
            ":",
        ];
        assert_eq!(include(workspace.members.first()), expected);
        assert_eq!(include(None), entries);
    }

    #[test]
    fn a_setting_in_a_variable_of_cargo_lambda_is_named() {
        let names = ["CARGO_LAMBDA_BUILD.FEATURES", "CARGO_LAMBDA_COMPILER", "CARGO_LAMBDA_COLOR", "BUILD.X"];
        let notes = ignored_variables(names.into_iter().map(String::from));
        assert_eq!(notes.len(), 2);
        assert!(notes[0].starts_with("variable CARGO_LAMBDA_BUILD.FEATURES is not read"), "{notes:?}");
    }
}
