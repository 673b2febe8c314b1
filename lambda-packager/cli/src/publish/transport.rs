//! The one door to the network: sends one request to one server, with a limit on every wait, and turns failures
//! into errors.

use std::cell::Cell;
use std::io::ErrorKind as Io;
use std::time::Duration;

use lambda_packager::internal::{Error, PublishFault};
use ureq::config::Config as HttpConfig;
use ureq::http::{HeaderMap, Request as HttpRequest};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Timeout};

use crate::publish::Address;

/// Limit for looking up a name, and for making a connection.
const CONNECT: Duration = Duration::from_secs(8);
/// Limit for a server that sends nothing. ECR takes some seconds to check a layer.
const SILENCE: Duration = Duration::from_secs(12);
/// Limit for an answer, and for what is in it: each is small, but a server may send it byte by byte.
const ANSWER: Duration = Duration::from_secs(20);

/// A request to a registry or to its token server.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub method: &'static str,
    /// A path, or a whole URL that the registry named.
    pub target: &'a str,
    pub headers: &'a [(&'static str, &'a str)],
    pub body: Option<&'a [u8]>,
}

impl<'a> Request<'a> {
    pub fn new(method: &'static str, target: &'a str) -> Self {
        Self { method, target, headers: &[], body: None }
    }
}

/// The answer of a server.
#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Code and message of the first error in a registry's answer; the beginning of the body if it has none.
    pub fn errors(&self) -> (String, String) {
        let json: serde_json::Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
        let first = &json["errors"][0];
        let mut message = text(&first["message"]);
        match &first["detail"] {
            serde_json::Value::Null => {}
            detail => message.push_str(&format!(" ({detail})")),
        }
        if message.is_empty() {
            message = String::from_utf8_lossy(&self.body).chars().take(300).collect();
        }
        (text(&first["code"]), message)
    }
}

/// There was no answer, or a server error.
#[derive(Debug)]
pub struct SendError {
    pub error: Error,
    /// Whether it may be temporary.
    pub temporary: bool,
}

impl SendError {
    pub fn permanent(error: Error) -> Self {
        Self { error, temporary: false }
    }
}

/// Sends requests to one server.
pub struct Transport {
    agent: Agent,
    pub address: Address,
    answered: Cell<bool>,
}

impl Transport {
    pub fn new(address: Address) -> Self {
        let tls = TlsConfig::builder().root_certs(RootCerts::PlatformVerifier).build();
        let config = HttpConfig::builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .tls_config(tls)
            .timeout_resolve(Some(CONNECT))
            .timeout_connect(Some(CONNECT))
            .timeout_per_read(Some(SILENCE))
            .timeout_per_write(Some(SILENCE))
            .timeout_recv_response(Some(ANSWER))
            .timeout_recv_body(Some(ANSWER))
            .user_agent(concat!("lambda-packager/", env!("CARGO_PKG_VERSION")));
        // A proxy cannot reach a registry on this machine.
        let config = if address.is_loopback() { config.proxy(None) } else { config };
        Self { agent: config.build().new_agent(), address, answered: Cell::new(false) }
    }

    /// Whether the server has answered once: if so, a failure may be temporary.
    pub fn has_answered(&self) -> bool {
        self.answered.get()
    }

