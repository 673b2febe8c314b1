//! Programs that are still running, and waiting for what they do.

use std::fmt::Debug;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::{Ended, under};

/// Far more than anything here takes on a busy machine; only a failing test waits as long.
pub const PATIENCE: Duration = Duration::from_secs(120);

/// Asks until the answer is yes.
#[track_caller]
pub fn wait_until(what: &str, mut ask: impl FnMut() -> bool) {
    eventually(what, || if ask() { Ok(()) } else { Err("no") });
}

/// Asks until the answer is `Ok`.
#[track_caller]
pub fn eventually<T, E: Debug>(what: &str, mut ask: impl FnMut() -> Result<T, E>) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(instead) if Instant::now() > deadline => {
                panic!("not within {} s: {what}; instead {instead:?}", PATIENCE.as_secs());
            }
            Err(_) => std::thread::sleep(Duration::from_millis(20)),
        }
    }
}

/// A program in a process group of its own; killed if the test ends before it does.
pub struct Running(Option<Child>);

impl Running {
    pub fn start(command: &Command) -> Self {
        use std::os::unix::process::CommandExt;
        // A shell lets what it runs in its background ignore SIGINT, and all that it starts: these tests, say.
        let mut command = under(&["env", "--default-signal=INT"], command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        Self(Some(command.spawn().expect("it starts")))
    }

    pub fn pid(&self) -> u32 {
        self.0.as_ref().expect("it was not waited for").id()
    }

    /// Sends a signal to the program alone.
    pub fn signal(&self, signal: &str) {
        kill(signal, &self.pid().to_string());
    }

    /// Sends a signal to the program and all that it started, as a terminal does.
    pub fn signal_all(&self, signal: &str) {
        kill(signal, &format!("-{}", self.pid()));
    }

    /// Waits for its end.
    pub fn end(mut self) -> Ended {
        let mut child = self.0.take().expect("it was not waited for");
        eventually("the program ends", || child.try_wait().expect("a child").ok_or("it runs"));
        child.wait_with_output().expect("it ends").into()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A program that is killed when this is dropped.
pub struct Owned(pub Child);

impl Owned {
    /// Starts one that serves on a port of loopback, and waits until it listens.
    pub fn service(command: &mut Command, port: u16) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let service = Self(command.spawn().expect("it starts"));
        eventually(&format!("{command:?} listens"), || TcpStream::connect(("127.0.0.1", port)));
        service
    }
}

impl Drop for Owned {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Sends a signal to a process or, by a negative number, to its group.
pub fn kill(signal: &str, whom: &str) {
    let status = Command::new("kill").args(["-s", signal, "--", whom]).status().expect("kill starts");
    assert!(status.success(), "kill -s {signal} -- {whom}");
}

/// The process that runs `program` and that `parent` started.
pub fn child_that_runs(program: &str, parent: u32) -> u32 {
    let tasks = std::fs::read_dir(format!("/proc/{parent}/task")).expect("its threads").flatten();
    let children = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let children = children.collect::<String>();
    let mut pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
    let found = pids.find(|pid| {
        std::fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|file| file.file_name().is_some_and(|n| n == program))
    });
    found.unwrap_or_else(|| panic!("{parent} has started no {program}"))
}

/// The command lines of all processes of this machine, their arguments separated by spaces.
pub fn processes_of_the_host() -> Vec<String> {
    let folders = std::fs::read_dir("/proc").expect("/proc").flatten();
    let lines = folders.filter_map(|folder| std::fs::read(folder.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).collect()
}
