//! Uploads blobs to a repository.

use std::time::Instant;

use lambda_packager::internal::image::Blob;
use lambda_packager::internal::{Event, Reporter, Result};

use crate::publish::refusal::{missing, refusal};
use crate::publish::{Address, Repository, Request};

/// The size of a piece of a blob.
const PIECE: usize = 8 * 1024 * 1024;

/// The state of an upload.
struct Sent {
    location: String,
    bytes: usize,
}

impl Repository<'_> {
    /// Uploads `blob`, unless the registry has it.
    pub fn provide(&self, blob: &Blob, report: &mut Reporter) -> Result<()> {
        let begun = Instant::now();
        let digest = format!("sha256:{}", blob.digest);
        let target = format!("/v2/{}/blobs/{digest}", self.name);
        let answer = self.client.send(&Request::new("HEAD", &target), report)?;
        let pushed = match answer.status {
            // A redirect also means that it has the blob.
            200 | 301..=308 => false,
            404 => {
                self.upload(blob, &digest, report)?;
                true
            }
            _ => return Err(refusal(self.client, &self.name, &answer, "reading")),
        };
        self.client.progressed();
        let size_bytes = blob.bytes.len() as u64;
        report.emit(&Event::Blob { digest: &digest, size_bytes, pushed, elapsed: begun.elapsed() });
        Ok(())
    }

    /// Sends a blob in pieces; to ECR in one, as `docker push` does: it reports no position of a later piece. After a lost
    /// connection it continues at the position that the registry reports, or from the beginning.
    ///
    /// ECR answers 201 to a piece, others 204: <https://github.com/google/go-containerregistry> takes these three, too.
    fn upload(&self, blob: &Blob, digest: &str, report: &mut Reporter) -> Result<()> {
        let size = blob.bytes.len();
        let piece = piece_for(&self.client.transport.address, size);
        let mut sent = Sent { location: self.begin_upload(report)?, bytes: 0 };
        while sent.bytes < size {
            let end = size.min(sent.bytes + piece);
            let range = format!("{}-{}", sent.bytes, end - 1);
            let mut headers = vec![("Content-Type", "application/octet-stream")];
            if size > piece {
                headers.push(("Content-Range", range.as_str()));
            }
            let body = Some(&blob.bytes[sent.bytes..end]);
            match self.client.send_once(&Request { method: "PATCH", target: &sent.location, headers: &headers, body }) {
                Ok(answer) if [201, 202, 204].contains(&answer.status) => {
                    let location = answer.header("location").unwrap_or(&sent.location).to_string();
                    sent = Sent { location, bytes: end };
                    self.client.progressed();
                }
                Ok(answer) => return Err(refusal(self.client, &self.name, &answer, "pushing")),
                Err(failure) => {
                    self.client.wait_after(failure, report)?;
                    sent = match self.client.transport.address.ecr() {
                        Some(_) => Sent { location: self.begin_upload(report)?, bytes: 0 },
                        None => self.resume(sent, size, report)?,
                    };
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
            (404, _) => Err(missing(self.client, &self.name)),
            _ => Err(refusal(self.client, &self.name, &answer, "pushing")),
        }
    }

    /// Asks for the position of an upload; begins again if the registry does not know it.
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
                // The upload has ended before: with the last piece, or with an attempt whose answer was lost.
                Ok(answer) if answer.status >= 400 && self.has(digest, report)? => return Ok(()),
                Ok(answer) => return Err(refusal(self.client, &self.name, &answer, "pushing")),
                Err(failure) => self.client.wait_after(failure, report)?,
            }
        }
    }

    fn has(&self, digest: &str, report: &mut Reporter) -> Result<bool> {
        let target = format!("/v2/{}/blobs/{digest}", self.name);
        let answer = self.client.send(&Request::new("HEAD", &target), report)?;
        Ok(answer.status == 200)
    }
}

/// How much of a blob of `size` bytes goes into one request.
fn piece_for(address: &Address, size: usize) -> usize {
    if address.ecr().is_some() { size } else { PIECE }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecr_gets_a_blob_in_one_piece() {
        let size = 3 * PIECE;
        for (registry, piece) in [
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com", size),
            ("public.ecr.aws/alias", size),
            ("registry.example.org", PIECE),
        ] {
            assert_eq!(piece_for(&Address::parse(registry, "here").unwrap(), size), piece, "{registry}");
        }
    }
}
