//! What keeps a container from starting warm costs time, never a build.

use std::collections::BTreeSet;
use std::path::Path;

use super::{KEPT, WARM, archive, behind, image_after, kept, members, replace, tar_of, unpacked, with_itoa};
use crate::support::{Engine, Fixture, Front, engines, one_engine, podman_with_all_cases};

#[test]
fn what_is_damaged_in_an_image_is_compiled_once_more_and_replaced() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let one = with_itoa("damaged");
    let image = kept(&one, engine);
    // Each library is cut off in the middle, its records and dates as they were.
    let mut damaged = members(&unpacked(&one, tar_of(&one, engine, &image)));
    for (path, _, content) in &mut damaged {
        if path.extension().is_some_and(|extension| extension == "rlib") {
            content.truncate(content.len() / 2);
        }
        if !path.starts_with("target") {
            *path = Path::new("target").join(&path);
        }
    }
    replace(&one, engine, &image, &archive(damaged));

    let two = with_itoa("damaged");
    let ended = two.run_on(engine, &[]).ok();
    assert!(ended.stderr.contains("everything is compiled again, with an empty target directory"), "{}", ended.stderr);
    assert_eq!(image_after(KEPT, &ended), image);
    assert!(two.zip("app") == one.zip("app"));
    let three = with_itoa("damaged");
    let ended = three.run_on(engine, &[]).ok();
    assert!(ended.stderr.contains(WARM), "{}", ended.stderr);
    assert!(!ended.stderr.contains("with an empty target directory"), "{}", ended.stderr);
}

#[test]
fn a_container_that_was_not_filled_to_the_end_is_not_believed() {
    for engine in engines(Engine::Docker) {
        let one = with_itoa("half");
        kept(&one, engine);
        // Killed before it could say that all is there.
        let two = with_itoa("half");
        let front = Front::of(engine.name(), "case $1 in exec) kill -9 $PPID; exit 1;; esac");
        let ended = behind(&front, &two, engine);
        assert_eq!(ended.code, 128 + 9, "{}", ended.stderr);
        let container = two.container(engine);
        // All is there but what says so, and each library is empty: whoever believed the records would use it.
        let unpack = "kept=/cargo/target; packed=$kept/.lambda-packager; if [ -e $packed/kept.tar.zst ]; then zstd -dc --long=27 $packed/*.tar.zst | tar -x -i -f -; else cp -R $kept/* $kept/.lambda-packager .; fi";
        let cut = "for file in */release/deps/*.rlib; do : >\"$file\"; done";
        let look = "ls -d */release/deps/libitoa-*.rlib */release/.fingerprint/itoa-*";
        engine.exec_as_root(&container, "chmod 1777 /target").ok();
        engine.exec(&container, &format!("cd /target; {unpack}; {cut}; {look}")).ok();
        let ended = two.run_on(engine, &[]).ok();
        assert!(!ended.stderr.contains("compiled again"), "{}", ended.stderr);
        assert_eq!(two.container(engine), container);
        assert_eq!(two.output_of_bootstrap("app"), "7");
        let left = engine.exec(&container, "ls /target/.lambda-packager").ok().stdout;
        assert!(!left.contains("zst"), "{left}");
    }
}

#[test]
fn what_a_killed_run_left_of_the_reading_is_removed() {
    let Some(engine) = podman_with_all_cases() else { return };
    let one = with_itoa("reader");
    kept(&one, engine);
    let two = with_itoa("reader");
    let front = Front::of(engine.name(), "case $1 in cp) case $3 in -) kill -9 $PPID; exit 1;; esac;; esac");
    assert_eq!(behind(&front, &two, engine).code, 128 + 9);
    assert_eq!(two.containers(engine).len(), 2, "the container, and the one that the image is read through");
    let ended = two.run_on(engine, &[]).ok();
    assert_eq!(two.output_of_bootstrap("app"), "7", "{}", ended.stderr);
    // The next filling takes its name back.
    for container in two.containers(engine) {
        if engine.inspect(&container)["State"]["Status"] == "running" {
            engine.ask(&["rm", "--force", &container]);
        }
    }
    two.append("src/main.rs", "// edited\n");
    assert!(two.run_on(engine, &[]).ok().stderr.contains(WARM));
    assert_eq!(two.containers(engine).len(), 1);
    two.run_on(engine, &["clean", "--container"]).ok();
    assert_eq!(two.containers(engine).len(), 0);
}

#[test]
fn checkouts_that_keep_at_the_same_time_leave_one_image() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let checkouts: Vec<Fixture> = (0..4).map(|_| with_itoa("crowd")).collect();
    std::thread::scope(|scope| {
        for checkout in &checkouts {
            scope.spawn(|| checkout.run_on(engine, &[]).ok());
        }
    });
    for checkout in &checkouts {
        assert_eq!(checkout.output_of_bootstrap("app"), "7");
    }
    // The next one that is kept removes what lost its name.
    let container = checkouts[0].container(engine);
    engine.exec(&container, "rm /target/.lambda-packager/kept").ok();
    let image = image_after(KEPT, &checkouts[0].run_on(engine, &["--force"]).ok());
    let ended = with_itoa("crowd").run_on(engine, &[]).ok();
    assert_eq!(image_after(WARM, &ended), image);
    let named = |checkout: &Fixture| {
        let filter = format!("label={}", checkout.label());
        engine.ask(&["images", "--no-trunc", "--filter", &filter, "--format", "{{.ID}}"])
    };
    let left: BTreeSet<String> =
        checkouts.iter().flat_map(|one| named(one).lines().map(String::from).collect::<Vec<_>>()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn an_engine_that_cannot_keep_fails_no_build() {
    let Some(engine) = podman_with_all_cases() else { return };
    let one = with_itoa("cannot");
    let front =
        Front::of(engine.name(), "case $1 in import) case $* in *deps*) echo no room >&2; exit 1;; esac;; esac");
    let ended = behind(&front, &one, engine).ok();
    let note = "note: the compiled dependencies are not kept for other checkouts";
    assert!(ended.stderr.contains(note), "{}", ended.stderr);
    assert_eq!(one.run_on(engine, &[]).ok().verdict(), "cache-hit");
    // They are with the next build, though it compiles none of them.
    image_after(KEPT, &one.run_on(engine, &["--force"]).ok());
}
