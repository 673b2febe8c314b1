//! The packager in the place of cargo-lambda.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use crate::extension::listed;
use crate::support::{Ended, Fixture, Shim, cases, has_all, is_installed, packager, prefixed, program, skip};

fn build(shim: &Shim, fixture: &Fixture, flags: &[&str]) -> Ended {
    Ended::of(shim.command(fixture, &["build"]).args(flags))
}

/// A workspace of the packages `api`, with the bins `api` and `admin`, and `worker`.
fn workspace() -> Fixture {
    let fixture = Fixture::empty("shop");
    fixture.write("Cargo.toml", "[workspace]\nmembers = [\"api\", \"worker\"]\nresolver = \"2\"\n");
    for name in ["api", "worker"] {
        fixture.package(name, name, "");
    }
    for file in ["api/src/main.rs", "api/src/bin/admin.rs", "api/examples/demo.rs", "worker/src/main.rs"] {
        fixture.write(file, &format!("fn main() {{\n    println!(\"{file}\");\n}}\n"));
    }
    fixture
}

/// The files of cargo-lambda in a folder.
fn layout(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        match path.is_dir() {
            true => found.extend(layout(&path).into_iter().map(|below| format!("{name}/{below}"))),
            false if name.starts_with("bootstrap") || folder.ends_with("extensions") => drop(found.insert(name)),
            false => {}
        }
    }
    found
}

#[test]
fn cargo_lambda_build_packages_and_reuses_and_puts_the_files_where_cargo_lambda_does() {
    let (shim, fixture) = (Shim::installed(), Fixture::hello());
    let version = Ended::answer(&mut shim.command(&fixture, &["--version"]));
    assert!(version.starts_with("cargo-lambda 1.9.2 (lambda-packager "), "{version}");

    let first = build(&shim, &fixture, &["--release"]).ok();
    assert_eq!(first.verdict(), "cache-miss: first build");
    assert_eq!(fixture.output_of_bootstrap("hello"), "hello");
    assert_eq!(fixture.manifest("hello")["ingredients"]["mode"], "release");
    let again = build(&shim, &fixture, &["--release", "--output-format", "Zip"]).ok();
    assert_eq!(again.verdict(), "cache-hit");
    assert!(fixture.read("target/lambda/hello/bootstrap.zip") == fixture.zip("hello"));

    let elsewhere = ["--release", "--lambda-dir", "../out", "--flatten", "hello"];
    build(&shim, &fixture, &elsewhere).ok();
    let placed = fixture.around().join("out/bootstrap");
    assert_eq!(Ended::answer(&mut Command::new(&placed)), "hello");
    // What is there already is not touched, and what is not is made again without a compile.
    let date = |path: &Path| fs::metadata(path).and_then(|meta| meta.modified()).expect("a date");
    let before = date(&placed);
    assert_eq!(build(&shim, &fixture, &elsewhere).ok().verdict(), "cache-hit");
    assert_eq!(date(&placed), before);
    fs::write(&placed, "another").expect("a file");
    assert_eq!(build(&shim, &fixture, &elsewhere).ok().verdict(), "cache-hit");
    assert_eq!(Ended::answer(&mut Command::new(&placed)), "hello");

    // Without --release it is not optimised, as with cargo; a variable is stronger.
    build(&shim, &fixture, &[]).ok();
    assert_eq!(fixture.manifest("hello")["ingredients"]["mode"], "dev");
    let mut stronger = shim.command(&fixture, &["-v", "build", "--manifest-path", "hello/Cargo.toml"]);
    stronger.env("LAMBDA_PACKAGER_MODE", "release").env("CARGO_TARGET_DIR", "elsewhere");
    Ended::of(stronger.current_dir(fixture.around())).ok();
    assert_eq!(fixture.manifest("hello")["ingredients"]["mode"], "release");
    assert!(fixture.around().join("elsewhere/lambda/hello/bootstrap").is_file());
}

