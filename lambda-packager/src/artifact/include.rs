//! The files that `include` puts into the zip beside the binary.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::artifact::{Member, Selection, TakenOut, limits};
use crate::config::ArtifactKind;
use crate::error::{Error, Result};
use crate::snapshot::is_executable;
use crate::snapshot::listing::join;
use crate::snapshot::visible::{is_secret, is_visible};
use crate::sys::{Glob, fs, relative};

/// A file that goes into the zip.
pub struct Included {
    /// Its name in the zip.
    name: String,
    pub path: PathBuf,
    executable: bool,
    size_bytes: u64,
}

/// What `include` puts into the zip.
pub struct Inclusion {
    /// In the order of their names.
    pub files: Vec<Included>,
    /// The entries with `!` that take nothing out.
    pub idle: Vec<String>,
}

/// Where files are looked for.
pub struct Surroundings<'a> {
    /// The root of the workspace; nothing from elsewhere goes into a zip.
    pub root: &'a Path,
    /// Absolute paths that are never included, unless an entry names them: the target directory, the zip.
    pub excluded: &'a [PathBuf],
    /// The location of the setting, for messages.
    pub place: &'a str,
    pub kind: ArtifactKind,
    /// The name of the compiled binary.
    pub binary: &'a str,
}

/// What all `selections` put into the zip.
///
/// # Errors
/// A path that does not exist, is no file and no folder, or leads out of the workspace or back to a folder around it
/// through a symlink; a glob that matches no file; two files at one place in the zip; more bytes than Lambda allows; an
/// extension that may not be executed.
pub fn find(selections: &[Selection], around: &Surroundings) -> Result<Inclusion> {
    let mut found: Vec<Included> = Vec::new();
    let (mut idle, mut used) = (BTreeSet::new(), BTreeSet::new());
    for selection in selections {
        let mut walk = Walk::of(selection, around);
        let path = around.root.join(&selection.path);
        if !walk.is_taken_out(&selection.path) && (walk.pattern.is_none() || fs::is_dir(&path)) {
            walk.entry(&path, &selection.path, selection.name.clone())?;
        }
        if walk.pattern.is_some() && walk.found.is_empty() {
            return Err(Error::config(format!("{}: {:?} selects no file", around.place, selection.entry)).hint_with(
                "globs are relative to the package's folder and select files: `folder/**` takes all that is in a folder; \
                 later entries with `!` take files out",
            ));
        }
        found.append(&mut walk.found);
        idle.extend(selection.without.iter().map(|taken_out| taken_out.entry.as_str()));
        used.append(&mut walk.used);
    }
    found.sort_unstable_by(|a, b| (&a.name, &a.path).cmp(&(&b.name, &b.path)));
    found.dedup_by(|a, b| a.name == b.name && a.path == b.path);
    refuse_collisions(&found, around)?;
    refuse_idle_extensions(&found, around)?;
    limits::check_included(found.iter().map(|file| (file.name.as_str(), file.size_bytes)), around.place)?;
    let idle = idle.difference(&used).map(|entry| entry.to_string()).collect();
    Ok(Inclusion { files: found, idle })
}

/// Reads what was found.
pub fn read(included: Vec<Included>) -> Result<Vec<Member>> {
    let member = |Included { name, path, executable, .. }| Ok(Member { name, executable, content: fs::read(&path)? });
    included.into_iter().map(member).collect()
}

/// Refuses two files at one place of the zip, a file where another one needs a folder, and any at the place of the
/// binary. `found` is sorted.
fn refuse_collisions(found: &[Included], around: &Surroundings) -> Result<()> {
    let binary = around.kind.place_of(around.binary);
    let binary = binary.as_deref().unwrap_or_default();
    let shown = |file: &Included| relative(&file.path, around.root);
    // Of two with one name, the first.
    let at: BTreeMap<&str, &Included> = found.iter().rev().map(|file| (file.name.as_str(), file)).collect();
    for file in found {
        let mut places = folders_of(&file.name).chain([file.name.as_str()]);
        if places.clone().any(|place| place == binary) || folders_of(binary).any(|folder| folder == file.name) {
            let (file, name) = (shown(file), &file.name);
            return Err(Error::config(format!(
                "{}: {file} would be at {name} in the zip, but `{binary}` is the place of the compiled binary",
                around.place
            ))
            .hint_with("put it at another place, `DEST:SRC`, or take it out, `!GLOB`"));
        }
        let other = places.find_map(|place| at.get(place)).filter(|other| other.path != file.path);
        if let Some(other) = other {
            let (place, first, second) = (&other.name, shown(other), shown(file));
            return Err(Error::config(format!(
                "{}: two things would be at {place} in the zip: {first} and {second}",
                around.place
            ))
            .hint_with("put one at another place, `DEST:SRC`, or take it out, `!GLOB`"));
        }
    }
    Ok(())
}

