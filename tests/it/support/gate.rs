//! How a test holds a compile in a container, where nothing of the project is mounted: by files in a folder of the
//! borrowed toolchain, the only folder of the host that the container has. They are no inputs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::{Ended, TempDir};

/// In the sysroot of this machine's toolchain. `tests/run` removes what a killed run left.
const FOLDER: &str = "share/lambda-packager-test-gates";

/// A folder of one test.
pub struct Gate {
    folder: TempDir,
}

impl Gate {
    pub fn new() -> Self {
        static SYSROOT: OnceLock<PathBuf> = OnceLock::new();
        let sysroot = SYSROOT.get_or_init(|| Ended::answer(Command::new("rustc").args(["--print", "sysroot"])).into());
        let all = sysroot.join(FOLDER);
        fs::create_dir_all(&all).expect("the toolchain is ours to add a folder to");
        let prefix = format!("{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir_in(all).expect("a folder");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("ours");
        Self { folder }
    }

    /// Where a compile in a container sees the file `name`.
    pub fn seen(&self, name: &str) -> String {
        let folder = self.folder.path().file_name().expect("a name").to_string_lossy();
        format!("/opt/rust/{FOLDER}/{folder}/{name}")
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Puts the file `name` there, whole at once.
    pub fn put(&self, name: &str, text: &str) {
        let new = self.path("new");
        fs::write(&new, text).and_then(|()| fs::rename(new, self.path(name))).expect("a file");
    }

    #[track_caller]
    pub fn take_away(&self, name: &str) {
        fs::remove_file(self.path(name)).expect("it is there");
    }

    /// A build script that waits for as long as there is the file `hold`, and first says so on stderr.
    pub fn waiting_build_script(&self, says: &str) -> String {
        format!(
            "fn main() {{\n    eprintln!({says:?});\n    while std::path::Path::new({:?}).exists() {{\n        \
             std::thread::sleep(std::time::Duration::from_millis(10));\n    }}\n}}\n",
            self.seen("hold")
        )
    }
}
