//! Lambda's size limits for a function packaged as a zip.
//!
//! Source: <https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>, "Deployment
//! package (.zip file archive) size".

use crate::error::{Error, Result};

/// 50 MB zipped, for direct upload.
const ZIPPED_BYTES: u64 = 50 * 1024 * 1024;
/// 250 MB unzipped, layers included.
const UNZIPPED_BYTES: u64 = 250 * 1024 * 1024;

/// Refuses an archive that is larger than Lambda allows.
pub fn check(zipped_bytes: u64, unzipped_bytes: u64) -> Result<()> {
    let sizes = [("unzipped", unzipped_bytes, UNZIPPED_BYTES), ("zipped", zipped_bytes, ZIPPED_BYTES)];
    let Some((what, size, limit)) = sizes.into_iter().find(|(_, size, limit)| size > limit) else { return Ok(()) };
    Err(Error::artifact(format!("the {what} package has {size} bytes; Lambda allows at most {limit}")).hint_with(
        "strip it, optimise for size (`opt-level = \"s\"`, `lto = true`), include fewer files, or deploy a container image",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limits_are_inclusive() {
        check(ZIPPED_BYTES, UNZIPPED_BYTES).unwrap();
        assert!(check(ZIPPED_BYTES + 1, 0).unwrap_err().to_string().contains("the zipped package"));
        let error = check(0, UNZIPPED_BYTES + 1).unwrap_err();
        assert_eq!(error.to_string(), "the unzipped package has 262144001 bytes; Lambda allows at most 262144000");
    }
}
