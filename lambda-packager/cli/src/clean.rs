//! `lambda-packager clean`: removes what was made for this project, or for all of this user's, and
//! nothing else.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lambda_packager::internal::builder_image::Use;
use lambda_packager::internal::deps_cache::{KEPT, name_of};
use lambda_packager::internal::dockerfile::CLEAN_ROOM;
use lambda_packager::internal::image::{FINGERPRINT, LAYERS, TITLE};
use lambda_packager::internal::{
    Engine, EngineError, Error, Function, Image, Lock, Mode, Reporter, Result, base_image, builder_image, container,
    deps_cache, fs, is_lock_of_function, ours, print_lines, runtime_image, with_patience,
};

use crate::args::Clean;
use crate::json;
use crate::project::Context;
use crate::publish::Names;

/// What was, or would be, removed.
#[derive(Default)]
struct Swept {
    removed: Vec<(String, u64)>,
    /// What was skipped, or has no known size.
    notes: Vec<String>,
}

impl Swept {
    fn add(&mut self, what: String, bytes: u64) {
        self.removed.push((what, bytes));
    }

    fn bytes(&self) -> u64 {
        self.removed.iter().map(|(_, bytes)| bytes).sum()
    }

    fn lines(&self) -> Vec<String> {
        let removed = self.removed.iter().map(|(what, bytes)| format!("  {what} ({bytes} bytes)"));
        removed.chain(self.notes.iter().map(|note| format!("  {note}"))).collect()
    }
}

/// Removes what the flags name.
pub fn clean(context: &Context, flags: &Clean, as_json: bool, report: &mut Reporter) -> Result<u8> {
    let mut swept = Swept::default();
    let all = flags.all || flags.everything || !(flags.container || flags.cache);
    let state = context.project.workspace.state_folder();
    let known = names_in(&state)?;
    let _locks = if flags.dry_run { Vec::new() } else { lock_all(&state, &known, report)? };
    let mut failed = None;
    for engine in context.engines()? {
        let answers = match context.is_expected(&engine) {
            true => with_patience(&engine, report, |_| engine.version().map(drop)),
            false => Ok(()),
        };
        match answers.and_then(|()| sweep_engine(&engine, context, flags, all, &mut swept)) {
            // From an engine that does not answer, nothing can be removed now.
            Err(EngineError::Unreachable(error) | EngineError::Hangs(error) | EngineError::Forbidden(error)) => {
                swept.notes.push(format!("skipped: {error}"))
            }
            Err(EngineError::Interrupted(error)) => return Err(error),
            // It keeps nothing else from being removed.
            Err(failure) => {
                let error = Error::from(failure);
                swept.notes.push(format!("skipped: {}", error.with_cause()));
                failed = failed.or(Some(error).filter(|_| context.is_expected(&engine)));
            }
            Ok(()) => {}
        }
    }
    if all || flags.cache {
        sweep_state(&state, &known, flags.dry_run, &mut swept)?;
    }
    let bytes = swept.bytes();
    if as_json {
        print_lines(&[json::cleaned(flags.dry_run, bytes, &swept.removed, &swept.notes)]);
    } else {
        let verb = if flags.dry_run { "would remove" } else { "removed" };
        print_lines(&[vec![format!("{verb} {bytes} bytes")], swept.lines()].concat());
    }
    failed.map_or(Ok(0), Err)
}

