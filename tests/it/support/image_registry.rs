//! A real image registry on loopback (Debian's docker-registry), and a proxy in front of it that does
//! what networks do.

use std::io::{BufRead, BufReader, Read};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

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
    process: Child,
    pub port: u16,
}

/// Whether the programs that these tests need are here. If not, says so; in CI that is a failure.
fn is_installed() -> bool {
    let missing: Vec<_> =
        [("docker-registry", "docker-registry"), ("htpasswd", "apache2-utils"), ("openssl", "openssl")]
            .into_iter()
            .filter(|(program, _)| !on_path(program))
            .collect();
    for (program, package) in &missing {
        skip(program, &format!("it is not installed (Debian: apt-get install {package})"));
    }
    missing.is_empty()
}

impl ImageRegistry {
    /// Starts one; none where it is not installed.
    pub fn open(setup: &Setup) -> Option<Self> {
        if !is_installed() {
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
            let mut openssl = Command::new("openssl");
            openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=127.0.0.1"]);
            openssl.args(["-addext", "basicConstraints=critical,CA:FALSE", "-addext", "subjectAltName=IP:127.0.0.1"]);
            openssl.args(["-keyout", &at("key"), "-out", &at("certificate")]);
            Ended::of(&mut openssl).ok();
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
        command.args(["serve", &at("config.yml")]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let process = command.spawn().expect("it starts");
        wait_until("the registry answers", || TcpStream::connect(("127.0.0.1", port)).is_ok());
        Some(Self { folder, process, port })
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

fn sha256(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Drop for ImageRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Fate {
    Passed,
    /// The connection breaks after so many bytes of its body.
    Cut(usize),
    /// Nobody ever answers.
    Ignored,
    /// The proxy answers itself.
    Answered(u16, &'static str),
    /// The upload that is asked for is to go elsewhere.
    SentTo(String),
    /// A login is wanted, of this kind.
    Challenged(String),
}

type Rule = Box<dyn FnMut(&str) -> Fate + Send>;

/// A proxy in front of a registry. It knows each request by its first line, `PUT /v2/...`.
pub struct Proxy {
    port: u16,
    seen: Arc<Mutex<Vec<String>>>,
    closed: Arc<AtomicBool>,
}

impl Proxy {
    pub fn to(registry: &ImageRegistry, rule: impl FnMut(&str) -> Fate + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let closed = Arc::new(AtomicBool::new(false));
        let seen = Arc::new(Mutex::new(Vec::new()));
        let rule: Arc<Mutex<Rule>> = Arc::new(Mutex::new(Box::new(rule)));
        let (stop, noted, behind) = (closed.clone(), seen.clone(), registry.port);
        thread::spawn(move || {
            for client in listener.incoming().flatten().take_while(|_| !stop.load(Ordering::SeqCst)) {
                let (rule, noted) = (rule.clone(), noted.clone());
                // What breaks here was meant to, or shows on the other side.
                thread::spawn(move || drop(forward(client, behind, &rule, &noted)));
            }
        });
        Self { port, seen, closed }
    }

    pub fn name(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The requests so far; forgotten by asking.
    pub fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().expect("no test panics here"))
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.closed.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn forward(client: TcpStream, behind: u16, rule: &Mutex<Rule>, seen: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let mut head = String::new();
    let (mut length, mut login) = (0, "");
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let lower = line.to_lowercase();
        if let Some(value) = lower.strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        if line == "\r\n" {
            break;
        }
        if lower.starts_with("authorization:") {
            login = " with a login";
        }
        // One request a connection: what is broken is that one.
        if !lower.starts_with("connection:") {
            head.push_str(&line);
        }
    }
    let request = head.lines().next().unwrap_or_default().replace(" HTTP/1.1", "");
    seen.lock().expect("no test panics here").push(format!("{request}{login}"));
    let fate = (rule.lock().expect("no test panics here"))(&request);
    let mut client = client;
    if let Fate::Ignored = fate {
        // As long as the other side holds on.
        let _ = std::io::copy(&mut reader, &mut std::io::sink());
        return Ok(());
    }
    if let Fate::Answered(status, body) = fate {
        std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
        let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
        return client.write_all(head.as_bytes()).and_then(|()| client.write_all(body.as_bytes()));
    }
    let instead = match &fate {
        Fate::SentTo(location) => Some(format!("202 X\r\nLocation: {location}")),
        Fate::Challenged(kind) => Some(format!("401 X\r\nWWW-Authenticate: {kind}")),
        _ => None,
    };
    if let Some(instead) = instead {
        std::io::copy(&mut reader.take(length), &mut std::io::sink())?;
        let head = format!("HTTP/1.1 {instead}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        return client.write_all(head.as_bytes());
    }
    let mut server = TcpStream::connect(("127.0.0.1", behind))?;
    server.write_all(format!("{head}Connection: close\r\n\r\n").as_bytes())?;
    let allowed = if let Fate::Cut(bytes) = fate { length.min(bytes as u64) } else { length };
    std::io::copy(&mut reader.take(allowed), &mut server)?;
    if let Fate::Cut(_) = fate {
        // The registry has to notice before it is asked how far it came.
        server.shutdown(Shutdown::Write)?;
        let _ = server.read_to_end(&mut Vec::new());
        return client.shutdown(Shutdown::Both);
    }
    std::io::copy(&mut server, &mut client).map(drop)
}
