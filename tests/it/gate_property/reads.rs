//! The same where build scripts read all that they see, without a word to cargo: files of every kind of folder, of git
//! and that git ignores, settings in every layer, both layouts of cargo's target directory, and plain cargo in turns with
//! the bin. A step is a change and a look; looks are cheap, so there are thousands of them for each compile.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use super::change::{Layer, Setting, Step, step};
use super::visible::{FILES, NEEDED, RULES, Visible, write};
use crate::support::clean::{Date, Project};
use crate::support::host::{OPTIMISED, Profile, git, git_in, ran_a_build_script};
use crate::support::{Ended, Engine, Fixture, cases, property, repository};

/// What was done, and what came of it.
#[derive(Debug, Default)]
struct Tally {
    series: u32,
    steps: u32,
    builds: u32,
    compiles: u32,
    compared: u32,
    /// Builds in which plain cargo saw nothing to do.
    unasked: u32,
    /// Those of them in which something had changed that plain cargo cannot see, as the guide says.
    blind: u32,
}

struct World {
    project: Project,
    /// It has a package that plain cargo builds, whose build script packages the function.
    has_cargo: bool,
    visible: Visible,
    settings: BTreeMap<(&'static str, Layer), usize>,
    variable: u8,
    new_layout: bool,
    /// What the last build was made from.
    built: String,
    zip_gone: bool,
    /// The steps since then.
    steps: Vec<Step>,
    tally: Tally,
}

impl World {
    fn new(engine: &'static str, has_cargo: bool) -> Self {
        let fixture = Fixture::empty("world");
        if has_cargo {
            fixture.bring_packager(Profile::Release, "target");
            fs::copy(repository().join("Cargo.lock"), fixture.path("Cargo.lock")).expect("a lockfile");
            fixture.builds_with(
                "fn main() -> std::process::ExitCode {\n    lambda_packager::BuildScript::new().run()\n}\n",
                "",
            );
            fs::rename(fixture.path("src/main.rs"), fixture.path("src/lib.rs")).expect("it was written");
        }
        let mut world = Self {
            project: Project::new(engine, "app", fixture),
            has_cargo,
            visible: Visible::default(),
            settings: BTreeMap::from([(("inputs", Layer::Workspace), 0)]),
            variable: 0,
            new_layout: false,
            built: String::new(),
            zip_gone: false,
            steps: Vec::new(),
            tally: Tally::default(),
        };
        write(&world.project);
        world.set();
        world.project.write(RULES[0], &world.visible.rules(0));
        Ended::of(world.project.fixture.cargo_command().args(["generate-lockfile", "--offline"])).ok();
        world.git(&["commit", "--quiet", "--allow-empty", "--message=x"]);
        world
    }

    /// The setting that holds.
    fn setting(&self, setting: Setting) -> Option<usize> {
        let layers = [Layer::Flag, Layer::Variable, Layer::Package, Layer::Workspace];
        layers.iter().find_map(|layer| self.settings.get(&(setting.name(), *layer)).copied())
    }

    fn text(&self, layer: Layer) -> String {
        let line = |setting: Setting| {
            let number = self.settings.get(&(setting.name(), layer))?;
            Some(format!("{} = {:?}\n", setting.name(), setting.value(*number)))
        };
        [Setting::Features, Setting::Inputs, Setting::Exclude].into_iter().filter_map(line).collect()
    }

