//! What engines report about containers and images.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::engine::args::NAMED;
use crate::error::{Error, Result};

/// A container as its engine describes it.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Container {
    pub id: String,
    /// Docker puts a slash before it.
    name: String,
    /// The id of its image.
    pub image: String,
    pub state: State,
    config: Config,
    #[serde(default)]
    pub mounts: Vec<MountPoint>,
    /// The size of what it wrote into its own file system; only in calls with `--size`.
    #[serde(default)]
    pub size_rw: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct MountPoint {
    /// The name of a volume; empty for a folder of the host.
    #[serde(default)]
    name: String,
    /// Where it is on the engine's machine.
    #[serde(default)]
    source: String,
    pub destination: String,
    #[serde(rename = "RW")]
    pub writable: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct State {
    /// `created`, `running`, `paused`, `exited`, ... The engines use the same words.
    pub status: String,
    /// In RFC 3339.
    #[serde(default)]
    pub started_at: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Config {
    /// The image reference that the container was created from.
    #[serde(default)]
    image: String,
    #[serde(default)]
    labels: Option<BTreeMap<String, String>>,
}

/// An image as its engine describes it.
#[derive(Debug, Default, Clone)]
pub struct Image {
    pub id: String,
    pub names: Vec<String>,
    /// `name@sha256:...`, as in registries; empty if it was never in one.
    pub digests: Vec<String>,
    pub size_bytes: u64,
    pub labels: BTreeMap<String, String>,
    /// The digests of its layers, unpacked.
    pub layers: Vec<String>,
    /// The id of the image that it was made from, if the engine knows it; not that of a step of one build.
    pub parent: String,
}

impl Image {
    /// Its digest in a registry, or its local id.
    pub fn digest(&self) -> &str {
        self.digests.first().and_then(|name| name.split_once('@')).map_or(&self.id, |(_, digest)| digest)
    }
}

/// Reads the output of `inspect` for one image.
pub fn parse_image(json: &[u8]) -> Result<Image> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Reported {
        id: String,
        repo_tags: Option<Vec<String>>,
        repo_digests: Option<Vec<String>>,
        size: u64,
        config: Option<Config>,
        #[serde(rename = "RootFS", default)]
        root: Root,
        #[serde(default)]
        parent: String,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "PascalCase")]
    struct Root {
        layers: Option<Vec<String>>,
    }
    let all: Vec<Reported> =
        serde_json::from_str(&String::from_utf8_lossy(json)).map_err(|e| unreadable("image").source(e))?;
    let reported = all.into_iter().next().ok_or_else(|| unreadable("image"))?;
    Ok(Image {
        id: reported.id,
        names: reported.repo_tags.unwrap_or_default(),
        digests: reported.repo_digests.unwrap_or_default(),
        size_bytes: reported.size,
        labels: reported.config.and_then(|config| config.labels).unwrap_or_default(),
        layers: reported.root.layers.unwrap_or_default(),
        parent: reported.parent,
    })
}

/// What is ours of all images with one of our labels: the names that `is_given` says are given here; all of an image without a
/// name, because a newer image took it. Nothing of what somebody built upon one of them, which has their labels and layers.
pub fn ours(images: Vec<Image>, is_given: impl Fn(&str) -> bool) -> Vec<Image> {
    // Not every builder records what an image was made from. An image without a name may be a step of the same build.
    let stands_upon = |image: &Image, other: &Image| {
        let may_be_base = !other.names.is_empty() && !other.layers.is_empty() && other.id != image.id;
        other.id == image.parent || (may_be_base && image.layers.starts_with(&other.layers))
    };
    let is_built = |image: &Image| images.iter().any(|other| stands_upon(image, other));
    let is_nameless = |image: &Image| image.names.is_empty();
    let (nameless, named): (Vec<_>, Vec<_>) = images.iter().cloned().partition(is_nameless);
    let given = named.into_iter().map(|mut image| {
        image.names.retain(|name| is_given(without_prefix(name)));
        image
    });
    let given = given.filter(|image| !image.names.is_empty());
    given.chain(nameless.into_iter().filter(|image| !is_built(image))).collect()
}

/// The name of an image without podman's prefix of those that are in no registry.
pub fn without_prefix(name: &str) -> &str {
    name.strip_prefix("localhost/").unwrap_or(name)
}

impl Image {
    /// By what it is removed. With its last name it is gone; a name that somebody else gave it keeps it.
    pub fn handles(&self) -> &[String] {
        if self.names.is_empty() { std::slice::from_ref(&self.id) } else { &self.names }
    }
}

impl MountPoint {
    pub fn is_volume(&self) -> bool {
        !self.name.is_empty()
    }

    /// The name of the volume, or the path of the host's folder.
    pub fn what(&self) -> &str {
        if self.is_volume() { &self.name } else { &self.source }
    }
}

impl Container {
    pub fn name(&self) -> &str {
        self.name.trim_start_matches('/')
    }

    /// Whether it was created here: by the label that no other container can have with its name.
    pub fn is_ours(&self) -> bool {
        self.label(NAMED) == Some(self.name())
    }

    /// The image reference that the container was created from.
    pub fn image_reference(&self) -> &str {
        &self.config.image
    }

    pub fn label(&self, name: &str) -> Option<&str> {
        self.config.labels.as_ref()?.get(name).map(String::as_str)
    }
}

pub(super) fn unreadable(what: &str) -> Error {
    Error::engine(format!("the engine printed unexpected output about the {what}"))
}

