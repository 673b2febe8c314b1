//! What goes wrong on the way to a registry: each with its own exit status and remedy, and `latest` unmoved.

use std::fs;
use std::net::TcpListener;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{NAME, edit, image, latest, on, open, push, record, tag};
use crate::support::http::Server;
use crate::support::{Ended, Fate, Fixture, ImageRegistry, Proxy, Setup, TempDir, Tmpfs, free_port, is_full};

#[test]
fn a_registry_that_cannot_be_reached_says_how() {
    let fixture = Fixture::hello_in_git();
    push(&fixture, &format!("127.0.0.1:{}", free_port())).fails(10, &["refuses connections", "port"]);
    push(&fixture, "registry.invalid").fails(10, &["is not found: its name does not resolve"]);
    // Somebody listens and never says a word.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    push(&fixture, &silent.local_addr().unwrap().to_string()).fails(10, &["does not answer in time", "firewall"]);
    push(&fixture, "user:password@host").fails(2, &["flag --registry", "is not a valid registry"]);
    let mut command = fixture.command_for("host");
    command.args(["image", "push", "--env", "preprod"]);
    Ended::of(&mut command).fails(2, &["no registry is set", "--registry"]);
}

/// A registry with one image in it, a new revision to push, and a proxy between them.
struct Scene {
    registry: ImageRegistry,
    fixture: Fixture,
    before: String,
}

impl Scene {
    fn set() -> Option<Self> {
        let (registry, fixture) = open(&Setup::default())?;
        push(&fixture, &registry.name()).ok();
        let before = registry.digest(NAME, "latest").expect("it was pushed");
        edit(&fixture);
        Some(Self { registry, fixture, before })
    }

    fn push_through(&self, rule: impl Fn(&str) -> Fate + Send + Sync + 'static) -> (Ended, Vec<String>) {
        let proxy = Proxy::to(&self.registry, rule);
        let ended = push(&self.fixture, &proxy.name());
        (ended, proxy.seen())
    }

    /// Asserts that nothing moved.
    #[track_caller]
    fn is_unmoved(&self) {
        assert_eq!(latest(&self.registry).as_ref(), Some(&self.before));
    }
}

/// What ECR answers; no registry on a loopback says this by itself.
/// <https://docs.aws.amazon.com/AmazonECR/latest/userguide/common-errors-docker.html>
mod ecr {
    pub const NO_REPOSITORY: &str = r#"{"errors":[{"code":"NAME_UNKNOWN","message":"The repository with name 'x' does not exist in the registry with id '123456789012'"}]}"#;
    pub const DENIED: &str = r#"{"errors":[{"code":"DENIED","message":"User: arn:aws:iam::123456789012:user/x is not authorized to perform: ecr:InitiateLayerUpload"}]}"#;
    pub const EXPIRED: &str = r#"{"errors":[{"code":"DENIED","message":"Your authorization token has expired. Reauthenticate and try again."}]}"#;
    pub const IMMUTABLE: &str = r#"{"errors":[{"code":"TAG_INVALID","message":"The image tag 'latest' already exists in the 'x' repository and cannot be overwritten because the repository is immutable."}]}"#;
}

#[test]
fn refusals_are_told_apart_and_move_nothing() {
    let Some(scene) = Scene::set() else { return };
    let latest = "PUT /v2/preprod-sse-streaming-lambda/manifests/preprod-latest";
    let create = "aws ecr create-repository --repository-name preprod-sse";
    for (begin, status, body, code, parts) in [
        ("POST", 404, ecr::NO_REPOSITORY, 13, &["has no repository preprod-sse", create, "aws_ecr_repository"][..]),
        ("POST", 403, ecr::DENIED, 14, &["does not allow pushing", "ecr:InitiateLayerUpload"]),
        ("GET", 403, ecr::EXPIRED, 12, &["the login has expired"]),
        (latest, 400, ecr::IMMUTABLE, 17, &["does not allow moving a tag", "image_tag_mutability"]),
        ("PUT", 418, "short and stout", 21, &["status 418", "short and stout"]),
    ] {
        let (ended, seen) = scene.push_through(on(begin, Fate::Answered(status, body)));
        ended.fails(code, parts);
        scene.is_unmoved();
        // None of these gets better by being asked again.
        assert_eq!(seen.iter().filter(|request| request.starts_with(begin)).count(), 1, "{seen:?}");
    }
}