    /// Hands the settings over.
    fn set(&mut self) {
        let declares = self.setting(Setting::Inputs);
        (self.visible.declares_git, self.visible.declares_web) = (declares == Some(1), declares == Some(2));
        self.visible.excludes = self.setting(Setting::Exclude) == Some(1);
        let project = &self.project;
        let app = "[features]\nloud = []\nquiet = []\n[dependencies]\noutside = { path = \"../../outside\" }\npart = { path = \"../part\" }\n";
        let package = self.text(Layer::Package);
        write_changed(
            project,
            "app/Cargo.toml",
            &format!(
                "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{app}[package.metadata.lambda-packager]\npass_env = [\"WORLD_SAYS\", \"RUSTC_BOOTSTRAP\"]\n{package}"
            ),
        );
        let deployment = if self.has_cargo {
            format!(
                "[package]\nname = \"deployment\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[build-dependencies]\n\
                 lambda-packager = {{ path = {:?} }}\n{OPTIMISED}",
                repository().join("lambda-packager")
            )
        } else {
            String::new()
        };
        write_changed(
            project,
            "Cargo.toml",
            &format!(
                "[workspace]\nmembers = [\"app\", \"part\", \"other\"]\nresolver = \"2\"\n\
                 [workspace.metadata.lambda-packager]\npackage = \"app\"\n{}[profile.release]\nopt-level = 0\n{deployment}",
                self.text(Layer::Workspace)
            ),
        );
        let config = format!("[unstable]\nbuild-dir-new-layout = {}\n", self.new_layout);
        write_changed(project, ".cargo/config.toml", &config);
        let flag =
            self.settings.get(&("features", Layer::Flag)).map(|number| Setting::Features.value(*number).join(","));
        let arguments: Vec<&str> = flag.iter().flat_map(|features| ["--features", features]).collect();
        let variable = |setting: Setting| {
            let number = self.settings.get(&(setting.name(), Layer::Variable))?;
            let name = format!("LAMBDA_PACKAGER_{}", setting.name().to_uppercase());
            Some((name, setting.value(*number).join(",")))
        };
        let mut variables: Vec<_> =
            [Setting::Features, Setting::Inputs, Setting::Exclude].into_iter().filter_map(variable).collect();
        variables.push(("WORLD_SAYS".into(), self.variable.to_string()));
        if !self.has_cargo {
            variables.push(("RUSTC_BOOTSTRAP".into(), "1".into()));
        }
        let variables: Vec<(&str, &str)> =
            variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.project.arguments(&arguments);
        self.project.variables(&variables);
    }

    fn take(&mut self, step: Step) {
        self.steps.push(step);
        let project = &self.project;
        let name = |file: usize| format!("../{}", FILES[file]);
        let is_there = |file: usize| project.path(&name(file)).exists();
        match step {
            Step::Write(file, value, date) => {
                // With a date in the future, plain cargo would run the build script at every build.
                let hides_the_rest = matches!(date, Date::Future) && self.has_cargo;
                let date = if is_there(file) && !hides_the_rest { date } else { Date::Now };
                project.write_dated(&name(file), &value.to_string(), date);
            }
            Step::Remove(file) => drop(fs::remove_file(project.path(&name(file)))),
            Step::Rename(from, to) => {
                if from < FILES.len() - NEEDED && is_there(from) {
                    let to = project.path(&name(to));
                    fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
                    fs::rename(project.path(&name(from)), to).expect("both are there");
                }
            }
            Step::Permission(file, allowed) => {
                if is_there(file) {
                    project.allow_execution(&name(file), allowed);
                }
            }
            Step::Ignore(place, ignores) => {
                self.visible.ignores[place] = ignores;
                project.write(RULES[place], &self.visible.rules(place));
            }
            Step::Commit => self.git(&["commit", "--quiet", "--allow-empty", "--message=x"]),
            Step::Branch(number) => self.git(&["checkout", "--quiet", "-B", &format!("branch-{number}")]),
            Step::Tag(number) => self.git(&["tag", "--force", &format!("tag-{number}")]),
            Step::Untag(number) => {
                let name = format!("tag-{number}");
                let _ = git_in(project.fixture.root()).args(["tag", "--delete", &name]).output();
            }
            Step::PackReferences => self.git(&["pack-refs", "--all"]),
            Step::Detach => self.git(&["checkout", "--quiet", "--detach"]),
            Step::Set(setting, layer, value) => {
                let key = (setting.name(), layer);
                match value {
                    Some(value) => drop(self.settings.insert(key, value)),
                    // Something has to be declared.
                    None if key != ("inputs", Layer::Workspace) => drop(self.settings.remove(&key)),
                    None => {}
                }
            }
            Step::Variable(variable) => self.variable = variable,
            // The packager would be compiled once more for it.
            Step::NewLayout(new_layout) => self.new_layout = new_layout && !self.has_cargo,
            Step::ZipGone => {
                drop(fs::remove_file(project.path("target/lambda/app/lambda-deployment.zip")));
                self.zip_gone = true;
            }
            Step::Build(..) => {}
        }
        self.set();
    }

