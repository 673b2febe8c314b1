//! The container image of a function: the content of its zip and what it needs to start, in two layers, without a
//! base. The same content gives the same bytes on every machine.
//!
//! It has the format that docker pushes and that all registries and Lambda accept: a single manifest, "Image
//! Manifest V 2, Schema 2". <https://distribution.github.io/distribution/spec/manifest-v2-2/>,
//! <https://docs.aws.amazon.com/lambda/latest/dg/images-create.html#images-reqs>.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use flate2::{Compression, GzBuilder};
use serde_json::json;

use crate::artifact::{Archive, Member};
use crate::config::Arch;
use crate::error::{Error, PublishFault, Result};
use crate::sys::Sha;

pub const MANIFEST_TYPE: &str = "application/vnd.docker.distribution.manifest.v2+json";
const CONFIG_TYPE: &str = "application/vnd.docker.container.image.v1+json";
const LAYER_TYPE: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";

/// The label that identifies our images: the digest of the zip that it is made of.
pub const FINGERPRINT: &str = "lambda-packager.fingerprint";
/// The label that names the function.
/// Source: <https://github.com/opencontainers/image-spec/blob/v1.1.0/annotations.md>.
pub const TITLE: &str = "org.opencontainers.image.title";

/// The number of layers of these images. One that somebody built upon one of them has more.
pub const LAYERS: usize = 2;

/// Lambda's limit for a container image, uncompressed with all layers.
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>.
const MAX_BYTES: u64 = 10 * 1024 * 1024 * 1024;

/// The folder where Lambda unpacks a zip.
const TASK: &str = "/var/task";
/// An unprivileged user. Lambda starts the image as a user of its own.
const USER: u32 = 65532;
/// The file of the CA certificates.
pub const TRUSTED: &str = "/etc/ssl/certs/ca-certificates.crt";

/// A file beside the function's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its absolute path in the image.
    pub place: String,
    pub executable: bool,
    pub content: Vec<u8>,
}

/// The content of an image.
#[derive(Debug)]
pub struct Parts {
    pub arch: Arch,
    /// The members of the zip.
    pub members: Vec<Member>,
    /// Shared libraries and certificates.
    pub files: Vec<File>,
    pub labels: BTreeMap<String, String>,
    /// RFC 3339.
    pub created: String,
}

/// Bytes that are stored under their digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blob {
    pub digest: Sha,
    pub bytes: Vec<u8>,
}

impl Blob {
    pub fn of(bytes: Vec<u8>) -> Self {
        Self { digest: Sha::of(&bytes), bytes }
    }
}

#[derive(Debug)]
pub struct Image {
    /// Its digest is the image's digest in a registry.
    pub manifest: Blob,
    /// Its digest is the image's id in an engine.
    pub config: Blob,
    pub layers: Vec<Blob>,
}

/// The archive of images with their names, for `docker load` and `podman load`. What several have is in it once.
pub fn archive(images: &[(&Image, Vec<String>)]) -> Result<Vec<u8>> {
    let layer_name = |layer: &Blob| format!("{}.tar.gz", layer.digest);
    let config_name = |image: &Image| format!("{}.json", image.config.digest);
    let entry = |(image, names): &(&Image, Vec<String>)| {
        json!({
            "Config": config_name(image),
            "RepoTags": names,
            "Layers": image.layers.iter().map(layer_name).collect::<Vec<_>>(),
        })
    };
    let table: Vec<_> = images.iter().map(entry).collect();
    let write = || {
        let mut tar = Archive::of((0, 0), 0);
        let mut written = BTreeSet::new();
        for (image, _) in images {
            let layers = image.layers.iter().map(|layer| (layer_name(layer), layer));
            for (name, blob) in [(config_name(image), &image.config)].into_iter().chain(layers) {
                if written.insert(name.clone()) {
                    tar.file(&name, 0o644, &blob.bytes)?;
                }
            }
        }
        tar.file("manifest.json", 0o644, &json_bytes(&json!(table)))?;
        tar.finish()
    };
    write().map_err(|e| Error::artifact("cannot archive the image").source(e))
}