#[test]
fn a_broken_connection_is_resumed_after_what_the_registry_has() {
    let Some(scene) = Scene::set() else { return };
    // Two pieces of a layer, which nothing compresses.
    let mut state = 1_u64;
    let noise = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    });
    fs::write(scene.fixture.path("noise"), noise.take(10 << 20).collect::<Vec<_>>()).unwrap();
    scene.fixture.append("Cargo.toml", "[package.metadata.lambda-packager]\ninclude = [\"noise\"]\n");
    // Before the registry has a byte of the second piece: it says how far it came. Within a piece it cannot
    // (docker-registry 2.8 then refuses the upload), and the layer is begun anew.
    for (bytes, uploads, pieces) in [(0, 2, 4), (100_000, 3, 5)] {
        scene.fixture.says(&bytes.to_string());
        scene.fixture.commit();
        let patches = AtomicUsize::new(0);
        let (ended, seen) = scene.push_through(move |request| {
            let second = request.starts_with("PATCH") && patches.fetch_add(1, Ordering::SeqCst) == 1;
            if second { Fate::Cut(bytes) } else { Fate::Passed }
        });
        let ended = ended.ok();
        assert_eq!(ended.stderr.matches("lost the connection; trying again in").count(), 1, "{}", ended.stderr);
        let count = |method: &str| seen.iter().filter(|request| request.starts_with(method)).count();
        assert_eq!((count("POST"), count("PATCH")), (uploads, pieces), "{seen:?}");
        let (manifest, _) = scene.registry.image(NAME, "latest");
        assert!(scene.registry.is_whole(NAME, &manifest));
    }
    assert_ne!(scene.registry.digest(NAME, "latest").as_ref(), Some(&scene.before));
}

/// As ECR does it, and others: 201 for a piece; and an error for the end of an upload that was complete before.
#[test]
fn a_piece_may_be_accepted_in_other_words() {
    let Some(scene) = Scene::set() else { return };
    for (begin, status) in [("PATCH", 201), ("PATCH", 204), ("PUT /v2/preprod-sse-streaming-lambda/blobs", 400)] {
        scene.fixture.says(&format!("{begin} {status}"));
        scene.fixture.commit();
        let (ended, _) = scene.push_through(on(begin, Fate::Told(status)));
        ended.ok();
        let (manifest, _) = scene.registry.image(NAME, "latest");
        assert!(scene.registry.is_whole(NAME, &manifest), "{begin} {status}");
    }
}

#[test]
fn a_connection_that_keeps_breaking_is_an_error_and_moves_nothing() {
    let Some(scene) = Scene::set() else { return };
    for broken in
        ["PATCH", "PUT /v2/preprod-sse-streaming-lambda/blobs", "PUT /v2/preprod-sse-streaming-lambda/manifests"]
    {
        let (ended, _) = scene.push_through(on(broken, Fate::Cut(0)));
        ended.fails(16, &["lost the connection", "run it again"]);
        scene.is_unmoved();
    }
    // What stalls is no better than what breaks, and is told apart.
    scene.fixture.says("edited again");
    let (ended, _) = scene.push_through(on("PATCH", Fate::Ignored));
    ended.fails(10, &["does not answer in time"]);
    scene.is_unmoved();
    // Nor is what answers byte by byte.
    if is_full() {
        let (ended, _) = scene.push_through(on("POST", Fate::Dripped));
        ended.fails(10, &["does not answer in time"]);
        scene.is_unmoved();
    }
    push(&scene.fixture, &scene.registry.name()).ok();
}

#[test]
fn a_registry_in_trouble_is_asked_again() {
    let Some(scene) = Scene::set() else { return };
    let asked = AtomicUsize::new(0);
    let (ended, _) = scene.push_through(move |request| {
        let early = request.starts_with("POST") && asked.fetch_add(1, Ordering::SeqCst) < 2;
        if early { Fate::Answered(503, "busy") } else { Fate::Passed }
    });
    assert_eq!(ended.ok().stderr.matches("answers with status 503; trying again").count(), 2);
    assert_ne!(scene.registry.digest(NAME, "latest").as_ref(), Some(&scene.before));
}

