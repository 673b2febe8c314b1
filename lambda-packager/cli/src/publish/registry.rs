//! A repository in a registry, through the API that all registries share.
//!
//! Source: <https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md>.

use std::time::Instant;

use lambda_packager::internal::image::{Blob, MANIFEST_TYPE};
use lambda_packager::internal::{Event, Reporter};
use lambda_packager::{Error, PublishFault, Result, Sha};

use crate::publish::client::Client;
use crate::publish::transport::{Answer, Request};

/// Also what others may have pushed under our tags: rolling back to it must not change it.
const ACCEPTED: [(&str, &str); 4] = [
    ("Accept", MANIFEST_TYPE),
    ("Accept", "application/vnd.oci.image.manifest.v1+json"),
    ("Accept", "application/vnd.docker.distribution.manifest.list.v2+json"),
    ("Accept", "application/vnd.oci.image.index.v1+json"),
];

/// How much is sent at once: ECR takes pieces of 5 to 10 MiB, and a last one of any size.
/// Source: <https://docs.aws.amazon.com/AmazonECR/latest/userguide/service-quotas.html>.
const PIECE: usize = 8 * 1024 * 1024;

pub struct Repository<'a> {
    client: &'a Client,
    /// With what the registry's address puts before it.
    pub name: String,
}

/// A manifest as a registry stores it.
pub struct Stored {
    pub digest: Sha,
    pub bytes: Vec<u8>,
    media_type: String,
}

impl<'a> Repository<'a> {
    pub fn new(client: &'a Client, name: &str) -> Self {
        Self { client, name: format!("{}{name}", client.transport.address.prefix) }
    }

    /// Repository and digest, as Lambda and Terraform name an image.
    pub fn reference(&self, digest: &Sha) -> String {
        format!("{}/{}@sha256:{digest}", self.client.transport.address.authority, self.name)
    }

    /// The manifest that `reference`, a tag or a digest, names.
    pub fn manifest(&self, reference: &str, report: &mut Reporter) -> Result<Option<Stored>> {
        let target = format!("/v2/{}/manifests/{reference}", self.name);
        let answer =
            self.client.send(&Request { method: "GET", target: &target, headers: &ACCEPTED, body: None }, report)?;
        match answer.status {
            200 => {
                let media_type = answer.header("content-type").unwrap_or(MANIFEST_TYPE).to_string();
                Ok(Some(Stored { digest: Sha::of(&answer.body), bytes: answer.body, media_type }))
            }
            // Many registries know a repository only once something was pushed to it.
            404 => Ok(None),
            _ => Err(self.refusal(&answer, "reading")),
        }
    }

    /// A blob that is small: the configuration of an image.
    pub fn blob(&self, digest: &str, report: &mut Reporter) -> Result<Vec<u8>> {
        let mut target = format!("/v2/{}/blobs/{digest}", self.name);
        // ECR keeps its blobs elsewhere, and says where.
        for _ in 0..3 {
            let request = Request::new("GET", &target);
            let answer = self.client.send(&request, report)?;
            match (answer.status, answer.header("location")) {
                (200, _) => return Ok(answer.body),
                (301..=308, Some(location)) => target = location.to_string(),
                _ => return Err(self.refusal(&answer, "reading")),
            }
        }
        Err(self.client.transport.error(PublishFault::Unexpected, "redirected too many times"))
    }

    /// All tags. The registry may tell them in pieces.
    pub fn tags(&self, report: &mut Reporter) -> Result<Vec<String>> {
        #[derive(serde::Deserialize)]
        struct Piece {
            tags: Option<Vec<String>>,
        }
        let mut tags = Vec::new();
        let mut target = format!("/v2/{}/tags/list", self.name);
        loop {
            let answer = self.client.send(&Request::new("GET", &target), report)?;
            match answer.status {
                200 => {}
                404 => return Err(self.missing()),
                _ => return Err(self.refusal(&answer, "reading")),
            }
            let piece: Piece = serde_json::from_slice(&answer.body).map_err(|e| {
                self.client.transport.error(PublishFault::Unexpected, "sent an unexpected list of tags").source(e)
            })?;
            tags.extend(piece.tags.unwrap_or_default());
            // `Link: </v2/...>; rel="next"`
            let next =
                answer.header("link").and_then(|link| Some(link.split_once('<')?.1.split_once('>')?.0.to_string()));
            match next {
                Some(next) if next != target => target = next,
                _ => return Ok(tags),
            }
        }
    }

