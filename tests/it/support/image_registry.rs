//! A real image registry on loopback (Debian's docker-registry), and a proxy in front of it that does
//! what networks do.

use std::io::Read;
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use super::http::{Request, Server};
use super::running::Owned;
use super::*;

/// What a registry is set up with.
#[derive(Default)]
pub struct Setup<'a> {
    /// User and password; none lets everybody in.
    pub login: Option<(&'a str, &'a str)>,
    /// Who gives tokens for it instead.
    pub tokens: Option<&'a TokenServer>,
    pub tls: bool,
    /// Where it stores, instead of its own folder.
    pub store: Option<&'a Path>,
}

/// A running registry; gone when dropped.
pub struct ImageRegistry {
    folder: TempDir,
    _process: Owned,
    port: u16,
}

/// Makes the files `key` and `certificate`, with openssl's further `arguments`.
pub fn make_certificate(folder: &Path, arguments: &[&str]) {
    let mut openssl = Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]).args(arguments);
    Ended::of(openssl.args(["-keyout", "key", "-out", "certificate"]).current_dir(folder)).ok();
}

impl ImageRegistry {
    /// Starts one; none where it is not installed.
    pub fn open(setup: &Setup) -> Option<Self> {
        let needed = [("docker-registry", "docker-registry"), ("htpasswd", "apache2-utils"), ("openssl", "openssl")];
        if !needed.iter().all(|(program, package)| is_installed(program, &format!("Debian: apt-get install {package}")))
        {
            return None;
        }
        let folder = TempDir::new().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let port = free_port();
        let store = setup.store.map_or_else(|| at("store"), |store| store.display().to_string());
        let mut config = format!(
            "version: 0.1\nlog: {{accesslog: {{disabled: true}}, level: error}}\n\
             storage: {{filesystem: {{rootdirectory: {store:?}}}}}\nhttp:\n  addr: 127.0.0.1:{port}\n"
        );
        if setup.tls {
            let extensions =
                ["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=IP:127.0.0.1"];
            make_certificate(folder.path(), &[&["-subj", "/CN=127.0.0.1"], &extensions[..]].concat());
            config.push_str(&format!("  tls: {{certificate: {:?}, key: {:?}}}\n", at("certificate"), at("key")));
        }
        if let Some((user, password)) = setup.login {
            let users = Ended::of(Command::new("htpasswd").args(["-Bbn", user, password])).ok().stdout;
            fs::write(at("users"), users).expect("a file");
            config.push_str(&format!("auth: {{htpasswd: {{realm: test, path: {:?}}}}}\n", at("users")));
        }
        config.extend(setup.tokens.map(TokenServer::as_auth));
        fs::write(at("config.yml"), config).expect("a file");
        let mut command = Command::new("docker-registry");
        let process = Owned::service(command.args(["serve", &at("config.yml")]), port);
        Some(Self { folder, _process: process, port })
    }

    pub fn name(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate")
    }

    /// The digest that a tag names, if there is such a tag.
    pub fn digest(&self, repository: &str, tag: &str) -> Option<String> {
        let (status, body) = self.get(&format!("/v2/{repository}/manifests/{tag}"));
        (status == 200).then(|| format!("sha256:{}", sha256(&body)))
    }

    /// The image that a tag names: its manifest, and its configuration.
    #[track_caller]
    pub fn image(&self, repository: &str, tag: &str) -> (Value, Value) {
        let json = |path: String| {
            let (status, body) = self.get(&path);
            assert_eq!(status, 200, "{path}");
            serde_json::from_slice::<Value>(&body).expect("JSON")
        };
        let manifest = json(format!("/v2/{repository}/manifests/{tag}"));
        let config =
            json(format!("/v2/{repository}/blobs/{}", manifest["config"]["digest"].as_str().expect("a digest")));
        (manifest, config)
    }

    /// Whether it has every blob of a manifest.
    pub fn is_whole(&self, repository: &str, manifest: &Value) -> bool {
        let layers = manifest["layers"].as_array().expect("a list").iter().chain([&manifest["config"]]);
        let digests = layers.map(|layer| layer["digest"].as_str().expect("a digest"));
        let mut bodies = digests.map(|digest| (digest, self.get(&format!("/v2/{repository}/blobs/{digest}"))));
        bodies.all(|(digest, (status, body))| status == 200 && digest == format!("sha256:{}", sha256(&body)))
    }

    pub fn tags(&self, repository: &str) -> Vec<String> {
        let (_, body) = self.get(&format!("/v2/{repository}/tags/list"));
        let told: Value = serde_json::from_slice(&body).expect("JSON");
        let tags = told["tags"].as_array().into_iter().flatten();
        tags.filter_map(|tag| tag.as_str().map(String::from)).collect()
    }

