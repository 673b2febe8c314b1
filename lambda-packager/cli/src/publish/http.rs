//! The one door to the network: requests to one registry, with a bound on every wait, and what may be
//! tried again told from what may not.

use std::cell::{Cell, RefCell};
use std::io::ErrorKind as Io;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_packager::internal::report::{Event, Reporter};
use lambda_packager::{Error, PublishFault, Result};
use ureq::config::Config as HttpConfig;
use ureq::http::{HeaderMap, Request as HttpRequest};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Timeout};

use crate::publish::token::Challenge;

/// A name that is looked up, a connection that is made.
const CONNECT: Duration = Duration::from_secs(8);
/// A registry that says nothing for so long is taken for dead. ECR takes some seconds to check a layer.
const SILENCE: Duration = Duration::from_secs(12);
/// After so long without progress nothing is tried again: with the last try an error comes within 30 s.
const PATIENCE: Duration = Duration::from_secs(15);

/// Where a registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    scheme: &'static str,
    /// Host and port.
    pub authority: String,
    /// What stands before the name of every repository; empty, or ending with `/`.
    pub prefix: String,
}

impl Address {
    /// Reads `registry`, which `place` says. Without a scheme it is TLS, but on this machine itself not:
    /// as docker has it.
    pub fn parse(registry: &str, place: &str) -> Result<Self> {
        let (scheme, rest) = match registry.split_once("://") {
            Some(("https", rest)) => (Some("https"), rest),
            Some(("http", rest)) => (Some("http"), rest),
            Some(_) => (None, ""),
            None => (None, registry),
        };
        let (authority, prefix) =
            rest.trim_end_matches('/').split_once('/').unwrap_or((rest.trim_end_matches('/'), ""));
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-:[]".contains(c);
        if authority.is_empty() || !authority.chars().all(plain) {
            return Err(Error::config(format!("{place}: {registry:?} is not a valid registry"))
                .hint_with("use a host, such as `123456789012.dkr.ecr.eu-central-1.amazonaws.com` or `localhost:5000`, without a login"));
        }
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
        let scheme = scheme.unwrap_or(if is_this_machine(authority) { "http" } else { "https" });
        Ok(Self { scheme, authority: authority.to_string(), prefix })
    }

    fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    pub fn has_tls(&self) -> bool {
        self.scheme == "https"
    }

    /// The account's region, if it is a registry of ECR.
    ///
    /// Source: <https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html>.
    pub fn ecr_region(&self) -> Option<&str> {
        let mut parts = self.authority.split('.');
        let account = parts.next()?;
        let is_account = account.len() == 12 && account.chars().all(|c| c.is_ascii_digit());
        let rest: Vec<&str> = parts.collect();
        match rest.as_slice() {
            ["dkr", "ecr" | "ecr-fips", region, "amazonaws", ..] if is_account => Some(region),
            _ => None,
        }
    }
}

/// Whether a host could not be found. Resolvers of the system say so only in words.
fn is_about_the_name(error: &ureq::Error) -> bool {
    match error {
        ureq::Error::HostNotFound | ureq::Error::Timeout(Timeout::Resolve) => true,
        ureq::Error::Io(e) => e.to_string().starts_with("failed to lookup address information"),
        _ => false,
    }
}

fn is_this_machine(authority: &str) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host == "localhost" || host == "[::1]" || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
}

/// A user's name and password. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Login {
    pub user: String,
    pub password: String,
}

/// What a registry answered.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    headers: HeaderMap,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Code and message of the first error in a registry's answer; what else it says where it has none.
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

/// What is asked of a registry.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    pub method: &'static str,
    /// A path, or a whole address that the registry named.
    pub target: &'a str,
    pub headers: &'a [(&'static str, &'a str)],
    pub body: Option<&'a [u8]>,
}

/// No answer, or one that promises a better one later.
#[derive(Debug)]
pub struct SendError {
    pub error: Error,
    again: bool,
}

impl SendError {
    pub fn for_good(error: Error) -> Self {
        Self { error, again: false }
    }
}

pub struct Client {
    agent: Agent,
    pub address: Address,
    login: Option<Login>,
    /// The header that logs in: the login itself, or the token that was given for it.
    authorization: RefCell<Option<String>>,
    /// Whether the registry answered once: then what fails now may work again.
    answered: Cell<bool>,
    /// When something last went forward.
    progress: Cell<Instant>,
}

impl Client {
    pub fn new(address: Address, login: Option<&Login>) -> Self {
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
            .user_agent(concat!("lambda-packager/", env!("CARGO_PKG_VERSION")));
        // A proxy cannot reach this machine's own registry.
        let config = if is_this_machine(&address.authority) { config.proxy(None) } else { config };
        let authorization =
            login.map(|login| format!("Basic {}", STANDARD.encode(format!("{}:{}", login.user, login.password))));
        Self {
            agent: config.build().new_agent(),
            address,
            login: login.cloned(),
            authorization: RefCell::new(authorization),
            answered: Cell::new(false),
            progress: Cell::new(Instant::now()),
        }
    }

    pub fn has_login(&self) -> bool {
        self.login.is_some()
    }

    /// Asks, and asks again as long as that may help.
    pub fn ask(&self, ask: &Request, report: &mut Reporter) -> Result<Answer> {
        loop {
            match self.ask_once(ask) {
                Ok(answer) => return Ok(answer),
                Err(broken) => self.wait_after(broken, report)?,
            }
        }
    }

    /// Notes that something went forward: patience begins anew.
    pub fn went_forward(&self) {
        self.progress.set(Instant::now());
    }

