//! The login for a registry: from the environment, from the AWS CLI, or as `docker login` and `podman login` stored it.
//! Passwords stay in memory: the packager never puts them into an argument or a file.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_packager::internal::{
    Config, Error, ErrorKind, Invocation, PublishFault, RegistryLogin, Reporter, Result, env, fs,
};
use serde_json::Value;

use crate::publish::address::Ecr;
use crate::publish::{Address, Login};

/// For the AWS CLI and for credential helpers, which may ask a server in turn.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The user of every ECR token.
const ECR_USER: &str = "AWS";

/// The login for a registry, `None` for no login. Whoever wrote the project's manifests chooses the registry there, but
/// not which of the user's logins it gets.
///
/// # Errors
/// Where there is none although one was asked for, or the registry may not get it.
pub fn find(config: &Config, address: &Address, report: &mut Reporter) -> Result<Option<Login>> {
    let place = || config.place_of("registry_login");
    if config.registry_login == RegistryLogin::None {
        return Ok(None);
    }
    if !address.may_have_login() {
        return match config.registry_login {
            RegistryLogin::Auto => Ok(None),
            _ => Err(refused(format!(
                "{} asks for a login, but {} has no TLS: others could read it on the way",
                place(),
                address.authority
            ))
            .hint_with("write `https://` before its name, or use no login: `--registry-login none`")),
        };
    }
    match config.registry_login {
        RegistryLogin::None => Ok(None),
        RegistryLogin::Environment => {
            Source::Environment.login(config, address)?.map(Some).ok_or_else(|| {
                refused(format!("{} requires a login from the environment, but there is none", place()))
                    .hint_with(format!("set {} and {}", env::REGISTRY_USER, env::REGISTRY_PASSWORD))
            })
        }
        RegistryLogin::Ecr if address.ecr().is_none() && !config.is_of_user("registry_login") => {
            Err(refused(format!("{} asks for a login to ECR, but {} is no host of ECR", place(), address.authority))
                .hint_with("if it may have your login to ECR, use the flag `--registry-login ecr`"))
        }
        RegistryLogin::Ecr => of_aws(address.ecr()).map(Some),
        RegistryLogin::Engine => of_engines(address)?.map(Some).ok_or_else(|| {
            refused(format!("{} requires the engine's login to {}, but there is none", place(), address.authority))
                .hint_with(format!("run `docker login {0}` or `podman login {0}`", address.authority))
        }),
        RegistryLogin::Auto => of_any(config, address, report),
    }
}

/// A place that may have a login.
#[derive(Debug, Clone, Copy)]
enum Source {
    Environment,
    Aws,
    Engines,
}

impl Source {
    fn login(self, config: &Config, address: &Address) -> Result<Option<Login>> {
        match self {
            Self::Environment if is_of_user(config) => of_environment(),
            Self::Environment => match of_environment()? {
                Some(_) => Err(not_of_user(config, address)),
                None => Ok(None),
            },
            Self::Aws => address.ecr().map(|ecr| of_aws(Some(ecr))).transpose(),
            Self::Engines => of_engines(address),
        }
    }
}

/// Whether the user, and not only a manifest, says that the registry gets the login of the environment.
fn is_of_user(config: &Config) -> bool {
    let asks = config.registry_login == RegistryLogin::Environment && config.is_of_user("registry_login");
    asks || config.is_of_user("registry")
}

fn not_of_user(config: &Config, address: &Address) -> Error {
    let (host, place) = (&address.authority, config.place_of("registry"));
    refused(format!("the login of {} is not for {host}, which only {place} names", env::REGISTRY_USER)).hint_with(
        "if that registry may have it, use `--registry-login environment`, or name the registry with `--registry`",
    )
}

/// The first login that there is. What a source could not say is noted, and the next one is asked.
///
/// # Errors
/// If there is none for a registry that always requires one, the first failure; an interruption.
fn of_any(config: &Config, address: &Address, report: &mut Reporter) -> Result<Option<Login>> {
    let mut first = None;
    for source in [Source::Environment, Source::Aws, Source::Engines] {
        match source.login(config, address) {
            Ok(Some(login)) => return Ok(Some(login)),
            Ok(None) => {}
            Err(error) if error.is_interrupted() => return Err(error),
            Err(error) => {
                report.note(&error.with_advice());
                first.get_or_insert(error);
            }
        }
    }
    match (first, address.ecr()) {
        (Some(error), Some(Ecr::Private { .. })) => Err(error),
        _ => Ok(None),
    }
}

fn refused(message: String) -> Error {
    Error::publish(PublishFault::LoginRefused, message)
}

fn of_environment() -> Result<Option<Login>> {
    let set = |name: &str| env::var(name).filter(|value| !value.is_empty());
    match (set(env::REGISTRY_USER), set(env::REGISTRY_PASSWORD)) {
        (Some(user), Some(password)) => Ok(Some(Login { user, password })),
        (None, None) => Ok(None),
        (user, _) => {
            let (set, unset) = (env::REGISTRY_USER, env::REGISTRY_PASSWORD);
            let (set, unset) = if user.is_some() { (set, unset) } else { (unset, set) };
            Err(refused(format!("{set} is set, but {unset} is not")).hint_with("set both, or neither"))
        }
    }
}

