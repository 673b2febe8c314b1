//! What is compiled from nothing, since cargo would not notice that it changed: some packages, or all that lies in the
//! target directory.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use crate::cargo::{LocalPackage, lockfile};
use crate::compile::CompileJob;
use crate::compile::places::{PACKAGE, State, Stored};
use crate::compile::sent::Sent;
use crate::error::Result;
use crate::fingerprint::{declared, git};
use crate::snapshot::Entry;
use crate::sys::{Sha, lexically_clean};

/// What is compiled from nothing.
pub struct Anew {
    /// Packages, as cargo names them: a build script must not find what an earlier run of it left.
    pub packages: Vec<String>,
    /// Start with an empty target directory.
    pub all: bool,
}

/// What of `job` is compiled from nothing after `before`, with the states in `sent` as they are then; `is_first` if there
/// was no compile.
///
/// # Errors
/// If the home of cargo is not known.
pub fn of(job: &CompileJob, before: Option<&Sent>, is_first: bool, sent: &mut Sent) -> Result<Anew> {
    let local = job.local_packages();
    let packages = packages(job, &local, sent);
    // Each of them, for its states.
    let reasons = [
        job.wipe || job.config.force,
        is_changed_elsewhere(job, &local, sent),
        is_changed_outside(job, sent)?,
        is_vendored_changed(job, before, is_first, sent),
        // Cargo gives the build script of another commit the folder of the one before.
        sent.set_commits(&lockfile::read(&job.workspace.root)?, before.is_none() && !is_first),
    ];
    Ok(Anew { packages, all: reasons.contains(&true) })
}

/// Whether a file changed that earlier compiles read elsewhere on this machine, such as a header; the inputs that no compile
/// sees a copy of, such as a linker, count from now on.
fn is_changed_outside(job: &CompileJob, sent: &mut Sent) -> Result<bool> {
    let is_changed = sent.forget_outside();
    let configs: BTreeSet<String> = job.workspace.fixed_files()?.into_iter().collect();
    let names = job.inputs.present().into_iter().map(|(name, _)| name).filter(|name| !configs.contains(name));
    let paths = names.map(|name| lexically_clean(&job.workspace.root.join(name)));
    let mut outside: Vec<PathBuf> = paths.filter(|path| job.layout.place_of(path).is_none()).collect();
    if !outside.is_empty() && declared::has_git(job.config) {
        // Of a worktree or a submodule. What a compile sees of a commit is sent.
        let files = git::files(&job.workspace.root)?;
        outside.retain(|path| !files.contains(path));
    }
    sent.add_outside(outside.iter().map(|path| &**path));
    Ok(is_changed)
}

/// The packages with a build script that changed since the last compile with this profile, as cargo names them; on the host,
/// of those at their own path also any that a macro may read beside. A profile has a folder of its own, and only the one
/// that compiles is cleaned: what the others hold may be older.
fn packages(job: &CompileJob, local: &[&LocalPackage], sent: &mut Sent) -> Vec<String> {
    let mut changed = Vec::new();
    for package in local {
        let (place, state) = match place_of(job, package) {
            Some(place) if package.has_build_script => {
                let Some(stored) = sent.packages.get(&place) else { continue };
                (place, stored.state)
            }
            Some(_) => continue,
            None => (package.folder.to_string_lossy().into_owned(), beside(job, package)),
        };
        let key = format!("{} {} {place}", job.config.target_arch.triple(), job.config.profile);
        let was = sent.states.insert(key, Stored::next(None, state, sent.count).0);
        if was.is_none_or(|was| was.state != state) {
            changed.push(url(&place, &package.name));
        }
    }
    changed
}

/// Where cargo finds a package among the sources; `None` if it finds it at its own path.
fn place_of(job: &CompileJob, package: &LocalPackage) -> Option<String> {
    let own = &job.workspace.path_dependencies.absolute;
    let is_at_own = job.layout.is_on_host() && own.iter().any(|folder| package.folder.starts_with(folder));
    if is_at_own { None } else { job.layout.place_of(&package.folder) }
}

/// The state of what a package at its own path may read of the workspace.
fn beside(job: &CompileJob, package: &LocalPackage) -> State {
    let root = &job.workspace.root;
    let present = job.inputs.present().into_iter().map(|(name, entry)| (lexically_clean(&root.join(name)), entry));
    let may_read = |path: &Path| package.reads_anything || job.owner_of(path).is_none();
    let read = present.filter(|(path, _)| path.starts_with(root) && may_read(path));
    let told: String =
        read.map(|(path, Entry { kind, sha, .. })| format!("{}\0{kind} {sha}\n", path.display())).collect();
    State::of(PACKAGE, Sha::of(told.as_bytes()))
}

/// Whether a package changed that is compiled where it is, with its own dates: on the host, one outside of the workspace
/// may be. What reads it there is not known to cargo.
fn is_changed_elsewhere(job: &CompileJob, local: &[&LocalPackage], sent: &mut Sent) -> bool {
    let root = &job.workspace.root;
    if !job.layout.is_on_host() || !job.workspace.path_dependencies.at_own_path {
        return false;
    }
    let present = job.inputs.present().into_iter();
    let present: Vec<_> = present.map(|(name, entry)| (lexically_clean(&root.join(name)), entry)).collect();
    let mut is_changed = false;
    for package in local.iter().filter(|package| !package.folder.starts_with(root)) {
        let own = present.iter().filter(|(path, _)| path.starts_with(&package.source_root));
        // What was another content during a compile, and is the former one again, was changed later than that.
        let told = own.map(|(path, Entry { kind, sha, stamp, .. })| {
            format!("{}\0{kind} {sha} {}\n", path.display(), stamp.ctime_ns)
        });
        let state = State::of(PACKAGE, Sha::of(told.collect::<String>().as_bytes()));
        let key = format!("elsewhere {}", package.folder.display());
        let was = sent.states.insert(key, Stored::next(None, state, sent.count).0);
        // Without a record, what lies there may be of any state.
        is_changed |= was.is_none_or(|was| was.state != state);
    }
    is_changed
}

/// A package as cargo's `--package` takes it: <https://doc.rust-lang.org/cargo/reference/pkgid-spec.html>.
fn url(place: &str, name: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~/".contains(&byte);
    let escaped: String = place
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    format!("file://{escaped}#{name}")
}

/// Whether a vendored crate changed: cargo assumes that they never do.
fn is_vendored_changed(job: &CompileJob, before: Option<&Sent>, is_first: bool, sent: &Sent) -> bool {
    // Without a record, what lies there may be of any state.
    let Some(before) = before else { return !is_first && !job.workspace.vendored.is_empty() };
    job.workspace.vendored.iter().filter_map(|package| job.layout.place_of(&package.folder)).any(|place| {
        let inside = |sent: &Sent| -> Vec<(String, State)> {
            let found = sent.places.beginning_with(&place).filter(|(_, stored)| stored.is_there);
            found.map(|(path, stored)| (path.to_string(), stored.state)).collect()
        };
        let was = inside(before);
        !was.is_empty() && was != inside(sent)
    })
}
