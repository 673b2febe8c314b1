//! Registries that require a token: they name the server that gives one for a name and a password.
//!
//! Source: <https://distribution.github.io/distribution/spec/auth/token/>.

use lambda_packager::internal::PublishFault;

use crate::publish::{Address, Answer, Login, Request, SendError, Transport};

/// Where to get the token that a registry requires.
#[derive(Debug, PartialEq, Eq)]
pub struct Challenge {
    /// Scheme, host and port.
    origin: String,
    /// With the query that the registry named.
    path: String,
    /// What to ask for: `name=value`, encoded.
    query: Vec<String>,
}

impl Challenge {
    /// Reads the answer to a request without a token, or without a valid one.
    pub fn of(answer: &Answer) -> Option<Self> {
        if answer.status == 401 { Self::parse(answer.header("www-authenticate")?) } else { None }
    }

    /// `Bearer realm="https://auth.example/token",service="registry.example",scope="repository:name:pull,push"`
    fn parse(header: &str) -> Option<Self> {
        let (scheme, mut rest) = header.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return None;
        }
        let (mut realm, mut query) = (None, Vec::new());
        while let Some((name, more)) = rest.split_once("=\"") {
            let (value, more) = more.split_once('"')?;
            rest = more;
            match name.trim_matches([',', ' ']) {
                "realm" => realm = Some(value),
                name @ ("service" | "scope") => query.push(format!("{name}={}", encoded(value))),
                _ => {}
            }
        }
        let realm = realm?;
        let host = realm.find("://")? + 3;
        let path = realm[host..].find('/').map_or(realm.len(), |at| host + at);
        let path_or_root = if path == realm.len() { "/" } else { &realm[path..] };
        Some(Self { origin: realm[..path].into(), path: path_or_root.into(), query })
    }

    /// Path and query of the request that asks for a token.
    fn target(&self) -> String {
        let joint = if self.path.contains('?') { '&' } else { '?' };
        format!("{}{joint}{}", self.path, self.query.join("&"))
    }

    /// Gets a token and returns the `Authorization` header; `None` if the server refuses the login.
    ///
    /// # Errors
    /// No answer, or an unexpected one. A token server without TLS that is on another machine, or whose registry has TLS.
    pub fn authorization(&self, registry: &Transport, login: Option<&Login>) -> Result<Option<String>, SendError> {
        let unusable = |what: &str| SendError::permanent(registry.error(PublishFault::Unexpected, what));
        let address =
            Address::parse(&self.origin, "the registry's `www-authenticate`").map_err(SendError::permanent)?;
        if registry.address.has_tls() && !address.has_tls() {
            return Err(unusable("has TLS, but asks to send the login to a server without TLS"));
        }
        if login.is_some() && !address.may_have_login() {
            return Err(unusable("asks to send the login to another machine without TLS"));
        }
        let server = Transport::new(address);
        let answer = match login {
            // Source: <https://distribution.github.io/distribution/spec/auth/oauth/>.
            Some(Login::Identity(token)) => {
                let mut form = vec!["grant_type=refresh_token".to_string(), "client_id=lambda-packager".to_string()];
                form.extend(self.query.iter().cloned());
                form.push(format!("refresh_token={}", encoded(token)));
                let headers = [("Content-Type", "application/x-www-form-urlencoded")];
                let body = form.join("&");
                let body = Some(body.as_bytes());
                server.send(&Request { method: "POST", target: &self.path, headers: &headers, body }, None)?
            }
            login => {
                let authorization = login.and_then(Login::basic);
                server.send(&Request::new("GET", &self.target()), authorization.as_deref())?
            }
        };
        match answer.status {
            200 => {}
            401 | 403 => return Ok(None),
            status => {
                let server = &self.origin;
                return Err(unusable(&format!(
                    "names the token server {server}, which gave no token: status {status}"
                )));
            }
        }
        given(&answer.body).map_err(|_| unusable("names a token server that sent an unexpected answer"))
    }
}

/// The `Authorization` header for the token that a server gave.
fn given(body: &[u8]) -> serde_json::Result<Option<String>> {
    #[derive(serde::Deserialize)]
    struct Given {
        token: Option<String>,
        access_token: Option<String>,
    }
    let given: Given = serde_json::from_slice(body)?;
    Ok(given.token.or(given.access_token).map(|token| format!("Bearer {token}")))
}

/// Encodes a part of a query.
fn encoded(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/,".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

#[cfg(test)]
mod tests {
    use ureq::http::Uri;

    use super::*;
    use crate::damaged;

    #[test]
    fn a_damaged_challenge_leads_to_no_other_server_than_it_names() {
        let challenge =
            "Bearer realm=\"https://auth.example:1/token?a=b\",service=\"a registry\",scope=\"repository:a/b:pull\"";
        let token =
            "{\"token\":\"abc\",\"access_token\":\"abc\",\"expires_in\":300,\"issued_at\":\"2026-01-01T00:00:00Z\"}";
        damaged::each(&[challenge.into(), token.into()], |bytes| {
            let _ = given(bytes);
            let Some(challenge) = Challenge::parse(&String::from_utf8_lossy(bytes)) else { return };
            let target = challenge.target();
            let Ok(address) = Address::parse(&challenge.origin, "the registry") else { return };
            let url = address.url(&target);
            assert!(address.has(&url), "{url}");
            if let Ok(uri) = url.parse::<Uri>() {
                assert_eq!(uri.authority().map(|it| it.as_str()), Some(&*address.authority), "{url}");
            }
        });
    }

    #[test]
    fn a_login_does_not_leave_this_machine_without_tls() {
        let registry = Transport::new(Address::parse("localhost:5000", "flag --registry").unwrap());
        let challenge = Challenge::parse("Bearer realm=\"http://auth.invalid/token\"").unwrap();
        let login = Login::Password { user: "a".into(), password: "b".into() };
        let error = challenge.authorization(&registry, Some(&login)).unwrap_err().error;
        assert!(error.to_string().contains("another machine without TLS"), "{error}");
    }

    #[test]
    fn a_challenge_says_where_to_ask_for_what() {
        let all = "Bearer realm=\"https://auth.example:1/token\",service=\"a registry\", scope=\"repository:a/b:pull,push\",error=\"invalid_token\"";
        let asked = "/token?service=a%20registry&scope=repository:a/b:pull,push";
        for (header, origin, target) in [
            (all, "https://auth.example:1", asked),
            ("bearer realm=\"http://auth.example/t?x=1\",service=\"r\"", "http://auth.example", "/t?x=1&service=r"),
            ("Bearer realm=\"https://auth.example\",service=\"r\"", "https://auth.example", "/?service=r"),
        ] {
            let challenge = Challenge::parse(header).unwrap();
            assert_eq!((challenge.origin.as_str(), challenge.target().as_str()), (origin, target));
        }
        for other in ["Basic realm=\"x\"", "Bearer", "Bearer service=\"x\"", "Bearer realm=\"auth.example\"", ""] {
            assert_eq!(Challenge::parse(other), None, "{other}");
        }
    }
}
