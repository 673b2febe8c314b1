//! Where the setting `output` may put the zip.

use std::path::PathBuf;

use crate::artifact::selections;
use crate::cargo::{Function, Workspace};
use crate::config::Config;
use crate::error::{Error, Result};
use crate::fingerprint::{inputs, is_bootstrap};
use crate::sys::{fs, lexically_clean};

/// The path of `output`, if it is set.
///
/// # Errors
/// A path where the zip would be taken for another file of ours, or for an input of itself. A path outside of the
/// workspace that a manifest names, directly or through a link: its author must not replace files elsewhere.
pub fn of(workspace: &Workspace, function: &Function, config: &Config) -> Result<Option<PathBuf>> {
    let Some(path) = inputs::output(workspace, function, config) else { return Ok(None) };
    let refused = |why: &str, hint: &str| {
        let error = format!("{}: {} {why}", config.place_of("output"), path.display());
        Err(Error::config(error).hint_with(hint))
    };
    if is_bootstrap(&format!("/{}", path.display())) {
        return refused(
            "has the name of the compiled function",
            "`output` is where the zip goes: give it a name such as `function.zip`",
        );
    }
    if path.starts_with(workspace.state_folder()) {
        return refused(
            "is among the packager's own files",
            "the zip is there already, as `lambda-deployment.zip`; set another path, or none",
        );
    }
    // A glob leaves the zip out.
    let selected = selections(config, function.package.folder(), &workspace.root)?;
    let named = selected.iter().filter(|selection| selection.pattern.is_none());
    let mut included = named.map(|selection| lexically_clean(&workspace.root.join(&selection.path)));
    let declared = config.inputs.iter().map(|entry| lexically_clean(&workspace.root.join(entry)));
    if included.any(|folder| path.starts_with(folder)) {
        return refused(
            "is in what `include` names: each zip would have the one before in it",
            "set another path, or include less",
        );
    }
    if declared.clone().any(|file| path == file) {
        return refused(
            "is named by `inputs`: no zip would be that of its inputs",
            "set another path, or remove that input",
        );
    }
    if config.is_of_manifest("output") && !fs::is_inside(&path, &workspace.root)? {
        return refused(
            "is outside of the workspace, where a manifest must not put files",
            "set a path in the workspace, or use the flag `--output` or the variable LAMBDA_PACKAGER_OUTPUT",
        );
    }
    Ok(Some(path))
}

/// Refuses an `output` that exists and is not a zip: a mistyped path must not overwrite another file. Removes what runs
/// that were killed left beside it.
pub fn check(workspace: &Workspace, function: &Function, config: &Config) -> Result<()> {
    let Some(output) = inputs::output(workspace, function, config) else { return Ok(()) };
    let is_named_zip = output.extension().is_some_and(|extension| extension == "zip");
    let is_zip = || Ok::<bool, Error>(is_named_zip || fs::read_start(&output, 2)? == b"PK");
    match fs::stat(&output)? {
        Some(meta) if !meta.is_file() || !is_zip()? => {
            let (place, path) = (config.place_of("output"), output.display());
            Err(Error::config(format!("{place}: {path} exists and is not a zip; it was not changed"))
                .hint_with("set another path, or remove that file yourself"))
        }
        _ => {
            output.parent().iter().for_each(|folder| fs::remove_dead_temporaries(folder));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use serde_json::Value;

    use super::*;
    use crate::config::from_env::value_of;
    use crate::config::from_manifest;
    use crate::damaged;
    use crate::sys::toml;

    #[test]
    fn damaged_settings_put_no_zip_outside() {
        let dir = tempfile::tempdir().unwrap();
        let (root, outside) = (dir.path().join("w"), dir.path().join("outside"));
        for folder in [&root.join("a"), &outside] {
            fs::create_dirs(folder).unwrap();
        }
        symlink(&outside, root.join("link")).unwrap();
        let workspace = Workspace::sample(&root, &[("a", &["f"])]);
        let function = Function { package: &workspace.members[0], name: "f".into(), id: "f".into(), is_example: false };
        let text = "[package.metadata.lambda-packager]\noutput = \"a/f.zip\"\nmode = \"dev\"\nfeatures = [\"x\"]\n\
            include = [\"a/assets\"]\ninputs = [\"a/proto\"]\nlocked = true\nengine_timeout_secs = 7\ndeps_cache_limit = \"1 GB\"\n";
        let table = toml::parse(text.as_bytes(), &root).unwrap();
        let variables = "output=../f.zip\nfeatures=a, b\nforce=yes\nengine_timeout_secs=9\ncargo_flags=-v  -j1";
        let examples =
            [text.as_bytes().to_vec(), Value::from(table).to_string().into_bytes(), variables.as_bytes().to_vec()];
        damaged::each(&examples, |bytes| {
            let text = String::from_utf8_lossy(bytes);
            text.lines().filter_map(|line| line.split_once('=')).for_each(|(name, value)| drop(value_of(name, value)));
            let table = serde_json::from_slice(bytes).ok().or_else(|| toml::parse(bytes, &root).map(Value::from).ok());
            let Some(table) = table else { return };
            let ours = &table["package"]["metadata"]["lambda-packager"];
            let Ok(layer) = from_manifest::layer(ours, "package.metadata.lambda-packager", &root) else { return };
            let config = Config::resolve(vec![layer]);
            if let Ok(Some(path)) = of(&workspace, &function, &config) {
                let folder = path.ancestors().skip(1).find(|folder| fs::is_dir(folder)).unwrap();
                let inside = fs::canonical(folder).unwrap().starts_with(fs::canonical(&root).unwrap());
                assert!(inside && path.starts_with(&root), "{}", path.display());
            }
        });
    }
}
