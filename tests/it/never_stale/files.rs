//! Traps for whoever believes that what is named as before is what it was: links, folders, git's rules.

use crate::never_stale::host_or_docker;
use crate::support::clean::Date::{Kept, Now, Old};
use crate::support::clean::{Project, printing_value};
use crate::support::host::git;

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
    project.fixture.builds_with(WALKS, &printing_value("env!(\"READ\")"));
    project.write("data/a", "1");
    project
}

/// A workspace whose library does the same.
fn walking_part(engine: &'static str) -> Project {
    let project = Project::pair(engine);
    project.part_builds_with(WALKS);
    project.write("part/data/a", "1");
    project
}

#[test]
fn files_added_removed_and_renamed() {
    let Some(project) = host_or_docker().map(walking) else { return };
    project.misses("first build");
    project.adds("data/b", "2", Old);
    project.adds("data/deep/c", "3", Old);
    project.rename("data/deep", "data/deeper").misses("added data/deeper/c (+1 more)");
    project.rename("data/b", "data/deeper/b").misses("added data/deeper/b (+1 more)");
    project.removes("data/deeper/c");
    // Two swap their names.
    project.rename("data/a", "data/c");
    project.rename("data/deeper/b", "data/a");
    project.rename("data/c", "data/deeper/b").misses("changed data/a (+1 more)");
}

#[test]
fn a_file_that_becomes_a_folder_and_a_folder_that_becomes_a_file() {
    let Some(project) = host_or_docker().map(walking) else { return };
    project.write("data/b", "2").misses("first build");
    project.remove("data/b");
    project.write("data/b/c", "3").misses("added data/b/c (+1 more)");
    project.changes("data/b/c", "4", Kept);
    project.remove("data/b/c");
    std::fs::remove_dir(project.path("data/b")).expect("it is empty");
    project.write("data/b", "5").misses("added data/b (+1 more)");
}

#[test]
fn links_to_files() {
    let Some(project) = host_or_docker().map(walking) else { return };
    project.write("far/one", "1");
    project.write("far/two", "2");
    project.link("../far/one", "data/link").misses("first build");
    project.write_dated("far/one", "3", Kept).misses("changed data/link (+1 more)");
    project.link("../far/two", "data/link").misses("changed data/link");
    project.remove("data/link");
    project.changes("data/link", "2", Now);
}

#[test]
fn links_to_folders() {
    let Some(project) = host_or_docker().map(walking_part) else { return };
    // Outside of every package, inside of the workspace.
    project.write("words/b", "2");
    project.write("other/b", "2");
    project.link("../../words", "part/data/link").misses("first build");
    project.write_dated("words/b", "3", Kept).misses("changed part/data/link/b");
    project.write_dated("words/c", "4", Old).misses("added part/data/link/c");
    project.write("words/deep/d", "5").misses("added part/data/link/deep/d");
    project.write_dated("words/deep/d", "6", Kept).misses("changed part/data/link/deep/d");
    project.link("../../other", "part/data/link").misses_somehow();
    project.write_dated("other/b", "7", Kept).misses("changed part/data/link/b");
}

#[test]
fn a_dangling_link_whose_target_comes() {
    let Some(project) = host_or_docker().map(walking_part) else { return };
    project.link("../../beside/later", "part/data/folder");
    project.link("../../beside/late", "part/data/file").misses("first build");
    project.write("beside/late", "2").misses("changed part/data/file");
    project.write("beside/later/b", "3").misses_somehow();
    project.write_dated("beside/later/b", "4", Kept).misses("changed part/data/folder/b");
    project.remove("beside/later/b");
    std::fs::remove_dir(project.path("beside/later")).expect("it is empty");
    project.write("beside/later", "5").misses_somehow();
}

#[test]
fn links_in_loops() {
    // Reads one file only: following the loops is not the build script's task.
    let Some(project) = host_or_docker().map(Project::hello) else { return };
    project.write("src/main.rs", &printing_value("include_str!(\"../data/a\")"));
    project.write("data/a", "1");
    project.link(".", "data/here");
    project.link("..", "data/up");
    project.link("there", "data/back");
    project.link("back", "data/there").misses("first build");
    project.changes("data/a", "2", Kept);
    project.link("up", "data/back").misses_somehow();
}

