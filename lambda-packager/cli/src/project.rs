//! The project that a command is about.

use lambda_packager::internal::{BackendRequest, Engine, Identity, Project, Request, Result, candidates};

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
}
