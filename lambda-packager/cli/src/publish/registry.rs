//! A repository in a registry: its manifests and tags, through the API of all registries.
//!
//! Source: <https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md>.

use lambda_packager::internal::image::{Blob, MANIFEST_TYPE};
use lambda_packager::internal::{Error, Event, PublishFault, Reporter, Result, Sha};

use crate::publish::refusal::{missing, refusal};
use crate::publish::{Client, Request};

/// Also the types of images that others may have pushed under our tags: a rollback must not change them.
const ACCEPTED: [(&str, &str); 4] = [
    ("Accept", MANIFEST_TYPE),
    ("Accept", "application/vnd.oci.image.manifest.v1+json"),
    ("Accept", "application/vnd.docker.distribution.manifest.list.v2+json"),
    ("Accept", "application/vnd.oci.image.index.v1+json"),
];

pub struct Repository<'a> {
    pub client: &'a Client,
    /// Its name, with the prefix of the registry's address.
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

    /// The manifest of `reference`, a tag or a digest.
    pub fn manifest(&self, reference: &str, report: &mut Reporter) -> Result<Option<Stored>> {
        let target = format!("/v2/{}/manifests/{reference}", self.name);
        let answer =
            self.client.send(&Request { method: "GET", target: &target, headers: &ACCEPTED, body: None }, report)?;
        match answer.status {
            200 => {
                let media_type = answer.header("content-type").unwrap_or(MANIFEST_TYPE).to_string();
                Ok(Some(Stored { digest: Sha::of(&answer.body), bytes: answer.body, media_type }))
            }
            // Many registries create a repository with the first push.
            404 => Ok(None),
            _ => Err(refusal(self.client, &self.name, &answer, "reading")),
        }
    }

    /// Reads a small blob: the configuration of an image.
    ///
    /// # Errors
    /// If `digest`, which the registry names, is none, or the blob has another one.
    pub fn blob(&self, digest: &str, report: &mut Reporter) -> Result<Vec<u8>> {
        let wrong = |what: &str| self.client.transport.error(PublishFault::Unexpected, what).source(digest.to_string());
        if !digest.strip_prefix("sha256:").is_some_and(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())) {
            return Err(wrong("names a blob by something that is no SHA-256 digest"));
        }
        let mut target = format!("/v2/{}/blobs/{digest}", self.name);
        // ECR redirects to the storage of its blobs.
        for _ in 0..3 {
            let request = Request::new("GET", &target);
            let answer = self.client.send(&request, report)?;
            match (answer.status, answer.header("location")) {
                (200, _) if format!("sha256:{}", Sha::of(&answer.body)) == digest => return Ok(answer.body),
                (200, _) => {
                    return Err(wrong("sent a blob with another content than its digest says")
                        .hint_with("check its storage, and what is between it and this machine"));
                }
                (301..=308, Some(location)) => target = location.to_string(),
                _ => return Err(refusal(self.client, &self.name, &answer, "reading")),
            }
        }
        Err(self.client.transport.error(PublishFault::Unexpected, "redirected too many times"))
    }

    /// All tags. The registry may send several pages.
    pub fn tags(&self, report: &mut Reporter) -> Result<Vec<String>> {
        #[derive(serde::Deserialize)]
        struct Page {
            tags: Option<Vec<String>>,
        }
        let mut tags = Vec::new();
        let mut target = format!("/v2/{}/tags/list", self.name);
        loop {
            let answer = self.client.send(&Request::new("GET", &target), report)?;
            match answer.status {
                200 => {}
                404 => return Err(missing(self.client, &self.name)),
                _ => return Err(refusal(self.client, &self.name, &answer, "reading")),
            }
            let page: Page = serde_json::from_slice(&answer.body).map_err(|e| {
                self.client.transport.error(PublishFault::Unexpected, "sent an unexpected list of tags").source(e)
            })?;
            tags.extend(page.tags.unwrap_or_default());
            // `Link: </v2/...>; rel="next"`
            let next =
                answer.header("link").and_then(|link| Some(link.split_once('<')?.1.split_once('>')?.0.to_string()));
            match next {
                Some(next) if next != target => target = next,
                _ => return Ok(tags),
            }
        }
    }

    /// Sets a tag to a manifest.
    pub fn tag(&self, tag: &str, manifest: &Stored, report: &mut Reporter) -> Result<()> {
        let target = format!("/v2/{}/manifests/{tag}", self.name);
        let headers = [("Content-Type", manifest.media_type.as_str())];
        let request = Request { method: "PUT", target: &target, headers: &headers, body: Some(&manifest.bytes) };
        let answer = self.client.send(&request, report)?;
        if !matches!(answer.status, 200..=202) {
            return Err(refusal(self.client, &self.name, &answer, "pushing"));
        }
        self.client.progressed();
        report.emit(&Event::Tagged { repository: &self.name, tag, digest: &manifest.digest.to_string(), moved: true });
        Ok(())
    }

    /// Checks that a tag names the manifest that it was set to.
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

    /// The error for an immutable tag that already names another image.
    pub fn taken(&self, tag: &str, theirs: &Sha, ours: &Sha) -> Error {
        let what = format!("has another image at {}:{tag} (sha256:{theirs}, not sha256:{ours})", self.name);
        self.client.transport.error(PublishFault::TagTaken, &what).hint_with(
            "it is never overwritten: the same sources gave another image, on another machine or by hand; commit, or delete that tag in the registry",
        )
    }
}

impl Stored {
    /// A manifest of ours, before it is stored.
    pub fn of(manifest: &Blob) -> Self {
        Self { digest: manifest.digest, bytes: manifest.bytes.clone(), media_type: MANIFEST_TYPE.into() }
    }
}
