//! What a failed call of an engine means. Evidence is the verb, the exit status, and the command line's own message: not
//! words anywhere in the output.

use crate::engine::Kind;
use crate::error::{Error, ErrorKind};
use crate::sys::{Output, env};

/// Why an engine did not do what it was asked.
pub enum EngineError {
    /// Nothing answers: there is no service or no socket.
    Unreachable(Error),
    /// It did not answer within the limit: it was waited for already.
    Hangs(Error),
    /// This user may not use it, or may not log in to its machine; waiting does not change that.
    Forbidden(Error),
    /// It answered with an error.
    Refused(Error),
    /// It answers, but cannot do what every engine can: look something up, create a container or start it, with all that
    /// this takes.
    Unable(Error),
    /// A layer of this image is damaged.
    Damaged(String, Error),
    /// A signal ended the run: nothing is wrong with the engine, and nothing is tried again.
    Interrupted(Error),
}

impl EngineError {
    /// The error of a call that did not end in time, was interrupted, or could not be started.
    pub fn unanswered(error: Error) -> Self {
        match error.kind() {
            ErrorKind::Interrupted { .. } => Self::Interrupted(error),
            ErrorKind::Engine => Self::Hangs(error),
            _ => Self::Unreachable(error),
        }
    }

    /// The same for what every engine can do: another one may.
    pub fn into_unable(self) -> Self {
        match self {
            Self::Refused(error) => Self::Unable(error),
            failure => failure,
        }
    }
}

impl From<EngineError> for Error {
    fn from(failure: EngineError) -> Self {
        match failure {
            EngineError::Unreachable(error)
            | EngineError::Hangs(error)
            | EngineError::Forbidden(error)
            | EngineError::Refused(error)
            | EngineError::Unable(error)
            | EngineError::Damaged(_, error)
            | EngineError::Interrupted(error) => error,
        }
    }
}

