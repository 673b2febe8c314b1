//! Traps for whoever believes that the same sources make the same binary: settings, manifests, compilers.

use std::os::unix::fs::symlink;
use std::process::Command;

use crate::never_stale::{APP, READS_NAME_IN_SECRET, built_hello, built_pair, docker, host_or_docker};
use crate::support::clean::Date::{Kept, Now, Old};
use crate::support::clean::{Project, printing, printing_value, returning};
use crate::support::{Ended, Fixture, program, skip, which};

const MANIFEST: &str = "[package]\nname = \"hello\"\nversion = \"0.1.0\"\nedition = \"2021\"\n";
const LOUD: &str = "[build]\nrustflags = [\"--cfg\", \"loud\"]\n";
const DEAF: &str = "[build]\nrustflags = [\"--cfg\", \"deaf\"]\n";

/// A workspace whose library tells whether it was compiled with `--cfg loud`.
fn loud_or_low(engine: &'static str) -> Project {
    let project = Project::pair(engine);
    project.part_returns("if cfg!(loud) { \"loud\" } else { \"low\" }");
    project
}

#[test]
fn modes_profiles_features_and_flags_of_cargo() {
    let Some(mut project) = host_or_docker().map(Project::hello) else { return };
    let manifest = |setting: &str| {
        format!("{MANIFEST}[features]\nloud = []\nvery = []\n[profile.dist]\ninherits = \"release\"\n{setting}\n")
    };
    project.write("Cargo.toml", &manifest("panic = \"abort\""));
    project.write("src/main.rs", &printing_value("(cfg!(feature = \"loud\"), cfg!(feature = \"very\"))"));
    project.misses("first build");
    let settings: [(&[&str], &str); 6] = [
        (&["--mode", "dev"], "profile release -> dev"),
        (&[], "profile dev -> release"),
        (&["--features", "loud"], "features none -> loud"),
        (&["--features", "loud,very"], "features loud -> loud,very"),
        (&[], "features loud,very -> none"),
        (&["--profile", "dist"], "profile release -> dist"),
    ];
    for (arguments, reason) in settings {
        project.arguments(arguments).misses(reason);
    }
    project.changes("Cargo.toml", &manifest("opt-level = 0"), Now);
    project.arguments(&[]).misses("profile dist -> release");
    let flags = "--config profile.release.opt-level=0";
    project.variables(&[("LAMBDA_PACKAGER_CARGO_FLAGS", flags)]).misses(&format!("cargo flags none -> {flags}"));
    project.variables(&[]).misses(&format!("cargo flags {flags} -> none"));
}

/// What a flag makes cargo build elsewhere, or not at all, is not what lies there from the last time.
#[test]
fn a_flag_that_sends_the_binary_elsewhere() {
    let Some(mut project) = host_or_docker().map(built_hello) else { return };
    for flags in ["--target-dir /tmp/elsewhere", "--help"] {
        project.write("src/main.rs", &printing(flags));
        project.variables(&[("LAMBDA_PACKAGER_CARGO_FLAGS", flags)]);
        project.run().fails(4, &["cargo ended without making hello"]);
        project.variables(&[]).misses("changed src/main.rs");
    }
}

#[test]
fn runtimes() {
    let Some(mut project) = host_or_docker().map(built_hello) else { return };
    project.arguments(&["--runtime", "provided.al2"]);
    // This machine's C library may be too new for it; what matters is that it is looked at again.
    assert_eq!(project.explain(), (1, "cache-miss: runtime provided.al2023 -> provided.al2".into()));
    project.run();
    project.arguments(&[]);
    project.write("src/main.rs", &printing("two")).misses_somehow();
}

#[test]
fn flags_for_the_target() {
    let Some(mut project) = host_or_docker().map(Project::hello) else { return };
    project.write("src/main.rs", &printing_value("cfg!(loud)")).misses("first build");
    let name = format!("CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_RUSTFLAGS", std::env::consts::ARCH.to_uppercase());
    project.variables(&[(&name, "--cfg loud")]).misses(&format!("variable {name} passed"));
    project.variables(&[]).misses(&format!("variable {name} no longer passed"));
}

