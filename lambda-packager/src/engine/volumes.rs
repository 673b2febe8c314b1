//! What an engine does with volumes.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::engine::{Cause, Engine, EngineError, args, inspect};
use crate::error::{Error, Result};
use crate::sys::Output;

/// A volume as its engine describes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct VolumeInfo {
    pub name: String,
    #[serde(default, deserialize_with = "labels")]
    pub labels: BTreeMap<String, String>,
}

/// Docker prints `null` for no labels.
fn labels<'de, D: serde::Deserializer<'de>>(value: D) -> Result<BTreeMap<String, String>, D::Error> {
    Option::deserialize(value).map(Option::unwrap_or_default)
}

impl Engine {
    /// Creates a volume. One that exists stays as it is, also its labels.
    pub(super) fn create_volume(&self, name: &str, labels: &[String]) -> Result<(), EngineError> {
        let output = self.output(self.call(&args::create_volume(self.kind, name, labels)), None)?;
        match Cause::of("volume create", &output) {
            _ if output.success() => Ok(()),
            Cause::Present => Ok(()),
            _ => Err(self.failure("volume create", &output)),
        }
    }

    /// The names of all volumes.
    ///
    /// # Errors
    /// The engine's.
    pub fn volume_names(&self) -> Result<Vec<String>, EngineError> {
        let listed = self.succeed(self.call(&["volume", "ls", "--quiet"]), None)?;
        Ok(listed.stdout_text().lines().map(String::from).collect())
    }

    /// All volumes with a label.
    pub fn volumes_with(&self, label: &str) -> Result<Vec<VolumeInfo>, EngineError> {
        let filter = format!("label={label}");
        let listed = self.succeed(self.call(&["volume", "ls", "--quiet", "--filter", &filter]), None)?;
        let listed = listed.stdout_text();
        let names: Vec<&str> = listed.lines().collect();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let output = self.output(self.call(&["volume", "inspect"]).args(&names), None)?;
        // If one was removed in between, the call fails, but stdout has the others.
        parse(&output.stdout).map_err(|_| self.failure("volume inspect", &output))
    }

    /// The sizes of all volumes that the engine reports. It may have to read all of their folders.
    pub fn volume_sizes(&self) -> Result<BTreeMap<String, u64>, EngineError> {
        let output = self.succeed_in_transfer(&self.call(&["system", "df", "--verbose"]), None)?;
        Ok(sizes(&output.stdout_text()))
    }

    /// Removes volumes; those that are absent already are fine. Never by force: podman would also remove the
    /// containers that use them, whoever owns them.
    pub fn remove_volumes(&self, names: &[String]) -> Result<(), EngineError> {
        if names.is_empty() {
            return Ok(());
        }
        let output = self.transfer(&self.call(&["volume", "rm"]).args(names), None)?;
        match Cause::of("volume rm", &output) {
            _ if output.success() => Ok(()),
            Cause::Absent => Ok(()),
            _ => {
                let failure = self.failure("volume rm", &output);
                Err(self.in_use(names, &output)?.unwrap_or(failure))
            }
        }
    }

    /// The error for volumes that cannot be removed, if that is because containers use one of them.
    fn in_use(&self, names: &[String], output: &Output) -> Result<Option<EngineError>, EngineError> {
        let program = self.kind.program();
        for name in names {
            let call = self.call(&["ps", "--all", "--filter", &format!("volume={name}"), "--format", "{{.Names}}"]);
            let users = self.succeed(call, None)?.stdout_text().lines().collect::<Vec<_>>().join(" ");
            if !users.is_empty() {
                let error = Error::engine(format!("the {program} volume {name} is in use by the container {users}"));
                let hint = format!(
                    "remove that container (`{program} rm --force {users}`), or make it again without the volume"
                );
                return Ok(Some(EngineError::Refused(error.source(output.stderr_text()).hint_with(hint))));
            }
        }
        Ok(None)
    }
}

fn parse(json: &[u8]) -> Result<Vec<VolumeInfo>> {
    serde_json::from_str(&String::from_utf8_lossy(json)).map_err(|e| inspect::unreadable("volumes").source(e))
}

/// Reads the table of volumes of `system df --verbose`. As JSON, not every version of podman prints the volumes.
fn sizes(printed: &str) -> BTreeMap<String, u64> {
    let lines = printed.lines().skip_while(|line| !line.starts_with("VOLUME NAME")).skip(1);
    let size = |line: &str| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [name, _, size] => Some((name.to_string(), bytes(size)?)),
        _ => None,
    };
    lines.take_while(|line| !line.is_empty()).filter_map(size).collect()
}

/// A size as the engines print it: rounded, in powers of 1000.
fn bytes(text: &str) -> Option<u64> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_ascii_alphabetic())?);
    let power = ["B", "kB", "MB", "GB", "TB"].iter().position(|known| *known == unit)?;
    Some((number.parse::<f64>().ok()? * 1000_f64.powi(i32::try_from(power).ok()?)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_volumes_of_docker_and_podman() {
        let docker = br#"[{"CreatedAt":"2026-11-27T10:30:23Z","Driver":"local","Labels":{"a":"1"},"Mountpoint":"/var/lib/docker/volumes/v/_data","Name":"v","Options":null,"Scope":"local"},
            {"CreatedAt":"2026-11-27T10:30:24Z","Driver":"local","Labels":null,"Mountpoint":"/var/lib/docker/volumes/w/_data","Name":"w","Options":null,"Scope":"local"}]"#;
        let podman = br#"[{"Name":"v","Driver":"local","Mountpoint":"/var/lib/containers/storage/volumes/v/_data","CreatedAt":"2026-11-27T10:30:28.938332161Z","Labels":{"a":"1"},"Scope":"local","Options":{},"MountCount":0,"NeedsCopyUp":true},
            {"Name":"w","Driver":"local","Labels":{},"Scope":"local","Options":{}}]"#;
        for json in [&docker[..], podman] {
            let volumes = parse(json).unwrap();
            assert_eq!(volumes.iter().map(|volume| volume.name.as_str()).collect::<Vec<_>>(), ["v", "w"]);
            assert_eq!((volumes[0].labels["a"].as_str(), volumes[1].labels.len()), ("1", 0));
        }
        assert!(parse(b"").is_err());
    }

    #[test]
    fn reads_the_sizes_of_docker_and_podman() {
        let docker = "Local Volumes space usage:\n\nVOLUME NAME   LINKS     SIZE\nv             1         7.34MB\n\nBuild cache usage: 0B\n\nCACHE ID   CACHE TYPE   SIZE\n";
        let podman = "Images space usage:\n\nREPOSITORY  TAG\na  1\n\nLocal Volumes space usage:\n\nVOLUME NAME  LINKS       SIZE\nv            1           7.34MB\nw            0           0B\n";
        assert_eq!(sizes(docker), [("v".to_string(), 7_340_000)].into());
        assert_eq!(sizes(podman), [("v".to_string(), 7_340_000), ("w".to_string(), 0)].into());
        assert!(sizes("").is_empty());
        assert_eq!(
            [bytes("1.5kB"), bytes("2GB"), bytes("N/A"), bytes("7")],
            [Some(1500), Some(2_000_000_000), None, None]
        );
    }
}
