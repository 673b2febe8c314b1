//! Fixtures that are git repositories.

use std::process::Command;

use super::host::git;
use super::{Ended, Fixture, repository};

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

    /// A fresh clone of this repository, with a commit of what is not committed here: that is tested too.
    pub fn clone_of_this_repository() -> Self {
        const TAKE_ALONG: &str = "(git diff --binary HEAD && git ls-files -z --others --exclude-standard | \
             xargs -0 -r -n1 git diff --binary --no-index /dev/null) | git -C \"$0\" apply --allow-empty";
        let fixture = Self::empty("clone");
        fixture.git(&["clone", "--quiet", &repository().display().to_string(), "."]);
        let mut take_along = Command::new("sh");
        take_along.args(["-c", TAKE_ALONG]).arg(fixture.root()).current_dir(repository());
        Ended::of(&mut take_along).ok();
        if !fixture.git(&["status", "--porcelain"]).is_empty() {
            fixture.commit();
        }
        fixture
    }

    /// Commits everything; the revision.
    pub fn commit(&self) -> String {
        self.git(&["add", "--all"]);
        self.git(&["commit", "--quiet", "--message=x"]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// What git prints in the project's folder.
    pub fn git(&self, args: &[&str]) -> String {
        git(self.root(), args)
    }
}
