//! What the outer cargo sees: when it runs the build script again, and what it shows of it.

use std::fs;

use crate::support::host::{Profile, git, in_terminal, ran_a_build_script, sha256_of};
use crate::support::{Ended, Engine, Fixture, copy, has_all, is_full, one_engine, podman_with_all_cases, repository};

/// A copy of a fixture that a build packaged, and the engine it did that on.
fn built(name: &str, below: &str, wanted: Option<Engine>) -> Option<(Fixture, &'static str)> {
    let engine = wanted?.name();
    let fixture = Fixture::with_packager(name, below, &[Profile::Release]);
    runs(&fixture, engine, "cache-miss: first build");
    Some((fixture, engine))
}

/// `cargo build --release` runs the build script, which comes to `verdict` and leaves no warning.
#[track_caller]
fn runs(fixture: &Fixture, engine: &str, verdict: &str) {
    let ended = fixture.build_with(engine).ok();
    assert!(ran_a_build_script(&ended), "{verdict}: cargo saw nothing to do:\n{}", ended.stderr);
    assert_eq!(fixture.logged_verdict("function"), verdict);
    assert!(!ended.stderr.contains("warning"), "{}", ended.stderr);
}

/// `cargo build --release` sees nothing to do.
#[track_caller]
fn rests(fixture: &Fixture, engine: &str) {
    let log = fixture.read("target/lambda/function/build.log");
    let ended = fixture.build_with(engine).ok();
    assert!(!ran_a_build_script(&ended), "{}", ended.stderr);
    assert_eq!(ours(&ended.stderr), [""; 0]);
    assert!(fixture.read("target/lambda/function/build.log") == log, "it was packaged");
}

/// The lines that we wrote, not cargo.
fn ours(shown: &str) -> Vec<&str> {
    let marks =
        ["packaging ", "cache-", "compile [", "  backend ", "  stages ", "  zip ", "  sha256 ", "lambda-packager:"];
    shown.lines().filter(|line| marks.iter().any(|mark| line.contains(mark))).collect()
}

fn edit(fixture: &Fixture, file: &str, from: &str, to: &str) {
    let text = fixture.text(file);
    assert!(text.contains(from), "{from:?} is not in {file}:\n{text}");
    fixture.write(file, &text.replace(from, to));
}

#[test]
fn a_warning_of_the_compiler_is_shown_once_and_an_unchanged_build_starts_and_says_nothing() {
    let Some(engine) = podman_with_all_cases() else { return };
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    // Cargo counts its units in public only where a build takes longer than half a second.
    fixture.write("function/build.rs", "fn main() {\n    std::thread::sleep(std::time::Duration::from_secs(1));\n}\n");
    edit(&fixture, "function/src/main.rs", "fn main() {", "fn unused() {}\n\nfn main() {");
    let build = || in_terminal(&fixture.cargo_with(engine.name(), &["build", "--release"]));
    let Some(first) = build() else { return };
    let first = first.ok().stdout;
    assert_eq!(first.matches("`unused` is never used").count(), 1, "{first}");
    has_all(&first, &["packaging function", "first build", "\r", "compile [", "cache-miss: first build", "  stages "]);
    assert_eq!(ours(&build().expect("as before").ok().stdout), [""; 0]);
    rests(&fixture, engine.name());
}

#[test]
fn a_zip_that_is_gone_cut_or_replaced_is_made_again() {
    let Some((fixture, engine)) = built("deployment", "", one_engine(Engine::Docker)) else { return };
    let good = fixture.zip("function");
    for zip in ["deployment.zip", "target/lambda/function/lambda-deployment.zip"] {
        let path = fixture.path(zip);
        let other = path.with_extension("other");
        let damages: [(&str, &dyn Fn() -> std::io::Result<()>); 3] = [
            ("missing", &|| fs::remove_file(&path)),
            ("modified", &|| fs::write(&path, &good[..good.len() / 2])),
            ("modified", &|| fs::write(&other, vec![0; good.len()]).and_then(|()| fs::rename(&other, &path))),
        ];
        for (what, damage) in damages {
            damage().expect("it can be written");
            runs(&fixture, engine, &format!("cache-miss: zip {what} ({zip})"));
            assert!(fixture.read(zip) == good);
        }
    }
    rests(&fixture, engine);
}

