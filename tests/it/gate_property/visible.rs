//! A project whose build scripts read all that they can see and name it in the program; and what they must see, by the
//! words of the guide alone. So every program tells whether it is stale, mixed, or made from more than the inputs.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::Fixture;
use crate::support::clean::Project;

/// Files that come, change and go: in each kind of folder one that git never ignores, and two that it may.
pub const FILES: [&str; 33] = [
    "world/b.txt",
    "world/b.log",
    "world/NOTES.md",
    "world/LICENSE-b",
    "world/app/b.txt",
    "world/app/b.log",
    "world/app/src/b.tmp",
    "world/app/docs/README.md",
    "world/part/b.txt",
    "world/part/deep/b.log",
    "world/part/b.tmp",
    "world/other/b.txt",
    "world/other/src/b.log",
    "world/web/b.txt",
    "world/web/deep/b.log",
    "world/declared/b.txt",
    "world/declared/b.log",
    "world/declared/deep/b.tmp",
    "world/made/b.txt",
    "world/made/deep/b.log",
    "world/found/b.txt",
    "world/found/b.log",
    "world/found/deep/b.tmp",
    "world/.sqlx/b.txt",
    "world/.sqlx/b.log",
    "outside/b.txt",
    "outside/src/b.log",
    "beside/b.txt",
    "beside/b.log",
    "beside/deep/b.txt",
    "world/found/a.txt",
    "outside/a.txt",
    "world/declared/a.txt",
];
/// The last of them are needed: they change, and never go.
pub const NEEDED: usize = 3;

/// Where rules of what git ignores stand.
pub const RULES: [&str; 3] = [".gitignore", "app/.gitignore", ".git/info/exclude"];

/// What the settings and git say about what is visible.
#[derive(Default)]
pub struct Visible {
    /// What names the commit.
    pub declares_git: bool,
    pub declares_web: bool,
    pub excludes: bool,
    /// For each of [`RULES`], whether it has `*.log` and `*.tmp`.
    pub ignores: [[bool; 2]; 3],
}

pub const DECLARED: [&str; 3] = ["declared", "made", "../beside/*.txt"];
pub const EXCLUDED: [&str; 2] = ["app/b.txt", "declared/b.txt"];

/// Names each file below the folder that is around the workspace, with a digest of its content, and the commit. Cargo's
/// configuration is the compile's in a container only.
const SCRIPT: &str = r#"use std::{fs, os::unix::fs::PermissionsExt, path::Path};

fn walk(folder: &Path, name: &str, seen: &mut String) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
    entries.sort_by_key(|entry| entry.file_name());
    for entry in entries {
        let (path, name) = (entry.path(), format!("{name}{}", entry.file_name().to_str().unwrap()));
        if path.is_dir() {
            if !name.ends_with("/.cargo") && !name.ends_with("/.git") {
                walk(&path, &format!("{name}/"), seen);
            }
            continue;
        }
        let content = fs::read(&path).unwrap();
        let digest = content.iter().fold(0xcbf29ce484222325u64, |digest, byte| (digest ^ u64::from(*byte)).wrapping_mul(0x100000001b3));
        let mark = if fs::metadata(&path).unwrap().permissions().mode() & 0o100 == 0 { "" } else { "*" };
        *seen += &format!("{name}{mark} {digest:x};");
    }
}

fn main() {
    let mut seen = String::new();
    walk(Path::new("../.."), "", &mut seen);
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=SEEN={seen}");
    println!("cargo:rustc-env=COMMIT={}", commit(Path::new("../.git")).unwrap_or("no commit".into()));
}

fn commit(git: &Path) -> Option<String> {
    let head = fs::read_to_string(git.join("HEAD")).ok()?;
    let Some(name) = head.trim().strip_prefix("ref: ") else { return Some(head.trim().into()) };
    if let Ok(commit) = fs::read_to_string(git.join(name)) {
        return Some(commit.trim().into());
    }
    let packed = fs::read_to_string(git.join("packed-refs")).ok()?;
    packed.lines().find_map(|line| line.strip_suffix(name)?.strip_suffix(' ').map(String::from))
}
"#;

const MAIN: &str = r#"fn main() {
    println!("{}", env!("SEEN"));
    println!("{}", part::SEEN);
    println!("{} {} {:?} {:?}", outside::TEXT, include_str!("../../found/a.txt"), option_env!("WORLD_SAYS"), SAYS);
    println!("{}", env!("COMMIT"));
}
#[cfg(feature = "loud")]
const SAYS: &str = "loud";
#[cfg(feature = "quiet")]
const SAYS: &str = "quiet";
#[cfg(not(any(feature = "loud", feature = "quiet")))]
const SAYS: &str = "nothing";
"#;

