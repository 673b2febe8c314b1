//! The build context of the clean room: a tar archive, with the same bytes for the same content.
//!
//! | folder | copied to | content |
//! |---|---|---|
//! | `tools`, `Dockerfile` | | the files of `lambda-packager/docker` |
//! | `crates` | `/`, first | the locked crates, their entries in the index, cargo's configuration |
//! | `manifests` | `/`, then | manifests, lockfile, configuration; a placeholder for the source of every target |
//! | `sources` | `/`, last | the sources |
//! | `recipe` | | the command of each step |
//!
//! Each is a layer: the steps after the first one that changed run again. None of them has credentials.

use std::path::Path;

use crate::artifact::Archive;
use crate::backend::clean_room::crates;
use crate::backend::clean_room::members::{Member, Members, add_file};
use crate::backend::dockerfile::{failed, with_tools};
use crate::cargo::{ForwardedConfig, Workspace};
use crate::compile;
use crate::compile::{CompileJob, Staleness};
use crate::error::Result;
use crate::snapshot::{Entry, Kind, Rule, Tree, listing};
use crate::sys::{Sha, fs, lexically_clean};

/// The context for `job`.
///
/// # Errors
/// A file cannot be read, or cannot be archived.
pub fn archive(job: &CompileJob, forwarded: &ForwardedConfig, variables: &[(String, String)]) -> Result<Vec<u8>> {
    let crates = crates::members(job, forwarded)?;
    let manifests = manifests(job)?;
    let mut sources = sources(job)?;
    sources.retain(|path, member| !crates.contains_key(path) && manifests.get(path) != Some(member));
    let mut tar = with_tools()?;
    append(&mut tar, "crates", &crates)?;
    append(&mut tar, "manifests", &manifests)?;
    append(&mut tar, "sources", &sources)?;
    for name in ["dependencies", "build"] {
        tar.file(&format!("recipe/{name}"), 0o644, &recipe(job, variables, name)).map_err(failed)?;
    }
    tar.finish().map_err(failed)
}

fn append(tar: &mut Archive, folder: &str, members: &Members) -> Result<()> {
    tar.folder(folder, 0o755).map_err(failed)?;
    for (path, member) in members {
        let path = format!("{folder}{path}");
        match member {
            Member::File { content, executable } => tar.file(&path, if *executable { 0o755 } else { 0o644 }, content),
            Member::Link(target) => tar.link(&path, target),
        }
        .map_err(failed)?;
    }
    Ok(())
}

/// The command of the step `name`, in the form that `run-recipe` reads. It never reuses cargo's records of local
/// packages: the sources come in another layer, and their dates say nothing.
fn recipe(job: &CompileJob, variables: &[(String, String)], name: &str) -> Vec<u8> {
    let local = job.function.package.local_folders.iter();
    let staleness = Staleness {
        packages: local.map(|package| (package.name.clone(), Sha::of(name.as_bytes()))).collect(),
        surroundings: job.staleness.surroundings,
        compile: name.to_string(),
        clean_compiles: Vec::new(),
    };
    let job = CompileJob { staleness: &staleness, wipe: false, ..*job };
    let mut arguments = vec![job.mounts.workspace.clone(), "env".to_string()];
    arguments.extend(variables.iter().map(|(name, value)| format!("{name}={value}")));
    arguments.extend(compile::command(&job));
    if name == "dependencies" {
        arguments.push("--keep-going".into());
    }
    arguments.into_iter().flat_map(|argument| argument.into_bytes().into_iter().chain([0])).collect()
}

/// Adds a file at its path in the container, if it is there.
fn add_source(members: &mut Members, job: &CompileJob, path: &Path) -> Result<()> {
    job.mounts.to_container(path).map_or(Ok(()), |place| add_file(members, place, path))
}

/// Everything that cargo reads before it compiles, and a placeholder for the source of each target.
fn manifests(job: &CompileJob) -> Result<Members> {
    let workspace = job.workspace;
    let mut members = Members::new();
    let mut add = |path: &Path| add_source(&mut members, job, path);
    for manifest in workspace.manifests() {
        add(&manifest)?;
    }
    for folder in workspace.path_dependencies.folders.iter().chain(&workspace.path_dependencies.absolute) {
        add(&folder.join("Cargo.toml"))?;
    }
    for file in workspace.fixed_files()? {
        add(&lexically_clean(&workspace.root.join(file)))?;
    }
    for (path, is_library) in &workspace.targets {
        if let Some(place) = job.mounts.to_container(path).filter(|_| fs::is_file(path)) {
            // Documented, for packages with the lint `missing_docs`.
            let text = if *is_library { "//! A placeholder.\n" } else { "//! A placeholder.\nfn main() {}\n" };
            members.insert(place, Member::File { content: text.into(), executable: false });
        }
    }
    Ok(members)
}

/// The recorded inputs, and the files of the workspace that git does not ignore: only a compile finds out which other
/// files a source includes.
fn sources(job: &CompileJob) -> Result<Members> {
    let Workspace { root, .. } = job.workspace;
    let mut members = Members::new();
    let mut add = |path: &Path| add_source(&mut members, job, path);
    let excluded =
        [root.join("target")].into_iter().chain(crate::fingerprint::inputs::output(job.workspace, job.config));
    let tree = Tree { path: String::new(), rule: Rule::Package };
    for folder in listing::list(&tree, root, &excluded.collect::<Vec<_>>(), &job.workspace.package_folders())? {
        for name in &folder.files {
            add(&root.join(&folder.path).join(name))?;
        }
    }
    let is_file = |entry: &Entry| !matches!(entry.kind, Kind::Names | Kind::Other);
    for (path, _) in job.inputs.present().into_iter().filter(|(_, entry)| is_file(entry)) {
        add(&lexically_clean(&root.join(path)))?;
    }
    // Also one that git ignores: the placeholder must not be compiled in its place.
    for (path, _) in &job.workspace.targets {
        if job.function.package.owner_of(path).is_some() {
            add(path)?;
        }
    }
    Ok(members)
}
