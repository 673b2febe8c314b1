//! The project that a command is about.

use lambda_packager::internal::{
    BackendRequest, Engine, Identity, Manifest, Project, Request, Result, Workspace, candidates, fs, is_expected,
};

/// The project of the working directory, whichever of its functions is meant, and the identity of its container.
pub struct Context {
    pub project: Project,
    pub identity: Identity,
    /// The record of the last build here in an engine.
    last: Option<Manifest>,
}

impl Context {
    pub fn find(request: &Request) -> Result<Self> {
        let project = Project::around(request)?;
        let built = manifests(&project.workspace).filter(|manifest| manifest.backend.engine != "host");
        let last = built.max_by_key(|manifest| manifest.history.first().map(|run| run.at_epoch_secs));
        Ok(Self { identity: Identity::here(&project.workspace, &project.config)?, last, project })
    }

    pub fn request(&self) -> BackendRequest<'_> {
        let Project { workspace, config, .. } = &self.project;
        BackendRequest { workspace, config, before: self.last.as_ref().map(|last| &last.backend) }
    }

    /// The engines that the settings allow.
    pub fn engines(&self) -> Result<Vec<Engine>> {
        candidates(&self.project.config, &self.project.workspace.state_folder())
    }

    /// Whether the settings name this engine, or the last build used it.
    pub fn is_expected(&self, engine: &Engine) -> bool {
        let last = self.last.as_ref().map(|last| last.backend.engine.as_str());
        is_expected(engine, &self.project.config, last)
    }
}

/// The functions that were packaged in `workspace`.
pub fn functions(workspace: &Workspace) -> Vec<String> {
    let state = workspace.state_folder();
    let mut names = fs::names_in(&state).unwrap_or_default();
    names.retain(|name| fs::is_file(&state.join(name).join("build.log")));
    names
}

/// The records of their last builds.
pub fn manifests(workspace: &Workspace) -> impl Iterator<Item = Manifest> {
    functions(workspace).into_iter().filter_map(move |function| {
        let path = workspace.state_folder().join(&function).join("manifest.json");
        Manifest::load(&path, &function, workspace).ok()
    })
}