/// Makes the image.
///
/// # Errors
/// If it is larger than Lambda's limit.
pub fn assemble(parts: &Parts) -> Result<Image> {
    let failed = |e: std::io::Error| Error::artifact("cannot make the image").source(e);
    // What changes rarely is in its own layer, which is not sent again to a registry that has it.
    let archives: [_; LAYERS] =
        [surroundings(&parts.files).map_err(failed)?, function(&parts.members).map_err(failed)?];
    check_size(archives.iter().map(|archive| archive.len() as u64).sum())?;
    let diff_ids: Vec<_> = archives.iter().map(|archive| format!("sha256:{}", Sha::of(archive))).collect();
    let layers: Vec<Blob> =
        archives.iter().map(|archive| Ok(Blob::of(gzip(archive)?))).collect::<std::io::Result<_>>().map_err(failed)?;
    Ok(Image::of(Blob::of(json_bytes(&config(parts, &diff_ids))), layers))
}

fn check_size(unpacked_bytes: u64) -> Result<()> {
    if unpacked_bytes <= MAX_BYTES {
        return Ok(());
    }
    let error = format!("the image unpacks to {unpacked_bytes} bytes; Lambda allows at most {MAX_BYTES}");
    Err(Error::publish(PublishFault::TooLarge, error)
        .hint_with("include fewer files, or read them in the function from S3 or EFS"))
}