/// Half of a pair would be flags of one linker for another one.
#[test]
fn a_linker_for_the_target_goes_with_its_flags() {
    let Some(engine) = docker() else { return };
    let fixture = Fixture::hello();
    let of = |key: &str| format!("CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_{key}", std::env::consts::ARCH.to_uppercase());
    let (flags, linker) = (of("RUSTFLAGS"), of("LINKER"));
    let run = |engine: &str, variables: &[(&str, &str)]| {
        Ended::of(fixture.command_for(engine).envs(variables.iter().copied()))
    };
    let none = ("/none/linker", format!("/none/linker for the target {}", std::env::consts::ARCH));
    let alone = run(engine, &[(&linker, none.0)]).ok();
    assert!(alone.stderr.contains(&format!("note: {linker} of this shell has no effect")), "{}", alone.stderr);
    let pair = [(flags.as_str(), "--cfg loud"), (linker.as_str(), none.0)];
    run(engine, &pair).fails(4, &[&format!("no linker {}", none.1)]);
    run("host", &pair[1..]).fails(4, &[&format!("no linker {}", none.1)]);
}

#[test]
fn configuration_of_cargo() {
    let Some(project) = host_or_docker().map(loud_or_low) else { return };
    project.misses("first build");
    project.adds(".cargo/config.toml", LOUD, Now);
    project.changes(".cargo/config.toml", DEAF, Kept);
    project.removes(".cargo/config.toml");
    // Above the workspace cargo looks too.
    project.adds("../.cargo/config.toml", LOUD, Now);
}

#[test]
fn configuration_of_cargo_in_its_home() {
    let Some(mut project) = host_or_docker().map(loud_or_low) else { return };
    project.write("../home/config.toml", DEAF);
    let home = project.path("../home").canonicalize().expect("it is there");
    project.variables(&[("CARGO_HOME", home.to_str().expect("UTF-8"))]).misses("first build");
    project.write_dated("../home/config.toml", LOUD, Kept).misses(&format!("changed {}/config.toml", home.display()));
    project.remove("../home/config.toml").misses(&format!("removed {}/config.toml", home.display()));
}

/// Where a registry is decides what comes from it; a lockfile names registries, not places.
#[test]
fn indexes_of_registries_in_variables() {
    let Some(mut project) = host_or_docker().map(built_pair) else { return };
    let indexes = ["https://one.invalid/", "https://two.invalid/"].map(|place| format!("sparse+{place}"));
    let [one, two] = indexes.each_ref().map(|index| [("CARGO_REGISTRIES_MINE_INDEX", index.as_str())]);
    for (variables, what) in [(&one[..], "passed"), (&two, "changed")] {
        project.variables(variables).misses(&format!("variable CARGO_REGISTRIES_MINE_INDEX {what}"));
    }
    // Without the key of its digest, nobody knows whether it is the same.
    project.remove("target/lambda/variables.key");
    project.misses("variables.key is not the one of the last build, so its variables cannot be compared");
    project.variables(&[]).misses("variable CARGO_REGISTRIES_MINE_INDEX no longer passed");
}

/// `[env]` reaches build scripts that do not say that they depend on it.
#[test]
fn variables_that_cargos_configuration_sets() {
    let Some(project) = host_or_docker().map(Project::vendoring) else { return };
    let sources = project.fixture.text(".cargo/config.toml");
    let config = |greeting: &str| format!("{sources}[env]\nNAME = \"{greeting}\"\n");
    project.write(".cargo/config.toml", &config("one"));
    project.write("vendor/part/build.rs", READS_NAME_IN_SECRET);
    project.write("vendor/part/src/lib.rs", &returning("env!(\"READ\")")).misses("first build");
    project.changes(".cargo/config.toml", &config("two"), Now);
    assert_eq!(project.fixture.output_of_bootstrap("app"), "app 1, two");
}

/// A file that cargo's configuration includes is configuration.
#[test]
fn configuration_that_is_included() {
    let Some(project) = host_or_docker().map(loud_or_low) else { return };
    project.write(".cargo/config.toml", "include = [\"more.toml\"]\n");
    project.write(".cargo/more.toml", LOUD).misses("first build");
    project.changes(".cargo/more.toml", DEAF, Kept);
}