#[test]
fn a_layer_of_files_is_a_zip_and_keeps_no_function_from_its_place() {
    let (shim, fixture) = (Shim::installed(), workspace());
    fixture.package("assets", "assets", "[package.metadata.lambda-packager]\nkind = \"layer\"\ninclude = [\"opt\"]\n");
    fixture.write("assets/src/lib.rs", "");
    fixture.write("assets/opt/data", "data");
    fixture.write("Cargo.toml", &fixture.text("Cargo.toml").replace("[\"api\"", "[\"assets\", \"api\""));
    build(&shim, &fixture, &["--release", "--workspace", "--lambda-dir", "out"]).ok();
    let all = ["admin/bootstrap", "api/bootstrap", "extensions/assets.zip", "worker/bootstrap"];
    assert_eq!(layout(&fixture.path("out")), all.map(String::from).into());
    assert!(fixture.read("out/extensions/assets.zip") == fixture.zip("assets"));
}

#[test]
fn the_files_are_at_the_places_of_cargo_lambda_itself() {
    if !Command::new("cargo-lambda").args(["lambda", "--help"]).output().is_ok_and(|output| output.status.success()) {
        return skip("cargo-lambda", "no cargo-lambda to compare with (pip install cargo-lambda)");
    }
    let shim = Shim::installed();
    let all: [&[&str]; 6] = [
        &["--release", "-o", "zip", "--bin", "admin"],
        &["--release"],
        &["-p", "worker", "--lambda-dir", "target/lambda/out", "--flatten", "worker"],
        &["--workspace", "--exclude", "api", "--x86-64"],
        &["--extension", "-o", "zip", "--bin", "admin"],
        &["--release", "--example", "demo"],
    ];
    for flags in &all[..cases(1, all.len())] {
        let (theirs, ours) = (workspace(), workspace());
        let mut real = theirs.cargo_command();
        Ended::of(real.args(["lambda", "build", "--compiler", "cargo"]).args(*flags)).ok();
        build(&shim, &ours, flags).ok();
        let (theirs, ours) = (layout(&theirs.path("target")), layout(&ours.path("target")));
        assert!(!theirs.is_empty() && theirs.is_subset(&ours), "{flags:?}: {theirs:?}, but {ours:?}");
        // Our own files of each function are beside them.
        let own = ["admin", "api", "demo", "worker"].map(|name| format!("lambda/{name}/bootstrap"));
        let more: Vec<_> = ours.difference(&theirs).collect();
        assert!(more.iter().all(|file| own.contains(file)), "{flags:?}: {more:?}");
    }
}

#[test]
fn what_the_tables_say_of_output_and_mode_is_what_it_is_for_cargo_lambda_itself() {
    if !Command::new("cargo-lambda").args(["lambda", "--help"]).output().is_ok_and(|output| output.status.success()) {
        return skip("cargo-lambda", "no cargo-lambda to compare with (pip install cargo-lambda)");
    }
    let shim = Shim::installed();
    let of_workspace = |keys: &str| ("Cargo.toml", format!("[workspace.metadata.lambda.build]\n{keys}\n"));
    let of_bin = |keys: &str| ("api/Cargo.toml", format!("[package.metadata.lambda.bin.admin.build]\n{keys}\n"));
    let all: [((&str, String), &[&str]); 7] = [
        (of_workspace("output_format = \"zip\"\nrelease = true"), &[]),
        (of_workspace("lambda_dir = \"dist\"\nflatten = \"admin\"\nprofile = \"dev\""), &[]),
        (of_bin("output_format = \"zip\"\nlambda_dir = \"dist\"\nprofile = \"release\""), &["--bin", "admin"]),
        (("CargoLambda.toml", "[build]\noutput_format = \"zip\"\n".into()), &["--bin", "admin"]),
        (of_workspace("output_format = \"zip\"\nlambda_dir = \"dist\""), &["-o", "binary", "--lambda-dir", "target/x"]),
        (of_workspace("flatten = \"api\"\nlambda_dir = \"dist\""), &["--flatten", "admin"]),
        (of_workspace("extension = true\noutput_format = \"zip\""), &["--release"]),
    ];
    for ((file, table), flags) in &all[..cases(2, all.len())] {
        let projects = [workspace(), workspace()];
        for project in &projects {
            let before = if project.path(file).exists() { project.text(file) } else { String::new() };
            project.write(file, &format!("{before}{table}"));
            project.write("api/src/bin/admin.rs", "fn main() {\n    println!(\"{}\", cfg!(debug_assertions));\n}\n");
        }
        let [theirs, ours] = &projects;
        Ended::of(theirs.cargo_command().args(["lambda", "build", "--compiler", "cargo"]).args(*flags)).ok();
        let built = build(&shim, ours, flags).ok();
        for key in ["output_format", "lambda_dir", "flatten", "release` in", "profile` in"] {
            assert!(!built.stderr.contains(&format!("`{key}")), "{key}: {}", built.stderr);
        }
        let places = [theirs, ours].map(|project| layout(project.root()));
        assert!(!places[0].is_empty() && places[0].is_subset(&places[1]), "{table} {flags:?}: {places:#?}");
        let own = ["admin", "api", "worker"].map(|name| format!("target/lambda/{name}/bootstrap"));
        let more: Vec<_> = places[1].difference(&places[0]).collect();
        assert!(more.iter().all(|file| own.contains(file)), "{table} {flags:?}: {more:?}");
        let targets = fs::read_dir(theirs.path("target")).expect("a folder").flatten();
        let is_release = targets.into_iter().any(|target| target.path().join("release/admin").is_file());
        assert_eq!(ours.output_of_bootstrap("admin"), (!is_release).to_string(), "{table} {flags:?}");
    }
}