#[test]
fn every_kind_of_edit_is_seen() {
    let Some((fixture, engine)) = built("outside", "app", podman_with_all_cases()) else { return };
    let edits = [
        ("function/src/main.rs", "dep::text()", "&dep::text()"),
        ("Cargo.lock", "version = 4", "version = 3"),
        ("function/Cargo.toml", "[dependencies]", "# A comment.\n[dependencies]"),
        ("../shared/dep/src/lib.rs", " with ", " and "),
        ("../shared/Cargo.toml", "[workspace.package]", "# A comment.\n[workspace.package]"),
    ];
    for (file, from, to) in edits {
        edit(&fixture, file, from, to);
        runs(&fixture, engine, &format!("cache-miss: changed {file}"));
    }
    assert_eq!(fixture.output_of_bootstrap("function"), "a dependency and inner");
    for file in ["function/src/new.rs", "function/data.txt"] {
        fixture.write(file, "\n");
        runs(&fixture, engine, &format!("cache-miss: added {file}"));
    }
    rests(&fixture, engine);
}

/// Whatever layer names it: what decides the verdict makes cargo ask, and nothing else does.
#[test]
fn all_that_decides_the_verdict_is_told() {
    let Some((fixture, engine)) = built("deployment", "", one_engine(Engine::Docker)) else { return };
    let builds = |variables: &[(&str, &str)]| {
        let mut command = fixture.cargo_with(engine, &["build", "--release", "--verbose"]);
        let ended = Ended::of(command.envs(variables.iter().copied())).ok();
        ran_a_build_script(&ended).then(|| fixture.logged_verdict("function"))
    };
    let index = "CARGO_REGISTRIES_MINE_INDEX";
    fixture.write(".cargo/config.toml", "[registries.mine]\nindex = \"sparse+https://one.invalid/\"\n");
    edit(
        &fixture,
        "Cargo.toml",
        "[profile.dist]",
        "[workspace.metadata.lambda-packager]\npass_env = [\"GREETING\"]\n\n[profile.dist]",
    );
    let source = "fn main() {\n    println!(\"{:?}\", option_env!(\"GREETING\"));\n}\n";
    fixture.write("function/src/main.rs", source);
    assert!(builds(&[]).is_some());
    let cases: [(&str, &str, &str, &str, &str); 2] = [
        ("GREETING", "one", "variable GREETING unset -> set", "variable GREETING set -> unset", "Some(\"one\")"),
        (
            index,
            "sparse+https://two.invalid/",
            &format!("variable {index} passed"),
            &format!("variable {index} no longer passed"),
            "None",
        ),
    ];
    for (name, value, set, unset, says) in cases {
        for (variables, verdict, says) in [(&[(name, value)][..], set, says), (&[], unset, "None")] {
            let came_to = builds(variables).unwrap_or_else(|| panic!("{name}: cargo saw nothing to do"));
            assert!(came_to.starts_with(&format!("cache-miss: {verdict}")), "{came_to}");
            assert_eq!(fixture.output_of_bootstrap("function"), says);
            assert_eq!(builds(variables), None, "{name}");
        }
    }
    // Somebody else's zip lies there now.
    Ended::of(fixture.command_for(engine).args(["--mode", "dev"])).ok();
    assert_eq!(builds(&[]).as_deref(), Some("cache-miss: profile dev -> release"));
    assert_eq!(builds(&[]), None);
    // In a pipeline all dates are those of a restored cache.
    for _ in 0..2 {
        assert_eq!(builds(&[("CI", "true")]).as_deref(), Some("cache-hit"));
    }
    assert_eq!(builds(&[]).as_deref(), Some("cache-hit"));
    assert_eq!(builds(&[]), None);
    edit(&fixture, "Cargo.toml", "pass_env", "force = true\npass_env");
    for _ in 0..2 {
        assert!(builds(&[]).is_some_and(|verdict| verdict.starts_with("cache-miss: forced")));
    }
}

