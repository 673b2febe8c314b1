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

/// Refuses included files, by name and size, that alone are larger than Lambda allows. `place` is the location of the
/// setting.
pub fn check_included<'a>(files: impl Iterator<Item = (&'a str, u64)> + Clone, place: &str) -> Result<()> {
    let bytes: u64 = files.clone().map(|(_, size)| size).sum();
    if bytes <= UNZIPPED_BYTES {
        return Ok(());
    }
    let largest = files
        .max_by_key(|(_, size)| *size)
        .map_or(String::new(), |(name, size)| format!("; the largest, {name}, has {size}"));
    let error =
        format!("{place}: the included files have {bytes} bytes; Lambda allows at most {UNZIPPED_BYTES} unzipped");
    Err(Error::config(error)
        .hint_with(format!("include fewer files, or read them at run time from S3 or EFS{largest}")))
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