/// A login by the AWS CLI: to `ecr`, or to the account and region of its configuration.
fn of_aws(ecr: Option<Ecr>) -> Result<Login> {
    let Some(aws) = env::find_program("aws") else {
        let (user, password) = (env::REGISTRY_USER, env::REGISTRY_PASSWORD);
        return Err(refused("the AWS CLI, which is needed to log in to ECR, is not on PATH".into())
            .hint_with(format!("install it (<https://docs.aws.amazon.com/cli/>), or set {user} and {password}")));
    };
    // With its default timeouts the AWS CLI would try for minutes.
    let mut args = vec!["--cli-connect-timeout", "5", "--cli-read-timeout", "10"];
    args.extend(match ecr {
        Some(Ecr::Private { region }) => vec!["ecr", "get-login-password", "--region", region],
        // It is in this region only.
        // Source: <https://docs.aws.amazon.com/AmazonECR/latest/public/public-registry-auth.html>.
        Some(Ecr::Public) => vec!["ecr-public", "get-login-password", "--region", "us-east-1"],
        None => vec!["ecr", "get-login-password"],
    });
    let call = Invocation::new(&aws).args(&args);
    let output = call.output(None, TIMEOUT).map_err(|error| match error.kind() {
        ErrorKind::Engine => unreachable_aws().source(error),
        _ => error,
    })?;
    let password = output.stdout_text();
    if output.success() && !password.is_empty() {
        return Ok(Login { user: ECR_USER.into(), password });
    }
    Err(aws_failure(&output.stderr_text()))
}

fn unreachable_aws() -> Error {
    Error::publish(PublishFault::Unreachable, "AWS does not answer the AWS CLI's request for a login to ECR")
        .hint_with("check network, VPN, proxy and region")
}

/// The error for a failed call of the AWS CLI, by what it printed.
fn aws_failure(said: &str) -> Error {
    let lower = said.to_lowercase();
    let unreachable = ["could not connect", "connect timeout", "read timeout", "endpoint url"];
    let error = if lower.contains("expired") {
        Error::publish(PublishFault::TokenExpired, "the AWS session for the login to ECR has expired")
            .hint_with("log in again (`aws sso login`, or new keys), then run it again")
    } else if unreachable.iter().any(|sign| lower.contains(sign)) {
        unreachable_aws()
    } else {
        refused("AWS refused a login to ECR".into()).hint_with(
            "run `aws sts get-caller-identity`; that identity needs the permission `ecr:GetAuthorizationToken`",
        )
    };
    error.source(said.to_string())
}

/// The login that `docker login` or `podman login` stored, in docker's format.
///
/// Sources: <https://docs.docker.com/reference/cli/docker/login/>,
/// <https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md>.
fn of_engines(address: &Address) -> Result<Option<Login>> {
    for path in stores()? {
        let Some(bytes) = fs::read_if_exists(&path)? else { continue };
        let store: Value = serde_json::from_slice(&bytes).map_err(|e| {
            refused(format!("{} is not valid JSON", path.display()))
                .source(e)
                .hint_with("fix the file, or log in again")
        })?;
        if let Some(login) = of_store(&store, &address.authority)? {
            return Ok(Some(login));
        }
    }
    Ok(None)
}