/// What decides is listed by `explain --inputs`, and cargo watches it: by its path, or with a folder.
#[test]
fn every_input_is_told_with_the_folder_that_another_may_come_to() {
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    let inputs =
        "[workspace.metadata.lambda-packager]\ninputs = [\"declared\", \"made\", \"../beside/**/*.txt\", \".git\"]\n";
    fixture.append("Cargo.toml", inputs);
    fixture.write("function/src/main.rs", "fn main() {\n    print!(include_str!(\"../../found/deep/a.txt\"));\n}\n");
    fixture.write(".gitignore", "/target\n*.zip\n/made\n");
    let folders = ["function/src", "greeting/src", "declared/deep", "made", "found/deep", ".sqlx", "../beside/deep"];
    for folder in &folders[2..] {
        fixture.write(&format!("{folder}/a.txt"), "a");
    }
    for name in ["VERSION", ".cargo/config.toml", "web/index.html"] {
        fixture.write(name, "");
    }
    git(fixture.root(), &["init", "--quiet"]);
    git(fixture.root(), &["commit", "--quiet", "--allow-empty", "--message=x"]);
    fixture.build_with("host").ok();

    let scripts =
        fs::read_dir(fixture.path("target/release/build")).expect("a folder").map(|entry| entry.unwrap().path());
    let told =
        scripts.filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("deployment-")));
    let told = told.filter_map(|folder| fs::read_to_string(folder.join("output")).ok()).collect::<String>();
    let told: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("cargo::rerun-if-changed=")).collect();
    let told: Vec<_> = told.iter().filter_map(|path| fixture.path(path).canonicalize().ok()).collect();
    let is_told = |name: &str| {
        let path = fixture.path(name).canonicalize().unwrap_or_else(|e| panic!("{name}: {e}"));
        path.ancestors().any(|folder| told.iter().any(|told| told == folder))
    };
    let listed = Ended::of(fixture.command_for("host").args(["explain", "--inputs"])).ok().stdout;
    let inputs: Vec<_> = listed.lines().map(|line| line.split_once(": ").expect("why, and what").1).collect();
    for input in ["VERSION", ".cargo/config.toml", "Cargo.lock", ".git/HEAD", "found/deep/a.txt"] {
        assert!(inputs.contains(&input), "{input} is not in:\n{listed}");
    }
    for name in inputs.iter().chain(&folders) {
        assert!(is_told(name), "cargo does not watch {name}, but\n{told:#?}");
    }
    for name in ["web", "web/index.html"] {
        assert!(!is_told(name), "cargo watches {name}");
    }
}

/// What cargo-lambda's file and variables say is a setting.
#[test]
fn what_configures_cargo_lambda_is_seen() {
    let Some((fixture, engine)) = built("deployment", "", one_engine(Engine::Docker)) else { return };
    edit(&fixture, "function/Cargo.toml", "[dependencies]", "[features]\nloud = []\n\n[dependencies]");
    fixture.write("function/src/main.rs", "fn main() {\n    println!(\"{}\", cfg!(feature = \"loud\"));\n}\n");
    runs(&fixture, engine, "cache-miss: changed function/Cargo.toml (+1 more)");
    let file = "function/CargoLambda.toml";
    fixture.write(file, "[build]\nfeatures = [\"loud\"]\n[prod.build]\n");
    assert!(ran_a_build_script(&fixture.build_with(engine).ok()));
    assert_eq!(fixture.output_of_bootstrap("function"), "true");
    rests(&fixture, engine);
    // Another table of it, and a file elsewhere.
    let builds = |variables: &[(&str, &str)]| {
        let mut command = fixture.cargo_with(engine, &["build", "--release", "--verbose"]);
        let ended = Ended::of(command.envs(variables.iter().copied())).ok();
        ran_a_build_script(&ended).then(|| fixture.output_of_bootstrap("function"))
    };
    assert_eq!(builds(&[("CARGO_LAMBDA_CONTEXT", "prod")]).as_deref(), Some("false"));
    let global = fixture.around().join("global.toml");
    let variables = [("CARGO_LAMBDA_GLOBAL", global.to_str().expect("a path"))];
    for (text, says) in [("[build]\nfeatures = [\"loud\"]\n", "true"), ("[build]\njobs = 1\n", "false")] {
        fs::write(&global, text).expect("it can be written");
        assert_eq!(builds(&variables).as_deref(), Some(says), "{text}");
        assert_eq!(builds(&variables), None);
    }
    fs::remove_file(fixture.path(file)).expect("it is there");
    assert_eq!(builds(&[]).as_deref(), Some("false"));
    assert_eq!(builds(&[]), None);
}

