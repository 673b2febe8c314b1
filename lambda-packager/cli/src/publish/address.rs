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

    fn origin(&self) -> String {
        format!("{}://{}", self.scheme, self.authority)
    }

    /// The URL of a path here; what is not a path already is a URL.
    pub fn url(&self, target: &str) -> String {
        if target.starts_with('/') { format!("{}{target}", self.origin()) } else { target.to_string() }
    }

    /// Whether a URL is on this server. The registry may name a URL on another server, which must not get the password.
    pub fn has(&self, url: &str) -> bool {
        url.strip_prefix(&self.origin()).is_some_and(|path| path.starts_with('/'))
    }

    /// Whether it is on this machine.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.authority)
    }

    pub fn has_tls(&self) -> bool {
        self.scheme == "https"
    }

    /// The region, if it is a registry of ECR.
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
    fn an_ecr_registry_knows_its_region() {
        assert_eq!(address("123456789012.dkr.ecr.eu-central-1.amazonaws.com").ecr_region(), Some("eu-central-1"));
        assert_eq!(address("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn").ecr_region(), Some("cn-north-1"));
        assert_eq!(address("123456789012.dkr.ecr-fips.us-east-1.amazonaws.com").ecr_region(), Some("us-east-1"));
        for other in ["registry.example", "x.dkr.ecr.eu-central-1.amazonaws.com", "public.ecr.aws"] {
            assert_eq!(address(other).ecr_region(), None, "{other}");
        }
    }
}