    fn get(&self, path: &str) -> (u16, Vec<u8>) {
        self.ask("GET", path, "", b"")
    }

    /// Gives a tag to a manifest, by hand.
    pub fn put_manifest(&self, repository: &str, tag: &str, manifest: &[u8]) {
        let kind = "Content-Type: application/vnd.docker.distribution.manifest.v2+json\r\n";
        let (status, body) = self.ask("PUT", &format!("/v2/{repository}/manifests/{tag}"), kind, manifest);
        assert_eq!(status, 201, "{}", String::from_utf8_lossy(&body));
    }

    fn ask(&self, method: &str, path: &str, headers: &str, body: &[u8]) -> (u16, Vec<u8>) {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("it answers");
        let accept = "Accept: application/vnd.docker.distribution.manifest.v2+json";
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\n{accept}\r\n{headers}Content-Length: {}\r\n\r\n",
            self.name(),
            body.len()
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body)).expect("it listens");
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).expect("it answers");
        let end = answer.windows(4).position(|window| window == b"\r\n\r\n").expect("a head");
        let head = String::from_utf8_lossy(&answer[..end]).into_owned();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        (status, answer[end + 4..].to_vec())
    }
}

pub fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Fate {
    Passed,
    /// The connection breaks after so many bytes of its body.
    Cut(usize),
    /// Nobody ever answers.
    Ignored,
    /// It answers byte by byte, without end.
    Dripped,
    /// The proxy answers itself.
    Answered(u16, &'static str),
    /// The registry answers, but with this status.
    Told(u16),
    /// The upload that is asked for is to go elsewhere.
    SentTo(String),
    /// A login is wanted, of this kind.
    Challenged(String),
}

/// A proxy in front of a registry. It knows each request by its first line, `PUT /v2/...`.
pub struct Proxy {
    server: Server,
    seen: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub fn to(registry: &ImageRegistry, rule: impl Fn(&str) -> Fate + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (noted, behind) = (seen.clone(), registry.port);
        let server = Server::start(move |request| {
            let login = if request.login.is_empty() { "" } else { " with a login" };
            noted.lock().expect("no test panics here").push(format!("{}{login}", request.line));
            let fate = rule(&request.line);
            forward(request, behind, &fate)
        });
        Self { server, seen }
    }

    pub fn name(&self) -> String {
        self.server.name()
    }

    /// The requests so far; forgotten by asking.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().expect("no test panics here"))
    }
}

fn forward(mut request: Request, behind: u16, fate: &Fate) -> std::io::Result<()> {
    match fate {
        // As long as the other side holds on.
        Fate::Ignored => return std::io::copy(&mut request.body, &mut std::io::sink()).map(drop),
        Fate::Dripped => {
            request.client.write_all(b"HTTP/1.1 202 Accepted\r\nContent-Length: 1000\r\n\r\n")?;
            loop {
                request.client.write_all(b" ")?;
                thread::sleep(Duration::from_secs(5));
            }
        }
        Fate::Answered(status, body) => return request.answer(*status, "", body.as_bytes()),
        Fate::SentTo(location) => return request.answer(202, &format!("Location: {location}\r\n"), b""),
        Fate::Challenged(kind) => return request.answer(401, &format!("WWW-Authenticate: {kind}\r\n"), b""),
        Fate::Passed | Fate::Cut(_) | Fate::Told(_) => {}
    }
    let Request { head, length, body, mut client, .. } = request;
    let mut server = TcpStream::connect(("127.0.0.1", behind))?;
    // One request a connection: what is broken is that one.
    server.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
    let allowed = if let Fate::Cut(bytes) = fate { length.min(*bytes as u64) } else { length };
    std::io::copy(&mut body.take(allowed), &mut server)?;
    if let Fate::Cut(_) = fate {
        // The registry has to notice before it is asked how far it came.
        server.shutdown(Shutdown::Write)?;
        let _ = server.read_to_end(&mut Vec::new());
        return client.shutdown(Shutdown::Both);
    }
    if let Fate::Told(status) = fate {
        let mut answer = Vec::new();
        server.read_to_end(&mut answer)?;
        let end = answer.iter().position(|byte| *byte == b'\r').unwrap_or(answer.len());
        client.write_all(format!("HTTP/1.1 {status} Told").as_bytes())?;
        return client.write_all(&answer[end..]);
    }
    std::io::copy(&mut server, &mut client).map(drop)
}
