//! The settings in a manifest: those of cargo-lambda in our words, and what a team should agree on.

use lambda_packager::internal::{Config, Error, Project, Result, Task, toml};
use serde_json::{Map, Value, json};

use crate::init::change::Plan;
use crate::init::meant::Meant;

/// Plans the table of settings, unless there is one, and the line of `.gitignore` for the zip. `own` are paths of a deploy
/// tool, which are no inputs.
pub fn plan(project: &Project, meant: &Meant, own: &[&str], plan: &mut Plan) -> Result<()> {
    let said = &project.cargo_lambda;
    plan.notes.extend(said.notes.iter().cloned().chain(said.note_of_release.map(String::from)));
    let table = format!("{}.metadata.lambda-packager", meant.level());
    if !meant.table.is_null() {
        return exclude(project, meant, own, &table, plan);
    }
    let values = values(project, meant, own, plan);
    if values.is_empty() {
        return Ok(());
    }
    let lines: String = values.iter().map(|(name, value)| format!("{name} = {}\n", written(value))).collect();
    let text = format!("[{table}]\n{lines}");
    plan.append(&meant.manifest, &text, true)?;
    if !says(plan, meant, &values)? {
        return Err(Error::config(format!(
            "{}: its `metadata` is written so that no table can follow",
            meant.manifest
        ))
        .hint_with(format!("add these settings by hand:\n{text}")));
    }
    if let Some(output) = values.get("output").and_then(Value::as_str) {
        plan.ignore(&[&format!("/{}", output.split('/').next().unwrap_or(output))])?;
    }
    Ok(())
}

/// Adds `exclude` to a table that is there and has none.
fn exclude(project: &Project, meant: &Meant, own: &[&str], table: &str, plan: &mut Plan) -> Result<()> {
    let mut instead = String::new();
    if own.iter().any(|path| !project.config.exclude.iter().any(|known| known == path)) {
        let line = format!("exclude = {}\n", written(&json!(own)));
        let mut values = meant.table.as_object().cloned().unwrap_or_default();
        let is_new = values.insert("exclude".into(), json!(own)).is_none();
        let mut with_line = plan.clone();
        if is_new
            && with_line.insert(&meant.manifest, &format!("[{table}]"), &line)?.is_some()
            && says(&with_line, meant, &values)?
        {
            *plan = with_line;
            return Ok(());
        }
        instead = format!(": add to `exclude` {}", written(&json!(own)));
    }
    plan.notes.push(format!("[{table}] of {} is there and stays as it is{instead}", meant.manifest));
    Ok(())
}

fn values(project: &Project, meant: &Meant, own: &[&str], plan: &mut Plan) -> Map<String, Value> {
    let config = &project.config;
    let mut values = Map::new();
    values.extend(meant.package.iter().map(|package| ("package".to_string(), json!(package))));
    // The table is above those of packages of cargo-lambda's, which may differ; in a package, above all.
    let tasks = project.tasks().unwrap_or_default();
    if meant.bins_differ || (meant.is_workspace && tasks.iter().any(|task| differ(task, project))) {
        plan.notes.push("cargo-lambda has settings for single functions: its tables stay in effect".into());
    } else {
        values.extend(project.cargo_lambda.values.clone());
    }
    let would_replace = |config: &Config, name: &str| {
        if meant.is_workspace { config.is_of_cargo_lambda(name) } else { config.is_of_manifest(name) }
    };
    let is_said =
        |name: &str| config.is_of_manifest(name) || tasks.iter().any(|task| would_replace(&task.config, name));
    // Whoever builds it, on whatever machine, it is for the same one.
    if !is_said("target_arch") {
        values.insert("target_arch".into(), json!(config.target_arch.to_string()));
    }
    if !is_said("output") {
        let bins = project.workspace.members.iter().map(|package| package.bins().count()).sum::<usize>();
        let is_only = bins <= 1 && meant.functions.len() + meant.layers.len() == 1;
        let output = if is_only { "lambda-deployment.zip" } else { "dist/{function}.zip" };
        values.insert("output".into(), json!(output));
    }
    if !own.is_empty() && !config.is_of_manifest("exclude") {
        values.insert("exclude".into(), json!(own));
    }
    values
}

/// Whether cargo-lambda's tables say something else of a function than of the workspace, besides the place of its zip.
fn differ(task: &Task, project: &Project) -> bool {
    let [of_task, of_project] = [&task.cargo_lambda, &project.cargo_lambda].map(|said| {
        let mut values = said.values.clone();
        values.remove("output");
        values
    });
    of_task != of_project
}

/// A value as TOML: texts, lists of texts and switches, which JSON writes alike.
fn written(value: &Value) -> String {
    match value {
        Value::Array(all) => format!("[{}]", all.iter().map(written).collect::<Vec<_>>().join(", ")),
        other => other.to_string(),
    }
}

/// Whether the manifest will say what is meant: a table cannot follow, and a line not be added to, every way to write one.
fn says(plan: &Plan, meant: &Meant, values: &Map<String, Value>) -> Result<bool> {
    let manifest = plan.read(&meant.manifest)?.unwrap_or_default();
    let parsed = toml::parse(manifest.as_bytes(), meant.manifest.as_ref()).ok();
    let found = parsed.as_ref().and_then(|table| table.get(meant.level())?.get("metadata")?.get("lambda-packager"));
    Ok(found.and_then(Value::as_object) == Some(values))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_written_as_toml_reads_them() {
        let value = json!({"a": ["b\"c", "d\\e\n"], "f": true, "g": "ü"});
        let text: String = value.as_object().unwrap().iter().map(|(k, v)| format!("{k} = {}\n", written(v))).collect();
        assert_eq!(Value::Object(toml::parse(text.as_bytes(), "x".as_ref()).unwrap()), value);
    }

    #[test]
    fn a_manifest_that_no_table_can_follow_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let values = Map::from_iter([("locked".to_string(), json!(true))]);
        let text = "[package.metadata.lambda-packager]\nlocked = true\n";
        for (before, fits) in [("[package]\nname = \"a\"", true), ("[package]\nmetadata = { a = 1 }\n", false)] {
            lambda_packager::internal::fs::replace(&dir.path().join("Cargo.toml"), before.as_bytes(), 0o644, None)
                .unwrap();
            let mut plan = Plan::new(dir.path());
            plan.append("Cargo.toml", text, true).unwrap();
            assert_eq!(says(&plan, &Meant::of_package(), &values).unwrap(), fits, "{before}");
        }
    }
}