/// So is a file that a flag names, wherever it lies, and what it includes.
#[test]
fn configuration_that_a_flag_names() {
    let Some(mut project) = host_or_docker().map(loud_or_low) else { return };
    project.variables(&[("LAMBDA_PACKAGER_CARGO_FLAGS", "--config ci/extra.toml --config=ci/env.toml")]);
    let env = |name: &str| format!("[env]\nNAME = \"{name}\"\n[registries.mine]\ntoken = \"SECRET\"\n");
    project.write("ci/env.toml", &env("one"));
    project.part_builds_with(READS_NAME_IN_SECRET);
    project.part_returns("if cfg!(loud) { concat!(\"loud \", env!(\"READ\")) } else { \"low\" }");
    project.write("ci/extra.toml", "include = [\"more.toml\"]\n");
    project.write("ci/more.toml", LOUD).misses("first build");
    assert_eq!(project.fixture.output_of_bootstrap("app"), "app 1, loud one");
    project.changes("ci/env.toml", &env("two"), Kept);
    assert_eq!(project.fixture.output_of_bootstrap("app"), "app 1, loud two");
    project.changes("ci/more.toml", DEAF, Kept);
    project.remove("ci/extra.toml").run().fails(2, &["`--config ci/extra.toml` names no file"]);
}

#[test]
fn a_toolchain_file() {
    let Some(project) = host_or_docker().map(built_pair) else { return };
    let Ok(output) = Command::new("rustup").args(["show", "active-toolchain"]).output() else {
        return skip("rustup", "there is no rustup to choose a toolchain");
    };
    let text = Ended::from(output).stdout;
    let channel = text.split_whitespace().next().expect("a toolchain is active");
    project.adds("rust-toolchain.toml", &format!("[toolchain]\nchannel = \"{channel}\"\n"), Now);
    project.removes("rust-toolchain.toml");
}

#[test]
fn manifests_and_the_lockfile() {
    let Some(project) = host_or_docker().map(Project::pair) else { return };
    project.write("app/src/main.rs", &printing_value("(env!(\"CARGO_PKG_VERSION\"), part::text())"));
    project.misses("first build");
    let manifest = project.fixture.text("app/Cargo.toml");
    project.write_dated("app/Cargo.toml", &manifest.replace("0.1.0", "0.2.0"), Kept);
    // Cargo writes the new version into the lockfile before anything is judged.
    project.misses("changed Cargo.lock (+1 more)");
    let workspace = project.fixture.text("Cargo.toml");
    project.changes("Cargo.toml", &(workspace + "[profile.release]\nopt-level = 1\n"), Kept);
    // Cargo makes it again before anything is judged.
    project.remove("Cargo.lock").hits();
    let lock = project.fixture.text("Cargo.lock");
    project.changes("Cargo.lock", &format!("{lock}# a comment\n"), Kept);
}

#[test]
fn included_files() {
    let Some(project) = host_or_docker().map(Project::hello) else { return };
    project.write(
        "Cargo.toml",
        &format!("{MANIFEST}[package.metadata.lambda-packager]\ninclude = [\"one.txt\", \"many\"]\n"),
    );
    project.write("one.txt", "1");
    project.write("many/a", "2").misses("first build");
    project.changes("one.txt", "3", Kept);
    project.adds("many/deep/b", "4", Old);
    project.allow_execution("many/a", true).misses("permissions of many/a");
    project.removes("many/a");
    project.init_git();
    project.adds(".gitignore", "target\none.txt\nmany\n", Now);
    project.changes("one.txt", "5", Kept);
    project.changes("many/deep/b", "6", Kept);
    project.adds("many/deep/c", "7", Now);
}

/// What a glob selects comes, changes and goes; what it leaves out is not even looked at.
#[test]
fn files_that_globs_include() {
    let Some(project) = host_or_docker().map(Project::pair) else { return };
    project.calls_part("app", "include = [\"www/**/*.js\", \"!www/raw/**\", \"etc:../shared\"]\n");
    project.write("app/.gitignore", "www\n").init_git();
    project.write("app/www/a.js", "1").write("shared/x", "2").misses("first build");
    project.adds("app/www/deep/b.js", "3", Old);
    project.changes("app/www/a.js", "4", Kept);
    project.adds("shared/y", "5", Now);
    project.changes("shared/x", "6", Kept);
    project.write("app/www/a.css", "7").write("app/www/raw/c.js", "8").hits();
    project.removes("app/www/deep/b.js");
    project.removes("shared/y");
}