#[test]
fn what_the_registry_took_and_does_not_have_moves_nothing() {
    let Some(scene) = Scene::set() else { return };
    let stays = |request: &str| request.starts_with("GET ") && request.contains("/manifests/preprod-");
    let forgets = move |request: &str| if stays(request) { Fate::Answered(404, "{}") } else { Fate::Passed };
    let (ended, seen) = scene.push_through(forgets);
    ended.fails(21, &["accepted preprod-sse-streaming-lambda:preprod-", "does not have it"]);
    assert!(seen.iter().any(|request| request.starts_with("PUT ") && request.contains("/manifests/preprod-")));
    scene.is_unmoved();
}

#[test]
fn what_is_read_back_is_what_its_digest_says() {
    let Some(scene) = Scene::set() else { return };
    let list = |registry: &str| Ended::of(&mut image(&scene.fixture, &["list"], registry));
    list(&scene.registry.name()).ok();
    let other = Fate::Answered(200, r#"{"created":"2099-01-01T00:00:00Z"}"#);
    let proxy = Proxy::to(&scene.registry, on("GET /v2/preprod-sse-streaming-lambda/blobs/", other));
    list(&proxy.name()).fails(21, &["sent a blob with another content than its digest says", "sha256:", "help: "]);
}

#[test]
fn pages_of_tags_without_an_end_are_an_error() {
    let pages = AtomicUsize::new(0);
    let registry = Server::start(move |request| {
        if !request.line.contains("/tags/list") {
            return request.answer(404, "", b"{}");
        }
        let page = pages.fetch_add(1, Ordering::SeqCst);
        let link = format!("Link: </v2/{NAME}/tags/list?last={page}>; rel=\"next\"\r\n");
        request.answer(200, &link, br#"{"tags": ["a"]}"#)
    });
    let fixture = Fixture::hello_in_git();
    let ended = Ended::of(&mut image(&fixture, &["list"], &registry.name()));
    ended.fails(21, &["sent more than 1000 pages of tags", "help: "]);
}

#[test]
fn the_tag_that_stays_is_never_given_to_another_image() {
    let Some(scene) = Scene::set() else { return };
    // What the revision will be called is known before it is pushed.
    Ended::of(&mut image(&scene.fixture, &["build"], &scene.registry.name())).ok();
    let tag = tag(&scene.fixture);
    let (other, _) = scene.registry.image(NAME, "latest");
    let spaced = serde_json::to_vec_pretty(&other).unwrap();
    scene.registry.put_manifest(NAME, &tag, &spaced);
    let theirs = scene.registry.digest(NAME, &tag).unwrap();
    push(&scene.fixture, &scene.registry.name()).fails(17, &["has another image at", &tag, &theirs]);
    scene.is_unmoved();
    assert_eq!(scene.registry.digest(NAME, &tag), Some(theirs));
}

#[test]
fn a_full_disk_is_told_whichever_side_it_is_on() {
    let folder = TempDir::new().unwrap();
    let store = folder.path().join("store");
    let Some(theirs) = Tmpfs::at(&store, 4096) else { return };
    let Some((registry, fixture)) = open(&Setup { store: Some(&store), ..Setup::default() }) else { return };
    push(&fixture, &registry.name()).ok();
    let before = registry.digest(NAME, "latest");
    // Another function, large enough that what is left does not hold it.
    theirs.fill();
    fixture.says("edited");
    push(&fixture, &registry.name()).fails(15, &["has no space left", "free some space where the registry"]);
    theirs.empty();
    assert_eq!(registry.digest(NAME, "latest"), before);
    push(&fixture, &registry.name()).ok();
    assert_ne!(registry.digest(NAME, "latest"), before);

    let kept = record(&fixture);
    let folder = fixture.path("target/lambda/hello");
    let copy = fixture.around().join("copy");
    fs::rename(&folder, &copy).unwrap();
    let ours = Tmpfs::at(&folder, 4096).expect("the other one was possible");
    Ended::of(Command::new("cp").arg("-a").arg(format!("{}/.", copy.display())).arg(&folder)).ok();
    ours.fill();
    push(&fixture, &registry.name()).fails(15, &["cannot write", "free some disk space"]);
    assert_eq!(record(&fixture), kept);
}
