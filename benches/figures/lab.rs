//! The place where it is measured: a temporary folder with copies of this repository, an engine, and
//! somebody who cleans up however the bench ends.

use std::cell::OnceCell;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::engine::Engine;
use crate::figure::{Row, Sample};
use crate::measure::{Result, Side, again, ask, interleaved, timed};

/// On everything that the bench makes in an engine.
pub const LABEL: &str = "lambda-packager.bench";
/// How often what takes seconds is done, where nothing else is asked for.
pub const ROUNDS: usize = 5;

pub struct Lab {
    pub folder: PathBuf,
    rounds: usize,
    label: String,
    janitor: Option<Child>,
    packager: OnceCell<Result<PathBuf>>,
    engine: OnceCell<Result<Engine>>,
}

impl Lab {
    pub fn open(rounds: usize) -> Result<Self> {
        let fail = |e: std::io::Error| format!("the temporary folder cannot be made: {e}");
        let folder = tempfile::Builder::new().prefix("lambda-packager-bench-").tempdir().map_err(fail)?.keep();
        let folder = folder.canonicalize().map_err(fail)?;
        let label = format!("{LABEL}={}", std::process::id());
        let images = ask(Command::new("docker").args(["images", "--quiet", "--no-trunc", "lambda-packager-borrowed"]));
        // In a process group of its own: what interrupts the bench must not interrupt the cleaning.
        let janitor = Command::new("sh")
            .args(["-c", include_str!("janitor.sh"), "janitor"])
            .args([&folder.to_string_lossy(), label.as_str()])
            .args(images.unwrap_or_default().lines())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .process_group(0)
            .spawn()
            .map_err(|e| format!("sh does not start: {e}"))?;
        Ok(Self { folder, rounds, label, janitor: Some(janitor), packager: OnceCell::new(), engine: OnceCell::new() })
    }

    /// How often to do what is done `usual` times, for as many rounds as were asked for.
    pub fn rounds(&self, usual: usize) -> usize {
        (usual * self.rounds / ROUNDS).max(1)
    }

    /// The label of what the bench makes in an engine.
    pub fn label(&self) -> &str {
        &self.label
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join("log")
    }

    /// `program`, in `folder`, with the environment of a user's shell: without what cargo set for this
    /// bench.
    pub fn command(&self, program: impl AsRef<Path>, folder: &Path) -> Command {
        const OF_CARGO: &[&str] = &["RUSTFLAGS", "RUSTDOCFLAGS", "RUSTUP_TOOLCHAIN", "LD_LIBRARY_PATH", "CARGO"];
        const OF_THE_USER: &[&str] = &["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTR"];
        let mut command = Command::new(program.as_ref());
        for (name, _) in std::env::vars() {
            let of_user = OF_THE_USER.iter().any(|known| name.starts_with(known));
            let of_cargo = OF_CARGO.contains(&name.as_str()) || (name.starts_with("CARGO_") && !of_user);
            if of_cargo || name.starts_with("LAMBDA_PACKAGER") {
                command.env_remove(name);
            }
        }
        command.current_dir(folder);
        command
    }

    /// `cargo` with `args`, offline: downloads are never part of a figure.
    pub fn cargo(&self, folder: &Path, args: &[&str]) -> Command {
        let mut command = self.command("cargo", folder);
        command.env("CARGO_NET_OFFLINE", "true").args(args);
        command
    }

    /// The bin, as a release build has it.
    pub fn packager(&self) -> Result<&Path> {
        let build = || {
            let args = ["build", "--release", "--package=lambda-packager-cli", "--message-format=json", "-q"];
            let said = ask(self.command("cargo", repository()).args(args))?;
            let messages = said.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
            let mut bins = messages.filter_map(|message| message["executable"].as_str().map(PathBuf::from));
            bins.find(|bin| bin.ends_with("lambda-packager")).ok_or("cargo does not name the bin".to_string())
        };
        self.packager.get_or_init(build).as_deref().map_err(Clone::clone)
    }

    /// The bin in `folder`, with the engine of the bench and no way around it.
    pub fn package(&self, folder: &Path, args: &[&str]) -> Result<Command> {
        let (packager, engine) = (self.packager()?, self.engine()?);
        let mut command = self.command(packager, folder);
        engine.apply_to(&mut command);
        command.env("LAMBDA_PACKAGER_LABEL", &self.label).env("LAMBDA_PACKAGER_ENGINE", "docker").args(args);
        Ok(command)
    }

    /// The bin in `folder`, compiling on the host.
    pub fn package_on_host(&self, folder: &Path, args: &[&str]) -> Result<Command> {
        let mut command = self.command(self.packager()?, folder);
        command.env("LAMBDA_PACKAGER_ENGINE", "host").args(args);
        Ok(command)
    }

