//! The project that a command is about.

use lambda_packager::internal::{
    BackendRequest, Config, Engine, EngineChoice, Error, Identity, Manifest, Project, Request, Result, Task, Workspace,
    candidates, is_expected,
};

/// The project of the working directory, whichever of its functions is meant, and the identity of what is made for it.
pub struct Context {
    pub project: Project,
    pub identity: Identity,
    /// The record of the last build here in an engine.
    last: Option<Manifest>,
}

/// A container, and the selected functions that it is for.
pub struct Needed<'a> {
    pub identity: Identity,
    pub tasks: Vec<Task<'a>>,
    last: Option<&'a Manifest>,
}

impl Context {
    pub fn find(request: &Request) -> Result<Self> {
        let project = Project::around(request)?;
        let built = manifests(&project.workspace).map(|(_, manifest)| manifest);
        let built = built.filter(|manifest| manifest.backend.engine != "host");
        let last = built.max_by_key(|manifest| manifest.history.first().map(|run| run.at_epoch_secs));
        Ok(Self { identity: Identity::here(&project.workspace, &project.config)?, last, project })
    }

    /// The containers that the selected functions need, each once.
    ///
    /// # Errors
    /// As for a build; nothing that is selected is compiled.
    pub fn containers(&self) -> Result<Vec<Needed<'_>>> {
        let mut containers: Vec<Needed> = Vec::new();
        let (compiled, layers): (Vec<_>, Vec<_>) =
            self.project.tasks()?.into_iter().partition(|task| task.kind().has_binary());
        for task in compiled {
            let identity = Identity::here(&self.project.workspace, &task.config)?;
            // Two engines may have containers of one name.
            let is_it = |known: &&mut Needed| {
                known.identity.name == identity.name && known.config().engine == task.config.engine
            };
            match containers.iter_mut().find(is_it) {
                Some(known) => known.tasks.push(task),
                None => containers.push(Needed { identity, tasks: vec![task], last: self.last.as_ref() }),
            }
        }
        if containers.is_empty() {
            let ids: Vec<_> = layers.iter().map(|task| task.function.id.as_str()).collect();
            return Err(Error::config(format!(
                "nothing is compiled for {}: a layer of files needs no container",
                ids.join(", ")
            ))
            .hint_with("select a function with --function or --package"));
        }
        Ok(containers)
    }

    /// The settings of each function that is selected; those of the call, where these select none.
    pub fn configs(&self) -> Vec<Config> {
        match self.project.tasks() {
            Ok(tasks) => tasks.into_iter().map(|task| task.config).collect(),
            Err(_) => vec![self.project.config.clone()],
        }
    }

    /// The engines that the call allows. What a manifest allows now says nothing of earlier builds.
    pub fn engines(&self) -> Result<Vec<Engine>> {
        let mut config = self.project.config.clone();
        if config.is_of_manifest("engine") {
            config.engine = EngineChoice::Auto;
        }
        candidates(&config, &self.project.workspace.state_folder())
    }

    /// Whether the settings of the call name this engine, or the last build used it.
    pub fn is_expected(&self, engine: &Engine) -> bool {
        is_expected(engine, &self.project.config, engine_of(self.last.as_ref()))
    }
}

impl Needed<'_> {
    pub fn config(&self) -> &Config {
        &self.tasks[0].config
    }

    pub fn request(&self) -> BackendRequest<'_> {
        BackendRequest {
            workspace: self.tasks[0].workspace,
            config: self.config(),
            before: self.last.map(|last| &last.backend),
        }
    }

    /// The engines that its settings allow.
    pub fn engines(&self) -> Result<Vec<Engine>> {
        candidates(self.config(), &self.tasks[0].workspace.state_folder())
    }

    /// Whether its settings name this engine, or the last build used it.
    pub fn is_expected(&self, engine: &Engine) -> bool {
        is_expected(engine, self.config(), engine_of(self.last))
    }
}

fn engine_of(last: Option<&Manifest>) -> Option<&str> {
    last.map(|last| last.backend.engine.as_str())
}

/// The ids of the functions that were packaged here, and the records of their last builds.
pub fn manifests(workspace: &Workspace) -> impl Iterator<Item = (String, Manifest)> {
    workspace.members.iter().flat_map(|package| &package.programs).filter_map(|program| {
        let path = workspace.state_folder().join(&program.id).join("manifest.json");
        Some((program.id.clone(), Manifest::load(&path, &program.name, workspace).ok()?))
    })
}