fn sweep_engine(
    engine: &Engine,
    context: &Context,
    flags: &Clean,
    all: bool,
    swept: &mut Swept,
) -> Result<(), EngineError> {
    let name = engine.kind.program();
    if all || flags.container {
        let label = if flags.everything { context.identity.label_of_user() } else { context.identity.label() };
        for container in engine.containers_with(&label)? {
            if !flags.dry_run {
                engine.remove(&container.id)?;
            }
            swept.add(format!("{name} container {}", container.name()), container.size_rw.unwrap_or(0));
        }
        // After the containers that use them.
        sweep_volumes(engine, &label, flags.dry_run, swept)?;
    }
    if all || flags.cache {
        let everybodys = format!("{KEPT}={}", context.identity.user);
        let label = if flags.everything { everybodys } else { deps_cache::made_by(&context.identity) };
        for image in deps_cache::all(engine, &label)? {
            if flags.dry_run || engine.remove_names(image.handles())? {
                let title = name_of(&image).unwrap_or(&image.id);
                swept.add(format!("{name} image {title}"), image.size_bytes);
            }
        }
    }
    if all {
        let mut images = base_image::all_borrowed(engine)?;
        if flags.everything {
            // Also those on other images than the builder image.
            images.extend(engine.images_with(CLEAN_ROOM)?.into_iter().filter(builder_image::is_layer_of_clean_room));
        }
        let goes = |what_for: Use| flags.everything || [Use::Outdated, Use::OutdatedLayer].contains(&what_for);
        images.extend(builder_image::all(engine)?.into_iter().filter(|(_, is)| goes(*is)).map(|(image, _)| image));
        images.sort_by(|a, b| a.id.cmp(&b.id));
        images.dedup_by(|a, b| a.id == b.id);
        // An image that another project still uses stays; the `clean` of the last such project removes it.
        let removed = if flags.dry_run { images } else { engine.remove_images(images)? };
        for image in removed {
            swept.add(format!("{name} image {}", image.handles().join(" ")), image.size_bytes);
        }
        for image in of_functions(engine, context, flags.everything)? {
            if flags.dry_run || engine.remove_names(image.handles())? {
                swept.add(format!("{name} image {}", image.handles().join(" ")), image.size_bytes);
            }
        }
    }
    Ok(())
}

fn sweep_volumes(engine: &Engine, label: &str, dry_run: bool, swept: &mut Swept) -> Result<(), EngineError> {
    let volumes = container::volumes_with(engine, label)?;
    if volumes.is_empty() {
        return Ok(());
    }
    // Not every engine knows sizes, and they are no reason to fail.
    let sizes = engine.volume_sizes().unwrap_or_default();
    for volume in volumes {
        let what = format!("{} volume {}", engine.kind.program(), volume.name);
        let removed = if dry_run { Ok(()) } else { engine.remove_volumes(std::slice::from_ref(&volume.name)) };
        match (removed, sizes.get(&volume.name)) {
            // A container of somebody else uses it.
            (Err(EngineError::Refused(error)), _) => swept.notes.push(format!("kept: {what}: {}", error.with_cause())),
            (Err(failure), _) => return Err(failure),
            (Ok(()), Some(bytes)) => swept.add(what, *bytes),
            (Ok(()), None) => swept.notes.push(format!("{what} (size not known)")),
        }
    }
    Ok(())
}

/// The local images of functions, but not what others built upon them. Their labels name the function and not the project, so
/// that every project makes the same image; their names are the project's.
fn of_functions(engine: &Engine, context: &Context, of_everybody: bool) -> Result<Vec<Image>, EngineError> {
    // Of a damaged one, only the names are known.
    let is_function = |image: &Image| {
        (image.labels.contains_key(FINGERPRINT) && image.layers.len() == LAYERS) || image.labels.is_empty()
    };
    if of_everybody {
        let images = engine.images_with(FINGERPRINT)?;
        // An image keeps its immutable name, by which its others are known.
        let names: Vec<_> =
            images.iter().flat_map(|image| &image.names).filter_map(|name| Names::behind(name)).collect();
        let of_production = format!("{}:", runtime_image::REPOSITORY);
        let is_given = |name: &str| name.starts_with(&of_production) || names.iter().any(|names| names.has(name));
        return Ok(ours(images, is_given).into_iter().filter(is_function).collect());
    }
    let programs = context.project.programs();
    let (mut names, mut of_production, mut images) = (Vec::new(), Vec::new(), Vec::new());
    for (Function { id, .. }, config) in &programs {
        // A name that is not valid is no image's.
        names.extend(config.environments.iter().filter_map(|environment| Names::of(config, environment, id).ok()));
        of_production.extend([Mode::Prod, Mode::Docker].map(|mode| runtime_image::name(&context.identity, id, mode)));
    }
    let is_given =
        |name: &str| of_production.iter().any(|own| own == name) || names.iter().any(|names| names.has(name));
    let titles: BTreeSet<_> = programs.iter().map(|(function, _)| &function.name).collect();
    for title in titles {
        let of_title = engine.images_with(&format!("{TITLE}={title}"))?;
        images.extend(ours(of_title, is_given).into_iter().filter(is_function));
    }
    Ok(images)
}

/// The names in `target/lambda`.
fn names_in(state: &Path) -> Result<Vec<String>> {
    if fs::is_dir(state) { fs::names_in(state) } else { Ok(Vec::new()) }
}