    /// Sends one request. `authorization` goes only to this server, also if `request` has the URL of another one.
    ///
    /// # Errors
    /// No answer, or a server error; the URL of a server without TLS, from a registry that has it.
    pub fn send(&self, request: &Request, authorization: Option<&str>) -> Result<Answer, SendError> {
        let url = self.address.url(request.target);
        if !self.address.may_refer_to(&url) {
            let error = self.error(PublishFault::Unexpected, "has TLS, but sends us to a server without TLS");
            return Err(SendError::permanent(error.source(url).hint_with(
                "others could read or change the image on the way: set the registry's own address to `https://` in its configuration",
            )));
        }
        let mut http = HttpRequest::builder().method(request.method).uri(&url);
        for (name, value) in request.headers {
            http = http.header(*name, *value);
        }
        if let Some(authorization) = authorization.filter(|_| self.address.has(&url)) {
            http = http.header("Authorization", authorization);
        }
        let unusable = |e: ureq::http::Error| {
            SendError::permanent(self.error(PublishFault::Unexpected, "sent an invalid address").source(e))
        };
        let result = match request.body {
            Some(body) => self.agent.run(http.body(body).map_err(unusable)?),
            None => self.agent.run(http.body(()).map_err(unusable)?),
        };
        let response = result.map_err(|e| self.no_answer(e))?;
        let (parts, mut body) = response.into_parts();
        let body = body.read_to_vec().map_err(|e| self.no_answer(e))?;
        self.answered.set(true);
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, body };
        if answer.status < 500 && answer.status != 429 {
            return Ok(answer);
        }
        let (_, message) = answer.errors();
        Err(self.server_error(answer.status, &message))
    }

    /// An error that names this server.
    pub fn error(&self, fault: PublishFault, what: &str) -> Error {
        Error::publish(fault, format!("the registry {} {what}", self.address.authority))
    }

    fn server_error(&self, status: u16, message: &str) -> SendError {
        let lower = message.to_lowercase();
        // `ENOSPC`, as a registry that is written in Go prints it.
        if lower.contains("no space left") || lower.contains("\"err\":28") || status == 507 {
            let error = self.error(PublishFault::DiskFull, "has no space left").source(message.to_string());
            return SendError::permanent(error.hint_with("free some space where the registry stores its images"));
        }
        let error = self.error(PublishFault::Unexpected, &format!("answers with status {status}"));
        let error = error.hint_with("the registry has an internal problem: check its logs, or try again later");
        SendError { error: error.source(message.to_string()), temporary: true }
    }

    fn no_answer(&self, error: ureq::Error) -> SendError {
        let unreachable = |what: &str, hint: String| SendError {
            error: self.error(PublishFault::Unreachable, what).hint_with(hint),
            temporary: true,
        };
        let host = &self.address.authority;
        let mut failure = match &error {
            error if is_about_the_name(error) => {
                unreachable("is not found: its name does not resolve", "check the name, DNS and VPN".into())
            }
            ureq::Error::Timeout(_) => unreachable(
                "does not answer in time",
                format!("check that this machine can reach {host} (firewall, security group, proxy)"),
            ),
            ureq::Error::Io(e) if e.kind() == Io::ConnectionRefused => {
                unreachable("refuses connections", format!("check the port, and that a registry runs at {host}"))
            }
            ureq::Error::Io(e) if matches!(e.kind(), Io::HostUnreachable | Io::NetworkUnreachable | Io::TimedOut) => {
                unreachable("cannot be reached from this machine", "check network, VPN and proxy".into())
            }
            ureq::Error::Rustls(_) | ureq::Error::Tls(_) | ureq::Error::Pem(_) => self.distrusted(),
            ureq::Error::Io(e) if e.kind() == Io::InvalidData => self.distrusted(),
            _ if !self.answered.get() => unreachable(
                "closed the connection without an answer",
                format!(
                    "check that {host} is a registry and whether it uses TLS (write `https://` or `http://` before its name)"
                ),
            ),
            _ => SendError {
                error: self
                    .error(PublishFault::ConnectionLost, "lost the connection")
                    .hint_with("run it again: what the registry already has is not sent again"),
                temporary: true,
            },
        };
        failure.error = failure.error.source(error);
        failure
    }

    fn distrusted(&self) -> SendError {
        SendError::permanent(self.error(PublishFault::Unreachable, "cannot be trusted: TLS fails").hint_with(
            "set SSL_CERT_FILE to the certificate of its authority (the registry's own certificate must have CA:FALSE), or write `http://` before its name if it has no TLS",
        ))
    }
}

/// Whether a host was not found. The system's resolver says so only in the message.
fn is_about_the_name(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound | ureq::Error::Timeout(Timeout::Resolve) => true,
        ureq::Error::Io(e) => e.to_string().starts_with("failed to lookup address information"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_sent_without_tls_for_a_registry_that_has_it() {
        let transport = Transport::new(Address::parse("registry.example", "flag --registry").unwrap());
        let request =
            Request { method: "PATCH", target: "http://127.0.0.1:1/upload", headers: &[], body: Some(b"layer") };
        let failure = transport.send(&request, None).unwrap_err();
        assert!(!failure.temporary && failure.error.to_string().contains("sends us to a server without TLS"));
    }

    #[test]
    fn each_failure_has_its_own_message_and_only_some_are_temporary() {
        let transport = Transport::new(Address::parse("registry.example", "flag --registry").unwrap());
        let io = |kind: Io| ureq::Error::Io(kind.into());
        let unresolved = std::io::Error::other("failed to lookup address information: Try again");
        let cases = [
            (ureq::Error::HostNotFound, "does not resolve", true),
            (ureq::Error::Timeout(Timeout::Resolve), "does not resolve", true),
            (ureq::Error::Io(unresolved), "does not resolve", true),
            (ureq::Error::Timeout(Timeout::Connect), "does not answer in time", true),
            (io(Io::ConnectionRefused), "refuses connections", true),
            (io(Io::NetworkUnreachable), "cannot be reached", true),
            (io(Io::InvalidData), "TLS fails", false),
            (ureq::Error::Tls("expired"), "TLS fails", false),
            (io(Io::UnexpectedEof), "closed the connection without an answer", true),
        ];
        for (error, message, temporary) in cases {
            let failure = transport.no_answer(error);
            let text = failure.error.to_string();
            assert!(text.contains(message) && failure.temporary == temporary, "{text}");
            assert_eq!(failure.error.exit_code(), 10, "{text}");
        }
        transport.answered.set(true);
        assert_eq!(transport.no_answer(io(Io::UnexpectedEof)).error.exit_code(), 16);
        for (status, message, code, temporary) in [
            (500, "write: no space left on device", 15, false),
            (500, "{\"Err\":28}", 15, false),
            (507, "", 15, false),
            (503, "slow down", 21, true),
            (429, "", 21, true),
        ] {
            let failure = transport.server_error(status, message);
            assert_eq!((failure.error.exit_code(), failure.temporary), (code, temporary), "{status} {message}");
        }
    }
}
