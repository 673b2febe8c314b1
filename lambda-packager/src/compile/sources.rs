//! What a compile sees: exactly the inputs of the function, what cargo needs to read of the rest of the workspace, and
//! the locked crates. The same for a container, the clean room and the host.

use std::collections::BTreeSet;
use std::path::Path;

use crate::cargo::config::for_container;
use crate::cargo::{ForwardedConfig, config_flags};
use crate::compile::node::{Content, Node, Sources};
use crate::compile::{CompileJob, crates, placeholders, repository};
use crate::error::Result;
use crate::report::Reporter;
use crate::snapshot::visible::{is_secret, is_visible};
use crate::snapshot::{Entry, Kind, is_executable};
use crate::sys::{Sha, fs, lexically_clean};

/// What `job` sees; `forwarded` is cargo's configuration for a container, which has the crates too. The host has both.
///
/// # Errors
/// A file cannot be read, or a configuration is not valid TOML.
pub fn of(job: &CompileJob, forwarded: Option<&ForwardedConfig>, report: &mut Reporter) -> Result<Sources> {
    let mut sources = inputs(job, forwarded.is_some())?;
    placeholders::add(job, &mut sources)?;
    repository::add(job, &mut sources)?;
    if let Some(forwarded) = forwarded {
        crates::add(job, forwarded, &mut sources, report)?;
    }
    Ok(sources)
}

/// The recorded inputs.
fn inputs(job: &CompileJob, in_container: bool) -> Result<Sources> {
    let root = &job.workspace.root;
    let configs: BTreeSet<String> = job.workspace.config_files()?.into_iter().collect();
    let flagged: BTreeSet<String> = config_flags::files(job.workspace, job.config)?.into_iter().collect();
    let fixed: BTreeSet<String> = job.workspace.fixed_files()?.into_iter().collect();
    let present = job.inputs.present();
    let mut nodes = Vec::with_capacity(present.len());
    for (name, entry) in present {
        let path = root.join(&name);
        let is_clean = !name.contains("./") && !name.ends_with("/..");
        let path = if is_clean { path } else { lexically_clean(&path) };
        // What is above the workspace is forwarded, not sent. On the host, cargo finds its configuration by itself.
        let is_above = fixed.contains(&name) && !path.starts_with(root);
        let is_found = is_above || (!in_container && configs.contains(&name));
        if is_secret(&path) || (is_found && !flagged.contains(&name)) {
            continue;
        }
        let Some(place) = job.layout.place_of(&path) else { continue };
        let node = match entry.kind {
            Kind::File | Kind::Executable if configs.contains(&name) || flagged.contains(&name) => {
                Node::made(for_container(fs::read(&path)?, &path)?)
            }
            Kind::File | Kind::Executable => Node::of(path, entry),
            Kind::Link | Kind::FolderLink => match link(job, &path, entry)? {
                Some(node) => node,
                None => continue,
            },
            Kind::Names | Kind::Other | Kind::Absent => continue,
        };
        nodes.push((place, node));
    }
    // At once, which is faster than one after another.
    let mut sources = Sources::from_iter(nodes);
    // A folder behind a link is listed by itself: then the link is a folder here.
    let behind: Vec<String> = (sources.iter())
        .filter(|(_, node)| matches!(node, Node::Link(_)))
        .filter(|(place, _)| {
            let below = format!("{place}/");
            sources.range(below.clone()..).next().is_some_and(|(next, _)| next.starts_with(&below))
        })
        .map(|(place, _)| place.clone())
        .collect();
    behind.iter().for_each(|place| drop(sources.remove(place)));
    Ok(sources)
}

/// Whether a file lies in the repository of the workspace, or in a local package or its workspace.
fn is_of_the_project(job: &CompileJob, file: &Path) -> Result<bool> {
    let root = &job.workspace.root;
    let repository = root.ancestors().find(|folder| fs::lstat(&folder.join(".git")).is_ok_and(|meta| meta.is_some()));
    let packages = job.local_packages().into_iter().map(|package| package.source_root.as_path());
    for folder in [root.as_path()].into_iter().chain(repository).chain(packages) {
        if is_visible(file, &fs::canonical(folder)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A link as what it leads to, if that is in the same checkout: its target may be no input by itself. Otherwise the link:
/// it may lead to any file of the user.
fn link(job: &CompileJob, path: &Path, entry: &Entry) -> Result<Option<Node>> {
    let text = fs::read_link(path)?.to_string_lossy().into_owned();
    let link = Node::Link(text);
    if entry.kind == Kind::FolderLink {
        return Ok(Some(link));
    }
    let Ok(target) = fs::canonical(path) else { return Ok(Some(link)) };
    if !is_of_the_project(job, &target)? || is_secret(&target) || !fs::is_file(&target) {
        return Ok(Some(link));
    }
    let content = fs::read(&target)?;
    let executable = fs::stat(&target)?.is_some_and(|meta| is_executable(&meta));
    Ok(Some(Node::File { sha: Sha::of(&content), content: Content::Made(content), executable }))
}