/// A file that comes to a folder in which git ignores another.
#[test]
fn what_is_added_beside_an_ignored_file_is_seen() {
    let Some(engine) = one_engine(Engine::Docker) else { return };
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    fixture.write(".gitignore", "/target\n*.zip\n.DS_Store\n");
    git(fixture.root(), &["init", "--quiet"]);
    fixture.write("function/src/.DS_Store", "");
    runs(&fixture, engine.name(), "cache-miss: first build");
    rests(&fixture, engine.name());
    fixture.write("function/src/new.rs", "");
    runs(&fixture, engine.name(), "cache-miss: added function/src/new.rs");
    rests(&fixture, engine.name());
}

/// A commit of a branch whose reference is packed, and a tag: git makes new files for both.
#[test]
fn a_commit_and_a_tag_are_seen_where_git_is_an_input() {
    let Some(engine) = one_engine(Engine::Docker).map(Engine::name) else { return };
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    fixture.write(".gitignore", "/target\n");
    let settings = "[workspace.metadata.lambda-packager]\ninputs = [\".git\"]\n\n[profile.dist]";
    edit(&fixture, "Cargo.toml", "[profile.dist]", settings);
    fixture.git(&["init", "--quiet", "--initial-branch=trunk"]);
    fixture.commit();
    fixture.git(&["pack-refs", "--all"]);
    runs(&fixture, engine, "cache-miss: first build");
    rests(&fixture, engine);
    fixture.git(&["commit", "--quiet", "--allow-empty", "--message=x"]);
    runs(&fixture, engine, "cache-miss: added .git/refs/heads/trunk");
    fixture.git(&["tag", "v1"]);
    runs(&fixture, engine, "cache-miss: added .git/refs/tags/v1");
    rests(&fixture, engine);
}

/// With its target directory and all its dates, as `cp -a` and `mv` leave them.
#[test]
fn a_copy_of_a_checkout_is_packaged_where_it_is_edited() {
    let Some((mut fixture, engine)) = built("outside", "app", one_engine(Engine::Docker)) else { return };
    let original = fixture.path("target/lambda/function/lambda-deployment.zip");
    let before = fs::read(&original).expect("a zip");
    let copy = tempfile::tempdir().expect("a folder");
    Ended::of(std::process::Command::new("cp").arg("-a").arg(fixture.around()).arg(copy.path())).ok();
    let copied = copy.path().canonicalize().expect("it exists").join(fixture.around().file_name().expect("a name"));
    fixture.moves_to(&copied.join("app"));
    for (file, from, to) in
        [("function/src/main.rs", "dep::text()", "&dep::text()"), ("../shared/dep/src/lib.rs", " with ", " and ")]
    {
        edit(&fixture, file, from, to);
        assert!(ran_a_build_script(&fixture.build_with(engine).ok()), "{file}: cargo saw nothing to do");
        assert!(fixture.logged_verdict("function").starts_with("cache-miss: "));
    }
    assert_eq!(fixture.output_of_bootstrap("function"), "a dependency and inner");
    assert!(fs::read(&original).expect("a zip") == before, "the original's zip was touched");
    rests(&fixture, engine);
    // The constants name the zip, which is elsewhere now.
    let moved = copied.with_file_name("moved");
    fs::rename(&copied, &moved).expect("a folder");
    fixture.moves_to(&moved.join("app"));
    assert!(ran_a_build_script(&fixture.build_with(engine).ok()), "the zip's path is that of another place");
    rests(&fixture, engine);
}

#[test]
fn force_forces_every_time_and_leaves_nothing_behind() {
    let Some((fixture, engine)) = built("deployment", "", one_engine(Engine::Docker)) else { return };
    for _ in 0..2 {
        let mut command = fixture.cargo_with(engine, &["build", "--release", "--verbose"]);
        let ended = Ended::of(command.env("LAMBDA_PACKAGER_FORCE", "1")).ok();
        assert!(ran_a_build_script(&ended), "{}", ended.stderr);
        assert_eq!(fixture.logged_verdict("function"), "cache-miss: forced");
    }
    runs(&fixture, engine, "cache-hit");
    rests(&fixture, engine);
}

