//! The settings that a project made for cargo-lambda, as layers below ours, and what happens instead of those that have no
//! counterpart here.

use std::path::{Component, Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::config::cargo_lambda_notes::not_honoured;
use crate::config::cargo_lambda_tables::{Said, Table, Together};
use crate::config::{Layer, Mode, Names, Origin, Output, OutputFormat, Runtime, cargo_lambda_notes};
use crate::error::Result;
use crate::sys::glob;

/// What cargo-lambda's tables mean here.
#[derive(Debug, Clone, Default)]
pub struct CargoLambda {
    /// The settings, each in a layer of its own: its origin is the key that makes it.
    pub layers: Vec<(Origin, Layer)>,
    /// The same settings, as values of a manifest.
    pub values: Map<String, Value>,
    /// What is not honoured, and what happens instead.
    pub notes: Vec<String>,
    /// The same, where it is compiled in the mode `release`.
    pub note_of_release: Option<&'static str>,
    /// The mode, for a program in the place of cargo-lambda.
    pub mode: Option<(Origin, Mode)>,
    /// Where cargo-lambda puts what is made.
    pub output: Output,
    /// The configuration file, whether it exists or not.
    pub file: Option<PathBuf>,
}

/// A program in the place of cargo-lambda reads the tables: what they say of the mode and of the output holds for it as it
/// does for cargo-lambda.
#[derive(Debug, Clone, Copy)]
pub struct StandIn {
    /// Whether flags choose the mode, which are stronger.
    pub has_mode: bool,
}

impl CargoLambda {
    /// Reads `tables`, the strongest first, for the bin `function`; `joins` if lists of several tables are joined;
    /// `included` turns an entry of cargo-lambda's `include` into one of ours.
    ///
    /// # Errors
    /// If a value is not valid; it names its place.
    pub fn read(
        tables: &[Table],
        function: Option<&str>,
        joins: bool,
        stand_in: Option<StandIn>,
        included: &dyn Fn(String) -> String,
    ) -> Result<Self> {
        if tables.is_empty() {
            return Ok(Self::default());
        }
        let said = Together::of(tables, joins)?;
        let mut this = Self::default();
        this.target(&said)?;
        this.cargo_flags(&said)?;
        this.selection(&said)?;
        this.kind(&said)?;
        this.contents(&said)?;
        this.include(&said, included)?;
        this.output = Output::of(&said)?;
        match stand_in {
            Some(stand_in) => this.mode(&said, stand_in)?,
            None => {
                this.profile(&said)?;
                function.map_or(Ok(()), |function| this.zip(function))?;
            }
        }
        this.notes.extend(cargo_lambda_notes::of(&said)?);
        this.note_of_release = cargo_lambda_notes::of_release(&said)?;
        Ok(this)
    }

    /// Makes `setting`, by `key` in `place`.
    fn set(&mut self, setting: &str, value: Value, key: &str, place: &str) -> Result<()> {
        let origin = Origin::CargoLambda { key: key.into(), place: place.into() };
        let layer = Layer::parse(Map::from_iter([(setting.to_string(), value.clone())]), &origin)?;
        self.layers.push((origin, layer));
        self.values.insert(setting.into(), value);
        Ok(())
    }

    fn note(&mut self, keys: &[&str], place: &str, instead: &str) {
        self.notes.push(not_honoured(keys, place, instead));
    }

    fn target(&mut self, said: &Together) -> Result<()> {
        for (key, arch) in [("arm64", "arm64"), ("x86_64", "x86_64")] {
            if said.switch(key)? {
                return self.set("target_arch", arch.into(), key, &said.build[key].place);
            }
        }
        let targets = said.list("target")?;
        let Some((target, place)) = targets.first().zip(said.build.get("target").map(|said| &said.place)) else {
            return Ok(());
        };
        let triple = target.split('.').next().unwrap_or_default();
        let arch = match triple.split_once("-unknown-linux-") {
            Some(("aarch64", _)) => "arm64",
            Some(("x86_64", _)) => "x86_64",
            _ => {
                self.note(&["target"], place, &format!("Lambda runs no {target}; `target_arch` is x86_64 or arm64"));
                return Ok(());
            }
        };
        let written = format!("target = {target:?}");
        if triple != target {
            self.note(
                &[&written],
                place,
                "the builder image has the glibc of the Lambda runtime, and the zip is checked against it",
            );
        } else if !triple.ends_with("-gnu") {
            self.note(&[&written], place, &format!("compiled for {arch} with glibc, which the Lambda runtime has"));
        }
        self.set("target_arch", arch.into(), "target", place)
    }

    /// The arguments for cargo that have no setting of their own.
    fn cargo_flags(&mut self, said: &Together) -> Result<()> {
        let mut flags = Vec::new();
        let mut first = None;
        for (key, flag) in [
            ("all_features", "--all-features"),
            ("no_default_features", "--no-default-features"),
            ("ignore_rust_version", "--ignore-rust-version"),
        ] {
            if said.switch(key)? {
                flags.push(flag.to_string());
                first.get_or_insert(key);
            }
        }
        for (key, flag) in [("config", "--config"), ("unstable_flags", "-Z")] {
            for value in said.list(key)? {
                flags.extend([flag.to_string(), value]);
                first.get_or_insert(key);
            }
        }
        if let Some(jobs) = said.build.get("jobs") {
            flags.extend(["--jobs".to_string(), jobs.value.to_string()]);
            first.get_or_insert("jobs");
        }
        for flag in said.extra_args()? {
            // The mode has a profile.
            if !["--release", "-r"].contains(&flag.as_str()) {
                flags.push(flag);
                first.get_or_insert("compiler");
            }
        }
        let Some(key) = first else { return Ok(()) };
        self.set("cargo_flags", json!(flags), key, &said.build[key].place)
    }

    fn selection(&mut self, said: &Together) -> Result<()> {
        let (bins, examples) = (said.switch("bins")?, said.switch("examples")?);
        let functions = Names::of_targets(&said.list("bin")?, bins, &said.list("example")?, examples);
        let mut packages = said.list("packages")?;
        packages.extend((said.switch("workspace")? || said.switch("all")?).then(|| "*".to_string()));
        packages.extend(said.list("exclude")?.iter().map(|name| format!("!{name}")));
        for (keys, setting, names) in [
            (&["packages", "workspace", "all", "exclude"][..], "package", packages),
            (&["bin", "example", "examples"], "function", functions),
        ] {
            let first = keys.iter().find_map(|key| Some((*key, said.build.get(*key)?)));
            if let Some((key, said)) = first.filter(|_| !names.is_empty()) {
                self.set(setting, json!(names), key, &said.place)?;
            }
        }
        Ok(())
    }

    fn kind(&mut self, said: &Together) -> Result<()> {
        let kind = match (said.switch("extension")?, said.switch("internal")?) {
            (true, true) => "internal-extension",
            (true, false) => "extension",
            _ => return Ok(()),
        };
        self.set("kind", kind.into(), "extension", &said.build["extension"].place)
    }

    /// The mode that a program in the place of cargo-lambda compiles in.
    fn mode(&mut self, said: &Together, stand_in: StandIn) -> Result<()> {
        let (profile, release) = (said.text("profile")?, said.switch("release")?);
        if stand_in.has_mode || (profile.is_none() && !release) {
            return Ok(());
        }
        let (mode, own) = Mode::of_cargo_lambda(release, profile.as_ref().map(|said| said.value.as_str()));
        let key = if profile.is_some() { "profile" } else { "release" };
        let place = said.build[key].place.clone();
        own.map_or(Ok(()), |own| self.set("profile", own.into(), key, &place))?;
        self.mode = Some((Origin::CargoLambda { key: key.into(), place }, mode));
        Ok(())
    }

    fn profile(&mut self, said: &Together) -> Result<()> {
        let Some(profile) = said.build.get("profile") else { return Ok(()) };
        self.set("profile", profile.value.clone(), "profile", &profile.place)
    }

    fn contents(&mut self, said: &Together) -> Result<()> {
        let features = said.list("features")?;
        if !features.is_empty() {
            self.set("features", json!(features), "features", &said.build["features"].place)?;
        }
        for key in ["frozen", "locked"] {
            if said.switch(key)? {
                self.set("locked", true.into(), key, &said.build[key].place)?;
            }
        }
        if let Some(runtime) = said.deploy.get("runtime") {
            match serde_json::from_value::<Runtime>(runtime.value.clone()) {
                Ok(_) => self.set("runtime", runtime.value.clone(), "runtime", &runtime.place)?,
                Err(_) => self.note(&["runtime"], &runtime.place, "a compiled function needs `provided.al2023`"),
            }
        }
        Ok(())
    }

    fn include(&mut self, said: &Together, included: &dyn Fn(String) -> String) -> Result<()> {
        // cargo-lambda adds the files of `deploy` to what `build` zipped; here this zip is the one to deploy.
        let mut include = said.list("include")?;
        let place = [said.build.get("include"), said.deploy.get("include")].into_iter().flatten().next();
        for name in said.deploy.get("include").map_or(Ok(Vec::new()), |said| said.list("include"))? {
            if !include.contains(&name) {
                include.push(name);
            }
        }
        if let Some(said) = place.filter(|_| !include.is_empty()) {
            let include: Vec<String> = include.into_iter().map(included).collect();
            self.set("include", json!(include), "include", &said.place)?;
        }
        Ok(())
    }

    /// The zip goes where cargo-lambda would put it, unless that is among the packager's own files.
    fn zip(&mut self, function: &str) -> Result<()> {
        // A note is the same for all functions that it is about.
        const OURS: &str = "target/lambda/<function>/lambda-deployment.zip";
        let Output { format, lambda_dir, flatten } = self.output.clone();
        let is_flat = |said: &&Said<String>| said.value == function;
        let flattened = flatten.as_ref().filter(is_flat);
        let is_zip = |said: &&Said<OutputFormat>| said.value == OutputFormat::Zip;
        if let Some(Said { place, .. }) = format.as_ref().filter(|said| !is_zip(said)) {
            let instead = "there is always a zip; the binary in it is also at target/lambda/<function>/bootstrap";
            self.note(&["output_format = \"binary\""], place, instead);
        }
        let name = if flattened.is_some() { "bootstrap.zip" } else { "{function}/bootstrap.zip" };
        match &lambda_dir {
            Some(Said { value: folder, place })
                if is_inside(folder) && !Path::new(&glob::clean(folder)).starts_with("target/lambda") =>
            {
                let path = format!("{}/{name}", folder.trim_end_matches('/'));
                self.set("output", path.into(), "lambda_dir", place)?;
            }
            Some(Said { value: folder, place }) if !is_inside(folder) => {
                let instead = format!(
                    "no file of the project may place files outside of it; the zip is {OURS}, and `--output` copies it anywhere"
                );
                self.note(&["lambda_dir"], place, &instead);
            }
            _ => {
                let instead = format!("the zip is {OURS}; `output` copies it to another place");
                if let Some(Said { place, .. }) = format.as_ref().filter(is_zip) {
                    self.notes.push(format!("`output_format` in {place}: {instead}"));
                }
                if let Some(Said { place, .. }) = flattened {
                    self.note(&["flatten"], place, &instead);
                }
            }
        }
        Ok(())
    }
}

fn is_inside(folder: &str) -> bool {
    Path::new(folder).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLACE: &str = "[package.metadata.lambda.build] of /p/Cargo.toml";

    fn read(metadata: &Value) -> Result<CargoLambda> {
        read_for("api", None, metadata)
    }

    fn read_for(function: &str, stand_in: Option<StandIn>, metadata: &Value) -> Result<CargoLambda> {
        let tables = Table::in_manifest(metadata, "package.metadata.lambda", Path::new("/p/Cargo.toml"), &[function]);
        CargoLambda::read(&tables?, Some(function), false, stand_in, &|entry| entry)
    }

    fn of_build(build: Value) -> CargoLambda {
        read(&json!({"build": build, "deploy": {}})).unwrap()
    }

    #[test]
    fn what_has_a_counterpart_is_a_setting() {
        for (build, settings) in [
            (json!({"arm64": true}), json!({"target_arch": "arm64"})),
            (json!({"x86_64": true, "arm64": false}), json!({"target_arch": "x86_64"})),
            (json!({"target": ["aarch64-unknown-linux-gnu"]}), json!({"target_arch": "arm64"})),
            (json!({"target": "x86_64-unknown-linux-gnu.2.26"}), json!({"target_arch": "x86_64"})),
            (
                json!({"features": ["a"], "no_default_features": true}),
                json!({"features": ["a"], "cargo_flags": ["--no-default-features"]}),
            ),
            (
                json!({"all_features": true, "jobs": 2, "config": ["a.b=1"], "unstable_flags": ["x"]}),
                json!({"cargo_flags": ["--all-features", "--config", "a.b=1", "-Z", "x", "--jobs", "2"]}),
            ),
            (json!({"compiler": {"type": "cargo", "extra_args": ["--release", "-v"]}}), json!({"cargo_flags": ["-v"]})),
            (json!({"profile": "dist", "locked": true}), json!({"profile": "dist", "locked": true})),
            (json!({"frozen": true, "release": true}), json!({"locked": true})),
            (json!({"packages": ["p"], "bin": ["api"]}), json!({"package": ["p"], "function": ["api"]})),
            (json!({"workspace": true, "exclude": ["tools"]}), json!({"package": ["*", "!tools"]})),
            (json!({"all": true}), json!({"package": ["*"]})),
            (json!({"workspace": false, "exclude": []}), json!({})),
            (json!({"bin": ["api", "web"]}), json!({"function": ["api", "web"]})),
            (json!({"example": ["demo"]}), json!({"function": ["examples/demo"]})),
            (json!({"bins": true}), json!({})),
            (json!({"bins": true, "examples": true}), json!({"function": ["examples/*", "*"]})),
            (json!({"include": ["README.md"]}), json!({"include": ["README.md"]})),
            (json!({"lambda_dir": "dist/"}), json!({"output": "dist/{function}/bootstrap.zip"})),
            (json!({"lambda_dir": "./dist", "flatten": "api"}), json!({"output": "./dist/bootstrap.zip"})),
            (json!({"lambda_dir": "dist", "flatten": "web"}), json!({"output": "dist/{function}/bootstrap.zip"})),
            (json!({"extension": true}), json!({"kind": "extension"})),
            (json!({"extension": true, "internal": true}), json!({"kind": "internal-extension"})),
            (json!({"internal": true}), json!({})),
            (
                json!({"lambda_dir": "target/lambda-out"}),
                json!({"output": "target/lambda-out/{function}/bootstrap.zip"}),
            ),
            (json!({"lambda_dir": "target/lambda"}), json!({})),
            (json!({"lambda_dir": "./target//lambda/x"}), json!({})),
            (json!({"lambda_dir": "../dist"}), json!({})),
        ] {
            assert_eq!(Value::Object(of_build(build.clone()).values), settings, "{build}");
        }
    }

    #[test]
    fn what_is_added_when_it_is_deployed_is_in_the_zip() {
        let said =
            read(&json!({"build": {"include": ["a"]}, "deploy": {"include": ["a", "b"], "runtime": "provided.al2"}}));
        assert_eq!(Value::Object(said.unwrap().values), json!({"include": ["a", "b"], "runtime": "provided.al2"}));
        let said = read(&json!({"deploy": {"include": ["b"], "runtime": "nodejs22.x"}})).unwrap();
        assert_eq!(Value::Object(said.values), json!({"include": ["b"]}));
        assert_eq!(
            said.layers[0].0.place_of("include"),
            "`include` in [package.metadata.lambda.deploy] of /p/Cargo.toml"
        );
        assert!(said.notes[0].starts_with("`runtime` in [package.metadata.lambda.deploy]"), "{:?}", said.notes);
    }

    #[test]
    fn what_is_honoured_only_in_part_is_named_with_what_happens_instead() {
        let musl = "`target = \"aarch64-unknown-linux-musl\"` in PLACE is not honoured: compiled for arm64 with glibc";
        let glibc =
            "`target = \"x86_64-unknown-linux-gnu.2.26\"` in PLACE is not honoured: the builder image has the glibc";
        let outside = "`lambda_dir` in PLACE is not honoured: no file of the project may place files outside";
        for (build, note) in [
            (json!({"target": "x86_64-unknown-linux-gnu.2.26"}), glibc),
            (json!({"target": "aarch64-unknown-linux-musl"}), musl),
            (json!({"target": "wasm32-wasip1"}), "`target` in PLACE is not honoured: Lambda runs no wasm32-wasip1"),
            (
                json!({"output_format": "binary"}),
                "`output_format = \"binary\"` in PLACE is not honoured: there is always a zip",
            ),
            (
                json!({"output_format": "Zip"}),
                "`output_format` in PLACE: the zip is target/lambda/<function>/lambda-deployment.zip",
            ),
            (json!({"lambda_dir": "/tmp"}), outside),
            (json!({"flatten": "api"}), "`flatten` in PLACE is not honoured: the zip is target/lambda/<function>/"),
        ] {
            let (notes, note) = (of_build(build).notes, note.replace("PLACE", PLACE));
            assert_eq!(notes.iter().filter(|known| known.starts_with(&note)).count(), 1, "{note}: {notes:#?}");
        }
        let quiet = json!({"disable_optimizations": true, "output_format": "zip", "lambda_dir": "dist", "target": "x86_64-unknown-linux-gnu"});
        let said = of_build(quiet);
        assert_eq!((said.notes.as_slice(), said.note_of_release), (&[][..], None));
        assert_eq!(read(&Value::Null).unwrap().notes, [""; 0]);
        let said = of_build(json!({"release": true}));
        assert_eq!(said.notes, [""; 0]);
        assert!(said.note_of_release.unwrap().starts_with("cargo-lambda adds `lto = \"thin\"`"));
    }

    #[test]
    fn what_one_table_says_to_several_functions_is_one_note() {
        let build = json!({"build": {"output_format": "zip", "lambda_dir": "/tmp", "target": "wasm32-wasip1", "offline": true}});
        let notes = |function| read_for(function, None, &build).unwrap().notes;
        assert_eq!(notes("api"), notes("web"));
        let build = json!({"build": {"output_format": "binary"}});
        assert_eq!(read_for("api", None, &build).unwrap().notes, read_for("web", None, &build).unwrap().notes);
    }

    #[test]
    fn in_the_place_of_cargo_lambda_mode_and_output_are_no_settings_and_hold() {
        let metadata = json!({
            "build": {"output_format": "zip", "lambda_dir": "/tmp/x", "flatten": "api", "disable_optimizations": true},
            "bin": {"web": {"build": {"output_format": "binary", "lambda_dir": "dist"}}},
        });
        for (function, format, folder) in [("api", OutputFormat::Zip, "/tmp/x"), ("web", OutputFormat::Binary, "dist")]
        {
            let said = read_for(function, Some(StandIn { has_mode: false }), &metadata).unwrap();
            let output = (said.output.format.unwrap().value, said.output.lambda_dir.unwrap().value);
            assert_eq!((output, said.notes.as_slice()), ((format, folder.to_string()), &[][..]), "{function}");
            assert!(said.values.is_empty(), "{:?}", said.values);
        }
        for (build, mode, profile) in [
            (json!({"release": true}), Some((Mode::Release, "release")), None),
            (json!({"release": false}), None, None),
            (json!({"profile": "release"}), Some((Mode::Release, "profile")), None),
            (json!({"profile": "dev", "release": true}), Some((Mode::Dev, "profile")), None),
            (json!({"profile": "small"}), Some((Mode::Release, "profile")), Some("small")),
        ] {
            let of = |has_mode| {
                let said = read_for("api", Some(StandIn { has_mode }), &json!({"build": build})).unwrap();
                let mode = said.mode.map(|(origin, mode)| (mode, origin.place_of("mode")));
                (mode, said.values.get("profile").cloned())
            };
            let mode = mode.map(|(mode, key)| (mode, format!("`{key}` in {PLACE}")));
            assert_eq!(of(false), (mode, profile.map(Value::from)), "{build}");
            assert_eq!(of(true), (None, None), "flags are stronger than {build}");
        }
    }

    #[test]
    fn a_value_that_is_not_valid_names_its_place() {
        for (build, error) in [
            (json!({"arm64": "yes"}), "`arm64` in PLACE is not valid: expected `true` or `false`"),
            (json!({"features": 1}), "`features` in PLACE is not valid: expected a list of texts"),
            (
                json!({"compiler": {"type": "cargo", "extra_args": 1}}),
                "`compiler.extra_args` in PLACE is not valid: expected a list",
            ),
            (json!({"profile": 1}), "`profile` in PLACE is not valid: invalid type"),
            (json!({"output_format": "tar"}), "`output_format` in PLACE is not valid: expected `binary` or `zip`"),
            (json!({"lambda_dir": 1}), "`lambda_dir` in PLACE is not valid: expected a text"),
        ] {
            let found = read(&json!({"build": build})).unwrap_err().to_string();
            assert!(found.starts_with(&error.replace("PLACE", PLACE)), "{found}");
        }
    }
}
