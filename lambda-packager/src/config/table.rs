//! The table of settings: what one more setting is added to.

use std::path::PathBuf;

use serde_json::Value;

use crate::config::{
    Arch, ArtifactKind, Base, EngineChoice, Kinds, Mode, Names, Network, Origin, PullPolicy, RegistryLogin, Runtime,
    Size,
};

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

/// Passes every setting to `$then`: its name and type, its default (if it has none, it is an `Option`), how it is
/// written as text, what it means, and its setter. Settings that only the command `image` reads have no setter, because
/// that command does not read build.rs.
macro_rules! with_settings {
    ($then:ident $($builder:ident)?) => {
        $then! {
            $($builder)?
            package: Names, List, "the cargo packages that hold the functions: names and globs, `!` before what is left out",
                /// The cargo package that holds the functions. The default is the package in whose folder this runs, or the
                /// default members of the workspace.
                (name: impl Into<String>) => crate::config::Names::new([name]);
            function: Names, List, "the bins and examples to package: names and globs, `!` before what is left out; all bins if not set. `functions` is the same",
                /// The bin target to package. The default is every bin target of the package.
                (name: impl Into<String>) => crate::config::Names::new([name]);
            kind: Kinds = ArtifactKind::Function.into(), Text, "what the zip is for: `function`, or a layer with an `extension` or an `internal-extension`, or a `layer` of included files alone; or a table of these by the names and globs of functions",
                /// What the zip is for. The default is [`ArtifactKind::Function`](crate::ArtifactKind::Function). For some of
                /// the functions only: `.set("kind", "log-forwarder=extension")`.
                (kind: crate::config::ArtifactKind) => kind.into();
            mode: Mode = Mode::Release, Text, "`release`, `dev`, `prod` or `docker`",
                /// Speed of the build or size of the zip. The default is [`Mode::Release`](crate::Mode::Release).
                (mode: crate::config::Mode) => mode;
            profile: String = mode.profile().to_string(), Text, "the cargo profile to compile with, instead of the mode's own",
                /// The cargo profile to compile with, instead of the mode's own. In a build script the default is the
                /// custom profile that cargo was called with, if any.
                (name: impl Into<String>) => name.into();
            target_arch: Arch = Arch::of_this_machine(), Text, "`x86_64` or `arm64`; that of this machine if not set",
                /// The instruction set of the Lambda. The default is the one of this machine.
                (arch: crate::config::Arch) => arch;
            runtime: Runtime = Runtime::ProvidedAl2023, Text, "`provided.al2023`, or `provided.al2`, which AWS ended on 2026-07-31",
                /// The Lambda runtime. The default is
                /// [`Runtime::ProvidedAl2023`](crate::Runtime::ProvidedAl2023).
                (runtime: crate::config::Runtime) => runtime;
            features: Vec<String> = Vec::new(), List, "cargo features; of several packages each gets those that it has",
                /// Cargo features of the package.
                (names: impl IntoIterator<Item = impl Into<String>>) => names.into_iter().map(Into::into).collect();
            cargo_flags: Vec<String> = Vec::new(), Words, "more arguments for `cargo build`; in `prod` and `docker` for `cargo rustc`",
                /// More arguments for `cargo build`; in the modes `Prod` and `Docker` for `cargo rustc`.
                (flags: impl IntoIterator<Item = impl Into<String>>) => flags.into_iter().map(Into::into).collect();
            engine: EngineChoice = EngineChoice::Auto, Text, "`auto`, `docker`, `podman`, `finch`, `nerdctl` or `host`",
                /// The container engine. The default is [`EngineChoice::Auto`](crate::EngineChoice::Auto).
                (engine: crate::config::EngineChoice) => engine;
            base: Base = Base::Auto, Text, "`auto`, `host` (the borrowed toolchain) or an image with cargo and a C compiler",
                /// Where the toolchain comes from: a [`Base`](crate::Base), or the name of an image with cargo and a C
                /// compiler. The default is [`Base::Auto`](crate::Base::Auto).
                (base: impl Into<crate::config::Base>) => base.into();
            pull_policy: PullPolicy = PullPolicy::IfMissing, Text, "when to ask a registry for the base: `if-missing`, `always` or `never`",
                /// When to ask a registry for the base. The default is
                /// [`PullPolicy::IfMissing`](crate::PullPolicy::IfMissing).
                (policy: crate::config::PullPolicy) => policy;
            clean_room: bool = mode.is_for_production(), Switch, "compile in the four-stage Dockerfile instead of the reused container; the default of `prod` and `docker`",
                /// Compiles in the four-stage Dockerfile instead of the reused container. The default is `true` in the
                /// modes `Prod` and `Docker`.
                (yes: bool) => yes;
            output: PathBuf, Text, "where to copy the zip, relative to the workspace; `{function}` stands for the function's name",
                /// Where to copy the zip, relative to the workspace; `{function}` stands for the function's name.
                (path: impl Into<std::path::PathBuf>) => path.into();
            include: Vec<String> = Vec::new(), List, "files, folders and globs of the package to add to the zip; `DEST:SRC` puts a file or folder at a place in the zip, `!GLOB` takes files out",
                /// Files, folders and globs of the package to add to the zip, in order: `assets/**` selects files, a later
                /// `!assets/**/*.map` takes files out again, and `DEST:SRC` puts the file or folder `SRC` of the workspace
                /// at `DEST` in the zip. All are relative to the package's folder.
                (paths: impl IntoIterator<Item = impl Into<String>>) => paths.into_iter().map(Into::into).collect();
            inputs: Vec<String> = Vec::new(), List, "further files, folders and globs that the compile may read, relative to the workspace; `.git` stands for what names the commit",
                /// Further files, folders with everything in them, and globs (`*`, `?`, `[a-z]`, and `**` for any number of
                /// folders) that the compile may read. They are relative to the workspace's root, may be ignored by git,
                /// and may lie above it, such as `../assets/**`. A glob selects files, not folders. `.git` stands for what
                /// names the commit and its tags, and whether inputs differ from it.
                (paths: impl IntoIterator<Item = impl Into<String>>) => paths.into_iter().map(Into::into).collect();
            exclude: Vec<String> = Vec::new(), List, "paths and globs of files and folders that are no inputs, relative to the workspace; the compile does not see them",
                /// Paths and globs of files and folders that are no inputs, relative to the workspace's root: the compile
                /// does not see them, also if `inputs` names them. What is in an excluded folder is excluded.
                (paths: impl IntoIterator<Item = impl Into<String>>) => paths.into_iter().map(Into::into).collect();
            container_name: String, Text, "the builder container's name; if not set, it is derived from the path. Another `network`, `base`, `runtime` or architecture than the usual needs another container: its name has `-` and eight digits more",
                /// The name of the builder container. The default is derived from the path of the workspace.
                (name: impl Into<String>) => name.into();
            network: Network = Network::None, Text, "what the compile may reach: `none` or `bridge`",
                /// What the compile may reach. The default is [`Network::None`](crate::Network::None).
                (network: crate::config::Network) => network;
            pass_env: Vec<String> = Vec::new(), List, "environment variables that the compile may see",
                /// Environment variables that the compile may see. The default is none.
                (names: impl IntoIterator<Item = impl Into<String>>) => names.into_iter().map(Into::into).collect();
            locked: bool = false, Switch, "do not allow changes to Cargo.lock",
                /// Does not allow changes to Cargo.lock. The default is `false`.
                (yes: bool) => yes;
            use_cache: bool = true, Switch, "`false` packages on every run, as `force` does",
                /// `false` packages on every run, as `force` does.
                (yes: bool) => yes;
            trust_restored_cache: bool = false, Switch, "believe a manifest and its zip that were not written here, such as those that a pipeline restored from its own cache; otherwise they are made again",
                /// Believes a manifest and its zip that were not written here, such as those that a pipeline restored from
                /// its own cache. Who can write that cache decides what is deployed. The default is `false`: they are made
                /// again.
                (yes: bool) => yes;
            force: bool = false, Switch, "package again even if nothing changed",
                /// Packages again even if nothing changed. The default is `false`.
                (yes: bool) => yes;
            require_container: bool = false, Switch, "an error instead of a fallback to the host's toolchain, in a container or without one; with `CI=true` the default of `prod` and `docker`",
                /// Makes it an error if the compile would fall back to the host's toolchain, in a container or without
                /// one. The default is `true` with `CI=true` in the modes `Prod` and `Docker`, otherwise `false`.
                (yes: bool) => yes;
            engine_timeout_secs: u64 = 30, Number, "time limit for a short command of the engine, in seconds, at most a day; 30 if not set. An engine that restarts is waited for a third of it, at least 10 s. A download of an image may stand still for this time, an engine that unpacks one for ten times as long",
                /// The time limit for a short command of the engine, in seconds. The default is 30. A download of an image may stand
                /// still for this time, an engine that unpacks one for ten times as long.
                (seconds: u64) => seconds;
            deps_cache_limit: Size = Size(10_000_000_000), Text, "maximum size of the compiled dependencies in the engine, such as `10 GB` (the default); `0` keeps none",
                /// The maximum size of the compiled dependencies that are kept in the engine, in bytes. The default is
                /// 10 GB; 0 keeps none.
                (bytes: u64) => crate::config::Size(bytes);
            label: String, Text, "a label `key=value` for the container and the image",
                /// A label `key=value` for the container and the image.
                (label: impl Into<String>) => label.into();
            environments: Vec<String> = ["preprod", "prod"].map(String::from).into(), List, "the names that `--env` accepts; `preprod` and `prod` if not set";
            image_name: String = "{env}-sse-streaming-lambda".to_string(), Text, "the image's repository; `{env}` stands for the environment, `{function}` for the function; `{env}-sse-streaming-lambda` if not set";
            registry: String, Text, "where to push images; with `http://` in front for a registry without TLS";
            registry_login: RegistryLogin = RegistryLogin::Auto, Text, "`auto`, `ecr`, `engine`, `environment` or `none`";
        }
    };
}
pub(crate) use with_settings;

