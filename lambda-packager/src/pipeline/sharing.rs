//! Which functions share a layer of compiled dependencies.

use crate::cargo::{Function, ResolvedFeatures};
use crate::config::Mode;
use crate::pipeline::Task;
use crate::pipeline::group::{is_free_of_features, links_nothing_else};

/// The functions of a run that share the layer with `task`, and itself: those whose settings are the same for a compile, and to
/// whose crates cargo gives the same features. They are the same for each of them, whatever has to be built: otherwise
/// the engine would find no layer that an earlier run made.
pub fn with<'a>(task: &Task<'a>, tasks: &[Task<'a>]) -> Vec<Function<'a>> {
    let Task { workspace, config, function, .. } = task;
    // Vendored crates are inputs, so nobody sees those of others. Flags behind `--` are for one target. The mode `docker` uses no
    // layer again.
    if config.mode == Mode::Docker
        || !workspace.vendored.is_empty()
        || config.cargo_flags.iter().any(|flag| flag == "--")
    {
        return vec![function.clone()];
    }
    let alike = tasks.iter().filter(|other| {
        let is_of_a_kind = other.function.is_example == function.is_example;
        other.kind().has_binary() && is_of_a_kind && other.config.compiles_like(config)
    });
    let alike: Vec<&Function> = alike.map(|other| &other.function).collect();
    let several = alike.iter().any(|other| other.package.name != function.package.name);
    let mut groups: Vec<(Vec<Function>, Vec<ResolvedFeatures>)> = Vec::new();
    for other in alike {
        // A cargo that cannot tell is no reason to fail.
        let resolve = || workspace.resolved_features(other, config.target_arch).ok();
        let may_join = is_free_of_features(config) && links_nothing_else(other);
        let resolved = if several && may_join { resolve() } else { None };
        let fits = |(functions, known): &&mut (Vec<Function>, Vec<ResolvedFeatures>)| {
            let is_of_one = functions.iter().all(|known| known.package.name == other.package.name);
            let agrees = resolved
                .as_ref()
                .is_some_and(|one| known.len() == functions.len() && known.iter().all(|other| one.agree_with(other)));
            (is_of_one || agrees) && functions.iter().all(|known| known.name != other.name)
        };
        match groups.iter_mut().find(fits) {
            Some((functions, known)) => {
                functions.push(other.clone());
                known.extend(resolved);
            }
            None => groups.push((vec![other.clone()], resolved.into_iter().collect())),
        }
    }
    let has = |functions: &Vec<Function>| functions.iter().any(|other| other.id == function.id);
    groups.into_iter().map(|(functions, _)| functions).find(has).unwrap_or_else(|| vec![function.clone()])
}
