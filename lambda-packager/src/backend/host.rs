//! The host's toolchain without a container.

use crate::backend::{Backend, BackendKind, BackendRequest};
use crate::cargo::{Toolchain, config as cargo_config};
use crate::config::EngineChoice;
use crate::error::Result;
use crate::fingerprint::manifest;
use crate::report::Reporter;
use crate::sys::{Sha, env};

pub fn on_host(request: &BackendRequest, why: String, report: &mut Reporter) -> Result<Backend> {
    let workspace = request.workspace;
    let toolchain = Toolchain::discover(workspace, request.config.target_arch)?;
    if request.config.engine == EngineChoice::Auto {
        report.note(&format!("{why}: compiling with the host's own toolchain, which is not hermetic"));
    }
    let arch = request.config.target_arch;
    let linker = if cargo_config::names_linker(workspace, arch.triple())? { None } else { arch.cross_compiler() };
    let wrappers = cargo_config::wrapper_variables(workspace)?;
    let identity = Sha::of(format!("{} {}", toolchain.rustc, toolchain.cc).as_bytes()).short(12);
    // The toolchain's programs first, so that rustup's proxies do not look them up again.
    let path = env::var_os("PATH").and_then(|path| {
        let folders = std::iter::once(toolchain.sysroot.join("bin")).chain(std::env::split_paths(&path));
        std::env::join_paths(folders).ok()
    });
    // Each toolchain has its own target directory, as each image has.
    let folder = workspace.state_folder().join(format!("host-{identity}"));
    Ok(Backend {
        forwarded: None,
        target: folder.join("target").to_string_lossy().into_owned(),
        record: manifest::BackendRecord {
            engine: "host".into(),
            base: format!("host toolchain (rustc {})", toolchain.rustc_release),
            image_id: identity,
            host_toolchain: true,
            fallback: why,
            ..manifest::BackendRecord::default()
        },
        toolchain: Some(toolchain),
        toolchain_mounts: Vec::new(),
        kind: BackendKind::Host { folder, path, linker, wrappers },
    })
}