/// For errors before or after the call of the engine: these are final, too.
impl From<Error> for EngineError {
    fn from(error: Error) -> Self {
        if error.is_interrupted() { Self::Interrupted(error) } else { Self::Refused(error) }
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

/// What an engine that was asked about its objects says of them: the verbs, words of the text (in lower case), and the
/// cause. The first row that fits decides.
const OBJECTS: &[(&[&str], &str, Cause)] = &[
    // A call for several images or volumes prints a line for each: one in use decides.
    (RMI, "is using", Cause::InUse),
    (RMI, "in use", Cause::InUse),
    (RMI, "being used", Cause::InUse),
    (RMI, "dependent child", Cause::InUse),
    (VOLUME_RM, "in use", Cause::InUse),
    (VOLUME_RM, "being used", Cause::InUse),
    (LOOK_UP_AND_REMOVE, "no such container", Cause::Absent),
    (LOOK_UP_AND_REMOVE, "no such image", Cause::Absent),
    (LOOK_UP_AND_REMOVE, "no such object", Cause::Absent),
    (LOOK_UP_AND_REMOVE, "image not known", Cause::Absent),
    (LOOK_UP_AND_REMOVE, "no container with name", Cause::Absent),
    // Another run removed it at the same moment.
    (RMI, "unrecognized image id", Cause::Absent),
    (RM, "already in progress", Cause::BeingRemoved),
    (VOLUME_CREATE, "already exists", Cause::Present),
    (VOLUME_RM, "no such volume", Cause::Absent),
];

/// How the command lines begin the message that their service does not answer (in lower case), words that must follow,
/// and the cause. The first row that fits decides. The last two are nerdctl's:
/// <https://github.com/containerd/nerdctl/blob/main/pkg/clientutil/client.go>.
const SERVICE: &[(&str, &[&str], Cause)] = &[
    // Through ssh, by the name of docker's command at the other end, and podman's own client.
    ("error during connect:", &["system dial-stdio", "permission denied"], Cause::NoLogin),
    ("error during connect:", &["system dial-stdio", "host key verification failed"], Cause::NoLogin),
    ("unable to connect to podman", &["ssh: handshake failed"], Cause::NoLogin),
    ("unable to connect to podman", &["connect: permission denied"], Cause::Forbidden),
    ("permission denied while trying to connect", &[], Cause::Forbidden),
    ("error during connect:", &[], Cause::NoService),
    ("failed to initialize: unable to resolve docker endpoint", &[], Cause::NoService),
    ("cannot connect to the docker daemon", &[], Cause::NoService),
    ("failed to connect to the docker api", &[], Cause::NoService),
    ("unable to connect to podman", &[], Cause::NoService),
    ("cannot connect to podman", &[], Cause::NoService),
    ("cannot access containerd socket", &[], Cause::NoService),
    ("rootless containerd not running", &[], Cause::NoService),
];

/// Docker's command line asks the service first for the version of the interface that both speak. If nothing answered then,
/// and the service came up before the call itself, it is refused: it is still starting.
const NOT_NEGOTIATED: &str = "error response from daemon: client version ";

/// How docker's command lines end where the service ends during a build. Where it ends during another call, they say "error
/// during connect"; with these words about a pull, the service tells of its registry.
/// <https://github.com/docker/buildx/issues/2380>
const BUILD_CUT_OFF: &[&str] = &["unexpected eof", "failed to receive status: rpc error: code = unavailable"];

/// What the command lines put before a message: docker for `run`, podman and docker, docker 20.10.
const BEFORE_A_MESSAGE: &[&str] = &["docker: ", "error: ", "got "];

/// The statuses of a command line that fails itself: docker's and nerdctl's, and podman's and that of `run`. A build that
/// fails may have the status of a program in it, and a call that was killed more than 128.
const OWN_STATUSES: &[i32] = &[1, 125];

/// Verbs that also print what programs in a container or a registry say.
const WITH_OTHERS_WORDS: &[&str] = &["build", "pull", "run"];

/// What the command lines print where the engine is on another machine: docker, docker, podman.
const ELSEWHERE: [&str; 3] = ["tcp://", "error during connect", "dial tcp"];

impl Cause {
    pub fn of(verb: &str, output: &Output) -> Self {
        let text = output.stderr_text().to_lowercase();
        let object = OBJECTS.iter().find(|(verbs, words, _)| verbs.contains(&verb) && text.contains(words));
        object.map(|(_, _, cause)| *cause).or_else(|| Self::of_service(verb, output.code, &text)).unwrap_or(Self::Other)
    }

    /// Why the service does not answer. Only the command line itself knows, and says it in a message of its own: the same
    /// words may stand in what a service answers about a registry, or a program in a container prints.
    fn of_service(verb: &str, code: i32, text: &str) -> Option<Self> {
        if !OWN_STATUSES.contains(&code) {
            return None;
        }
        let lines: Vec<&str> = text.lines().filter(|line| !is_advice(line)).collect();
        let from = if WITH_OTHERS_WORDS.contains(&verb) { lines.len().saturating_sub(1) } else { 0 };
        let own = &lines[from..];
        if own.iter().any(|line| message(line).starts_with(NOT_NEGOTIATED) && line.contains(" is too new.")) {
            // Where the user chose the version, nobody asks.
            return env::var_os("DOCKER_API_VERSION").is_none().then_some(Self::NoService);
        }
        if verb == "build" && own.iter().any(|line| BUILD_CUT_OFF.iter().any(|start| message(line).starts_with(start)))
        {
            return Some(Self::NoService);
        }
        if own.iter().any(|line| message(line).starts_with("error response from daemon")) {
            return None;
        }
        let fits = |(start, words, _): &&(&str, &[&str], Self)| {
            own.iter().any(|line| message(line).starts_with(start)) && words.iter().all(|word| text.contains(word))
        };
        SERVICE.iter().find(fits).map(|(_, _, cause)| *cause)
    }
}

/// A line without what the command lines put before their message.
fn message(line: &str) -> &str {
    // Nerdctl's begin with the time.
    let line = line.split_once(" level=fatal msg=\"").map_or(line, |(_, message)| message);
    BEFORE_A_MESSAGE.iter().find_map(|before| line.strip_prefix(before)).unwrap_or(line)
}

/// Whether a line is what docker prints below the message of a failed `run`.
fn is_advice(line: &str) -> bool {
    line.is_empty() || line.starts_with("see 'docker ") || line.starts_with("run 'docker ")
}

/// The error for a failed call of `verb`, which printed `said`.
pub fn error(kind: Kind, verb: &str, output: &Output, said: &str) -> EngineError {
    let name = kind.program();
    let error = |message: String| Error::engine(message).source(said.to_string());
    match Cause::of(verb, output) {
        Cause::Forbidden => EngineError::Forbidden(error(format!("this user is not allowed to use {name}")).hint_with(
            format!("add the user to the group that owns the engine's socket (for docker: `sudo usermod -aG docker $USER`, then log in again), run {name} rootless, or set `engine`"),
        )),
        Cause::NoLogin => EngineError::Forbidden(error(format!("this user cannot log in to the machine of {name}"))
            .hint_with(format!("`ssh` must log in there without asking, as a user who may use {name} there: check the key, the user name and `known_hosts`, or set `engine`"))),
        Cause::NoService => {
            let (start, check) = kind.remedy();
            let start = match ELSEWHERE.iter().any(|sign| said.contains(sign)) {
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
        // It came up in the middle of the call.
        (Docker, "version", 1, "Error response from daemon: client version 1.50 is too new. Maximum supported API version is 1.41", Cause::NoService),
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
        // Of two, one was just removed.
        (Docker, "rmi", 1, "Error response from daemon: No such image: lp-none:1\nError response from daemon: conflict: unable to remove repository reference \"lp-rec:1\" (must force) - container 1fced32b3ce1 is using its referenced image 4a021801ff8d", Cause::InUse),
        (Podman, "rmi", 2, "Error: 2 errors occurred:\n\t* lp-none:1: image not known\n\t* image used by aa7447dd33a6d5ed021d46f3b8031a432938b45dfb1d8ab4c92b245ae24f5e78: image is in use by a container: consider listing external containers and force-removing image", Cause::InUse),
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
        (Docker, "pull", 1, "Error response from daemon: Get \"http://localhost:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused", Cause::Other),
        (Docker, "pull", 1, "Error response from daemon: Get \"https://lp-none.invalid/v2/\": dial tcp: lookup lp-none.invalid on 10.255.255.53:53: no such host", Cause::Other),
        (Docker, "pull", 1, "Error response from daemon: Head \"http://localhost:5987/v2/a/manifests/latest\": no basic auth credentials", Cause::Other),
        (Podman, "pull", 125, "Error: initializing source docker://localhost:1/none:latest: pinging container registry localhost:1: Get \"https://localhost:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused", Cause::Other),
        (Podman, "pull", 125, "Trying to pull localhost:1/none:1...\ntime=\"2026-11-27T18:14:39Z\" level=warning msg=\"Failed, retrying in 1s ... (3/3). Error: initializing source docker://localhost:1/none:1: pinging container registry localhost:1: Get \\\"https://localhost:1/v2/\\\": dial tcp 127.0.0.1:1: connect: connection refused\"\nError: initializing source docker://localhost:1/none:1: pinging container registry localhost:1: Get \"https://localhost:1/v2/\": dial tcp 127.0.0.1:1: connect: connection refused", Cause::Other),
        (Podman, "pull", 125, "Error: initializing source docker://localhost:5987/a:latest: reading manifest latest in localhost:5987/a: unauthorized", Cause::Other),
        // A build and a run, without a service: docker 28.2, 20.10 with BuildKit or without, podman.
        (Docker, "build", 1, "DEPRECATED: The legacy builder is deprecated and will be removed in a future release.\n            Install the buildx component to build images with BuildKit:\n            https://docs.docker.com/go/buildx/\n\nCannot connect to the Docker daemon at unix:///nonexistent. Is the docker daemon running?", Cause::NoService),
        (Docker, "build", 1, "Cannot connect to the Docker daemon at unix:///nonexistent. Is the docker daemon running?", Cause::NoService),
        (Docker, "build", 1, "ERROR: Cannot connect to the Docker daemon at unix:///nonexistent. Is the docker daemon running?", Cause::NoService),
        (Podman, "build", 125, "Cannot connect to Podman. Please verify your connection to the Linux system using `podman system connection list`, or try `podman machine init` and `podman machine start` to manage a new Linux VM\nError: unable to connect to Podman socket: Get \"http://d/v4.3.1/libpod/_ping\": dial unix /nonexistent: connect: no such file or directory", Cause::NoService),
        (Docker, "run", 125, "docker: Cannot connect to the Docker daemon at unix:///nonexistent. Is the docker daemon running?\n\nRun 'docker run --help' for more information", Cause::NoService),
        (Docker, "run", 125, "docker: Cannot connect to the Docker daemon at unix:///nonexistent. Is the docker daemon running?.\nSee 'docker run --help'.", Cause::NoService),
        // The service ended in the middle of a build, 20.10 with BuildKit and without; the last two are of later versions.
        (Docker, "build", 1, "#5 [2/2] RUN [\"/hold\"]\n#5 0.074 held\nunexpected EOF", Cause::NoService),
        (Docker, "build", 1, "            environment-variable.\n\nunexpected EOF", Cause::NoService),
        (Docker, "build", 1, "#6 extracting sha256:fbf9\nERROR: failed to receive status: rpc error: code = Unavailable desc = error reading from server: EOF", Cause::NoService),
        (Docker, "build", 1, "ERROR: failed to receive status: rpc error: code = Unavailable desc = closing transport due to: connection error: desc = \"error reading from server: EOF\", received prior goaway: code: NO_ERROR, debug data: \"graceful_stop\"", Cause::NoService),
        // In the middle of a pull; and what a program in a build or a registry says with the same words.
        (Docker, "pull", 1, "error during connect: Post \"http://%2Frun%2Fdocker.sock/v1.41/images/create?fromImage=127.0.0.1%3A5000%2Fa&tag=1\": EOF", Cause::NoService),
        (Docker, "pull", 1, "unexpected EOF", Cause::Other),
        (Docker, "build", 7, "tar: unexpected EOF\nunexpected EOF", Cause::Other),
        (Docker, "build", 1, "#5 0.283 unexpected EOF\n#5 ERROR: executor failed running [/bin/sh -c tar]: exit code: 2", Cause::Other),
        // A program in a build that reaches nothing, or prints what a command line would: docker 28.2, 20.10 with BuildKit,
        // podman.
        (Docker, "build", 7, "DEPRECATED: The legacy builder is deprecated and will be removed in a future release.\n\nThe command '/bin/sh -c echo \"curl: (7) failed to connect to static.rust-lang.org: Connection refused\" >&2; exit 7' returned a non-zero code: 7", Cause::Other),
        (Docker, "build", 1, "The command '/bin/sh -c echo \"Cannot connect to the Docker daemon\" >&2; exit 1' returned a non-zero code: 1", Cause::Other),
        (Docker, "build", 1, "#5 0.283 curl: (7) failed to connect to static.rust-lang.org: Connection refused\n#5 0.283 Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\n#5 ERROR: executor failed running [/bin/sh -c curl]: exit code: 7\n------\n > [2/2] RUN curl:\n------\nexecutor failed running [/bin/sh -c curl]: exit code: 7", Cause::Other),
        (Podman, "build", 7, "curl: (7) failed to connect to static.rust-lang.org: Connection refused\nCannot connect to the Docker daemon at unix:///x. Is the docker daemon running?\nError: building at STEP \"RUN curl\": while running runtime: exit status 7", Cause::Other),
        (Podman, "build", 1, "Error: unable to connect to Podman socket\nError: building at STEP \"RUN podman info\": while running runtime: exit status 1", Cause::Other),
        // The service answers, and something behind it does not.
        (Docker, "create", 1, "Error response from daemon: error looking up volume plugin nfs: dial tcp 10.0.0.1:2049: connect: connection refused\nfailed to connect to the docker api", Cause::Other),
    ];

    #[test]
    fn recorded_failures_have_their_cause_and_error() {
        for &(kind, verb, code, text, cause) in RECORDED {
            let output = Output { code, stdout: Vec::new(), stderr: text.into() };
            assert_eq!(Cause::of(verb, &output), cause, "{verb}: {text}");
            let name = kind.program();
            let (message, hint) = match (error(kind, verb, &output, text), cause) {
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
