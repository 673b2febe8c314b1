//! The build context of the clean room, as a tar archive that is the same for the same content:
//!
//! | folder | copied to `/` | what |
//! |---|---|---|
//! | `tools`, `Dockerfile` | | the recipe's own files |
//! | `crates` | first | the locked crates as cargo keeps them, its index of them, its configuration |
//! | `manifests` | then | manifests, lockfile, configuration; stand-ins for the sources of every target |
//! | `sources` | last | the sources |
//! | `included` | into the final image, below `/var/task` | what goes into the zip beside the binary |
//! | `recipe` | | the command of each step |
//!
//! Each is a layer: what did not change is not compiled again. Credentials are in none of them.

use std::path::Path;

use crate::artifact::tar::header;
use crate::artifact::zip;
use crate::backend::clean_room::crates;
use crate::backend::clean_room::members::{Member, Members, keep};
use crate::backend::dockerfile;
use crate::backend::dockerfile::{MTIME, append_file, failed, tools};
use crate::cargo::Workspace;
use crate::cargo::config::ForwardedConfig;
use crate::compile;
use crate::compile::job::{CompileJob, Staleness};
use crate::error::Result;
use crate::snapshot::listing;
use crate::snapshot::listing::{Rule, Tree};
use crate::snapshot::record::{Kind, Snapshot};
use crate::sys::fs;
use crate::sys::paths::lexically_clean;
use crate::sys::sha256::Sha;

/// The whole context for `order`.
pub fn archive(
    job: &CompileJob,
    forwarded: &ForwardedConfig,
    variables: &[(String, String)],
    included: &[zip::Member],
) -> Result<Vec<u8>> {
    let crates = crates::members(job, forwarded)?;
    let manifests = manifests(job)?;
    let mut sources = sources(job)?;
    sources.retain(|path, member| !crates.contains_key(path) && manifests.get(path) != Some(member));
    let mut tar = tar::Builder::new(Vec::new());
    tools(&mut tar, dockerfile::FILES)?;
    let mut beside = Members::new();
    for zip::Member { name, executable, content } in included.iter().cloned() {
        beside.insert(format!("/{name}"), Member::File { content, executable });
    }
    append(&mut tar, "crates", &crates)?;
    append(&mut tar, "manifests", &manifests)?;
    append(&mut tar, "sources", &sources)?;
    append(&mut tar, "included", &beside)?;
    for (name, digest) in [("dependencies", "stand-in"), ("build", "source")] {
        let recipe = steps(job, variables, name, digest);
        append_file(&mut tar, &format!("recipe/{name}"), &recipe, false).map_err(failed)?;
    }
    tar.into_inner().map_err(failed)
}

fn append(tar: &mut tar::Builder<Vec<u8>>, folder: &str, members: &Members) -> Result<()> {
    let mut directory = header(tar::EntryType::Directory, 0o755, (0, 0));
    directory.set_mtime(MTIME);
    tar.append_data(&mut directory, format!("{folder}/"), std::io::empty()).map_err(failed)?;
    for (path, member) in members {
        let path = format!("{folder}{path}");
        match member {
            Member::File { content, executable } => append_file(tar, &path, content, *executable),
            Member::Link(target) => {
                let mut header = header(tar::EntryType::Symlink, 0o777, (0, 0));
                header.set_mtime(MTIME);
                tar.append_link(&mut header, &path, target)
            }
        }
        .map_err(failed)?;
    }
    Ok(())
}

/// The command of a step, as `run-recipe` reads it. The records of local packages are never believed:
/// the sources come in a layer of their own, whatever their dates.
fn steps(job: &CompileJob, variables: &[(String, String)], name: &str, digest: &str) -> Vec<u8> {
    let nothing = Sha::of(digest.as_bytes());
    let local = job.function.package.local_folders.iter();
    let trust = Staleness {
        packages: local.map(|package| (package.name.clone(), nothing)).collect(),
        surroundings: job.trust.surroundings,
        compile: name.to_string(),
        clean_compiles: Vec::new(),
    };
    let job = CompileJob { trust: &trust, wipe: false, ..*job };
    let mut arguments = vec![job.layout.workspace.clone(), "env".to_string()];
    arguments.extend(variables.iter().map(|(name, value)| format!("{name}={value}")));
    arguments.extend(compile::command(&job));
    if name == "dependencies" {
        arguments.push("--keep-going".into());
    }
    arguments.into_iter().flat_map(|argument| argument.into_bytes().into_iter().chain([0])).collect()
}

/// Everything that cargo reads before it compiles, and something to compile in place of each target.
fn manifests(job: &CompileJob) -> Result<Members> {
    let workspace = job.workspace;
    let mut members = Members::new();
    let mut add = |path: &Path| match job.layout.to_container(path) {
        Some(place) => keep(&mut members, place, path),
        None => Ok(()),
    };
    for manifest in workspace.manifests() {
        add(&manifest)?;
    }
    let around = workspace.path_dependencies.folders.iter().chain(&workspace.path_dependencies.absolute);
    for folder in around {
        add(&folder.join("Cargo.toml"))?;
    }
    for file in workspace.fixed_files()? {
        add(&lexically_clean(&workspace.root.join(file)))?;
    }
    for (path, is_library) in workspace.targets() {
        if let Some(place) = job.layout.to_container(path).filter(|_| fs::is_file(path)) {
            let text = if *is_library { "//! A stand-in.\n" } else { "//! A stand-in.\nfn main() {}\n" };
            members.insert(place, Member::File { content: text.into(), executable: false });
        }
    }
    Ok(members)
}

/// The sources: the recorded inputs, and what the container would see beside them in the workspace: what
/// a file includes is known only once it was compiled.
fn sources(job: &CompileJob) -> Result<Members> {
    let Workspace { root, .. } = job.workspace;
    let mut members = Members::new();
    let mut add = |path: &Path| match job.layout.to_container(path) {
        Some(place) => keep(&mut members, place, path),
        None => Ok(()),
    };
    let excluded =
        [root.join("target")].into_iter().chain(crate::fingerprint::inputs::output(job.workspace, job.config));
    let tree = Tree { path: String::new(), rule: Rule::Package };
    for folder in listing::list(&tree, root, &excluded.collect::<Vec<_>>())? {
        for name in &folder.files {
            add(&root.join(&folder.path).join(name))?;
        }
    }
    for path in recorded(job.inputs) {
        add(&lexically_clean(&root.join(path)))?;
    }
    // Also one that git ignores: a stand-in must not be compiled in its place.
    for (path, _) in job.workspace.targets() {
        if job.function.package.owner_of(path).is_some() {
            add(path)?;
        }
    }
    Ok(members)
}

fn recorded(inputs: &Snapshot) -> impl Iterator<Item = String> {
    inputs
        .present()
        .into_iter()
        .filter(|(_, entry)| !matches!(entry.kind, Kind::Names | Kind::Other))
        .map(|(path, _)| path)
}
