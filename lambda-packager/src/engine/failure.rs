//! What a failed call of an engine means, decided by what the engine printed.

use crate::engine::Kind;
use crate::error::Error;
use crate::sys::Output;

/// Why an engine did not do what it was asked.
pub enum EngineError {
    /// Nothing answers: there is no service or no socket.
    Unreachable(Error),
    /// This user may not use it, or may not log in to its machine; waiting does not change that.
    Forbidden(Error),
    /// It answered with an error.
    Refused(Error),
    /// It cannot create or start the container.
    NotStarted(Error),
}

impl From<EngineError> for Error {
    fn from(failure: EngineError) -> Self {
        match failure {
            EngineError::Unreachable(error)
            | EngineError::Forbidden(error)
            | EngineError::Refused(error)
            | EngineError::NotStarted(error) => error,
        }
    }
}

/// For errors before or after the call of the engine: these are final, too.
impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

/// What the text of a failure says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// There is no such container, image or volume.
    Absent,
    /// There is a volume with that name.
    Present,
    /// A container or another image uses the image, or a container the volume.
    InUse,
    /// Another process is removing the container.
    BeingRemoved,
    /// The user may not connect to the engine.
    Forbidden,
    /// The user may not log in to the engine's machine, or to the engine there.
    NoLogin,
    /// No service answers.
    NoService,
    Other,
}

const LOOK_UP_AND_REMOVE: &[&str] = &["container inspect", "image inspect", "rm", "rmi"];
const RM: &[&str] = &["rm"];
const RMI: &[&str] = &["rmi"];
const VOLUME_CREATE: &[&str] = &["volume create"];
const VOLUME_RM: &[&str] = &["volume rm"];
const ANY: &[&str] = &[];

/// The verbs, the words that must all occur in the text (in lower case), and the cause. The first row that fits
/// decides.
const SIGNS: &[(&[&str], &[&str], Cause)] = &[
    (LOOK_UP_AND_REMOVE, &["no such container"], Cause::Absent),
    (LOOK_UP_AND_REMOVE, &["no such image"], Cause::Absent),
    (LOOK_UP_AND_REMOVE, &["no such object"], Cause::Absent),
    (LOOK_UP_AND_REMOVE, &["image not known"], Cause::Absent),
    (LOOK_UP_AND_REMOVE, &["no container with name"], Cause::Absent),
    // Another run removed it at the same moment.
    (RMI, &["unrecognized image id"], Cause::Absent),
    (RMI, &["is using"], Cause::InUse),
    (RMI, &["in use"], Cause::InUse),
    (RMI, &["being used"], Cause::InUse),
    (RMI, &["dependent child"], Cause::InUse),
    (RM, &["already in progress"], Cause::BeingRemoved),
    (VOLUME_CREATE, &["already exists"], Cause::Present),
    // A call for several volumes prints a line for each: one in use decides.
    (VOLUME_RM, &["in use"], Cause::InUse),
    (VOLUME_RM, &["being used"], Cause::InUse),
    (VOLUME_RM, &["no such volume"], Cause::Absent),
    // Through ssh, by the name of docker's command at the other end, and podman's own client.
    (ANY, &["system dial-stdio", "permission denied"], Cause::NoLogin),
    (ANY, &["system dial-stdio", "host key verification failed"], Cause::NoLogin),
    (ANY, &["ssh: handshake failed"], Cause::NoLogin),
    (ANY, &["permission denied", "connect"], Cause::Forbidden),
    (ANY, &["error during connect"], Cause::NoService),
    (ANY, &["unable to resolve docker endpoint"], Cause::NoService),
    (ANY, &["cannot connect to"], Cause::NoService),
    (ANY, &["is the docker daemon running"], Cause::NoService),
    (ANY, &["connection refused"], Cause::NoService),
    (ANY, &["no such file or directory: dial"], Cause::NoService),
    (ANY, &["unable to connect"], Cause::NoService),
    (ANY, &["failed to connect"], Cause::NoService),
];

/// What the command lines print where the engine is on another machine: docker, docker, podman.
const ELSEWHERE: [&str; 3] = ["tcp://", "error during connect", "dial tcp"];

