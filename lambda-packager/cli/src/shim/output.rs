//! Where cargo-lambda puts what it made of each function.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lambda_packager::internal::{Error, Project, Result, Snapshot, Task, env, fs, lexically_clean, relative};

use crate::shim::flags::{Flags, OutputFormat};

/// A file of ours, and the place where cargo-lambda has it.
pub struct Output {
    /// The id of the function.
    pub function: String,
    from: PathBuf,
    to: PathBuf,
    mode: u32,
}

impl Output {
    /// Those of all functions that are packaged; `here` is the folder of the call.
    ///
    /// # Errors
    /// Two functions have one place, `--flatten` names none of them, or a place of ours is a link that leads elsewhere.
    pub fn all(flags: &Flags, project: &Project, here: &Path) -> Result<Vec<Self>> {
        let folder = folder(flags, &project.workspace.root, here);
        let state = project.workspace.state_folder();
        let (mut outputs, mut owners) = (Vec::new(), BTreeMap::new());
        let tasks = project.tasks()?;
        if let Some(name) = flags.flatten.as_ref().filter(|name| tasks.iter().all(|task| task.function.name != **name))
        {
            let names: Vec<_> = tasks.iter().map(|task| task.function.name.as_str()).collect();
            return Err(Error::config(format!("flag --flatten: no function `{name}` is packaged"))
                .hint_with(format!("the functions are: {}", names.join(", "))));
        }
        for task in &tasks {
            let output = Self::of(task, flags, &folder);
            if let Some(around) = output.to.parent().filter(|around| around.starts_with(&state)) {
                fs::refuse_to_leave(around, &state)?;
            }
            if let Some(other) = owners.insert(output.to.clone(), &task.function.id) {
                let (id, to) = (&task.function.id, output.to.display());
                return Err(Error::config(format!("{to} would be of {other} and of {id}, as cargo-lambda names it"))
                    .hint_with("select one of them with --package, or give them other names"));
            }
            outputs.push(output);
        }
        Ok(outputs)
    }

    fn of(task: &Task, flags: &Flags, folder: &Path) -> Self {
        let name = &task.function.name;
        let (folder, stem) = match (task.kind().is_layer(), flags.flatten.as_ref() == Some(name)) {
            (true, _) => (folder.join("extensions"), name.as_str()),
            (false, true) => (folder.to_path_buf(), "bootstrap"),
            (false, false) => (folder.join(name), "bootstrap"),
        };
        let (ours, function) = (&task.places.folder, task.function.id.clone());
        match flags.output_format {
            OutputFormat::Binary => Self { function, from: ours.join("bootstrap"), to: folder.join(stem), mode: 0o755 },
            OutputFormat::Zip => {
                let to = folder.join(format!("{stem}.zip"));
                Self { function, from: ours.join("lambda-deployment.zip"), to, mode: 0o644 }
            }
        }
    }

    /// Its path relative to the workspace, if it is among these inputs.
    pub fn as_input(&self, inputs: &[&Snapshot], root: &Path) -> Option<String> {
        let path = relative(&self.to, root);
        inputs.iter().any(|inputs| inputs.get(&path).is_some()).then_some(path)
    }

    /// Puts it there. What is there already is not written again.
    pub fn put(&self) -> Result<()> {
        if self.from == self.to {
            return Ok(());
        }
        let bytes = fs::read(&self.from)?;
        if fs::read_if_exists(&self.to)?.is_some_and(|there| there == bytes) {
            return Ok(());
        }
        fs::replace(&self.to, &bytes, self.mode, None)
    }
}

/// `--lambda-dir`, or `lambda` in cargo's target directory.
fn folder(flags: &Flags, root: &Path, here: &Path) -> PathBuf {
    if let Some(folder) = &flags.lambda_dir {
        return lexically_clean(&here.join(folder));
    }
    let by_variable = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"].into_iter().find_map(env::var_os);
    match flags.target_dir.clone().or(by_variable.map(PathBuf::from)) {
        Some(target) => lexically_clean(&here.join(target)).join("lambda"),
        None => root.join("target/lambda"),
    }
}