    /// Plain cargo, without what the flags say.
    fn by_cargo(&self) -> Ended {
        Ended::of(&mut self.project.cargo(&["build", "--release", "--verbose"]))
    }

    /// What is not as it was built although plain cargo, which compares dates and lists the folders that it is told of, had
    /// reason to run the build script again.
    fn overlooked(&self) -> Vec<String> {
        let state = self.state();
        let [(listed, settings), (listed_then, settings_then)] =
            [&state, &self.built].map(|state| state.split_once(" Some(").expect("the variable"));
        let [now, then] = [listed, listed_then].map(|listed| {
            let files = listed.lines().next().unwrap_or_default();
            files.split_terminator(';').filter_map(|file| file.split_once(' ')).collect::<BTreeMap<_, _>>()
        });
        let around = self.project.fixture.around();
        let told = Told::by_the_build_script_in(self.project.fixture.root());
        let is_seen = |file: &str| {
            let name = file.trim_end_matches('*');
            let was_there = [name, &format!("{name}*")].iter().any(|name| then.contains_key(*name));
            if was_there { self.mtime(name) > told.at } else { told.has_around(&around.join(name)) }
        };
        let changed = now.iter().filter(|(file, digest)| then.get(*file) != Some(*digest));
        let is_now = |name: &str| now.keys().any(|file| file.trim_end_matches('*') == name);
        // Also where something hides it: what says so has another date.
        let gone = then.keys().filter(|file| !is_now(file.trim_end_matches('*')));
        let mut overlooked: Vec<String> =
            changed.filter(|(file, _)| is_seen(file)).map(|(file, _)| file.to_string()).collect();
        overlooked.extend(gone.map(|file| format!("{file}, which is gone")));
        if settings != settings_then || self.zip_gone {
            overlooked.push("settings, the commit or the zip".into());
        }
        overlooked
    }

    fn mtime(&self, file: &str) -> SystemTime {
        self.project.mtime(&format!("../{file}"))
    }

    fn git(&self, args: &[&str]) {
        // The same commits wherever the same is committed.
        let date = "2020-01-01T00:00:00Z";
        let mut command = git_in(self.project.fixture.root());
        Ended::of(command.args(args).env("GIT_AUTHOR_DATE", date).env("GIT_COMMITTER_DATE", date)).ok();
    }

    /// What the program must print, which is all that decides it.
    fn truth(&self) -> String {
        let listing = self.visible.listing(&self.project.fixture);
        let says = self.setting(Setting::Features).map_or("nothing", |number| Setting::Features.value(number)[0]);
        let text = |file: &str| self.project.fixture.text(file);
        let rest = format!("{} {} Some(\"{}\") {says:?}", text("../outside/a.txt"), text("found/a.txt"), self.variable);
        let commit = if self.visible.declares_git { self.commit() } else { "no commit".into() };
        format!("{listing}\n{listing}\n{rest}\n{commit}")
    }

    /// What decides the verdict: besides, what changes no byte here.
    fn state(&self) -> String {
        let references = if self.visible.declares_git { self.references() } else { String::new() };
        format!("{}\n{}\n{references}", self.truth(), self.new_layout)
    }

    fn commit(&self) -> String {
        git(self.project.fixture.root(), &["rev-parse", "HEAD"])
    }

    /// The branch, and all tags.
    fn references(&self) -> String {
        let head = self.project.fixture.text(".git/HEAD");
        head + &git(self.project.fixture.root(), &["show-ref", "--tags", "--head"])
    }

    /// Holds the verdict against the truth.
    fn look(&mut self) -> Result<bool, TestCaseError> {
        self.tally.steps += 1;
        let (code, verdict) = self.project.explain();
        let is_as_built = self.state() == self.built && !self.zip_gone;
        prop_assert!(code != 0 || is_as_built, "stale: {} after {:?}", verdict, self.steps);
        // Of a repository more may count.
        let is_needless = code != 0 && is_as_built && !self.visible.declares_git;
        prop_assert!(!is_needless, "needless: {} after {:?}", verdict, self.steps);
        Ok(code == 0)
    }