impl Cause {
    pub fn of(verb: &str, output: &Output) -> Self {
        let text = output.stderr_text().to_lowercase();
        let fits = |verbs: &[&str], words: &[&str]| {
            (verbs.is_empty() || verbs.contains(&verb)) && words.iter().all(|word| text.contains(word))
        };
        let sign = SIGNS.iter().find(|(verbs, words, _)| fits(verbs, words));
        sign.map_or(Self::Other, |(_, _, cause)| *cause)
    }
}

/// The error for a failed call of `verb`.
pub fn error(kind: Kind, verb: &str, output: &Output) -> EngineError {
    let name = kind.program();
    let error = |message: String| Error::engine(message).source(output.stderr_text());
    match Cause::of(verb, output) {
        Cause::Forbidden => EngineError::Forbidden(error(format!("this user is not allowed to use {name}")).hint_with(
            format!("add the user to the group that owns the engine's socket (for docker: `sudo usermod -aG docker $USER`, then log in again), run {name} rootless, or set `engine`"),
        )),
        Cause::NoLogin => EngineError::Forbidden(error(format!("this user cannot log in to the machine of {name}"))
            .hint_with(format!("`ssh` must log in there without asking, as a user who may use {name} there: check the key, the user name and `known_hosts`, or set `engine`"))),
        Cause::NoService => {
            let (start, check) = kind.remedy();
            let text = output.stderr_text();
            let start = match ELSEWHERE.iter().any(|sign| text.contains(sign)) {
                true => "start it on its machine and see that it can be reached from here".to_string(),
                false => format!("start it (`{start}`)"),
            };
            EngineError::Unreachable(
                error(format!("no {name} engine answers"))
                    .hint_with(format!("{start}, check {check}, or set `engine = \"host\"`")),
            )
        }
        Cause::Absent | Cause::Present | Cause::InUse | Cause::BeingRemoved | Cause::Other => {
            EngineError::Refused(error(format!("`{name} {verb}` failed with status {}", output.code)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Kind::{Docker, Podman};
    use super::*;

    /// Recorded from docker 20.10.24 and 28.2.2 (clients of a 20.10.24 service) and podman 4.3.1: the engine, the
    /// verb, the exit status, the text, and the cause.
    #[rustfmt::skip]
    const RECORDED: &[(Kind, &str, i32, &str, Cause)] = &[
        // Without a service: docker 20.10 and 28.2 print the same.
        (Docker, "version", 1, "Cannot connect to the Docker daemon at unix:///nonexistent. Is the docker daemon running?", Cause::NoService),
        (Docker, "container inspect", 1, "Cannot connect to the Docker daemon at tcp://127.0.0.1:1. Is the docker daemon running?", Cause::NoService),
        (Docker, "version", 1, "error during connect: Get \"http://docker.example.com/v1.50/version\": command [ssh -o ConnectTimeout=30 -T -l nobody -- 127.0.0.1 docker system dial-stdio] has exited with exit status 255, make sure the URL is valid, and Docker 18.09 or later is installed on the remote host: stderr=ssh: connect to host 127.0.0.1 port 22: Connection refused", Cause::NoService),
        (Docker, "version", 1, "error during connect: Get \"http://nohost.invalid:2375/v1.50/version\": dial tcp: lookup nohost.invalid on 10.255.255.53:53: no such host", Cause::NoService),
        (Docker, "version", 1, "error during connect: Get \"http://docker.example.com/v1.50/version\": command [ssh -o ConnectTimeout=30 -T -l nobody -- nohost.invalid docker system dial-stdio] has exited with exit status 255, make sure the URL is valid, and Docker 18.09 or later is installed on the remote host: stderr=ssh: Could not resolve hostname nohost.invalid: Name or service not known", Cause::NoService),
        (Docker, "version", 1, "Failed to initialize: unable to resolve docker endpoint: context \"nope\": context not found: open /root/.docker/contexts/meta/ca37/meta.json: no such file or directory", Cause::NoService),
        (Podman, "ps", 125, "Cannot connect to Podman. Please verify your connection to the Linux system using `podman system connection list`, or try `podman machine init` and `podman machine start` to manage a new Linux VM\nError: unable to connect to Podman socket: Get \"http://d/v4.3.1/libpod/_ping\": dial tcp: lookup nohost.invalid on 10.255.255.53:53: no such host", Cause::NoService),
        (Podman, "ps", 125, "Cannot connect to Podman. Please verify your connection to the Linux system using `podman system connection list`, or try `podman machine init` and `podman machine start` to manage a new Linux VM\nError: unable to connect to Podman socket: Get \"http://d/v4.3.1/libpod/_ping\": dial unix /nonexistent: connect: no such file or directory", Cause::NoService),
        // By a user outside of the socket's group.
        (Docker, "version", 1, "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock: Get \"http://%2Fvar%2Frun%2Fdocker.sock/v1.24/version\": dial unix /var/run/docker.sock: connect: permission denied", Cause::Forbidden),
        (Docker, "version", 1, "error during connect: Get \"http://docker.example.com/v1.50/version\": command [ssh -o ConnectTimeout=30 -T -l root -p 22022 -- 127.0.0.1 docker system dial-stdio] has exited with exit status 255, make sure the URL is valid, and Docker 18.09 or later is installed on the remote host: stderr=root@127.0.0.1: Permission denied (publickey).", Cause::NoLogin),
        (Docker, "version", 1, "error during connect: Get \"http://docker.example.com/v1.50/version\": command [ssh -o ConnectTimeout=30 -T -l root -p 22022 -- 127.0.0.1 docker system dial-stdio] has exited with exit status 255, make sure the URL is valid, and Docker 18.09 or later is installed on the remote host: stderr=No ED25519 host key is known for [127.0.0.1]:22022 and you have requested strict checking.\nHost key verification failed.", Cause::NoLogin),
        // No such container or image: docker 20.10, docker 28.2, podman.
        (Docker, "container inspect", 1, "Error: No such container: lp-none", Cause::Absent),
        (Docker, "container inspect", 1, "Error response from daemon: No such container: lp-none", Cause::Absent),
        (Podman, "container inspect", 125, "Error: inspecting object: no such container lp-none", Cause::Absent),
        (Docker, "image inspect", 1, "Error: No such image: lp-none", Cause::Absent),
        (Docker, "image inspect", 1, "Error response from daemon: no such image: lp-none: No such image: lp-none:latest", Cause::Absent),
        (Podman, "image inspect", 125, "Error: inspecting object: lp-none: image not known", Cause::Absent),
        (Docker, "rmi", 1, "Error response from daemon: No such image: lp-none:latest", Cause::Absent),
        (Podman, "rmi", 1, "Error: lp-none: image not known", Cause::Absent),
        (Docker, "rmi", 1, "Error response from daemon: unrecognized image ID sha256:a922661567ce", Cause::Absent),
        // Other verbs need it.
        (Docker, "start", 1, "Error response from daemon: No such container: lp-none\nError: failed to start containers: lp-none", Cause::Other),
        (Podman, "start", 125, "Error: no container with name or ID \"lp-none\" found: no such container", Cause::Other),
        (Docker, "create", 1, "Error response from daemon: No such image: lp-none:latest", Cause::Other),
        (Docker, "cp", 1, "Error: No such container:path: lp-rec-c:/nope", Cause::Other),
        (Podman, "cp", 125, "Error: \"/nope\" could not be found on container lp-rec-c: no such file or directory", Cause::Other),
        (Docker, "create", 1, "Error response from daemon: Conflict. The container name \"/lp-rec-c\" is already in use by container \"68cf66c3c3b4c0a85881abe57bc17b8cd571939907052937dd65326c9dff26ef\". You have to remove (or rename) that container to be able to reuse that name.", Cause::Other),
        (Podman, "create", 125, "Error: creating container storage: the container name \"lp-rec-c\" is already in use by d24d4fc13b0f5b3f1e5add0b2b8191217d995ffb94116f32198285afa76901ec. You have to remove that container to be able to reuse that name: that name is already in use", Cause::Other),
        (Docker, "rmi", 1, "Error response from daemon: conflict: unable to remove repository reference \"lp-rec:1\" (must force) - container 68cf66c3c3b4 is using its referenced image ef411ea5e0fb", Cause::InUse),
        (Docker, "rmi", 1, "Error response from daemon: conflict: unable to delete ef411ea5e0fb (cannot be forced) - image has dependent child images", Cause::InUse),
        (Podman, "rmi", 2, "Error: image used by d24d4fc13b0f5b3f1e5add0b2b8191217d995ffb94116f32198285afa76901ec: image is in use by a container: consider listing external containers and force-removing image", Cause::InUse),
        (Docker, "rm", 1, "Error response from daemon: removal of container lp-rec-c is already in progress", Cause::BeingRemoved),
        // Volumes.
        (Podman, "volume create", 125, "Error: volume with name lp-rec already exists: volume already exists", Cause::Present),
        (Docker, "volume create", 1, "Error response from daemon: create bad name: \"bad name\" includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. If you intended to pass a host directory, use absolute path", Cause::Other),
        (Podman, "volume create", 125, "Error: running volume create option: names must match [a-zA-Z0-9][a-zA-Z0-9_.-]*: invalid argument", Cause::Other),
        (Docker, "volume rm", 1, "Error response from daemon: get lp-none: no such volume", Cause::Absent),
        (Podman, "volume rm", 1, "Error: no volume with name \"lp-none\" found: no such volume", Cause::Absent),
        (Docker, "volume rm", 1, "Error response from daemon: get lp-none: no such volume\nError response from daemon: remove lp-rec: volume is in use - [79e27d0f3fe0a9acfb66ccc1609537bee368250707d97174fe11cedd8dc1f295]", Cause::InUse),
        (Podman, "volume rm", 2, "Error: no volume with name \"lp-none\" found: no such volume\nError: volume lp-rec is being used by the following container(s): fd5d459ec056212cf4705cdeee4ad5eb4eec4316f71a4e93930fb41f0a1c2a6b: volume is being used", Cause::InUse),
        // The container has no such program.
        (Docker, "start", 1, "Error response from daemon: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"/nope\": stat /nope: no such file or directory: unknown\nError: failed to start containers: lp-rec-c", Cause::Other),
        (Docker, "exec", 126, "OCI runtime exec failed: exec failed: unable to start container process: exec: \"nope\": executable file not found in $PATH: unknown", Cause::Other),
        (Podman, "exec", 127, "Error: runc: exec failed: unable to start container process: exec: \"nope\": executable file not found in $PATH: OCI runtime attempted to invoke a command that was not found", Cause::Other),
        // Registries: one that is not there, an unknown host, and one that wants a login.
        (Docker, "pull", 1, "Error response from daemon: Get \"http://localhost:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused", Cause::NoService),
        (Docker, "pull", 1, "Error response from daemon: Get \"https://lp-none.invalid/v2/\": dial tcp: lookup lp-none.invalid on 10.255.255.53:53: no such host", Cause::Other),
        (Docker, "pull", 1, "Error response from daemon: Head \"http://localhost:5987/v2/a/manifests/latest\": no basic auth credentials", Cause::Other),
        (Podman, "pull", 125, "Error: initializing source docker://localhost:1/none:latest: pinging container registry localhost:1: Get \"https://localhost:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused", Cause::NoService),
        (Podman, "pull", 125, "Error: initializing source docker://localhost:5987/a:latest: reading manifest latest in localhost:5987/a: unauthorized", Cause::Other),
    ];

    #[test]
    fn recorded_failures_have_their_cause_and_error() {
        for &(kind, verb, code, text, cause) in RECORDED {
            let output = Output { code, stdout: Vec::new(), stderr: text.into() };
            assert_eq!(Cause::of(verb, &output), cause, "{verb}: {text}");
            let name = kind.program();
            let (message, hint) = match (error(kind, verb, &output), cause) {
                (EngineError::Forbidden(error), Cause::NoLogin) => (error, Some("`ssh` must log in there")),
                (EngineError::Unreachable(error), Cause::NoService) => (error, Some("set `engine = \"host\"`")),
                (EngineError::Forbidden(error), Cause::Forbidden) => (error, Some("usermod -aG docker")),
                (EngineError::Refused(error), _) => (error, None),
                (other, _) => panic!("{verb}: {text}: {}", Error::from(other)),
            };
            let expected = match cause {
                Cause::NoService => format!("no {name} engine answers: {text}"),
                Cause::Forbidden => format!("this user is not allowed to use {name}: {text}"),
                Cause::NoLogin => format!("this user cannot log in to the machine of {name}: {text}"),
                _ => format!("`{name} {verb}` failed with status {code}: {text}"),
            };
            assert_eq!(message.with_cause(), expected);
            assert!(hint.is_none_or(|hint| message.hint().unwrap().contains(hint)), "{:?}", message.hint());
        }
    }
}