fn json_bytes(value: &serde_json::Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn config(parts: &Parts, diff_ids: &[String]) -> serde_json::Value {
    let architecture = match parts.arch {
        Arch::X86_64 => "amd64",
        Arch::Arm64 => "arm64",
    };
    let step = |what: &str| json!({"created": parts.created, "created_by": format!("lambda-packager: {what}")});
    json!({
        "architecture": architecture,
        "os": "linux",
        "created": parts.created,
        "config": {
            // The same as in Lambda's base images, so that code written for a zip finds its files.
            "Env": [
                "PATH=/usr/local/bin:/usr/bin:/bin:/opt/bin",
                "LD_LIBRARY_PATH=/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib",
                "LAMBDA_TASK_ROOT=/var/task",
                format!("SSL_CERT_FILE={TRUSTED}"),
            ],
            "Entrypoint": [format!("{TASK}/bootstrap")],
            "WorkingDir": TASK,
            "User": format!("{USER}:{USER}"),
            "Labels": parts.labels,
        },
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": [step("libraries and certificates"), step("function")],
    })
}

fn surroundings(files: &[File]) -> std::io::Result<Vec<u8>> {
    let mut layer = Layer::default();
    layer.folder("tmp", 0o1777)?;
    for (path, text) in [
        ("etc/passwd", format!("root:x:0:0:root:/:/nologin\nlambda:x:{USER}:{USER}:lambda:/tmp:/nologin\n")),
        ("etc/group", format!("root:x:0:\nlambda:x:{USER}:\n")),
        ("etc/nsswitch.conf", "hosts: files dns\n".into()),
    ] {
        layer.file(path, 0o644, text.as_bytes())?;
    }
    let mut files: Vec<_> = files.iter().collect();
    files.sort_by(|a, b| a.place.cmp(&b.place));
    for file in files {
        layer.file(file.place.trim_start_matches('/'), if file.executable { 0o755 } else { 0o644 }, &file.content)?;
    }
    layer.tar.finish()
}

fn function(members: &[Member]) -> std::io::Result<Vec<u8>> {
    let mut layer = Layer::default();
    for member in members {
        let mode = if member.executable { 0o755 } else { 0o644 };
        layer.file(&format!("{}/{}", &TASK[1..], member.name), mode, &member.content)?;
    }
    layer.tar.finish()
}

/// Builds a layer: each folder comes before its content, everything belongs to root and has no date.
struct Layer {
    tar: Archive,
    folders: BTreeSet<String>,
}

impl Default for Layer {
    fn default() -> Self {
        Self { tar: Archive::of((0, 0), 0), folders: BTreeSet::new() }
    }
}

impl Layer {
    fn folder(&mut self, path: &str, mode: u32) -> std::io::Result<()> {
        if let Some((above, _)) = path.rsplit_once('/') {
            self.folder(above, 0o755)?;
        }
        if self.folders.insert(path.to_string()) {
            self.tar.folder(path, mode)?;
        }
        Ok(())
    }

    fn file(&mut self, path: &str, mode: u32, content: &[u8]) -> std::io::Result<()> {
        if let Some((above, _)) = path.rsplit_once('/') {
            self.folder(above, 0o755)?;
        }
        self.tar.file(path, mode, content)
    }
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    /// "Unknown": the same on every machine.
    const NO_SYSTEM: u8 = 255;
    let mut writer = GzBuilder::new().mtime(0).operating_system(NO_SYSTEM).write(Vec::new(), Compression::default());
    writer.write_all(bytes)?;
    writer.finish()
}

impl Image {
    /// The image of these blobs.
    pub fn of(config: Blob, layers: Vec<Blob>) -> Self {
        let described = |kind: &str, blob: &Blob| json!({"mediaType": kind, "size": blob.bytes.len(), "digest": format!("sha256:{}", blob.digest)});
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST_TYPE,
            "config": described(CONFIG_TYPE, &config),
            "layers": layers.iter().map(|layer| described(LAYER_TYPE, layer)).collect::<Vec<_>>(),
        });
        Self { manifest: Blob::of(json_bytes(&manifest)), config, layers }
    }

    /// The archive for `docker load` and `podman load`; `names` are the names of the loaded image.
    pub fn archive(&self, names: &[String]) -> Result<Vec<u8>> {
        archive(&[(self, names.to_vec())])
    }

    /// Everything that a registry stores beside the manifest.
    pub fn blobs(&self) -> impl Iterator<Item = &Blob> {
        self.layers.iter().chain([&self.config])
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn parts() -> Parts {
        let member =
            |name: &str, executable| Member { name: name.into(), executable, content: name.as_bytes().to_vec() };
        let file = |place: &str, executable| File { place: place.into(), executable, content: b"x".to_vec() };
        Parts {
            arch: Arch::X86_64,
            members: vec![member("bootstrap", true), member("lib/libz.so.1", false)],
            files: vec![file("/lib64/ld-linux-x86-64.so.2", true), file(TRUSTED, false)],
            labels: BTreeMap::from([(FINGERPRINT.to_string(), "f".to_string())]),
            created: "1980-01-01T00:00:00Z".into(),
        }
    }

    fn listing(layer: &Blob) -> Vec<String> {
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&*layer.bytes).read_to_end(&mut bytes).unwrap();
        let mut archive = tar::Archive::new(&*bytes);
        let entries = archive.entries().unwrap().map(|entry| {
            let entry = entry.unwrap();
            let header = entry.header();
            assert_eq!((header.uid().unwrap(), header.gid().unwrap(), header.mtime().unwrap()), (0, 0, 0));
            format!("{:o} {}", header.mode().unwrap(), entry.path().unwrap().display())
        });
        entries.collect()
    }

    #[test]
    fn what_is_in_it() {
        let image = assemble(&parts()).unwrap();
        let expected = [
            "1777 tmp/",
            "755 etc/",
            "644 etc/passwd",
            "644 etc/group",
            "644 etc/nsswitch.conf",
            "755 etc/ssl/",
            "755 etc/ssl/certs/",
            "644 etc/ssl/certs/ca-certificates.crt",
            "755 lib64/",
            "755 lib64/ld-linux-x86-64.so.2",
        ];
        assert_eq!(listing(&image.layers[0]), expected);
        let expected =
            ["755 var/", "755 var/task/", "755 var/task/bootstrap", "755 var/task/lib/", "644 var/task/lib/libz.so.1"];
        assert_eq!(listing(&image.layers[1]), expected);
        let config: serde_json::Value = serde_json::from_slice(&image.config.bytes).unwrap();
        assert_eq!(config["architecture"], "amd64");
        assert_eq!(config["config"]["Entrypoint"], json!(["/var/task/bootstrap"]));
        assert_eq!(config["config"]["User"], "65532:65532");
        let arm = assemble(&Parts { arch: Arch::Arm64, ..parts() }).unwrap();
        let config: serde_json::Value = serde_json::from_slice(&arm.config.bytes).unwrap();
        assert_eq!(config["architecture"], "arm64");
    }

    /// Fails if the bytes change, for example with another compressor. CHANGELOG must then say so.
    #[test]
    fn the_same_parts_are_the_same_image() {
        let mut reversed = parts();
        reversed.files.reverse();
        let (one, two) = (assemble(&parts()).unwrap(), assemble(&reversed).unwrap());
        assert_eq!(one.manifest, two.manifest);
        assert_eq!(one.archive(&["a:b".into()]).unwrap(), two.archive(&["a:b".into()]).unwrap());
        assert_eq!(one.manifest.digest.to_string(), PINNED);
    }

    const PINNED: &str = "569ad7592deedba3471fc76f7684e1bcd20ade8e06092e2e616571ee9fca0619";

    #[test]
    fn the_limit_itself_passes_and_a_byte_more_does_not() {
        check_size(MAX_BYTES).unwrap();
        let error = check_size(MAX_BYTES + 1).unwrap_err();
        assert_eq!(error.exit_code(), 18);
    }
}