/// Reads the output of `inspect` for containers.
pub fn parse_all(json: &[u8]) -> Result<Vec<Container>> {
    serde_json::from_str(&String::from_utf8_lossy(json)).map_err(|e| unreadable("container").source(e))
}

/// Reads the output of `inspect` for one container.
pub fn parse(json: &[u8]) -> Result<Container> {
    parse_all(json)?.into_iter().next().ok_or_else(|| unreadable("container"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_containers_of_docker_and_podman() {
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
    fn a_container_of_an_image_with_our_labels_is_not_ours() {
        for (name, ours) in [("n", true), ("users-own", false)] {
            let json = format!(
                r#"[{{"Id":"abc","Name":"/{name}","Image":"1","State":{{"Status":"exited"}},"Config":{{"Labels":{{"{NAMED}":"n"}}}}}}]"#
            );
            assert_eq!(parse(json.as_bytes()).unwrap().is_ours(), ours, "{name}");
        }
    }

    fn image(id: &str, names: &[&str], layers: &[&str]) -> Image {
        let owned = |words: &[&str]| words.iter().map(|word| word.to_string()).collect();
        Image { id: id.into(), names: owned(names), layers: owned(layers), ..Image::default() }
    }

    fn goes(images: Vec<Image>) -> Vec<String> {
        let ours = ours(images, |name| name.starts_with("qa-lambda:") || name == "lambda-packager-runtime:f-a-1");
        ours.iter().map(|image| image.handles().join(" ")).collect()
    }

    #[test]
    fn only_our_names_of_an_image_go_and_images_that_lost_theirs() {
        for (names, expected) in [
            (&["qa-lambda:latest", "mine:1"][..], &["qa-lambda:latest"][..]),
            (&["localhost/qa-lambda:1"], &["localhost/qa-lambda:1"]),
            (&["lambda-packager-runtime:f-a-1"], &["lambda-packager-runtime:f-a-1"]),
            (&["qa-lambda-2:latest"], &[]),
            (&[], &["id"]),
        ] {
            assert_eq!(goes(vec![image("id", names, &["a"])]), expected, "{names:?}");
        }
    }

    #[test]
    fn what_somebody_built_upon_one_of_ours_is_not_ours_though_it_has_no_name() {
        let current = || image("current", &["qa-lambda:latest"], &["a", "b"]);
        for (other, is_ours) in [
            (image("former", &[], &["a", "c"]), true),
            (image("built", &[], &["a", "b", "c"]), false),
            // As `ENV` in a Dockerfile makes it.
            (image("labelled", &[], &["a", "b"]), false),
            // Nothing is known of one that is damaged.
            (image("damaged", &[], &[]), true),
        ] {
            assert_eq!(goes(vec![other.clone(), current()]).contains(&other.id), is_ours, "{}", other.id);
        }
        // Upon one that lost its name.
        for layers in [&["a", "c", "d"][..], &["a", "c"]] {
            let built = Image { parent: "former".into(), ..image("built", &[], layers) };
            assert_eq!(goes(vec![image("former", &[], &["a", "c"]), built]), ["former"]);
        }
        // Podman keeps the steps of a build, with the labels of what was built.
        let steps = vec![image("step", &[], &["a"]), image("former", &[], &["a", "c"]), current()];
        assert_eq!(goes(steps).len(), 3);
    }

    #[test]
    fn a_mount_is_a_volume_or_a_folder_of_the_host() {
        // Of docker, of podman, and a folder.
        let json = br#"[{"Id":"abc","Name":"/n","Image":"1","State":{"Status":"exited"},"Config":{},"Mounts":[
            {"Type":"volume","Name":"v","Source":"/var/lib/docker/volumes/v/_data","Destination":"/workspace","Driver":"local","Mode":"z","RW":true,"Propagation":""},
            {"Type":"volume","Name":"w","Source":"/var/lib/containers/storage/volumes/w/_data","Destination":"/w","Driver":"local","Mode":"","Options":["nosuid","nodev","rbind"],"RW":true,"Propagation":"rprivate"},
            {"Type":"bind","Source":"/usr","Destination":"/usr","Mode":"","RW":false,"Propagation":"rprivate"}]}]"#;
        let container = parse(json).unwrap();
        let mounts: Vec<_> =
            container.mounts.iter().map(|mount| (mount.what(), mount.destination.as_str(), mount.writable)).collect();
        assert_eq!(mounts, [("v", "/workspace", true), ("w", "/w", true), ("/usr", "/usr", false)]);
    }

    #[test]
    fn reads_images_with_and_without_a_registry() {
        let pulled = br#"[{"Id":"sha256:1","RepoTags":["a:1"],"RepoDigests":["a@sha256:2"],"Size":3,"Config":{"Labels":{"k":"v"}},"RootFS":{"Type":"layers","Layers":["sha256:4"]}}]"#;
        let image = parse_image(pulled).unwrap();
        assert_eq!(
            (image.digest(), image.size_bytes, image.names.as_slice()),
            ("sha256:2", 3, &["a:1".to_string()][..])
        );
        assert_eq!((image.labels["k"].as_str(), image.layers), ("v", vec!["sha256:4".to_string()]));
        let bare = br#"[{"Id":"sha256:1","RepoTags":null,"RepoDigests":null,"Size":0,"Config":{"Labels":null}}]"#;
        assert_eq!(parse_image(bare).unwrap().digest(), "sha256:1");
        assert!(parse_image(b"[]").is_err());
    }
}
