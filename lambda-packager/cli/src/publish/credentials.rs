//! The login for a registry: from the environment, from the AWS CLI, or as `docker login` and `podman login` stored it.
//! Passwords stay in memory: the packager never puts them into an argument or a file.

use std::path::PathBuf;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lambda_packager::internal::{Config, Error, ErrorKind, Invocation, PublishFault, RegistryLogin, Result, env, fs};
use serde_json::Value;

use crate::publish::{Address, Login};

/// For the AWS CLI and for credential helpers, which may ask a server in turn.
const TIMEOUT: Duration = Duration::from_secs(20);
/// The user of every ECR token.
const ECR_USER: &str = "AWS";

/// The login for a registry, `None` for no login.
///
/// # Errors
/// Where there is none although one was asked for.
pub fn find(config: &Config, address: &Address) -> Result<Option<Login>> {
    let place = || config.place_of("registry_login");
    match config.registry_login {
        RegistryLogin::None => Ok(None),
        RegistryLogin::Environment => {
            of_environment()?.map(Some).ok_or_else(|| {
                refused(format!("{} requires a login from the environment, but there is none", place()))
                    .hint_with(format!("set {} and {}", env::REGISTRY_USER, env::REGISTRY_PASSWORD))
            })
        }
        RegistryLogin::Ecr => of_aws(address.ecr_region()).map(Some),
        RegistryLogin::Engine => of_engines(address)?.map(Some).ok_or_else(|| {
            refused(format!("{} requires the engine's login to {}, but there is none", place(), address.authority))
                .hint_with(format!("run `docker login {0}` or `podman login {0}`", address.authority))
        }),
        RegistryLogin::Auto => match (of_environment()?, address.ecr_region()) {
            (Some(login), _) => Ok(Some(login)),
            (None, Some(region)) => of_aws(Some(region)).map(Some),
            (None, None) => of_engines(address),
        },
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

fn of_aws(region: Option<&str>) -> Result<Login> {
    let Some(aws) = env::find_program("aws") else {
        let (user, password) = (env::REGISTRY_USER, env::REGISTRY_PASSWORD);
        return Err(refused("the AWS CLI, which is needed to log in to ECR, is not on PATH".into())
            .hint_with(format!("install it (<https://docs.aws.amazon.com/cli/>), or set {user} and {password}")));
    };
    // With its default timeouts the AWS CLI would try for minutes.
    let mut args = vec!["--cli-connect-timeout", "5", "--cli-read-timeout", "10", "ecr", "get-login-password"];
    if let Some(region) = region {
        args.extend(["--region", region]);
    }
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
    use serde_json::json;

    use super::*;

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
