//! The tables in which a project configures cargo-lambda 1.9: where they are, and what they say together.
//!
//! Source: <https://www.cargo-lambda.info/guide/configuration.html>.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// The key under a manifest's `metadata` that is cargo-lambda's.
pub const KEY: &str = "lambda";
/// The name of its configuration file.
pub const FILE: &str = "CargoLambda.toml";

/// The keys of a table, beside `bin` in a manifest. `watch` is about another command, and stays cargo-lambda's.
const SECTIONS: [&str; 4] = ["build", "deploy", "env", "watch"];

const BUILD: &str = "all all_features all_targets arm64 artifact_dir bench benches bin bins color compiler config \
    disable_optimizations env env_file env_var example examples exclude extension features flatten frozen \
    future_incompat_report ignore_rust_version include internal jobs keep_going lambda_dir lib locked manifest_path \
    message_format no_default_features offline output_format override packages profile quiet release \
    skip_target_check target target_dir test tests timings unit_graph unstable_flags verbose workspace x86_64";

const DEPLOY: &str = "alias binary_name binary_path compatible_runtimes description disable_function_url dry \
    enable_function_url endpoint_url env env_file env_var extension iam_role include internal lambda_dir layer layers \
    log_retention manifest_path memory merge_env name output_format profile region remote_config retry_attempts role \
    runtime s3_bucket s3_key tag tags timeout tracing vpc";

/// A table that configures cargo-lambda.
#[derive(Debug)]
pub struct Table {
    /// As it is written in `file`, such as `package.metadata.lambda`; empty for the whole file.
    name: String,
    file: PathBuf,
    values: Map<String, Value>,
}

/// What one key says, and where.
#[derive(Debug, Clone)]
pub struct Said<T = Value> {
    pub value: T,
    /// `[package.metadata.lambda.build] of /p/Cargo.toml`.
    pub place: String,
}

/// What all tables say together.
#[derive(Default)]
pub struct Together {
    pub build: BTreeMap<String, Said>,
    pub deploy: BTreeMap<String, Said>,
    /// Where variables of the deployed function are set.
    pub env: Option<String>,
    /// Keys that cargo-lambda does not know, with their places.
    pub unknown: Vec<(String, String)>,
}

impl Table {
    /// The tables in a manifest, the strongest first: the one of a bin in `names`, and the general one. `metadata` is
    /// what cargo reports of the table `name`, null if there is none.
    ///
    /// # Errors
    /// If it is not a table.
    pub fn in_manifest(metadata: &Value, name: &str, manifest: &Path, names: &[&str]) -> Result<Vec<Self>> {
        let Some(mut values) = table(metadata, name, manifest)? else { return Ok(Vec::new()) };
        let bins = values.remove("bin").unwrap_or_default();
        let bin_name = names.iter().find(|name| bins.get(**name).is_some());
        let mut tables = Vec::new();
        if let Some(bin) = bin_name {
            let name = format!("{name}.bin.{bin}");
            let values = table(&bins[*bin], &name, manifest)?.unwrap_or_default();
            tables.push(Self { name, file: manifest.into(), values });
        }
        tables.push(Self { name: name.into(), file: manifest.into(), values });
        Ok(tables)
    }

    /// The tables in a configuration file with these values, the strongest first. With a `context` the file has one table
    /// for each context.
    ///
    /// # Errors
    /// If it has another value instead of a table.
    pub fn in_file(mut values: Map<String, Value>, file: &Path, context: Option<&str>) -> Result<Vec<Self>> {
        let Some(context) = context else {
            // What another context says means nothing in this run.
            values.retain(|key, value| SECTIONS.contains(&key.as_str()) || !is_context(value));
            return Ok(vec![Self { name: String::new(), file: file.into(), values }]);
        };
        // The names that hold in every context, and those of the library that cargo-lambda reads its files with.
        let names = ["global", context, "default"];
        let mut tables = Vec::new();
        for name in names {
            let values = table(&values.remove(name).unwrap_or_default(), name, file)?;
            tables.extend(values.map(|values| Self { name: name.into(), file: file.into(), values }));
        }
        Ok(tables)
    }

