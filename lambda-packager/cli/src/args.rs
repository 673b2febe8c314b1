//! The commands and flags. A flag that is a setting goes through the same parser as the setting in a manifest or a
//! variable.

use std::path::PathBuf;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use lambda_packager::internal::{Layer, Origin, Result, glob};
use serde_json::{Map, json};

const AFTER: &str = "Exit status: 0 done, 1 files, 2 settings or usage, 3 container engine, 4 cargo, 5 the artifact would not run on Lambda. \
`explain`: 0 hit, 1 miss, 2 error.\n\nEvery setting can also be given as LAMBDA_PACKAGER_<SETTING> or in [package.metadata.lambda-packager].";

/// Packages a Rust AWS Lambda: compiled in a reused container, verified, reproducible.
#[derive(Debug, Parser)]
#[command(name = "lambda-packager", version, about, after_help = AFTER)]
pub struct Args {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Package again even if nothing changed
    #[arg(long, visible_alias = "force-rebuild", global = true)]
    force: bool,
    /// What the zip is for: function (default), or a layer with an extension or an internal-extension, or a layer of files
    #[arg(long, global = true, value_name = "KIND")]
    kind: Option<String>,
    /// release (default), dev, prod or docker
    #[arg(long, global = true, value_name = "MODE")]
    mode: Option<String>,
    /// The cargo profile to compile with, instead of the mode's own
    #[arg(long, global = true, value_name = "PROFILE")]
    profile: Option<String>,
    /// x86_64 or arm64
    #[arg(long, visible_alias = "target-arch", global = true, value_name = "ARCH")]
    target: Option<String>,
    /// A bin target to package, or a glob; may be repeated, and `!` before a name leaves it out
    #[arg(long, global = true, value_name = "NAME")]
    function: Vec<String>,
    /// A cargo package that holds functions, or a glob; may be repeated
    #[arg(long, short, global = true, value_name = "NAME")]
    package: Vec<String>,
    /// All packages of the workspace
    #[arg(long, global = true, conflicts_with = "package")]
    workspace: bool,
    /// A package to leave out of what is meant without this flag, or a glob; may be repeated
    #[arg(long, global = true, value_name = "NAME")]
    exclude: Vec<String>,
    /// Cargo features, separated by commas
    #[arg(long, global = true, value_delimiter = ',', value_name = "FEATURES")]
    features: Vec<String>,
    /// auto, docker, podman, finch, nerdctl or host
    #[arg(long, global = true, value_name = "ENGINE")]
    engine: Option<String>,
    /// auto, host (the borrowed toolchain), or an image with cargo and a C compiler
    #[arg(long, global = true, value_name = "BASE")]
    base: Option<String>,
    /// provided.al2023 (default), or provided.al2, which AWS ended on 2026-07-31
    #[arg(long, global = true, value_name = "RUNTIME")]
    runtime: Option<String>,
    /// When to ask a registry for the base: if-missing (default), always or never
    #[arg(long, global = true, value_name = "WHEN")]
    pull_policy: Option<String>,
    /// Compile in the four-stage Dockerfile instead of the reused container (the default of prod and docker)
    #[arg(long, global = true)]
    clean_room: bool,
    /// Copy the zip to this path, relative to the workspace
    #[arg(long, short, global = true, value_name = "PATH")]
    output: Option<String>,
    /// Do not allow changes to Cargo.lock
    #[arg(long, global = true)]
    locked: bool,
    /// Output format: lines for people, or one JSON object per event
    #[arg(long, visible_alias = "format", global = true, value_enum, default_value_t = MessageFormat::Human, value_name = "FORMAT")]
    pub message_format: MessageFormat,
    /// Print more: every stage, every reason
    #[arg(long, short, global = true)]
    pub verbose: bool,
    /// Print only errors
    #[arg(long, short, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Package the function, unless nothing changed (default)
    Build {
        /// The environment that it is for, one of the setting `environments`: for production (`prod`, `production`, `prod-...`) in the mode prod
        #[arg(long, value_name = "ENV")]
        env: Option<String>,
    },
    /// Print whether packaging would reuse the zip, and if not, why
    Explain {
        /// Print every input instead, with the reason why it is one: what a compile sees
        #[arg(long)]
        inputs: bool,
    },
    /// Manage the builder containers that the selected functions need
    #[command(
        subcommand,
        after_help = "Exit status of `status`: 0 running, 3 stopped, 4 not_found, 1 error; of several containers, the highest."
    )]
    Container(Container),
    /// Make the function's container image, in an engine or in a registry
    #[command(
        subcommand,
        after_help = "Exit status: 10 registry unreachable, 11 login refused, 12 login expired, 13 repository missing, 14 push denied, \
15 disk full, 16 connection lost, 17 immutable tag has another image, 18 larger than 10 GB, 19 unknown environment, 20 unknown tag or digest, 21 unexpected answer; else as `build`."
    )]
    Image(Image),
    /// Write the few lines that this project needs: settings in Cargo.toml, and what a deploy tool takes the zip by
    Init {
        /// The deploy tool; what is there already stays as it is
        #[arg(long = "for", value_enum, value_name = "TOOL")]
        tool: Option<Tool>,
        /// Only print the difference
        #[arg(long)]
        dry_run: bool,
    },
    /// Check this machine and project for problems, and print how to fix them
    Doctor,
    /// Check that the zip on disk is the one that was packaged, and starts on Lambda
    Verify {
        /// Build it again with the other backend (clean room instead of container, or container instead of clean room), and print the differences
        #[arg(long)]
        rebuild: bool,
    },
    /// Remove what lambda-packager made for this project: its container, its caches, or (without a flag) all
    Clean(Clean),
    /// Stand for cargo-lambda where a tool calls `cargo lambda build`
    #[command(subcommand)]
    Shim(Shim),
    /// Print the script that completes these commands and flags in a shell
    Completions { shell: Shell },
}

