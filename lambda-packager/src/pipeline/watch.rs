//! What an outer cargo has to watch: it runs the build script again only if a date or a variable that it was told of
//! changed, so it has to be told of everything that decides the verdict, whichever layer of settings named it.
//!
//! Source: <https://doc.rust-lang.org/cargo/reference/build-scripts.html#change-detection>.

use std::path::{Path, PathBuf};

use crate::cargo;
use crate::cargo::{Toolchain, linkers};
use crate::config::{Config, PullPolicy, from_env};
use crate::error::Result;
use crate::fingerprint::declared::has_git;
use crate::fingerprint::{git, git_rules};
use crate::packaged::Watch;
use crate::pipeline::{Outcome, Task};
use crate::sys::{env, fs, lexically_clean, relative};

/// What decides whether `outcomes` still hold, for a caller in `folder`.
///
/// # Errors
/// If a configuration of cargo, or the host's toolchain, cannot be read.
pub fn of(tasks: &[Task], outcomes: &[Outcome], folder: &Path) -> Result<Watch> {
    let mut watch = Watch::default();
    for (task, outcome) in tasks.iter().zip(outcomes) {
        let Watch { paths, variables, always } = of_one(task, outcome, folder)?;
        watch.paths.extend(paths);
        watch.variables.extend(variables);
        watch.always |= always;
    }
    watch.variables.sort_unstable();
    watch.variables.dedup();
    watch.paths.sort_unstable();
    watch.paths.dedup();
    Ok(watch)
}

fn of_one(task: &Task, outcome: &Outcome, folder: &Path) -> Result<Watch> {
    let Task { workspace, config, .. } = task;
    let inputs = outcome.inputs.watch_list(|name| fs::is_dir(&workspace.root.join(name)));
    let inputs = inputs.iter().map(|path| lexically_clean(&workspace.root.join(path)));
    let mut paths: Vec<PathBuf> = inputs.chain(outcome.files.iter().cloned()).collect();
    paths.extend(task.cargo_lambda.file.clone());
    // A configuration may come there; not the home of cargo, in which it writes.
    let configuration = workspace.root.join(".cargo");
    paths.extend(Some(configuration).filter(|folder| *folder != workspace.cargo_home));
    if has_git(config) {
        paths.extend(git::references(&workspace.root)?);
    }
    let mut variables = variables(config, &cargo::config::registries(workspace)?);
    if outcome.host_toolchain {
        let toolchain = task.toolchains.of(workspace, config.target_arch)?;
        paths.extend(toolchain.cc_files.iter().chain(&toolchain.other_tools).cloned());
        paths.extend(linkers::of_host(workspace, config)?);
        variables.extend(Toolchain::variables(config.target_arch));
    }
    // Git writes its index for many reasons, and nearly none of them makes an input of what is ignored.
    paths.retain(|path| !git_rules::is_index(path));
    // To a path that does not exist, cargo answers as to one that changed.
    paths.retain(|path| fs::stat(path).is_ok_and(|meta| meta.is_some()));
    // A pipeline restores what it kept with any dates. A newer base is in a registry.
    let always = config.force || from_env::is_pipeline() || config.pull_policy == PullPolicy::Always;
    let around = surroundings(folder, &workspace.root)?;
    let mut paths: Vec<PathBuf> = paths.iter().map(|path| named(path, folder, around)).collect();
    // The constants name it so: where it was moved away, they are of another place.
    paths.extend(outcome.files.iter().filter(|path| fs::is_file(path)).cloned());
    Ok(Watch { paths, variables, always })
}

/// The variables that are ingredients, set or not; `registries` are those of cargo's configuration.
fn variables(config: &Config, registries: &[String]) -> Vec<String> {
    let mut variables = cargo::env::passed(config);
    variables.extend(cargo::cargo_lambda::VARIABLES.map(String::from));
    let triple = config.target_arch.triple();
    variables.extend([env::CI.into(), cargo::env::rustflags_of(triple), cargo::env::linker_of(triple)]);
    variables.extend(registries.iter().map(|name| cargo::env::index_of(name)));
    variables
}

/// The folder around the checkout and its neighbours, which may be copied or moved together. `None` if a link leads to
/// the caller's `folder`: then `..` leads elsewhere.
fn surroundings<'a>(folder: &Path, root: &'a Path) -> Result<Option<&'a Path>> {
    let is_real = fs::canonical(folder)? == folder;
    Ok(root.parent().filter(|_| is_real))
}

/// The name of `path` from `folder`, if it moves with the checkout.
fn named(path: &Path, folder: &Path, around: Option<&Path>) -> PathBuf {
    match around.filter(|around| path.starts_with(around)) {
        Some(_) => Path::new(".").join(relative(path, folder)),
        None => path.to_path_buf(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_variable_that_is_an_ingredient_is_told() {
        let config = Config::of(json!({"pass_env": ["API"], "target_arch": "arm64"}));
        let told = variables(&config, &["my-own".into()]);
        for name in [
            "API",
            "CI",
            "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUSTFLAGS",
            "CARGO_REGISTRIES_MY_OWN_INDEX",
            "CARGO_LAMBDA_CONTEXT",
        ] {
            assert!(told.iter().any(|known| known == name), "{name}: {told:?}");
        }
    }

    #[test]
    fn paths_that_move_with_the_checkout_are_named_from_the_callers_folder() {
        let of =
            |path: &str, around: Option<&str>| named(Path::new(path), Path::new("/w/p/deploy"), around.map(Path::new));
        for (path, seen) in [
            ("/w/p/deploy/build.rs", "./build.rs"),
            ("/w/p/deploy", "."),
            ("/w/p/f/src", "./../f/src"),
            ("/w/shared", "./../../shared"),
            ("/usr/bin/gcc", "/usr/bin/gcc"),
        ] {
            assert_eq!(of(path, Some("/w")), Path::new(seen));
            assert_eq!(of(path, None), Path::new(path));
        }
    }
}
