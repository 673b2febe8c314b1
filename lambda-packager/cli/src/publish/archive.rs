//! Images in a file: what `image build --archive` wrote, read again to be pushed.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use lambda_packager::internal::image::{Blob, Image};
use lambda_packager::internal::{Error, Result, fs};
use serde::Deserialize;

/// An image in the file `manifest.json` of such an archive.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    repo_tags: Vec<String>,
    layers: Vec<String>,
}

/// Reads the images in a file, each with its names: a repository and a tag.
///
/// # Errors
/// If it is not such an archive, or is damaged.
pub fn read(path: &Path) -> Result<Vec<(Image, Vec<String>)>> {
    let wrong = |why: &str| {
        Error::config(format!("{} is no image that `image build --archive` wrote: {why}", path.display()))
            .hint_with("write it again with `lambda-packager image build --archive FILE`")
    };
    let bytes = fs::read(path)?;
    let mut files = files(&bytes).map_err(|e| wrong(&e.to_string()))?;
    let table = files.remove("manifest.json").ok_or_else(|| wrong("it has no manifest.json"))?;
    let entries: Vec<Entry> = serde_json::from_slice(&table).map_err(|e| wrong(&e.to_string()))?;
    // Each file has the digest of its content as its name. Several images may have it.
    let blob = |name: String| match files.get(&name).cloned().map(Blob::of) {
        Some(blob) if name.split('.').next() == Some(blob.digest.to_string().as_str()) => Ok(blob),
        Some(_) => Err(wrong(&format!("{name} is damaged"))),
        None => Err(wrong(&format!("it has no {name}"))),
    };
    let image = |Entry { config, repo_tags, layers }| -> Result<_> {
        Ok((Image::of(blob(config)?, layers.into_iter().map(blob).collect::<Result<_>>()?), repo_tags))
    };
    entries.into_iter().map(image).collect()
}

fn files(archive: &[u8]) -> std::io::Result<BTreeMap<String, Vec<u8>>> {
    let mut files = BTreeMap::new();
    for entry in tar::Archive::new(archive).entries()? {
        let mut entry = entry?;
        let name = entry.path()?.to_string_lossy().into_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content)?;
        files.insert(name, content);
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use lambda_packager::internal::image::archive;

    use super::*;

    /// An image of two layers, in a file.
    fn written(folder: &Path) -> (Image, std::path::PathBuf) {
        let image = Image::of(Blob::of(b"{}".to_vec()), [b"one", b"two"].map(|it| Blob::of(it.to_vec())).into());
        let path = folder.join("image.tar");
        fs::replace(&path, &image.archive(&["x:latest".to_string()]).unwrap(), 0o644, None).unwrap();
        (image, path)
    }

    #[test]
    fn an_image_is_read_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let (image, path) = written(folder.path());
        // Another one with a layer of the first.
        let other = Image::of(Blob::of(b"{ }".to_vec()), [b"one", b"six"].map(|it| Blob::of(it.to_vec())).into());
        let both = [(&image, vec!["x:latest".to_string()]), (&other, vec!["y:1".to_string(), "y:latest".to_string()])];
        for images in [&both[..1], &both] {
            fs::replace(&path, &archive(images).unwrap(), 0o644, None).unwrap();
            let read = read(&path).unwrap();
            assert_eq!(read.len(), images.len());
            for ((image, names), (expected, named)) in read.iter().zip(images) {
                assert_eq!((&image.manifest, &image.config), (&expected.manifest, &expected.config));
                assert_eq!((&image.layers, names), (&expected.layers, named));
            }
        }
        // What both have is there once.
        assert_eq!(files(&fs::read(&path).unwrap()).unwrap().len(), 6);
    }

    #[test]
    fn what_is_damaged_or_something_else_is_refused_with_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let (_, path) = written(folder.path());
        let archive = fs::read(&path).unwrap();
        let at = archive.windows(3).position(|part| part == b"two").unwrap();
        let damaged = [&archive[..at], b"2wo", &archive[at + 3..]].concat();
        for (bytes, why) in [(&damaged[..], "is damaged"), (&archive[..1024], "no manifest.json"), (b"no tar", "image")]
        {
            fs::replace(&path, bytes, 0o644, None).unwrap();
            let error = read(&path).map(drop).unwrap_err().to_string();
            assert!(error.starts_with(&path.display().to_string()) && error.contains(why), "{error}");
        }
    }
}
