//! A file or a folder that a compile sees.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::snapshot::{Entry, Kind};
use crate::sys::Sha;

/// Files and folders by their places.
pub type Sources = BTreeMap<String, Node>;

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Node {
    File {
        content: Content,
        executable: bool,
        sha: Sha,
    },
    /// A symbolic link, and the path in it.
    Link(String),
    /// A folder or a file whose content never changes, with a digest that identifies it.
    Whole(PathBuf, Sha),
}

/// The content of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// Of a file of the host.
    Of(PathBuf),
    Made(Vec<u8>),
}

impl Node {
    /// A file with this content.
    pub fn made(content: Vec<u8>) -> Self {
        Self::File { sha: Sha::of(&content), content: Content::Made(content), executable: false }
    }

    /// The state of a file of the host; its content is read later.
    pub fn of(path: PathBuf, entry: &Entry) -> Self {
        let executable = entry.kind == Kind::Executable;
        Self::File { content: Content::Of(path), executable, sha: entry.sha }
    }
}
