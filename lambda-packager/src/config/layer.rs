//! Layers of settings, and what they resolve to. A layer is all `Option`; the resolved `Config` has
//! none, and can say where a value came from.

use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::values::{Arch, Base, EngineChoice, Mode, Network, PullPolicy, RegistryLogin, Runtime, Size};
use crate::error::{Error, Result};
use crate::sys::env;

/// Where a layer was written, in the words of an error message.
#[derive(Debug, Clone)]
pub enum Origin {
    Flag,
    Environment,
    BuildScript,
    /// A pipeline, where nobody reads along.
    Pipeline,
    /// A metadata table: its name, and the manifest that holds it.
    Manifest(&'static str, PathBuf),
    Default,
}

impl Origin {
    /// The place where `setting` would be changed.
    pub fn place_of(&self, setting: &str) -> String {
        match self {
            Self::Flag => format!("flag --{}", setting.replace('_', "-")),
            Self::Environment => format!("variable {}", env::variable_of(setting)),
            Self::BuildScript => format!("`{setting}` in build.rs"),
            Self::Pipeline => format!("variable {} (in a production mode)", env::CI),
            Self::Manifest(table, path) => {
                format!("`{setting}` in [{table}] of {}", path.display())
            }
            Self::Default => format!("the default of `{setting}`"),
        }
    }
}

/// How a setting is written where only text can be: in an environment variable.
#[derive(Clone, Copy)]
pub enum Shape {
    Text,
    /// Separated by commas.
    List,
    /// Separated by white space.
    Words,
    /// `1`, `true`, `yes`, `on`, or their opposites.
    Switch,
    Number,
}

macro_rules! settings {
    ($($name:ident: $type:ty, $shape:ident, $doc:literal;)+) => {
        /// One place's say on the settings.
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Layer {
            $(#[doc = $doc] pub $name: Option<$type>,)+
        }

        /// Every setting: its name, how text spells it, and what it says. The table of docs/guide.md is tested
        /// against this one.
        pub const SETTINGS: &[(&str, Shape, &str)] =
            &[$((stringify!($name), Shape::$shape, $doc),)+];

        impl Layer {
            /// This layer's values, and where it has none those of the layer below.
            fn over(self, below: Self) -> Self {
                Self { $($name: self.$name.or(below.$name),)+ }
            }

            fn names(&self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(if self.$name.is_some() { names.push(stringify!($name)); })+
                names
            }
        }
    };
}

settings! {
    package: String, Text, "the cargo package that holds the function";
    function: String, Text, "the bin target to package; required if the package has several";
    mode: Mode, Text, "`release`, `dev`, `prod` or `docker`";
    profile: String, Text, "the cargo profile to compile with, instead of the mode's own";
    target_arch: Arch, Text, "`x86_64` or `arm64`";
    runtime: Runtime, Text, "`provided.al2023` or `provided.al2`";
    features: Vec<String>, List, "cargo features of the package";
    cargo_flags: Vec<String>, Words, "more arguments for `cargo build`; in `prod` and `docker` for `cargo rustc`";
    engine: EngineChoice, Text, "`auto`, `docker`, `podman`, `finch`, `nerdctl` or `host`";
    base: Base, Text, "`auto`, `host` (the borrowed toolchain) or an image with cargo and a C compiler";
    pull_policy: PullPolicy, Text, "when to ask a registry for the base: `if-missing`, `always` or `never`";
    clean_room: bool, Switch, "compile in the four-stage Dockerfile instead of the reused container; the default of `prod` and `docker`";
    output: PathBuf, Text, "where to copy the zip, relative to the workspace";
    include: Vec<String>, List, "files and folders of the package to add to the zip";
    container_name: String, Text, "the builder container's name; if not set, it is derived from the path";
    network: Network, Text, "what the compile may reach: `none` or `bridge`";
    pass_env: Vec<String>, List, "environment variables that the compile may see";
    locked: bool, Switch, "do not allow changes to Cargo.lock";
    use_cache: bool, Switch, "`false` packages on every run, as `force` does";
    force: bool, Switch, "package again even if nothing changed";
    require_container: bool, Switch, "an error instead of a fallback to the host's toolchain, in a container or without one; with `CI=true` the default of `prod` and `docker`";
    engine_timeout_secs: u64, Number, "time limit for a short command of the engine; 60 if not set";
    deps_cache_limit: Size, Text, "maximum size of the compiled dependencies in the engine, such as `10 GB` (the default); `0` keeps none";
    label: String, Text, "a label `key=value` for the container and the image";
    environments: Vec<String>, List, "the names that `--env` accepts; `preprod` and `prod` if not set";
    image_name: String, Text, "the image's repository; `{env}-sse-streaming-lambda` if not set";
    registry: String, Text, "where to push images; with `http://` in front for a registry without TLS";
    registry_login: RegistryLogin, Text, "`auto`, `ecr`, `engine`, `environment` or `none`";
}

impl Layer {
    /// Reads a layer from a table of values.
    ///
    /// # Errors
    /// An unknown key or a value of the wrong kind, with the place to change it.
    pub fn parse(values: Map<String, Value>, origin: &Origin) -> Result<Self> {
        for (key, value) in &values {
            if !SETTINGS.iter().any(|(name, ..)| name == key) {
                return Err(Error::config(format!("unknown setting: {}", origin.place_of(key)))
                    .hint_with(format!("the settings are: {}", setting_names())));
            }
            // One at a time, so that the error can name the one at fault.
            let mut single = Map::new();
            single.insert(key.clone(), value.clone());
            if let Err(e) = serde_json::from_value::<Self>(Value::Object(single)) {
                return Err(Error::config(format!("{} is not valid: {e}", origin.place_of(key))));
            }
        }
        serde_json::from_value(Value::Object(values)).map_err(|e| Error::config("cannot read the settings").source(e))
    }
}

fn setting_names() -> String {
    let names: Vec<_> = SETTINGS.iter().map(|(name, ..)| *name).collect();
    names.join(", ")
}

/// The settings of a run.
#[derive(Debug, Clone)]
pub struct Config {
    pub package: Option<String>,
    pub function: Option<String>,
    pub mode: Mode,
    pub profile: String,
    pub target_arch: Arch,
    pub runtime: Runtime,
    pub features: Vec<String>,
    pub cargo_flags: Vec<String>,
    pub engine: EngineChoice,
    pub base: Base,
    pub pull_policy: PullPolicy,
    pub clean_room: bool,
    pub output: Option<PathBuf>,
    pub include: Vec<String>,
    pub container_name: Option<String>,
    pub network: Network,
    pub pass_env: Vec<String>,
    pub locked: bool,
    pub force: bool,
    pub require_container: bool,
    pub engine_timeout: Duration,
    pub deps_cache_limit_bytes: u64,
    pub label: Option<String>,
    pub environments: Vec<String>,
    pub image_name: String,
    pub registry: Option<String>,
    pub registry_login: RegistryLogin,
    origins: Vec<(&'static str, Origin)>,
}

impl Config {
    /// Resolves layers, the strongest first.
    pub fn resolve(layers: Vec<(Origin, Layer)>) -> Self {
        let mut origins = Vec::new();
        let mut all = Layer::default();
        for (origin, layer) in layers {
            for name in layer.names() {
                if !origins.iter().any(|(known, _)| *known == name) {
                    origins.push((name, origin.clone()));
                }
            }
            all = all.over(layer);
        }
        let mode = all.mode.unwrap_or(Mode::Release);
        Self {
            package: all.package,
            function: all.function,
            mode,
            profile: all.profile.unwrap_or_else(|| mode.profile().to_string()),
            target_arch: all.target_arch.unwrap_or_else(Arch::of_this_machine),
            runtime: all.runtime.unwrap_or(Runtime::ProvidedAl2023),
            features: all.features.unwrap_or_default(),
            cargo_flags: all.cargo_flags.unwrap_or_default(),
            engine: all.engine.unwrap_or(EngineChoice::Auto),
            base: all.base.unwrap_or(Base::Auto),
            pull_policy: all.pull_policy.unwrap_or(PullPolicy::IfMissing),
            clean_room: all.clean_room.unwrap_or(mode.is_for_production()),
            output: all.output,
            include: all.include.unwrap_or_default(),
            container_name: all.container_name,
            network: all.network.unwrap_or(Network::None),
            pass_env: all.pass_env.unwrap_or_default(),
            locked: all.locked.unwrap_or(false),
            force: all.force.unwrap_or(false) || mode == Mode::Docker || !all.use_cache.unwrap_or(true),
            require_container: all.require_container.unwrap_or(false),
            engine_timeout: Duration::from_secs(all.engine_timeout_secs.unwrap_or(60)),
            deps_cache_limit_bytes: all.deps_cache_limit.unwrap_or(Size(10_000_000_000)).0,
            label: all.label,
            environments: all.environments.unwrap_or_else(|| ["preprod", "prod"].map(String::from).into()),
            image_name: all.image_name.unwrap_or_else(|| "{env}-sse-streaming-lambda".into()),
            registry: all.registry,
            registry_login: all.registry_login.unwrap_or(RegistryLogin::Auto),
            origins,
        }
    }

    /// The same settings in a pipeline: what is made there for production comes from no fallback, if nobody said
    /// otherwise.
    pub fn in_pipeline(mut self) -> Self {
        let is_said = self.origins.iter().any(|(name, _)| *name == "require_container");
        // To ask for the host is a choice.
        if self.mode.is_for_production() && self.engine != EngineChoice::Host && !is_said {
            self.require_container = true;
            self.origins.push(("require_container", Origin::Pipeline));
        }
        self
    }

    /// The same settings for the road that was not taken.
    pub fn on_other_backend(&self, was_clean_room: bool) -> Self {
        Self { clean_room: !was_clean_room, ..self.clone() }
    }

    /// Refuses names that an engine, cargo or a file name could take for something else.
    pub fn check_names(&self) -> Result<()> {
        let word = |text: &str, more: &str| {
            let mut chars = text.chars();
            chars.next().is_some_and(|c| c.is_ascii_alphanumeric() || c == '_')
                && chars.all(|c| c.is_ascii_alphanumeric() || more.contains(c))
        };
        let wrong = |setting: &str, value: &str, rule: &str| {
            Err(Error::config(format!("{}: {value:?} {rule}", self.place_of(setting))))
        };
        if let Some(name) = self.pass_env.iter().find(|name| !env::is_variable_name(name)) {
            return wrong("pass_env", name, "is not a valid name of an environment variable");
        }
        if let Some(name) = self.container_name.as_ref().filter(|name| !word(name, "_.-") || name.len() > 63) {
            return wrong(
                "container_name",
                name,
                "is not a valid container name: use letters, digits, `_`, `.` and `-`, at most 63",
            );
        }
        if !word(&self.profile, "_-") {
            return wrong("profile", &self.profile, "is not a valid profile name");
        }
        if let Some(feature) =
            self.features.iter().find(|feature| feature.chars().any(|c| c.is_whitespace() || c == ','))
        {
            return wrong("features", feature, "is not a valid feature name");
        }
        if let Some(label) = self.label.as_ref().filter(|label| label.starts_with('-') || !label.contains('=')) {
            return wrong("label", label, "is not a valid label of the form key=value");
        }
        let is_reference =
            |text: &str| !text.is_empty() && !text.starts_with('-') && !text.contains(char::is_whitespace);
        match &self.base {
            Base::Image(image) if !is_reference(image) => wrong("base", image, "is not a valid image reference"),
            _ => Ok(()),
        }
    }

    /// The place where the value of `setting` comes from.
    pub fn place_of(&self, setting: &str) -> String {
        let origin = self.origins.iter().find(|(name, _)| *name == setting);
        origin.map_or(&Origin::Default, |(_, origin)| origin).place_of(setting)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn layer(value: Value, origin: &Origin) -> Result<Layer> {
        let Value::Object(map) = value else { panic!("a table") };
        Layer::parse(map, origin)
    }

    #[test]
    fn the_stronger_layer_wins_and_the_config_knows_it() {
        let flag = layer(json!({"mode": "dev"}), &Origin::Flag).unwrap();
        let package = Origin::Manifest("package.metadata.lambda-packager", "/p/Cargo.toml".into());
        let below = layer(json!({"mode": "release", "runtime": "provided.al2"}), &package).unwrap();
        let config = Config::resolve(vec![(Origin::Flag, flag), (package, below)]);
        assert_eq!((config.mode, config.profile.as_str()), (Mode::Dev, "dev"));
        assert_eq!(config.runtime, Runtime::ProvidedAl2);
        assert_eq!(config.place_of("mode"), "flag --mode");
        assert_eq!(config.place_of("runtime"), "`runtime` in [package.metadata.lambda-packager] of /p/Cargo.toml");
        assert_eq!(config.place_of("engine"), "the default of `engine`");
    }

    #[test]
    fn an_unknown_key_and_a_wrong_value_name_their_place() {
        let error = layer(json!({"modus": "dev"}), &Origin::Environment).unwrap_err();
        assert!(error.to_string().contains("LAMBDA_PACKAGER_MODUS"), "{error}");
        assert!(error.hint().unwrap().contains("mode"));
        let error = layer(json!({"mode": "fast"}), &Origin::Flag).unwrap_err();
        assert!(error.to_string().contains("flag --mode"), "{error}");
        assert!(error.to_string().contains("expected one of `release`, `prod`"), "{error}");
        let error = layer(json!({"features": "a"}), &Origin::BuildScript).unwrap_err();
        assert!(error.to_string().contains("features"), "{error}");
    }

    #[test]
    fn the_guide_lists_every_setting() {
        #[allow(clippy::disallowed_methods)]
        let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide.md")).unwrap();
        for (name, _, what) in SETTINGS {
            assert!(guide.contains(&format!("| `{name}` | {what} |")), "the guide lacks or misdescribes `{name}`");
        }
    }

    #[test]
    fn a_pipeline_allows_production_no_fallback_if_nobody_does() {
        let of =
            |value: Value| Config::resolve(vec![(Origin::Flag, layer(value, &Origin::Flag).unwrap())]).in_pipeline();
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
    fn use_cache_false_forces() {
        let layer = layer(json!({"use_cache": false}), &Origin::Flag).unwrap();
        assert!(Config::resolve(vec![(Origin::Flag, layer)]).force);
    }
}
