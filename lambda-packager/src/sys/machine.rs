//! The machine that this process runs on. Several may use one engine.

use std::path::Path;
use std::time::Duration;

use crate::error::Result;
use crate::sys::{Invocation, Sha, fs};

/// Linux.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// Files that engines put into every container.
const MARKS: [&str; 2] = ["/.dockerenv", "/run/.containerenv"];

/// Identifies this machine: the same after a restart, and another one on every other machine. In a container the host
/// name counts too: engines give each its own, while an id that comes with the image is in every container of it.
///
/// Only a digest, because the id itself is confidential:
/// <https://www.freedesktop.org/software/systemd/man/latest/machine-id.html>.
///
/// # Errors
/// If there is an id that cannot be read.
pub fn machine() -> Result<String> {
    let mut id = if cfg!(target_os = "macos") { id_of_mac()? } else { content("/etc/machine-id")? };
    if id.is_empty() || MARKS.iter().any(|mark| fs::is_file(Path::new(mark))) {
        id.extend(content(HOST_NAME)?);
    }
    Ok(Sha::of(&[b"lambda-packager ", &id[..]].concat()).short(12))
}

/// The name of this machine in its network; empty where the system does not say.
///
/// # Errors
/// If it cannot be read.
pub fn host_name() -> Result<String> {
    Ok(String::from_utf8_lossy(&content(HOST_NAME)?).trim().to_string())
}

/// Empty if there is no such file.
fn content(path: &str) -> Result<Vec<u8>> {
    Ok(fs::read_if_exists(Path::new(path))?.unwrap_or_default())
}

fn id_of_mac() -> Result<Vec<u8>> {
    const TIMEOUT: Duration = Duration::from_secs(10);
    let ask = Invocation::new(Path::new("/usr/sbin/ioreg")).args(&["-r", "-d1", "-c", "IOPlatformExpertDevice"]);
    Ok(uuid_line(&ask.output(None, TIMEOUT)?.stdout_text()).as_bytes().to_vec())
}

/// The other lines may change while the machine runs.
fn uuid_line(printed: &str) -> &str {
    printed.lines().find(|line| line.contains("\"IOPlatformUUID\"")).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_the_same_when_it_is_asked_again_and_shows_nothing_of_its_id() {
        let machine = machine().unwrap();
        assert_eq!(machine, super::machine().unwrap());
        assert_eq!(machine.len(), 12);
        let id = content("/etc/machine-id").unwrap();
        assert!(!String::from_utf8_lossy(&id).contains(&machine));
    }

    #[test]
    fn of_a_mac_only_the_line_with_its_id_counts() {
        let printed = "+-o Mac14,2  <class IOPlatformExpertDevice, registered>\n    {\n      \"board-id\" = <4d>\n      \"IOPlatformUUID\" = \"A8226C69-2364-5B3E-8F24-D9E1B7A8F1CC\"\n      \"IOBusyInterest\" = \"x\"\n    }\n";
        assert_eq!(uuid_line(printed).trim(), "\"IOPlatformUUID\" = \"A8226C69-2364-5B3E-8F24-D9E1B7A8F1CC\"");
        assert_eq!(uuid_line(""), "");
    }
}
