//! `lambda-packager image`: functions as container images, in an engine and in a registry.

use std::path::Path;

use lambda_packager::internal::image::Image;
use lambda_packager::internal::{
    BackendRequest, EngineError, Error, Manifest, Place, Project, Reporter, Request, Result, Sha, Stage, Task,
    candidates, fs, image, inputs, is_expected, print_lines, run, runtime_image, select, with_patience,
};

use crate::args::Image as Command;
use crate::production;
use crate::publish::credentials::By;
use crate::publish::{Address, Names, Record, Reference, Repository, archive, push, revision};

mod context;
mod github;

use context::{Context, Rollback, contexts, with_tags};

/// Runs a command of `image`, for each function that the settings select.
pub fn image(command: &Command, mut request: Request, json: bool, report: &mut Reporter) -> Result<()> {
    if let Command::Build { target, .. } | Command::Push { target, .. } = command {
        production::for_environment(&mut request, &target.env)?;
    }
    run(command, &request, json, report).map_err(Error::telling_full_disks)
}

fn run(command: &Command, request: &Request, json: bool, report: &mut Reporter) -> Result<()> {
    let project = Project::find(request)?;
    let tasks = project.tasks()?;
    let contexts = contexts(&tasks, &command.target().env, report)?;
    match command {
        Command::Build { archive, .. } => build(&contexts, request, archive.as_deref(), json, report),
        Command::Push { archive, .. } => push(&contexts, request, archive.as_deref(), json, report),
        Command::List(_) => contexts.iter().try_for_each(|context| list(context, contexts.len() > 1, json, report)),
        Command::Check { image, .. } => check(&contexts[0], image, json, report),
        Command::Rollback { tags, .. } => rollback(with_tags(contexts, tags)?, json, report),
    }
}

fn build(
    contexts: &[Context],
    request: &Request,
    archive: Option<&Path>,
    json: bool,
    report: &mut Reporter,
) -> Result<()> {
    if let Some(path) =
        archive.filter(|path| fs::lstat(path).is_ok_and(|meta| meta.is_some_and(|meta| !meta.is_file())))
    {
        let why = format!("--archive: {} is a folder, a link or a device, which is not replaced", path.display());
        return Err(Error::config(why).hint_with("name a file"));
    }
    run::run(request, report)?;
    let mut archived = Vec::new();
    for context in contexts {
        let (image, tag) = report.stage(Stage::Image, |report| assemble(context, report))?;
        let record = Record::of(&context.names, &tag, &image.manifest.bytes);
        if archive.is_some() {
            archived.push((context, image, record));
            continue;
        }
        report.stage(Stage::Load, |report| load(context, &image, &record, report))?;
        context.finish(&record, json, report)?;
    }
    let Some(path) = archive else { return Ok(()) };
    let images: Vec<_> = archived.iter().map(|(_, image, record)| (image, record.names())).collect();
    fs::replace(path, &image::archive(&images)?, 0o644, None)?;
    archived.iter().try_for_each(|(context, _, record)| context.finish(record, json, report))
}

fn push(
    contexts: &[Context],
    request: &Request,
    archive: Option<&Path>,
    json: bool,
    report: &mut Reporter,
) -> Result<()> {
    // Before the compile: a failed login ends the command early.
    let clients = contexts.iter().map(|context| context.client(report)).collect::<Result<Vec<_>>>()?;
    let mut archived = archive.map(|path| of_archive(contexts, path)).transpose()?.map(Vec::into_iter);
    if archived.is_none() {
        run::run(request, report)?;
    }
    let mut pushed = Vec::new();
    for (context, client) in contexts.iter().zip(&clients) {
        let (image, tag) = match archived.as_mut().and_then(Iterator::next) {
            Some(archived) => archived,
            None => report.stage(Stage::Image, |report| assemble(context, report))?,
        };
        let repository = Repository::new(client, &context.names.repository);
        client.progressed();
        report.stage(Stage::Push, |report| push::push(&repository, &image, &tag, &context.names.moving(), report))?;
        let mut record = Record::of(&context.names, &tag, &image.manifest.bytes);
        record.reference = Some(repository.reference(&image.manifest.digest));
        context.finish(&record, json, report)?;
        pushed.push((context, record));
    }
    github::set_outputs(&pushed)
}

/// Prints the rollback targets; with several functions, each with its repository.
fn list(context: &Context, is_named: bool, json: bool, report: &mut Reporter) -> Result<()> {
    let client = context.client(report)?;
    let repository = Repository::new(&client, &context.names.repository);
    let versions = push::versions(&repository, &context.names, report)?;
    let whose = if is_named { format!("{}  ", context.names.repository) } else { String::new() };
    let lines = versions.iter().map(|version| {
        if json {
            return serde_json::json!({"v": 1, "function": context.task.function.id, "version": version}).to_string();
        }
        let moving =
            if version.moving.is_empty() { String::new() } else { format!("  <- {}", version.moving.join(", ")) };
        let digest = &version.digest[..19.min(version.digest.len())];
        format!("{whose}{}  {digest}  {}{moving}", version.tag, version.created)
    });
    print_lines(&lines.collect::<Vec<_>>());
    Ok(())
}

