//! What cargo reads to resolve a function, wherever it lies, and what it then compiles.

use crate::support::clean::{Project, printing_value};
use crate::support::host::git;
use crate::support::{Ended, Engine, Fixture, one_engine};

const APP: &str = "app/src/main.rs";

fn host_and_engine() -> impl Iterator<Item = &'static str> {
    ["host"].into_iter().chain(one_engine(Engine::Docker).map(Engine::name))
}

/// Cargo decides what a function is compiled from, with the target and the flags that the compile has.
#[test]
fn a_dependency_for_another_target_or_behind_a_cfg_is_an_input() {
    let mut project = Project::workspace("host", &["app", "part", "neon"]);
    project.package(
        "app",
        "[target.'cfg(target_arch = \"aarch64\")'.dependencies]\nneon = { path = \"../neon\" }\n\
         [target.'cfg(fancy)'.dependencies]\npart = { path = \"../part\" }\n\
         [package.metadata.lambda-packager]\ntarget_arch = \"arm64\"\n",
    );
    ["part", "neon"].iter().for_each(|name| project.package(name, ""));
    let calls = "#[cfg(fancy)]\nextern crate part as _;\nfn main() {\n    println!(\"main\");\n}\n";
    // A program that does not name it runs without it, too.
    let hooks = |text: &str| {
        format!(
            "#[used]\n#[unsafe(link_section = \".init_array\")]\nstatic HOOK: extern \"C\" fn() = hook;\nextern \"C\" fn hook() {{\n    println!({text:?});\n}}\n"
        )
    };
    project.write(APP, calls).write("part/src/lib.rs", &hooks("1")).write("neon/src/lib.rs", "");
    let told = Ended::of(project.fixture.command_for("host").args(["explain", "--inputs", "--function", "app"])).ok();
    assert!(told.stdout.contains("neon/src/lib.rs") && !told.stdout.contains("part/src/lib.rs"), "{}", told.stdout);

    let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "x86_64" };
    let flags = format!("CARGO_TARGET_{}_UNKNOWN_LINUX_GNU_RUSTFLAGS", std::env::consts::ARCH.to_uppercase());
    let run = |name: &str| {
        let mut command = project.fixture.command_for("host");
        Ended::of(command.args(["--function", "app", "--target-arch", arch]).env(name, "--cfg fancy"))
    };
    for text in ["1", "2"] {
        project.write("part/src/lib.rs", &hooks(text));
        run(&flags).ok();
        assert_eq!(project.fixture.output_of_bootstrap("app"), format!("{text}\nmain"));
    }
    // Cargo is not asked with flags that only some compiles get.
    let passed = [("LAMBDA_PACKAGER_PASS_ENV", "RUSTFLAGS")];
    project.variables(&passed);
    let ended = Ended::of(
        project
            .fixture
            .command_for("host")
            .args(["--function", "app", "--target-arch", arch])
            .envs(passed)
            .env("RUSTFLAGS", "--cfg fancy"),
    );
    ended.fails(4, &["its sources are not here"]);
}

/// A package that another workspace depends on may have a workspace of its own.
#[test]
fn a_dependency_outside_of_the_workspace_is_packaged_as_what_it_is() {
    let fixture = Fixture::empty("outer");
    fixture.write("Cargo.toml", "[workspace]\nmembers = [\"api\"]\nexclude = [\"tools\"]\nresolver = \"2\"\n");
    fixture.package("api", "api", "[dependencies]\ntools = { path = \"../tools\" }\n");
    fixture.write("api/src/main.rs", "fn main() {}\n");
    fixture.package("tools", "tools", "[workspace]\n");
    fixture.write("tools/src/lib.rs", "");
    fixture.write("tools/src/main.rs", "fn main() {\n    println!(\"tools\");\n}\n");
    Ended::of(fixture.command_for("host").arg("explain")).fails(1, &[]);
    Ended::of(fixture.command_for("host").current_dir(fixture.path("tools"))).ok();
    assert!(fixture.path("tools/target/lambda/tools/lambda-deployment.zip").exists());
    assert!(!fixture.path("target/lambda/api").exists());
}

/// Cargo reads the manifests in all folders that a patch names.
#[test]
fn a_patch_that_replaces_nothing_is_no_obstacle() {
    for engine in host_and_engine() {
        let fixture = Fixture::hello();
        fixture.append("Cargo.toml", "[patch.crates-io]\nunused = { path = \"../forks/unused\" }\n");
        fixture.package("../forks/unused", "unused", "");
        fixture.write("../forks/unused/src/lib.rs", "");
        Ended::of(&mut fixture.command_for(engine)).ok();
        assert_eq!(fixture.output_of_bootstrap("hello"), "hello");
    }
}

#[test]
fn a_lockfile_that_a_manifest_protects_is_not_changed() {
    let fixture = Fixture::hello_packaged("host");
    fixture.package("part", "part", "");
    fixture.write("part/src/lib.rs", "");
    let (manifest, lockfile) = (fixture.text("Cargo.toml"), fixture.text("Cargo.lock"));
    let depends = "[dependencies]\npart = { path = \"part\" }\n";
    fixture.write("Cargo.toml", &format!("{manifest}{depends}[package.metadata.lambda-packager]\nlocked = true\n"));
    Ended::of(&mut fixture.command_for("host")).fails(4, &["--locked"]);
    assert_eq!(fixture.text("Cargo.lock"), lockfile);
    // What is said to the program is above that.
    Ended::of(fixture.command_for("host").env("LAMBDA_PACKAGER_LOCKED", "false")).ok();
    fixture.write("Cargo.lock", &lockfile);
    fixture.write("Cargo.toml", &format!("{manifest}{depends}"));
    Ended::of(&mut fixture.command_for("host")).ok();
    assert!(fixture.text("Cargo.lock").contains("part"));
}

