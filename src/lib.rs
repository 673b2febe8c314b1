//! Where the deployable artifact of this workspace is, for whoever deploys it from Rust.
//!
//! The constants are empty in a build that does not package: a debug build, `cargo check`, clippy,
//! documentation.

/// Absolute path of `lambda-deployment.zip`.
pub const ZIP: &str = env!("LAMBDA_DEPLOYMENT_ZIP");
/// SHA-256 of the zip, in hexadecimal digits.
pub const SHA256: &str = env!("LAMBDA_DEPLOYMENT_SHA256");
/// Absolute path of the record of the build; its schema is in `docs/manifest.md`.
pub const MANIFEST: &str = env!("LAMBDA_DEPLOYMENT_MANIFEST");
