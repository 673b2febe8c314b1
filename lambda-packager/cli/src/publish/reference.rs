//! An image in a registry by its digest, as Lambda and Terraform name it: `registry/repository@sha256:...`.

use lambda_packager::internal::{Error, Result};

#[derive(Debug, PartialEq, Eq)]
pub struct Reference {
    /// Host and port.
    pub registry: String,
    /// With the prefix of the registry, if it has one.
    pub repository: String,
    /// `sha256:...`
    pub digest: String,
}

impl Reference {
    /// Reads a reference.
    ///
    /// # Errors
    /// If it has no registry, or names the image by a tag: a tag can move between the check and the deployment.
    pub fn parse(text: &str) -> Result<Self> {
        let wrong = || {
            Error::config(format!("{text:?} is not a reference with a digest"))
                .hint_with("use registry/repository@sha256:..., as `lambda-packager image push` prints it")
        };
        let (name, digest) = text.split_once('@').ok_or_else(wrong)?;
        let (registry, repository) = name.split_once('/').ok_or_else(wrong)?;
        let hexadecimal = digest.strip_prefix("sha256:").unwrap_or_default();
        let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
        let is_digest = hexadecimal.len() == 64 && hexadecimal.chars().all(is_digit);
        if !is_digest || registry.is_empty() || !is_repository(repository) {
            return Err(wrong());
        }
        Ok(Self { registry: registry.into(), repository: repository.into(), digest: digest.into() })
    }
}

/// Source: <https://github.com/opencontainers/distribution-spec/blob/v1.1.0/spec.md#pulling-manifests>.
pub fn is_repository(name: &str) -> bool {
    let part = |part: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(plain) && part.ends_with(plain) && part.chars().all(|c| plain(c) || "._-".contains(c))
    };
    name.len() <= 255 && name.split('/').all(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_what_a_push_prints_and_never_a_tag() {
        let digest = format!("sha256:{}", "0f".repeat(32));
        let reference = Reference::parse(&format!("localhost:5000/team/preprod-x@{digest}")).unwrap();
        let expected = ("localhost:5000", "team/preprod-x", digest.as_str());
        assert_eq!((&*reference.registry, &*reference.repository, &*reference.digest), expected);
        let short = format!("r.example/x@sha256:{}", "0f".repeat(31));
        let upper = format!("r.example/x@sha256:{}", "0F".repeat(32));
        for wrong in ["", "r.example/x:latest", "x@sha256:0f", &short, &upper] {
            let error = Reference::parse(wrong).unwrap_err();
            assert!(error.to_string().contains("a reference with a digest"), "{wrong}: {error}");
        }
        for repository in ["", "x", "/x", "r/", "r/X", "r/x/../y", "r/x:latest"] {
            assert!(Reference::parse(&format!("{repository}@{digest}")).is_err(), "{repository}");
        }
    }
}
