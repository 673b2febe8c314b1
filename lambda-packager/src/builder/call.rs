//! The calls that compile: in the running container, or on the host.

use std::ffi::OsString;
use std::path::Path;

use super::compile::{self, Order};
use super::container::Ready;
use crate::config::{Config, env};
use crate::engine::{Engine, ExecSpec};
use crate::process::Invocation;

/// The call that compiles `order` in the container.
pub(crate) fn in_container(
    engine: &Engine,
    ready: &Ready,
    order: &Order,
    variables: &[(String, String)],
) -> Invocation {
    engine.exec(&ExecSpec {
        name: &ready.name,
        folder: &order.layout.workspace,
        env: variables,
        passed_env: &passed(order.config),
        command: &compile::command(order),
    })
}

/// The call that compiles `order` on the host; `path` is the `PATH` for it.
pub(crate) fn on_host(
    path: Option<&OsString>,
    linker: Option<&str>,
    order: &Order,
    variables: &[(String, String)],
) -> Invocation {
    let mut environment = env::for_host_compile();
    if let Some(path) = path {
        environment.retain(|(name, _)| name != "PATH");
        environment.push(("PATH".into(), path.clone()));
    }
    environment.push(("CARGO_TARGET_DIR".into(), order.target.into()));
    if let Some(linker) = linker {
        environment.push((env::linker_of(order.config.target_arch.triple()).into(), linker.into()));
    }
    environment.extend(variables.iter().map(|(name, value)| (name.into(), value.into())));
    let passed = passed(order.config);
    environment.extend(passed.iter().filter_map(|name| Some((name.into(), env::var_os(name)?))));
    Invocation::new(Path::new("/bin/sh"))
        .args(&compile::command(order)[1..])
        .only(environment)
        .folder(&order.workspace.root)
}

/// The variables whose values go through the environment of whoever starts the compile.
fn passed(config: &Config) -> Vec<String> {
    // Where a named registry is belongs to the project as its manifests do.
    let registries = env::registry_indexes().into_iter().map(|(name, _)| name);
    config.pass_env.iter().cloned().chain(registries).collect()
}
