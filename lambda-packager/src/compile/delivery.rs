//! What has to be sent, so that exactly the sources stand beside a target directory, with dates by which cargo's own rule
//! is right.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use crate::cargo::LocalPackage;
use crate::compile::node::{Content, Node, Sources};
use crate::compile::packed::Packed;
use crate::compile::places::{FOLDER, PACKAGE, Places, State, Stored};
use crate::compile::sent::Sent;
use crate::compile::{Anew, CARGO_HOME, CompileJob, anew, placeholders};
use crate::error::Result;
use crate::snapshot::parallel;
use crate::sys::{Sha, fs};

/// What is sent to a target directory.
pub struct Delivery {
    /// The name of the last compile whose sources are expected there; `None` if all of them are sent.
    pub from: Option<String>,
    /// The places to remove first, or to empty if all is sent: paths, each ended by NUL.
    pub removed: Vec<u8>,
    /// The archive of what is new, with places as paths.
    pub archive: Arc<Packed>,
    /// The archive was unpacked before, where there is no tar, and is empty now.
    pub unpacked: bool,
    pub dates: Dates,
    /// No compile was ever made there: the dates in the archive are right for all.
    pub is_first: bool,
    pub anew: Anew,
    /// The record of it.
    pub sent: Sent,
}

/// What is to be sent of `sources` after `before`, for the compile `job`; `is_first` if none was ever made in the target
/// directory.
///
/// # Errors
/// A file cannot be read.
pub fn of(job: &CompileJob, mut sources: Sources, before: Option<&Sent>, is_first: bool) -> Result<Delivery> {
    let count = before.map_or(1, |before| before.count + 1);
    read_changed(&mut sources, before)?;
    let (mut dates, mut gone) = (Dates::new(), BTreeSet::new());
    let mut archive = Packed::default();
    // What was compiled of other functions' packages is still there.
    let packages = before.map(|before| before.packages.clone()).unwrap_or_default();
    let states = before.map(|before| before.states.clone()).unwrap_or_default();
    let (name, workspace) = (job.compile.clone(), job.layout.workspace.clone());
    let mut sent = Sent { name, workspace, count, packages, states, places: Places::default() };
    // With many files, each of the two takes its time.
    let (folders, bumped) = thread::scope(|scope| {
        let folders = scope.spawn(|| folders(job, &sources));
        let bumped = packages_of(job, &sources, before, &mut sent);
        (folders.join().unwrap_or_else(|panic| resume_unwind(panic)), bumped)
    });
    let mut stored_now: Vec<(&str, Stored)> = Vec::with_capacity(folders.len() + sources.len());
    for (folder, names) in &folders {
        let was = before.and_then(|before| before.places.get(folder));
        let (stored, _) = Stored::next(was, State::of(FOLDER, Sha::of(names.as_bytes())), count);
        if !was.is_some_and(|was| was.is_there && was.state == stored.state) {
            if was.is_some_and(|was| was.is_there && !was.state.is_folder()) {
                gone.insert(folder.clone());
            }
            add_date(&mut dates, stored.since, folder);
        }
        stored_now.push((folder, stored));
    }
    let mut cursor = before.map(|before| before.places.cursor());
    for (place, node) in &mut sources {
        let was = cursor.as_mut().and_then(|cursor| cursor.find(place));
        let (mut stored, _) = Stored::next(was, state(node), count);
        let is_new = !was.is_some_and(|was| was.is_there && was.state == stored.state);
        if is_new {
            let other_kind = |was: &Stored| was.is_there && (was.state.is_folder() || matches!(node, Node::Whole(..)));
            if was.is_some_and(other_kind) {
                gone.insert(place.clone());
            }
        }
        let is_root = bumped.contains(place);
        if is_root {
            stored.since = count;
        }
        let is_file = matches!(node, Node::File { .. });
        if is_new {
            // Its content goes into the archive and is not copied; nothing reads the node again.
            archive.add(place, mem::replace(node, Node::Link(String::new())))?;
        }
        if is_file && (is_new || is_root) && !place.starts_with(CARGO_HOME) {
            add_date(&mut dates, stored.since, place);
        }
        stored_now.push((place, stored));
    }
    sent.places = Places::of(stored_now);
    let absent = absent(before, &sent.places, &mut gone);
    if !absent.is_empty() {
        let there = sent.places.iter().map(|(place, stored)| (place, *stored));
        sent.places = Places::of(there.chain(absent).collect());
    }
    if before.is_none() {
        gone.extend(job.layout.places());
    }
    let removed = outermost(&gone).flat_map(|place| [place.as_bytes(), &[0]].concat()).collect();
    let anew = anew::of(job, before, is_first, &mut sent)?;
    Ok(Delivery {
        from: before.map(|before| before.name.clone()),
        removed,
        archive: archive.into(),
        unpacked: false,
        is_first,
        dates: if is_first { Dates::new() } else { dates },
        anew,
        sent,
    })
}

