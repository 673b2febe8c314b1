//! The build context of the clean room: a tar archive, with the same bytes for the same content.
//!
//! | folder | copied to | content |
//! |---|---|---|
//! | `toolchain`, `tools`, `Dockerfile` | | the files of `lambda-packager/docker` |
//! | `crates` | `/`, first | the locked crates, their entries in the index, cargo's configuration |
//! | `manifests` | `/`, then | manifests, lockfile, configuration; a placeholder for the source of every target |
//! | `sources` | `/`, last | the sources |
//! | `recipe` | | the command of each step, and what the last one removes first |
//!
//! Each is a layer: the steps after the first one that changed run again. Functions that share their compiled dependencies
//! have the same layers up to them. None of them has credentials.

use crate::artifact::Archive;
use crate::backend::dockerfile::{add_files, context, failed};
use crate::cargo::{ForwardedConfig, config_flags};
use crate::compile;
use crate::compile::node::{Node, Sources};
use crate::compile::packed::Packed;
use crate::compile::placeholders;
use crate::compile::placeholders::{LIBRARY, PROGRAM};
use crate::compile::{CARGO_HOME, CompileJob, STATE, sources};
use crate::config::Arch;
use crate::error::Result;
use crate::report::Reporter;
use crate::sys::lexically_clean;

/// The context for `job`.
///
/// # Errors
/// A file cannot be read, or cannot be archived.
pub fn archive(
    job: &CompileJob,
    forwarded: &ForwardedConfig,
    variables: &[(String, String)],
    report: &mut Reporter,
) -> Result<Vec<u8>> {
    let shared = CompileJob { functions: job.sharing, ..job.clone() };
    let is_crate = |place: &str| place.starts_with(CARGO_HOME) || is_vendored(job, place);
    let mut of = |job: &CompileJob| sources::of(job, Some(forwarded), report);
    let mut sources = of(job)?;
    let of_shared = if job.sharing.len() == job.functions.len() { sources.clone() } else { of(&shared)? };
    let (crates, others): (Sources, Sources) = of_shared.into_iter().partition(|(place, _)| is_crate(place));
    let manifests = manifests(&shared, &others)?;
    sources.retain(|place, _| !is_crate(place));
    let left_over = left_over(&manifests, &sources);
    let mut tar = context(Vec::new());
    // Nothing is installed: the base has what compiles, also for another architecture.
    add_files(&mut tar, Arch::of_this_machine()).map_err(failed)?;
    append(&mut tar, "crates", crates)?;
    append(&mut tar, "manifests", manifests)?;
    append(&mut tar, "sources", sources)?;
    let recipes = [
        ("dependencies", recipe(&shared, variables, "dependencies")),
        ("build", recipe(job, variables, "build")),
        ("left-over", left_over),
    ];
    for (name, content) in recipes {
        tar.file(format!("recipe/{name}"), 0o644, &content).map_err(failed)?;
    }
    tar.finish().map_err(failed)
}

fn append(tar: &mut Archive, folder: &str, sources: Sources) -> Result<()> {
    let mut packed = Packed::default();
    sources.into_iter().try_for_each(|(place, node)| packed.add(&format!("{folder}{place}"), node))?;
    tar.folder(folder, 0o755).and_then(|()| packed.append_to(tar)).map_err(failed)
}

fn is_vendored(job: &CompileJob, place: &str) -> bool {
    let folders = job.workspace.vendored.iter().map(|package| &package.folder).chain(&job.workspace.vendored_unused);
    let mut vendored = folders.filter_map(|folder| job.layout.place_of(folder));
    vendored.any(|folder| place.strip_prefix(&folder).is_some_and(|rest| rest.starts_with('/')))
}

/// The command of the step `name`, in the form that `run-recipe` reads. The sources come in another layer than the
/// placeholders, and their dates say nothing.
fn recipe(job: &CompileJob, variables: &[(String, String)], name: &str) -> Vec<u8> {
    let job = CompileJob { compile: name.to_string(), wipe: false, deps: None, ..job.clone() };
    let is_last = name == "build";
    let touched: Vec<String> = job.layout.places().into_iter().filter(|place| is_last && place != CARGO_HOME).collect();
    let mut arguments = vec!["/".to_string(), "env".to_string()];
    arguments.extend(variables.iter().map(|(name, value)| format!("{name}={value}")));
    arguments.extend(compile::in_place(&job, STATE, &touched));
    if !is_last {
        arguments.push("--keep-going".into());
    }
    arguments.into_iter().flat_map(|argument| argument.into_bytes().into_iter().chain([0])).collect()
}

/// Everything that cargo reads before it compiles, and a placeholder for the source of each target.
fn manifests(job: &CompileJob, sources: &Sources) -> Result<Sources> {
    let workspace = job.workspace;
    let folders = workspace.path_dependencies.all();
    let manifests = workspace.manifests().chain(folders.map(|folder| folder.join("Cargo.toml")));
    let flagged = config_flags::files(workspace, job.config)?;
    let fixed =
        workspace.fixed_files()?.into_iter().chain(flagged).map(|file| lexically_clean(&workspace.root.join(file)));
    let places = manifests.chain(fixed).filter_map(|path| job.layout.place_of(&path));
    let mut found: Sources = places.filter_map(|place| Some((place.clone(), sources.get(&place)?.clone()))).collect();
    for (path, is_library) in &workspace.targets {
        // Each is replaced by the source, or removed, in the next layer.
        let is_needed = |place: &String| sources.contains_key(place) || job.owner_of(path).is_some();
        if let Some(place) = job.layout.place_of(path).filter(is_needed) {
            found.insert(place, Node::made(if *is_library { LIBRARY } else { PROGRAM }.into()));
        }
    }
    let placeholders = sources.iter().filter(|(_, node)| placeholders::is_one(node));
    found.extend(placeholders.map(|(place, node)| (place.clone(), node.clone())));
    Ok(found)
}

/// The placeholders of other functions, which no source replaces, each ended by NUL.
fn left_over(manifests: &Sources, sources: &Sources) -> Vec<u8> {
    let places = manifests.keys().filter(|place| !sources.contains_key(*place));
    places.flat_map(|place| place.bytes().chain([0])).collect()
}
