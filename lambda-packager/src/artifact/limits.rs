//! Lambda's size limits for a function packaged as a zip.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>, "Deployment
//! package (.zip file archive) size".

use crate::error::{Error, Result};

/// 50 MB zipped, for direct upload. A zip in S3 may have more.
const UPLOADED_BYTES: u64 = 50 * 1024 * 1024;
/// 250 MB unzipped, layers included.
const UNZIPPED_BYTES: u64 = 250 * 1024 * 1024;

/// Refuses a package that is larger than Lambda allows.
pub fn check(unzipped_bytes: u64) -> Result<()> {
    if unzipped_bytes <= UNZIPPED_BYTES {
        return Ok(());
    }
    let error = format!("the unzipped package has {unzipped_bytes} bytes; Lambda allows at most {UNZIPPED_BYTES}");
    Err(Error::artifact(error).hint_with(
        "strip it, optimise for size (`opt-level = \"s\"`, `lto = true`), include fewer files, or deploy a container image",
    ))
}

/// What to tell of a zip that is too large for the usual way to deploy it.
pub fn note(zipped_bytes: u64) -> Option<String> {
    (zipped_bytes > UPLOADED_BYTES).then(|| {
        format!(
            "the zip has {zipped_bytes} bytes; a direct upload to Lambda may have at most {UPLOADED_BYTES}: upload it to S3 and deploy it from there"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_inclusive() {
        check(UNZIPPED_BYTES).unwrap();
        assert_eq!(note(UPLOADED_BYTES), None);
        assert!(note(UPLOADED_BYTES + 1).unwrap().starts_with("the zip has 52428801 bytes; a direct upload"));
        let error = check(UNZIPPED_BYTES + 1).unwrap_err();
        assert_eq!(error.to_string(), "the unzipped package has 262144001 bytes; Lambda allows at most 262144000");
    }
}
