//! What is to be written, as a difference to what is there.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use lambda_packager::internal::{Error, Result, fs};
use similar::TextDiff;

/// All that is to be written, and what is to be said of it.
#[derive(Clone)]
pub struct Plan {
    root: PathBuf,
    pub changes: Vec<Change>,
    pub notes: Vec<String>,
}

/// A file that gets new content.
#[derive(Clone)]
pub struct Change {
    /// Relative to the root.
    pub name: String,
    /// `None` for a new file.
    before: Option<String>,
    after: String,
}

impl Plan {
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_path_buf(), changes: Vec::new(), notes: Vec::new() }
    }

    /// The content of a file as it will be; `None` if there is no such file.
    ///
    /// # Errors
    /// If it cannot be read, or is a link: what is behind one may not be the project's.
    pub fn read(&self, name: &str) -> Result<Option<String>> {
        if let Some(change) = self.changes.iter().find(|change| change.name == name) {
            return Ok(Some(change.after.clone()));
        }
        let path = self.root.join(name);
        let folders = path.ancestors().skip(1).take_while(|folder| *folder != self.root);
        for folder in folders {
            fs::refuse_to_leave(folder, &self.root)?;
        }
        if fs::lstat(&path)?.is_some_and(|meta| !meta.is_file()) {
            return Err(Error::config(format!("{} is not a regular file", path.display()))
                .hint_with("make the changes that `lambda-packager init --dry-run` prints elsewhere by hand"));
        }
        let bytes = fs::read_if_exists(&path)?;
        let text = bytes.map(String::from_utf8).transpose();
        text.map_err(|e| Error::config(format!("{} is not UTF-8", path.display())).source(e))
    }

    /// A new file. One that is there stays as it is: `instead` is then what to do by hand.
    pub fn create(&mut self, name: &str, text: String, instead: &str) -> Result<()> {
        match self.read(name)? {
            None => self.changes.push(Change { name: name.into(), before: None, after: text }),
            Some(there) if there == text => {}
            Some(_) => self.notes.push(format!("{name} is there and stays as it is: {instead}")),
        }
        Ok(())
    }

    /// Adds `text` at the end of a file, after an empty line if `apart`; makes it if it is not there.
    pub fn append(&mut self, name: &str, text: &str, apart: bool) -> Result<()> {
        let before = self.read(name)?;
        let mut after = before.clone().unwrap_or_default();
        if !after.is_empty() && !after.ends_with('\n') {
            after.push('\n');
        }
        let text = ended_as(&after, if apart && !after.is_empty() { format!("\n{text}") } else { text.to_string() });
        after.push_str(&text);
        self.set(name, before, after);
        Ok(())
    }

    /// Inserts `text` after the first line that is `after`; `None` if there is none.
    pub fn insert(&mut self, name: &str, after: &str, text: &str) -> Result<Option<()>> {
        let before = self.read(name)?;
        let lines = before.as_deref().unwrap_or_default().split_inclusive('\n');
        let is_it = |line: &&str| line.trim_end() == after && line.ends_with('\n');
        let Some(index) = lines.clone().position(|line| is_it(&line)) else { return Ok(None) };
        let text = ended_as(before.as_deref().unwrap_or_default(), text.to_string());
        let mut lines: Vec<&str> = lines.collect();
        lines.insert(index + 1, &text);
        let after = lines.concat();
        self.set(name, before, after);
        Ok(Some(()))
    }

    fn set(&mut self, name: &str, before: Option<String>, after: String) {
        match self.changes.iter_mut().find(|change| change.name == name) {
            Some(change) => change.after = after,
            None => self.changes.push(Change { name: name.into(), before, after }),
        }
    }

    /// Adds rules to `.gitignore`. Whoever has no such file lets git, or another program, see all.
    pub fn ignore(&mut self, rules: &[&str]) -> Result<()> {
        for rule in rules {
            let Some(there) = self.read(".gitignore")? else { return Ok(()) };
            if !there.lines().any(|line| line.trim() == *rule) {
                self.append(".gitignore", &format!("{rule}\n"), false)?;
            }
        }
        Ok(())
    }

    pub fn names(&self) -> Vec<&str> {
        self.changes.iter().map(|change| change.name.as_str()).collect()
    }

    /// The lines of a unified diff.
    pub fn difference(&self) -> Vec<String> {
        let lines = |change: &Change| {
            let before = change.before.as_deref().unwrap_or_default();
            let old = change.before.as_ref().map_or("/dev/null".to_string(), |_| format!("a/{}", change.name));
            let diff = TextDiff::from_lines(before, &change.after);
            let text = diff.unified_diff().header(&old, &format!("b/{}", change.name)).to_string();
            text.lines().map(String::from).collect::<Vec<_>>()
        };
        self.changes.iter().flat_map(lines).collect()
    }

    /// Writes all changes; each file is replaced as a whole, with the permissions that it had.
    pub fn write(&self) -> Result<()> {
        for change in &self.changes {
            let path = self.root.join(&change.name);
            let mode = fs::stat(&path)?.map_or(0o644, |meta| meta.permissions().mode() & 0o7777);
            fs::replace(&path, change.after.as_bytes(), mode, None)?;
        }
        Ok(())
    }
}

/// `text` with the line ends that a file has.
fn ended_as(file: &str, text: String) -> String {
    if file.contains("\r\n") { text.replace('\n', "\r\n") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_there_is_never_overwritten_and_what_is_added_has_a_line_of_its_own() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::replace(&dir.path().join(name), text.as_bytes(), 0o755, None).unwrap();
        write("there", "mine");
        write("same", "text\n");
        let mut plan = Plan::new(dir.path());
        for name in ["there", "same", "deep/new"] {
            plan.create(name, "text\n".into(), "add a line").unwrap();
        }
        plan.append("there", "more\n", true).unwrap();
        write("of windows", "a\r\nb\r\n");
        plan.insert("of windows", "a", "x\n").unwrap();
        plan.append("of windows", "y\nz\n", true).unwrap();
        assert_eq!(plan.read("of windows").unwrap().unwrap(), "a\r\nx\r\nb\r\n\r\ny\r\nz\r\n");
        plan.changes.retain(|change| change.name != "of windows");
        assert!(plan.insert("there", "other", "x\n").unwrap().is_none());
        assert!(plan.insert("there", "mine", "between\n").unwrap().is_some());
        assert_eq!(plan.names(), ["deep/new", "there"]);
        assert_eq!(plan.notes, ["there is there and stays as it is: add a line"]);
        let expected = "--- /dev/null|+++ b/deep/new|@@ -0,0 +1 @@|+text|--- a/there|+++ b/there|@@ -1 +1,4 @@|-mine";
        assert!(plan.difference().join("|").starts_with(expected), "{:?}", plan.difference());
        plan.write().unwrap();
        assert_eq!(fs::read(&dir.path().join("there")).unwrap(), b"mine\nbetween\n\nmore\n");
        let mode = fs::stat(&dir.path().join("there")).unwrap().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o755);
    }

    #[test]
    fn a_link_is_not_followed() {
        let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::os::unix::fs::symlink(other.path(), dir.path().join("cdk")).unwrap();
        std::os::unix::fs::symlink(other.path().join("x"), dir.path().join("Makefile")).unwrap();
        let mut plan = Plan::new(dir.path());
        assert!(plan.create("cdk/app.py", String::new(), "").unwrap_err().to_string().contains("cdk leads out of"));
        assert!(
            plan.append("Makefile", "x", false).unwrap_err().to_string().ends_with("Makefile is not a regular file")
        );
    }
}