/// The lines of the script that completes commands and flags in a shell.
pub fn completions(shell: Shell) -> Vec<String> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "lambda-packager", &mut script);
    String::from_utf8_lossy(&script).lines().map(String::from).collect()
}

#[derive(Debug, Subcommand)]
pub enum Shim {
    /// Put a `cargo-lambda` into a folder of PATH: a link to this program
    Install {
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
        /// Also over another program
        #[arg(long)]
        force: bool,
    },
}

#[derive(Debug, Subcommand)]
pub enum Container {
    /// Create the container if it is missing, and start it
    Start,
    /// Start the container if needed, and package
    Build,
    /// Stop the container; its caches are kept
    Stop,
    /// Print its state, its image, its mounts and the last builds
    Status,
    /// Print the logs of the last builds
    Logs,
    /// Open a shell in the container
    Shell,
}

#[derive(Debug, Subcommand)]
pub enum Image {
    /// Package, unless nothing changed, and make the image
    Build {
        /// Write the images to this file instead of an engine, for `docker load` or `image push --archive`
        #[arg(long, value_name = "FILE")]
        archive: Option<PathBuf>,
        #[command(flatten)]
        target: Target,
    },
    /// The same as build, then push the image and move `latest` and `<env>-latest` to it
    Push {
        /// Push the images in this file, which `image build --archive` wrote: nothing is packaged
        #[arg(long, value_name = "FILE")]
        archive: Option<PathBuf>,
        #[command(flatten)]
        target: Target,
    },
    /// List the rollback targets, the newest first
    List(Target),
    /// Check that the registry has an image that is to be deployed, and print it
    Check {
        /// registry/repository@sha256:..., as `image push` prints it
        image: String,
        #[command(flatten)]
        target: Target,
    },
    /// Move `latest` and `<env>-latest` to an image that was pushed before; of several functions if all of these are there
    Rollback {
        /// Its tag, as `image list` prints it; of several functions, FUNCTION=TAG for each
        #[arg(required = true, value_name = "TAG")]
        tags: Vec<String>,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, clap::Args)]
