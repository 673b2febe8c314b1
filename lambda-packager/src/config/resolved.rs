//! What the layers of settings resolve to.

use std::slice;

use crate::config::{Adds, ArtifactKind, Base, Config, EngineChoice, Layer, Mode, Origin};
use crate::error::{Error, Result};
use crate::sys::{env, glob};

impl Config {
    /// Resolves layers, the strongest first; those that add to others are stronger than those that replace.
    pub fn resolve(layers: Vec<(Origin, Layer)>) -> Self {
        let mut origins = Vec::new();
        for (origin, layer) in &layers {
            for name in layer.names() {
                if !origins.iter().any(|(known, _)| *known == name) {
                    origins.push((name, origin.clone()));
                }
            }
        }
        let (adding, replacing): (Vec<_>, Vec<_>) =
            layers.into_iter().map(|(_, layer)| layer).partition(|layer| layer.adds != Adds::Nothing);
        let all = replacing.into_iter().fold(Layer::default(), Layer::over);
        let all = adding.into_iter().rev().fold(all, |below, layer| layer.added_to(below));
        let mut config = all.resolved(origins);
        config.force |= config.mode == Mode::Docker || !config.use_cache;
        config
    }

    /// The same settings in a pipeline: a production mode does not allow a fallback there, unless
    /// `require_container` says otherwise.
    pub fn in_pipeline(mut self) -> Self {
        // The host as engine is a choice, not a fallback.
        if self.mode.is_for_production() && self.engine != EngineChoice::Host && !self.is_set("require_container") {
            self.require_container = true;
            self.origins.push(("require_container", Origin::Pipeline));
        }
        self
    }

    /// Whether a compile with these settings is one with the `other` ones: they differ in what is selected and in what
    /// becomes of it.
    pub fn compiles_like(&self, other: &Self) -> bool {
        let compiled = |config: &Self| Self {
            package: None,
            function: None,
            kind: ArtifactKind::Function.into(),
            output: None,
            include: Vec::new(),
            origins: Vec::new(),
            ..config.clone()
        };
        compiled(self) == compiled(other)
    }

    /// Whether any layer has `setting`.
    pub fn is_set(&self, setting: &str) -> bool {
        self.origins.iter().any(|(name, _)| *name == setting)
    }

    /// Whether `setting` was made in a stronger layer than `other`, which may be a default.
    pub fn is_stronger(&self, setting: &str, other: &str) -> bool {
        let at = |wanted: &str| self.origins.iter().position(|(name, _)| *name == wanted);
        let (one, two) = (at(setting), at(other));
        one.is_some_and(|one| two.is_none_or(|two| one < two)) && self.origin_of(setting) != self.origin_of(other)
    }

    /// The same settings for the other backend.
    pub fn on_other_backend(&self, was_clean_room: bool) -> Self {
        Self { clean_room: !was_clean_room, ..self.clone() }
    }

    /// The same settings, with nothing of an earlier compile.
    pub fn from_nothing(&self) -> Self {
        Self { force: true, ..self.clone() }
    }

