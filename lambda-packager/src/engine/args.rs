//! Argument lists of the engines' command lines, built as data.

use std::path::{Path, PathBuf};

use crate::config::Network;
use crate::engine::Kind;

/// A folder of the host in a container, read-only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    pub host: PathBuf,
    pub container: String,
}

impl Mount {
    /// A folder that has the same path in the container.
    pub fn at_its_own_path(folder: &Path) -> Self {
        Self { host: folder.to_path_buf(), container: folder.to_string_lossy().into_owned() }
    }
}

/// A container to create.
#[derive(Clone)]
pub struct ContainerSpec {
    pub name: String,
    pub image: String,
    /// `key=value`.
    pub labels: Vec<String>,
    pub user: (u32, u32),
    pub network: Network,
    pub mounts: Vec<Mount>,
    /// Variables of every program in it. The host's own variables are not passed.
    pub env: Vec<(String, String)>,
    pub command: Vec<String>,
}

/// A program to run in a running container.
pub struct ExecSpec<'a> {
    pub name: &'a str,
    pub folder: &'a str,
    pub env: &'a [(String, String)],
    /// Names of variables whose values the engine's command line reads from its own environment.
    pub passed_env: &'a [String],
    pub command: &'a [String],
}

/// Variables that engines set in every container without being asked, including passwords: podman from its own
/// environment, docker from the user's configuration. A variable of ours, even an empty one, overrides them.
///
/// Sources: <https://docs.podman.io/en/latest/markdown/podman-create.1.html#http-proxy>,
/// <https://docs.docker.com/engine/cli/proxy/>.
fn proxies() -> impl Iterator<Item = &'static str> {
    let names =
        "HTTP_PROXY HTTPS_PROXY FTP_PROXY ALL_PROXY NO_PROXY http_proxy https_proxy ftp_proxy all_proxy no_proxy";
    names.split(' ')
}

pub fn import(reference: &str, labels: &[String]) -> Vec<String> {
    let mut args = strings(&["import"]);
    for label in labels {
        let (key, value) = label.split_once('=').unwrap_or((label, ""));
        args.extend(["--change".into(), format!("LABEL {}={}", quoted(key), quoted(value))]);
    }
    args.extend(["-".into(), reference.into()]);
    args
}

/// Quoted as in a Dockerfile.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"").replace('$', r"\$"))
}

pub fn create(kind: Kind, spec: &ContainerSpec) -> Vec<String> {
    let mut args = strings(&["create", "--name", &spec.name]);
    args.extend(flags("--label", spec.labels.iter().cloned()));
    let (uid, gid) = spec.user;
    args.extend(["--user".into(), format!("{uid}:{gid}")]);
    if kind == Kind::Podman && uid != 0 {
        // In rootless podman, the user would otherwise be root in the container, and another user on the host.
        args.push("--userns=keep-id".into());
    }
    args.extend(["--network".into(), spec.network.to_string()]);
    args.extend(strings(&["--cap-drop", "ALL", "--security-opt", "no-new-privileges"]));
    // SELinux would deny access to the mounts. The alternative would be to relabel the user's own files.
    args.extend(strings(&["--security-opt", "label=disable"]));
    args.extend(strings(&["--pull", "never"]));
    args.extend(flags("--mount", spec.mounts.iter().map(bind)));
    args.extend(flags("--env", proxies().map(|name| format!("{name}="))));
    args.extend(flags("--env", spec.env.iter().map(|(name, value)| format!("{name}={value}"))));
    args.push(spec.image.clone());
    args.extend(spec.command.iter().cloned());
    args
}

/// The engines read `--mount` as a line of comma-separated values, so a field with a comma or a quote is quoted.
fn bind(mount: &Mount) -> String {
    let field = |key: &str, value: &str| {
        let text = format!("{key}={value}");
        if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
    };
    let source = field("source", &mount.host.to_string_lossy());
    format!("type=bind,{source},{},readonly", field("target", &mount.container))
}

pub fn exec(spec: &ExecSpec) -> Vec<String> {
    let mut args = strings(&["exec", "--interactive", "--workdir", spec.folder]);
    args.extend(flags("--env", spec.env.iter().map(|(name, value)| format!("{name}={value}"))));
    args.extend(flags("--env", spec.passed_env.iter().cloned()));
    args.push(spec.name.into());
    args.extend(spec.command.iter().cloned());
    args
}

/// A stage of a Dockerfile to build, from a context on standard input.
#[derive(Clone)]
pub struct BuildSpec<'a> {
    pub stage: &'a str,
    pub way_out: WayOut<'a>,
    /// `key=value`.
    pub labels: &'a [String],
    pub network: Network,
    pub build_args: &'a [(&'a str, &'a str)],
    /// Do not use the cache of earlier builds.
    pub fresh: bool,
}

/// What the build makes of the stage.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum WayOut<'a> {
    /// An image with this name.
    Image(&'a str),
    /// An archive of its files, on standard output. Not every builder can do that.
    Files,
}