/// The name of a setting that may be written in another way.
pub fn name_of(written: &str) -> &str {
    if written == "functions" { "function" } else { written }
}

/// What a layer leaves of the lists of the layers below.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Adds {
    /// Nothing: its lists replace them.
    #[default]
    Nothing,
    /// Of the flags of cargo those with other names; nothing of the other lists.
    OtherFlags,
    /// All of them: its lists come after them. Of the flags that cargo takes once those with other names.
    Lists,
}

macro_rules! resolved {
    (type $type:ty) => { Option<$type> };
    (type $type:ty, $default:expr) => { $type };
    ($value:expr) => { $value };
    ($value:expr, $default:expr) => { $value.unwrap_or_else(|| $default) };
}

macro_rules! tables {
    ($($name:ident: $type:ty $(= $default:expr)?, $shape:ident, $doc:literal
    $(, $(#[doc = $long:literal])+ ($value:ident: $given:ty) => $stored:expr)?;)+) => {
        /// The settings that one place makes.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub struct Layer {
            $(#[doc = $doc] pub $name: Option<$type>,)+
            /// What it leaves of the lists of the layers below.
            pub adds: Adds,
        }

        /// The settings of a run. It knows where each value comes from.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Config {
            $(#[doc = $doc] pub $name: resolved!(type $type $(, $default)?),)+
            pub(super) origins: Vec<(&'static str, Origin)>,
        }

        /// Every setting: its name, how it is written as text, and what it means. A test compares the table of
        /// docs/guide.md to this one.
        pub const SETTINGS: &[(&str, Shape, &str)] =
            &[$((stringify!($name), Shape::$shape, $doc),)+];

        impl Layer {
            /// Makes a setting; null makes none. If no setting has this name, returns `false`.
            pub(super) fn put(&mut self, name: &str, value: Value) -> serde_json::Result<bool> {
                match name {
                    $(stringify!($name) => self.$name = serde_json::from_value(value)?,)+
                    _ => return Ok(false),
                }
                Ok(true)
            }

            /// This layer's values, and where it has none those of the layer below.
            pub fn or(self, below: Self) -> Self {
                Self { $($name: self.$name.or(below.$name),)+ adds: self.adds }
            }

            pub fn names(&self) -> Vec<&'static str> {
                let mut names = Vec::new();
                $(if self.$name.is_some() { names.push(stringify!($name)); })+
                names
            }

            /// Its values, or the defaults.
            pub(super) fn resolved(self, origins: Vec<(&'static str, Origin)>) -> Config {
                $(let $name = resolved!(self.$name $(, $default)?);)+
                Config { $($name,)+ origins }
            }
        }
    };
}
with_settings!(tables);
