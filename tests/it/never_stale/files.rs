//! Traps for whoever believes that what is named as before is what it was: links, folders, git's rules.

use crate::never_stale::host_or_docker;
use crate::support::clean::Project;

/// A build script that joins all that is in `data`, at any depth, links followed.
const WALKS: &str = "fn walk(folder: &std::path::Path, text: &mut String) {
    let mut all: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    all.sort();
    for path in all {
        if path.is_dir() {
            walk(&path, text);
        } else if let Ok(read) = std::fs::read_to_string(&path) {
            text.push_str(&format!(\"{}={read} \", path.display()));
        }
    }
}
fn main() {
    let mut text = String::new();
    walk(std::path::Path::new(\"data\"), &mut text);
    println!(\"cargo:rustc-env=READ={text}\");
}\n";

/// A package whose build script reads all of `data`.
fn walking(engine: &'static str) -> Project {
    let project = Project::hello(engine);
    project.write("build.rs", WALKS);
    project.write("src/main.rs", "fn main() {\n    println!(\"{}\", env!(\"READ\"));\n}\n");
    project.write("data/a", "1");
    project
}

#[test]
fn files_added_removed_and_renamed() {
    let Some(engine) = host_or_docker() else { return };
    let project = walking(engine);
    project.misses("first build");
    project.write_old("data/b", "2");
    project.misses("added data/b");
    project.write_old("data/deep/c", "3");
    project.misses("added data/deep/c");
    project.rename("data/deep", "data/deeper");
    project.misses("added data/deeper/c (+1 more)");
    project.rename("data/b", "data/deeper/b");
    project.misses("added data/deeper/b (+1 more)");
    project.remove("data/deeper/c");
    project.misses("removed data/deeper/c");
}

#[test]
fn two_files_that_swap_their_names() {
    let Some(engine) = host_or_docker() else { return };
    let project = walking(engine);
    project.write("data/b", "2");
    project.misses("first build");
    project.rename("data/a", "data/c");
    project.rename("data/b", "data/a");
    project.rename("data/c", "data/b");
    project.misses("changed data/a (+1 more)");
}

#[test]
fn a_file_that_becomes_a_folder_and_a_folder_that_becomes_a_file() {
    let Some(engine) = host_or_docker() else { return };
    let project = walking(engine);
    project.write("data/b", "2");
    project.misses("first build");
    project.remove("data/b");
    project.write("data/b/c", "3");
    project.misses("added data/b/c (+1 more)");
    project.write_keeping_mtime("data/b/c", "4");
    project.misses("changed data/b/c");
    project.remove("data/b/c");
    std::fs::remove_dir(project.path("data/b")).expect("it is empty");
    project.write("data/b", "5");
    project.misses("added data/b (+1 more)");
}

#[test]
fn links_to_files() {
    let Some(engine) = host_or_docker() else { return };
    let project = walking(engine);
    project.write("far/one", "1");
    project.write("far/two", "2");
    project.link("../far/one", "data/link");
    project.misses("first build");
    project.write_keeping_mtime("far/one", "3");
    project.misses("changed data/link (+1 more)");
    project.link("../far/two", "data/link");
    project.misses("changed data/link");
    project.remove("data/link");
    project.write("data/link", "2");
    project.misses("changed data/link");
}

#[test]
fn links_to_folders() {
    let Some(engine) = host_or_docker() else { return };
    let project = Project::pair(engine);
    project.write("part/build.rs", WALKS);
    project.write("part/src/lib.rs", "pub fn text() -> &'static str {\n    env!(\"READ\")\n}\n");
    project.write("part/data/a", "1");
    // Outside of every package, inside of the workspace.
    project.write("words/b", "2");
    project.write("other/b", "2");
    project.link("../../words", "part/data/link");
    project.misses("first build");
    project.write_keeping_mtime("words/b", "3");
    project.misses("changed part/data/link/b");
    project.write_old("words/c", "4");
    project.misses("added part/data/link/c");
    project.write("words/deep/d", "5");
    project.misses("added part/data/link/deep/d");
    project.write_keeping_mtime("words/deep/d", "6");
    project.misses("changed part/data/link/deep/d");
    project.link("../../other", "part/data/link");
    project.misses_somehow();
    project.hits();
    project.write_keeping_mtime("other/b", "7");
    project.misses("changed part/data/link/b");
}

#[test]
fn a_dangling_link_whose_target_comes() {
    let Some(engine) = host_or_docker() else { return };
    let project = Project::pair(engine);
    project.write("part/build.rs", WALKS);
    project.write("part/src/lib.rs", "pub fn text() -> &'static str {\n    env!(\"READ\")\n}\n");
    project.write("part/data/a", "1");
    project.link("../../later", "part/data/folder");
    project.link("../../late", "part/data/file");
    project.misses("first build");
    project.write("late", "2");
    project.misses("changed part/data/file");
    project.write("later/b", "3");
    project.misses_somehow();
    project.hits();
    project.write_keeping_mtime("later/b", "4");
    project.misses("changed part/data/folder/b");
    project.remove("later/b");
    std::fs::remove_dir(project.path("later")).expect("it is empty");
    project.write("later", "5");
    project.misses_somehow();
    project.hits();
}

#[test]
fn links_in_loops() {
    let Some(engine) = host_or_docker() else { return };
    // Reads one file only: following the loops is not the build script's task.
    let project = Project::hello(engine);
    project.write("src/main.rs", "fn main() {\n    println!(\"{}\", include_str!(\"../data/a\"));\n}\n");
    project.write("data/a", "1");
    project.link(".", "data/here");
    project.link("..", "data/up");
    project.link("there", "data/back");
    project.link("back", "data/there");
    project.misses("first build");
    project.write_keeping_mtime("data/a", "2");
    project.misses("changed data/a");
    project.link("up", "data/back");
    project.misses_somehow();
    project.hits();
}

#[test]
fn rules_of_what_git_ignores() {
    let Some(engine) = host_or_docker() else { return };
    let project = walking(engine);
    project.init_git();
    project.write(".gitignore", "/target\n/data/b\n");
    project.write("data/b", "2");
    project.misses("first build");
    project.write(".gitignore", "/target\n/data/x\n");
    project.misses("changed .gitignore (+1 more)");
    project.write_keeping_mtime("data/b", "3");
    project.misses("changed data/b");
    project.write("data/.gitignore", "a\n");
    project.misses("added data/.gitignore (+1 more)");
    project.remove("data/.gitignore");
    project.misses("added data/a (+1 more)");
    project.write_keeping_mtime("data/a", "4");
    project.misses("changed data/a");
}

/// The repository begins above the workspace, and so do its rules.
#[test]
fn rules_of_a_repository_around_the_workspace() {
    let Some(engine) = host_or_docker() else { return };
    let project = walking(engine);
    let output =
        std::process::Command::new("git").args(["init", "--quiet"]).current_dir(project.fixture.around()).output();
    assert!(output.expect("git starts").status.success());
    project.write("../.gitignore", "target\nb\n");
    project.write("data/b", "2");
    project.misses("first build");
    project.write("../.gitignore", "target\n");
    project.misses_somehow();
    project.hits();
    project.write_keeping_mtime("data/b", "3");
    project.misses("changed data/b");
    project.write("../.git/info/exclude", "a\n");
    project.misses_somehow();
    project.hits();
    project.write("../.git/info/exclude", "");
    project.misses_somehow();
    project.write_keeping_mtime("data/a", "4");
    project.misses("changed data/a");
}

#[test]
fn a_permission_that_the_compile_reads() {
    let Some(engine) = host_or_docker() else { return };
    let project = Project::hello(engine);
    project.write(
        "build.rs",
        "use std::os::unix::fs::PermissionsExt;
        fn main() {
            println!(\"cargo:rerun-if-changed=build.rs\");
            let mode = std::fs::metadata(\"tool\").unwrap().permissions().mode() & 0o111;
            println!(\"cargo:rustc-env=READ={mode:o}\");
        }\n",
    );
    project.write("src/main.rs", "fn main() {\n    println!(\"{}\", env!(\"READ\"));\n}\n");
    project.write("tool", "#!/bin/sh\n");
    project.misses("first build");
    project.allow_execution("tool", true);
    project.misses("permissions of tool");
    project.allow_execution("tool", false);
    project.misses("permissions of tool");
}

#[test]
fn a_package_that_begins_inside_of_another() {
    let Some(engine) = host_or_docker() else { return };
    let project = walking(engine);
    project.write("data/sub/b", "2");
    project.misses("first build");
    project.write("data/sub/Cargo.toml", "[package]\nname = \"sub\"\nversion = \"0.1.0\"\n[workspace]\n");
    project.misses_somehow();
    project.remove("data/sub/Cargo.toml");
    project.misses_somehow();
    project.write_keeping_mtime("data/sub/b", "3");
    project.misses("changed data/sub/b");
}