/// For each date, the compile that it is of, the places that get it, each ended by NUL.
type Dates = BTreeMap<u32, Vec<u8>>;

/// Reads the files that changed: what is sent is what is recorded, also if a file changed since it was looked at.
fn read_changed(sources: &mut Sources, before: Option<&Sent>) -> Result<()> {
    let mut cursor = before.map(|before| before.places.cursor());
    let mut changed: Vec<&mut Node> = Vec::new();
    for (place, node) in sources.iter_mut() {
        let was = cursor.as_mut().and_then(|cursor| cursor.find(place));
        if !was.is_some_and(|was| was.is_there && was.state == state(node)) {
            changed.push(node);
        }
    }
    let read = |node: &&mut Node| {
        let Node::File { content: Content::Of(path), .. } = &**node else { return Ok(None) };
        let bytes = fs::read(path)?;
        Ok(Some((Sha::of(&bytes), bytes)))
    };
    let contents = parallel::map(&changed, changed.len(), read)?;
    for (node, content) in changed.into_iter().zip(contents) {
        if let (Node::File { content, sha, .. }, Some((now, bytes))) = (node, content) {
            (*content, *sha) = (Content::Made(bytes), now);
        }
    }
    Ok(())
}

/// What was sent before and is not there `now`, as absent; adds to `gone` what still is.
fn absent<'a>(before: Option<&'a Sent>, now: &Places, gone: &mut BTreeSet<String>) -> Vec<(&'a str, Stored)> {
    let mut cursor = now.cursor();
    let before = before.into_iter().flat_map(|before| before.places.iter());
    let absent = before.filter(|(place, _)| cursor.find(place).is_none());
    let absent = absent.map(|(place, stored)| {
        if stored.is_there {
            gone.insert(place.to_string());
        }
        (place, Stored { is_there: false, ..*stored })
    });
    absent.collect()
}

fn state(node: &Node) -> State {
    match node {
        Node::File { executable, sha, .. } => State::of(if *executable { b'x' } else { b'f' }, *sha),
        Node::Link(target) => State::of(b'l', Sha::of(target.as_bytes())),
        Node::Whole(_, sha) => State::of(b'w', *sha),
    }
}

/// Every folder of the workspace, and the names in it: a build script can list them. Not those of cargo's home.
fn folders(job: &CompileJob, sources: &Sources) -> BTreeMap<String, String> {
    let places = job.layout.places();
    let is_inside = |folder: &str| places.iter().any(|place| Path::new(folder).starts_with(place));
    let mut folders: BTreeMap<String, String> = BTreeMap::new();
    // The names of a folder come one after another, but for those of its own folders.
    let (mut last, mut folder, mut names) = ("", "", String::new());
    let mut add = |folder: &str, names: &mut String| {
        if !names.is_empty() && is_inside(folder) {
            folders.entry(folder.to_string()).or_default().push_str(names);
        }
        names.clear();
    };
    for place in sources.keys().filter(|place| !place.starts_with(CARGO_HOME)) {
        // In sorted order, a part that the last place had too was seen with it.
        let shared = place.bytes().zip(last.bytes()).take_while(|(one, other)| one == other).count();
        // By bytes: two names may differ inside of a character.
        let slashes = place.bytes().enumerate().skip(shared).filter(|(_, byte)| *byte == b'/');
        let ends = slashes.map(|(at, _)| at).chain([place.len()]);
        for end in ends {
            let Some((parent, name)) = place[..end].rsplit_once('/') else { continue };
            if parent != folder {
                add(folder, &mut names);
                folder = parent;
            }
            names.push_str(name);
            names.push('\0');
        }
        last = place;
    }
    add(folder, &mut names);
    folders
}

