//! The project that a command is about.

use lambda_packager::Result;
use lambda_packager::internal::backend::BackendRequest;
use lambda_packager::internal::backend::identity::Identity;
use lambda_packager::internal::engine;
use lambda_packager::internal::engine::Engine;
use lambda_packager::internal::pipeline::project::{Project, Request};
use lambda_packager::internal::sys::lock::Lock;

/// The project that one stands in, and for whom it is compiled.
pub struct Here {
    pub project: Project,
    user: u32,
}

impl Here {
    pub fn find(request: &Request) -> Result<Self> {
        let project = Project::find(request)?;
        // The owner of what we write here is who compiles here.
        let lock = Lock::acquire(&project.workspace.state_folder().join("who.lock"), |_| ())?;
        Ok(Self { user: lock.owner()?.0, project })
    }

    pub fn request(&self) -> BackendRequest<'_> {
        let Project { workspace, config, .. } = &self.project;
        BackendRequest { workspace, config, before: None }
    }

    pub fn identity(&self) -> Identity {
        Identity::of(&self.project.workspace.root, self.user, &self.project.config)
    }

    /// The engines that the settings allow.
    pub fn engines(&self) -> Result<Vec<Engine>> {
        let Project { workspace, config, .. } = &self.project;
        engine::candidates(config.engine, &config.place_of("engine"), config.engine_timeout, &workspace.state_folder())
    }

    pub fn user(&self) -> u32 {
        self.user
    }
}