/// Cargo finds a bin by its file, without a word in a manifest.
#[test]
fn a_bin_in_a_folder_that_was_there_already_is_a_function() {
    let fixture = Fixture::hello();
    fixture.write("src/bin/late/util.rs", "");
    Ended::of(&mut fixture.command_for("host")).ok();
    fixture.write("src/bin/late/main.rs", "fn main() {\n    println!(\"late\");\n}\n");
    Ended::of(&mut fixture.command_for("host")).ok();
    assert_eq!(fixture.output_of_bootstrap("late"), "late");
}

#[test]
fn a_member_that_nobody_needs_may_link_a_library_with_a_script_that_no_manifest_names() {
    for engine in host_and_engine() {
        let project = Project::workspace(engine, &["app", "native"]);
        project.package("app", "");
        project.write(APP, &printing_value("1"));
        project.package("native", "[package.metadata]\n");
        let manifest =
            project.fixture.text("native/Cargo.toml").replace("[package]\n", "[package]\nlinks = \"native\"\n");
        project.write("native/Cargo.toml", &manifest).write("native/src/lib.rs", "");
        project.write("native/build.rs", "fn main() {}\n");
        Ended::of(project.fixture.command_for(engine).args(["--function", "app"])).ok();
        assert_eq!(project.fixture.output_of_bootstrap("app"), "1");
    }
}

/// Git ignores all that is in a folder that it ignores, and fails where it is asked further below.
#[test]
fn a_package_below_a_folder_that_git_ignores_is_compiled() {
    let fixture = Fixture::hello();
    fixture.append("Cargo.toml", "[dependencies]\nclient = { path = \"made/client\" }\n");
    fixture.package("made/client", "client", "");
    fixture.prints("\"{}\", client::TEXT");
    git(fixture.root(), &["init", "--quiet"]);
    fixture.write(".gitignore", "/made\n/target\n");
    for text in ["one", "two"] {
        fixture.write("made/client/src/lib.rs", &format!("pub const TEXT: &str = {text:?};\n"));
        Ended::of(&mut fixture.command_for("host")).ok();
        assert_eq!(fixture.output_of_bootstrap("hello"), text);
    }
}

/// Cargo reads the manifests of dependencies for other systems too, and of the workspaces that those outside inherit from.
#[test]
fn what_dependencies_outside_of_the_workspace_need_is_there() {
    for engine in host_and_engine() {
        let fixture = Fixture::hello();
        fixture.append(
            "Cargo.toml",
            "[dependencies]\nout = { path = \"../own/out\" }\nfar = { path = \"../far\" }\n\
             [target.'cfg(windows)'.dependencies]\nwin = { path = \"../win\" }\n",
        );
        fixture.write("../own/Cargo.toml", "workspace.members = [\"out\"]\nworkspace.package.edition = \"2021\"\n");
        fixture.write(
            "../root/Cargo.toml",
            "[ workspace ]\nmembers = [\"../far\"]\n[workspace.package]\nedition = \"2021\"\n",
        );
        fixture.write(
            "../own/out/Cargo.toml",
            "[package]\nname = \"out\"\nversion = \"0.1.0\"\nedition.workspace = true\n",
        );
        fixture.write(
            "../far/Cargo.toml",
            "[package]\nname = \"far\"\nversion = \"0.1.0\"\nedition.workspace = true\nworkspace = \"../root\"\n",
        );
        // Cargo does not read what only the tests of another package need.
        fixture.write("../broken/Cargo.toml", "[package\n");
        fixture.package(
            "../win",
            "win",
            "[dependencies]\nsys = { path = \"../sys\" }\n[dev-dependencies]\nbroken = { path = \"../broken\" }\n",
        );
        fixture.package("../sys", "sys", "");
        for (name, text) in [("own/out", "out"), ("far", "far"), ("win", ""), ("sys", "")] {
            fixture.write(&format!("../{name}/src/lib.rs"), &format!("pub const TEXT: &str = {text:?};\n"));
        }
        fixture.prints("\"{} {}\", out::TEXT, far::TEXT");
        Ended::of(&mut fixture.command_for(engine)).ok();
        assert_eq!(fixture.output_of_bootstrap("hello"), "out far", "{engine}");
    }
}

/// On the host, cargo finds its configuration where it lies, but what that names is what the compile sees.
#[test]
fn a_relative_path_in_the_configuration_leads_to_what_the_compile_sees() {
    let project = Project::workspace("host", &["app"]);
    project.package("app", "");
    project.write(".cargo/config.toml", "[env]\nSCHEMA = { value = \"schema\", relative = true }\n");
    let reads = "fn main() {\n    let file = std::env::var(\"SCHEMA\").unwrap() + \"/text\";\n    \
        let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!(\"{file}: {e}\"));\n    \
        println!(\"cargo:rustc-env=TEXT={text}\");\n}\n";
    project.write("app/build.rs", reads);
    project.write(APP, "fn main() {\n    println!(\"{}\", env!(\"TEXT\"));\n}\n");
    project.write(".gitignore", "target\n");
    git(project.fixture.root(), &["init", "--quiet"]);
    for text in ["one", "two"] {
        project.write("schema/text", text);
        Ended::of(&mut project.command()).ok();
        assert_eq!(project.fixture.output_of_bootstrap("app"), text);
    }
    // A file that cargo reads only where it is called in that folder.
    project.write("app/.cargo/config.toml", "[env]\nWORD = \"w\"\n");
    let run = Ended::of(&mut project.command()).ok();
    assert!(run.stderr.contains("note: app/.cargo/config.toml has no effect"), "{}", run.stderr);
}