/// Waits until no run uses anything that is `known` in `target/lambda`, and keeps later ones waiting. Functions share what is
/// compiled on the host and in a container, so no lock of a function is enough. Those of functions come first, then that of the container, in the order in
/// which a run takes them: a run holds these to its end, and takes others meanwhile.
fn lock_all(state: &Path, known: &[String], report: &mut Reporter) -> Result<Vec<Lock>> {
    let locks = locks_in(state, known);
    locks.iter().map(|path| Lock::acquire(path, |holder| report.waiting_for(holder))).collect()
}

fn locks_in(state: &Path, known: &[String]) -> Vec<PathBuf> {
    let locks = known.iter().filter(|name| is_lock(name)).map(|name| state.join(name));
    let (mut of_functions, mut others): (Vec<_>, Vec<_>) = locks.partition(|path| is_lock_of_function(path));
    of_functions.sort();
    // Who has that of the container may wait for a compile.
    others.sort_by_key(|path| (!path.ends_with("container.lock"), path.clone()));
    of_functions.append(&mut others);
    of_functions
}

fn is_lock(name: &str) -> bool {
    name.ends_with(".lock")
}

/// Removes what is remembered and compiled in `target/lambda`, and was `known` before all locks were taken: a function that
/// came later has a lock of its own. Locks stay: who waits for one that is removed would hold another than who comes later.
fn sweep_state(state: &Path, known: &[String], dry_run: bool, swept: &mut Swept) -> Result<()> {
    for name in names_in(state)?.into_iter().filter(|name| !is_lock(name) && known.contains(name)) {
        let path = state.join(&name);
        let bytes = fs::size_of_tree(&path)?;
        if !dry_run {
            fs::remove_tree(&path)?;
        }
        swept.add(format!("target/lambda/{name}"), bytes);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use lambda_packager::internal::{Event, Sink};

    use super::*;

    /// Tells that somebody waits.
    struct Waits(mpsc::Sender<String>);

    impl Sink for Waits {
        fn emit(&mut self, event: &Event) {
            if let Event::Waiting { holder } = event {
                self.0.send(holder.clone()).unwrap();
            }
        }
    }

    #[test]
    fn what_a_run_uses_is_removed_after_the_run_and_its_lock_never() {
        // What functions share is compiled under a lock of its own, which a function after it in the alphabet holds.
        for (folder, lock) in [
            ("app", "function-app.lock"),
            ("host-0123", "function-worker.lock"),
            ("host-0123", "compile-host-0123.lock"),
        ] {
            let dir = tempfile::tempdir().unwrap();
            let (state, lock) = (dir.path().to_path_buf(), dir.path().join(lock));
            let file = state.join(folder).join("file");
            fs::replace(&file, b"zip", 0o644, None).unwrap();
            let held = Lock::acquire(&lock, |_| panic!("nobody holds it")).unwrap();
            let (sender, waits) = mpsc::channel();
            let sweeper = thread::spawn(move || {
                let mut report = Reporter::new(vec![Box::new(Waits(sender))], false, false);
                let known = names_in(&state)?;
                let mut swept = Swept::default();
                let _locks = lock_all(&state, &known, &mut report)?;
                sweep_state(&state, &known, false, &mut swept).map(|()| swept.lines())
            });
            assert!(waits.recv().unwrap().starts_with("process "));
            assert!(fs::is_file(&file));
            // What came meanwhile is of a run that has begun.
            let later = dir.path().join("later/file");
            fs::replace(&later, b"zip", 0o644, None).unwrap();
            drop(held);
            assert_eq!(sweeper.join().unwrap().unwrap(), [format!("  target/lambda/{folder} (3 bytes)")]);
            assert!(!fs::is_dir(&dir.path().join(folder)) && fs::is_file(&lock) && fs::is_file(&later));
        }
    }

    #[test]
    fn locks_of_functions_are_taken_first_as_a_run_does() {
        let dir = tempfile::tempdir().unwrap();
        let names = ["compile-host-1.lock", "function-b.lock", "container.lock", "function-a.lock"].map(String::from);
        let locks = locks_in(dir.path(), &names);
        let expected = ["function-a.lock", "function-b.lock", "container.lock", "compile-host-1.lock"];
        assert_eq!(locks, expected.map(|name| dir.path().join(name)));
    }
}