pub fn build(kind: Kind, spec: &BuildSpec) -> Vec<String> {
    let mut args = strings(&["build", "--force-rm", "--file", "Dockerfile", "--target", spec.stage]);
    args.extend(match spec.way_out {
        WayOut::Image(name) => strings(&["--tag", name]),
        WayOut::Files => strings(&["--output", "type=tar,dest=-"]),
    });
    args.extend(flags("--label", spec.labels.iter().cloned()));
    if spec.network == Network::None {
        args.extend(strings(&["--network", "none"]));
        // Without network the build needs no proxy; do not leak proxy credentials into it.
        match kind {
            Kind::Podman => args.push("--http-proxy=false".into()),
            _ => args.extend(flags("--build-arg", proxies().map(|name| format!("{name}=")))),
        }
    }
    args.extend(flags("--build-arg", spec.build_args.iter().map(|(name, value)| format!("{name}={value}"))));
    if spec.fresh {
        args.push("--no-cache".into());
    }
    args.push("-".into());
    args
}

/// A flag with each of its values.
fn flags(name: &str, values: impl Iterator<Item = String>) -> impl Iterator<Item = String> {
    values.flat_map(move |value| [name.to_string(), value])
}

fn strings(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| arg.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec() -> ContainerSpec {
        ContainerSpec {
            name: "n".into(),
            image: "i".into(),
            labels: vec!["a=b c".into()],
            user: (1000, 100),
            network: Network::None,
            mounts: vec![Mount { host: "/a,b \"c\":d".into(), container: "/workspace".into() }],
            env: vec![("CARGO_HOME".into(), "/cargo".into())],
            command: strings(&["sh", "-c", "x"]),
        }
    }

    #[test]
    fn a_container_is_created_without_privileges() {
        let mut args = create(Kind::Docker, &spec());
        let proxy = |arg: &String| arg.to_lowercase().ends_with("_proxy=");
        assert_eq!(args.iter().filter(|arg| proxy(arg)).count(), proxies().count());
        while let Some(at) = args.iter().position(proxy) {
            args.drain(at - 1..=at);
        }
        let expected = "create --name n --label a=b c --user 1000:100 --network none --cap-drop ALL \
                        --security-opt no-new-privileges --security-opt label=disable --pull never \
                        --mount type=bind,\"source=/a,b \"\"c\"\":d\",target=/workspace,readonly \
                        --env CARGO_HOME=/cargo i sh -c x";
        assert_eq!(args.join(" "), expected);
    }

    #[test]
    fn rootless_podman_keeps_the_users_id() {
        assert!(create(Kind::Podman, &spec()).contains(&"--userns=keep-id".to_string()));
        let root = ContainerSpec { user: (0, 0), ..spec() };
        assert!(!create(Kind::Podman, &root).contains(&"--userns=keep-id".to_string()));
    }

    #[test]
    fn only_the_names_of_passed_variables_are_arguments() {
        let passed = ["TOKEN".to_string()];
        let env = [("A".to_string(), "1".to_string())];
        let command = strings(&["true"]);
        let spec = ExecSpec { name: "n", folder: "/workspace", env: &env, passed_env: &passed, command: &command };
        let expected =
            ["exec", "--interactive", "--workdir", "/workspace", "--env", "A=1", "--env", "TOKEN", "n", "true"];
        assert_eq!(exec(&spec), expected);
    }

    #[test]
    fn a_build_without_network_gets_no_proxy() {
        let labels = ["a=b c".to_string()];
        let spec = BuildSpec {
            stage: "runtime",
            way_out: WayOut::Image("t"),
            labels: &labels,
            network: Network::None,
            build_args: &[("BASE_IMAGE", "b")],
            fresh: false,
        };
        let expected = "build --force-rm --file Dockerfile --target runtime --tag t --label a=b c --network none \
                        --http-proxy=false --build-arg BASE_IMAGE=b -";
        assert_eq!(build(Kind::Podman, &spec).join(" "), expected);
        let docker = build(Kind::Docker, &spec);
        for name in proxies() {
            assert!(docker.contains(&format!("{name}=")), "{docker:?}");
        }
        let files = build(Kind::Docker, &BuildSpec { way_out: WayOut::Files, ..spec.clone() });
        assert!(files.contains(&"type=tar,dest=-".to_string()) && !files.contains(&"--tag".to_string()), "{files:?}");
        let open = build(Kind::Docker, &BuildSpec { network: Network::Bridge, fresh: true, ..spec });
        assert!(!open.iter().any(|arg| arg == "--network" || arg.ends_with("PROXY=")), "{open:?}");
        assert!(open.contains(&"--no-cache".to_string()), "{open:?}");
    }

    #[test]
    fn labels_of_an_image_are_quoted() {
        let args = import("r", &["k=a \"b\" $c".to_string()]);
        assert_eq!(args, ["import", "--change", "LABEL \"k\"=\"a \\\"b\\\" \\$c\"", "-", "r"]);
    }
}
