//! The settings that a program makes by calls, and the setters that `BuildScript` and `Packager` share.

use std::panic::Location;

use serde_json::Map;

use crate::config::{Layer, Origin, from_env};
use crate::error::{Error, Result};

/// The settings made so far.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    layer: Layer,
    calls: Vec<(String, &'static Location<'static>)>,
    /// The first call whose name or value is not valid.
    invalid: Option<Error>,
}

impl Settings {
    /// Records a call that sets `setting`; the value goes into the layer.
    #[track_caller]
    pub fn call(&mut self, setting: &str) -> &mut Layer {
        self.calls.push((setting.to_string(), Location::caller()));
        &mut self.layer
    }

    /// Sets a setting by its name to what its environment variable would mean by `text`.
    #[track_caller]
    pub fn set(&mut self, setting: &str, text: &str) {
        let below = std::mem::take(self.call(setting));
        let values = Map::from_iter([(setting.to_string(), from_env::value_of(setting, text))]);
        self.layer = match Layer::parse(values, &Origin::Code(self.calls.clone())) {
            Ok(layer) => layer.or(below),
            Err(error) => {
                self.invalid.get_or_insert(error);
                below
            }
        };
    }

    /// The environment's layer, and below it the one of these settings.
    pub fn layers(&self) -> Result<[(Origin, Layer); 2]> {
        match &self.invalid {
            Some(error) => Err(error.clone()),
            None => {
                Ok([(Origin::Environment, from_env::layer()?), (Origin::Code(self.calls.clone()), self.layer.clone())])
            }
        }
    }
}