    pub fn engine(&self) -> Result<&Engine> {
        let folder = self.folder.join("engine");
        self.engine.get_or_init(|| Engine::start(&folder, &self.label)).as_ref().map_err(Clone::clone)
    }

    /// A copy of this repository under that name.
    pub fn copy(&self, name: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        if !folder.exists() {
            copy(repository(), &folder)?;
        }
        Ok(folder)
    }

    /// The copy that is packaged; packaged once already, so that the next run is a hit.
    pub fn deployment(&self) -> Result<PathBuf> {
        let folder = self.copy("deployment")?;
        self.run(&mut self.package(&folder, &[])?)?;
        Ok(folder)
    }

    /// The copy that cargo alone compiles, on the host; compiled once already.
    pub fn plain(&self, args: &[&str]) -> Result<PathBuf> {
        let folder = self.copy("plain")?;
        self.run(&mut self.cargo(&folder, args))?;
        Ok(folder)
    }

    /// A crate of that name without dependencies: one source file, and what else its manifest says.
    pub fn empty_crate(&self, name: &str, file: &str, source: &str, more: &str) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        let head = format!("[package]\nname = {name:?}\nversion = \"0.1.0\"\nedition = \"2021\"\n\n[workspace]\n");
        write(&folder.join("Cargo.toml"), format!("{head}{more}"))?;
        write(&folder.join(file), source)?;
        Ok(folder)
    }

    /// Runs a program to its end, untimed.
    pub fn run(&self, command: &mut Command) -> Result<()> {
        timed(command, 0, &self.log()).map(drop)
    }

    /// Seconds of one run of a program.
    pub fn seconds(&self, command: &Command) -> Result<f64> {
        timed(&mut again(command), 0, &self.log())
    }

    /// Takes the time of all sides in turn, as often as `rounds` says.
    pub fn interleaved(&self, usual: usize, sides: Vec<Side>) -> Result<Vec<Sample>> {
        interleaved(self.rounds(usual), &self.log(), sides)
    }

    /// The same for two sides, and how the first compares to the second.
    pub fn ratio(
        &self,
        figure: &'static str,
        what: impl Into<String>,
        usual: usize,
        sides: [Side; 2],
        bound: impl Into<Option<f64>>,
    ) -> Result<Row> {
        let samples = self.interleaved(usual, sides.into())?;
        Ok(Row::ratio(figure, what, &samples[0], &samples[1], bound))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(mut janitor) = self.janitor.take() {
            eprintln!("cleaning up");
            drop(janitor.stdin.take());
            let _ = janitor.wait();
            if let Some(Ok(engine)) = self.engine.get_mut() {
                engine.bury();
            }
        }
    }
}

/// The checkout that is measured.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Where cargo keeps its downloads.
pub fn cargo_home() -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    home.or_else(|| std::env::home_dir().map(|home| home.join(".cargo"))).ok_or("no home folder".into())
}

/// Changes one line of the function in a copy of the repository, as nobody did before: a string of its
/// health check, which is compiled into it.
pub fn edit(folder: &Path) -> Result<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    const LINE: &str = "status: \"ok";
    let file = "lambda/src/health.rs";
    let source = read(&repository().join(file))?;
    let Some((before, after)) = source.split_once(LINE) else {
        return Err(format!("there is no `{LINE}` in {file} to edit; choose another line in benches/figures/lab.rs"));
    };
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    write(&folder.join(file), format!("{before}{LINE} {count}{after}"))
}

pub fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))
}

pub fn read_bytes(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(|e| format!("{}: {e}", path.display()))
}

pub fn write(path: &Path, text: impl AsRef<[u8]>) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).and_then(|()| fs::write(path, text)).map_err(|e| format!("{}: {e}", path.display()))
}

/// Removes a folder and all in it, if it is there.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(format!("{}: {e}", path.display())),
        _ => Ok(()),
    }
}

/// Copies a folder without what was built in it.
pub fn copy(from: &Path, to: &Path) -> Result<()> {
    let fail = |e: std::io::Error| format!("{}: {e}", from.display());
    fs::create_dir_all(to).map_err(fail)?;
    for entry in fs::read_dir(from).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let name = entry.file_name();
        if [".git", "target", "lambda-deployment.zip"].iter().any(|built| name == *built) {
            continue;
        }
        if entry.file_type().map_err(fail)?.is_dir() {
            copy(&entry.path(), &to.join(name))?;
        } else {
            fs::copy(entry.path(), to.join(name)).map_err(fail)?;
        }
    }
    Ok(())
}
