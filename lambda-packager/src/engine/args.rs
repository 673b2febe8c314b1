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

/// A volume of the engine in a container, writable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Volume {
    pub name: String,
    pub container: String,
}

/// A container to create. Its first process is root without the rights that root usually has.
#[derive(Clone)]
pub struct ContainerSpec {
    pub name: String,
    pub image: String,
    /// `key=value`.
    pub labels: Vec<String>,
    pub network: Network,
    pub mounts: Vec<Mount>,
    pub volumes: Vec<Volume>,
    /// Variables of every program in it. The host's own variables are not passed.
    pub env: Vec<(String, String)>,
    pub command: Vec<String>,
}

impl ContainerSpec {
    /// Its labels, which its volumes have too.
    pub fn all_labels(&self) -> Vec<String> {
        [named(&self.name)].into_iter().chain(self.labels.iter().cloned()).collect()
    }
}

/// A program to run in a running container.
pub struct ExecSpec<'a> {
    pub name: &'a str,
    /// User and group; the container's own, which is root, if `None`.
    pub user: Option<(u32, u32)>,
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

/// A container that is never started: its files are read.
pub fn create_unstarted(name: &str, image: &str, labels: &[String]) -> Vec<String> {
    let mut args = strings(&["create", "--name", name, "--label", &named(name)]);
    args.extend(flags("--label", labels.iter().cloned()));
    args.extend(strings(&["--network", "none", image, "none"]));
    args
}

/// Quoted as in a Dockerfile.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\"").replace('$', r"\$"))
}

/// What root in the container may do: become the user who compiles, and end that user's processes. To read or write
/// files that are not its own is not among it.
const CAPABILITIES: &[&str] = &["SETUID", "SETGID", "KILL"];

/// The label of every container that we create, and of its volumes: the container's name. Whoever commits a container to an
/// image, or runs an image with our labels, gets all other labels as well; but two containers cannot have one name.
pub const NAMED: &str = "lambda-packager.container";

fn named(container: &str) -> String {
    format!("{NAMED}={container}")
}

pub fn create(kind: Kind, spec: &ContainerSpec) -> Vec<String> {
    let mut args = strings(&["create", "--name", &spec.name]);
    args.extend(flags("--label", spec.all_labels().into_iter()));
    args.extend(["--network".into(), spec.network.to_string()]);
    args.extend(strings(&["--cap-drop", "ALL"]));
    args.extend(flags("--cap-add", CAPABILITIES.iter().map(|name| name.to_string())));
    args.extend(strings(&["--security-opt", "no-new-privileges"]));
    if !spec.mounts.is_empty() {
        // SELinux would deny access to the host's toolchain. The alternative would be to relabel the user's own files.
        args.extend(strings(&["--security-opt", "label=disable"]));
    }
    args.extend(strings(&["--user", "0:0", "--read-only"]));
    if kind == Kind::Podman {
        // Podman would also make /run and /var/tmp writable.
        args.push("--read-only-tmpfs=false".into());
    }
    args.extend(strings(&["--tmpfs", "/tmp:rw,exec,nosuid,mode=1777", "--pull", "never"]));
    args.extend(flags("--mount", spec.mounts.iter().map(bind)));
    args.extend(flags("--mount", spec.volumes.iter().map(|volume| volume_of(kind, volume, &spec.all_labels()))));
    args.extend(flags("--env", proxies().map(|name| format!("{name}="))));
    args.extend(flags("--env", spec.env.iter().map(|(name, value)| format!("{name}={value}"))));
    args.push(spec.image.clone());
    args.extend(spec.command.iter().cloned());
    args
}

fn bind(mount: &Mount) -> String {
    let source = field("source", &mount.host.to_string_lossy());
    format!("type=bind,{source},{},readonly", field("target", &mount.container))
}

fn volume_of(kind: Kind, volume: &Volume, labels: &[String]) -> String {
    let mut fields = vec![field("source", &volume.name), field("target", &volume.container)];
    if labels_volumes(kind) {
        fields.extend(labels.iter().map(|label| field("volume-label", label)));
    }
    format!("type=volume,{}", fields.join(","))
}

/// Whether `create` gives labels to the volumes that it makes. Other engines make them without.
///
/// Source: <https://docs.docker.com/engine/storage/volumes/#options-for---mount>.
pub fn labels_volumes(kind: Kind) -> bool {
    kind == Kind::Docker
}

/// The engines read `--mount` as a line of comma-separated values, so a field with a comma or a quote is quoted.
fn field(key: &str, value: &str) -> String {
    quoted_field(format!("{key}={value}"))
}

