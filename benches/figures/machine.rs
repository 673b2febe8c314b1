//! Where and when it was measured.

use std::fs;
use std::process::Command;

use crate::lab::Lab;
use crate::measure::ask;

/// Name and value of what a reader has to know of the machine.
pub fn facts(lab: &Lab, load_before: String) -> Vec<(&'static str, String)> {
    let said = |program: &str, args: &[&str]| ask(Command::new(program).args(args)).unwrap_or_else(|why| why);
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_string();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map_or("unknown".to_string(), |(_, value)| value.trim().to_string())
    };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let changed = if said("git", &["status", "--porcelain"]).is_empty() { "" } else { " and what is not committed" };
    vec![
        ("date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
        ("commit", format!("{}{changed}", said("git", &["rev-parse", "--short", "HEAD"]))),
        ("processors", format!("{cores}, {}", field(&read("/proc/cpuinfo"), "model name"))),
        ("memory", field(&read("/proc/meminfo"), "MemTotal")),
        ("kernel", read("/proc/sys/kernel/osrelease")),
        ("system", field(&read("/etc/os-release").replace('=', ":"), "PRETTY_NAME").replace('"', "")),
        ("engine", lab.engine().map_or_else(|why| why, |engine| engine.describe())),
        ("rustc", said("rustc", &["--version"])),
        ("cargo", said("cargo", &["--version"])),
        ("load before", load_before),
        ("load after", load()),
    ]
}

/// The load average of the last minutes: a machine that does other things measures those too.
pub fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