    /// Refuses names that an engine or cargo could misread, or that cannot be part of a file name.
    pub fn check_names(&self) -> Result<()> {
        fn is_word(text: &str, more: &str) -> bool {
            text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
                && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        }
        fn is_image(text: &str) -> bool {
            !text.is_empty() && !text.starts_with('-') && !text.contains(char::is_whitespace)
        }
        type Check<'a> = (&'a str, &'a [String], fn(&str) -> bool, &'a str);
        let base = if let Base::Image(image) = &self.base { slice::from_ref(image) } else { &[] };
        #[rustfmt::skip]
        let checks: [Check; 6] = [
            ("pass_env", &self.pass_env, env::is_variable_name, "name of an environment variable"),
            ("container_name", self.container_name.as_slice(), |name| is_word(name, "_.-") && name.len() <= 63,
                "container name: use letters, digits, `_`, `.` and `-`, at most 63"),
            ("profile", slice::from_ref(&self.profile), |name| is_word(name, "_-"), "profile name"),
            ("features", &self.features, |name| !name.contains(|c: char| c.is_whitespace() || c == ','), "feature name"),
            ("label", self.label.as_slice(), |label| !label.starts_with('-') && label.contains('='), "label of the form key=value"),
            ("base", base, is_image, "image reference"),
        ];
        for (setting, values, is_valid, what) in checks {
            if let Some(value) = values.iter().find(|value| !is_valid(value)) {
                return Err(Error::config(format!("{}: {value:?} is not a valid {what}", self.place_of(setting))));
            }
        }
        const DAY: u64 = 24 * 60 * 60;
        if !(1..=DAY).contains(&self.engine_timeout_secs) {
            let (place, secs) = (self.place_of("engine_timeout_secs"), self.engine_timeout_secs);
            return Err(Error::config(format!("{place}: {secs} is not a number of seconds from 1 to {DAY}")));
        }
        self.check_globs()?;
        self.check_flags()
    }

    fn check_globs(&self) -> Result<()> {
        const PATH: &str = "path or glob relative to the workspace";
        const NAME: &str = "name or glob";
        let paths = [("inputs", &self.inputs), ("exclude", &self.exclude)];
        let paths = paths.into_iter().flat_map(|(setting, all)| all.iter().map(move |it| (setting, it.as_str(), PATH)));
        let names = [("package", &self.package), ("function", &self.function)];
        let names = names.into_iter().filter_map(|(setting, names)| Some((setting, names.as_ref()?)));
        let names = names.flat_map(|(setting, names)| names.all().map(move |name| (setting, name, NAME)));
        let kinds = self.kind.named().iter().map(|(name, _)| ("kind", name.as_str(), NAME));
        for (setting, text, what) in paths.chain(names).chain(kinds) {
            if let Some(hint) = glob::fault(text) {
                let place = self.place_of(setting);
                return Err(Error::config(format!("{place}: {text:?} is not a valid {what}")).hint_with(hint));
            }
        }
        Ok(())
    }

    /// Refuses flags of cargo that select another target: it would be compiled, and the function be packaged.
    fn check_flags(&self) -> Result<()> {
        const SELECTING: &[(&str, &str)] = &[
            ("--bin", "`function`"),
            ("--bins", "`function`"),
            ("--lib", "`function`"),
            ("--example", "`function`"),
            ("--examples", "`function`: `examples/*`"),
            ("--test", "`function`"),
            ("--tests", "`function`"),
            ("--bench", "`function`"),
            ("--benches", "`function`"),
            ("--all-targets", "`function`"),
            ("-p", "`package`"),
            ("--package", "`package`"),
            ("--workspace", "`package`"),
            ("--all", "`package`"),
            ("--target", "`target_arch`"),
        ];
        let mut before = "";
        for flag in self.cargo_flags.iter().take_while(|flag| *flag != "--") {
            let name = flag.split('=').next().unwrap_or_default();
            let name = if flag.starts_with("-p") { "-p" } else { name };
            let is_value = ["--config", "--features", "-F", "--exclude", "-Z"].contains(&before);
            if let Some((_, setting)) = SELECTING.iter().find(|(known, _)| *known == name && !is_value) {
                let place = self.place_of("cargo_flags");
                return Err(Error::config(format!("{place}: `{flag}` selects another target than the function"))
                    .hint_with(format!("what is packaged is selected by {setting}")));
            }
            before = flag;
        }
        Ok(())
    }

    /// The place where the value of `setting` comes from.
    pub fn place_of(&self, setting: &str) -> String {
        self.origin_of(setting).place_of(setting)
    }

    /// Whether the user made `setting`, by a flag or a variable, and not a file of the project: whoever wrote that may
    /// not say where the user's logins go.
    pub fn is_of_user(&self, setting: &str) -> bool {
        matches!(self.origin_of(setting), Origin::Flag | Origin::Environment)
    }

    /// Whether a manifest makes `setting`: what it says may come from anybody, and is no program that the user runs.
    pub fn is_of_manifest(&self, setting: &str) -> bool {
        matches!(self.origin_of(setting), Origin::Manifest(..) | Origin::CargoLambda { .. })
    }

    /// Whether a table of cargo-lambda's makes `setting`.
    pub fn is_of_cargo_lambda(&self, setting: &str) -> bool {
        matches!(self.origin_of(setting), Origin::CargoLambda { .. })
    }

    fn origin_of(&self, setting: &str) -> &Origin {
        let origin = self.origins.iter().find(|(name, _)| *name == setting);
        origin.map_or(&Origin::Default, |(_, origin)| origin)
    }
}