/// What the zip tells of a linked file is whether that file may be executed.
#[test]
fn an_included_link_to_a_file_that_becomes_a_program() {
    let Some(project) = host_or_docker().map(Project::pair) else { return };
    project.calls_part("app", "include = [\"tool\"]\n");
    project.write("tools/tool", "#!/bin/sh\n");
    project.link("../tools/tool", "app/tool").misses("first build");
    project.allow_execution("tools/tool", true).misses("changed app/tool");
}

#[test]
fn the_output() {
    let Some(mut project) = host_or_docker().map(built_hello) else { return };
    let zip = "lambda-deployment.zip";
    project.arguments(&["--output", zip]).misses("zip missing (lambda-deployment.zip)");
    assert_eq!(project.fixture.read(zip), project.made().zip);
    project.write(zip, "something else").misses("zip modified (lambda-deployment.zip)");
    assert_eq!(project.fixture.read(zip), project.made().zip);
}

#[test]
fn a_zip_that_was_damaged() {
    let Some(project) = host_or_docker().map(built_hello) else { return };
    let path = "target/lambda/hello/lambda-deployment.zip";
    let zip = project.fixture.read(path);
    let mut flipped = zip.clone();
    flipped[100] ^= 1;
    for damaged in [&zip[..zip.len() / 2], b"not a zip", &flipped] {
        let mtime = project.mtime(path);
        std::fs::write(project.path(path), damaged).expect("it is ours");
        project.date(path, mtime).misses("zip modified (target/lambda/hello/lambda-deployment.zip)");
    }
    project.remove(path).misses("zip missing (target/lambda/hello/lambda-deployment.zip)");
}

#[test]
fn force() {
    let Some(mut project) = host_or_docker().map(built_hello) else { return };
    project.arguments(&["--force"]).misses_once("forced");
    project.arguments(&[]).hits();
}

/// A folder for programs, `PATH`, and the C compiler in it.
fn tools_and_compiler() -> (Fixture, String, String) {
    let path = std::env::var("PATH").expect("a PATH");
    let cc = which("cc", path.as_ref()).expect("a C compiler").display().to_string();
    (Fixture::empty("tools"), path, cc)
}

