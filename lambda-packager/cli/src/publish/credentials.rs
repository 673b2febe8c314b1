//! The login for a registry: from the environment, from the AWS CLI, or as `docker login` and `podman login` stored it.
//! Passwords stay in memory: the packager never puts them into an argument or a file.

use std::time::{Duration, Instant};

use lambda_packager::internal::{
    Config, Error, ErrorKind, Invocation, PublishFault, RegistryLogin, Reporter, Result, env,
};

use crate::publish::address::Ecr;
use crate::publish::login;
use crate::publish::login::{Source, TIMEOUT, TIMEOUT_OF_ALL, refused};
use crate::publish::stored_logins::engines;
use crate::publish::{Address, Login};

/// The user of every ECR token.
const ECR_USER: &str = "AWS";

/// What names a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By {
    /// The setting `registry`.
    Settings,
    /// A reference on the command line.
    Reference,
}

/// The login for `repository` of a registry that is named `by` these, `None` for no login. Whoever wrote the project's
/// manifests chooses the registry there, but not which of the user's logins it gets.
///
/// # Errors
/// Where there is none although one was asked for, or the registry may not get it.
pub fn find(
    config: &Config,
    address: &Address,
    by: By,
    repository: &str,
    report: &mut Reporter,
) -> Result<Option<Login>> {
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
            of_environment_for(config, address, by)?.map(Some).ok_or_else(|| {
                refused(format!("{} requires a login from the environment, but there is none", place()))
                    .hint_with(format!("set {} and {}", env::REGISTRY_USER, env::REGISTRY_PASSWORD))
            })
        }
        RegistryLogin::Ecr if address.ecr().is_none() && !asks(config, address, by) => {
            Err(refused(format!("{} asks for a login to ECR, but {} is no host of ECR", place(), address.authority))
                .hint_with(
                    "if it may have your login to ECR, use the flag `--registry-login ecr`, and name no other registry",
                ))
        }
        RegistryLogin::Ecr => of_aws(address.ecr(), TIMEOUT).map(Some),
        RegistryLogin::Engine => first_of(&engines(address, repository)?.collect::<Vec<_>>(), TIMEOUT_OF_ALL, report)?
            .map(Some)
            .ok_or_else(|| {
                refused(format!("{} requires the engine's login to {}, but there is none", place(), address.authority))
                    .hint_with(format!("run `docker login {0}` or `podman login {0}`", address.authority))
            }),
        RegistryLogin::Auto => of_any(config, address, by, repository, report),
    }
}

/// The login of the environment, if the registry may have it.
fn of_environment_for(config: &Config, address: &Address, by: By) -> Result<Option<Login>> {
    match of_environment()? {
        Some(_) if !may_have_environments(config, address, by) => Err(not_of_user(config, address)),
        login => Ok(login),
    }
}

/// Whether the user, and not only a manifest, says that the registry gets the login of the environment.
fn may_have_environments(config: &Config, address: &Address, by: By) -> bool {
    let is_asked_for = config.registry_login == RegistryLogin::Environment && asks(config, address, by);
    is_asked_for || is_named_by_user(config, address, by)
}

/// Whether the user, and not only a manifest, says where the login for this registry comes from.
fn asks(config: &Config, address: &Address, by: By) -> bool {
    let is_meant = is_setting(config, address) || is_named_by_user(config, address, by);
    config.is_of_user("registry_login") && is_meant
}

/// Whether the user names this registry: by the setting, or, where the user set none, by a reference.
fn is_named_by_user(config: &Config, address: &Address, by: By) -> bool {
    match config.is_of_user("registry") {
        true => is_setting(config, address),
        false => by == By::Reference,
    }
}

/// Whether the setting `registry` is this one.
fn is_setting(config: &Config, address: &Address) -> bool {
    let set = config.registry.as_ref().and_then(|registry| Address::parse(registry, "").ok());
    set.is_some_and(|set| set.authority == address.authority)
}

fn not_of_user(config: &Config, address: &Address) -> Error {
    let (host, place) = (&address.authority, config.place_of("registry"));
    let error = |why: &str| refused(format!("the login of {} is not for {host}{why}", env::REGISTRY_USER));
    if !is_setting(config, address) {
        return error(&format!(": {place} names another registry"))
            .hint_with("if that registry may have it, name it with `--registry`");
    }
    error(&format!(", which only {place} names")).hint_with(
        "if that registry may have it, use `--registry-login environment`, or name the registry with `--registry`",
    )
}