#[test]
fn the_format_that_a_table_says_decides_what_include_adds_and_its_folder_stays_in_the_project() {
    if !is_installed("unzip", "Debian: apt-get install unzip") {
        return;
    }
    let (shim, fixture) = (Shim::installed(), Fixture::hello());
    let manifest = fixture.text("Cargo.toml");
    let says =
        |keys: &str| fixture.write("Cargo.toml", &format!("{manifest}[package.metadata.lambda.build]\n{keys}\n"));
    fixture.write("x.txt", "x");
    says("output_format = \"zip\"\nlambda_dir = \"target/out\"\nprofile = \"dev\"");
    let built = build(&shim, &fixture, &["--release", "--include", "x.txt"]).ok();
    assert!(!built.stderr.contains("--include has no effect"), "{}", built.stderr);
    assert_eq!(listed(&fixture.path("target/out/hello/bootstrap.zip")).join(" "), "bootstrap* x.txt");
    assert!(!fixture.path("target/out/hello/bootstrap").exists());
    // The flag is stronger than the profile of the table.
    let ingredients = &fixture.manifest("hello")["ingredients"];
    assert_eq!((&ingredients["mode"], &ingredients["profile"]), (&"release".into(), &"release".into()));
    for folder in ["../out", "/tmp/out-of-lambda-packager"] {
        says(&format!("lambda_dir = {folder:?}"));
        build(&shim, &fixture, &[])
            .fails(2, &["`lambda_dir` in [package.metadata.lambda.build]", "outside", "--lambda-dir"]);
        build(&shim, &fixture, &["--lambda-dir", "target/out"]).ok();
    }
    says("output_format = \"tar\"");
    build(&shim, &fixture, &[]).fails(2, &["`output_format` in", "expected `binary` or `zip`"]);
}

/// The flags in the help of `cargo lambda build` of cargo-lambda itself, with a value for those that take one.
fn flags_in(help: &str) -> Vec<Vec<String>> {
    let (mut all, mut value) = (Vec::new(), None);
    for line in help.lines().map(str::trim_start) {
        // The text behind the flags, which may go on for lines, has other names of the last one.
        let (flags, text) =
            if line.starts_with('-') { line.split_once("  ").unwrap_or((line, "")) } else { ("", line) };
        if !flags.is_empty() {
            value = flags.split_once(['<', '[']).map(|(_, name)| match name.trim_start_matches('<') {
                name if name.starts_with("OUTPUT_FORMAT") => "zip",
                name if name.starts_with("WHEN") => "never",
                _ => "a=1",
            });
        }
        let names = flags.split([' ', ',']).filter(|name| name.starts_with('-')).map(|name| name.trim_end_matches('.'));
        let others = text.split_once("[alias: ").into_iter().flat_map(|(_, names)| names.split([',', ' ', ']']));
        let names = names.chain(others.filter(|name| name.starts_with("--")));
        all.extend(names.map(|name| [name].into_iter().chain(value).map(String::from).collect()));
    }
    all
}

