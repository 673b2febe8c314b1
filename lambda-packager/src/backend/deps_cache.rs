//! Compiled dependencies, saved as an image: a new container for another checkout, worktree or branch with the same
//! dependencies starts from them. Such an image holds only units of downloaded crates, nothing of the workspace, and
//! is based on no other image.

use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread;

use crate::backend::{Identity, Wanted, container, lock_file};
use crate::cargo;
use crate::cargo::{LockedPackage, config_flags, lockfile};
use crate::compile::{CARGO_HOME, CompiledUnits, TARGET, USER};
use crate::config::Network;
use crate::engine;
use crate::engine::{ContainerSpec, Engine, EngineError, ExecSpec, Image};
use crate::error::{Error, Result};
use crate::sys::{Lock, Output, PACKAGER, Sha, fs};

/// Scripts that run in the container; their first lines say what they do.
const PACK: &str = include_str!("pack.sh");
const UNPACK: &str = include_str!("unpack.sh");
/// Runs beside a compile.
pub const PACK_ALONG: &str = include_str!("pack_along.sh");
/// The exit status of `PACK` if nothing may be saved.
const NOT_TO_BE_KEPT: i32 = 3;
/// The exit status of `PACK` if nothing in the container can pack: the files are in the folder `LAYOUT`.
const NOT_PACKED: i32 = 4;
const LAYOUT: &str = "/target/.lambda-packager/layout/target";

/// The label of these images; its value is the user id that they are for.
pub const KEPT: &str = "lambda-packager.deps";
/// The label with the project that made one.
const MADE_BY: &str = "lambda-packager.deps-project";
/// The folder in them, which has all.
const FOLDER: &str = TARGET;
pub const REPOSITORY: &str = "lambda-packager-deps";
/// Engines do not record when an image was used last, so a second tag does.
const USED: &str = "-used-";

/// The image with the compiled dependencies of a project's container.
#[derive(Debug)]
pub struct DepsCache {
    name: String,
    user: u32,
    labels: Vec<String>,
    /// The name and labels of the container through which the image is read.
    reader: (String, Vec<String>),
    limit_bytes: u64,
    /// The lock of the container: its functions prepare what they save in one folder.
    lock: PathBuf,
    /// Where the sources are in the container.
    folders: Vec<String>,
}

/// An image that was saved.
pub struct CachedImage {
    pub image: String,
    pub size_bytes: u64,
}

