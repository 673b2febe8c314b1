//! The project that a command is about.

use crate::builder::container::Identity;
use crate::engine::{self, Engine};
use crate::error::Result;
use crate::lock::Lock;
use crate::project::{Project, Request};
use crate::road::Traveller;

/// The project that one stands in, and for whom it is compiled.
pub(super) struct Here {
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

    pub fn traveller(&self) -> Traveller<'_> {
        let Project { workspace, config, .. } = &self.project;
        Traveller { workspace, config, before: None }
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