#[test]
fn every_flag_in_the_help_of_cargo_lambda_itself_is_understood() {
    let Some(help) = Command::new("cargo-lambda").args(["lambda", "build", "--help"]).output().ok() else {
        return skip("cargo-lambda", "no cargo-lambda to compare with (pip install cargo-lambda)");
    };
    let (shim, flags) = (Shim::installed(), flags_in(&String::from_utf8_lossy(&help.stdout)));
    assert!(flags.len() > 60, "{flags:?}");
    for flag in flags {
        // The last flag prints the help, if those before it are understood.
        let internal = (flag[0] == "--internal").then_some("--extension");
        let mut command = Command::new(shim.file());
        Ended::of(command.args(["lambda", "build"]).args(internal).args(&flag).arg("--help")).ok();
    }
}

#[test]
fn what_it_cannot_do_is_said_before_anything_is_compiled() {
    let (shim, fixture) = (Shim::installed(), workspace());
    fixture.write("worker/src/bin/api.rs", "fn main() {}\n");
    for (flags, parts) in [
        (&["--internal"] as &[&str], ["--extension", "required"]),
        (&["--env-var", "secret"], ["flag --env-var: what is given is not KEY=VALUE", "a key has letters"]),
        (&["--env-file", "none"], ["flag --env-file: none does not exist", "the folder of the call"]),
        (&["--lib"], ["--lib asks for", "a library is no function"]),
        (&["--example", "x"], ["there is no function `examples/x`", "the functions are: "]),
        (&["--target", "x86_64-unknown-linux-musl"], ["does not compile for x86_64-unknown-linux-musl", "--x86-64"]),
        (&["--flatten", "other"], ["flag --flatten: no function `other`", "the functions are: "]),
        (&["--bin", "nope"], ["there is no function `nope`", "the functions are: "]),
        (&[], ["target/lambda/api/bootstrap would be of api.api and of worker.api", "--package"]),
        (&["-o", "zip", "-i", "api/src"], ["flag --include: the functions are of packages at different", "--package"]),
        (
            &["-o", "zip", "-p", "worker", "-i", "x:../y"],
            ["flag --include: \"x:../../y\" leads out of", "copy the file"],
        ),
        (&["--manifest-path", "api"], ["flag --manifest-path: api is no Cargo.toml", "name the manifest"]),
    ] {
        let refused = build(&shim, &fixture, flags).fails(2, &parts);
        assert!(!refused.stderr.contains("secret") && !refused.stderr.contains("Compiling"), "{}", refused.stderr);
    }
    build(&shim, &fixture, &["--unknown"]).fails(2, &["unexpected argument '--unknown'", "cargo lambda build"]);
    assert!(!fixture.path("target/lambda/api.api/manifest.json").exists());
    // Selected by its package it has the place that cargo-lambda gives it, and our files have theirs.
    build(&shim, &fixture, &["-p", "worker", "--bin", "api"]).ok();
    assert!(fixture.read("target/lambda/api/bootstrap") == fixture.read("target/lambda/worker.api/bootstrap"));

    fixture.write("api/assets/a.txt", "a");
    let notes = ["--compiler", "cargo", "--bin", "admin", "--include", "api/assets", "--offline"];
    let noted = build(&shim, &fixture, &notes).ok();
    has_all(&noted.stderr, &["--compiler has no effect", "--include has no effect", "--offline has no effect"]);
    // Files have the names that cargo-lambda gives them, wherever the package is.
    for (flags, name) in [
        (&["-p", "api", "--bin", "admin", "-i", "api/assets"] as &[&str], "api/assets/a.txt"),
        (&["-p", "api", "--bin", "admin", "-i", "etc/b.txt:api/assets/a.txt", "-i", "api/assets"], "etc/b.txt"),
        (&["--bin", "admin", "--bin", "worker", "-i", "VERSION"], "VERSION"),
    ] {
        fixture.write("VERSION", "1");
        build(&shim, &fixture, &[flags, &["-o", "zip"]].concat()).ok();
        let zip = fixture.read("target/lambda/admin/bootstrap.zip");
        assert!(String::from_utf8_lossy(&zip).contains(name), "{flags:?}");
    }
}

