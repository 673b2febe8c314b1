//! The flags of `cargo lambda build`, those of cargo-lambda 1.9.
//!
//! Source: <https://www.cargo-lambda.info/commands/build.html>, and `cargo lambda build --help` of 1.9.2.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};
use lambda_packager::internal::OutputFormat;

/// The flags that decide what is compiled, and where it goes.
#[derive(Debug, Args)]
pub struct Flags {
    /// binary (default) or zip
    #[arg(long, short, ignore_case = true, value_name = "FORMAT", value_parser = PossibleValuesParser::new(OutputFormat::NAMES).map(|name| OutputFormat::named(&name).unwrap_or_default()))]
    pub output_format: Option<OutputFormat>,
    /// The folder that gets a folder for each function; `lambda` in the target directory if not given
    #[arg(long, short, value_name = "FOLDER")]
    pub lambda_dir: Option<PathBuf>,
    /// The function whose file goes directly into that folder
    #[arg(long, value_name = "NAME")]
    pub flatten: Option<String>,
    /// The same as --target aarch64-unknown-linux-gnu
    #[arg(long, conflicts_with_all = ["x86_64", "target"])]
    pub arm64: bool,
    /// The same as --target x86_64-unknown-linux-gnu
    #[arg(long = "x86-64", conflicts_with = "target")]
    pub x86_64: bool,
    /// The target triple; a version of glibc before 2.34 at its end means the runtime provided.al2
    #[arg(long, value_name = "TRIPLE")]
    pub target: Option<String>,
    /// Package extensions, for a layer
    #[arg(long)]
    pub extension: bool,
    /// With --extension: one that the function's own process starts
    #[arg(long, requires = "extension")]
    pub internal: bool,
    /// Files, folders and globs to add to the zip; `DEST:SRC` puts a file or folder at a place in it
    #[arg(long, short, value_name = "PATH|DEST:SRC")]
    pub include: Vec<String>,
    /// The mode `release`; without it the mode is `dev`
    #[arg(long, short, conflicts_with = "profile")]
    pub release: bool,
    /// The cargo profile to compile with
    #[arg(long, value_name = "PROFILE")]
    pub profile: Option<String>,
    /// Cargo features, separated by spaces or commas
    #[arg(long, short = 'F', value_name = "FEATURES")]
    pub features: Vec<String>,
    /// All features of the packages
    #[arg(long)]
    pub all_features: bool,
    /// Not the feature `default`
    #[arg(long)]
    pub no_default_features: bool,
    /// A bin target to package, or a glob
    #[arg(long, value_name = "NAME")]
    pub bin: Vec<String>,
    /// All bin targets; where no target is named, they are packaged in any case
    #[arg(long)]
    pub bins: bool,
    /// An example to package, or a glob
    #[arg(long, value_name = "NAME")]
    pub example: Vec<String>,
    /// All examples
    #[arg(long)]
    pub examples: bool,
    /// A package that holds functions, or a glob
    #[arg(long, short, value_name = "SPEC")]
    pub package: Vec<String>,
    /// All packages of the workspace
    #[arg(long, visible_alias = "all")]
    pub workspace: bool,
    /// A package to leave out of what is meant without this flag
    #[arg(long, value_name = "SPEC")]
    pub exclude: Vec<String>,
    /// The manifest of the package or of the workspace
    #[arg(long, value_name = "FILE")]
    pub manifest_path: Option<PathBuf>,
    /// The folder whose folder `lambda` gets the functions; the compile does not use it
    #[arg(long, value_name = "FOLDER")]
    pub target_dir: Option<PathBuf>,
    /// Do not allow changes to Cargo.lock
    #[arg(long)]
    pub locked: bool,
    /// The same as --locked and --offline
    #[arg(long)]
    pub frozen: bool,
    /// Number of parallel jobs
    #[arg(long, short, value_name = "N")]
    pub jobs: Option<String>,
    /// Compile also with an older Rust than the packages declare
    #[arg(long)]
    pub ignore_rust_version: bool,
    /// A setting of cargo, or a file with some
    #[arg(long, value_name = "KEY=VALUE|FILE")]
    pub config: Vec<String>,
    /// A flag of a nightly cargo
    #[arg(short = 'Z', value_name = "FLAG")]
    pub unstable: Vec<String>,
    /// Variables that the compile sees, separated by commas
    #[arg(long, visible_alias = "env-vars", value_name = "KEY=VALUE")]
    pub env_var: Vec<String>,
    /// A file with such variables, one a line
    #[arg(long, value_name = "FILE")]
    pub env_file: Option<PathBuf>,
    /// The file of cargo-lambda's settings, instead of CargoLambda.toml
    #[arg(long, value_name = "FILE", env = "CARGO_LAMBDA_GLOBAL")]
    pub global: Option<PathBuf>,
    /// The table in that file
    #[arg(long, short = 'x', value_name = "CONTEXT", env = "CARGO_LAMBDA_CONTEXT")]
    pub context: Option<String>,
    /// Join lists: those of cargo-lambda's tables, and those of flags with them
    #[arg(long, env = "CARGO_LAMBDA_ADMERGE")]
    pub admerge: bool,
    /// Print more: every stage, every reason
    #[arg(long, short, action = ArgAction::Count)]
    pub verbose: u8,
    /// Print only errors
    #[arg(long, short, conflicts_with = "verbose")]
    pub quiet: bool,
    /// auto, always or never
    #[arg(long, value_name = "WHEN", env = "CARGO_LAMBDA_COLOR", ignore_case = true, default_value = "auto", value_parser = ["auto", "always", "never"])]
    pub color: String,
}