/// The setters of a builder with a field `settings`. Each has the name of its setting.
macro_rules! setters {
    ($builder:ident $($name:ident: $type:ty $(= $default:expr)?, $shape:ident, $doc:literal
    $(, $(#[doc = $long:literal])+ ($value:ident: $given:ty) => $stored:expr)?;)+) => {
        /// Settings. If one is set twice, the last call counts; a list replaces the list before. The environment
        /// takes precedence over these calls, and they take precedence over the manifests.
        impl $builder {
            $($($(#[doc = $long])+
            #[track_caller]
            pub fn $name(&mut self, $value: $given) -> &mut Self {
                self.settings.call(stringify!($name)).$name = Some($stored);
                self
            })?)+

            /// The bins and examples to package: names and globs, `!` before what is left out.
            #[track_caller]
            pub fn functions(&mut self, names: impl IntoIterator<Item = impl Into<String>>) -> &mut Self {
                self.settings.call("function").function = Some(crate::config::Names::new(names));
                self
            }

            /// Any setting by its name, with the text that its environment variable would take:
            /// `.set("features", "a,b")`, `.set("force", "true")`, `.set("deps_cache_limit", "5 GB")`. As with the
            /// variable, an empty text changes nothing. Settings of the command `image`, such as `registry`, have no
            /// effect here.
            ///
            /// A name or a text that is not valid is an error of the run; it names the line of this call.
            #[track_caller]
            pub fn set(&mut self, setting: &str, text: &str) -> &mut Self {
                self.settings.set(setting, text);
                self
            }
        }
    };
}
pub(crate) use setters;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{SETTINGS, Size};
    use crate::{Arch, ArtifactKind, Base, BuildScript, EngineChoice, Mode, Network, Packager, PullPolicy, Runtime};

    impl BuildScript {
        fn layer(&self) -> Result<Layer> {
            self.settings.layers().map(|[_, (_, layer)]| layer)
        }
    }

    type Setter = fn(&mut BuildScript) -> &mut BuildScript;

    /// Each setting, the text of its variable, and the typed setter.
    const SETTERS: &[(&str, &str, Setter)] = &[
        ("package", "a", |b| b.package("a")),
        ("function", "a", |b| b.function("a")),
        ("function", "a,b*", |b| b.functions(["a", "b*"])),
        ("kind", "internal-extension", |b| b.kind(ArtifactKind::InternalExtension)),
        ("mode", "prod", |b| b.mode(Mode::Prod)),
        ("profile", "dist", |b| b.profile("dist")),
        ("target_arch", "aarch64", |b| b.target_arch(Arch::Arm64)),
        ("runtime", "provided.al2", |b| b.runtime(Runtime::ProvidedAl2)),
        ("features", "a, b,", |b| b.features(["a", "b"])),
        ("cargo_flags", " -v  --timings", |b| b.cargo_flags(vec!["-v", "--timings"])),
        ("engine", "podman", |b| b.engine(EngineChoice::Podman)),
        ("base", "host", |b| b.base(Base::Host)),
        ("base", "a:1", |b| b.base("a:1")),
        ("pull_policy", "if-missing", |b| b.pull_policy(PullPolicy::IfMissing)),
        ("clean_room", "on", |b| b.clean_room(true)),
        ("output", "a.zip", |b| b.output("a.zip")),
        ("include", "a,b/c", |b| b.include(["a".to_string(), "b/c".to_string()])),
        ("inputs", "a,../b/**", |b| b.inputs(["a", "../b/**"])),
        ("exclude", "*.bak", |b| b.exclude(["*.bak"])),
        ("container_name", "a", |b| b.container_name("a")),
        ("network", "bridge", |b| b.network(Network::Bridge)),
        ("pass_env", "A", |b| b.pass_env(["A"])),
        ("locked", "1", |b| b.locked(true)),
        ("use_cache", "No", |b| b.use_cache(false)),
        ("trust_restored_cache", "yes", |b| b.trust_restored_cache(true)),
        ("force", "true", |b| b.force(true)),
        ("require_container", "yes", |b| b.require_container(true)),
        ("engine_timeout_secs", "7", |b| b.engine_timeout_secs(7)),
        ("deps_cache_limit", "5 GB", |b| b.deps_cache_limit(5_000_000_000)),
        ("label", "a=b", |b| b.label("a=b")),
    ];

    /// The settings of the command `image`, which reads no build.rs.
    const OF_IMAGES: [&str; 4] = ["environments", "image_name", "registry", "registry_login"];

    #[test]
    fn each_typed_setter_means_what_its_name_and_text_mean() {
        for (setting, text, setter) in SETTERS {
            let (mut typed, mut named) = (BuildScript::new(), BuildScript::new());
            let layer = setter(&mut typed).layer().unwrap();
            assert_eq!(layer.names(), [*setting]);
            assert_eq!(named.set(setting, text).layer().unwrap(), layer, "{setting}");
            // The last call counts, and an empty text is like an empty variable.
            let set_twice = setter(named.set(setting, text)).set(setting, "");
            assert_eq!(set_twice.layer().unwrap(), layer, "{setting}");
        }
        for (setting, ..) in SETTINGS {
            let has_setter = SETTERS.iter().any(|(name, ..)| name == setting);
            assert!(has_setter != OF_IMAGES.contains(setting), "{setting} has no typed setter");
        }
        assert!(BuildScript::new().set("kind", "log-*=extension,assets=layer").layer().is_ok());
        assert!(BuildScript::new().set("registry_login", "none").set("environments", "a").layer().is_ok());
    }

    #[test]
    fn what_is_not_valid_names_its_call() {
        let mut script = BuildScript::new();
        script.mode(Mode::Dev);
        let line = line!() + 1;
        script.set("mode", "fast").set("modus", "dev");
        let error = script.layer().unwrap_err();
        let place = format!("`mode` at {}:{line} is not valid", file!());
        assert!(error.to_string().starts_with(&place), "{error}");
        assert!(error.to_string().contains("expected one of `release`, `prod`"), "{error}");
        for (setting, text) in [("modus", "dev"), ("modus", ""), ("force", "perhaps"), ("engine_timeout_secs", "soon")]
        {
            let error = BuildScript::new().set(setting, text).layer().unwrap_err().to_string();
            assert!(error.contains(&format!("`{setting}` at {}:", file!())), "{error}");
        }
        // It is an error of the run, whoever runs.
        let error = Packager::new("/nowhere").set("modus", "dev").run().unwrap_err();
        assert!(error.to_string().starts_with("unknown setting: `modus` at "), "{error}");
    }

    #[test]
    fn the_environment_is_stronger_and_a_call_is_named_as_the_origin() {
        let mut packager = Packager::new(".");
        let line = line!() + 1;
        let [(stronger, _), own] = packager.quiet(true).base("a:1").deps_cache_limit(7).settings.layers().unwrap();
        assert!(matches!(stronger, Origin::Environment));
        assert_eq!(own.1.deps_cache_limit, Some(Size(7)));
        let config = crate::config::Config::resolve(vec![own]);
        assert_eq!(config.place_of("base"), format!("`base` at {}:{line}", file!()));
    }
}