#[test]
fn a_function_that_does_not_compile_keeps_no_other_one_from_its_place() {
    let (shim, fixture) = (Shim::installed(), workspace());
    fixture.write("worker/src/main.rs", "fn main() { none }\n");
    let flags = ["--workspace", "--lambda-dir", "target/out"];
    build(&shim, &fixture, &flags).fails(4, &["1 of 3 functions was not packaged: worker"]);
    assert_eq!(layout(&fixture.path("target/out")), ["admin/bootstrap", "api/bootstrap"].map(String::from).into());
}

#[test]
fn variables_and_the_settings_of_cargo_lambda_that_flags_choose_are_those_of_the_compile() {
    let (shim, fixture) = (Shim::installed(), Fixture::hello());
    fixture.append("Cargo.toml", "[features]\nloud = []\nlow = []\n");
    fixture.prints("\"{} {} {:?}\", cfg!(feature = \"loud\"), cfg!(feature = \"low\"), option_env!(\"WORD\")");
    fixture.write("CargoLambda.toml", "[prod.build]\nfeatures = [\"loud\"]\n[default.build]\nfeatures = [\"low\"]\n");
    fixture.write("more/g.toml", "[build]\nfeatures = [\"low\"]\n");
    fixture.write("more/vars", "WORD=file\n");
    for (flags, expected) in [
        (&["--env-var", "WORD=a,OTHER=b"] as &[&str], "false false Some(\"a\")"),
        (&["--env-file", "more/vars", "-x", "prod"], "true false Some(\"file\")"),
        (&["--context", "prod", "--admerge"], "true true None"),
        (&["--global", "more/g.toml"], "false true None"),
        (&[], "false false None"),
    ] {
        let built = build(&shim, &fixture, flags).ok();
        assert_eq!(fixture.output_of_bootstrap("hello"), expected, "{flags:?}");
        assert!(!built.stderr.contains("has no effect"), "{}", built.stderr);
        assert_eq!(build(&shim, &fixture, flags).ok().verdict(), "cache-hit", "{flags:?}");
    }
}

#[test]
fn with_admerge_lists_of_flags_are_added_to_those_of_the_settings() {
    if !is_installed("unzip", "Debian: apt-get install unzip") {
        return;
    }
    let (shim, fixture) = (Shim::installed(), Fixture::hello());
    fixture.append(
        "Cargo.toml",
        "[features]\na = []\nb = []\n[package.metadata.lambda.build]\nfeatures = [\"a\"]\nbin = [\"hello\"]\n\
         include = [\"x.txt\"]\njobs = 1\n",
    );
    let prints = "\"{} {} {:?}\", cfg!(feature = \"a\"), cfg!(feature = \"b\"), option_env!(\"WORD\")";
    fixture.prints(prints);
    fixture.write("src/bin/two.rs", &fixture.text("src/main.rs"));
    fixture.write("x.txt", "x");
    fixture.write("y.txt", "y");
    let lists = ["--features", "b", "--bin", "two", "--include", "y.txt", "-j", "2", "--env-var", "WORD=a"];
    let zip = |name: &str| {
        let path = fixture.path(&format!("target/lambda/{name}/bootstrap.zip"));
        path.exists().then(|| listed(&path).join(" "))
    };
    build(&shim, &fixture, &[&["--output-format", "zip"], &lists[..]].concat()).ok();
    assert_eq!([zip("hello"), zip("two")], [None, Some("bootstrap* y.txt".into())]);
    assert_eq!(fixture.output_of_bootstrap("two"), "false true Some(\"a\")");
    build(&shim, &fixture, &[&["--output-format", "zip", "--admerge"], &lists[..]].concat()).ok();
    for name in ["hello", "two"] {
        assert_eq!(zip(name).as_deref(), Some("bootstrap* x.txt y.txt"));
        assert_eq!(fixture.output_of_bootstrap(name), "true true Some(\"a\")");
    }
}