/// The first login that there is.
///
/// # Errors
/// If there is none for a registry that always requires one, the first failure; an interruption.
fn of_any(
    config: &Config,
    address: &Address,
    by: By,
    repository: &str,
    report: &mut Reporter,
) -> Result<Option<Login>> {
    let mut sources: Vec<Source> = vec![
        Box::new(|_| of_environment_for(config, address, by)),
        Box::new(|limit| address.ecr().map(|ecr| of_aws(Some(ecr), limit)).transpose()),
    ];
    sources.extend(engines(address, repository)?);
    match first_of(&sources, TIMEOUT_OF_ALL, report) {
        Err(error) if !error.is_interrupted() && !matches!(address.ecr(), Some(Ecr::Private { .. })) => {
            report.note(&error.with_advice());
            Ok(None)
        }
        result => result,
    }
}

/// Asks one source after the other until one has a login, and no longer than `limit` in all. What failed before is noted.
///
/// # Errors
/// If none has one, the first failure; an interruption.
fn first_of(sources: &[Source], limit: Duration, report: &mut Reporter) -> Result<Option<Login>> {
    let (mut found, mut failures) = (None, Vec::new());
    let deadline = Instant::now() + limit;
    for source in sources {
        // One that only reads a file needs none.
        match source(deadline.saturating_duration_since(Instant::now()).min(TIMEOUT)) {
            Ok(None) => {}
            Ok(login) => {
                found = login;
                break;
            }
            Err(error) if error.is_interrupted() => return Err(error),
            Err(error) => failures.push(error),
        }
    }
    let first = if found.is_none() && !failures.is_empty() { Some(failures.remove(0)) } else { None };
    failures.iter().for_each(|error| report.note(&error.with_advice()));
    first.map_or(Ok(found), Err)
}

fn of_environment() -> Result<Option<Login>> {
    let set = |name: &str| env::var(name).filter(|value| !value.is_empty());
    match (set(env::REGISTRY_USER), set(env::REGISTRY_PASSWORD)) {
        (Some(user), Some(password)) => Ok(Some(Login::Password { user, password })),
        (None, None) => Ok(None),
        (user, _) => {
            let (set, unset) = (env::REGISTRY_USER, env::REGISTRY_PASSWORD);
            let (set, unset) = if user.is_some() { (set, unset) } else { (unset, set) };
            Err(refused(format!("{set} is set, but {unset} is not")).hint_with("set both, or neither"))
        }
    }
}

