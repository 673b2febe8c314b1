//! The project: its workspace, its settings, and where its files are.

use std::path::{Path, PathBuf};

use crate::cargo::{Function, Workspace};
use crate::config::{Config, Layer, Origin, from_env};
use crate::error::Result;
use crate::pipeline::destination;
use crate::report::Reporter;
use crate::sys::{Lock, fs};

/// What the caller asks for.
pub struct Request {
    /// The folder to start from.
    pub start: PathBuf,
    /// Layers above those of the manifests, the strongest first.
    pub layers: Vec<(Origin, Layer)>,
}

/// The workspace and the settings.
pub struct Project {
    pub workspace: Workspace,
    pub config: Config,
    start: PathBuf,
}

impl Project {
    /// Finds the workspace and resolves the settings. Strongest first: those of `request`, of the package in the
    /// start folder, of the package that is packaged, of the workspace.
    pub fn find(request: &Request) -> Result<Self> {
        let early = Config::resolve(request.layers.clone());
        let workspace = Workspace::discover(&request.start, early.target_arch, early.locked)?;
        let asking = workspace.member_at(&request.start);
        let mut layers = request.layers.clone();
        layers.extend(asking.map(|package| package.layer()).transpose()?);
        let so_far = layers.iter().cloned().chain([workspace.layer()?]).collect();
        let function = workspace.function(&Config::resolve(so_far), &request.start)?;
        layers.push(function.package.layer()?);
        layers.push(workspace.layer()?);
        let mut config = Config::resolve(layers);
        if from_env::is_pipeline() {
            config = config.in_pipeline();
        }
        config.check_names()?;
        Ok(Self { config, start: request.start.clone(), workspace })
    }

    pub fn function(&self) -> Result<Function<'_>> {
        self.workspace.function(&self.config, &self.start)
    }
}

/// The paths of a function's files.
pub struct Places {
    pub folder: PathBuf,
    pub manifest: PathBuf,
    pub log: PathBuf,
    pub bootstrap: PathBuf,
    /// The zip, and the copy named by `output`.
    pub zips: Vec<PathBuf>,
    /// The lock on all of these, whatever the mode.
    pub lock: PathBuf,
}

impl Places {
    pub fn of(project: &Project, function: &Function) -> Result<Self> {
        let state = project.workspace.state_folder();
        let folder = state.join(&function.name);
        fs::refuse_to_leave(&folder, &project.workspace.root)?;
        let mut zips = vec![folder.join("lambda-deployment.zip")];
        zips.extend(destination::of(&project.workspace, function, &project.config)?);
        Ok(Self {
            manifest: folder.join("manifest.json"),
            log: folder.join("build.log"),
            bootstrap: folder.join("bootstrap"),
            zips,
            lock: lock_of_function(&state, &function.name),
            folder,
        })
    }

    /// Every file of the artifact: the zips, and the bootstrap in them.
    pub fn artifact(&self) -> impl Iterator<Item = &PathBuf> {
        self.zips.iter().chain([&self.bootstrap])
    }
}

/// One function of a project to package.
pub struct Task<'a> {
    pub project: &'a Project,
    pub function: Function<'a>,
    pub places: Places,
}

impl<'a> Task<'a> {
    /// The function that the settings name.
    pub fn of(project: &'a Project) -> Result<Self> {
        let function = project.function()?;
        let places = Places::of(project, &function)?;
        Ok(Self { project, function, places })
    }

    /// Waits for the lock on the files of the function, and makes its folder.
    pub fn lock(&self, report: &mut Reporter) -> Result<Lock> {
        let lock = Lock::acquire(&self.places.lock, |holder| report.waiting_for(holder))?;
        fs::create_dirs(&self.places.folder)?;
        Ok(lock)
    }
}

/// The lock file for the folder `function` in the folder `state`. It is beside that folder, so that the folder can be
/// removed: a lock file that somebody may hold never is.
pub fn lock_of_function(state: &Path, function: &str) -> PathBuf {
    state.join(format!("function-{function}.lock"))
}
