//! A layer of an image that is damaged in the engine's storage.

use crate::engine::Kind;

/// Signs of a layer that is missing or damaged, in the engine's last message (in lower case). The last one is podman's,
/// where a stage copies from another.
#[rustfmt::skip]
const SIGNS: &[&str] = &[
    "layer does not exist", "layer not known", "unknown blob", "failed to get digest", "failed to register layer",
    "failed to compute cache key", "failed to calculate checksum", "failed to export layer",
    "error creating overlay mount", "invalid argument", "failed to mount", "no such image", "image not known",
    "readlink /", "lstat /", "stat /", "input/output error", "failed to prepare", "/committed: no such file",
    "recreating the missing symlinks", "consider removing the image", "checking on sources under",
];

/// Signs of something else in a message that also has one of those: the runtime starts a program once the layers are there,
/// and a new image would help neither a full disk nor a user without rights.
const OTHER_SIGNS: &[&str] =
    &["oci runtime", "unable to start container process", "no space left", "quota exceeded", "permission denied"];

const FORMAT: &str = " * ";
const OUR_FORMAT: &str = " * docker-archive: ";

/// Whether a layer is damaged, by what an engine printed on stderr. Only its own last message tells: the programs of a
/// step may print the same words before it.
pub fn is_damaged(stderr: &str) -> bool {
    let mut lines = stderr.lines().rev().filter(|line| !line.trim().is_empty()).peekable();
    // Podman's `load` tries several formats, and ends with what was wrong with each: an archive of ours has docker's.
    let is_list = lines.peek().is_some_and(|last| last.starts_with(FORMAT));
    let last = if is_list { lines.find(|line| line.starts_with(OUR_FORMAT)) } else { lines.next() };
    let last = last.unwrap_or_default().to_lowercase();
    let says = |signs: &[&str]| signs.iter().any(|sign| last.contains(sign));
    says(SIGNS) && !says(OTHER_SIGNS)
}

/// What the user can do about a damaged layer of `image`. As long as it is there, a pull brings no layer again: docker
/// 20.10 and podman 4.3 both say that they have it.
pub fn remedy(kind: Kind, image: &str) -> String {
    let program = kind.program();
    format!(
        "a layer of the image {image} is damaged: remove it and what was built upon it (`{program} rmi --force {image}`, `{program} image prune`), then pull or load it again"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_damaged_layer_is_known_by_the_engines_last_message() {
        // Recorded from docker 20.10, with BuildKit and without: a layer is gone from a base, then what is in it.
        let base = "------\n > [2/2] RUN sh:\n------\nfailed to prepare 71fof: open /var/lib/docker/overlay2/6966/committed: no such file or directory\n";
        let legacy =
            "failed to create rwlayer: open /var/lib/docker/overlay2/4669/committed: no such file or directory\n";
        let created =
            "Error response from daemon: open /var/lib/docker/overlay2/4669/committed: no such file or directory\n";
        let content = "Error response from daemon: error creating overlay mount to /var/lib/docker/overlay2/be82-init/merged: no such file or directory\n";
        // Recorded from podman 4.3: a file is gone from a stage, then a whole layer.
        let copied = "Error: building at STEP \"COPY --from=build /parcel /parcel\": checking on sources under \"/var/lib/containers/storage/overlay/3f05/merged\": copier: stat: \"/parcel\": no such file or directory\n";
        let layer = "Error: creating build container: creating container: creating read-write layer with ID \"8cdc\": Stat /var/lib/containers/storage/overlay/3cc5/diff: no such file or directory\n";
        // A whole layer, what is in it, the image's configuration, the record of a layer.
        let inspected = "Error: stat /var/lib/containers/storage/overlay/61dc5a61: no such file or directory\n";
        let emptied = "Error: creating container storage: creating read-write layer with ID \"a03a\": Stat /var/lib/containers/storage/overlay/6489/diff: no such file or directory\n";
        let configuration = "Error: creating build container: checking platform of image localhost/builder:1: inspecting image: locating item named \"sha256:f4b3\" for image with ID \"f4b3\" (consider removing the image to resolve the issue): file does not exist\n";
        let record = "Error: layer not known\n";
        // Recorded from docker 20.10, which looks at the last layer.
        let looked_up = "Error response from daemon: stat /var/lib/docker/overlay2/67qa: no such file or directory\n";
        // Recorded from both: what an image that is loaded shares with one that is there.
        let loaded = "open /var/lib/docker/overlay2/a8ae/committed: no such file or directory\n";
        let list = "Error: payload does not match any of the supported image formats:\n * oci: initializing source oci:/tmp/podman38:: open /tmp/podman38/index.json: not a directory\n * oci-archive: loading index: open /var/tmp/oci35/index.json: no such file or directory\n * docker-archive: writing blob: adding layer with blob \"sha256:f21b\": creating layer with ID \"8060\": Stat /var/lib/containers/storage/overlay/30e2: no such file or directory\n * dir: open /tmp/podman38/manifest.json: not a directory\n";
        let no_archive = list.replace(
            "Stat /var/lib/containers/storage/overlay/30e2: no such file or directory",
            "no space left on device",
        );
        // A new image would not help, and takes minutes.
        let full = "Error response from daemon: error creating overlay mount to /var/lib/docker/overlay2/be82-init/merged: no space left on device\n";
        let forbidden = "Error: stat /var/lib/containers/storage/overlay: permission denied\n";
        let mount = "Error: runc: runc create failed: error mounting \"/usr\" to rootfs at \"/usr\": mount /usr:/usr: invalid argument: OCI runtime error\n";
        let printed = "tar: lstat /x: input/output error\nError: building at STEP \"RUN sh /opt/run-recipe build\": while running runtime: exit status 2\n";
        let of_docker = [base, legacy, created, content].map(|stderr| (stderr, true));
        let program = "Error response from daemon: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: \"/bin/sh\": stat /bin/sh: no such file or directory: unknown\n";
        for (stderr, expected) in of_docker.into_iter().chain([
            (program, false),
            (copied, true),
            (layer, true),
            (inspected, true),
            (emptied, true),
            (configuration, true),
            (record, true),
            (looked_up, true),
            (loaded, true),
            (list, true),
            (&no_archive, false),
            (full, false),
            (forbidden, false),
            (mount, false),
            (printed, false),
            ("", false),
        ]) {
            assert_eq!(is_damaged(stderr), expected, "{stderr}");
        }
    }
}