/// Another C compiler first on PATH: it links, so it is part of what is made.
#[test]
fn another_c_compiler() {
    let mut project = built_hello("host");
    let (tools, path, cc) = tools_and_compiler();
    let write =
        |comment: &str| program(&tools.path("cc"), format!("#!/bin/sh\n# {comment}\nexec {cc} \"$@\"\n").as_bytes());
    let with_tools = format!("{}:{path}", tools.root().display());
    for (comment, variables) in
        [("One.", &[("PATH", with_tools.as_str())][..]), ("Two.", &[("PATH", &with_tools)]), ("Two.", &[])]
    {
        write(comment);
        project.variables(variables);
        let verdict = project.misses_somehow();
        assert!(verdict.starts_with("cache-miss: C toolchain "), "{verdict}");
    }
    // What a build script may start is part of it, and so is the compiler that a variable names, which the compile gets.
    project.fixture.builds_with(
        "fn main() {
            println!(\"cargo:rerun-if-changed=build.rs\");
            let said = std::process::Command::new(\"protoc\").output().map(|output| output.stdout).unwrap_or_default();
            println!(\"cargo:rustc-env=READ={} {:?}\", String::from_utf8(said).unwrap().trim(), std::env::var(\"CC\"));
        }\n",
        &printing_value("env!(\"READ\")"),
    );
    project.variables(&[("PATH", &with_tools)]).misses_somehow();
    let protoc = |says: &str| program(&tools.path("protoc"), format!("#!/bin/sh\necho {says}\n").as_bytes());
    std::fs::write(tools.path("nasm"), "#!/bin/sh\n").expect("a file");
    protoc("one");
    // The clean build is another one, though no file of the project differs.
    project.variables(&[("PATH", &with_tools), ("PROTOC_SAYS", "one")]);
    assert!(project.misses_somehow().starts_with("cache-miss: C toolchain "));
    // It was there, and was no program.
    program(&tools.path("nasm"), b"#!/bin/sh\n");
    project.variables(&[("PATH", &with_tools), ("PROTOC_SAYS", "two")]);
    assert!(project.misses_somehow().starts_with("cache-miss: C toolchain "));
    protoc("three");
    project.variables(&[("PATH", &with_tools), ("PROTOC_SAYS", "three")]);
    assert!(project.misses_somehow().starts_with("cache-miss: C toolchain "));
    // Of one size and date, as stores of packages have them.
    for says in ["four", "five"] {
        let there = tools.path(says);
        program(&there, format!("#!/bin/sh\necho {says}\n").as_bytes());
        let dated = std::fs::File::open(&there).and_then(|file| file.set_modified(std::time::UNIX_EPOCH));
        dated.expect("it was written");
        let _ = std::fs::remove_file(tools.path("protoc"));
        symlink(says, tools.path("protoc")).expect("a link");
        project.variables(&[("PATH", &with_tools), ("PROTOC_SAYS", says)]);
        assert!(project.misses_somehow().starts_with("cache-miss: C toolchain "));
    }
    project.variables(&[("PATH", &with_tools), ("CC", &cc)]);
    assert!(project.misses_somehow().starts_with("cache-miss: C toolchain "));
    assert_eq!(project.fixture.output_of_bootstrap("hello"), format!("{:?}", format!("five Ok({cc:?})")));
}

/// As `update-alternatives` does it: the name stays, and both compilers stay as they are.
#[test]
fn a_c_compiler_behind_a_link_that_comes_to_lead_elsewhere() {
    let mut project = built_hello("host");
    let (tools, path, cc) = tools_and_compiler();
    for name in ["one", "two"] {
        program(&tools.path(name), format!("#!/bin/sh\n# {name}\nexec {cc} \"$@\"\n").as_bytes());
    }
    let leads_to = |name: &str| {
        let _ = std::fs::remove_file(tools.path("between"));
        symlink(name, tools.path("between")).expect("a link");
    };
    leads_to("one");
    std::fs::create_dir(tools.path("bin")).expect("a folder");
    symlink("../between", tools.path("bin/cc")).expect("a link");
    let first_on_path = format!("{}:{path}", tools.path("bin").display());
    let named = tools.path("bin/cc").display().to_string();
    for variables in [[("PATH", first_on_path.as_str())], [("CC", named.as_str())]] {
        leads_to("one");
        project.variables(&variables).misses_somehow();
        leads_to("two");
        let verdict = project.misses_somehow();
        assert!(verdict.starts_with("cache-miss: C toolchain "), "{verdict}");
    }
}

const LINKED_BY: &str = ".cargo/config.toml";

/// A configuration that names the linker of this machine's target.
fn linked_by(program: &str) -> String {
    format!("[target.{}-unknown-linux-gnu]\nlinker = \"{program}\"\n", std::env::consts::ARCH)
}

/// The compiler of this machine, which gives its programs this id.
fn linker(id: &str) -> String {
    format!("#!/bin/sh\nexec cc \"$@\" -Wl,--build-id=0x{id}\n")
}

#[test]
fn a_linker_that_the_configuration_names_by_a_path() {
    let Some(project) = host_or_docker().map(|engine| Project::workspace(engine, &["app"])) else { return };
    project.package("app", "");
    project.write(APP, &printing("one"));
    project.write(LINKED_BY, &linked_by("tools/my-cc.sh")).write("tools/my-cc.sh", &linker("0123"));
    project.allow_execution("tools/my-cc.sh", true).misses("first build");
    project.changes("tools/my-cc.sh", &linker("4567"), Kept);
    // What flags name in a package is an input too; cargo by itself would not link again.
    project.write(LINKED_BY, "[build]\nrustflags = [\"-Clinker=app/cc.sh\"]\n").write("app/cc.sh", &linker("89ab"));
    project.allow_execution("app/cc.sh", true).misses_somehow();
    project.write_dated("app/cc.sh", &linker("cdef"), Kept).misses_somehow();
}

/// No container has such a one.
#[test]
fn a_linker_elsewhere_that_the_configuration_names_by_a_path() {
    let project = Project::workspace("host", &["app"]);
    project.package("app", "");
    project.write(APP, &printing("one"));
    let outside = project.fixture.around().join("my-cc");
    program(&outside, linker("0123").as_bytes());
    project.write(LINKED_BY, &linked_by(&outside.display().to_string())).misses("first build");
    for id in ["4567", "89ab"] {
        program(&outside, linker(id).as_bytes());
        project.misses_somehow();
    }
}

/// The host looks for such a one, and takes it from a variable or from flags too.
#[test]
fn a_linker_that_is_named_without_a_path() {
    let mut project = built_hello("host");
    let tools = Fixture::empty("tools");
    program(&tools.path("my-cc"), linker("0123").as_bytes());
    let path = format!("{}:{}", tools.root().display(), std::env::var("PATH").expect("a PATH"));
    let by_variable = format!("CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_LINKER", std::env::consts::ARCH.to_uppercase());
    let at = tools.path("my-cc").display().to_string();
    let of_path = ("PATH", path.as_str());
    let flags = format!("-Clinker={at}");
    let by_flag = format!("--config target.{}-unknown-linux-gnu.linker='{at}'", std::env::consts::ARCH);
    let ids = ["4567", "89ab", "cdef", "0011", "2233"];
    for ((config, variables), id) in [
        (linked_by("my-cc"), vec![of_path]),
        ("[build]\nrustflags = [\"-Clinker=my-cc\"]\n".into(), vec![of_path]),
        (String::new(), vec![(by_variable.as_str(), at.as_str())]),
        (String::new(), vec![("LAMBDA_PACKAGER_CARGO_FLAGS", by_flag.as_str())]),
        (String::new(), vec![("LAMBDA_PACKAGER_PASS_ENV", "RUSTFLAGS"), ("RUSTFLAGS", flags.as_str())]),
    ]
    .into_iter()
    .zip(ids)
    {
        project.variables(&variables).write(LINKED_BY, &config).misses_somehow();
        program(&tools.path("my-cc"), linker(id).as_bytes());
        // The clean build is another one, though no file of the project differs.
        project.variables(&variables.into_iter().chain([("LINKER_SAYS", id)]).collect::<Vec<_>>());
        let verdict = project.misses_somehow();
        assert!(verdict.starts_with("cache-miss: linkers "), "{verdict}");
    }
}

/// What a build script of a downloaded crate would read of it; such a script tells cargo of the variable alone.
#[test]
fn what_a_variable_of_the_configuration_names() {
    let Some(project) = docker().map(Project::vendoring) else { return };
    let config = project.fixture.text(".cargo/config.toml");
    let env = "[env]\nPART_DIR = { value = \"third\", relative = true }\n";
    project.write(".cargo/config.toml", &(config + env));
    project
        .package("app", "[dependencies]\npart = \"0.1\"\n[package.metadata.lambda-packager]\ninputs = [\"third\"]\n");
    let script = "fn main() {\n    let folder = std::env::var(\"PART_DIR\").unwrap();\n    \
                  println!(\"cargo:rerun-if-env-changed=PART_DIR\");\n    \
                  println!(\"cargo:rustc-env=READ={}\", std::fs::read_to_string(folder + \"/lib\").unwrap());\n}\n";
    project.write("vendor/part/build.rs", script).write("vendor/part/src/lib.rs", &returning("env!(\"READ\")"));
    project.write("third/lib", "one").misses("first build");
    project.changes("third/lib", "two", Now);
}

#[test]
fn variables_and_profiles_of_a_configuration_above_the_workspace() {
    const ABOVE: &str = "../.cargo/config.toml";
    let Some(project) = docker().map(Project::hello) else { return };
    let config =
        |value: &str, level: u8| format!("[env]\nOUTER = \"{value}\"\n[profile.release]\nopt-level = {level}\n");
    project
        .write("src/main.rs", &printing_value("env!(\"OUTER\")"))
        .write(ABOVE, &config("one", 3))
        .misses("first build");
    project.changes(ABOVE, &config("two", 3), Kept);
    project.changes(ABOVE, &config("two", 0), Kept);
}
