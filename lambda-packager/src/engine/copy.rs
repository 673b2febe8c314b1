//! What goes from containers into images and back, without a file of ours in between.

use std::io::Read;
use std::path::Path;
use std::time::Duration;

use crate::engine::{Engine, EngineError, args};
use crate::error::{Error, Result};
use crate::sys::process::Invocation;

/// The file of this name in an archive that an engine made: some begin with the folders around it.
pub fn file_in(tar: &[u8], path: &str) -> Result<Vec<u8>> {
    let find = || -> std::io::Result<Vec<u8>> {
        for entry in tar::Archive::new(tar).entries()? {
            let mut entry = entry?;
            if entry.header().entry_type().is_file() && entry.path()?.file_name() == Path::new(path).file_name() {
                let mut content = Vec::new();
                entry.read_to_end(&mut content)?;
                return Ok(content);
            }
        }
        Err(std::io::ErrorKind::NotFound.into())
    };
    find().map_err(|e| Error::engine(format!("cannot read {path} from the engine")).source(e))
}

impl Engine {
    /// Makes an image of a folder of a container: it stands at its root, by its own name.
    pub fn import_folder(
        &self,
        container: &str,
        folder: &str,
        reference: &str,
        labels: &[String],
        timeout: Duration,
    ) -> Result<(), EngineError> {
        self.pipe(self.read_folder(container, folder), self.call(&args::import(reference, labels)), timeout)
    }

    /// Copies a folder at the root of one container to the same place in another; owners and modes as
    /// they are.
    pub fn copy_folder(&self, from: &str, folder: &str, to: &str, timeout: Duration) -> Result<(), EngineError> {
        self.pipe(self.read_folder(from, folder), self.call(&["cp", "-", &format!("{to}:/")]), timeout)
    }

    fn read_folder(&self, container: &str, folder: &str) -> Invocation {
        self.call(&["cp", &format!("{container}:{folder}"), "-"])
    }

    fn pipe(&self, from: Invocation, to: Invocation, timeout: Duration) -> Result<(), EngineError> {
        let [sent, received] = from.pipe_into(&to, timeout).map_err(EngineError::Unreachable)?;
        // Where both failed, the reader's end is why the other could not go on.
        match (received.success(), sent.success()) {
            (true, true) => Ok(()),
            (false, _) => Err(self.failure("cp", &received)),
            (true, false) => Err(self.failure("cp", &sent)),
        }
    }
}
