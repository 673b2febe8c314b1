//! Promise 1 under generated series of edits, touches, damages, settings and kills: after every step the
//! verdict is the truth, and what a hit or a build leaves are the bytes of a clean build.

mod change;
mod reads;
mod visible;

use std::process::Stdio;
use std::time::Duration;
use std::{fs, thread};

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use crate::support::clean::{Date, Made, Project};
use crate::support::{Engine, Fixture, cases, property};

/// A file whose content shows in what the function prints.
#[derive(Debug, Clone, Copy)]
enum Source {
    Main,
    Module,
    Note,
}

#[derive(Debug, Clone, Copy)]
enum Damage {
    ZipGone,
    ZipCut,
    /// Same size, same mtime, another byte.
    ZipFlipped,
    BootstrapGone,
}

/// What happens between two looks.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// All values have the same length.
    Edit(Source, u8, Date),
    /// A longer text.
    Lengthen(u8),
    Touch(Source, Date),
    Add(u8),
    Delete(u8),
    Rename(u8, u8),
    /// A module that the function needs gets another name, or its own again.
    Hide,
    Permission(bool),
    Manifest(u8),
    Lockfile(u8),
    Mode(bool),
    Feature(bool),
    Variable(u8),
    Damage(Damage),
    Force,
    /// A run that is killed so many milliseconds after its start.
    Kill(u16),
    Build,
}

fn step() -> impl Strategy<Value = Step> {
    let source = prop_oneof![Just(Source::Main), Just(Source::Module), Just(Source::Note)].boxed();
    let date = prop_oneof![Just(Date::Now), Just(Date::Kept), Just(Date::Old), Just(Date::Future)].boxed();
    let damage =
        prop_oneof![Just(Damage::ZipGone), Just(Damage::ZipCut), Just(Damage::ZipFlipped), Just(Damage::BootstrapGone)];
    prop_oneof![
        6 => (source.clone(), 0..3u8, date.clone()).prop_map(|(source, value, date)| Step::Edit(source, value, date)),
        1 => (0..3u8).prop_map(Step::Lengthen),
        2 => (source, date).prop_map(|(source, date)| Step::Touch(source, date)),
        1 => (0..3u8).prop_map(Step::Add),
        1 => (0..3u8).prop_map(Step::Delete),
        1 => (0..3u8, 0..3u8).prop_map(|(from, to)| Step::Rename(from, to)),
        1 => Just(Step::Hide),
        1 => any::<bool>().prop_map(Step::Permission),
        1 => (0..3u8).prop_map(Step::Manifest),
        1 => (0..3u8).prop_map(Step::Lockfile),
        1 => any::<bool>().prop_map(Step::Mode),
        1 => any::<bool>().prop_map(Step::Feature),
        1 => (0..3u8).prop_map(Step::Variable),
        2 => damage.prop_map(Step::Damage),
        1 => Just(Step::Force),
        2 => (0..900u16).prop_map(Step::Kill),
        8 => Just(Step::Build),
    ]
}

/// The project, and what is known to be true of it.
struct World {
    project: Project,
    dev: bool,
    feature: bool,
    variable: u8,
    /// What the last build that ended well was made from.
    built: [u8; 32],
    /// What the zip and the bootstrap were then.
    made: Made,
    /// What runs that were killed since then were making: any of them may have got to its end.
    killed: Vec<[u8; 32]>,
    /// The next run is told to build.
    forced: bool,
}

const MODULE: &str = "src/part.rs";
const HIDDEN: &str = "src/hidden.rs";

impl World {
    fn new(engine: &'static str) -> Self {
        let project = Project::new(engine, "world", Fixture::empty("world"));
        for (source, value) in [(Source::Main, 0), (Source::Module, 0), (Source::Note, 0)] {
            project.write(source.path(), &source.text(value));
        }
        project.write("Cargo.toml", &manifest(0));
        let made = Made { zip: Vec::new(), bootstrap: Vec::new() };
        let mut world = Self {
            project,
            dev: false,
            feature: false,
            variable: 0,
            built: [0; 32],
            made,
            killed: Vec::new(),
            forced: false,
        };
        world.set();
        world
    }