    fn build(&mut self, by_cargo: bool, compares: bool) -> Result<(), TestCaseError> {
        let by_cargo = by_cargo && self.has_cargo;
        if by_cargo {
            // It knows no flags.
            self.settings.remove(&("features", Layer::Flag));
            self.set();
        }
        let is_hit = self.look()?;
        self.tally.builds += 1;
        self.tally.compiles += u32::from(!is_hit);
        let ended = if by_cargo { self.by_cargo() } else { self.project.run() };
        prop_assert_eq!(ended.code, 0, "after {:?}\n{}", self.steps, ended.stderr);
        if by_cargo && !ran_a_build_script(&ended) {
            self.tally.unasked += 1;
            if !is_hit {
                let overlooked = self.overlooked();
                prop_assert!(overlooked.is_empty(), "cargo did not see {:?} after {:?}", overlooked, self.steps);
                // What cargo cannot see, the bin does.
                self.tally.blind += 1;
                return self.build(false, compares);
            }
        }
        let truth = self.truth();
        let printed = self.project.fixture.output_of_bootstrap("app");
        let seen: Vec<&str> = printed.lines().take(2).collect();
        prop_assert!(seen[0] == seen[1], "mixed after {:?}:\n{}\n{}", self.steps, seen[0], seen[1]);
        prop_assert_eq!(&printed, &truth, "stale after {:?}\n{}", self.steps, ended.stderr);
        // The packager's path is absolute: a clean build, which is elsewhere, would have other places.
        if compares && !self.has_cargo {
            self.tally.compared += 1;
            let clean = self.project.clean_of(self.state().as_bytes());
            prop_assert!(self.project.made() == clean, "not the zip of a clean build after {:?}", self.steps);
        }
        (self.built, self.zip_gone) = (self.state(), false);
        prop_assert!(self.look()?, "no hit right after a build");
        self.steps.clear();
        Ok(())
    }
}

/// What plain cargo was told to look at.
struct Told {
    folders: Vec<PathBuf>,
    /// When: what is newer, it sees.
    at: SystemTime,
}

impl Told {
    fn by_the_build_script_in(root: &Path) -> Self {
        let runs = fs::read_dir(root.join("target/release/build")).expect("cargo's folder");
        let mut outputs = runs.filter_map(|run| {
            let output = run.expect("a run").path().join("output");
            let text = fs::read_to_string(&output).ok()?;
            text.contains("LAMBDA_DEPLOYMENT_ZIP").then_some((output, text))
        });
        let (output, text) = outputs.next().expect("the packager ran");
        let paths = text.lines().filter_map(|line| line.strip_prefix("cargo::rerun-if-changed="));
        let folders = paths.filter_map(|path| root.join(path).canonicalize().ok()).filter(|path| path.is_dir());
        let at = fs::metadata(&output).and_then(|meta| meta.modified()).expect("a date");
        Self { folders: folders.collect(), at }
    }

    /// Whether it looks at all that comes to where `file` is.
    fn has_around(&self, file: &Path) -> bool {
        self.folders.iter().any(|folder| file.starts_with(folder))
    }
}

/// What is written again has another date.
fn write_changed(project: &Project, file: &str, text: &str) {
    if fs::read_to_string(project.path(file)).ok().as_deref() != Some(text) {
        project.write(file, text);
    }
}

/// A series goes on with what the one before it left: a failure is brought again by the series of its seed.
fn whatever_is_read(engine: &'static str, has_cargo: bool, series: u32) {
    let mut world = World::new(engine, has_cargo);
    world.build(has_cargo, true).expect("the first build");
    property(series, 0, vec(step(), 3..9), |steps| {
        world.tally.series += 1;
        for step in steps {
            world.take(step);
            match step {
                Step::Build(by_cargo, compares) => world.build(by_cargo, compares)?,
                _ => drop(world.look()?),
            }
        }
        Ok(())
    });
    println!("{engine}: {:?}, 0 stale, 0 mixed, 0 needless", world.tally);
}

#[test]
fn all_that_can_be_read_decides_the_verdict_on_the_host() {
    whatever_is_read("host", false, cases(90, 1500));
}

#[test]
fn all_that_can_be_read_decides_the_verdict_in_a_container() {
    if Engine::Docker.is_here() {
        whatever_is_read("docker", false, cases(5, 150));
    }
}

#[test]
fn all_that_can_be_read_decides_the_verdict_of_plain_cargo() {
    whatever_is_read("host", true, cases(5, 150));
}
