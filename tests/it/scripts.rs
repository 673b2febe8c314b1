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
