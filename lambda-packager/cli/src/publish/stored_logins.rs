//! The logins that `docker login` and `podman login` stored: in their files, or with the credential helper that a file names.

use std::path::PathBuf;
use std::time::Duration;

use docker_credential::{CredentialRetrievalError as Failure, DockerCredential};
use lambda_packager::internal::{Error, Invocation, Result, env, fs};
use rustix::process::getuid;
use serde_json::{Value, json};

use crate::publish::login::{Source, refuse_late, refused};
use crate::publish::{Address, Login};

/// A variable with the content of docker's file, which docker's command line reads before that file.
/// Source: <https://docs.docker.com/reference/cli/docker/#environment-variables>.
const VARIABLE: &str = "DOCKER_AUTH_CONFIG";

/// The variable and the files in which `docker login` and `podman login` store logins.
pub fn engines<'a>(address: &Address, repository: &str) -> Result<impl Iterator<Item = Source<'a>>> {
    let names = address.login_names(repository);
    let variable = env::var(VARIABLE).filter(|value| !value.is_empty());
    let variable = variable.map(|store| -> Source {
        let names = names.clone();
        Box::new(move |limit| of_store(store.as_bytes(), VARIABLE, &names, limit))
    });
    let files = stores()?.into_iter().map(move |path| -> Source {
        let names = names.clone();
        Box::new(move |limit| match fs::read_if_exists(&path)? {
            Some(bytes) => of_store(&bytes, &path.to_string_lossy(), &names, limit),
            None => Ok(None),
        })
    });
    Ok(variable.into_iter().chain(files))
}