fn add_date(dates: &mut Dates, since: u32, place: &str) {
    let list = dates.entry(since).or_default();
    list.extend(place.as_bytes());
    list.push(0);
}

/// Those of `places` that are in no other of them.
fn outermost(places: &BTreeSet<String>) -> impl Iterator<Item = &String> {
    let mut last: Option<&Path> = None;
    places.iter().filter(move |place| {
        let path = Path::new(place.as_str());
        let inside = last.is_some_and(|last| path.starts_with(last));
        if !inside {
            last = Some(path);
        }
        !inside
    })
}

/// Records for each local package a digest of what its compile may read without telling cargo: its own files and those of
/// no package; what is no Rust of the packages around it, where the macros of others may find a folder such as
/// `migrations`; all files, where a build script or a macro of the project may read any. Returns the main files of the
/// packages for which it changed. What stands for packages that are not compiled is only for those that may read any: it
/// is another for each function, and a package that two functions share stays as it is.
fn packages_of(job: &CompileJob, sources: &Sources, before: Option<&Sent>, sent: &mut Sent) -> BTreeSet<String> {
    let placed = job.local_packages().into_iter();
    let (local, places): (Vec<&LocalPackage>, Vec<String>) =
        placed.filter_map(|package| Some((package, job.layout.place_of(&package.folder)?))).unzip();
    let owner_of = |place: &str| {
        let around = (places.iter().enumerate()).filter(|(_, folder)| Path::new(place).starts_with(folder));
        around.max_by_key(|(_, folder)| folder.len()).map(|(index, _)| index)
    };
    let others = job.workspace.manifests().filter(|manifest| manifest.parent() != Some(&job.workspace.root));
    let others: BTreeSet<String> = others.filter_map(|manifest| job.layout.place_of(&manifest)).collect();
    let placeholders = placeholders::digests();
    let is_placeholder = |node: &Node| matches!(node, Node::File { sha, .. } if placeholders.contains(sha));
    let mut own = vec![Vec::new(); local.len()];
    let mut for_macros = vec![Vec::new(); local.len()];
    let (mut common, mut stand_ins) = (Vec::new(), Vec::new());
    let mut last = None;
    for (place, node) in sources.iter().filter(|(place, _)| !place.starts_with(CARGO_HOME)) {
        let folder = place.rsplit_once('/').map_or("", |(folder, _)| folder);
        let owner = match last {
            Some((same, owner)) if same == folder => owner,
            _ => owner_of(folder),
        };
        last = Some((folder, owner));
        let list = match owner {
            Some(index) => &mut own[index],
            None if others.contains(place) || is_placeholder(node) => &mut stand_ins,
            None => &mut common,
        };
        let State { kind, sha } = state(node);
        let entry = [place.as_bytes(), &[0, kind], &sha.0].concat();
        list.extend_from_slice(&entry);
        if let Some(index) = owner.filter(|_| !place.ends_with(".rs") && !place.ends_with("/Cargo.toml")) {
            for_macros[index].extend_from_slice(&entry);
        }
    }
    let reads_anything = local.iter().any(|package| package.reads_anything);
    let all = reads_anything.then(|| Sha::of(&[own.concat(), stand_ins].concat()));
    let common = Sha::of(&common);
    let mut bumped = BTreeSet::new();
    for ((package, place), own) in local.iter().zip(&places).zip(&own) {
        let read = all.filter(|_| package.reads_anything).unwrap_or_else(|| Sha::of(own));
        let was = before.and_then(|before| before.packages.get(place));
        let around = places
            .iter()
            .zip(&for_macros)
            .filter(|(folder, _)| *folder != place && Path::new(place).starts_with(folder));
        let around = Sha::of(&around.flat_map(|(_, files)| files.iter().copied()).collect::<Vec<u8>>());
        let state = State::of(PACKAGE, Sha::of(&[read.0, common.0, around.0].concat()));
        let (stored, is_new) = Stored::next(was, state, sent.count);
        sent.packages.insert(place.clone(), stored);
        if is_new {
            let targets = job
                .workspace
                .targets
                .iter()
                .filter(|(path, _)| job.owner_of(path).is_some_and(|owner| owner.folder == package.folder));
            bumped.extend(targets.filter_map(|(path, _)| job.layout.place_of(path)));
        }
    }
    bumped
}