    /// Sees to it that the registry has `blob`.
    pub fn provide(&self, blob: &Blob, report: &mut Reporter) -> Result<()> {
        let begun = Instant::now();
        let digest = format!("sha256:{}", blob.digest);
        let target = format!("/v2/{}/blobs/{digest}", self.name);
        let answer = self.client.send(&Request::new("HEAD", &target), report)?;
        let pushed = match answer.status {
            // Some send us to where it lies: it is there.
            200 | 301..=308 => false,
            404 => {
                self.upload(blob, &digest, report)?;
                true
            }
            _ => return Err(self.refusal(&answer, "reading")),
        };
        self.client.progressed();
        let size_bytes = blob.bytes.len() as u64;
        report.emit(&Event::Blob { digest: &digest, size_bytes, pushed, elapsed: begun.elapsed() });
        Ok(())
    }

    /// Sends a blob piece by piece; when the connection breaks, goes on after what the registry says that it
    /// has, or where it does not say so from the start.
    fn upload(&self, blob: &Blob, digest: &str, report: &mut Reporter) -> Result<()> {
        let size = blob.bytes.len();
        let mut sent = Sent { location: self.begin_upload(report)?, bytes: 0 };
        while sent.bytes < size {
            let end = size.min(sent.bytes + PIECE);
            let range = format!("{}-{}", sent.bytes, end - 1);
            let mut headers = vec![("Content-Type", "application/octet-stream")];
            if size > PIECE {
                headers.push(("Content-Range", range.as_str()));
            }
            let body = Some(&blob.bytes[sent.bytes..end]);
            match self.client.send_once(&Request { method: "PATCH", target: &sent.location, headers: &headers, body }) {
                Ok(answer) if answer.status == 202 => {
                    let location = answer.header("location").unwrap_or(&sent.location).to_string();
                    sent = Sent { location, bytes: end };
                    self.client.progressed();
                }
                Ok(answer) => return Err(self.refusal(&answer, "pushing")),
                Err(failure) => {
                    self.client.wait_after(failure, report)?;
                    sent = self.resume(sent, size, report)?;
                }
            }
        }
        self.finish_upload(&sent.location, digest, report)
    }

    fn begin_upload(&self, report: &mut Reporter) -> Result<String> {
        let target = format!("/v2/{}/blobs/uploads/", self.name);
        let answer =
            self.client.send(&Request { method: "POST", target: &target, headers: &[], body: Some(b"") }, report)?;
        match (answer.status, answer.header("location")) {
            (202, Some(location)) => Ok(location.to_string()),
            (404, _) => Err(self.missing()),
            _ => Err(self.refusal(&answer, "pushing")),
        }
    }

    /// Asks how far it came; where the registry does not know, begins anew.
    fn resume(&self, sent: Sent, size: usize, report: &mut Reporter) -> Result<Sent> {
        let request = Request::new("GET", &sent.location);
        let answer = self.client.send(&request, report)?;
        let last = answer.header("range").and_then(|range| range.rsplit('-').next()?.parse::<usize>().ok());
        match (answer.status, last) {
            (204, Some(last)) if last > 0 && last < size => {
                let location = answer.header("location").unwrap_or(&sent.location).to_string();
                Ok(Sent { location, bytes: last + 1 })
            }
            _ => Ok(Sent { location: self.begin_upload(report)?, bytes: 0 }),
        }
    }

    fn finish_upload(&self, location: &str, digest: &str, report: &mut Reporter) -> Result<()> {
        let joint = if location.contains('?') { '&' } else { '?' };
        let target = format!("{location}{joint}digest={digest}");
        let request = Request { method: "PUT", target: &target, headers: &[], body: Some(b"") };
        loop {
            match self.client.send_once(&request) {
                Ok(answer) if answer.status == 201 => return Ok(()),
                // An answer that got lost: the upload is over, and the blob is there or not.
                Ok(answer) if answer.status == 404 && self.has(digest, report)? => return Ok(()),
                Ok(answer) => return Err(self.refusal(&answer, "pushing")),
                Err(failure) => self.client.wait_after(failure, report)?,
            }
        }
    }

    fn has(&self, digest: &str, report: &mut Reporter) -> Result<bool> {
        let target = format!("/v2/{}/blobs/{digest}", self.name);
        let answer = self.client.send(&Request::new("HEAD", &target), report)?;
        Ok(answer.status == 200)
    }

