//! The table of settings, and a layer: the settings that one place makes, each an `Option`.

use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::config::{Arch, Base, EngineChoice, Mode, Network, Origin, PullPolicy, RegistryLogin, Runtime, Size};
use crate::error::{Error, Result};

/// How a setting is written as text: in an environment variable, or in `BuildScript::set`.
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
        /// The settings that one place makes.
        #[derive(Debug, Clone, Default, PartialEq, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Layer {
            $(#[doc = $doc] pub $name: Option<$type>,)+
        }

        /// Every setting: its name, how it is written as text, and what it means. A test compares the table of
        /// docs/guide.md to this one.
        pub const SETTINGS: &[(&str, Shape, &str)] =
            &[$((stringify!($name), Shape::$shape, $doc),)+];

        impl Layer {
            /// This layer's values, and where it has none those of the layer below.
            pub fn over(self, below: Self) -> Self {
                Self { $($name: self.$name.or(below.$name),)+ }
            }

            pub fn names(&self) -> Vec<&'static str> {
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
    /// If a key is unknown or a value is not valid; it names the place to change.
    pub fn parse(values: Map<String, Value>, origin: &Origin) -> Result<Self> {
        for (key, value) in &values {
            if !SETTINGS.iter().any(|(name, ..)| name == key) {
                return Err(Error::config(format!("unknown setting: {}", origin.place_of(key)))
                    .hint_with(format!("the settings are: {}", setting_names())));
            }
            // One at a time, so that the error can name the wrong one.
            let single = Map::from_iter([(key.clone(), value.clone())]);
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

/// For tests: a layer from a table of JSON.
#[cfg(test)]
impl Layer {
    pub fn of(settings: Value, origin: &Origin) -> Result<Self> {
        let Value::Object(values) = settings else { panic!("a table") };
        Self::parse(values, origin)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_unknown_key_and_a_wrong_value_name_their_place() {
        let error = Layer::of(json!({"modus": "dev"}), &Origin::Environment).unwrap_err();
        assert!(error.to_string().contains("LAMBDA_PACKAGER_MODUS"), "{error}");
        assert!(error.hint().unwrap().contains("mode"));
        let error = Layer::of(json!({"mode": "fast"}), &Origin::Flag).unwrap_err();
        assert!(error.to_string().contains("flag --mode"), "{error}");
        assert!(error.to_string().contains("expected one of `release`, `prod`"), "{error}");
        let error = Layer::of(json!({"features": "a"}), &Origin::Flag).unwrap_err();
        assert!(error.to_string().contains("flag --features"), "{error}");
    }

    #[test]
    fn the_guide_lists_every_setting() {
        #[allow(clippy::disallowed_methods)]
        let guide = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/guide.md")).unwrap();
        for (name, _, what) in SETTINGS {
            assert!(guide.contains(&format!("| `{name}` | {what} |")), "the guide lacks or misdescribes `{name}`");
        }
    }
}