/// What becomes of a flag that is no setting here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// It asks for what is done anyway.
    Holds,
    /// What happens instead.
    Note(&'static str),
    /// The output would not be what is asked for: what to do.
    Refused(&'static str),
}
use Other::{Holds, Note, Refused};

/// The flags that are no settings here: long and short name, name of the value, variable.
type Row = (&'static str, Option<char>, Option<&'static str>, Option<&'static str>, Other);

#[rustfmt::skip]
const OTHERS: &[Row] = &[
    ("skip-target-check", None, None, None, Holds),
    ("disable-optimizations", None, None, None, Holds),
    ("keep-going", None, None, None, Holds),
    ("all-targets", None, None, None, Note("only the functions are compiled")),
    ("compiler", Some('c'), Some("COMPILER"), Some("CARGO_LAMBDA_COMPILER"), Note("the setting `engine` chooses what compiles, `LAMBDA_PACKAGER_ENGINE=host` this machine's toolchain")),
    ("message-format", None, Some("FMT"), None, Note("cargo's messages are printed for people")),
    ("offline", None, None, None, Note("the compile has no network in any case; crates that are missing are fetched before it, unless `CARGO_NET_OFFLINE=true`")),
    ("timings", None, None, None, Note("each stage is printed with its time instead")),
    ("future-incompat-report", None, None, None, Note("run `cargo report future-incompatibilities` after a `cargo build`")),
    ("lib", None, None, None, Refused("a library is no function; --bin names one")),
    ("test", None, Some("NAME"), None, Refused("a test is no function; use `cargo test`")),
    ("tests", None, None, None, Refused("a test is no function; use `cargo test`")),
    ("bench", None, Some("NAME"), None, Refused("a benchmark is no function; use `cargo bench`")),
    ("benches", None, None, None, Refused("a benchmark is no function; use `cargo bench`")),
    ("unit-graph", None, None, None, Refused("use `cargo build --unit-graph`")),
    ("artifact-dir", None, Some("FOLDER"), None, Refused("--lambda-dir names the folder for the functions")),
];

/// Those that are given, by their long names.
pub type Others = Vec<(&'static str, Other)>;

impl Flags {
    /// Reads the arguments after `build`, with those that are no settings here.
    ///
    /// # Errors
    /// What clap prints for wrong usage, and for `--help`.
    pub fn parse(args: Vec<OsString>) -> Result<(Self, Others), clap::Error> {
        let matches = command().try_get_matches_from([OsString::from("build")].into_iter().chain(args))?;
        let others = OTHERS.iter().filter(|(name, ..)| is_given(&matches, name));
        Ok((Self::from_arg_matches(&matches)?, others.map(|(name, .., what)| (*name, *what)).collect()))
    }
}

fn is_given(matches: &ArgMatches, name: &str) -> bool {
    let is_off = matches.try_get_one::<bool>(name).is_ok_and(|value| value == Some(&false));
    !is_off && matches.value_source(name).is_some_and(|source| source != ValueSource::DefaultValue)
}

fn command() -> Command {
    let command = Flags::augment_args(Command::new("build").bin_name("cargo lambda build"));
    // After the flags, which set it to what is said of them.
    let command =
        command.about("Packages functions with lambda-packager, where `cargo lambda build` of cargo-lambda puts them");
    command.args(OTHERS.iter().map(other))
}

fn other((name, short, value, variable, what): &Row) -> Arg {
    let help = match what {
        Holds => "Nothing to do: this holds in any case".to_string(),
        Note(text) => format!("No effect: {text}"),
        Refused(text) => format!("Not possible: {text}"),
    };
    let arg = Arg::new(*name).long(*name).help(help);
    let arg = match value {
        Some(value) => arg.value_name(*value).action(ArgAction::Append),
        // `--timings` may have a value.
        None if *name == "timings" => arg.num_args(0..=1).require_equals(true).action(ArgAction::Append),
        None => arg.action(ArgAction::SetTrue),
    };
    let arg = short.iter().fold(arg, |arg, short| arg.short(*short));
    variable.iter().fold(arg, |arg, variable| arg.env(*variable))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<(Flags, Others), clap::Error> {
        Flags::parse(line.split_whitespace().map(OsString::from).collect())
    }

    /// What `cargo lambda build --help` of cargo-lambda 1.9.2 lists.
    const ALL: &str = "-o zip --output-format Binary -l d --lambda-dir d --arm64 --x86-64 --extension --flatten f \
        --skip-target-check -c cross --compiler cargo --disable-optimizations --global g -i f --include f -x c --context c \
        --admerge --env-var A=1 --env-vars A=1 --env-file f -q --quiet --message-format json -v --verbose --color always \
        --config a=1 -Z a --future-incompat-report -j 1 --jobs 1 --keep-going --profile p --target t --target-dir d \
        --timings --timings=html -r --release --unit-graph --artifact-dir d -F a --features a --all-features \
        --no-default-features --frozen --locked --offline --manifest-path m --ignore-rust-version -p a --package a \
        --workspace --exclude a --all --lib --bin a --bins --example a --examples --test a --tests --bench a --benches \
        --all-targets";

    #[test]
    fn every_flag_of_cargo_lambda_is_known() {
        command().debug_assert();
        let mut words = ALL.split_whitespace().peekable();
        let mut count = 0;
        while let Some(flag) = words.next() {
            let value = words.next_if(|word| !word.starts_with('-')).unwrap_or_default();
            parse(&format!("{flag} {value}")).unwrap_or_else(|e| panic!("{e}"));
            count += 1;
        }
        assert_eq!(count, 66);
        assert!(parse("--extension --internal").is_ok() && parse("--internal").is_err());
        assert!(parse("--mode dev").is_err() && parse("--arm64 --target t").is_err() && parse("--bin").is_err());
    }

    #[test]
    fn what_is_no_setting_here_is_told_only_where_it_is_given() {
        let (_, others) = parse("--compiler cargo --lib --keep-going --release").unwrap();
        let names: Vec<_> = others.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["keep-going", "compiler", "lib"]);
        assert_eq!(parse("--release").unwrap().1, []);
    }
}
