//! The address of a registry: scheme, host, and the prefix of the names of its repositories.

use lambda_packager::internal::{Error, Result};

/// Where a registry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    scheme: &'static str,
    /// Host and port.
    pub authority: String,
    /// The path before the name of every repository; empty, or ends with `/`.
    pub prefix: String,
}

impl Address {
    /// Reads `registry`, which the setting `place` names. Without a scheme it uses TLS, except on this machine, as
    /// docker does.
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
        let scheme = scheme.unwrap_or(if is_loopback(authority) { "http" } else { "https" });
        Ok(Self { scheme, authority: authority.to_string(), prefix })
    }

    /// Docker Hub's API has another host than its images are named by.
    fn origin(&self) -> String {
        let host = if self.is_docker_hub() { "registry-1.docker.io" } else { &*self.authority };
        format!("{}://{host}", self.scheme)
    }

    fn is_docker_hub(&self) -> bool {
        ["docker.io", "index.docker.io", "registry-1.docker.io"].contains(&&*self.authority)
    }

    /// The names under which docker and podman may store the login for `repository`, which has this address' prefix: podman
    /// has one for each namespace. The last one is the registry's own.
    ///
    /// Sources: <https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md#format>,
    /// <https://docs.docker.com/reference/cli/docker/login/#credential-stores>.
    pub fn login_names(&self, repository: &str) -> Vec<String> {
        let host = if self.is_docker_hub() { "docker.io" } else { &*self.authority };
        let parts: Vec<&str> = repository.split('/').collect();
        let mut names: Vec<_> = (1..=parts.len()).rev().map(|n| format!("{host}/{}", parts[..n].join("/"))).collect();
        names.push(host.to_string());
        if self.is_docker_hub() {
            names.push("https://index.docker.io/v1/".into());
        }
        names
    }

    /// The URL of a path here; what is not a path already is a URL.
    pub fn url(&self, target: &str) -> String {
        if target.starts_with('/') { format!("{}{target}", self.origin()) } else { target.to_string() }
    }

    /// Whether a URL is on this server. The registry may name a URL on another server, which must not get the password.
    pub fn has(&self, url: &str) -> bool {
        url.strip_prefix(&self.origin()).is_some_and(|path| path.starts_with('/'))
    }

    /// Whether a URL that the registry named may be used: one with TLS does not send us to a server without.
    pub fn may_refer_to(&self, url: &str) -> bool {
        let has_tls = url.get(..8).is_some_and(|scheme| scheme.eq_ignore_ascii_case("https://"));
        self.has(url) || has_tls || !self.has_tls()
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.authority)
    }

    pub fn has_tls(&self) -> bool {
        self.scheme == "https"
    }

    /// Whether a login may be sent there: nobody on the way can read it.
    pub fn may_have_login(&self) -> bool {
        self.has_tls() || self.is_loopback()
    }

    /// What it is of ECR; `None` for any other registry, also for one whose name only resembles these.
    ///
    /// Sources: <https://docs.aws.amazon.com/AmazonECR/latest/userguide/Registries.html>,
    /// <https://docs.aws.amazon.com/AmazonECR/latest/public/public-registries.html>, and for all partitions
    /// <https://github.com/awslabs/amazon-ecr-credential-helper/blob/main/ecr-login/api/client.go>.
    pub fn ecr(&self) -> Option<Ecr<'_>> {
        if PUBLIC.contains(&&*self.authority) {
            return Some(Ecr::Public);
        }
        let (account, rest) = self.authority.split_once('.')?;
        let is_account = account.len() == 12 && account.chars().all(|c| c.is_ascii_digit());
        let (service, rest) = ["dkr.ecr", "dkr.ecr-fips", "dkr-ecr", "dkr-ecr-fips"]
            .iter()
            .find_map(|service| Some((*service, rest.strip_prefix(service)?.strip_prefix('.')?)))?;
        let (region, domain) = rest.split_once('.')?;
        let domains = if service.starts_with("dkr.") { &DOMAINS[..] } else { &DUAL_STACK[..] };
        let is_region = region.starts_with(|c: char| c.is_ascii_lowercase())
            && region.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
        (is_account && is_region && domains.contains(&domain)).then_some(Ecr::Private { region })
    }
}

/// The hosts of ECR Public.
const PUBLIC: [&str; 2] = ["public.ecr.aws", "ecr-public.aws.com"];
/// The domains of ECR, one for each partition of AWS.
const DOMAINS: [&str; 7] = [
    "amazonaws.com",
    "amazonaws.com.cn",
    "amazonaws.eu",
    "c2s.ic.gov",
    "sc2s.sgov.gov",
    "cloud.adc-e.uk",
    "csp.hci.ic.gov",
];
/// The domains of its hosts that have IPv6 as well.
const DUAL_STACK: [&str; 2] = ["on.aws", "on.amazonwebservices.com.cn"];