/// A login by the AWS CLI: to `ecr`, or to the account and region of its configuration.
fn of_aws(ecr: Option<Ecr>, limit: Duration) -> Result<Login> {
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
    login::refuse_late(limit, "the AWS CLI")?;
    let call = Invocation::new(&aws).args(&args);
    let output = call.output(None, limit).map_err(|error| match error.kind() {
        ErrorKind::Engine => unreachable_aws().source(error),
        _ => error,
    })?;
    let password = output.stdout_text();
    if output.success() && !password.is_empty() {
        return Ok(Login::Password { user: ECR_USER.into(), password });
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
    let error = if ["signature expired", "signature not yet current"].iter().any(|sign| lower.contains(sign)) {
        Error::publish(PublishFault::LoginRefused, "AWS refuses the login to ECR: the clock of this machine is wrong")
            .hint_with("set the clock, for example by NTP, then run it again")
    } else if lower.contains("expired") {
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

#[cfg(test)]
mod tests {
    use lambda_packager::internal::{Layer, Origin};
    use serde_json::{Value, json};

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
            let config = config(flags.clone(), manifest.clone());
            let address = Address::parse(config.registry.as_ref().unwrap(), "").unwrap();
            let may_have = may_have_environments(&config, &address, By::Settings);
            assert_eq!(may_have, gets, "{flags} over {manifest}");
        }
        let address = Address::parse("registry.example", "").unwrap();
        let error = not_of_user(&config(json!({}), named), &address);
        assert_eq!(error.exit_code(), 11);
        assert!(error.to_string().contains("registry.example, which only `registry` in"), "{error}");
    }

    #[test]
    fn a_reference_gets_no_login_that_is_for_another_registry() {
        let address = Address::parse("other.example", "").unwrap();
        let named = |host: &str| json!({"registry": host});
        let ecr = json!({"registry": "registry.example", "registry_login": "ecr"});
        let environment = json!({"registry": "registry.example", "registry_login": "environment"});
        for (flags, manifest, gets) in [
            (named("registry.example"), json!({}), false),
            (environment.clone(), json!({}), false),
            (named("https://other.example/team"), json!({}), true),
            // The user named no other one.
            (json!({}), json!({}), true),
            (json!({}), named("registry.example"), true),
        ] {
            let config = config(flags.clone(), manifest.clone());
            assert_eq!(may_have_environments(&config, &address, By::Reference), gets, "{flags} over {manifest}");
        }
        let error = not_of_user(&config(environment, json!({})), &address);
        assert!(error.to_string().ends_with("other.example: flag --registry names another registry"), "{error}");
        assert!(!asks(&config(ecr, json!({})), &address, By::Reference));
    }

    #[test]
    fn nobody_is_asked_for_a_login_that_the_registry_may_not_get() {
        let find = |flags: Value, manifest: Value, registry: &str| {
            let address = Address::parse(registry, "").unwrap();
            let mut report = Reporter::new(Vec::new(), false, false);
            let found = find(&config(flags, manifest), &address, By::Settings, "app", &mut report);
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
    fn a_source_that_fails_does_not_end_the_search() {
        let login = Login::Password { user: "a".into(), password: "b".into() };
        let failing = || -> Source { Box::new(|_| Err(refused("first".into()))) };
        let mut sources: Vec<Source> = vec![failing(), Box::new(|_| Ok(None))];
        let first_of = |sources: &[Source], report: &mut Reporter| first_of(sources, TIMEOUT_OF_ALL, report);
        let mut report = Reporter::new(Vec::new(), false, false);
        let error = first_of(&sources, &mut report).map(|login| login.is_some()).unwrap_err();
        assert_eq!(error.to_string(), "first");
        sources.push(Box::new(|_| Ok(Some(login.clone()))));
        assert!(first_of(&sources, &mut report).is_ok_and(|found| found.as_ref() == Some(&login)));
    }

    #[test]
    fn all_sources_together_have_one_limit() {
        let asked = std::cell::RefCell::new(Vec::new());
        let slow = |limit: Duration| {
            login::refuse_late(limit, "a helper")?;
            asked.borrow_mut().push(limit);
            let call = Invocation::new("/bin/sh".as_ref()).args(&["-c", "exec tail -f /dev/null"]);
            call.output(None, limit).map(|_| None)
        };
        let sources: Vec<Source> = vec![Box::new(slow), Box::new(slow)];
        let limit = Duration::from_millis(50);
        assert!(first_of(&sources, limit, &mut Reporter::new(Vec::new(), false, false)).is_err());
        // The second one was not started any more.
        assert!(asked.borrow().len() == 1 && asked.borrow()[0] <= limit, "{asked:?}");
    }

    #[test]
    fn what_the_aws_cli_says_is_told_apart() {
        let code = |said: &str| aws_failure(said).exit_code();
        let expired = "An error occurred (ExpiredTokenException) when calling the GetAuthorizationToken operation";
        assert_eq!(code(expired), 12);
        // https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-troubleshooting.html
        for clock in ["Signature expired: 20261128T1 is now earlier than 20261128T2", "Signature not yet current"] {
            let error = aws_failure(&format!("An error occurred (InvalidSignatureException): {clock}"));
            assert!(error.exit_code() == 11 && error.hint().unwrap().contains("clock"), "{clock}");
        }
        assert_eq!(code("Error when retrieving token from sso: Token has expired and refresh failed"), 12);
        assert!(aws_failure("ExpiredTokenException").hint().unwrap().contains("aws sso login"));
        assert_eq!(code("Could not connect to the endpoint URL: \"https://api.ecr.x.amazonaws.com/\""), 10);
        assert_eq!(
            code("Unable to locate credentials. You can configure credentials by running \"aws configure\"."),
            11
        );
    }
}