    /// Gives a tag to a manifest.
    pub fn tag(&self, tag: &str, manifest: &Stored, report: &mut Reporter) -> Result<()> {
        let target = format!("/v2/{}/manifests/{tag}", self.name);
        let headers = [("Content-Type", manifest.media_type.as_str())];
        let request = Request { method: "PUT", target: &target, headers: &headers, body: Some(&manifest.bytes) };
        let answer = self.client.send(&request, report)?;
        if !matches!(answer.status, 200..=202) {
            return Err(self.refusal(&answer, "pushing"));
        }
        self.client.progressed();
        report.emit(&Event::Tagged { repository: &self.name, tag, digest: &manifest.digest.to_string(), moved: true });
        Ok(())
    }

    /// Sees that a tag names what it was given to.
    pub fn verify(&self, tag: &str, manifest: &Stored, report: &mut Reporter) -> Result<()> {
        match self.manifest(tag, report)? {
            Some(stored) if stored.digest == manifest.digest => Ok(()),
            Some(stored) => Err(self.taken(tag, &stored.digest, &manifest.digest)),
            None => Err(self
                .client
                .transport
                .error(PublishFault::Unexpected, &format!("accepted {}:{tag}, but does not have it", self.name))
                .hint_with("look at its logs; run it again")),
        }
    }

    fn missing(&self) -> Error {
        let what = format!("has no repository {}", self.name);
        self.client.transport.error(PublishFault::RepositoryMissing, &what).hint_with(format!(
            "create it: `aws ecr create-repository --repository-name {0}`, or in Terraform `resource \"aws_ecr_repository\" \"lambda\" {{ name = \"{0}\" }}`",
            self.name
        ))
    }

    /// What a refusal means, and what to do.
    fn refusal(&self, answer: &Answer, doing: &str) -> Error {
        let (code, message) = answer.errors();
        let lower = message.to_lowercase();
        let error = |fault, what: &str, hint: String| {
            self.client
                .transport
                .error(fault, what)
                .source(format!("{} {code} {message}", answer.status))
                .hint_with(hint)
        };
        let name = &self.name;
        let login = "for ECR `aws ecr get-login-password`, otherwise `docker login`, or set LAMBDA_PACKAGER_REGISTRY_USER and LAMBDA_PACKAGER_REGISTRY_PASSWORD";
        // A token was given for the login, but for less than what was asked for.
        let lacks_rights = answer.header("www-authenticate").is_some_and(|it| it.contains("insufficient_scope"));
        match answer.status {
            401 | 403 if lower.contains("expired") => error(
                PublishFault::TokenExpired,
                "says that the login has expired",
                "run it again: it gets a new ECR login; for other registries run `docker login` first".into(),
            ),
            401 if code != "DENIED" && !self.client.has_login() => {
                error(PublishFault::LoginRefused, "requires a login", format!("log in: {login}"))
            }
            401 if code != "DENIED" && !lacks_rights => {
                error(PublishFault::LoginRefused, "refuses the login", format!("log in again: {login}"))
            }
            401 | 403 | 405 => error(
                PublishFault::PushDenied,
                &format!("does not allow {doing} {name}"),
                format!("give this login the permission (ECR: ecr:InitiateLayerUpload, ecr:UploadLayerPart, ecr:CompleteLayerUpload, ecr:PutImage, ecr:BatchCheckLayerAvailability, ecr:BatchGetImage on {name})"),
            ),
            404 if code == "NAME_UNKNOWN" => self.missing(),
            400 | 409 if lower.contains("immutable") => error(
                PublishFault::TagTaken,
                &format!("does not allow moving a tag of {name} to another image"),
                "`latest` must be able to move: make the repository's tags mutable, or exclude `latest` and `*-latest` (aws_ecr_repository: image_tag_mutability)".into(),
            ),
            400 if lower.contains("http request to an https server") => error(
                PublishFault::Unreachable,
                "requires TLS",
                "write `https://` before its name".into(),
            ),
            status => error(
                PublishFault::Unexpected,
                &format!("answers with status {status} to {doing} {name}"),
                "check its logs, and that it is a registry for container images".into(),
            ),
        }
    }

    /// The error of a tag that names another image already.
    pub fn taken(&self, tag: &str, theirs: &Sha, ours: &Sha) -> Error {
        let what = format!("has another image at {}:{tag} (sha256:{theirs}, not sha256:{ours})", self.name);
        self.client.transport.error(PublishFault::TagTaken, &what).hint_with(
            "it is never overwritten: the same sources gave another image, on another machine or by hand; commit, or delete that tag in the registry",
        )
    }
}

/// How far an upload came.
struct Sent {
    location: String,
    bytes: usize,
}

impl Stored {
    /// A manifest of ours, before it is stored.
    pub fn of(manifest: &Blob) -> Self {
        Self { digest: manifest.digest, bytes: manifest.bytes.clone(), media_type: MANIFEST_TYPE.into() }
    }
}
