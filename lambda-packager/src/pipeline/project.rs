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
    ///
    /// # Errors
    /// There is no project, a setting is not valid, or the settings select no function.
    pub fn find(request: &Request) -> Result<Self> {
        let project = Self::around(request)?;
        project.function()?;
        Ok(project)
    }

    /// The same, also if the settings select no function.
    pub fn around(request: &Request) -> Result<Self> {
        let early = Config::resolve(request.layers.clone());
        let workspace = Workspace::discover(&request.start, early.target_arch, early.locked)?;
        let mut start = request.start.clone();
        if workspace.member_at(&start).is_none() {
            // A path through a link leads to the same package.
            start = fs::canonical(&start)?;
        }
        let mut layers = request.layers.clone();
        layers.extend(match workspace.member_at(&start) {
            Some(asking) => Some(asking.layer()?),
            None => deployment(&workspace, &early)?,
        });
        let so_far = layers.iter().cloned().chain([workspace.layer()?]).collect();
        if let Ok(function) = workspace.function(&Config::resolve(so_far), &start) {
            layers.push(function.package.layer()?);
        }
        layers.push(workspace.layer()?);
        let mut config = Config::resolve(layers);
        if from_env::is_pipeline() {
            config = config.in_pipeline();
        }
        config.check_names()?;
        Ok(Self { config, start, workspace })
    }

    pub fn function(&self) -> Result<Function<'_>> {
        self.workspace.function(&self.config, &self.start)
    }
}

/// The settings of the member that packages another one, if there is one such member, and `config` selects nothing else.
/// For a call at the top of a workspace, which is no package itself.
fn deployment(workspace: &Workspace, config: &Config) -> Result<Option<(Origin, Layer)>> {
    let mut found = Vec::new();
    for member in &workspace.members {
        let (origin, layer) = member.layer()?;
        let packaged = workspace.members.iter().find(|other| layer.package.as_ref() == Some(&other.name));
        let Some(packaged) = packaged.filter(|packaged| packaged.name != member.name) else { continue };
        let is_meant = config.package.as_ref().is_none_or(|name| *name == packaged.name)
            && config.function.as_ref().is_none_or(|name| packaged.bins.iter().any(|bin| bin.name == *name));
        if is_meant {
            found.push((origin, layer));
        }
    }
    Ok(found.pop().filter(|_| found.is_empty()))
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
        let folder = state.join(&function.id);
        fs::refuse_to_leave(&folder, &state)?;
        let mut zips = vec![folder.join("lambda-deployment.zip")];
        zips.extend(destination::of(&project.workspace, function, &project.config)?);
        Ok(Self {
            manifest: folder.join("manifest.json"),
            log: folder.join("build.log"),
            bootstrap: folder.join("bootstrap"),
            zips,
            lock: lock_of_function(&state, &function.id),
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

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::*;

    /// A workspace whose package `deploy` packages `api`; `api` and `web` have a bin `bootstrap` each.
    fn workspace(folder: &Path) -> PathBuf {
        let root = fs::canonical(folder).unwrap().join("w");
        let write = |name: &str, text: &str| fs::replace(&root.join(name), text.as_bytes(), 0o644, None).unwrap();
        write("Cargo.toml", "[workspace]\nmembers = [\"api\", \"deploy\", \"web\"]\nresolver = \"2\"\n");
        for (name, main, settings) in [
            ("api", "src/bin/bootstrap.rs", "runtime = \"provided.al2\""),
            ("deploy", "src/lib.rs", "package = \"api\"\nlocked = true"),
            ("web", "src/bin/bootstrap.rs", ""),
        ] {
            let manifest = format!(
                "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n\
                 [package.metadata.lambda-packager]\n{settings}\n"
            );
            write(&format!("{name}/Cargo.toml"), &manifest);
            write(&format!("{name}/{main}"), "fn main() {}\n");
        }
        root
    }

    fn project(start: &Path, settings: serde_json::Value) -> Result<Project> {
        let layers = vec![(Origin::Flag, Layer::of(settings, &Origin::Flag).unwrap())];
        Project::around(&Request { start: start.to_path_buf(), layers })
    }

    #[test]
    fn at_the_top_the_settings_are_those_of_the_one_package_that_packages_another() {
        let dir = tempfile::tempdir().unwrap();
        let root = workspace(dir.path());
        let found = |settings: serde_json::Value| {
            let project = project(&root, settings).unwrap();
            let function = project.function().map_or_else(|e| e.to_string(), |function| function.id);
            (function, project.config.locked, project.config.runtime.to_string())
        };
        assert_eq!(found(json!({})), ("api.bootstrap".into(), true, "provided.al2".into()));
        // The settings of `deploy` are about `api`.
        assert_eq!(found(json!({"package": "web"})), ("web.bootstrap".into(), false, "provided.al2023".into()));
        let web = root.join("web/Cargo.toml");
        let text = String::from_utf8(fs::read(&web).unwrap()).unwrap() + "package = \"api\"\n";
        fs::replace(&web, text.as_bytes(), 0o644, None).unwrap();
        let (error, locked, _) = found(json!({}));
        let expected =
            "there are several functions; select one: bootstrap of the package api, bootstrap of the package web";
        assert_eq!((error.as_str(), locked), (expected, false));
    }

    #[test]
    fn a_link_leads_to_the_same_project_with_the_settings_of_its_package() {
        let dir = tempfile::tempdir().unwrap();
        let root = workspace(dir.path());
        let link = dir.path().join("link");
        std::os::unix::fs::symlink(&root, &link).unwrap();
        for start in [root.join("api/src"), link.join("api"), link.join("api/src/bin")] {
            let project = project(&start, json!({})).unwrap();
            assert_eq!(project.workspace.root, root, "{}", start.display());
            assert_eq!(project.function().unwrap().id, "api.bootstrap", "{}", start.display());
        }
    }
}