/// For tests: settings made by flags.
#[cfg(test)]
impl Config {
    pub fn of(settings: serde_json::Value) -> Self {
        Self::resolve(vec![(Origin::Flag, Layer::of(settings, &Origin::Flag).unwrap())])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Runtime;

    #[test]
    fn the_stronger_layer_wins_and_the_config_knows_it() {
        let flag = Layer::of(json!({"mode": "dev"}), &Origin::Flag).unwrap();
        let package = Origin::Manifest("package.metadata.lambda-packager", "/p/Cargo.toml".into());
        let below = Layer::of(json!({"mode": "release", "runtime": "provided.al2"}), &package).unwrap();
        let config = Config::resolve(vec![(Origin::Flag, flag), (package, below)]);
        assert_eq!((config.mode, config.profile.as_str()), (Mode::Dev, "dev"));
        assert_eq!(config.runtime, Runtime::ProvidedAl2);
        assert_eq!(config.place_of("mode"), "flag --mode");
        assert_eq!(config.place_of("runtime"), "`runtime` in [package.metadata.lambda-packager] of /p/Cargo.toml");
        assert_eq!(config.place_of("engine"), "the default of `engine`");
        assert_eq!(["mode", "runtime", "engine"].map(|setting| config.is_of_user(setting)), [true, false, false]);
        assert_eq!(["mode", "runtime", "engine"].map(|setting| config.is_of_manifest(setting)), [false, true, false]);
    }

    #[test]
    fn names_that_only_leave_out_narrow_those_of_the_layer_below() {
        for setting in ["package", "function"] {
            let of = |layers: &[Value]| {
                let layers = layers.iter().map(|names| {
                    let layer = Layer::of(json!({setting: names}), &Origin::Flag).unwrap();
                    (Origin::Flag, layer)
                });
                let config = Config::resolve(layers.collect());
                let names = if setting == "package" { config.package } else { config.function };
                names.map(|names| json!(names))
            };
            assert_eq!(of(&[json!(["!x"]), json!(["f*"])]), Some(json!(["f*", "!x"])));
            assert_eq!(of(&[json!(["!x"]), json!(["!y"]), json!(["a"])]), Some(json!(["a", "!y", "!x"])));
            assert_eq!(of(&[json!(["!x"])]), Some(json!(["!x"])));
            assert_eq!(of(&[json!(["*", "!x"]), json!(["f*"])]), Some(json!(["*", "!x"])));
        }
    }

    #[test]
    fn one_setting_is_stronger_than_another_one_of_a_layer_below() {
        let table = Origin::Manifest("workspace.metadata.lambda-packager", "/Cargo.toml".into());
        let of = |flags: Value, below: Value| {
            let layer = |settings, origin: &Origin| (origin.clone(), Layer::of(settings, origin).unwrap());
            let config = Config::resolve(vec![layer(flags, &Origin::Flag), layer(below, &table)]);
            config.is_stronger("package", "function")
        };
        assert!(of(json!({"package": "a"}), json!({"function": "f"})));
        assert!(!of(json!({"function": "f"}), json!({"package": "a"})));
        assert!(!of(json!({"function": "f", "package": "a"}), json!({})));
        assert!(!of(json!({}), json!({"function": "f"})));
    }

    #[test]
    fn lists_of_a_layer_that_adds_come_after_those_that_hold_without_it() {
        let layer = |settings: Value| Layer::of(settings, &Origin::Flag).unwrap();
        let above = Layer {
            adds: Adds::Lists,
            ..layer(json!({"features": ["c"], "function": "two", "pass_env": ["X"], "mode": "dev",
                "cargo_flags": ["--all-features", "--jobs", "2", "-Z", "b"]}))
        };
        let of = |below: &[Value]| {
            let below = below.iter().map(|settings| (Origin::Environment, layer(settings.clone())));
            Config::resolve([(Origin::Flag, above.clone())].into_iter().chain(below).collect())
        };
        let config = of(&[
            json!({"features": ["b"], "mode": "prod", "include": ["x"]}),
            json!({"features": ["a"], "function": ["one"], "cargo_flags": ["--jobs", "9", "-Z", "a", "--all-features"]}),
        ]);
        assert_eq!((config.features, config.include), (vec!["b".to_string(), "c".into()], vec!["x".to_string()]));
        assert_eq!(config.function, Some(crate::config::Names::new(["one", "two"])));
        assert_eq!(config.cargo_flags.join(" "), "-Z a --all-features --jobs 2 -Z b");
        assert_eq!((config.pass_env, config.mode), (vec!["X".to_string()], Mode::Dev));
        assert_eq!(of(&[]).features, ["c"]);
    }

    #[test]
    fn a_flag_of_cargo_replaces_those_of_its_name_and_leaves_the_others() {
        let layer = |flags: &str| {
            let flags: Vec<&str> = flags.split_whitespace().collect();
            Layer::of(json!({"cargo_flags": flags, "features": ["f"]}), &Origin::Flag).unwrap()
        };
        for (below, above, other_flags, lists) in [
            ("--all-features", "--jobs 2", "--all-features --jobs 2", "--all-features --jobs 2"),
            ("--jobs 9 -v", "--jobs 2", "-v --jobs 2", "-v --jobs 2"),
            ("-j9", "--jobs 2", "--jobs 2", "--jobs 2"),
            ("-j 9 -v", "--jobs 2", "-v --jobs 2", "-v --jobs 2"),
            ("--jobs=9", "--jobs 2", "--jobs 2", "--jobs 2"),
            ("--config a=1 --locked", "--config b=2", "--locked --config b=2", "--config a=1 --locked --config b=2"),
            ("--config=a=1 -Zx", "-Z y", "--config=a=1 -Z y", "--config=a=1 -Zx -Z y"),
            ("--config --jobs -v", "--jobs 2", "--config --jobs -v --jobs 2", "--config --jobs -v --jobs 2"),
            ("-v -- -C x", "--jobs 2", "-v --jobs 2 -- -C x", "-v --jobs 2 -- -C x"),
            ("", "--jobs 2", "--jobs 2", "--jobs 2"),
        ] {
            for (adds, expected) in [(Adds::Nothing, above), (Adds::OtherFlags, other_flags), (Adds::Lists, lists)] {
                let above = Layer { adds, ..layer(above) };
                let config = Config::resolve(vec![(Origin::Flag, above), (Origin::Environment, layer(below))]);
                assert_eq!(config.cargo_flags.join(" "), expected, "{below} {adds:?}");
                assert_eq!(config.features.len(), if adds == Adds::Lists { 2 } else { 1 });
            }
        }
    }

    #[test]
    fn a_pipeline_allows_production_no_fallback_if_nobody_does() {
        let of = |value: Value| Config::of(value).in_pipeline();
        for mode in ["prod", "docker"] {
            let config = of(json!({"mode": mode}));
            assert!(config.require_container && config.place_of("require_container").starts_with("variable CI"));
        }
        for said in [
            json!({}),
            json!({"mode": "dev"}),
            json!({"mode": "prod", "require_container": false}),
            json!({"mode": "prod", "engine": "host"}),
        ] {
            assert!(!of(said.clone()).require_container, "{said}");
        }
    }

    #[test]
    fn what_becomes_of_a_binary_makes_no_other_compile() {
        let alike = |one: Value, other: Value| Config::of(one).compiles_like(&Config::of(other));
        for one in [json!({"kind": "extension"}), json!({"output": "a.zip", "include": ["a"], "function": "a"})] {
            assert!(alike(one.clone(), json!({})), "{one}");
        }
        assert!(!alike(json!({"features": ["a"]}), json!({})));
    }

    #[test]
    fn use_cache_false_forces() {
        assert!(Config::of(json!({"use_cache": false})).force);
    }
    #[test]
    fn a_name_that_is_not_valid_names_its_place() {
        let refused = [
            (
                json!({"pass_env": ["A", "B-C"]}),
                "flag --pass-env: \"B-C\" is not a valid name of an environment variable",
            ),
            (json!({"container_name": ".a"}), "flag --container-name: \".a\" is not a valid container name"),
            (json!({"profile": "a b"}), "flag --profile: \"a b\" is not a valid profile name"),
            (json!({"features": ["a,b"]}), "flag --features: \"a,b\" is not a valid feature name"),
            (json!({"label": "-a=b"}), "flag --label: \"-a=b\" is not a valid label of the form key=value"),
            (json!({"inputs": ["/a"]}), "flag --inputs: \"/a\" is not a valid path or glob relative to the workspace"),
            (json!({"exclude": ["a", "b[c"]}), "flag --exclude: \"b[c\" is not a valid path or glob"),
            (json!({"exclude": ["**/*.{a,b"]}), "flag --exclude: \"**/*.{a,b\" is not a valid path or glob"),
            (json!({"function": ["!api-{a"]}), "flag --function: \"api-{a\" is not a valid name or glob"),
            (json!({"package": "a\\"}), "flag --package: \"a\\\\\" is not a valid name or glob"),
            (json!({"kind": {"a{": "layer"}}), "flag --kind: \"a{\" is not a valid name or glob"),
            (
                json!({"cargo_flags": ["-v", "--example", "x"]}),
                "flag --cargo-flags: `--example` selects another target",
            ),
            (json!({"cargo_flags": ["--bin=x"]}), "flag --cargo-flags: `--bin=x` selects another target"),
            (json!({"cargo_flags": ["-pother"]}), "flag --cargo-flags: `-pother` selects another target"),
            (json!({"base": "-v"}), "flag --base: \"-v\" is not a valid image reference"),
        ];
        let check = |value: Value| Config::of(value).check_names();
        for (value, message) in refused {
            assert!(check(value).unwrap_err().to_string().starts_with(message), "{message}");
        }
        let valid = json!({"pass_env": ["_A1"], "container_name": "a.b-c", "label": "a=b", "base": "a/b:1", "features": ["a/b"],
            "inputs": ["../a/**", ".git"], "exclude": ["*.[ab]"],
            "cargo_flags": ["--binary", "--config", "--lib", "--", "--test"]});
        check(valid).unwrap();
    }
}