#[test]
fn a_branch_and_back_is_a_miss_with_the_old_bytes() {
    let Some(engine) = podman_with_all_cases() else { return };
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    let git = |words: &str| git(fixture.root(), &words.split(' ').collect::<Vec<_>>());
    let zip = || sha256_of(&fixture.path("deployment.zip"));
    fixture.write(".gitignore", "/target\n*.zip\n");
    runs(&fixture, engine.name(), "cache-miss: first build");
    let before = zip();
    for words in
        ["init --quiet --initial-branch=one", "add .", "commit --quiet --message=one", "checkout --quiet -b two"]
    {
        git(words);
    }
    edit(&fixture, "greeting/src/lib.rs", "hello", "good day");
    git("commit --quiet --all --message=two");
    runs(&fixture, engine.name(), "cache-miss: changed greeting/src/lib.rs");
    assert_ne!(zip(), before);
    git("checkout --quiet one");
    runs(&fixture, engine.name(), "cache-miss: changed greeting/src/lib.rs");
    assert_eq!(zip(), before);
    rests(&fixture, engine.name());
}

#[test]
fn only_a_build_without_a_container_leaves_a_warning_and_only_one() {
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    // Cargo replays it, whether it runs the build script or not.
    for ran in [true, false] {
        let ended = fixture.build_with("host").ok();
        assert_eq!(ran_a_build_script(&ended), ran);
        let warnings: Vec<_> = ended.stderr.lines().filter(|line| line.starts_with("warning")).collect();
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("lambda-packager: compiled outside of a container"), "{warnings:?}");
        assert_eq!(ours(&ended.stderr), warnings);
    }
}

#[test]
fn what_does_not_compile_is_said_once_and_costs_nothing() {
    let Some((fixture, engine)) = built("deployment", "", one_engine(Engine::Podman)) else { return };
    let read = |name: &str| fixture.read(&format!("target/lambda/function/{name}"));
    let made = || (read("lambda-deployment.zip"), read("manifest.json"), fixture.read("deployment.zip"));
    let good = made();
    edit(&fixture, "function/src/main.rs", "greeting::GREETING", "1 + greeting::GREETING");
    let piped = fixture.build_with(engine).fails(101, &["error[E0277]", "function does not compile"]);
    assert_eq!(piped.stderr.matches("cannot add").count(), 1, "{}", piped.stderr);
    if let Some(shown) = in_terminal(&fixture.cargo_with(engine, &["build", "--release"])) {
        assert_eq!(shown.code, 101);
        let diagnostics: Vec<_> = shown.stdout.lines().filter(|line| line.contains("cannot add")).collect();
        assert_eq!(diagnostics.len(), 1, "{}", shown.stdout);
        assert!(diagnostics[0].contains("\x1b["), "{diagnostics:?} has no colours");
    }
    assert!(made() == good, "the artifact was touched");
    edit(&fixture, "function/src/main.rs", "1 + ", "");
    runs(&fixture, engine, "cache-hit");
}

#[test]
fn another_packager_of_the_same_version_packages_again() {
    // The library is compiled twice for it.
    let Some(engine) = podman_with_all_cases().filter(|_| is_full()) else { return };
    let fixture = Fixture::with_packager("deployment", "", &[Profile::Release]);
    // A copy of the library that may be edited, with what it has of its workspace.
    let (copied, library) = (fixture.around().join("packager"), "lambda-packager");
    for folder in ["src", "docker"] {
        copy(&repository().join(library).join(folder), &copied.join(library).join(folder));
    }
    for file in ["Cargo.toml", "build.rs"] {
        fs::copy(repository().join(library).join(file), copied.join(library).join(file)).unwrap();
    }
    let manifest = fs::read_to_string(repository().join("Cargo.toml")).unwrap();
    let (workspace, _) = manifest.split_once("[package]").unwrap();
    let members = "members = [\"lambda\", \"lambda-packager\", \"lambda-packager/cli\"]";
    assert!(workspace.contains(members), "{workspace}");
    fs::write(copied.join("Cargo.toml"), workspace.replace(members, "members = [\"lambda-packager\"]")).unwrap();
    let ours = repository().join(library).display().to_string();
    edit(&fixture, "Cargo.toml", &ours, &copied.join(library).display().to_string());
    runs(&fixture, engine.name(), "cache-miss: first build");

    let source = copied.join(library).join("src/sys/packager.rs");
    fs::write(&source, fs::read_to_string(&source).unwrap() + "// Edited.\n").unwrap();
    fixture.build_with(engine.name()).ok();
    let verdict = fixture.logged_verdict("function");
    let is_told =
        verdict.starts_with("cache-miss: packager 0.1.0 (sources ") && verdict.contains(" -> 0.1.0 (sources ");
    assert!(is_told, "{verdict}");
    rests(&fixture, engine.name());
}