    /// Hands the settings over.
    fn set(&mut self) {
        let mut arguments = vec!["--mode", if self.dev { "dev" } else { "release" }];
        if self.feature {
            arguments.extend(["--features", "loud"]);
        }
        self.project.arguments(&arguments);
        let text = self.variable.to_string();
        self.project.variables(&[("WORLD_SAYS", &text)]);
    }

    /// Whether cargo can make it: the module is where the function looks for it.
    fn compiles(&self) -> bool {
        self.project.path(MODULE).exists()
    }

    fn take(&mut self, step: Step) {
        let project = &self.project;
        let extra = |number: u8| format!("src/extra-{number}.txt");
        match step {
            Step::Edit(source, value, date) => self.write(source, &source.text(value), date),
            Step::Lengthen(value) => self.write(Source::Note, &format!("a much longer note {value}\n"), Date::Now),
            Step::Touch(source, date) => {
                let path = source.path();
                if project.path(path).exists() {
                    self.write(source, &project.fixture.text(path), date);
                }
            }
            Step::Add(number) => project.fixture.write(&extra(number), "extra\n"),
            Step::Delete(number) => drop(fs::remove_file(project.path(&extra(number)))),
            Step::Rename(from, to) => drop(fs::rename(project.path(&extra(from)), project.path(&extra(to)))),
            Step::Hide => {
                let (from, to) = if self.compiles() { (MODULE, HIDDEN) } else { (HIDDEN, MODULE) };
                project.rename(from, to);
            }
            Step::Permission(allowed) => {
                project.allow_execution(Source::Note.path(), allowed);
            }
            Step::Manifest(value) => project.fixture.write("Cargo.toml", &manifest(value)),
            Step::Lockfile(value) => {
                let Ok(text) = fs::read_to_string(project.path("Cargo.lock")) else { return };
                let kept: String =
                    text.lines().filter(|line| !line.starts_with("# mark")).map(|line| format!("{line}\n")).collect();
                project.write("Cargo.lock", &format!("{kept}# mark {value}\n"));
            }
            Step::Mode(dev) => self.dev = dev,
            Step::Feature(feature) => self.feature = feature,
            Step::Variable(variable) => self.variable = variable,
            Step::Damage(damage) => self.damage(damage),
            Step::Force => self.forced = true,
            Step::Kill(after_ms) => self.kill(Duration::from_millis(after_ms.into())),
            Step::Build => {}
        }
        self.set();
    }

    fn write(&self, source: Source, text: &str, date: Date) {
        let (project, path) = (&self.project, source.path());
        // Hidden, it is edited where it is.
        let path = if path == MODULE && !self.compiles() { HIDDEN } else { path };
        project.write_dated(path, text, date);
    }

    fn damage(&self, damage: Damage) {
        let project = &self.project;
        let zip = "target/lambda/world/lambda-deployment.zip";
        if !project.path(zip).exists() {
            return;
        }
        match damage {
            Damage::ZipGone => drop(fs::remove_file(project.path(zip))),
            Damage::ZipCut => {
                let bytes = project.fixture.read(zip);
                fs::write(project.path(zip), &bytes[..bytes.len() / 2]).expect("it is ours");
            }
            Damage::ZipFlipped => {
                let (mtime, mut bytes) = (project.mtime(zip), project.fixture.read(zip));
                bytes[100] ^= 1;
                fs::write(project.path(zip), bytes).expect("it is ours");
                project.date(zip, mtime);
            }
            Damage::BootstrapGone => drop(fs::remove_file(project.path("target/lambda/world/bootstrap"))),
        }
    }

    fn kill(&mut self, after: Duration) {
        let mut command = self.project.command();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the bin starts");
        thread::sleep(after);
        let _ = child.kill();
        child.wait().expect("a child");
        // Resolving may have written the lockfile: what it was making is what is there now.
        self.killed.push(self.project.digest());
    }

