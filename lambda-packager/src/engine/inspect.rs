//! What engines say of containers and images.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::error::{Error, Result};

/// A container as its engine describes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Container {
    pub id: String,
    /// docker puts a slash before it.
    name: String,
    /// The id of its image.
    pub image: String,
    pub state: State,
    config: Config,
    #[serde(default)]
    pub mounts: Vec<MountPoint>,
    /// What it wrote into its own file system; only where sizes were asked for.
    #[serde(default)]
    pub size_rw: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MountPoint {
    #[serde(default)]
    pub source: String,
    pub destination: String,
    #[serde(rename = "RW")]
    pub writable: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct State {
    /// `created`, `running`, `paused`, `exited`, ... in every engine's words.
    pub status: String,
    /// In RFC 3339.
    #[serde(default)]
    pub started_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    /// The image as it was asked for.
    #[serde(default)]
    image: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// An image as its engine describes it.
#[derive(Default)]
pub struct Image {
    pub id: String,
    pub names: Vec<String>,
    /// `name@sha256:...`, as registries know it; none where it never was in one.
    pub digests: Vec<String>,
    pub size_bytes: u64,
    pub labels: BTreeMap<String, String>,
}

impl Image {
    /// Its digest as a registry knows it, else its id here.
    pub fn digest(&self) -> &str {
        self.digests.first().and_then(|name| name.split_once('@')).map_or(&self.id, |(_, digest)| digest)
    }
}

/// Reads the one image of an `inspect`.
pub fn parse_image(json: &[u8]) -> Result<Image> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Told {
        id: String,
        repo_tags: Option<Vec<String>>,
        repo_digests: Option<Vec<String>>,
        size: u64,
        config: Option<Config>,
    }
    let all: Vec<Told> =
        serde_json::from_str(&String::from_utf8_lossy(json)).map_err(|e| unreadable("image").source(e))?;
    let told = all.into_iter().next().ok_or_else(|| unreadable("image"))?;
    Ok(Image {
        id: told.id,
        names: told.repo_tags.unwrap_or_default(),
        digests: told.repo_digests.unwrap_or_default(),
        size_bytes: told.size,
        labels: told.config.and_then(|config| config.labels).unwrap_or_default(),
    })
}

impl Container {
    pub fn name(&self) -> &str {
        self.name.trim_start_matches('/')
    }

    /// The image as it was asked for.
    pub fn image_reference(&self) -> &str {
        &self.config.image
    }

    pub fn label(&self, name: &str) -> Option<&str> {
        self.config.labels.as_ref()?.get(name).map(String::as_str)
    }
}

fn unreadable(what: &str) -> Error {
    Error::engine(format!("the engine printed unexpected output about the {what}"))
}

/// Reads the containers of an `inspect`.
pub fn parse_all(json: &[u8]) -> Result<Vec<Container>> {
    serde_json::from_str(&String::from_utf8_lossy(json)).map_err(|e| unreadable("container").source(e))
}

/// Reads the one container of an `inspect`.
pub fn parse(json: &[u8]) -> Result<Container> {
    parse_all(json)?.into_iter().next().ok_or_else(|| unreadable("container"))
}

/// Whether an error of `inspect` means that there is no such thing.
pub fn says_absent(stderr: &str) -> bool {
    let stderr = stderr.to_lowercase();
    let phrases = ["no such container", "no such image", "no such object", "image not known", "no container with name"];
    phrases.iter().any(|phrase| stderr.contains(phrase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_docker_and_podman_print() {
        let docker =
            br#"[{"Id":"abc","Name":"/n","Image":"sha256:1","State":{"Status":"running","Pid":1},"Config":{"Labels":{"a":"b"}}}]"#;
        let container = parse(docker).unwrap();
        assert_eq!((container.image.as_str(), container.state.status.as_str()), ("sha256:1", "running"));
        assert_eq!((container.label("a"), container.label("c")), (Some("b"), None));
        let bare = br#"[{"Id":"abc","Name":"/n","Image":"1","State":{"Status":"exited"},"Config":{"Labels":null}}]"#;
        assert_eq!(parse(bare).unwrap().label("a"), None);
        assert!(parse(b"[]").is_err() && parse(b"nonsense").is_err());
    }

    #[test]
    fn reads_images_with_and_without_a_registry() {
        let pulled = br#"[{"Id":"sha256:1","RepoTags":["a:1"],"RepoDigests":["a@sha256:2"],"Size":3,"Config":{"Labels":{"k":"v"}}}]"#;
        let image = parse_image(pulled).unwrap();
        assert_eq!(
            (image.digest(), image.size_bytes, image.names.as_slice()),
            ("sha256:2", 3, &["a:1".to_string()][..])
        );
        assert_eq!(image.labels["k"], "v");
        let bare = br#"[{"Id":"sha256:1","RepoTags":null,"RepoDigests":null,"Size":0,"Config":{"Labels":null}}]"#;
        assert_eq!(parse_image(bare).unwrap().digest(), "sha256:1");
        assert!(parse_image(b"[]").is_err());
    }

    #[test]
    fn tells_absent_from_unreachable() {
        assert!(says_absent("Error response from daemon: No such container: x"));
        assert!(says_absent("Error: inspecting object: no such container \"x\""));
        assert!(says_absent("Error: No such image: x") && says_absent("Error: x: image not known"));
        assert!(!says_absent("Cannot connect to the Docker daemon"));
    }
}