    /// Waits before another try, each time twice as long as nothing went forward.
    ///
    /// # Errors
    /// Where another try cannot help, or patience is over.
    pub fn wait_after(&self, broken: SendError, report: &mut Reporter) -> Result<()> {
        let stalled = self.progress.get().elapsed();
        let pause = stalled.clamp(Duration::from_millis(250), Duration::from_secs(4));
        if !broken.again || !self.answered.get() || stalled + pause >= PATIENCE {
            return Err(broken.error);
        }
        report.emit(&Event::Retrying { error: &broken.error, pause });
        std::thread::sleep(pause);
        Ok(())
    }

    /// Asks once; with a token where one is wanted, and with another where that one is not good any more.
    pub fn ask_once(&self, ask: &Request) -> Result<Answer, SendError> {
        let answer = self.send(ask)?;
        let challenge = Challenge::of(&answer).filter(|_| self.is_ours(&self.url(ask)));
        let Some(challenge) = challenge else { return Ok(answer) };
        let Some(authorization) = challenge.authorization(self, self.login.as_ref())? else { return Ok(answer) };
        self.authorization.replace(Some(authorization));
        self.send(ask)
    }

    /// Asks once, as who we are so far.
    pub fn send(&self, ask: &Request) -> Result<Answer, SendError> {
        let url = self.url(ask);
        let mut request = HttpRequest::builder().method(ask.method).uri(&url);
        for (name, value) in ask.headers {
            request = request.header(*name, *value);
        }
        if let (Some(authorization), true) = (&*self.authorization.borrow(), self.is_ours(&url)) {
            request = request.header("Authorization", authorization);
        }
        let unusable = |e: ureq::http::Error| {
            SendError::for_good(self.error(PublishFault::Unexpected, "sent an invalid address").source(e))
        };
        let result = match ask.body {
            Some(body) => self.agent.run(request.body(body).map_err(unusable)?),
            None => self.agent.run(request.body(()).map_err(unusable)?),
        };
        let response = result.map_err(|e| self.broken(e))?;
        let (parts, mut body) = response.into_parts();
        let body = body.read_to_vec().map_err(|e| self.broken(e))?;
        self.answered.set(true);
        let answer = Answer { status: parts.status.as_u16(), headers: parts.headers, body };
        if answer.status < 500 && answer.status != 429 {
            return Ok(answer);
        }
        let (_, message) = answer.errors();
        Err(self.overloaded(answer.status, &message))
    }

    fn url(&self, ask: &Request) -> String {
        if ask.target.starts_with('/') {
            format!("{}{}", self.address.origin(), ask.target)
        } else {
            ask.target.to_string()
        }
    }

    /// An address that the registry named may be another's: that one gets no password, and names nobody
    /// who would.
    fn is_ours(&self, url: &str) -> bool {
        url.strip_prefix(&self.address.origin()).is_some_and(|path| path.starts_with('/'))
    }

    fn overloaded(&self, status: u16, message: &str) -> SendError {
        let lower = message.to_lowercase();
        // `ENOSPC`, as a Go registry writes it.
        if lower.contains("no space left") || lower.contains("\"err\":28") || status == 507 {
            let error = self.error(PublishFault::DiskFull, "has no space left").source(message.to_string());
            return SendError::for_good(error.hint_with("free some space where the registry stores its images"));
        }
        let error = self.error(PublishFault::Unexpected, &format!("answers with status {status}"));
        let error = error.hint_with("the registry has an internal problem: check its logs, or try again later");
        SendError { error: error.source(message.to_string()), again: true }
    }

    /// An error of this registry's.
    pub fn error(&self, fault: PublishFault, what: &str) -> Error {
        Error::publish(fault, format!("the registry {} {what}", self.address.authority))
    }

    fn broken(&self, error: ureq::Error) -> SendError {
        let unreachable = |what: &str, hint: String| SendError {
            error: self.error(PublishFault::Unreachable, what).hint_with(hint),
            again: true,
        };
        let host = self.address.authority.clone();
        let mut broken = match &error {
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
                again: true,
            },
        };
        broken.error = broken.error.source(error);
        broken
    }

    fn distrusted(&self) -> SendError {
        SendError::for_good(self.error(PublishFault::Unreachable, "cannot be trusted: TLS fails").hint_with(
            "set SSL_CERT_FILE to the certificate of its authority (the registry's own certificate must have CA:FALSE), or write `http://` before its name if it has no TLS",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text, "flag --registry").unwrap()
    }

    #[test]
    fn this_machine_alone_goes_without_tls_unless_told() {
        for (text, origin) in [
            ("localhost:5000", "http://localhost:5000"),
            ("127.0.0.1:5000/", "http://127.0.0.1:5000"),
            ("https://127.0.0.1:5000", "https://127.0.0.1:5000"),
            ("registry.example", "https://registry.example"),
            ("http://registry.example:80", "http://registry.example:80"),
            ("127.0.0.1.example", "https://127.0.0.1.example"),
        ] {
            assert_eq!(address(text).origin(), origin);
        }
        assert_eq!(address("registry.example/owner/team").prefix, "owner/team/");
        for wrong in ["", "ftp://x", "https://", "user:password@host", "a b"] {
            let error = Address::parse(wrong, "flag --registry").unwrap_err();
            assert!(error.to_string().starts_with("flag --registry"), "{wrong}: {error}");
        }
    }

    #[test]
    fn an_ecr_registry_knows_its_region() {
        assert_eq!(address("123456789012.dkr.ecr.eu-central-1.amazonaws.com").ecr_region(), Some("eu-central-1"));
        assert_eq!(address("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn").ecr_region(), Some("cn-north-1"));
        assert_eq!(address("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com").ecr_region(), Some("us-east-1"));
        for other in ["registry.example", "x.dkr.ecr.eu-central-1.amazonaws.com", "public.ecr.aws"] {
            assert_eq!(address(other).ecr_region(), None, "{other}");
        }
    }
}