    fn place_of(&self, section: &str) -> String {
        let name = if self.name.is_empty() { section.to_string() } else { format!("{}.{section}", self.name) };
        format!("[{}] of {}", name.trim_end_matches('.'), self.file.display())
    }
}

fn table(value: &Value, name: &str, file: &Path) -> Result<Option<Map<String, Value>>> {
    match value {
        Value::Null => Ok(None),
        Value::Object(values) => Ok(Some(values.clone())),
        _ => Err(Error::config(format!("[{name}] of {} is not a table", file.display()))),
    }
}

fn is_context(value: &Value) -> bool {
    value.as_object().is_some_and(|table| !table.is_empty() && table.keys().all(|key| SECTIONS.contains(&key.as_str())))
}

impl Together {
    /// Puts `tables` together, the strongest first; `joins` if lists of weaker ones are joined and not replaced.
    ///
    /// # Errors
    /// If a section is not a table.
    pub fn of(tables: &[Table], joins: bool) -> Result<Self> {
        let mut all = Self::default();
        for table in tables.iter().rev() {
            for (section, values) in &table.values {
                let place = table.place_of(section);
                let (into, known) = match section.as_str() {
                    "build" => (&mut all.build, BUILD),
                    "deploy" => (&mut all.deploy, DEPLOY),
                    "env" => {
                        all.env = Some(place);
                        continue;
                    }
                    "watch" => continue,
                    _ => {
                        let place =
                            if table.name.is_empty() { table.file.display().to_string() } else { table.place_of("") };
                        all.unknown.push((section.clone(), place));
                        continue;
                    }
                };
                let Some(values) = self::table(values, place_name(&place), &table.file)? else { continue };
                for (key, value) in values {
                    if !known.split_whitespace().any(|name| name == key) {
                        all.unknown.push((key, place.clone()));
                        continue;
                    }
                    let value = match (into.remove(&key).map(|below| below.value), value) {
                        (Some(Value::Array(below)), Value::Array(above)) if joins => {
                            below.into_iter().chain(above).collect()
                        }
                        (_, value) => value,
                    };
                    into.insert(key, Said { value, place: place.clone() });
                }
            }
        }
        Ok(all)
    }
}

impl Together {
    /// Whether the switch `key` of `build` is on.
    ///
    /// # Errors
    /// If it is neither on nor off.
    pub fn switch(&self, key: &str) -> Result<bool> {
        let Some(said) = self.build.get(key) else { return Ok(false) };
        said.value.as_bool().ok_or_else(|| said.invalid(key, "`true` or `false`"))
    }

    /// The list `key` of `build`.
    ///
    /// # Errors
    /// If it is not a list.
    pub fn list(&self, key: &str) -> Result<Vec<String>> {
        self.build.get(key).map_or(Ok(Vec::new()), |said| said.list(key))
    }

    /// The text `key` of `build`.
    ///
    /// # Errors
    /// If it is no text.
    pub fn text(&self, key: &str) -> Result<Option<Said<String>>> {
        let text = self.build.get(key).map(|said| match &said.value {
            Value::String(text) => Ok(Said { value: text.clone(), place: said.place.clone() }),
            _ => Err(said.invalid(key, "a text")),
        });
        text.transpose()
    }

    /// The arguments for cargo in `build.compiler`.
    ///
    /// # Errors
    /// If they are not a list.
    pub fn extra_args(&self) -> Result<Vec<String>> {
        let Some(said) = self.build.get("compiler") else { return Ok(Vec::new()) };
        let args = said.value.get("extra_args").cloned().unwrap_or_else(|| Value::Array(Vec::new()));
        Said { value: args, place: said.place.clone() }.list("compiler.extra_args")
    }
}