/// A registry of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ecr<'a> {
    /// The registry of an account in a region.
    Private { region: &'a str },
    /// The registry of public images.
    Public,
}

fn is_loopback(authority: &str) -> bool {
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    host == "localhost" || host == "[::1]" || host.parse::<std::net::Ipv4Addr>().is_ok_and(|ip| ip.is_loopback())
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
            let address = address(text);
            assert_eq!(address.origin(), origin);
            for (url, ours) in [("/v2/", true), (&*format!("{origin}1/v2/"), false), ("https://other/v2/", false)] {
                assert_eq!(address.has(&address.url(url)), ours, "{text} {url}");
            }
        }
        assert_eq!(address("registry.example/owner/team").prefix, "owner/team/");
        for wrong in ["", "ftp://x", "https://", "user:password@host", "a b"] {
            let error = Address::parse(wrong, "flag --registry").unwrap_err();
            assert!(error.to_string().starts_with("flag --registry"), "{wrong}: {error}");
        }
    }

    #[test]
    fn a_login_is_looked_for_by_namespace_host_and_what_docker_calls_its_hub() {
        assert_eq!(
            address("quay.example/team").login_names("team/app"),
            ["quay.example/team/app", "quay.example/team", "quay.example"]
        );
        let hub = address("docker.io/me");
        assert_eq!(
            hub.login_names("me/app"),
            ["docker.io/me/app", "docker.io/me", "docker.io", "https://index.docker.io/v1/"]
        );
        assert!(hub.has("https://registry-1.docker.io/v2/") && hub.url("/v2/") == "https://registry-1.docker.io/v2/");
    }

    #[test]
    fn only_hosts_of_aws_are_ecr() {
        let private = |region| Some(Ecr::Private { region });
        for (host, ecr) in [
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com", private("eu-central-1")),
            ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", private("cn-north-1")),
            ("123456789012.dkr.ecr.eusc-de-east-1.amazonaws.eu", private("eusc-de-east-1")),
            ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", private("us-gov-west-1")),
            ("123456789012.dkr.ecr.us-iso-east-1.c2s.ic.gov", private("us-iso-east-1")),
            ("123456789012.dkr.ecr.us-isob-east-1.sc2s.sgov.gov", private("us-isob-east-1")),
            ("123456789012.dkr.ecr.eu-isoe-west-1.cloud.adc-e.uk", private("eu-isoe-west-1")),
            ("123456789012.dkr.ecr.us-isof-east-1.csp.hci.ic.gov", private("us-isof-east-1")),
            ("123456789012.dkr-ecr.us-east-1.on.aws", private("us-east-1")),
            ("123456789012.dkr-ecr-fips.us-east-1.on.aws", private("us-east-1")),
            ("public.ecr.aws/alias", Some(Ecr::Public)),
            ("ecr-public.aws.com", Some(Ecr::Public)),
            ("registry.example", None),
            ("x.dkr.ecr.eu-central-1.amazonaws.com", None),
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.attacker.example", None),
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com.attacker.example", None),
            ("123456789012.dkr.ecr.eu-central-1.amazonaws.com:8443", None),
            ("123456789012.dkr.ecr.--debug.amazonaws.com", None),
            ("123456789012.dkr-ecr.us-east-1.amazonaws.com", None),
            ("public.ecr.aws.attacker.example", None),
        ] {
            assert_eq!(address(host).ecr(), ecr, "{host}");
        }
    }

    #[test]
    fn a_registry_with_tls_sends_nobody_to_a_server_without() {
        for (registry, url, may) in [
            ("registry.example", "https://registry.example/v2/", true),
            ("registry.example", "https://storage.example/blob", true),
            ("registry.example", "http://storage.example/blob", false),
            ("registry.example", "http://registry.example/v2/", false),
            ("registry.example", "HTTP://localhost/", false),
            ("http://registry.example", "http://storage.example/blob", true),
        ] {
            assert_eq!(address(registry).may_refer_to(url), may, "{registry} {url}");
        }
    }

    #[test]
    fn a_login_is_sent_with_tls_only_but_on_this_machine() {
        for (registry, may) in [
            ("registry.example", true),
            ("localhost:5000", true),
            ("http://[::1]:5000", true),
            ("http://registry.example", false),
            ("http://123456789012.dkr.ecr.eu-central-1.amazonaws.com", false),
        ] {
            assert_eq!(address(registry).may_have_login(), may, "{registry}");
        }
    }
}