pub struct Target {
    /// One of the setting `environments`; by default preprod or prod
    #[arg(long, value_name = "ENV")]
    pub env: String,
    /// Host and port of the registry; with `http://` in front for a registry without TLS
    #[arg(long, value_name = "REGISTRY")]
    registry: Option<String>,
    /// Where the login comes from: auto, ecr, engine, environment or none
    #[arg(long, value_name = "LOGIN")]
    registry_login: Option<String>,
    /// The repository; {env} is replaced by the environment, {function} by the function
    #[arg(long, value_name = "PATTERN")]
    image_name: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Clean {
    /// The container, with everything compiled in it
    #[arg(long)]
    pub container: bool,
    /// The folder target/lambda (zips, manifests, logs), and the compiled dependencies that this project kept
    #[arg(long)]
    pub cache: bool,
    /// Both, and this project's images, the local copies of images to deploy, and empty images that no container uses
    #[arg(long)]
    pub all: bool,
    /// The containers and dependencies of all projects of this user, all builder images and images of functions in the engine, and the clean room's layers (not BuildKit's cache)
    #[arg(long)]
    pub everything: bool,
    /// Only print what would be removed
    #[arg(long)]
    pub dry_run: bool,
}

/// A deploy tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tool {
    Sam,
    Cdk,
    Terraform,
    Github,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MessageFormat {
    Human,
    Json,
}

impl Args {
    /// Whether a flag says that only some functions are meant.
    pub fn names_functions(&self) -> bool {
        [&self.function, &self.package, &self.exclude].iter().any(|names| !names.is_empty())
    }

    /// The settings among the flags.
    pub fn layer(&self) -> Result<Layer> {
        let mut texts = vec![
            ("kind", &self.kind),
            ("mode", &self.mode),
            ("profile", &self.profile),
            ("target_arch", &self.target),
            ("engine", &self.engine),
            ("base", &self.base),
            ("runtime", &self.runtime),
            ("pull_policy", &self.pull_policy),
            ("output", &self.output),
        ];
        if let Some(Command::Image(image)) = &self.command {
            let Target { registry, registry_login, image_name, .. } = image.target();
            texts.extend([("registry", registry), ("registry_login", registry_login), ("image_name", image_name)]);
        }
        let texts = texts.into_iter().filter_map(|(name, text)| Some((name.to_string(), json!(text.as_ref()?))));
        let switches = [("force", self.force), ("locked", self.locked), ("clean_room", self.clean_room)];
        let switches =
            switches.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| (name.to_string(), json!(true)));
        let mut values = Map::from_iter(texts.chain(switches));
        if matches!(self.command, Some(Command::Container(_))) {
            // They are about the container, also in a mode that would compile elsewhere.
            values.insert("clean_room".into(), json!(false));
        }
        // Names and globs are separated by commas, but for those in braces.
        let split = |lists: &[String]| -> Vec<String> {
            lists.iter().flat_map(|list| glob::split(list)).map(String::from).collect()
        };
        let (functions, mut packages) = (split(&self.function), split(&self.package));
        packages.extend(self.workspace.then(|| "*".to_string()));
        packages.extend(split(&self.exclude).iter().map(|name| format!("!{name}")));
        for (name, list) in [("features", &self.features), ("function", &functions), ("package", &packages)] {
            if !list.is_empty() {
                values.insert(name.into(), json!(list));
            }
        }
        Layer::parse(values, &Origin::Flag)
    }
}

impl Image {
    /// What all of these commands need.
    pub fn target(&self) -> &Target {
        match self {
            Self::List(target) => target,
            Self::Build { target, .. } | Self::Push { target, .. } => target,
            Self::Check { target, .. } | Self::Rollback { target, .. } => target,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_flag_is_its_setting() {
        for (line, setting, value) in [
            ("--mode prod", "mode", json!("prod")),
            ("--kind extension", "kind", json!("extension")),
            ("--target arm64", "target_arch", json!("arm64")),
            ("--target-arch arm64", "target_arch", json!("arm64")),
            ("--features a,b", "features", json!(["a", "b"])),
            ("--function a --function b*,!c", "function", json!(["a", "b*", "!c"])),
            ("--function api-{a,b},c", "function", json!(["api-{a,b}", "c"])),
            ("-p a -p b", "package", json!(["a", "b"])),
            ("--workspace --exclude a", "package", json!(["*", "!a"])),
            ("build --force-rebuild", "force", json!(true)),
            ("--clean-room", "clean_room", json!(true)),
            ("-o x.zip", "output", json!("x.zip")),
            ("image push --env qa --registry r", "registry", json!("r")),
            ("image rollback --env qa --image-name {env} TAG", "image_name", json!("{env}")),
        ] {
            let words = ["lambda-packager"].into_iter().chain(line.split(' '));
            let layer = Args::try_parse_from(words).unwrap().layer().unwrap();
            let alone = Layer::parse(Map::from_iter([(setting.to_string(), value)]), &Origin::Flag).unwrap();
            assert_eq!(format!("{layer:?}"), format!("{alone:?}"), "{line}");
        }
    }
}
