//! A repository in a registry: its manifests and tags, through the API of all registries.
//!
//! Source: <https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md>.

use lambda_packager::internal::image::{Blob, MANIFEST_TYPE};
use lambda_packager::internal::{Error, Event, PublishFault, Reporter, Result, Sha};

use crate::publish::refusal::{missing, refusal};
use crate::publish::{Answer, Client, Request};

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
        /// Of ten tags or more: more than anybody can read, and an end for pages that lead to each other.
        const PAGES: usize = 1_000;
        let unexpected = |what: &str| self.client.transport.error(PublishFault::Unexpected, what);
        let mut tags = Vec::new();
        let mut target = format!("/v2/{}/tags/list", self.name);
        for _ in 0..PAGES {
            let answer = self.client.send(&Request::new("GET", &target), report)?;
            match answer.status {
                200 => {}
                404 => return Err(missing(self.client, &self.name)),
                _ => return Err(refusal(self.client, &self.name, &answer, "reading")),
            }
            let (more, next) = page(&answer).map_err(|e| unexpected("sent an unexpected list of tags").source(e))?;
            tags.extend(more);
            match next {
                Some(next) if next != target => target = next,
                _ => return Ok(tags),
            }
        }
        Err(unexpected(&format!("sent more than {PAGES} pages of tags of {}", self.name))
            .hint_with("remove old images there, or check what is between it and this machine"))
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

/// The tags of a page of their list, and the address of the next one.
fn page(answer: &Answer) -> serde_json::Result<(Vec<String>, Option<String>)> {
    #[derive(serde::Deserialize)]
    struct Page {
        tags: Option<Vec<String>>,
    }
    let page: Page = serde_json::from_slice(&answer.body)?;
    // `Link: </v2/...>; rel="next"`
    let next = answer.header("link").and_then(|link| Some(link.split_once('<')?.1.split_once('>')?.0.to_string()));
    Ok((page.tags.unwrap_or_default(), next))
}

impl Stored {
    /// A manifest of ours, before it is stored.
    pub fn of(manifest: &Blob) -> Self {
        Self { digest: manifest.digest, bytes: manifest.bytes.clone(), media_type: MANIFEST_TYPE.into() }
    }
}

#[cfg(test)]
mod tests {
    use ureq::http::{HeaderMap, HeaderName, HeaderValue, Uri};

    use super::*;
    use crate::damaged;
    use crate::publish::{Address, Challenge, Names, Record};

    /// An answer from its status, its headers and its body, a line each.
    fn answer(bytes: &[u8]) -> Answer {
        let mut lines = bytes.splitn(5, |byte| *byte == b'\n');
        let mut line = || lines.next().unwrap_or_default();
        let status = String::from_utf8_lossy(line()).parse().unwrap_or(200);
        let mut headers = HeaderMap::new();
        for name in ["link", "location", "www-authenticate"] {
            if let Ok(value) = HeaderValue::from_bytes(line()) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        Answer { status, headers, body: line().to_vec() }
    }

    #[test]
    fn damaged_answers_are_errors_and_lead_nowhere_else() {
        let client = Client::new(Address::parse("registry.example:5000", "flag --registry").unwrap(), None);
        let names = Names { environment: "prod".into(), repository: "team/app".into() };
        let head = |status: u16| {
            format!(
                "{status}\n</v2/team/app/tags/list?last=b&n=2>; rel=\"next\"\nhttps://registry.example:5000/v2/team/app/blobs/uploads/1?state=x\nBearer realm=\"https://auth.example/token\",service=\"r\"\n"
            )
        };
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST_TYPE}","config":{{"mediaType":"c","size":7,"digest":"sha256:{0}"}},"layers":[{{"mediaType":"l","size":9,"digest":"sha256:{0}"}}]}}"#,
            Sha::of(b"")
        );
        let huge = manifest.replace(r#""size":9"#, &format!(r#""size":{}"#, u64::MAX));
        let refused = r#"{"errors":[{"code":"DENIED","message":"denied: expired","detail":{"class":"repository"}}]}"#;
        let bodies = [
            (200, r#"{"name":"team/app","tags":["latest","prod-1"]}"#),
            (200, &*manifest),
            (200, &*huge),
            (403, refused),
            (401, refused),
        ];
        let examples: Vec<Vec<u8>> = bodies.iter().map(|(status, body)| (head(*status) + body).into_bytes()).collect();
        let whole = page(&answer(&examples[0])).unwrap();
        assert_eq!((whole.0.len(), whole.1.as_deref()), (2, Some("/v2/team/app/tags/list?last=b&n=2")));
        // Bodies alone too, which are JSON and changed as such.
        let examples =
            examples.into_iter().chain(bodies.iter().map(|(_, body)| body.as_bytes().to_vec())).collect::<Vec<_>>();
        damaged::each(&examples, |bytes| {
            let mut answer = answer(bytes);
            if bytes.first() == Some(&b'{') {
                answer.body = bytes.to_vec();
            }
            let next = page(&answer).ok().and_then(|(_, next)| next);
            let _ = (answer.errors(), Challenge::of(&answer));
            let _ = refusal(&client, "team/app", &answer, "reading").with_advice();
            let _ = serde_json::to_vec(&Record::of(&names, "tag", &answer.body)).unwrap();
            let address = &client.transport.address;
            for target in next.iter().map(String::as_str).chain(answer.header("location")) {
                let url = address.url(target);
                let Ok(uri) = url.parse::<Uri>() else { continue };
                if address.has(&url) {
                    assert_eq!(uri.authority().map(|it| it.as_str()), Some(&*address.authority), "{url}");
                }
                assert!(!address.may_refer_to(&url) || uri.scheme_str() == Some("https"), "{url}");
            }
        });
    }
}