fn stores() -> Result<Vec<PathBuf>> {
    let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = env::home()?;
    let docker = folder("DOCKER_CONFIG").unwrap_or_else(|| home.join(".docker")).join("config.json");
    let podman = folder("REGISTRY_AUTH_FILE")
        .or_else(|| folder("XDG_RUNTIME_DIR").map(|folder| folder.join("containers/auth.json")));
    let config = folder("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
    Ok([Some(docker), podman, Some(config.join("containers/auth.json"))].into_iter().flatten().collect())
}

fn of_store(store: &Value, authority: &str) -> Result<Option<Login>> {
    let helper = store["credHelpers"][authority].as_str();
    if let Some(helper) = helper.or_else(|| store["credsStore"].as_str())
        && let Some(login) = of_helper(helper, authority)?
    {
        return Ok(Some(login));
    }
    let spellings = [authority.to_string(), format!("https://{authority}"), format!("http://{authority}")];
    let entry = spellings.iter().map(|name| &store["auths"][name]).find_map(|entry| entry["auth"].as_str());
    let Some(entry) = entry.filter(|entry| !entry.is_empty()) else {
        return Ok(None);
    };
    let pair = STANDARD.decode(entry).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    match pair.as_deref().and_then(|pair| pair.split_once(':')) {
        Some((user, password)) => Ok(Some(Login { user: user.into(), password: password.into() })),
        None => Err(refused(format!("cannot read the engine's login to {authority}"))
            .hint_with(format!("log in again: `docker login {authority}`"))),
    }
}

/// Asks a credential helper. Source: <https://github.com/docker/docker-credential-helpers>.
fn of_helper(helper: &str, authority: &str) -> Result<Option<Login>> {
    let name = format!("docker-credential-{helper}");
    let plain = helper.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let Some(program) = env::find_program(&name).filter(|_| plain) else {
        return Err(refused(format!("the engine stores its logins in {name}, which is not on PATH"))
            .hint_with("install it, or set the login in environment variables"));
    };
    let output = Invocation::new(&program).args(&["get"]).output(Some(authority.into()), TIMEOUT)?;
    if !output.success() {
        // It has none for this registry.
        return Ok(None);
    }
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    match (answer["Username"].as_str(), answer["Secret"].as_str()) {
        (Some(user), Some(password)) => Ok(Some(Login { user: user.into(), password: password.into() })),
        _ => Err(refused(format!("{name} printed unexpected output"))),
    }
}

#[cfg(test)]
mod tests {
    use lambda_packager::internal::{Layer, Origin};
    use serde_json::json;

    use super::*;

    fn layer(origin: Origin, values: Value) -> (Origin, Layer) {
        let Value::Object(values) = values else { panic!("a table") };
        let layer = Layer::parse(values, &origin).unwrap();
        (origin, layer)
    }

    /// The settings of flags, over those of a manifest.
    fn config(flags: Value, manifest: Value) -> Config {
        let table = Origin::Manifest("package.metadata.lambda-packager", "/p/Cargo.toml".into());
        Config::resolve(vec![layer(Origin::Flag, flags), layer(table, manifest)])
    }

    #[test]
    fn a_manifest_alone_gives_no_registry_the_login_of_the_environment() {
        let named = json!({"registry": "registry.example"});
        for (flags, manifest, gets) in [
            (json!({}), named.clone(), false),
            (json!({}), json!({"registry": "registry.example", "registry_login": "environment"}), false),
            (json!({"registry_login": "auto"}), named.clone(), false),
            (json!({"registry_login": "environment"}), named.clone(), true),
            (named.clone(), json!({"registry": "another.example", "registry_login": "environment"}), true),
        ] {
            assert_eq!(is_of_user(&config(flags.clone(), manifest.clone())), gets, "{flags} over {manifest}");
        }
        let address = Address::parse("registry.example", "").unwrap();
        let error = not_of_user(&config(json!({}), named), &address);
        assert_eq!(error.exit_code(), 11);
        assert!(error.to_string().contains("registry.example, which only `registry` in"), "{error}");
    }

    #[test]
    fn nobody_is_asked_for_a_login_that_the_registry_may_not_get() {
        let find = |flags: Value, manifest: Value, registry: &str| {
            let address = Address::parse(registry, "").unwrap();
            let found = find(&config(flags, manifest), &address, &mut Reporter::new(Vec::new(), false, false));
            found.map(|login| login.is_some()).map_err(|error| error.to_string())
        };
        let resembles_ecr = "123456789012.dkr.ecr.eu-central-1.amazonaws.attacker.example";
        let error = find(json!({}), json!({"registry_login": "ecr"}), resembles_ecr).unwrap_err();
        assert!(error.contains("is no host of ECR"), "{error}");
        for registry in ["http://registry.example", "http://123456789012.dkr.ecr.eu-central-1.amazonaws.com"] {
            assert_eq!(find(json!({}), json!({}), registry), Ok(false));
            for login in ["ecr", "environment", "engine"] {
                let error = find(json!({"registry_login": login}), json!({}), registry).unwrap_err();
                assert!(error.contains("has no TLS"), "{registry} {login}: {error}");
            }
        }
    }

    #[test]
    fn a_store_is_read_as_docker_and_podman_write_it() {
        let store = json!({"auths": {
            "registry.example:5000": {"auth": STANDARD.encode("user:pass:word")},
            "https://other.example": {"auth": STANDARD.encode("a:b")},
            "empty.example": {},
            "broken.example": {"auth": "?"},
        }});
        let login = of_store(&store, "registry.example:5000").unwrap().unwrap();
        assert_eq!((login.user.as_str(), login.password.as_str()), ("user", "pass:word"));
        assert_eq!(of_store(&store, "other.example").unwrap().unwrap().user, "a");
        assert!(of_store(&store, "empty.example").unwrap().is_none());
        assert!(of_store(&store, "none.example").unwrap().is_none());
        assert!(of_store(&store, "broken.example").is_err());
    }

    #[test]
    fn what_the_aws_cli_says_is_told_apart() {
        let code = |said: &str| aws_failure(said).exit_code();
        let expired = "An error occurred (ExpiredTokenException) when calling the GetAuthorizationToken operation";
        assert_eq!(code(expired), 12);
        assert_eq!(code("Error when retrieving token from sso: Token has expired and refresh failed"), 12);
        assert!(aws_failure("ExpiredTokenException").hint().unwrap().contains("aws sso login"));
        assert_eq!(code("Could not connect to the endpoint URL: \"https://api.ecr.x.amazonaws.com/\""), 10);
        assert_eq!(
            code("Unable to locate credentials. You can configure credentials by running \"aws configure\"."),
            11
        );
    }
}