/// Refuses what Lambda could not start of a layer: it executes every file directly in `extensions/`.
///
/// Source: <https://docs.aws.amazon.com/lambda/latest/dg/runtimes-extensions-api.html>.
fn refuse_idle_extensions(found: &[Included], around: &Surroundings) -> Result<()> {
    let is_idle = |file: &&Included| is_extension(&file.name) && !file.executable;
    let Some(file) = found.iter().find(is_idle).filter(|_| around.kind.is_layer()) else { return Ok(()) };
    let (name, path) = (&file.name, relative(&file.path, around.root));
    Err(Error::config(format!(
        "{}: {name} in the zip may not be executed, and Lambda executes every file in `extensions/` of a layer",
        around.place
    ))
    .hint_with(format!("make it executable (`chmod +x {path}`), or put it into another folder")))
}

/// Whether Lambda executes the file of this name in a layer.
pub fn is_extension(name: &str) -> bool {
    name.strip_prefix("extensions/").is_some_and(|name| !name.contains('/'))
}

/// The folders around a name in the zip.
fn folders_of(name: &str) -> impl Iterator<Item = &str> + Clone {
    name.match_indices('/').map(|(at, _)| &name[..at])
}

struct Walk<'a> {
    around: &'a Surroundings<'a>,
    pattern: Option<Glob>,
    without: Vec<(&'a TakenOut, Glob)>,
    /// The entries of `without` that took something out.
    used: BTreeSet<&'a str>,
    /// The real paths of the folders around the entry that is looked at.
    folders: Vec<PathBuf>,
    found: Vec<Included>,
}

impl<'a> Walk<'a> {
    fn of(selection: &'a Selection, around: &'a Surroundings<'a>) -> Self {
        let pattern = selection.pattern.as_deref().map(Glob::new);
        let without = selection.without.iter().map(|taken_out| (taken_out, Glob::new(&taken_out.pattern))).collect();
        Self { around, pattern, without, used: BTreeSet::new(), folders: Vec::new(), found: Vec::new() }
    }

    /// Whether an entry with `!` takes out what is `seen` from the root.
    fn is_taken_out(&mut self, seen: &str) -> bool {
        let covering = self.without.iter().filter(|(_, glob)| glob.covers(seen)).map(|(taken_out, _)| taken_out);
        let covering: Vec<_> = covering.map(|taken_out| taken_out.entry.as_str()).collect();
        self.used.extend(&covering);
        !covering.is_empty()
    }

    /// Looks at `path`, which is `seen` from the root and would be `name` in the zip.
    fn entry(&mut self, path: &Path, seen: &str, name: String) -> Result<()> {
        let Some(meta) = fs::stat(path)? else {
            return Err(match fs::lstat(path)? {
                Some(_) => {
                    self.refusal(path, "is a link that leads nowhere, or to itself").hint_with("remove that link")
                }
                None => self.refusal(path, "does not exist"),
            });
        };
        // Resolve symlinks, so that none puts a file from elsewhere on the machine into the zip.
        let real = fs::canonical(path)?;
        if !real.starts_with(self.around.root) {
            return Err(self
                .refusal(path, &format!("leads out of {}", self.around.root.display()))
                .hint_with("copy the file into the package"));
        }
        if !is_visible(&real, self.around.root) || is_secret(&real) {
            return Err(self
                .refusal(path, "leads into a repository's own folder, or to cargo's credentials")
                .hint_with("remove that link, or take it out with a later entry `!GLOB`"));
        }
        if meta.is_dir() {
            if self.folders.contains(&real) {
                return Err(self
                    .refusal(path, "is a link to a folder around it, so it has no end")
                    .hint_with("remove that link"));
            }
            self.folders.push(real);
            self.folder(path, seen, &name)?;
            self.folders.pop();
            return Ok(());
        }
        if !meta.is_file() {
            return Err(self
                .refusal(path, "is not a regular file, but a pipe, a socket or a device")
                .hint_with("remove it, or include the other files one by one"));
        }
        if name.is_empty() {
            return Err(self
                .refusal(path, "is a file, and `.` is the top of the zip")
                .hint_with("name it as it is to be in the zip: `NAME:SRC`"));
        }
        let (path, executable) = (path.to_path_buf(), is_executable(&meta));
        self.found.push(Included { name, path, executable, size_bytes: meta.len() });
        Ok(())
    }

