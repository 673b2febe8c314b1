//! The project that a command is about.

use lambda_packager::internal::{
    BackendRequest, Engine, Identity, Manifest, Project, Request, Result, candidates, fs, is_expected,
};

/// The project of the working directory, whichever of its functions is meant, and the identity of its container.
pub struct Context {
    pub project: Project,
    pub identity: Identity,
}

impl Context {
    pub fn find(request: &Request) -> Result<Self> {
        let project = Project::around(request)?;
        Ok(Self { identity: Identity::here(&project.workspace, &project.config)?, project })
    }

    pub fn request(&self) -> BackendRequest<'_> {
        let Project { workspace, config, .. } = &self.project;
        BackendRequest { workspace, config, before: None }
    }

    /// The engines that the settings allow.
    pub fn engines(&self) -> Result<Vec<Engine>> {
        candidates(&self.project.config, &self.project.workspace.state_folder())
    }

    /// Whether the settings name this engine, or the last build of a function used it.
    pub fn is_expected(&self, engine: &Engine) -> bool {
        let config = &self.project.config;
        is_expected(engine, config, None)
            || self.last_manifests().any(|manifest| is_expected(engine, config, Some(&manifest.backend.engine)))
    }

    /// The functions that were packaged here.
    pub fn functions(&self) -> Vec<String> {
        let state = self.project.workspace.state_folder();
        let mut names = fs::names_in(&state).unwrap_or_default();
        names.retain(|name| fs::is_file(&state.join(name).join("build.log")));
        names
    }

    /// The records of the last builds here.
    pub fn last_manifests(&self) -> impl Iterator<Item = Manifest> {
        let workspace = &self.project.workspace;
        self.functions().into_iter().filter_map(move |function| {
            let path = workspace.state_folder().join(&function).join("manifest.json");
            Manifest::load(&path, &function, workspace).ok()
        })
    }
}