#[test]
fn a_flag_of_cargo_leaves_what_the_settings_say_of_others() {
    let (shim, fixture) = (Shim::installed(), Fixture::hello());
    fixture.append(
        "Cargo.toml",
        "[features]\na = []\n[package.metadata.lambda.build]\nall_features = true\njobs = 1\n\
         config = ['env.WORD = \"table\"']\n",
    );
    fixture.prints("\"{} {:?}\", cfg!(feature = \"a\"), option_env!(\"WORD\")");
    for (flags, expected) in
        [(&["--jobs", "2"][..], "true Some(\"table\")"), (&["--config", "env.WORD = \"flag\""], "true Some(\"flag\")")]
    {
        build(&shim, &fixture, flags).ok();
        assert_eq!(fixture.output_of_bootstrap("hello"), expected, "{flags:?}");
    }
}

#[test]
fn an_output_that_is_an_input_is_told_of() {
    let (shim, fixture) = (Shim::installed(), Fixture::hello());
    let into = ["--release", "--lambda-dir", "dist"];
    build(&shim, &fixture, &into).ok();
    let again = build(&shim, &fixture, &into).ok();
    has_all(&again.stderr, &["cache-miss: added dist/hello/bootstrap", "is an output and an input", "`exclude`"]);
    let mut excluded = shim.command(&fixture, &["build"]);
    excluded.args(into).env("LAMBDA_PACKAGER_EXCLUDE", "dist");
    assert!(!Ended::of(&mut excluded).ok().stderr.contains("is an output"));
    assert_eq!(Ended::of(&mut excluded).ok().verdict(), "cache-hit");
}

#[test]
fn other_commands_are_passed_on_to_another_cargo_lambda_and_never_to_itself() {
    let (shim, fixture) = (Shim::installed(), Fixture::hello());
    let watch = |path: &std::ffi::OsStr| {
        // Nothing else is found: neither in `PATH` nor in cargo's home.
        let mut command = Command::new(shim.file());
        command.args(["lambda", "watch", "--port", "1"]).current_dir(fixture.root());
        Ended::of(command.env("PATH", path).env("CARGO_HOME", fixture.around()))
    };
    // A link to it, and a copy of it, are no other one.
    let (copied, real) = (fixture.around().join("copied"), fixture.around().join("real"));
    for folder in [&copied, &real] {
        fs::create_dir(folder).expect("a folder");
    }
    fs::copy(packager(), copied.join("cargo-lambda")).expect("a copy");
    symlink(packager(), real.join("cargo-lambda")).expect("a link");
    let folder = shim.file().parent().expect("a folder").to_path_buf();
    let path = prefixed(&folder, &prefixed(&copied, real.as_os_str()));
    watch(&path).fails(2, &["`cargo lambda watch` is not a command of lambda-packager", "install cargo-lambda too"]);

    fs::remove_file(real.join("cargo-lambda")).expect("a link");
    let script = b"#!/bin/sh\n[ \"$2\" != --version ] || { echo cargo-lambda 1.9.2; exit; }\necho \"$@\"\nexit 7\n";
    program(&real.join("cargo-lambda"), script);
    let passed = watch(&prefixed(Path::new("/bin"), &path));
    assert_eq!((passed.code, passed.stdout.trim()), (7, "lambda watch --port 1"), "{}", passed.stderr);

    // Nothing is installed over that program.
    let install = |more: &[&str]| Ended::of(Command::new(packager()).args(["shim", "install"]).arg(&real).args(more));
    install(&[]).fails(2, &["cargo-lambda is another program", "--force"]);
    let forced = install(&["--force"]).ok();
    has_all(&forced.stdout, &["is a link to", "at the beginning of PATH"]);
    assert!(fs::symlink_metadata(real.join("cargo-lambda")).expect("a link").is_symlink());
}
