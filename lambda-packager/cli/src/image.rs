//! `lambda-packager image`: the function as a container image, in an engine and in a registry.

use std::path::{Path, PathBuf};

use lambda_packager::internal::image::Image;
use lambda_packager::internal::{
    BackendRequest, EngineError, Error, Event, Layer, Manifest, Mode, Origin, Place, Places, Project, Reporter,
    Request, Result, Sha, Stage, candidates, fs, image, print_lines, printable, run, runtime_image, select,
};

use crate::args::{Image as Command, Target};
use crate::publish::{Address, Client, Names, Record, Reference, Repository, archive, credentials, push, revision};

/// The environment for production, by the name that the setting `environments` has for it if nobody sets it.
const PRODUCTION: &str = "prod";

/// Runs a command of `image`.
pub fn image(command: &Command, mut request: Request, json: bool, report: &mut Reporter) -> Result<()> {
    if matches!(command, Command::Build { target, .. } | Command::Push { target, .. } if target.env == PRODUCTION) {
        set_production_mode(&mut request)?;
    }
    let request = &request;
    let context = Context::find(command.target(), request).map_err(Error::telling_full_disks)?;
    let result = match command {
        Command::Build { archive, .. } => build(&context, request, archive.as_deref(), json, report),
        Command::Push { archive, .. } => push(&context, request, archive.as_deref(), json, report),
        Command::List(_) => list(&context, json, report),
        Command::Check { image, .. } => check(&context, image, json, report),
        Command::Rollback { tag, .. } => rollback(&context, tag, json, report),
    };
    result.map_err(Error::telling_full_disks)
}

/// Makes a request package for production: in the mode `prod`, unless a setting says `docker`.
///
/// # Errors
/// If a setting says another mode: such a zip may be of this machine's own toolchain, in a pipeline too.
fn set_production_mode(request: &mut Request) -> Result<()> {
    let config = Project::find(request)?.config;
    if !config.is_set("mode") {
        let mode = Layer { mode: Some(Mode::Prod), ..Layer::default() };
        request.layers.push((Origin::Production, mode));
    } else if !config.mode.is_for_production() {
        let (place, mode) = (config.place_of("mode"), config.mode);
        return Err(Error::config(format!("{place}: the mode `{mode}` is not for the environment {PRODUCTION}"))
            .hint_with("use --mode prod or --mode docker, or set no mode: then it is prod"));
    }
    Ok(())
}

/// The project, the names of its images, and the paths of its files.
struct Context {
    project: Project,
    names: Names,
    places: Places,
}

impl Context {
    fn find(target: &Target, request: &Request) -> Result<Self> {
        let project = Project::find(request)?;
        let names = Names::of(&project.config, &target.env)?;
        let places = project.task()?.places;
        Ok(Self { project, names, places })
    }

    fn record(&self) -> PathBuf {
        self.places.folder.join("image.json")
    }

    fn client(&self, report: &mut Reporter) -> Result<Client> {
        let config = &self.project.config;
        let Some(registry) = &config.registry else {
            return Err(Error::config("no registry is set")
                .hint_with("use --registry HOST, or set LAMBDA_PACKAGER_REGISTRY or `registry` in Cargo.toml"));
        };
        let address = Address::parse(registry, &config.place_of("registry"))?;
        let repository = format!("{}{}", address.prefix, self.names.repository);
        self.client_of(address, &repository, report)
    }

    fn client_of(&self, address: Address, repository: &str, report: &mut Reporter) -> Result<Client> {
        let config = &self.project.config;
        let login = report.stage(Stage::Login, |report| credentials::find(config, &address, repository, report))?;
        Ok(Client::new(address, login))
    }

    /// Stores the record of the image and reports it.
    fn finish(&self, record: &Record, json: bool, report: &mut Reporter) -> Result<()> {
        record.store(&self.record())?;
        report.emit(&Event::Imaged { image: &record.summary(), stages: report.stages() });
        if !json {
            let image = record.reference.clone().unwrap_or_else(|| format!("{}:{}", record.repository, record.tag));
            print_lines(&[image]);
        }
        Ok(())
    }
}

fn build(
    context: &Context,
    request: &Request,
    archive: Option<&Path>,
    json: bool,
    report: &mut Reporter,
) -> Result<()> {
    let (image, tag) = make(context, request, report)?;
    let record = Record::of(&context.names, &tag, &image.manifest.bytes);
    match archive {
        Some(path) => fs::replace(path, &image.archive(&record.names())?, 0o644, None)?,
        None => report.stage(Stage::Load, |report| load(context, &image, &record, report))?,
    }
    context.finish(&record, json, report)
}

fn push(context: &Context, request: &Request, archive: Option<&Path>, json: bool, report: &mut Reporter) -> Result<()> {
    // Before the compile: a failed login ends the command early.
    let client = context.client(report)?;
    let (image, tag) = match archive {
        Some(path) => of_archive(context, path)?,
        None => make(context, request, report)?,
    };
    let repository = Repository::new(&client, &context.names.repository);
    client.progressed();
    report.stage(Stage::Push, |report| push::push(&repository, &image, &tag, &context.names.moving(), report))?;
    let mut record = Record::of(&context.names, &tag, &image.manifest.bytes);
    record.reference = Some(repository.reference(&image.manifest.digest));
    context.finish(&record, json, report)
}

