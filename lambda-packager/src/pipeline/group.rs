//! Which functions go through one call of cargo.

use crate::backend::Backend;
use crate::cargo::{Function, ResolvedFeatures};
use crate::compile::Compiled;
use crate::config::Config;
use crate::pipeline::{Miss, Task};
use crate::sys::relative;

/// Functions that are compiled together, and for each package of them what cargo resolves.
struct Group<'a> {
    misses: Vec<Miss<'a>>,
    resolved: Vec<ResolvedFeatures>,
}

/// Groups functions whose settings are the same for a compile, so that each has the bytes that it has alone: those of one
/// package, of which a compile sees the same; and those of other packages, if cargo gives the crates that they share the
/// same features, and nothing that is compiled with them may read whatever it likes.
pub fn together<'a>(misses: Vec<Miss<'a>>, backend: &Backend) -> Vec<Vec<Miss<'a>>> {
    let several = misses.first().is_some_and(|miss| backend.compiles_several(miss.task.workspace, &miss.task.config));
    let lists = by_package(misses, several);
    let may_join = |list: &Vec<Miss>| {
        several
            && is_free_of_features(&list[0].task.config)
            && reads_nothing_else(list)
            && list.iter().all(|miss| links_nothing_else(&miss.task.function))
    };
    let is_one_of_several = lists.iter().filter(|list| may_join(list)).count() > 1;
    let mut groups: Vec<Group> = Vec::new();
    for list in lists {
        let Task { workspace, config, function, .. } = list[0].task;
        // A cargo that cannot tell is no reason to fail: it compiles each package by itself.
        let resolve = || workspace.resolved_features(function, config.target_arch).ok();
        let resolved = if is_one_of_several && may_join(&list) { resolve() } else { None };
        let fits = |group: &&mut Group| {
            let agree = |one: &ResolvedFeatures| resolved.iter().all(|other| one.agree_with(other));
            resolved.is_some()
                && !group.resolved.is_empty()
                && group.resolved.iter().all(agree)
                && are_of_a_kind(&group.misses[0], &list[0])
                && sees_the_same(&group.misses[0], &list[0])
                && !list.iter().any(|miss| group.misses.iter().any(|other| is_namesake(miss, other)))
        };
        match groups.iter_mut().find(fits) {
            Some(group) => {
                group.misses.extend(list);
                group.resolved.extend(resolved);
            }
            None => groups.push(Group { misses: list, resolved: resolved.into_iter().collect() }),
        }
    }
    groups.into_iter().map(|group| group.misses).collect()
}

/// The functions of each package of which a compile sees the same; each alone if not several are compiled in one call.
fn by_package<'a>(misses: Vec<Miss<'a>>, compiles_several: bool) -> Vec<Vec<Miss<'a>>> {
    let mut lists: Vec<Vec<Miss>> = Vec::new();
    for miss in misses {
        let package = |miss: &Miss| miss.task.function.package.name.clone();
        let fits = |list: &&mut Vec<Miss>| {
            compiles_several
                && package(&list[0]) == package(&miss)
                && are_of_a_kind(&list[0], &miss)
                && sees_the_same(&list[0], &miss)
        };
        match lists.iter_mut().find(fits) {
            Some(list) => list.push(miss),
            None => lists.push(vec![miss]),
        }
    }
    lists
}

/// Whether both are bins, or both are examples: with an example, cargo takes dev-dependencies and their features for all.
fn are_of_a_kind(one: &Miss, other: &Miss) -> bool {
    one.task.function.is_example == other.task.function.is_example
}

/// Whether a compile sees the same for both: what earlier ones found, and what goes into the zips of one package.
fn sees_the_same(one: &Miss, other: &Miss) -> bool {
    let of_one_package = one.task.function.package.name == other.task.function.package.name;
    let include = |miss: &Miss| miss.task.config.include.clone();
    one.gate.discovered_inputs() == other.gate.discovered_inputs()
        && one.gate.found == other.gate.found
        && (!of_one_package || include(one) == include(other))
}

/// Cargo makes both at the same place.
fn is_namesake(one: &Miss, other: &Miss) -> bool {
    one.task.function.name == other.task.function.name
}

/// Whether no setting turns on features, which other packages may not have.
pub fn is_free_of_features(config: &Config) -> bool {
    let of_features = |flag: &String| {
        ["--features", "-F", "--all-features", "--no-default-features"].iter().any(|name| flag.starts_with(name))
    };
    config.features.is_empty() && !config.cargo_flags.iter().any(of_features)
}

/// Whether no local build script or macro is in it, which may read the sources of another function.
fn reads_nothing_else(misses: &[Miss]) -> bool {
    misses.iter().all(|miss| miss.task.function.closure().local.iter().all(|package| !package.reads_anything))
}

/// Whether nothing in it is linked besides the function. With LTO, cargo compiles the crates of such a library in another way,
/// for all that it compiles at once.
///
/// Source: <https://github.com/rust-lang/cargo/blob/master/src/cargo/core/compiler/lto.rs>.
pub fn links_nothing_else(function: &Function) -> bool {
    !function.closure().is_linked
}

/// Whether one of several functions was compiled from more than its own inputs: from what was there for another one.
pub fn is_mixed(group: &[Miss], compiled: &Compiled) -> bool {
    group.iter().any(|Miss { task, gate, .. }| {
        let read = compiled.sources.get(&task.function.name).into_iter().flatten();
        read.into_iter().any(|path| gate.now.snapshot.get(&relative(path, &task.workspace.root)).is_none())
    })
}
