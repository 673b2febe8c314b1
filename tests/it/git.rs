//! `.git` as an input: a compile sees the commit, the tags, and whether the inputs were changed since.

use std::process::Command;

use crate::clean_room::builder::{Kind, builders};
use crate::support::host::git;
use crate::support::{Ended, Engine, Fixture, is_full, one_engine, skip, user};

/// Hands what git says to the program. The folder of git has nothing of its user's configuration, and no file's content.
const ASKS: &str = r#"
use std::process::Command;

fn git(args: &str) -> String {
    let output = Command::new("git").args(args.split(' ')).output().unwrap();
    assert!(output.status.success() || args.starts_with("diff-index"), "git {args}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    format!("{} {}", output.status.success(), text.trim_end().replace('\n', ","))
}

fn main() {
    let asked = ["describe --always --tags --dirty", "rev-parse HEAD", "rev-parse --abbrev-ref HEAD", "log -1 --format=%s",
        "rev-list --count HEAD", "diff-index --quiet HEAD --", "status --porcelain"];
    println!("cargo:rustc-env=SEEN={}", asked.map(git).join("|"));
    println!("cargo:rerun-if-changed=../../.git/HEAD");
    let config = std::fs::read_to_string("../../.git/config").unwrap();
    assert!(!config.contains("t0ken"), "{config}");
    let blob = Command::new("git").args(["cat-file", "-e", "HEAD:rust/app/build.rs"]).status().unwrap();
    assert!(!blob.success(), "the content of a file is in the repository");
}
"#;

/// A workspace below its repository.
fn repository() -> Fixture {
    let fixture = Fixture::empty("repository");
    let manifest = "[workspace]\nmembers = [\"app\", \"other\"]\nresolver = \"2\"\n[workspace.metadata.lambda-packager]\ninputs = [\".git\"]\n";
    fixture.write("rust/Cargo.toml", manifest);
    fixture.package("rust/app", "app", "");
    fixture.write("rust/app/build.rs", ASKS);
    fixture.write("rust/app/src/main.rs", "fn main() { println!(\"{}\", env!(\"SEEN\")); }\n");
    fixture.package("rust/other", "other", "");
    for name in ["rust/app/data.txt", "rust/other/src/main.rs", "web/index.html", "README.md"] {
        fixture.write(name, "fn main() {}\n");
    }
    fixture.write(".gitignore", "target/\n");
    fixture.git(&["init", "--quiet", "--initial-branch=trunk"]);
    fixture.git(&["remote", "add", "origin", "https://u:t0ken@example.invalid/r"]);
    let mut lock = fixture.cargo_command();
    Ended::of(lock.current_dir(fixture.path("rust")).args(["generate-lockfile", "--offline"])).ok();
    fixture.commit();
    fixture.git(&["tag", "v1"]);
    fixture
}

/// Packages the workspace in the folder `rust` of `top`; the verdict, and what the program prints.
fn packaged(fixture: &Fixture, engine: &str, top: &str) -> (String, String) {
    let mut command = fixture.command_for(engine);
    let folder = fixture.path(top).join("rust");
    let ended = Ended::of(command.current_dir(&folder).args(["--package", "app"])).ok();
    let printed = Command::new(folder.join("target/lambda/app/bootstrap")).output().unwrap();
    let text = String::from_utf8(printed.stdout).unwrap();
    (ended.verdict().to_string(), text.trim_end().to_string())
}

#[test]
fn a_build_script_asks_git_for_the_commit_and_is_never_answered_with_an_older_one() {
    let fixture = repository();
    let says = |engine: &str, described: &str, subject: &str, count: u32, status: &str| {
        let is_clean = status.is_empty();
        let expected = format!(
            "true {described}|true {}|true trunk|true {subject}|true {count}|{is_clean} |true {status}",
            fixture.git(&["rev-parse", "HEAD"])
        );
        let (verdict, printed) = packaged(&fixture, engine, "");
        assert_eq!(printed, expected.trim_end(), "{engine}: {verdict}");
        verdict
    };
    let mut engines: Vec<&str> = one_engine(Engine::Docker).map(Engine::name).into_iter().collect();
    for engine in &engines {
        says(engine, "v1", "x", 1, "");
    }
    engines.push("host");
    says("host", "v1", "x", 1, "");
    // What is no input does not decide whether the inputs were changed.
    for name in ["web/index.html", "rust/other/src/main.rs"] {
        fixture.write(name, "fn main() { }\n");
    }
    std::fs::remove_file(fixture.path("README.md")).unwrap();
    assert_eq!(says("host", "v1", "x", 1, ""), "cache-hit");
    fixture.write("rust/app/data.txt", "changed");
    std::fs::remove_file(fixture.path("rust/app/data.txt")).unwrap();
    fixture.write("rust/app/new.txt", "");
    for engine in &engines {
        says(engine, "v1-dirty", "x", 1, " D rust/app/data.txt,?? rust/app/new.txt");
    }
    fixture.git(&["checkout", "--quiet", "--", "rust/app/data.txt"]);
    std::fs::remove_file(fixture.path("rust/app/new.txt")).unwrap();
    for count in 2..4 {
        fixture.git(&["commit", "--quiet", "--allow-empty", &format!("--message=commit {count}")]);
        let commit = fixture.git(&["rev-parse", "--short=7", "HEAD"]);
        for engine in &engines {
            says(engine, &format!("v1-{}-g{commit}", count - 1), &format!("commit {count}"), count, "");
        }
    }
    fixture.git(&["tag", "-a", "v2", "-m", "v2"]);
    let last = says("host", "v2", "commit 3", 3, "");
    assert_eq!(last, "cache-miss: added ../.git/refs/tags/v2");
}

/// Its image has no git.
#[test]
fn a_clean_room_has_the_same_repository() {
    if !is_full() {
        return;
    }
    let fixture = repository();
    fixture.write(
        "rust/app/build.rs",
        "use std::{env, fs, hash::*, path::Path};

fn walk(path: &Path, hasher: &mut DefaultHasher) {
    let mut entries: Vec<_> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        path.hash(hasher);
        if path.is_dir() { walk(&path, hasher) } else { fs::read(&path).unwrap().hash(hasher) }
    }
}

fn main() {
    let mut hasher = DefaultHasher::new();
    walk(Path::new(\"../../.git\"), &mut hasher);
    let configuration = fs::read_to_string(env::var(\"GIT_CONFIG_GLOBAL\").unwrap()).unwrap();
    assert!(configuration.contains(\"directory = \\\"/workspace\\\"\"), \"{configuration}\");
    let commit = fs::read_to_string(\"../../.git/refs/heads/trunk\").unwrap();
    println!(\"cargo:rustc-env=SEEN={:x} {}\", hasher.finish(), commit.trim());
}
",
    );
    let commit = fixture.commit();
    let Some(engine) = one_engine(Engine::Docker).map(Engine::name) else { return };
    let (_, printed) = packaged(&fixture, engine, "");
    assert!(printed.ends_with(&commit), "{printed}");
    for builder in builders(Kind::BuildKit) {
        let mut command = builder.package(&fixture, &["--force", "--package", "app"]);
        command.current_dir(fixture.path("rust")).env("LAMBDA_PACKAGER_CLEAN_ROOM", "1");
        Ended::of(&mut command).ok();
        let made = Command::new(fixture.path("rust/target/lambda/app/bootstrap")).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&made.stdout).trim_end(), printed);
    }
}

#[test]
fn a_worktree_a_submodule_and_a_shallow_clone_are_as_the_repository() {
    let fixture = repository();
    let Some(engine) = one_engine(Engine::Docker).map(Engine::name) else { return };
    fixture.git(&["commit", "--quiet", "--allow-empty", "--message=x"]);
    fixture.git(&["tag", "--force", "v1"]);
    fixture.git(&["checkout", "--quiet", "--detach"]);
    let (_, printed) = packaged(&fixture, "host", "");
    fixture.git(&["worktree", "add", "--quiet", "--detach", "../tree"]);
    let outer = fixture.path("../outer");
    std::fs::create_dir(&outer).unwrap();
    git(&outer, &["init", "--quiet"]);
    let source = format!("file://{}", fixture.root().display());
    git(&outer, &["-c", "protocol.file.allow=always", "submodule", "--quiet", "add", &source, "inner"]);
    git(&outer.join("inner"), &["checkout", "--quiet", "--detach"]);
    git(&outer, &["clone", "--quiet", "--depth=1", "--branch=v1", &source, "shallow"]);
    let shallow = packaged(&fixture, "host", "../outer/shallow").1;
    assert_eq!(shallow, printed.replace("|true 2|", "|true 1|"));
    git(&outer.join("shallow"), &["fetch", "--quiet", "--unshallow"]);
    for top in ["../tree", "../outer/inner", "../outer/shallow"] {
        for engine in ["host", engine] {
            assert_eq!(packaged(&fixture, engine, top).1, printed, "{engine}: {top}");
        }
        let zip = |top: &str| fixture.read(&format!("{top}/rust/target/lambda/app/lambda-deployment.zip"));
        assert!(zip(top) == zip("."), "{top}");
    }
}

#[test]
fn where_git_is_no_input_the_line_to_add_is_told() {
    let fixture = repository();
    let manifest = fixture.text("rust/Cargo.toml");
    fixture.write("rust/Cargo.toml", manifest.split("[workspace.metadata").next().unwrap());
    let line = "`inputs = [\".git\"]` in [package.metadata.lambda-packager]";
    let run = |engine: &str| {
        let mut command = fixture.command_for(engine);
        Ended::of(command.current_dir(fixture.path("rust")).args(["--package", "app"]))
    };
    let engines = one_engine(Engine::Docker).map(Engine::name).into_iter().chain(["host"]);
    for engine in engines {
        // One that fails, one that reads the file by itself, and one that falls back.
        fixture.write("rust/app/build.rs", ASKS);
        run(engine).fails(4, &["the compile sees no git repository", line]);
        fixture.write(
            "rust/app/build.rs",
            "fn main() { std::fs::read(\"../../.git/HEAD\").expect(\"../../.git/HEAD\"); }\n",
        );
        run(engine).fails(4, &[line]);
        let falls_back = "fn main() {
            let git = std::process::Command::new(\"git\").args([\"rev-parse\", \"HEAD\"]).output().unwrap();
            let commit = String::from_utf8(git.stdout).unwrap();
            println!(\"cargo:rerun-if-changed=../../.git/HEAD\");
            println!(\"cargo:rustc-env=SEEN={}\", if commit.is_empty() { \"unknown\" } else { &commit });
        }\n";
        fixture.write("rust/app/build.rs", falls_back);
        let told = run(engine).ok().stderr;
        assert!(told.contains("a build script looks for a git repository") && told.contains(line), "{told}");
        let printed = Command::new(fixture.path("rust/target/lambda/app/bootstrap")).output().unwrap();
        assert_eq!(printed.stdout, b"unknown\n", "{engine}");
        assert!(!run(engine).ok().stderr.contains("git repository"), "told again");
    }
    let settings = "[package.metadata.lambda-packager]\nexclude = [\".git\"]\n";
    fixture.append("rust/app/Cargo.toml", settings);
    let told = run("host").ok().stderr;
    assert!(!told.contains("git repository"), "{told}");
}

/// The crates that people name their commit with; each is compiled for real.
/// Git sets such variables for its hooks.
#[test]
fn variables_of_a_hook_of_git_do_not_change_the_inputs() {
    let fixture = Fixture::hello_in_git();
    fixture.write(".git/info/exclude", "*.log\n");
    let other = Fixture::hello_in_git();
    let run = || Ended::of(&mut fixture.command_for("host")).ok();
    let in_hook = || {
        let mut command = fixture.command_for("host");
        let [folder, index] = [".git", ".git/index"].map(|name| other.path(name));
        command.env("GIT_DIR", &folder).env("GIT_INDEX_FILE", index).env("GIT_WORK_TREE", other.root());
        Ended::of(command.env("GIT_CONFIG_PARAMETERS", "'core.excludesFile=/dev/null'")).ok()
    };
    run();
    // Ignored here, and not there.
    fixture.write("src/one.log", "");
    assert_eq!(in_hook().verdict(), "cache-hit");
    fixture.says("again");
    in_hook();
    fixture.write("src/two.log", "");
    assert_eq!(run().verdict(), "cache-hit");
}

#[test]
fn a_repository_of_another_user_is_not_read_in_another_way() {
    if user() != 0 {
        return skip("other-user", "only root can give a folder to another user");
    }
    let fixture = Fixture::hello_in_git();
    std::os::unix::fs::chown(fixture.root(), Some(1), None).unwrap();
    let run = |config: &str| {
        fixture.write("../gitconfig", config);
        let mut command = fixture.command_for("host");
        Ended::of(command.env("GIT_CONFIG_GLOBAL", fixture.path("../gitconfig")))
    };
    let line = format!("run `git config --global --add safe.directory {}`", fixture.root().display());
    run("").fails(2, &["git does not read the repository of another user", "dubious ownership", &line]);
    run(&format!("[safe]\ndirectory = {}\n", fixture.root().display())).ok();
}

#[test]
fn the_crates_of_others_name_the_commit() {
    if !is_full() {
        return;
    }
    let fixture = repository();
    fixture.write(
        "rust/app/Cargo.toml",
        "[package]\nname = \"app\"\nversion = \"0.1.0\"\nedition = \"2021\"\n[dependencies]\ngit-version = \"0.3\"\n[build-dependencies]\n\
         built = { version = \"0.8\", features = [\"git2\"] }\nvergen-gitcl = \"1\"\nvergen-git2 = \"1\"\n",
    );
    fixture.write(
        "rust/app/build.rs",
        "fn main() {
    built::write_built_file().unwrap();
    let gitcl = vergen_gitcl::GitclBuilder::default().describe(true, true, None).commit_count(true).build().unwrap();
    vergen_gitcl::Emitter::default().fail_on_error().add_instructions(&gitcl).unwrap().emit().unwrap();
    let git2 = vergen_git2::Git2Builder::default().sha(false).branch(true).dirty(false).build().unwrap();
    vergen_git2::Emitter::default().fail_on_error().add_instructions(&git2).unwrap().emit().unwrap();
}\n",
    );
    fixture.write("rust/app/src/main.rs", "mod built { include!(concat!(env!(\"OUT_DIR\"), \"/built.rs\")); }
fn main() {
    print!(\"{} {} \", git_version::git_version!(args = [\"--always\", \"--dirty\", \"--tags\"]), built::GIT_COMMIT_HASH.unwrap());
    print!(\"{} {:?} \", built::GIT_VERSION.unwrap(), built::GIT_DIRTY);
    print!(\"{} {} \", env!(\"VERGEN_GIT_DESCRIBE\"), env!(\"VERGEN_GIT_COMMIT_COUNT\"));
    println!(\"{} {} {}\", env!(\"VERGEN_GIT_SHA\"), env!(\"VERGEN_GIT_BRANCH\"), env!(\"VERGEN_GIT_DIRTY\"));
}\n");
    let mut lock = fixture.cargo_command();
    Ended::of(lock.current_dir(fixture.path("rust")).arg("generate-lockfile")).ok();
    fixture.commit();
    fixture.git(&["tag", "--annotate", "v2", "--message=v2"]);
    let engines = one_engine(Engine::Docker).map(Engine::name).into_iter().chain(["host"]);
    for engine in engines {
        for is_dirty in [false, true] {
            let commit = fixture.git(&["rev-parse", "HEAD"]);
            let count = fixture.git(&["rev-list", "--count", "HEAD"]);
            fixture.write("rust/app/data.txt", if is_dirty { "changed" } else { "fn main() {}\n" });
            let version = if is_dirty { "v2-dirty" } else { "v2" };
            let expected =
                format!("{version} {commit} v2 Some({is_dirty}) {version} {count} {commit} trunk {is_dirty}");
            assert_eq!(packaged(&fixture, engine, "").1, expected, "{engine}");
        }
        fixture.git(&["commit", "--quiet", "--allow-empty", "--message=x"]);
        fixture.git(&["tag", "--force", "--annotate", "v2", "--message=v2"]);
        fixture.git(&["checkout", "--quiet", "--", "."]);
    }
}