impl Said {
    /// The texts of a list, or the one text that stands for a list.
    ///
    /// # Errors
    /// If it is neither; it calls this `key`.
    pub fn list(&self, key: &str) -> Result<Vec<String>> {
        let texts = match &self.value {
            Value::String(text) => Some(vec![text.clone()]),
            Value::Array(all) => all.iter().map(|text| text.as_str().map(String::from)).collect(),
            _ => None,
        };
        texts.ok_or_else(|| self.invalid(key, "a list of texts"))
    }
}

impl<T> Said<T> {
    pub fn invalid(&self, key: &str, expected: &str) -> Error {
        Error::config(format!("`{key}` in {} is not valid: expected {expected}", self.place))
    }
}

/// The name of the table in a place.
fn place_name(place: &str) -> &str {
    place.split(['[', ']']).nth(1).unwrap_or(place)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn in_manifest(metadata: Value, names: &[&str]) -> Vec<Table> {
        Table::in_manifest(&metadata, "package.metadata.lambda", Path::new("/p/Cargo.toml"), names).unwrap()
    }

    fn said(together: &Together, key: &str) -> String {
        let said = &together.build[key];
        format!("{} {}", said.value, said.place)
    }

    #[test]
    fn the_table_of_a_bin_is_above_that_of_its_package_and_lists_are_joined_on_demand() {
        let metadata = json!({
            "build": {"features": ["a"], "jobs": 2}, "bin": {"api": {"build": {"features": ["b"]}}, "web": {"oops": 1}},
        });
        let tables = in_manifest(metadata, &["api", "p"]);
        let strict = Together::of(&tables, false).unwrap();
        assert_eq!(said(&strict, "features"), "[\"b\"] [package.metadata.lambda.bin.api.build] of /p/Cargo.toml");
        assert_eq!(said(&strict, "jobs"), "2 [package.metadata.lambda.build] of /p/Cargo.toml");
        assert!(strict.unknown.is_empty());
        let joined = Together::of(&tables, true).unwrap();
        assert_eq!(said(&joined, "features"), "[\"a\",\"b\"] [package.metadata.lambda.bin.api.build] of /p/Cargo.toml");
        assert!(in_manifest(Value::Null, &[]).is_empty());
    }

    #[test]
    fn keys_that_cargo_lambda_does_not_know_are_found() {
        let metadata = json!({
            "buidl": {}, "build": {"output-format": "zip"}, "deploy": {"memroy": 1, "memory": 1}, "watch": {"any": 1}, "env": {"ANY": "x"},
        });
        let together = Together::of(&in_manifest(metadata, &[]), false).unwrap();
        let place = |section: &str| format!("[package.metadata.lambda{section}] of /p/Cargo.toml");
        let expected = [("buidl", ""), ("output-format", ".build"), ("memroy", ".deploy")];
        assert_eq!(together.unknown, expected.map(|(key, section)| (key.to_string(), place(section))));
        assert_eq!(together.env, Some(place(".env")));
        let error = Together::of(&in_manifest(json!({"build": 1}), &[]), false).err().unwrap().to_string();
        assert_eq!(error, "[package.metadata.lambda.build] of /p/Cargo.toml is not a table");
    }

    #[test]
    fn a_file_has_one_table_or_one_for_each_context() {
        let file = Path::new("/p/CargoLambda.toml");
        let values = json!({
            "build": {"jobs": 1}, "prod": {"build": {"jobs": 2}}, "default": {"build": {"jobs": 3, "locked": true}},
            "typo": {"a": 1},
        });
        let Value::Object(values) = values else { panic!("a table") };
        let of = |context: Option<&str>| {
            Together::of(&Table::in_file(values.clone(), file, context).unwrap(), false).unwrap()
        };
        let place = |name: &str| format!("[{name}] of {}", file.display());
        assert_eq!(said(&of(None), "jobs"), format!("1 {}", place("build")));
        assert_eq!(of(None).unknown, [("typo".to_string(), file.display().to_string())]);
        let prod = of(Some("prod"));
        assert_eq!(said(&prod, "jobs"), format!("2 {}", place("prod.build")));
        assert_eq!(said(&prod, "locked"), format!("true {}", place("default.build")));
        assert!(prod.unknown.is_empty());
    }
}
