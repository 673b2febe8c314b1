//! The scripts that people type: an argument that they do not know ends them before anything starts.

use crate::support::Desk;

/// Each script, and a command line of it that is wrong.
const SCRIPTS: [(&str, &[&str]); 8] = [
    ("infra/deploy", &["--force-rebuilt"]),
    ("infra/deploy", &["--force-rebuild", "prod"]),
    ("docker/build-lambda.sh", &["prod", "--force"]),
    ("docker/dev-container.sh", &["restart"]),
    ("docker/dev-container.sh", &["start", "now"]),
    ("docker/kept-images", &["drop"]),
    ("docker/kept-images", &["save", "load"]),
    (".ci/run", &["--quick"]),
];

#[test]
fn an_unknown_argument_ends_a_script_before_anything_starts_and_help_prints_its_usage() {
    let desk = Desk::with_fakes();
    for (script, wrong) in SCRIPTS {
        let ended = desk.run(&[&[script], wrong].concat(), "").fails(2, &["usage: ", script]);
        assert_eq!((desk.calls(), ended.stdout), (vec![], String::new()), "{script} {wrong:?}");
    }
    for script in SCRIPTS.map(|(script, _)| script).into_iter().chain(["tests/run"]) {
        for help in ["--help", "-h"] {
            let ended = desk.run(&[script, help], "").ok();
            assert!(ended.stdout.starts_with("usage: ") && ended.stdout.contains(script), "{script}: {ended:?}");
            assert_eq!(desk.calls(), [""; 0], "{script} {help}");
        }
    }
    assert!(!desk.has("target"), "a script made something");
}

#[test]
fn a_deploy_packages_again_if_it_is_told_to_and_only_where_it_packages() {
    let desk = Desk::with_fakes();
    for (package, call) in [
        ("image", "lambda-packager image push --env preprod --force"),
        ("zip", "lambda-packager build --env preprod --force"),
    ] {
        let package = format!("PACKAGE={package}");
        desk.run(&["env", "ENV=preprod", &package, "infra/deploy", "--force-rebuild"], "");
        assert_eq!(desk.calls().first().map(String::as_str), Some(call), "{package}");
    }
    for which in ["TAG=preprod-1", "IMAGE=r/x@sha256:0"] {
        desk.run(&["env", "ENV=preprod", which, "infra/deploy", "--force-rebuild"], "")
            .fails(2, &["nothing is packaged"]);
        assert_eq!(desk.calls(), [""; 0], "{which}");
    }
}

/// As the runner of the workflow is: a user who is not root, and whom sudo asks for no password.
#[test]
fn a_pipeline_that_is_not_root_takes_roots_rights_only_for_what_needs_them() {
    let desk = Desk::with_fakes();
    let ended = desk.run(&[".ci/run"], "").ok();
    assert!(ended.stdout.ends_with("skipped: nothing\n"), "{}", ended.stdout);
    let calls = desk.calls();
    let of = |program: &str| calls.iter().filter(|call| call.split(' ').next() == Some(program)).collect::<Vec<_>>();
    let with_cargo: Vec<_> = of("cargo").iter().map(|call| call.split(' ').nth(1).unwrap_or_default()).collect();
    assert_eq!(with_cargo, ["fmt", "clippy", "build", "doc", "package"], "{calls:?}");
    let as_root = of("sudo");
    let tested = as_root.iter().position(|call| call.ends_with(" make test") && call.contains("--preserve-env"));
    // What root compiled is the user's again, for the next step and for the cache.
    let given_back = as_root.iter().position(|call| call.contains(" chown -R ") && call.contains(" target "));
    assert!(tested.is_some() && tested < given_back, "{as_root:?}");
    assert!(as_root.iter().all(|call| call.starts_with("sudo -n ")), "sudo may ask for a password: {as_root:?}");
    assert_eq!(of("apt-get").len() + of("dockerd").len(), 0, "{calls:?}");
}
