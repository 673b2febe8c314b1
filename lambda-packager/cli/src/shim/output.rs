//! Where cargo-lambda puts what it made of each function.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lambda_packager::internal::{Error, OutputFormat, Result, Snapshot, Task, env, fs, lexically_clean, relative};

use crate::shim::flags::Flags;

/// A file of ours, and the place where cargo-lambda has it.
pub struct Output {
    /// The id of the function.
    pub function: String,
    from: PathBuf,
    to: PathBuf,
    mode: u32,
}

impl Output {
    /// Those of the functions `tasks`; `here` is the folder of the call.
    ///
    /// # Errors
    /// Two functions have one place, `--flatten` names none of them, or a place leads elsewhere: one of ours through a
    /// link, or one that a file of the project names.
    pub fn all(flags: &Flags, tasks: &[Task], here: &Path) -> Result<Vec<Self>> {
        let (mut outputs, mut owners) = (Vec::new(), BTreeMap::new());
        if let Some(name) = flags.flatten.as_ref().filter(|name| tasks.iter().all(|task| task.function.name != **name))
        {
            let names: Vec<_> = tasks.iter().map(|task| task.function.name.as_str()).collect();
            return Err(Error::config(format!("flag --flatten: no function `{name}` is packaged"))
                .hint_with(format!("the functions are: {}", names.join(", "))));
        }
        for task in tasks {
            let output = Self::of(task, flags, here)?;
            let state = task.workspace.state_folder();
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

    fn of(task: &Task, flags: &Flags, here: &Path) -> Result<Self> {
        let (name, said) = (&task.function.name, &task.cargo_lambda.output);
        let folder = folder(task, flags, here);
        let flattened = flags.flatten.as_ref().or(said.flatten.as_ref().map(|said| &said.value));
        let (folder, stem) = match (task.kind().is_layer(), flattened == Some(name)) {
            (true, _) => (folder.join("extensions"), name.as_str()),
            (false, true) => (folder, "bootstrap"),
            (false, false) => (folder.join(name), "bootstrap"),
        };
        let (ours, function) = (&task.places.folder, task.function.id.clone());
        // A layer of files has no binary.
        let format = if task.kind().has_binary() { format(task, flags) } else { OutputFormat::Zip };
        let output = match format {
            OutputFormat::Binary => Self { function, from: ours.join("bootstrap"), to: folder.join(stem), mode: 0o755 },
            OutputFormat::Zip => {
                let to = folder.join(format!("{stem}.zip"));
                Self { function, from: ours.join("lambda-deployment.zip"), to, mode: 0o644 }
            }
        };
        match said.lambda_dir.as_ref().filter(|_| flags.lambda_dir.is_none()) {
            // Its author must not replace files elsewhere.
            Some(said) if !fs::is_inside(&output.to, &task.workspace.root)? => {
                let (place, to) = (&said.place, output.to.display());
                Err(Error::config(format!(
                    "`lambda_dir` in {place}: {to} is outside of the workspace, where a file of the project must not put files"
                ))
                .hint_with("set a folder in the workspace, or use the flag --lambda-dir"))
            }
            _ => Ok(output),
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
        let has_mode = fs::stat(&self.to)?.is_some_and(|meta| meta.permissions().mode() & 0o777 == self.mode);
        if has_mode && fs::read_if_exists(&self.to)?.is_some_and(|there| there == bytes) {
            return Ok(());
        }
        fs::replace(&self.to, &bytes, self.mode, None)
    }
}

/// What is asked for of a function: by a flag, or else by cargo-lambda's tables.
pub fn format(task: &Task, flags: &Flags) -> OutputFormat {
    let said = task.cargo_lambda.output.format.as_ref().map(|said| said.value);
    flags.output_format.or(said).unwrap_or_default()
}

/// `--lambda-dir`, or else that of cargo-lambda's tables, or `lambda` in cargo's target directory.
fn folder(task: &Task, flags: &Flags, here: &Path) -> PathBuf {
    let said = task.cargo_lambda.output.lambda_dir.as_ref().map(|said| PathBuf::from(&said.value));
    if let Some(folder) = flags.lambda_dir.clone().or(said) {
        return lexically_clean(&here.join(folder));
    }
    let by_variable = ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR"].into_iter().find_map(env::var_os);
    match flags.target_dir.clone().or(by_variable.map(PathBuf::from)) {
        Some(target) => lexically_clean(&here.join(target)).join("lambda"),
        None => task.workspace.root.join("target/lambda"),
    }
}