    fn is_intact(&self) -> bool {
        let path = |name: &str| self.project.path(&format!("target/lambda/world/{name}"));
        fs::read(path("lambda-deployment.zip")).is_ok_and(|zip| zip == self.made.zip)
            && fs::read(path("bootstrap")).is_ok_and(|bootstrap| bootstrap == self.made.bootstrap)
    }

    /// Holds the verdict against the truth.
    fn judge(&self) -> Result<bool, TestCaseError> {
        let (code, verdict) = self.project.explain();
        let is_hit = code == 0;
        prop_assert_eq!(is_hit, verdict == "cache-hit", "{}", verdict);
        let now = self.project.digest();
        if self.killed.is_empty() {
            let truth = now == self.built && self.is_intact();
            prop_assert_eq!(is_hit, truth, "{} is not the truth", verdict);
        } else {
            // Where the killed got to is not known; that a hit needs some build of just this is.
            let possible = now == self.built || self.killed.contains(&now);
            prop_assert!(!is_hit || possible, "{} is not the truth", verdict);
        }
        Ok(is_hit)
    }

    fn run(&mut self) -> Result<(), TestCaseError> {
        let expected_hit = self.judge()? && !self.forced;
        let mut command = self.project.command();
        if std::mem::take(&mut self.forced) {
            command.arg("--force");
        }
        let was_intact = self.is_intact();
        let ended = crate::support::Ended::of(&mut command);
        if !self.compiles() {
            prop_assert_eq!(ended.code, 4, "{}", ended.stderr);
            prop_assert_eq!(self.is_intact(), was_intact, "a failed build touched the zip");
            return Ok(());
        }
        prop_assert_eq!(ended.code, 0, "{}", ended.stderr);
        prop_assert_eq!(ended.verdict() == "cache-hit", expected_hit, "{}", ended.stderr);
        let clean = self.project.clean();
        let made = self.project.made();
        prop_assert!(made == clean, "after {} the zip is not that of a clean build", ended.verdict());
        self.built = self.project.digest();
        self.made = made;
        self.killed.clear();
        // What was just made is reused.
        prop_assert!(self.judge()?, "no hit right after {}", ended.verdict());
        Ok(())
    }
}

impl Source {
    fn path(self) -> &'static str {
        match self {
            Self::Main => "src/main.rs",
            Self::Module => MODULE,
            Self::Note => "src/note.txt",
        }
    }

    fn text(self, value: u8) -> String {
        match self {
            Self::Main => format!(
                "mod part;\nfn main() {{\n    println!(\"main {value}, {{}}, {{}}, {{}}, {{:?}}, {{}}\", part::TEXT, \
                 include_str!(\"note.txt\"), env!(\"CARGO_PKG_VERSION\"), option_env!(\"WORLD_SAYS\"), \
                 cfg!(feature = \"loud\"));\n}}\n"
            ),
            Self::Module => format!("pub const TEXT: &str = \"part {value}\";\n"),
            Self::Note => format!("note {value}\n"),
        }
    }
}

fn manifest(version: u8) -> String {
    format!(
        "[package]\nname = \"world\"\nversion = \"0.1.{version}\"\nedition = \"2021\"\n\n[features]\nloud = []\n\n\
         [package.metadata.lambda-packager]\npass_env = [\"WORLD_SAYS\"]\n"
    )
}

fn whatever_happens(engine: &'static str, series: u32) {
    property(series, 64, vec(step(), 3..9), |steps| {
        let mut world = World::new(engine);
        world.run()?;
        for step in steps {
            world.take(step);
            match step {
                Step::Build | Step::Force => world.run()?,
                _ => drop(world.judge()?),
            }
        }
        world.run()
    });
}

#[test]
fn the_verdict_is_the_truth_after_every_step_in_a_container() {
    if Engine::Docker.is_here() {
        whatever_happens("docker", cases(1, 60));
    }
}

#[test]
fn the_verdict_is_the_truth_after_every_step_on_the_host() {
    whatever_happens("host", cases(2, 60));
}
