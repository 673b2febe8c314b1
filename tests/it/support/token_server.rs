//! Somebody who gives tokens for a registry, as the distribution project describes it.
//! <https://distribution.github.io/distribution/spec/auth/jwt/>

use std::io::Read;
use std::process::Stdio;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::json;

use super::http::Server;
use super::image_registry::make_certificate;
use super::*;

/// What a token is asked for, and what it then allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wish {
    pub scope: String,
    /// Of the request's `Authorization`, or `Identity` and the token of a form; else empty.
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

/// A running server.
pub struct TokenServer {
    folder: TempDir,
    server: Server,
    seen: Arc<Mutex<Vec<Wish>>>,
}

impl TokenServer {
    pub fn start(rule: impl Fn(&Wish) -> Token + Send + Sync + 'static) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        make_certificate(folder.path(), &["-subj", "/CN=test"]);
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (noted, place) = (seen.clone(), folder.path().to_path_buf());
        let server = Server::start(move |mut request| {
            let mut form = String::new();
            (&mut request.body).take(request.length).read_to_string(&mut form)?;
            request.length = 0;
            let asked = format!("{} {form}", request.line);
            let value = |name: &str| asked.split(['?', '&', ' ']).find_map(|pair| pair.strip_prefix(name));
            let identity = value("refresh_token=").map(|token| format!("Identity {token}"));
            let login = identity.unwrap_or_else(|| request.login.clone());
            let wish = Wish { scope: value("scope=").unwrap_or_default().to_string(), login };
            let token = rule(&wish);
            let signed = (token != Token::Refused).then(|| sign(&place, &wish.scope, token));
            noted.lock().expect("no test panics here").push(wish);
            match signed {
                Some(signed) => request.answer(200, "", json!({"token": signed}).to_string().as_bytes()),
                None => request.answer(401, "", b"{}"),
            }
        });
        Self { folder, server, seen }
    }

    /// Where it gives tokens.
    pub fn realm(&self) -> String {
        format!("http://{}/token", self.server.name())
    }

    /// What a registry has to be told to trust it.
    pub fn as_auth(&self) -> String {
        format!(
            "auth: {{token: {{realm: {:?}, service: test, issuer: test, rootcertbundle: {:?}}}}}\n",
            self.realm(),
            self.folder.path().join("certificate")
        )
    }

    /// What was asked for so far; forgotten by asking.
    pub fn seen(&self) -> Vec<Wish> {
        std::mem::take(&mut self.seen.lock().expect("no test panics here"))
    }
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