impl DepsCache {
    /// The image for a container. `None` if nothing may be saved: a passed variable reaches every build script,
    /// and what they write may contain a secret.
    pub fn of(wanted: &Wanted, identity: &Identity) -> Result<Option<Self>> {
        let config = wanted.config;
        let limit_bytes = config.deps_cache_limit.0;
        let locked = lockfile::read(&wanted.workspace.root)?;
        if locked.is_empty() || limit_bytes == 0 || !cargo::secrets(wanted.workspace, config)?.is_empty() {
            return Ok(None);
        }
        let mut text = format!(
            "5 {} {} {} {} {} {} {:?} {:?}\n{}\n",
            PACKAGER,
            wanted.image.identity,
            config.target_arch,
            config.mode,
            config.profile,
            config.network,
            config.features,
            config.cargo_flags,
            wanted.forwarded.toml,
        );
        for LockedPackage { name, version, source, checksum } in &locked {
            text.push_str(&format!("{name} {version} {source} {}\n", checksum.as_deref().unwrap_or_default()));
        }
        // What cargo does not track, such as the `[env]` of its configuration.
        let flagged = config_flags::files(wanted.workspace, config)?;
        for file in wanted.workspace.config_files()?.into_iter().chain(flagged) {
            if let Some(bytes) = fs::read_if_exists(&wanted.workspace.root.join(file))? {
                text.push_str(&Sha::of(&bytes).to_string());
            }
        }
        let name = Sha::of(text.as_bytes()).short(16);
        let labels = [format!("{KEPT}={}", identity.user), made_by(identity)].into_iter().chain(config.label.clone());
        let reader_labels = [identity.label()].into_iter().chain(config.label.clone());
        let reader = (format!("{}-deps", identity.name), reader_labels.collect());
        let lock = lock_file(wanted.workspace);
        let folders = container::places(wanted).into_iter().filter(|place| place != CARGO_HOME).collect();
        Ok(Some(Self { name, user: identity.user, labels: labels.collect(), reader, limit_bytes, lock, folders }))
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    fn reference(&self) -> String {
        format!("{REPOSITORY}:{}", self.name)
    }

    /// Fills the target directory of a new, running container. Returns the image's name; `None` if there is no image.
    pub fn fill(&self, engine: &Engine, container: &str, identity: &Identity) -> Result<Option<String>, EngineError> {
        let reference = self.reference();
        let Some(image) = engine.image(&reference)? else {
            return Ok(None);
        };
        let (reader, labels) = &self.reader;
        if engine.inspect(reader)?.is_some_and(|left| identity.owns(&left)) {
            engine.remove(reader)?;
        }
        engine.create(&ContainerSpec {
            name: reader.clone(),
            image: reference.clone(),
            labels: labels.clone(),
            network: Network::None,
            mounts: Vec::new(),
            volumes: Vec::new(),
            env: Vec::new(),
            // It is never started.
            command: vec!["none".into()],
        })?;
        let copied = engine.copy_folder(reader, FOLDER, container, CARGO_HOME);
        engine.remove(reader)?;
        copied?;
        // Engines do not agree on who owns a copy: the user who compiles makes its own of it.
        let kept = format!("{CARGO_HOME}{FOLDER}");
        run_as_root(engine, container, &["chmod", "1777", TARGET])?;
        run(engine, container, &["sh", "-c", UNPACK, "lambda-packager", &kept, TARGET, &self.name])?;
        run_as_root(engine, container, &["rm", "-rf", &kept])?;
        self.mark_as_used(engine, &image.id, &image.names)?;
        Ok(Some(reference))
    }

    /// Whether `made` has a unit that the image lacks, and the target directory began with these dependencies or none.
    pub fn lacks(&self, made: &CompiledUnits) -> bool {
        let may_be_kept = made.kept.contains(&format!("= {}", self.name));
        may_be_kept && made.units.iter().any(|unit| !made.kept.contains(&format!("{} {unit}", self.name)))
    }

    /// Saves the compiled units as an image. `None` if they may not be saved or exceed the limit.
    pub fn keep(
        &self,
        engine: &Engine,
        container: &str,
        made: &CompiledUnits,
    ) -> Result<Option<CachedImage>, EngineError> {
        let _lock = Lock::acquire(&self.lock, |_| ())?;
        let units: String = made.units.iter().map(|unit| format!("{unit}\n")).collect();
        let command = ["sh", "-c", PACK, "lambda-packager", TARGET, &self.name, &made.compile].map(String::from);
        let command: Vec<String> = command.into_iter().chain(self.folders.iter().cloned()).collect();
        let (reference, pack) = (self.reference(), as_user(container, &command));
        let packed = engine.import_output(&pack, units.into_bytes().into(), &reference, &self.labels)?;
        match packed.code {
            0 => {}
            NOT_PACKED => engine.import_folder(container, LAYOUT, &reference, &self.labels)?,
            NOT_TO_BE_KEPT => return Ok(None),
            _ => return Err(failed(container, &packed)),
        }
        let done = format!("cd {TARGET}/.lambda-packager && cat layout/kept >>kept && rm -rf layout");
        thread::scope(|scope| {
            let done = scope.spawn(|| run(engine, container, &["sh", "-c", &done]));
            // The image is new and has no older mark.
            self.mark_as_used(engine, &reference, &[])?;
            done.join().unwrap_or_else(|panic| resume_unwind(panic))
        })?;
        let left = prune(engine, self.user, self.limit_bytes)?;
        // Podman puts `localhost/` before a name.
        let image = left.into_iter().find(|image| name_of(image).is_some_and(|name| name.ends_with(&reference)));
        Ok(image.map(|image| CachedImage { image: reference, size_bytes: image.size_bytes }))
    }

    /// Marks an image, whose names are `names`, as used now.
    fn mark_as_used(&self, engine: &Engine, id: &str, names: &[String]) -> Result<(), EngineError> {
        let now = fs::now_ns();
        let mark = format!("{}{USED}{now}", self.reference());
        engine.tag(id, &mark)?;
        let old = names.iter().filter(|name| name.contains(USED) && !name.ends_with(&mark)).cloned();
        engine.remove_names(&old.collect::<Vec<_>>()).map(drop)
    }
}

/// Runs a script in a container as the user who compiles.
fn run(engine: &Engine, container: &str, command: &[&str]) -> Result<(), EngineError> {
    let command: Vec<String> = command.iter().map(|word| word.to_string()).collect();
    succeed(engine, &as_user(container, &command))
}

/// The same as root.
fn run_as_root(engine: &Engine, container: &str, command: &[&str]) -> Result<(), EngineError> {
    let command: Vec<String> = command.iter().map(|word| word.to_string()).collect();
    succeed(engine, &ExecSpec { user: None, ..as_user(container, &command) })
}

fn as_user<'a>(container: &'a str, command: &'a [String]) -> ExecSpec<'a> {
    ExecSpec { name: container, folder: "/", user: Some((USER, USER)), env: &[], passed_env: &[], command }
}

fn succeed(engine: &Engine, script: &ExecSpec) -> Result<(), EngineError> {
    let output = engine.transfer(&engine.exec(script), None)?;
    if output.success() { Ok(()) } else { Err(failed(script.name, &output)) }
}

fn failed(container: &str, script: &Output) -> EngineError {
    let error = format!("a script in the container {container} ended with status {}", script.code);
    Error::engine(error).source(script.stderr_text()).into()
}

/// The label of the images that a project made.
pub fn made_by(identity: &Identity) -> String {
    format!("{MADE_BY}={}", identity.project)
}

/// Removes images of a user: those whose name another image took, then the least recently used ones until the rest
/// is within `limit_bytes`. Returns the rest.
fn prune(engine: &Engine, user: u32, limit_bytes: u64) -> Result<Vec<Image>, EngineError> {
    let (stay, go) = excess(all(engine, &format!("{KEPT}={user}"))?, limit_bytes);
    for image in go {
        // One that a container is being filled from stays.
        engine.remove_names(image.handles())?;
    }
    Ok(stay)
}

/// The images of compiled dependencies with a label, with the names that they were given here.
pub fn all(engine: &Engine, label: &str) -> Result<Vec<Image>, EngineError> {
    Ok(engine::ours(engine.images_with(label)?, |name| name.starts_with(&format!("{REPOSITORY}:"))))
}

/// Which images stay, and which are removed.
fn excess(images: Vec<Image>, limit_bytes: u64) -> (Vec<Image>, Vec<Image>) {
    let (mut named, mut gone): (Vec<_>, Vec<_>) = images.into_iter().partition(|image| name_of(image).is_some());
    named.sort_unstable_by_key(last_used);
    let mut total: u64 = named.iter().map(|image| image.size_bytes).sum();
    let mut stay = Vec::new();
    for image in named {
        if total > limit_bytes {
            total -= image.size_bytes;
            gone.push(image);
        } else {
            stay.push(image);
        }
    }
    (stay, gone)
}

/// The name without a mark.
pub fn name_of(image: &Image) -> Option<&str> {
    image.names.iter().map(String::as_str).find(|name| !name.contains(USED))
}

fn last_used(image: &Image) -> u128 {
    let marks = image.names.iter().filter_map(|name| name.split_once(USED)?.1.parse().ok());
    marks.max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(id: &str, names: &[&str], size_bytes: u64) -> Image {
        let names = names.iter().map(|name| name.to_string()).collect();
        Image { id: id.into(), names, size_bytes, ..Image::default() }
    }

    #[test]
    fn the_least_recently_used_goes_first_and_the_nameless_at_once() {
        let all = || {
            vec![
                image("new", &["r:a", "r:a-used-30"], 10),
                image("never", &["r:b"], 10),
                image("replaced", &["r:c-used-40"], 10),
                image("old", &["r:c", "r:c-used-9", "r:c-used-8"], 10),
            ]
        };
        let gone = |limit| excess(all(), limit).1.into_iter().map(|image| image.id).collect::<Vec<_>>();
        assert_eq!(gone(30), ["replaced"]);
        assert_eq!(gone(29), ["replaced", "never"]);
        assert_eq!(gone(10), ["replaced", "never", "old"]);
        assert_eq!(gone(9), ["replaced", "never", "old", "new"]);
    }
}
