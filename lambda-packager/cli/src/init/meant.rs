//! What `init` is about: the functions, and the manifest that gets the settings.

use std::path::Path;

use lambda_packager::Runtime;
use lambda_packager::internal::{Arch, Config, Project, Result, Task, fs};

/// A function, as the files of a tool name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// Its folder in `target/lambda`, and what `--function` takes.
    pub id: String,
    pub arch: Arch,
    pub runtime: Runtime,
}

/// What `init` is about.
pub struct Meant {
    /// The manifest, relative to the root, and whether the table is that of the workspace.
    pub manifest: String,
    pub is_workspace: bool,
    /// What the table says now, or null.
    pub table: serde_json::Value,
    /// The package to name in the settings: that of the manifest has no function.
    pub package: Option<String>,
    pub functions: Vec<Named>,
    /// What is packaged as a layer. No tool deploys it as a function.
    pub layers: Vec<Named>,
    /// Whether cargo-lambda has settings of its own for some of these functions.
    pub bins_differ: bool,
}

impl Meant {
    /// What the table of the settings begins with.
    pub fn level(&self) -> &'static str {
        if self.is_workspace { "workspace" } else { "package" }
    }

    /// In the folder of a package its functions; at the top of a workspace all.
    ///
    /// # Errors
    /// If there is no function.
    pub fn of(project: &Project, start: &Path) -> Result<Self> {
        let workspace = &project.workspace;
        let here = workspace.member_at(start).or(workspace.member_at(&fs::canonical(start)?));
        let tasks = project.tasks()?;
        let named = |task: &&Task| {
            let Config { target_arch, runtime, .. } = task.config;
            Named { id: task.function.id.clone(), arch: target_arch, runtime }
        };
        let (layers, functions): (Vec<&Task>, Vec<&Task>) = tasks.iter().partition(|task| task.kind().is_layer());
        let first = tasks.first().map(|task| task.function.package);
        let owner = first.filter(|first| tasks.iter().all(|task| task.function.package.name == first.name));
        let holder = here.or(owner);
        let package = holder.zip(owner).filter(|(holder, owner)| holder.name != owner.name);
        let has_bins = |table: &serde_json::Value| table.get("bin").is_some();
        let manifest = holder.map_or(workspace.root.join("Cargo.toml"), |package| package.manifest.clone());
        Ok(Self {
            manifest: manifest.strip_prefix(&workspace.root).unwrap_or(&manifest).to_string_lossy().into_owned(),
            is_workspace: holder.is_none(),
            table: holder.map_or(&workspace.metadata, |package| &package.metadata).clone(),
            package: package.map(|(_, owner)| owner.name.clone()),
            bins_differ: tasks.len() > 1
                && (has_bins(&workspace.cargo_lambda)
                    || workspace.members.iter().any(|package| has_bins(&package.cargo_lambda))),
            functions: functions.iter().map(named).collect(),
            layers: layers.iter().map(named).collect(),
        })
    }
}

/// For tests: a package whose manifest is `Cargo.toml`.
#[cfg(test)]
impl Meant {
    pub fn of_package() -> Self {
        Self {
            manifest: "Cargo.toml".into(),
            is_workspace: false,
            table: serde_json::Value::Null,
            package: None,
            functions: Vec::new(),
            layers: Vec::new(),
            bins_differ: false,
        }
    }
}