fn quoted_field(text: String) -> String {
    if text.contains([',', '"', '\n']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

/// The arguments that unpack an archive from standard input into a folder of a container, with the archive's owners.
pub fn unpack(kind: Kind, name: &str, folder: &str) -> Vec<String> {
    let mut args = strings(&["cp"]);
    if kind == Kind::Podman {
        // Podman would give all files to the container's user.
        args.push("--archive=false".into());
    }
    args.extend(["-".into(), format!("{name}:{folder}")]);
    args
}

pub fn create_volume(kind: Kind, name: &str, labels: &[String]) -> Vec<String> {
    let mut args = strings(&["volume", "create"]);
    // Podman reads these, other than a container's, as comma-separated values.
    let written = |label: &String| if kind == Kind::Podman { quoted_field(label.clone()) } else { label.clone() };
    args.extend(flags("--label", labels.iter().map(written)));
    args.push(name.into());
    args
}

pub fn exec(spec: &ExecSpec) -> Vec<String> {
    let mut args = strings(&["exec", "--interactive"]);
    args.extend(spec.user.into_iter().flat_map(by));
    args.extend(strings(&["--workdir", spec.folder]));
    args.extend(flags("--env", spec.env.iter().map(|(name, value)| format!("{name}={value}"))));
    args.extend(flags("--env", spec.passed_env.iter().cloned()));
    args.push(spec.name.into());
    args.extend(spec.command.iter().cloned());
    args
}

pub fn shell(name: &str, user: (u32, u32), folder: &str) -> Vec<String> {
    let mut args = strings(&["exec", "--interactive"]);
    args.extend(by(user));
    args.extend(strings(&["--tty", "--workdir", folder, name, "sh"]));
    args
}

fn by((uid, gid): (u32, u32)) -> [String; 2] {
    ["--user".into(), format!("{uid}:{gid}")]
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
            network: Network::None,
            mounts: vec![Mount { host: "/a,b \"c\":d".into(), container: "/toolchain".into() }],
            volumes: vec![Volume { name: "v".into(), container: "/workspace".into() }],
            env: vec![("CARGO_HOME".into(), "/cargo".into())],
            command: strings(&["sh", "-c", "x"]),
        }
    }

    /// The arguments without the empty proxies, which must be there.
    fn created(kind: Kind, spec: &ContainerSpec) -> String {
        let mut args = create(kind, spec);
        let proxy = |arg: &String| arg.to_lowercase().ends_with("_proxy=");
        assert_eq!(args.iter().filter(|arg| proxy(arg)).count(), proxies().count());
        while let Some(at) = args.iter().position(proxy) {
            args.drain(at - 1..=at);
        }
        args.join(" ")
    }

    #[test]
    fn a_container_is_created_without_privileges() {
        let expected = "create --name n --label lambda-packager.container=n --label a=b c --network none --cap-drop ALL \
                        --cap-add SETUID --cap-add SETGID --cap-add KILL \
                        --security-opt no-new-privileges --security-opt label=disable --user 0:0 --read-only \
                        --tmpfs /tmp:rw,exec,nosuid,mode=1777 --pull never \
                        --mount type=bind,\"source=/a,b \"\"c\"\":d\",target=/toolchain,readonly \
                        --mount type=volume,source=v,target=/workspace,volume-label=lambda-packager.container=n,volume-label=a=b c \
                        --env CARGO_HOME=/cargo i sh -c x";
        assert_eq!(created(Kind::Docker, &spec()), expected);
        let podman = expected.replace("--read-only ", "--read-only --read-only-tmpfs=false ");
        let podman = podman.replace(",volume-label=lambda-packager.container=n,volume-label=a=b c", "");
        assert_eq!(created(Kind::Podman, &spec()), podman);
    }

    #[test]
    fn selinux_stays_on_where_nothing_of_the_host_is_mounted() {
        let spec = ContainerSpec { mounts: Vec::new(), ..spec() };
        assert!(!created(Kind::Docker, &spec).contains("label=disable"));
    }

    #[test]
    fn an_archive_is_unpacked_with_its_owners() {
        assert_eq!(unpack(Kind::Docker, "n", "/workspace").join(" "), "cp - n:/workspace");
        assert_eq!(unpack(Kind::Podman, "n", "/workspace").join(" "), "cp --archive=false - n:/workspace");
    }

    #[test]
    fn a_volume_is_created_with_labels() {
        let labels = ["a=b c".to_string(), "d=\",".to_string()];
        let args = |kind| create_volume(kind, "v", &labels).join(" ");
        assert_eq!(args(Kind::Docker), "volume create --label a=b c --label d=\", v");
        assert_eq!(args(Kind::Podman), "volume create --label a=b c --label \"d=\"\",\" v");
    }

    #[test]
    fn a_program_runs_as_the_user_that_is_named() {
        let command = strings(&["true"]);
        let spec =
            ExecSpec { name: "n", user: Some((1000, 100)), folder: "/", env: &[], passed_env: &[], command: &command };
        assert_eq!(exec(&spec).join(" "), "exec --interactive --user 1000:100 --workdir / n true");
        assert_eq!(shell("n", (1, 2), "/w").join(" "), "exec --interactive --user 1:2 --tty --workdir /w n sh");
    }

    #[test]
    fn only_the_names_of_passed_variables_are_arguments() {
        let passed = ["TOKEN".to_string()];
        let env = [("A".to_string(), "1".to_string())];
        let command = strings(&["true"]);
        let spec =
            ExecSpec { name: "n", user: None, folder: "/workspace", env: &env, passed_env: &passed, command: &command };
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
