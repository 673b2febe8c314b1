//! From the compiled binary to the zip, and to the image that runs it.

use std::sync::{Mutex, OnceLock};
use std::thread;

use crate::artifact::include::{Inclusion, Surroundings};
use crate::artifact::{elf, include, limits, selections, zip};
use crate::backend::{Backend, BackendRequest, runtime_image};
use crate::error::Result;
use crate::fingerprint::inputs;
use crate::pipeline::{Task, destination};
use crate::report::{Reporter, Stage};

/// What is packaged, not stored yet.
pub struct Package {
    pub zip: Vec<u8>,
    /// The name of the image that runs the function, in a mode for production.
    pub image: Option<String>,
}

impl Package {
    /// Notes what is to know of the zip.
    pub fn without_image(zip: Vec<u8>, report: &mut Reporter) -> Self {
        limits::note(zip.len() as u64).iter().for_each(|text| report.note(text));
        Self { zip, image: None }
    }
}

/// Checks what is known before a compile: where the zip will go, and what goes into it besides the binary.
///
/// # Errors
/// What would keep the function from its zip whatever is compiled.
pub fn check_ahead(task: &Task, report: &mut Reporter) -> Result<()> {
    let config = &task.config;
    destination::check(task.workspace, &task.function, config)?;
    let included = included(task)?;
    for entry in &included.idle {
        report.note(&format!(
            "{}: {entry:?} takes nothing out; it is relative to the package's folder, and is about the entries before it",
            config.place_of("include")
        ));
    }
    // A layer of files is made before any compile.
    if task.kind().is_layer() && task.kind().has_binary() {
        check_extensions(&include::read(included.files)?, task)?;
    }
    Ok(())
}

/// Checks binaries, and makes their zips side by side. The error of one is what Lambda could not start, or would refuse.
pub fn zips(compiled: &[(&Task, &[u8])], report: &mut Reporter) -> Vec<Result<Vec<u8>>> {
    let checked: Vec<_> = report
        .stage(Stage::Verify, |report| compiled.iter().map(|(task, binary)| check(binary, task, report)).collect());
    report.stage(Stage::Zip, |_| {
        let zips: Vec<OnceLock<_>> = compiled.iter().map(|_| OnceLock::new()).collect();
        let queue = Mutex::new(compiled.iter().zip(checked).zip(&zips));
        let next = || queue.lock().map_or(None, |mut queue| queue.next());
        let work = || {
            while let Some((((task, binary), members), zip)) = next() {
                let made = members.and_then(|members| archive(binary, members, task));
                zip.get_or_init(|| made);
            }
        };
        let threads = if compiled.len() > 1 { thread::available_parallelism().map_or(1, usize::from) } else { 1 };
        thread::scope(|scope| {
            (1..threads.min(compiled.len())).for_each(|_| drop(scope.spawn(work)));
            work();
        });
        zips.into_iter().filter_map(OnceLock::into_inner).collect()
    })
}

/// What becomes of a zip: in a mode for production the image too.
///
/// # Errors
/// If the image cannot be made.
pub fn package(
    task: &Task,
    backend: &Backend,
    request: &BackendRequest,
    zip: Vec<u8>,
    report: &mut Reporter,
) -> Result<Package> {
    let config = &task.config;
    let package = Package::without_image(zip, report);
    let leaves_image = config.mode.is_for_production() && !task.kind().is_layer();
    let image = match leaves_image {
        true => report.stage(Stage::Runtime, |report| {
            runtime_image::leave(backend, request, &task.function, &package.zip, report)
        })?,
        false => None,
    };
    if image.is_none() && leaves_image {
        report.note("there is no engine to leave the image in that runs the function; `lambda-packager image build` writes it to a file");
    }
    Ok(Package { image, ..package })
}

/// Checks the binary, and reads what goes into the zip beside it.
///
/// # Errors
/// A binary that the runtime could not start, compiled or included, or an included file that cannot be read.
pub fn check(binary: &[u8], task: &Task, report: &mut Reporter) -> Result<Vec<zip::Member>> {
    let members = include::read(included(task)?.files)?;
    let title = if task.kind().is_layer() { "the extension" } else { "the bootstrap" };
    elf::check(binary, title, &expectation(&members, task))?;
    check_included(&members, task, report)?;
    Ok(members)
}

/// Checks the included binaries that Lambda starts of a layer, and the libraries that any program may load. A script has no
/// such header.
///
/// # Errors
/// One that the runtime could not start or load.
pub fn check_included(members: &[zip::Member], task: &Task, report: &mut Reporter) -> Result<()> {
    check_extensions(members, task)?;
    elf::check_loadable(&expectation(members, task))?.iter().for_each(|text| report.note(text));
    Ok(())
}

/// Checks the included binaries that Lambda starts of a layer.
fn check_extensions(members: &[zip::Member], task: &Task) -> Result<()> {
    let is_started = |member: &&zip::Member| {
        task.kind().is_layer() && include::is_extension(&member.name) && member.content.starts_with(b"\x7fELF")
    };
    let expected = expectation(members, task);
    members.iter().filter(is_started).try_for_each(|member| elf::check(&member.content, &member.name, &expected))
}

fn expectation<'a>(members: &'a [zip::Member], task: &'a Task) -> elf::Expectation<'a> {
    let config = &task.config;
    elf::Expectation {
        arch: config.target_arch,
        runtime: config.runtime,
        kind: task.kind(),
        included: members,
        linked_by: &task.function.closure().linked_by,
    }
}

/// What the setting `include` names.
///
/// # Errors
/// What cannot go into a zip.
pub fn included(task: &Task) -> Result<Inclusion> {
    let Task { workspace, config, function, .. } = task;
    let selections = selections(config, function.package.folder(), &workspace.root)?;
    let (excluded, place) = (inputs::excluded(workspace, function, config), config.place_of("include"));
    let (root, kind, binary) = (&workspace.root, task.kind(), function.name.as_str());
    include::find(&selections, &Surroundings { root, excluded: &excluded, place: &place, kind, binary })
}

/// The zip of a binary, where the kind has one, and of what goes into it beside that.
pub fn archive(binary: &[u8], mut members: Vec<zip::Member>, task: &Task) -> Result<Vec<u8>> {
    let config = &task.config;
    if let Some(name) = task.kind().place_of(&task.function.name) {
        members.push(zip::Member { name, executable: true, content: binary.to_vec() });
    }
    limits::check(members.iter().map(|member| member.content.len() as u64).sum())?;
    zip::archive(members, zip::level(config.mode))
}
