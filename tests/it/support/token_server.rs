//! Somebody who gives tokens for a registry, as the distribution project describes it.
//! <https://distribution.github.io/distribution/spec/auth/jwt/>

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::*;

/// What a token is asked for, and what it then allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub scope: String,
    /// Of the request's `Authorization`, without it empty.
    pub login: String,
}

/// What becomes of a wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// For what was asked for.
    Whole,
    /// For nothing.
    Empty,
    /// For what was asked for, but not any more.
    Expired,
    /// None.
    Refused,
}

type Rule = Box<dyn FnMut(&Wish) -> Token + Send>;

/// A running server; it ends with the test's process.
pub struct TokenServer {
    folder: TempDir,
    pub port: u16,
    seen: Arc<Mutex<Vec<Wish>>>,
}

impl TokenServer {
    pub fn start(rule: impl FnMut(&Wish) -> Token + Send + 'static) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        let at = |name: &str| folder.path().join(name).display().to_string();
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=test"]);
        Ended::of(openssl.args(["-keyout", &at("key"), "-out", &at("certificate")])).ok();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("it is bound").port();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (noted, place, mut rule) = (seen.clone(), folder.path().to_path_buf(), Box::new(rule) as Rule);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                // A client that went away is the test's own business.
                let _ = answer(client, &place, &mut rule, &noted);
            }
        });
        Self { folder, port, seen }
    }

    /// What a registry has to be told to trust it.
    pub fn as_auth(&self) -> String {
        format!(
            "auth: {{token: {{realm: \"http://127.0.0.1:{}/token\", service: test, issuer: test, rootcertbundle: {:?}}}}}\n",
            self.port,
            self.folder.path().join("certificate")
        )
    }

    /// What was asked for so far; forgotten by asking.
    pub fn seen(&self) -> Vec<Wish> {
        std::mem::take(&mut self.seen.lock().expect("no test panics here"))
    }
}

fn answer(client: TcpStream, folder: &Path, rule: &mut Rule, seen: &Mutex<Vec<Wish>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(client.try_clone()?);
    let (mut target, mut login) = (String::new(), String::new());
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 || line == "\r\n" {
            break;
        }
        if let Some(rest) = line.strip_prefix("GET ") {
            target = rest.split(' ').next().unwrap_or_default().to_string();
        }
        if line.to_lowercase().starts_with("authorization:") {
            login = line["authorization:".len()..].trim().to_string();
        }
    }
    let scope = target.split(['?', '&']).find_map(|pair| pair.strip_prefix("scope=")).unwrap_or_default().to_string();
    let wish = Wish { scope, login };
    let token = rule(&wish);
    let body = match token {
        Token::Refused => "{}".to_string(),
        token => json!({"token": sign(folder, &wish.scope, token)}).to_string(),
    };
    seen.lock().expect("no test panics here").push(wish);
    let status = if token == Token::Refused { 401 } else { 200 };
    let head = format!("HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
    let mut client = client;
    client.write_all(head.as_bytes()).and_then(|()| client.write_all(body.as_bytes()))
}

/// A JSON web token, signed by the program that everybody has.
fn sign(folder: &Path, scope: &str, token: Token) -> String {
    let openssl = |args: &[&str], input: &[u8]| {
        let mut command = Command::new("openssl");
        command.args(args).current_dir(folder).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("it starts");
        process.stdin.take().expect("a pipe").write_all(input).expect("it listens");
        process.wait_with_output().expect("it ends").stdout
    };
    let base64 = |bytes: &[u8]| String::from_utf8(openssl(&["base64", "-A"], bytes)).expect("text");
    let for_urls = |bytes: &[u8]| base64(bytes).trim_end_matches('=').replace('+', "-").replace('/', "_");
    let certificate = base64(&openssl(&["x509", "-in", "certificate", "-outform", "DER"], b""));
    let mut parts = scope.split(':');
    let access = match (token, parts.next(), parts.next(), parts.next()) {
        (Token::Whole | Token::Expired, Some(kind), Some(name), Some(actions)) => {
            json!([{"type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>()}])
        }
        _ => json!([]),
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
    let until = if token == Token::Expired { now - 600 } else { now + 600 };
    let header = json!({"typ": "JWT", "alg": "RS256", "x5c": [certificate]}).to_string();
    let claims = json!({"iss": "test", "sub": "tester", "aud": "test", "exp": until, "nbf": now - 900, "iat": now - 900, "jti": "1", "access": access});
    let signed = format!("{}.{}", for_urls(header.as_bytes()), for_urls(claims.to_string().as_bytes()));
    let signature = openssl(&["dgst", "-sha256", "-sign", "key"], signed.as_bytes());
    format!("{signed}.{}", for_urls(&signature))
}
