//! Which packager this is.

/// Its version, and a digest of its sources, which `build.rs` takes: during development, or from a branch, many packagers
/// have one version.
pub const PACKAGER: &str = concat!(env!("CARGO_PKG_VERSION"), " (sources ", env!("PACKAGER_SOURCES"), ")");
