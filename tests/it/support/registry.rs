//! A cargo registry on loopback that wants a token, as a company's own does.

use super::host::sha256_of;
use super::http::Server;
use super::*;

/// A sparse registry: static files behind a token. Gone when dropped.
pub struct Registry {
    folder: TempDir,
    server: Server,
}

impl Registry {
    /// Serves an empty registry to whoever shows `token`.
    pub fn open(token: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let (root, token) = (folder.path().to_path_buf(), token.to_string());
        let server = Server::start(move |request| {
            let path = request.line.split(' ').nth(1).unwrap_or_default().trim_start_matches('/');
            match fs::read(root.join(path)) {
                _ if !request.login.ends_with(&token) => request.answer(401, "", b""),
                Ok(body) => request.answer(200, "", &body),
                Err(_) => request.answer(404, "", b""),
            }
        });
        let registry = Self { folder, server };
        let config =
            format!("{{\"dl\": \"{}/crates/{{crate}}-{{version}}.crate\", \"auth-required\": true}}", registry.url());
        for below in ["crates", "index"] {
            fs::create_dir(registry.folder.path().join(below)).expect("a folder");
        }
        fs::write(registry.folder.path().join("index/config.json"), config).expect("a file");
        registry
    }

    fn url(&self) -> String {
        format!("http://{}", self.server.name())
    }

    /// The index, as a cargo configuration names it.
    pub fn index(&self) -> String {
        format!("sparse+{}/index/", self.url())
    }

    /// Publishes version 1.0.0 of a crate whose `TEXT` is `text`. Its name has four letters or more.
    pub fn publish(&self, name: &str, text: &str) {
        publish(self.folder.path(), "crates", name, text);
    }
}

/// Adds a crate to the index in `root/index`, and its archive to the folder `archives`. With `""`
/// this is what cargo calls a local registry.
pub fn publish(root: &Path, archives: &str, name: &str, text: &str) {
    let source = TempDir::new().expect("a temporary folder");
    library(source.path(), name, text);
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["package", "--quiet", "--no-verify", "--target-dir", "target"]).current_dir(source.path());
    Ended::from(cargo.output().expect("cargo starts")).ok();
    let file = format!("{name}-1.0.0.crate");
    let archive = root.join(archives).join(&file);
    fs::copy(source.path().join("target/package").join(file), &archive).expect("cargo packaged it");
    let line = serde_json::json!({
        "name": name, "vers": "1.0.0", "deps": [], "features": {}, "yanked": false, "cksum": sha256_of(&archive),
    });
    // Source: <https://doc.rust-lang.org/cargo/reference/registry-index.html#index-files>.
    let folder = root.join("index").join(&name[..2]).join(&name[2..4]);
    fs::create_dir_all(&folder).expect("a folder");
    fs::write(folder.join(name), line.to_string()).expect("a file");
}

/// Writes a library crate whose `TEXT` is `text`.
pub fn library(folder: &Path, name: &str, text: &str) {
    let manifest = format!(
        "[workspace]\n[package]\nname = \"{name}\"\nversion = \"1.0.0\"\nedition = \"2021\"\n\
         description = \"x\"\nlicense = \"MIT\"\nrepository = \"https://example.invalid\"\n"
    );
    fs::create_dir_all(folder.join("src")).expect("a folder");
    fs::write(folder.join("Cargo.toml"), manifest).expect("a file");
    fs::write(folder.join("src/lib.rs"), format!("pub const TEXT: &str = {text:?};\n")).expect("a file");
}

/// The same as a crate that `cargo vendor` would leave in `folder`.
pub fn vendored(folder: &Path, name: &str, text: &str) {
    library(&folder.join(name), name, text);
    // No files are named, so that they may be edited here; the digest is that of the lockfile.
    let checksum = format!("{{\"files\": {{}}, \"package\": \"{}\"}}", "0".repeat(64));
    fs::write(folder.join(name).join(".cargo-checksum.json"), checksum).expect("a file");
}
