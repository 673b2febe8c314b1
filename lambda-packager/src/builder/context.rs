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

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::cargo_config::{Carried, without_credentials};
use super::compile::{self, Order, Trust};
use super::crates;
use super::image::header;
use super::recipe;
use crate::artifact::zip;
use crate::cache::listing::{self, Rule, Tree};
use crate::cache::snapshot::{Kind, Snapshot};
use crate::error::{Error, Result};
use crate::fs::{self, Sha};
use crate::workspace::{Workspace, lexically_clean};

/// A file of a folder of the context.
#[derive(PartialEq, Eq)]
pub(super) enum Member {
    File { content: Vec<u8>, executable: bool },
    Link(String),
}

/// Files by their absolute path in the clean room.
pub(super) type Members = BTreeMap<String, Member>;

/// The date of everything in it, that of the zip's members.
const MTIME: u64 = 315_532_800;

/// The whole context for `order`.
pub(crate) fn archive(
    order: &Order,
    carried: &Carried,
    variables: &[(String, String)],
    included: &[zip::Member],
) -> Result<Vec<u8>> {
    let crates = crates::members(order, carried)?;
    let manifests = manifests(order)?;
    let mut sources = sources(order)?;
    sources.retain(|path, member| !crates.contains_key(path) && manifests.get(path) != Some(member));
    let mut tar = tar::Builder::new(Vec::new());
    tools(&mut tar, recipe::FILES)?;
    let mut beside = Members::new();
    for zip::Member { name, executable, content } in included.iter().cloned() {
        beside.insert(format!("/{name}"), Member::File { content, executable });
    }
    append(&mut tar, "crates", &crates)?;
    append(&mut tar, "manifests", &manifests)?;
    append(&mut tar, "sources", &sources)?;
    append(&mut tar, "included", &beside)?;
    for (name, digest) in [("dependencies", "stand-in"), ("build", "source")] {
        let recipe = steps(order, variables, name, digest);
        append_file(&mut tar, &format!("recipe/{name}"), &recipe, false).map_err(failed)?;
    }
    tar.into_inner().map_err(failed)
}

/// The context of the stage `base`, which knows no project.
pub(super) fn archive_of_base() -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    tools(&mut tar, recipe::FILES)?;
    tar.into_inner().map_err(failed)
}

fn failed(error: std::io::Error) -> Error {
    Error::engine("the build context cannot be made").source(error)
}

fn tools(tar: &mut tar::Builder<Vec<u8>>, files: &[(&str, &str)]) -> Result<()> {
    files.iter().try_for_each(|(path, text)| append_file(tar, path, text.as_bytes(), true)).map_err(failed)
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

fn append_file(tar: &mut tar::Builder<Vec<u8>>, path: &str, content: &[u8], executable: bool) -> std::io::Result<()> {
    let mut header = header(tar::EntryType::Regular, if executable { 0o755 } else { 0o644 }, (0, 0));
    header.set_mtime(MTIME);
    header.set_size(content.len() as u64);
    tar.append_data(&mut header, path, content)
}

/// The command of a step, as `run-recipe` reads it. The records of local packages are never believed:
/// the sources come in a layer of their own, whatever their dates.
fn steps(order: &Order, variables: &[(String, String)], name: &str, digest: &str) -> Vec<u8> {
    let nothing = Sha::of(digest.as_bytes());
    let local = order.function.package.local_folders.iter();
    let trust = Trust {
        packages: local.map(|package| (package.name.clone(), nothing)).collect(),
        surroundings: order.trust.surroundings,
        compile: name.to_string(),
        settled: Vec::new(),
    };
    let order = Order { trust: &trust, wipe: false, ..*order };
    let mut arguments = vec![order.layout.workspace.clone(), "env".to_string()];
    arguments.extend(variables.iter().map(|(name, value)| format!("{name}={value}")));
    arguments.extend(compile::command(&order));
    if name == "dependencies" {
        arguments.push("--keep-going".into());
    }
    arguments.into_iter().flat_map(|argument| argument.into_bytes().into_iter().chain([0])).collect()
}

/// Everything that cargo reads before it compiles, and something to compile in place of each target.
fn manifests(order: &Order) -> Result<Members> {
    let workspace = order.workspace;
    let mut members = Members::new();
    let mut add = |path: &Path| match order.layout.to_container(path) {
        Some(place) => keep(&mut members, place, path),
        None => Ok(()),
    };
    for manifest in workspace.manifests() {
        add(&manifest)?;
    }
    let around = workspace.outside.folders.iter().chain(&workspace.outside.absolute);
    for folder in around {
        add(&folder.join("Cargo.toml"))?;
    }
    for file in workspace.fixed_files()? {
        add(&lexically_clean(&workspace.root.join(file)))?;
    }
    for (path, is_library) in workspace.targets() {
        if let Some(place) = order.layout.to_container(path).filter(|_| fs::is_file(path)) {
            let text = if *is_library { "//! A stand-in.\n" } else { "//! A stand-in.\nfn main() {}\n" };
            members.insert(place, Member::File { content: text.into(), executable: false });
        }
    }
    Ok(members)
}

/// The sources: the recorded inputs, and what the container would see beside them in the workspace: what
/// a file includes is known only once it was compiled.
fn sources(order: &Order) -> Result<Members> {
    let Workspace { root, .. } = order.workspace;
    let mut members = Members::new();
    let mut add = |path: &Path| match order.layout.to_container(path) {
        Some(place) => keep(&mut members, place, path),
        None => Ok(()),
    };
    let excluded = [root.join("target")].into_iter().chain(crate::cache::inputs::output(order.workspace, order.config));
    let tree = Tree { path: String::new(), rule: Rule::Package };
    for folder in listing::list(&tree, root, &excluded.collect::<Vec<_>>())? {
        for name in &folder.files {
            add(&root.join(&folder.path).join(name))?;
        }
    }
    for path in recorded(order.inputs) {
        add(&lexically_clean(&root.join(path)))?;
    }
    // Also one that git ignores: a stand-in must not be compiled in its place.
    for (path, _) in order.workspace.targets() {
        if order.function.package.owner_of(path).is_some() {
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

/// Puts the file `path` at `place`, unless it holds credentials and nothing else.
pub(super) fn keep(members: &mut Members, place: String, path: &Path) -> Result<()> {
    let Some(meta) = fs::lstat(path)? else { return Ok(()) };
    if meta.is_symlink() {
        members.insert(place, Member::Link(fs::read_link(path)?.to_string_lossy().into_owned()));
    } else if meta.is_file() {
        let in_cargo_folder = path.parent().is_some_and(|folder| folder.ends_with(".cargo"));
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let content = match &*name {
            "credentials" | "credentials.toml" if in_cargo_folder => return Ok(()),
            "config" | "config.toml" if in_cargo_folder => without_credentials(fs::read(path)?, path)?,
            _ => fs::read(path)?,
        };
        members.insert(place, Member::File { content, executable: meta.permissions().mode() & 0o111 != 0 });
    }
    Ok(())
}

/// Puts everything in the folder `path` below `place`.
pub(super) fn keep_all(members: &mut Members, place: &str, path: &Path) -> Result<()> {
    for name in fs::names_in(path)? {
        let (place, path) = (format!("{place}/{name}"), path.join(&name));
        if fs::lstat(&path)?.is_some_and(|meta| meta.is_dir()) {
            keep_all(members, &place, &path)?;
        } else {
            keep(members, place, &path)?;
        }
    }
    Ok(())
}
