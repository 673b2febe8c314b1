//! The host's toolchain without a container.

use crate::backend::{Backend, BackendKind, BackendRequest};
use crate::cargo::{Toolchain, config as cargo_config};
use crate::compile;
use crate::compile::Mounts;
use crate::config::EngineChoice;
use crate::error::Result;
use crate::fingerprint::manifest;
use crate::report::{Event, Reporter};
use crate::sys::{Sha, env};

pub fn on_host(request: &BackendRequest, why: String, report: &mut Reporter) -> Result<Backend> {
    let workspace = request.workspace;
    let toolchain = Toolchain::discover(workspace, request.config.target_arch)?;
    if request.config.engine == EngineChoice::Auto {
        let message = format!("{why}: compiling with the host's own toolchain, which is not hermetic");
        report.emit(&Event::Note { message: &message });
    }
    let arch = request.config.target_arch;
    let linker = match cargo_config::names_linker(workspace, arch.triple())? {
        true => None,
        false => arch.cross_compiler(),
    };
    let identity = Sha::of(format!("{} {}", toolchain.rustc, toolchain.cc).as_bytes()).short(12);
    // The toolchain's programs first, so that rustup's proxies do not look them up again.
    let path = env::var_os("PATH").and_then(|path| {
        let folders =
            std::iter::once(toolchain.sysroot.join("bin")).chain(std::env::split_paths(&path).map(|p| p.to_path_buf()));
        std::env::join_paths(folders).ok()
    });
    Ok(Backend {
        mounts: Mounts::of_the_host(workspace),
        target: compile::host_target(&workspace.state_folder(), &identity),
        record: manifest::BackendRecord {
            engine: "host".into(),
            engine_version: String::new(),
            container: String::new(),
            clean_room: false,
            base: format!("host toolchain (rustc {})", toolchain.rustc_release),
            // Each toolchain has its own target directory, as each image has.
            image_id: identity,
            base_digest: String::new(),
            host_toolchain: true,
            hermetic: false,
            fallback: why,
        },
        toolchain: Some(toolchain),
        kind: BackendKind::Host { path, linker },
    })
}