#[test]
fn rules_of_what_git_ignores() {
    let Some(project) = host_or_docker().map(walking) else { return };
    project.init_git();
    project.write(".gitignore", "/target\n/data/b\n");
    project.write("data/b", "2").misses("first build");
    project.write(".gitignore", "/target\n/data/x\n").misses("changed .gitignore (+1 more)");
    project.changes("data/b", "3", Kept);
    project.write("data/.gitignore", "a\n").misses("added data/.gitignore (+1 more)");
    project.remove("data/.gitignore").misses("added data/a (+1 more)");
    project.changes("data/a", "4", Kept);
}

/// A file that git has is not ignored, whatever the rules say; and there are rules in files that only git's configuration
/// names.
#[test]
fn what_git_was_told_besides_its_rules() {
    let Some(mut project) = host_or_docker().map(walking) else { return };
    project.init_git();
    project.write(".gitignore", "/target\n/data/b\n");
    project.write("data/z", "0");
    project.write("data/b", "2").misses("first build");
    git(project.fixture.root(), &["add", "--force", "data/b"]);
    project.misses("added data/b");
    project.changes("data/b", "3", Kept);
    git(project.fixture.root(), &["rm", "--cached", "--force", "--quiet", "data/b"]);
    project.misses("removed data/b");
    let rules = project.fixture.around().join("rules");
    project.write("../rules", "a\n");
    git(project.fixture.root(), &["config", "core.excludesFile", &rules.to_string_lossy()]);
    project.misses("removed data/a");
    project.write_dated("../rules", "b\n", Kept).misses("added data/a");
    // And in the user's own.
    git(project.fixture.root(), &["config", "--unset", "core.excludesFile"]);
    project.write("../user", &format!("[core]\nexcludesFile = {}/../rules\n", project.fixture.root().display()));
    let user = project.fixture.around().join("user");
    project.variables(&[("GIT_CONFIG_GLOBAL", &user.to_string_lossy())]).hits();
    project.write_dated("../rules", "a\n", Kept).misses("removed data/a");
    // `cp -p` leaves size and date, on every file system.
    project.write("../other", "4");
    project.write("data/c", "5").misses("added data/c");
    project.date("../other", project.mtime("data/c"));
    let copied =
        std::process::Command::new("cp").arg("-p").arg(project.path("../other")).arg(project.path("data/c")).status();
    assert!(copied.expect("cp starts").success());
    project.misses("changed data/c");
}

/// The repository begins above the workspace, and so do its rules.
#[test]
fn rules_of_a_repository_around_the_workspace() {
    let Some(project) = host_or_docker().map(walking) else { return };
    git(&project.fixture.around(), &["init", "--quiet"]);
    project.write("../.gitignore", "target\nb\n");
    project.write("data/b", "2").misses("first build");
    project.write("../.gitignore", "target\n").misses_somehow();
    project.changes("data/b", "3", Kept);
    project.write("../.git/info/exclude", "a\n").misses_somehow();
    project.write("../.git/info/exclude", "").misses_somehow();
    project.changes("data/a", "4", Kept);
}

#[test]
fn a_permission_that_the_compile_reads() {
    let Some(project) = host_or_docker().map(Project::hello) else { return };
    project.fixture.builds_with(
        "use std::os::unix::fs::PermissionsExt;
        fn main() {
            println!(\"cargo:rerun-if-changed=build.rs\");
            let mode = std::fs::metadata(\"tool\").unwrap().permissions().mode() & 0o111;
            println!(\"cargo:rustc-env=READ={mode:o}\");
        }\n",
        &printing_value("env!(\"READ\")"),
    );
    project.write("tool", "#!/bin/sh\n").misses("first build");
    for allowed in [true, false] {
        project.allow_execution("tool", allowed).misses("permissions of tool");
    }
}

#[test]
fn a_package_that_begins_inside_of_another() {
    let Some(project) = host_or_docker().map(walking) else { return };
    project.write("data/sub/b", "2").misses("first build");
    project.write("data/sub/Cargo.toml", "[package]\nname = \"sub\"\nversion = \"0.1.0\"\n[workspace]\n");
    project.misses_somehow();
    project.remove("data/sub/Cargo.toml").misses_somehow();
    project.changes("data/sub/b", "3", Kept);
}