fn check(context: &Context, image: &str, json: bool, report: &mut Reporter) -> Result<()> {
    let reference = Reference::parse(image)?;
    let config = &context.task.config;
    let configured = config.registry.as_ref().map(|it| Address::parse(it, &config.place_of("registry"))).transpose()?;
    // A reference does not say whether the registry has TLS. The setting does.
    let address = match configured {
        Some(address) if address.authority == reference.registry => address,
        _ => Address::parse(&reference.registry, &format!("image {image}"))?,
    };
    let client = context.client_of(address, &reference.repository, By::Reference, report)?;
    let repository = Repository { client: &client, name: reference.repository };
    report.stage(Stage::Push, |report| push::check(&repository, &reference.digest, report))?;
    print_lines(&[if json { serde_json::json!({"v": 1, "image": image}).to_string() } else { image.to_string() }]);
    Ok(())
}

/// Moves the tags of each function to the image with its tag; of none before all of these are known to be there. Also tells
/// the images of the others, which stay: what is deployed is all of them.
fn rollback(Rollback { targets, others }: Rollback, json: bool, report: &mut Reporter) -> Result<()> {
    let mut staying = Vec::new();
    for context in &others {
        let client = context.client(report)?;
        let repository = Repository::new(&client, &context.names.repository);
        let [tag, _] = context.names.moving();
        let Some(manifest) = report.stage(Stage::Push, |report| repository.manifest(&tag, report))? else {
            report.note(&format!("{} has no image {tag:?} yet", repository.name));
            continue;
        };
        let mut record = Record::of(&context.names, &tag, &manifest.bytes);
        record.reference = Some(repository.reference(&manifest.digest));
        staying.push((context, record));
    }
    let mut found = Vec::new();
    for (context, tag) in &targets {
        let client = context.client(report)?;
        let repository = Repository::new(&client, &context.names.repository);
        let manifest = report.stage(Stage::Push, |report| push::target(&repository, &context.names, tag, report))?;
        found.push((context, tag, client, manifest));
    }
    let mut moved = Vec::new();
    for (context, tag, client, manifest) in &found {
        let repository = Repository::new(client, &context.names.repository);
        client.progressed();
        report.stage(Stage::Push, |report| push::point(&repository, manifest, &context.names.moving(), report))?;
        let mut record = Record::of(&context.names, tag, &manifest.bytes);
        record.reference = Some(repository.reference(&manifest.digest));
        context.finish(&record, json, report)?;
        moved.push((*context, record));
    }
    staying.iter().for_each(|(context, record)| context.tell(record, json, report));
    github::set_outputs(&moved.into_iter().chain(staying).collect::<Vec<_>>())
}

/// The images of functions in a file, each with its immutable tag.
///
/// # Errors
/// If it lacks one of them.
fn of_archive(contexts: &[Context], path: &Path) -> Result<Vec<(Image, String)>> {
    let mut images = archive::read(path)?;
    let known = images.iter().flat_map(|(_, named)| named.clone()).collect::<Vec<_>>().join(", ");
    let mut found = Vec::new();
    for Context { names, .. } in contexts {
        let Names { repository, environment } = names;
        let tag_of = |named: &[String]| {
            let mut tags = named.iter().filter_map(|name| name.strip_prefix(&format!("{repository}:")));
            tags.find(|tag| names.stays(tag)).map(String::from)
        };
        let place = images.iter().enumerate().find_map(|(index, (_, named))| Some((index, tag_of(named)?)));
        let Some((index, tag)) = place else {
            return Err(Error::config(format!("{} has no image {repository} of {environment}", path.display()))
                .source(format!("it has {known}"))
                .hint_with("push it with the environment, the name and the functions that it was built with"));
        };
        found.push((images.remove(index).0, tag));
    }
    Ok(found)
}

/// Makes the image of a packaged function; also returns its immutable tag.
fn assemble(context: &Context, report: &mut Reporter) -> Result<(Image, String)> {
    let Context { task, names, .. } = context;
    let Task { workspace, config, function, places, .. } = task;
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
    let made = inputs::excluded(workspace, function, config);
    let revision = revision::of(&workspace.root, &manifest.inputs, &workspace.package_folders(), &made)?;
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
    let Task { workspace, config, function, places, .. } = context.task;
    let last = Manifest::load(&places.manifest, &function.name, workspace).ok().map(|manifest| manifest.backend.engine);
    for engine in candidates(config, &workspace.state_folder())? {
        let load = |report: &mut Reporter| runtime_image::load(&engine, image, &names, report);
        let loaded = match is_expected(&engine, config, last.as_deref()) {
            true => with_patience(&engine, report, load),
            false => load(report),
        };
        match loaded {
            Ok(()) => return Ok(()),
            Err(EngineError::Refused(error) | EngineError::Interrupted(error)) => return Err(error),
            Err(failure) => report.note(&Error::from(failure).to_string()),
        }
    }
    let path = places.folder.join("image.tar");
    fs::replace(&path, &image.archive(&names)?, 0o644, None)?;
    let path = path.display();
    report.note(&format!("no container engine is available locally: the image was written to {path}"));
    Ok(())
}
