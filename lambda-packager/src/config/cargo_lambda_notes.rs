//! What cargo-lambda's tables say that has no counterpart here, and what happens instead.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::config::cargo_lambda_tables::{Said, Together};
use crate::error::Result;

/// Keys of `build` without a counterpart, and what happens instead.
const BUILD: &[(&[&str], &str)] = &[
    (
        &[
            "color",
            "future_incompat_report",
            "keep_going",
            "message_format",
            "quiet",
            "timings",
            "unit_graph",
            "verbose",
        ],
        "what is printed is chosen by flags, see `lambda-packager --help`",
    ),
    (
        &["artifact_dir", "manifest_path", "target_dir"],
        "cargo's target directory is the builder's own, and what it makes goes to target/lambda",
    ),
    (
        &["env", "env_file", "env_var"],
        "the compile gets variables by their names: set them around it, and name them in `pass_env`",
    ),
    (&["offline"], "crates are fetched first, and every compile is without network"),
    (
        &["all_targets", "bench", "benches", "lib", "test", "tests"],
        "what is packaged is selected by `package` and `function`",
    ),
    (&["override"], "write it as `--config` into `cargo_flags`"),
];

const COMPILER: &str = "cargo compiles in the builder image, which has the libraries of the Lambda runtime; `engine` and `base` choose another place";
const DEPLOY: &str = "it is about the deployed function, and a zip has none of it: set it where you deploy";
const OPTIMIZATIONS: &str = "cargo-lambda adds `lto = \"thin\"`, `codegen-units = 1`, `panic = \"abort\"` and the target-cpu haswell or neoverse-n1 to a release: \
here [profile.release] and the Rust flags of the workspace decide, and `mode = \"prod\"` makes the smallest zip (`disable_optimizations = true` for cargo-lambda ends this note)";

/// A note for each thing that has no counterpart.
///
/// # Errors
/// If a value is not valid.
pub fn of(said: &Together) -> Result<Vec<String>> {
    let mut notes = compiler(said);
    for (keys, instead) in BUILD {
        notes.extend(grouped(&said.build, keys, instead));
    }
    let deploy: Vec<&str> = said.deploy.keys().map(String::as_str).collect();
    let deploy: Vec<&str> = deploy.into_iter().filter(|key| !["include", "runtime"].contains(key)).collect();
    notes.extend(grouped(&said.deploy, &deploy, DEPLOY));
    notes.extend(said.env.iter().map(|place| format!("{place} is not honoured: {DEPLOY}")));
    notes.extend(said.unknown.iter().map(|(key, place)| unknown(key, place)));
    Ok(notes)
}

/// What cargo-lambda adds to a release, if nothing tells it not to.
///
/// # Errors
/// If a value is not valid.
pub fn of_release(said: &Together) -> Result<Option<&'static str>> {
    Ok((!said.switch("disable_optimizations")?).then_some(OPTIMIZATIONS))
}

/// Says that `keys` in `place` have no effect, and what happens instead.
pub fn not_honoured(keys: &[&str], place: &str, instead: &str) -> String {
    let are = if keys.len() == 1 { "is" } else { "are" };
    let keys: Vec<_> = keys.iter().map(|key| format!("`{key}`")).collect();
    format!("{} in {place} {are} not honoured: {instead}", keys.join(", "))
}

fn unknown(key: &str, place: &str) -> String {
    format!("`{key}` in {place} is not a key of cargo-lambda: it has no effect")
}

fn compiler(said: &Together) -> Vec<String> {
    let Some(Said { value, place }) = said.build.get("compiler") else { return Vec::new() };
    let kind = value.get("type").unwrap_or(value);
    let mut notes = Vec::new();
    if kind != "cargo" {
        notes.push(not_honoured(&[&format!("compiler.type = {kind}")], place, COMPILER));
    }
    if let Some(command) = value.get("subcommand") {
        notes.push(not_honoured(&[&format!("compiler.subcommand = {command}")], place, "it is `cargo build`"));
    }
    let keys = value.as_object().into_iter().flat_map(Map::keys);
    let others = keys.filter(|key| !["type", "subcommand", "extra_args"].contains(&key.as_str()));
    notes.extend(others.map(|key| unknown(&format!("compiler.{key}"), place)));
    notes
}

