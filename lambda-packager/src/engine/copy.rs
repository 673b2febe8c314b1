//! Copies between containers and images, without a temporary file on the host.

use std::io::Read;
use std::path::Path;

use crate::engine::{Engine, EngineError, ExecSpec, args};
use crate::error::{Error, Result};
use crate::sys::{Input, Invocation, Output};

/// The content of the file `path` in an archive that an engine made. Some archives start with the file's folders.
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
    /// Makes an image from a folder of a container. In the image, the folder is at the root and keeps its name.
    pub fn import_folder(
        &self,
        container: &str,
        folder: &str,
        reference: &str,
        labels: &[String],
    ) -> Result<(), EngineError> {
        self.pipe(self.read_folder(container, folder), self.call(&args::import(reference, labels)))
    }

    /// Makes an image from the archive that a program in a container prints, given `input`. Returns the status of the
    /// program and its messages; if the status is not 0, there is no image.
    pub fn import_output(
        &self,
        program: &ExecSpec,
        input: Input,
        reference: &str,
        labels: &[String],
    ) -> Result<Output, EngineError> {
        let (export, import) = (self.exec(program), self.call(&args::import(reference, labels)));
        let (sent, received) =
            export.pipe_into(Some(input), &import, self.patience_with_silence(), self.asking(&import))?;
        match received {
            // If both failed, the writer failed because the reader ended.
            Some(received) if !received.success() => return Err(self.failure("import", &received)),
            // The archive may lack something, and still have been taken for a whole one.
            Some(_) if !sent.success() => drop(self.remove_names(&[reference.to_string()])?),
            _ => {}
        }
        Ok(sent)
    }

    /// Copies a folder of one container into the folder `place` of another, which must be in a volume. Docker keeps the
    /// owners; podman reads all files as root's.
    pub fn copy_folder(&self, from: &str, folder: &str, to: &str, place: &str) -> Result<(), EngineError> {
        let content = self.read_folder(from, folder);
        self.pipe(content, self.call(&args::unpack(self.kind, to, place)))
    }

    fn read_folder(&self, container: &str, folder: &str) -> Invocation {
        self.call(&["cp", &format!("{container}:{folder}"), "-"])
    }

    fn pipe(&self, from: Invocation, to: Invocation) -> Result<(), EngineError> {
        let (sent, received) = from.pipe_into(None, &to, self.patience_with_silence(), self.asking(&from))?;
        // If both failed, the writer failed because the reader ended.
        match (sent.success(), received.as_ref().filter(|received| !received.success())) {
            (_, Some(received)) => Err(self.failure("cp", received)),
            (false, None) => Err(self.failure("cp", &sent)),
            (true, None) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::artifact::Archive;

    #[test]
    fn a_file_is_found_by_its_name_wherever_the_archive_has_it() {
        for stored in ["a.txt", "folder/a.txt"] {
            let mut archive = Archive::of((0, 0), 0);
            archive.folder("above/a.txt", 0o755).unwrap();
            archive.file("b.txt", 0o755, b"no").unwrap();
            archive.file(stored, 0o755, b"yes").unwrap();
            assert_eq!(file_in(&archive.finish().unwrap(), "/etc/a.txt").unwrap(), b"yes");
        }
        assert!(file_in(&[0; 1024], "a.txt").unwrap_err().to_string().contains("a.txt"));
    }
}