    /// Looks at what is in a folder. What a snapshot never records is left out: no change of it would be seen.
    fn folder(&mut self, path: &Path, seen: &str, name: &str) -> Result<()> {
        for (child, kind) in fs::typed_names_in(path)? {
            let below = path.join(&child);
            if child == ".git" || self.around.excluded.contains(&below) {
                continue;
            }
            let seen = join(seen, &child.to_string_lossy());
            if let Some(pattern) = &self.pattern {
                let is_folder = kind.is_dir() || (kind.is_symlink() && fs::is_dir(&below));
                let is_wanted =
                    if is_folder { kind.is_dir() && pattern.may_match_below(&seen) } else { pattern.matches(&seen) };
                if !is_wanted {
                    continue;
                }
            }
            if !self.is_taken_out(&seen) {
                let child = fs::utf8(path, child)?;
                self.entry(&below, &seen, join(name, &child))?;
            }
        }
        Ok(())
    }

    fn refusal(&self, path: &Path, what: &str) -> Error {
        Error::config(format!("{}: {} {what}", self.around.place, path.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use serde_json::json;

    use super::*;
    use crate::artifact::selections;
    use crate::config::Config;

    /// The members of the zip for a package in the folder `app` of `root`, or the error.
    fn packed(root: &Path, include: &[&str]) -> String {
        packed_as(ArtifactKind::Function, root, include)
    }

    fn packed_as(kind: ArtifactKind, root: &Path, include: &[&str]) -> String {
        let config = Config::of(json!({"include": include}));
        let excluded = [root.join("app/target")];
        let around = Surroundings { root, excluded: &excluded, place: "flag --include", kind, binary: "app" };
        let found = selections(&config, &root.join("app"), root).and_then(|all| find(&all, &around));
        found.and_then(|found| read(found.files)).map_or_else(
            |error| error.to_string(),
            |all| all.iter().map(|m| format!("{}{} ", m.name, if m.executable { "*" } else { "" })).collect(),
        )
    }

    fn project() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let root = fs::canonical(dir.path()).unwrap();
        (dir, root)
    }

    fn write(root: &Path, names: &[&str]) {
        for name in names {
            let mode = if name.ends_with(".sh") { 0o755 } else { 0o644 };
            fs::replace(&root.join(name), b"x", mode, None).unwrap();
        }
    }

    #[test]
    fn files_and_folders_of_the_package_are_included_and_nothing_else() {
        let ((_dir, root), other) = (project(), tempfile::tempdir().unwrap());
        write(&root, &["app/config/b.json", "app/config/run.sh", "app/bootstrap"]);
        let link = |to: &Path, name: &str| std::os::unix::fs::symlink(to, root.join("app").join(name)).unwrap();
        link(other.path(), "link");
        // Where there may be tokens.
        write(&root, &["app/.git/config", "app/.cargo/credentials.toml", "app/plain/x"]);
        link(Path::new("../.git"), "plain/repository");
        link(Path::new(".git/config"), "config-of-git");
        link(Path::new(".cargo/credentials.toml"), "login");
        fs::create_dirs(&root.join("app/loop/deep")).unwrap();
        link(&root.join("app/loop"), "loop/deep/back");
        link(Path::new("self"), "self");
        fs::create_dirs(&root.join("app/odd")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(root.join("app/odd/socket")).unwrap();
        // Twice the same folder is no loop.
        link(Path::new("../config"), "loop/again");
        assert_eq!(packed(&root, &["./config", "config/b.json"]), "config/b.json config/run.sh* ");
        assert_eq!(
            packed(&root, &["loop/again", "config"]),
            "config/b.json config/run.sh* loop/again/b.json loop/again/run.sh* "
        );
        for (entry, expected) in [
            ("none", "does not exist"),
            ("link", "leads out of"),
            ("x:link", "leads out of"),
            ("lin*", "selects no file"),
            ("plain", "plain/repository leads into a repository's own folder, or to cargo's credentials"),
            ("config-of-git", "leads into a repository's own folder"),
            ("x:login", "or to cargo's credentials"),
            ("loop", "deep/back is a link to a folder around it"),
            ("self", "is a link that leads nowhere, or to itself"),
            ("sel*", "is a link that leads nowhere, or to itself"),
            ("odd", "odd/socket is not a regular file"),
            ("bootstrap", "is the place of the compiled binary"),
        ] {
            let error = packed(&root, &[entry]);
            assert!(error.starts_with("flag --include: ") && error.contains(expected), "{entry}: {error}");
        }
    }

    #[test]
    fn globs_select_files_and_entries_apply_in_their_order() {
        let (_dir, root) = project();
        write(
            &root,
            &[
                "app/www/a.js",
                "app/www/a.js.map",
                "app/www/deep/b.js.map",
                "app/www/.dot",
                "app/target/c.js",
                "app/d.js",
            ],
        );
        // No snapshot records it.
        write(&root, &["app/www/.git/config"]);
        // Not selected, so its name does not matter.
        let odd: &OsStr = OsStrExt::from_bytes(b"caf\xe9.txt");
        fs::replace(&root.join("app/odd").join(odd), b"", 0o644, None).unwrap();
        std::os::unix::fs::symlink("deep", root.join("app/www/link")).unwrap();
        for (include, expected) in [
            (&["www/**"][..], "www/.dot www/a.js www/a.js.map www/deep/b.js.map "),
            (&["www/**", "!www/**/*.map"], "www/.dot www/a.js "),
            (&["www/**", "!**/*.map", "www/deep/*"], "www/.dot www/a.js www/deep/b.js.map "),
            (&["www/**", "!www/deep", "!**/.*"], "www/a.js www/a.js.map "),
            (&["**/*.js"], "d.js www/a.js "),
            (&["www", "!www/deep"], "www/.dot www/a.js www/a.js.map www/link/b.js.map "),
            (&["www/**", "!www/**/*.{map,dot}", "!**/.{dot,x}"], "www/a.js "),
            (&["www/*.{js,css}"], "www/a.js "),
            (&["www/a.js", "d.js", "!**/a.*"], "d.js "),
            (&["odd/*.js", "d.js"], "flag --include: \"odd/*.js\" selects no file"),
            (&["www/*.css"], "flag --include: \"www/*.css\" selects no file"),
            // It matches a folder only.
            (&["ww*"], "flag --include: \"ww*\" selects no file"),
            (&["none/**"], "flag --include: \"none/**\" selects no file"),
            (&["www/a.*", "!www"], "flag --include: \"www/a.*\" selects no file"),
        ] {
            assert_eq!(packed(&root, include), expected, "{include:?}");
        }
    }

    #[test]
    fn an_entry_that_takes_nothing_out_is_known() {
        let (_dir, root) = project();
        write(&root, &["app/www/a.js", "app/www/b.map", "app/c.js"]);
        for (include, idle) in [
            (&["www/**", "!www/*.map", "!nothing", "!www/*.{css,ico}"][..], "!nothing !www/*.{css,ico}"),
            (&["www", "c.js", "!www/b.map", "!c.*"], ""),
            // It comes before what it would cover.
            (&["www", "!c.js", "c.js"], "!c.js"),
            (&["www/*.js", "!www/*.map"], "!www/*.map"),
            (&["www", "!**/*.map", "!www/b.*"], ""),
        ] {
            let all = selections(&Config::of(json!({"include": include})), &root.join("app"), &root).unwrap();
            let kind = ArtifactKind::Function;
            let around = Surroundings { root: &root, excluded: &[], place: "", kind, binary: "app" };
            assert_eq!(find(&all, &around).unwrap().idle.join(" "), idle, "{include:?}");
        }
    }

    #[test]
    fn a_file_or_folder_goes_where_it_is_put() {
        let (_dir, root) = project();
        write(&root, &["app/conf/a.json", "app/conf/b.json", "app/run.sh", "shared/c.json"]);
        for (include, expected) in [
            (&["etc/x.json:conf/a.json"][..], "etc/x.json "),
            (&["etc:conf", "bin/start:run.sh"], "bin/start* etc/a.json etc/b.json "),
            (&["etc:conf", "!conf/b.json"], "etc/a.json "),
            (&[".:../shared"], "c.json "),
            (&["etc:conf", "conf"], "conf/a.json conf/b.json etc/a.json etc/b.json "),
            // The same file for the same place.
            (&["conf:conf", "conf/*"], "conf/a.json conf/b.json "),
        ] {
            assert_eq!(packed(&root, include), expected, "{include:?}");
        }
        for (include, expected) in [
            (&["conf", "conf/a.json:../shared/c.json"][..], "two things would be at conf/a.json in the zip: "),
            (&["a:run.sh", "a/b:conf"], "two things would be at a in the zip: app/run.sh and app/conf/a.json"),
            (&[".:run.sh"], "run.sh is a file, and `.` is the top of the zip"),
            (&["bootstrap:run.sh"], "app/run.sh would be at bootstrap in the zip, but `bootstrap` is the place"),
            (
                &["bootstrap:conf"],
                "app/conf/a.json would be at bootstrap/a.json in the zip, but `bootstrap` is the place",
            ),
        ] {
            assert!(packed(&root, include).contains(expected), "{include:?}: {}", packed(&root, include));
        }
    }

    #[test]
    fn what_is_in_the_folder_of_extensions_has_to_be_executable_in_a_layer() {
        let (_dir, root) = project();
        write(&root, &["app/extensions/a.sh", "app/extensions/b", "app/extensions/deep/c", "app/d"]);
        let all = "extensions/a.sh* extensions/b extensions/deep/c ";
        assert_eq!(packed(&root, &["extensions"]), all);
        for kind in [ArtifactKind::Extension, ArtifactKind::InternalExtension] {
            let error = packed_as(kind, &root, &["extensions"]);
            assert!(error.contains("extensions/b in the zip may not be executed"), "{kind}: {error}");
            let packed = packed_as(kind, &root, &["extensions", "!extensions/b", "bootstrap:d"]);
            assert_eq!(packed, "bootstrap extensions/a.sh* extensions/deep/c ");
        }
        assert_eq!(packed_as(ArtifactKind::Layer, &root, &["bootstrap:d", "app:d"]), "app bootstrap ");
        let taken = |kind, include| packed_as(kind, &root, &[include]).contains("is the place of the compiled binary");
        assert!(taken(ArtifactKind::Extension, "extensions/app:d") && taken(ArtifactKind::Extension, "extensions:d"));
        assert!(taken(ArtifactKind::InternalExtension, "app:d") && !taken(ArtifactKind::Extension, "app:d"));
    }

    #[test]
    fn what_is_included_has_to_be_within_lambdas_limit() {
        let (_dir, root) = project();
        write(&root, &["app/data/small"]);
        let big = root.join("app/data/big");
        fs::replace(&big, b"", 0o644, None).unwrap();
        #[allow(clippy::disallowed_methods)]
        let file = std::fs::OpenOptions::new().write(true).open(&big).unwrap();
        file.set_len(250 * 1024 * 1024 - 1).unwrap();
        assert_eq!(packed(&root, &["data", "!**/big"]), "data/small ");
        let found = |include: &[&str]| {
            let all = selections(&Config::of(json!({"include": include})), &root.join("app"), &root).unwrap();
            find(
                &all,
                &Surroundings {
                    root: &root,
                    excluded: &[],
                    place: "flag --include",
                    kind: ArtifactKind::Function,
                    binary: "app",
                },
            )
        };
        found(&["data"]).unwrap();
        file.set_len(250 * 1024 * 1024).unwrap();
        let error = found(&["data"]).err().unwrap();
        assert!(error.to_string().starts_with("flag --include: the included files have 262144001 bytes"), "{error}");
        assert!(error.hint().unwrap().contains("data/big, has 262144000"), "{error:?}");
    }
}
