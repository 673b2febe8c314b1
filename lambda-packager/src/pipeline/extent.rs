//! How much the compile sees: a forgotten folder of data costs time in every build.

use std::collections::BTreeMap;

use crate::snapshot::Snapshot;

/// More files than this are announced.
const MANY: usize = 50_000;
/// More bytes than this are announced.
const LARGE: u64 = 200_000_000;

/// What to tell of a set of inputs that is very large: its largest folders, and how to leave them out.
pub fn told(inputs: &Snapshot) -> Option<String> {
    let present = inputs.present();
    let bytes: u64 = present.iter().map(|(_, entry)| entry.stamp.size_bytes).sum();
    if present.len() <= MANY && bytes <= LARGE {
        return None;
    }
    let mut folders: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
    for (path, entry) in &present {
        // A folder of a package, or of the workspace.
        let end = path.match_indices('/').nth(1).or_else(|| path.match_indices('/').next());
        let Some((end, _)) = end else { continue };
        let (files, size) = folders.entry(&path[..end]).or_default();
        *files += 1;
        *size += entry.stamp.size_bytes;
    }
    let mut folders = Vec::from_iter(folders);
    // By what is over the limit.
    folders.sort_by_key(|(_, (files, size))| std::cmp::Reverse(if bytes > LARGE { *size } else { *files as u64 }));
    let shown =
        folders.iter().take(3).map(|(path, (files, size))| format!("{path} ({files} files, {} MB)", size / 1_000_000));
    let largest = folders.first().map_or("", |(path, _)| path);
    Some(format!(
        "the compile sees {} files of {} MB in all, most of them in {}; leave out what it does not need: `exclude = [\"{largest}\"]` in [package.metadata.lambda-packager]",
        present.len(),
        bytes / 1_000_000,
        shown.collect::<Vec<_>>().join(", "),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::Kind;
    use crate::snapshot::record::tests::{entry, snapshot};

    #[test]
    fn a_large_set_is_told_with_its_largest_folders() {
        let of = |name: String, size_bytes| {
            let mut file = entry(&name, Kind::File, "", 1);
            file.stamp.size_bytes = size_bytes;
            file
        };
        let small = vec![of("app/src/main.rs".into(), LARGE / 2), of("VERSION".into(), 1)];
        assert_eq!(told(&snapshot(Vec::new(), small.clone())), None);
        let large = vec![of("app/data/x".into(), LARGE), of("b/y".into(), 5_000_000)];
        let text = told(&snapshot(Vec::new(), [small, large].concat())).unwrap();
        assert!(
            text.starts_with(
                "the compile sees 4 files of 305 MB in all, most of them in app/data (1 files, 200 MB), app/src (1"
            ),
            "{text}"
        );
        assert!(text.contains("`exclude = [\"app/data\"]`"), "{text}");
        let many = (0..=MANY).map(|index| of(format!("app/gen/{index}"), 1)).collect();
        assert!(told(&snapshot(Vec::new(), many)).unwrap().contains("app/gen (50001 files, 0 MB)"));
    }
}