fn list(context: &Context, json: bool, report: &mut Reporter) -> Result<()> {
    let client = context.client(report)?;
    let repository = Repository::new(&client, &context.names.repository);
    let versions = push::versions(&repository, &context.names, report)?;
    let lines = versions.iter().map(|version| {
        if json {
            return serde_json::json!({"v": 1, "version": version}).to_string();
        }
        let moving =
            if version.moving.is_empty() { String::new() } else { format!("  <- {}", version.moving.join(", ")) };
        let digest = &version.digest[..19.min(version.digest.len())];
        // The date is what the registry has.
        printable(&format!("{}  {digest}  {}{moving}", version.tag, version.created)).into_owned()
    });
    print_lines(&lines.collect::<Vec<_>>());
    Ok(())
}

fn check(context: &Context, image: &str, json: bool, report: &mut Reporter) -> Result<()> {
    let reference = Reference::parse(image)?;
    let config = &context.project.config;
    let configured = config.registry.as_ref().map(|it| Address::parse(it, &config.place_of("registry"))).transpose()?;
    // A reference does not say whether the registry has TLS. The setting does.
    let address = match configured {
        Some(address) if address.authority == reference.registry => address,
        _ => Address::parse(&reference.registry, &format!("image {image}"))?,
    };
    let client = context.client_of(address, &reference.repository, report)?;
    let repository = Repository { client: &client, name: reference.repository };
    report.stage(Stage::Push, |report| push::check(&repository, &reference.digest, report))?;
    print_lines(&[if json { serde_json::json!({"v": 1, "image": image}).to_string() } else { image.to_string() }]);
    Ok(())
}

fn rollback(context: &Context, tag: &str, json: bool, report: &mut Reporter) -> Result<()> {
    let client = context.client(report)?;
    let repository = Repository::new(&client, &context.names.repository);
    let manifest = report.stage(Stage::Push, |report| push::rollback(&repository, &context.names, tag, report))?;
    let mut record = Record::of(&context.names, tag, &manifest.bytes);
    record.reference = Some(repository.reference(&manifest.digest));
    context.finish(&record, json, report)
}

/// The image in a file; also returns its immutable tag.
fn of_archive(context: &Context, path: &Path) -> Result<(Image, String)> {
    let (image, names) = archive::read(path)?;
    let Names { repository, environment } = &context.names;
    let tags = names.iter().filter_map(|name| name.strip_prefix(&format!("{repository}:")).map(String::from));
    match tags.into_iter().find(|tag| context.names.stays(tag)) {
        Some(tag) => Ok((image, tag)),
        None => Err(Error::config(format!("{} has no image {repository} of {environment}", path.display()))
            .source(format!("it has {}", names.join(", ")))
            .hint_with("push it with the environment and the name that it was built with")),
    }
}

/// Packages, unless nothing changed, and makes the image; also returns its immutable tag.
fn make(context: &Context, request: &Request, report: &mut Reporter) -> Result<(Image, String)> {
    run::run(request, report)?;
    report.stage(Stage::Image, |report| assemble(context, report))
}

fn assemble(context: &Context, report: &mut Reporter) -> Result<(Image, String)> {
    let Context { project, names, places } = context;
    let Project { workspace, config, .. } = project;
    let function = project.task()?.function;
    let raced = || {
        Error::artifact("another run packages the function right now")
            .hint_with("run it again when the other run has ended")
    };
    let manifest = Manifest::load(&places.manifest, &function.name, workspace)
        .map_err(|problem| raced().source(problem.to_string()))?;
    let bytes = fs::read(&places.zips[0])?;
    if Sha::of(&bytes) != manifest.artifact.zip_sha256 {
        return Err(raced());
    }
    let backend;
    let place = if manifest.backend.host_toolchain {
        Place::Host
    } else {
        backend = select::select(&BackendRequest { workspace, config, before: Some(&manifest.backend) }, report)?;
        if backend.record.image_id != manifest.backend.image_id {
            let base = &backend.record.base;
            return Err(Error::artifact(format!("{base} is no longer the image that the function was compiled in"))
                .hint_with("run it again with --force"));
        }
        Place::Container(&backend)
    };
    let mut parts = runtime_image::parts(&function.name, &bytes, config, &place)?;
    let made: Vec<_> = places.zips.iter().cloned().chain([workspace.root.join("target")]).collect();
    let revision = revision::of(&workspace.root, &manifest.inputs, &made)?;
    let annotation = |name: &str| format!("org.opencontainers.image.{name}");
    match &revision {
        Some(revision) => {
            parts.created.clone_from(&revision.committed);
            let dirty = if revision.dirty { "-dirty" } else { "" };
            parts.labels.insert(annotation("revision"), format!("{}{dirty}", revision.inputs));
            parts.labels.extend(revision.source.iter().map(|source| (annotation("source"), source.clone())));
        }
        None => report.note("there is no git history: the image has no label for its revision"),
    }
    let image = image::assemble(&parts)?;
    let tag = names.immutable(revision.as_ref(), &image.manifest.digest);
    Ok((image, tag))
}

/// Loads the image into the first engine that answers.
fn load(context: &Context, image: &Image, record: &Record, report: &mut Reporter) -> Result<()> {
    let names = record.names();
    for engine in candidates(&context.project.config, &context.project.workspace.state_folder())? {
        match runtime_image::load(&engine, image, &names) {
            Ok(()) => return Ok(()),
            Err(EngineError::Refused(error)) => return Err(error),
            Err(failure) => {
                let error = Error::from(failure);
                if error.is_interrupted() {
                    return Err(error);
                }
                report.note(&error.to_string());
            }
        }
    }
    let path = context.places.folder.join("image.tar");
    fs::replace(&path, &image.archive(&names)?, 0o644, None)?;
    let path = path.display();
    report.note(&format!("no container engine is available locally: the image was written to {path}"));
    Ok(())
}