/// One note for all `keys` that one place has.
fn grouped(said: &BTreeMap<String, Said>, keys: &[&str], instead: &str) -> Vec<String> {
    let has = |key: &&&str| said.get(**key).is_some_and(|said| says_something(&said.value));
    let mut places: Vec<(&str, Vec<&str>)> = Vec::new();
    for key in keys.iter().filter(has) {
        let place = said[*key].place.as_str();
        match places.iter_mut().find(|(known, _)| *known == place) {
            Some((_, keys)) => keys.push(key),
            None => places.push((place, vec![key])),
        }
    }
    places.into_iter().map(|(place, keys)| not_honoured(&keys, place, instead)).collect()
}

/// A switch that is off and an empty list are as if they were not written.
fn says_something(value: &Value) -> bool {
    *value != Value::Bool(false) && *value != json!([])
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::cargo_lambda_tables::Table;

    const PLACE: &str = "[package.metadata.lambda.build] of /p/Cargo.toml";

    fn notes(metadata: Value) -> Vec<String> {
        let tables = Table::in_manifest(&metadata, "package.metadata.lambda", Path::new("/p/Cargo.toml"), &[]).unwrap();
        of(&Together::of(&tables, false).unwrap()).unwrap()
    }

    #[test]
    fn what_has_no_counterpart_is_named_once_with_what_happens_instead() {
        let unlike = "`color`, `quiet`, `verbose` in PLACE are not honoured: what is printed";
        let brazil = "`compiler.subcommand = [\"b\"]` in PLACE is not honoured";
        for (build, note) in [
            (json!({"quiet": true, "color": "never", "verbose": 1}), unlike),
            (
                json!({"env_file": ".env"}),
                "`env_file` in PLACE is not honoured: the compile gets variables by their names",
            ),
            (
                json!({"compiler": {"type": "cross"}}),
                "`compiler.type = \"cross\"` in PLACE is not honoured: cargo compiles",
            ),
            (json!({"compiler": {"type": "cargo", "subcommand": ["b"]}}), brazil),
            (
                json!({"compiler": {"type": "cargo", "args": []}}),
                "`compiler.args` in PLACE is not a key of cargo-lambda",
            ),
            (json!({"relese": true}), "`relese` in PLACE is not a key of cargo-lambda: it has no effect"),
        ] {
            let (notes, note) = (notes(json!({"build": build})), note.replace("PLACE", PLACE));
            assert_eq!(notes.iter().filter(|known| known.starts_with(&note)).count(), 1, "{note}: {notes:#?}");
        }
        let quiet = json!({"arm64": true, "offline": false, "lib": false, "test": [], "compiler": {"type": "cargo"}});
        assert_eq!(notes(json!({"build": quiet})), [""; 0]);
    }

    #[test]
    fn settings_of_the_deployed_function_are_one_note() {
        let deploy = json!({"memory": 1, "timeout": 2, "merge_env": false, "include": ["a"]});
        let notes = notes(json!({"env": {"A": "secret"}, "deploy": deploy}));
        let deployed: Vec<_> = notes.iter().filter(|note| note.contains("it is about the deployed function")).collect();
        assert_eq!(deployed.len(), 2, "{notes:?}");
        let place = "[package.metadata.lambda.deploy] of /p/Cargo.toml";
        assert!(deployed[0].starts_with(&format!("`memory`, `timeout` in {place} are not")), "{notes:?}");
        assert!(deployed[1].starts_with("[package.metadata.lambda.env] of /p/Cargo.toml is not honoured"), "{notes:?}");
        assert!(!notes.concat().contains("secret"));
    }
}