/// What cargo sees of a package that is not compiled: its manifest, and this.
const PLACEHOLDER: &str = "//! A placeholder.\n\
    compile_error!(\"lambda-packager was told by cargo that the function does not need this package, so its sources are not here; \
    flags that set the `cfg` of a dependency count in .cargo/config.toml\");\n";

/// Writes all but what the settings decide: the manifests of the workspace and of `app`.
pub fn write(project: &Project) {
    project.package("part", "");
    project.package("other", "");
    project.package("../outside", "");
    for package in ["app", "part"] {
        project.write(&format!("{package}/build.rs"), SCRIPT);
    }
    project.write("app/src/main.rs", MAIN);
    project.write("part/src/lib.rs", "pub const SEEN: &str = env!(\"SEEN\");\n");
    project.write("other/src/lib.rs", "this is no Rust, and nobody compiles it\n");
    project.write("../outside/src/lib.rs", "pub const TEXT: &str = include_str!(\"../a.txt\");\n");
    // Each entry of `inputs` names something.
    for file in ["made/a", "web/a", "../beside/a.txt"] {
        project.write(file, "");
    }
    for file in &FILES[FILES.len() - NEEDED..] {
        project.write(&format!("../{file}"), "0");
    }
    project.init_git();
}

impl Visible {
    /// What a build script must name.
    pub fn listing(&self, fixture: &Fixture) -> String {
        let around = fixture.around();
        let mut files = BTreeSet::new();
        list(&around, "", &mut files);
        files.retain(|file| self.has(file));
        files.insert("world/other/src/lib.rs".into());
        if fixture.path("src/lib.rs").exists() {
            files.insert("world/src/lib.rs".into());
        }
        let mut listed = String::new();
        // In the order in which a folder's names are walked through.
        let mut files: Vec<_> = files.iter().map(|file| (file.split('/').collect::<Vec<_>>(), file)).collect();
        files.sort();
        for (_, file) in files {
            let path = around.join(file);
            let is_placeholder = ["world/other/src/lib.rs", "world/src/lib.rs"].contains(&file.as_str());
            let content = if is_placeholder { PLACEHOLDER.into() } else { fs::read(&path).expect("it was listed") };
            let digest = content.iter().fold(0xcbf2_9ce4_8422_2325_u64, |digest, byte| {
                (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
            let mode = fs::metadata(&path).expect("it was listed").permissions().mode();
            let mark = if mode & 0o100 == 0 { "" } else { "*" };
            write!(listed, "{file}{mark} {digest:x};").expect("a string grows");
        }
        listed
    }

    /// Whether a file is an input, and therefore visible.
    fn has(&self, file: &str) -> bool {
        let Some(inside) = file.strip_prefix("world/") else {
            let is_matched =
                file.strip_prefix("beside/").is_some_and(|name| !name.contains('/') && name.ends_with(".txt"));
            return is_matched || file.starts_with("outside/");
        };
        if self.excludes && EXCLUDED.contains(&inside) {
            return false;
        }
        let (folder, name) = inside.split_once('/').unwrap_or(("", inside));
        match folder {
            "" => !name.ends_with(".md") && !name.starts_with("LICENSE") && !self.ignores(inside),
            "app" | "part" | "found" => !self.ignores(inside),
            "declared" | "made" | ".sqlx" => true,
            "other" => name == "Cargo.toml",
            "web" => self.declares_web,
            _ => false,
        }
    }

    fn ignores(&self, inside: &str) -> bool {
        let applies = |place: &str| place != "app/.gitignore" || inside.starts_with("app/");
        RULES.iter().zip(self.ignores).any(|(place, [log, tmp])| {
            applies(place) && ((log && inside.ends_with(".log")) || (tmp && inside.ends_with(".tmp")))
        })
    }

    /// The text of one of [`RULES`].
    pub fn rules(&self, number: usize) -> String {
        let [log, tmp] = self.ignores[number];
        let always = if number == 0 { "/target\n/made\n/.cargo\n" } else { "" };
        format!("{always}{}{}", if log { "*.log\n" } else { "" }, if tmp { "*.tmp\n" } else { "" })
    }
}

fn list(folder: &Path, name: &str, files: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("a folder") {
        let entry = entry.expect("an entry");
        let name = format!("{name}{}", entry.file_name().to_str().expect("text"));
        if entry.file_type().expect("a type").is_file() {
            files.insert(name);
        } else if !["world/target", "world/.cargo", "world/.git"].contains(&name.as_str()) {
            list(&entry.path(), &format!("{name}/"), files);
        }
    }
}