fn stores() -> Result<Vec<PathBuf>> {
    let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = env::home()?;
    let docker = folder("DOCKER_CONFIG").unwrap_or_else(|| home.join(".docker")).join("config.json");
    let podman = of_podman(folder("REGISTRY_AUTH_FILE"), folder("XDG_RUNTIME_DIR"), getuid().as_raw());
    let config = folder("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
    Ok([docker].into_iter().chain(podman).chain([config.join("containers/auth.json")]).collect())
}

/// Where `podman login` of the user `uid` stores, with these variables: without them in root's folder, or in the one that
/// the system gives each user.
///
/// Sources: <https://github.com/containers/image/blob/main/docs/containers-auth.json.5.md>, `getPathToAuth` in
/// <https://github.com/containers/image/blob/main/pkg/docker/config/config.go>.
fn of_podman(file: Option<PathBuf>, runtime: Option<PathBuf>, uid: u32) -> Vec<PathBuf> {
    let of_user = [format!("/run/containers/{uid}"), format!("/run/user/{uid}/containers")].map(PathBuf::from);
    match (file, runtime) {
        (Some(file), _) => vec![file],
        (None, Some(runtime)) => vec![runtime.join("containers/auth.json")],
        (None, None) => of_user.map(|folder| folder.join("auth.json")).into(),
    }
}

/// The login in a store of docker's format at `place`, or of the credential helper that it names. `names` are those that it may
/// be stored under.
fn of_store(bytes: &[u8], place: &str, names: &[String], limit: Duration) -> Result<Option<Login>> {
    let mut store: Value = serde_json::from_slice(bytes).map_err(|e| {
        refused(format!("{place} is not valid JSON")).source(e).hint_with("correct it, or log in again")
    })?;
    // Without an entry, a credential helper is asked for the registry's own.
    let is_there = |name: &&String| store["auths"].get(name).is_some() || store["credHelpers"].get(name).is_some();
    let Some(name) = names.iter().find(is_there).or(names.last()).cloned() else { return Ok(None) };
    let failed = |error: Error| {
        let (user, password) = (env::REGISTRY_USER, env::REGISTRY_PASSWORD);
        error.hint_with(format!("log in again (`docker login`, `podman login`), or set {user} and {password}"))
    };
    let helper = |value: &Value| value.as_str().filter(|helper| !helper.is_empty()).map(String::from);
    if let Some(helper) = helper(&store["credHelpers"][&name]) {
        return of_helper(&helper, &name, limit).map_err(failed);
    }
    // Docker leaves these empty where a helper has the login.
    let login = store.get_mut("auths").and_then(|auths| auths.get_mut(&name)).and_then(Value::as_object_mut);
    if let Some(login) = login {
        login.retain(|_, value| value.as_str() != Some(""));
    }
    // Without the helpers: there they would run without a time limit.
    let file = json!({"auths": store["auths"]}).to_string();
    match docker_credential::get_credential_from_reader(file.as_bytes(), &name) {
        Ok(DockerCredential::UsernamePassword(user, password)) => Ok(Some(Login::Password { user, password })),
        Ok(DockerCredential::IdentityToken(token)) => Ok(Some(Login::Identity(token))),
        Err(Failure::NoCredentialConfigured) => match helper(&store["credsStore"]) {
            Some(helper) => of_helper(&helper, &name, limit).map_err(failed),
            None => Ok(None),
        },
        Err(error) => Err(failed(refused(format!("{place}: cannot read the login")).source(error))),
    }
}

/// Asks a credential helper. Source: <https://github.com/docker/docker-credential-helpers>.
fn of_helper(helper: &str, registry: &str, limit: Duration) -> Result<Option<Login>> {
    let name = format!("docker-credential-{helper}");
    let plain = helper.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    let Some(program) = env::find_program(&name).filter(|_| plain) else {
        return Err(refused(format!("the engine stores its logins in {name}, which is not on PATH")));
    };
    refuse_late(limit, &name)?;
    let output = Invocation::new(&program).args(&["get"]).output(Some(registry.as_bytes().to_vec().into()), limit)?;
    let said = [output.stdout_text(), output.stderr_text()].join(" ").trim().to_string();
    if !output.success() {
        // The words of docker's library of helpers.
        // Source: <https://github.com/docker/docker-credential-helpers/blob/master/credentials/error.go>.
        return if said.contains("credentials not found") {
            Ok(None)
        } else {
            Err(refused(format!("{name} has no login to {registry}")).source(said))
        };
    }
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    match (answer["Username"].as_str(), answer["Secret"].as_str()) {
        (Some("<token>"), Some(token)) => Ok(Some(Login::Identity(token.into()))),
        (Some(user), Some(password)) => Ok(Some(Login::Password { user: user.into(), password: password.into() })),
        _ => Err(refused(format!("{name} printed unexpected output"))),
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;
    use crate::damaged;

    #[test]
    fn podman_stores_where_its_variables_say_or_in_a_folder_of_the_user() {
        let path = |text: &str| Some(PathBuf::from(text));
        for (file, runtime, expected) in [
            (path("/a.json"), path("/run/user/7"), "/a.json"),
            (None, path("/run/user/7"), "/run/user/7/containers/auth.json"),
            (None, None, "/run/containers/7/auth.json /run/user/7/containers/auth.json"),
        ] {
            let found = of_podman(file, runtime, 7);
            let found: Vec<_> = found.iter().map(|path| path.to_string_lossy()).collect();
            assert_eq!(found.join(" "), expected);
        }
    }

    #[test]
    fn a_store_is_read_as_docker_and_podman_write_it() {
        let encoded = |pair: &str| json!({"auth": base64::engine::general_purpose::STANDARD.encode(pair)});
        let store = json!({"auths": {
            "registry.example:5000": encoded("user:pass:word"),
            "https://other.example": encoded("a:b"),
            "quay.example": encoded("all:b"),
            "quay.example/team": encoded("team:b"),
            "https://index.docker.io/v1/": encoded("hub:b"),
            "public.ecr.aws": encoded("AWS:b"),
            "identity.example": {"auth": encoded("0:")["auth"], "identitytoken": "secret"},
            "empty.example": {},
            "blank.example": {"auth": "", "identitytoken": ""},
            "broken.example": {"auth": "?"},
        }, "credHelpers": {"helped.example": "none-of-this-name"}});
        let find = |registry: &str| {
            let address = Address::parse(registry, "").unwrap();
            let names = address.login_names(&format!("{}app", address.prefix));
            of_store(store.to_string().as_bytes(), "/config.json", &names, Duration::ZERO).map(|login| match login {
                Some(Login::Password { user, .. }) => user,
                Some(Login::Identity(token)) => format!("identity {token}"),
                None => "none".into(),
            })
        };
        for (registry, expected) in [
            ("registry.example:5000", "user"),
            ("other.example", "a"),
            ("quay.example", "all"),
            ("quay.example/team", "team"),
            ("quay.example/teams", "all"),
            ("docker.io/me", "hub"),
            ("public.ecr.aws/me", "AWS"),
            ("identity.example", "identity secret"),
            ("empty.example", "none"),
            ("blank.example", "none"),
            ("unknown.example", "none"),
        ] {
            assert_eq!(find(registry).unwrap(), expected, "{registry}");
        }
        for (registry, why) in [("broken.example", "cannot read the login"), ("helped.example", "which is not on PATH")]
        {
            let error = find(registry).unwrap_err();
            assert!(error.to_string().contains(why) && error.hint().is_some(), "{error}");
        }
    }

    #[test]
    fn a_damaged_store_is_an_error_and_starts_no_other_program() {
        let store = json!({"auths": {
            "registry.example": {"auth": "dXNlcjpwYXNz"}, "registry.example/team": {"auth": "dTpw", "email": "a@b"},
            "other.example": {"auth": "MDo=", "identitytoken": "secret"}, "empty.example": {},
        }, "credHelpers": {"helped.example": "lambda-packager-has-none"}, "credsStore": "lambda-packager-has-none",
            "HttpHeaders": {"User-Agent": "Docker-Client/28"}});
        let names = [
            "registry.example/team/app",
            "registry.example/team",
            "other.example",
            "helped.example",
            "registry.example",
        ];
        let names = names.map(String::from);
        damaged::each(&[store.to_string().into_bytes()], |bytes| {
            for at in 0..names.len() {
                if let Err(error) = of_store(bytes, "/config.json", &names[at..], Duration::ZERO) {
                    assert!(!error.to_string().contains("printed unexpected output"), "{error}");
                }
            }
        });
    }
}
