//! A function whose image a command is about.

use std::path::PathBuf;

use lambda_packager::internal::{Error, Event, Reporter, Result, Stage, Task, print_lines};

use crate::publish::credentials::By;
use crate::publish::{Address, Client, Names, Record, credentials};

/// A function, and the names of its images.
pub struct Context<'a> {
    pub task: &'a Task<'a>,
    pub names: Names,
    /// Whether what is told of it begins with its name.
    is_one_of_several: bool,
}

/// The context of each function. What makes a layer has no image: it is left out, and noted.
///
/// # Errors
/// If an environment or a name is not valid, if two functions would have one repository, or if an image of a layer is asked
/// for.
pub fn contexts<'a>(tasks: &'a [Task<'a>], environment: &str, report: &mut Reporter) -> Result<Vec<Context<'a>>> {
    let (layers, tasks): (Vec<_>, Vec<_>) = tasks.iter().partition(|task| task.kind().is_layer());
    if let Some(layer) = layers.iter().find(|layer| tasks.is_empty() || is_named(layer)) {
        return Err(no_image(layer));
    }
    if !layers.is_empty() {
        let ids: Vec<_> = layers.iter().map(|task| task.function.id.as_str()).collect();
        report.note(&format!("no image of {}: what makes a layer has none", ids.join(", ")));
    }
    let mut contexts: Vec<Context> = Vec::new();
    let is_one_of_several = tasks.len() > 1;
    for task in tasks {
        let names = Names::of(&task.config, environment, &task.function.id)?;
        if let Some(other) = contexts.iter().find(|other| other.names.repository == names.repository) {
            let (one, two, repository) = (&other.task.function.id, &task.function.id, &names.repository);
            let place = task.config.place_of("image_name");
            return Err(Error::config(format!(
                "{place}: the repository {repository} would have the images of {one} and of {two}"
            ))
            .hint_with(
                "put the function's name into it: `image_name = \"{env}-{function}\"`; or select one function",
            ));
        }
        contexts.push(Context { task, names, is_one_of_several });
    }
    Ok(contexts)
}

/// Whether the user asks for this very function, and not for all that a glob or the project selects.
fn is_named(task: &Task) -> bool {
    let Task { function, config, .. } = task;
    let is_it = |name: &str| name == function.id || name == function.name || name == function.path();
    config.is_of_user("function") && config.function.iter().flat_map(|names| names.wanted()).any(is_it)
}

fn no_image(task: &Task) -> Error {
    let (id, kind, place) = (&task.function.id, task.kind(), task.config.place_of("kind"));
    let error =
        format!("{place}: the zip of {id}, of kind `{kind}`, is for a layer, which cannot be a container image");
    Error::config(error).hint_with(
        "publish its zip: `aws lambda publish-layer-version --zip-file fileb://...`; the image of a function contains \
         its extensions in /opt/extensions",
    )
}

/// The functions that are rolled back, each with its tag: `words` are the tag of the one that there is, or `FUNCTION=TAG`;
/// and those that are not.
///
/// # Errors
/// If a function is not selected, or has two tags; if a tag alone may be of several functions.
pub fn with_tags<'a>(mut contexts: Vec<Context<'a>>, words: &[String]) -> Result<Rollback<'a>> {
    let mut targets: Vec<(Context, String)> = Vec::new();
    for word in words {
        let ids: Vec<_> = contexts.iter().map(|context| context.task.function.id.clone()).collect();
        let index = match word.split_once('=') {
            Some((function, _)) => ids.iter().position(|id| id == function).ok_or_else(|| {
                Error::config(format!("{word}: the function {function} is not selected, or has a tag already"))
                    .hint_with(format!("the functions without a tag are: {}", ids.join(", ")))
            })?,
            None if ids.len() == 1 => 0,
            None => {
                let all = ids.join(", ");
                return Err(Error::config(format!("there are several functions, and a tag is of one image: {all}"))
                    .hint_with("name the function of each tag: FUNCTION=TAG; or select one with --function"));
            }
        };
        let tag = word.split_once('=').map_or(word.as_str(), |(_, tag)| tag).to_string();
        let is_one_of_several = word.contains('=');
        targets.push((Context { is_one_of_several, ..contexts.remove(index) }, tag));
    }
    Ok(Rollback { targets, others: contexts })
}

/// What is rolled back.
pub struct Rollback<'a> {
    pub targets: Vec<(Context<'a>, String)>,
    /// Those that stay.
    pub others: Vec<Context<'a>>,
}

impl Context<'_> {
    fn record(&self) -> PathBuf {
        self.task.places.folder.join("image.json")
    }

    /// What is told of one of several functions begins with its name.
    pub fn named(&self, told: &str) -> String {
        if self.is_one_of_several { format!("{}={told}", self.task.function.id) } else { told.to_string() }
    }

    pub fn client(&self, report: &mut Reporter) -> Result<Client> {
        let config = &self.task.config;
        let Some(registry) = &config.registry else {
            return Err(Error::config("no registry is set")
                .hint_with("use --registry HOST, or set LAMBDA_PACKAGER_REGISTRY or `registry` in Cargo.toml"));
        };
        let address = Address::parse(registry, &config.place_of("registry"))?;
        let repository = format!("{}{}", address.prefix, self.names.repository);
        self.client_of(address, &repository, By::Settings, report)
    }

    /// The client of the registry at `address`, which is named `by` these.
    pub fn client_of(&self, address: Address, repository: &str, by: By, report: &mut Reporter) -> Result<Client> {
        let config = &self.task.config;
        let login = report.stage(Stage::Login, |report| credentials::find(config, &address, by, repository, report))?;
        Ok(Client::new(address, login))
    }

    /// Stores the record of the image and reports it.
    pub fn finish(&self, record: &Record, json: bool, report: &mut Reporter) -> Result<()> {
        record.store(&self.record())?;
        self.tell(record, json, report);
        Ok(())
    }

    /// Reports an image.
    pub fn tell(&self, record: &Record, json: bool, report: &mut Reporter) {
        let function = &self.task.function.id;
        report.emit(&Event::Imaged { function, image: &record.summary(), stages: report.stages() });
        if !json {
            let image = record.reference.clone().unwrap_or_else(|| format!("{}:{}", record.repository, record.tag));
            print_lines(&[self.named(&image)]);
        }
    }
}
