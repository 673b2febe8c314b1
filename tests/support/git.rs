//! Fixtures that are git repositories.

use std::process::Command;

use super::{Ended, Fixture};

impl Fixture {
    /// `hello` in a git repository, with everything committed.
    pub fn hello_in_git() -> Self {
        let fixture = Self::hello();
        fixture.write(".gitignore", "/target\n");
        fixture.cargo(&["generate-lockfile", "--offline"]).ok();
        fixture.git(&["init", "--quiet"]);
        fixture.commit();
        fixture
    }

    /// Commits everything; the revision.
    pub fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&[
            "-c",
            "user.name=test",
            "-c",
            "user.email=test@example.invalid",
            "commit",
            "--quiet",
            "--message=x",
        ]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// What git prints in the project's folder.
    pub fn git(&self, args: &[&str]) -> String {
        Ended::of(Command::new("git").args(args).current_dir(self.root())).ok().stdout.trim().to_string()
    }
}
