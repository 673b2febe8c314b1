//! A function whose image a command is about.

use std::path::PathBuf;

use lambda_packager::internal::{Error, Event, Reporter, Result, Stage, Task, print_lines};

use crate::publish::credentials::By;
use crate::publish::{Address, Client, Names, Record, credentials};

/// A function, and the names of its images.
pub struct Context<'a> {
    pub task: &'a Task<'a>,
    pub names: Names,
}

/// The context of each function.
///
/// # Errors
/// If an environment or a name is not valid, or if two functions would have one repository.
pub fn contexts<'a>(tasks: &'a [Task<'a>], environment: &str) -> Result<Vec<Context<'a>>> {
    let mut contexts: Vec<Context> = Vec::new();
    for task in tasks {
        refuse_layer(task)?;
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
        contexts.push(Context { task, names });
    }
    Ok(contexts)
}

fn refuse_layer(task: &Task) -> Result<()> {
    let (kind, place) = (task.kind(), task.config.place_of("kind"));
    if !kind.is_layer() {
        return Ok(());
    }
    Err(Error::config(format!("{place}: the zip of kind `{kind}` is for a layer, which cannot be a container image")).hint_with(
        "publish its zip: `aws lambda publish-layer-version --zip-file fileb://...`; the image of a function contains \
         its extensions in /opt/extensions",
    ))
}

/// The one function that a command is about.
pub fn only<'a>(contexts: &'a [Context<'a>], why: &str) -> Result<&'a Context<'a>> {
    match contexts {
        [context] => Ok(context),
        several => {
            let ids: Vec<_> = several.iter().map(|context| context.task.function.id.as_str()).collect();
            Err(Error::config(format!("there are several functions, and {why}: {}", ids.join(", ")))
                .hint_with("select one with --function"))
        }
    }
}

impl Context<'_> {
    fn record(&self) -> PathBuf {
        self.task.places.folder.join("image.json")
    }

    /// What is told of one of several functions begins with its name.
    pub fn named(&self, told: &str) -> String {
        if self.task.is_alone { told.to_string() } else { format!("{}={told}", self.task.function.id) }
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
        let function = &self.task.function.id;
        report.emit(&Event::Imaged { function, image: &record.summary(), stages: report.stages() });
        if !json {
            let image = record.reference.clone().unwrap_or_else(|| format!("{}:{}", record.repository, record.tag));
            print_lines(&[self.named(&image)]);
        }
        Ok(())
    }
}
