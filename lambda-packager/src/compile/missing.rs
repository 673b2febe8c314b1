//! The paths that a failed compile names as missing, read from its messages.

use std::collections::BTreeSet;

use crate::report::strip_colours;

/// Parts of messages about something that is not there, in lower case. Too many are better than too few: of the paths
/// that are found, only those count that exist where the compile does not see them.
const SIGNS: &[&str] = &[
    "no such file",
    "not found",
    "notfound",
    "does not exist",
    "doesn't exist",
    "notexist",
    "is not a directory",
    "is not a file",
    "not in any include path",
    "missing",
    "cannot",
    "can't",
    "could not",
    "couldn't",
    "unable to",
    "failed to",
];
/// The lines before a sign that may name the path: the context of an error, the command line of a linker.
const LINES_BEFORE: usize = 3;
/// The lines after a sign that may name the path: help for a missing module, the source line of a macro.
const LINES_AFTER: usize = 8;
/// What follows a path, and nothing else.
const AFTER_A_PATH: &str = ": No such file or directory";
/// Messages that name no path, and what they are about. sqlx looks for its folder beside the manifest and at the top of the
/// workspace; cargo for the main file of a package without other targets.
const WITHOUT_A_PATH: [(&str, &str); 2] =
    [("cargo sqlx prepare", ".sqlx"), ("no targets specified in the manifest", "src/main.rs")];

/// Whether `output` tells of a file or folder that is not there, with its path or without.
pub fn is_told(output: &str) -> bool {
    const TELLS: [&str; 12] = [
        "no such file",
        "notfound",
        "(os error 2)",
        "file not found",
        "does not exist",
        "doesn't exist",
        "couldn't read",
        "is not a directory",
        "is not a file",
        "cannot open",
        "not found in directories",
        // Of a target, by cargo.
        "` at path `",
    ];
    let output = output.to_lowercase();
    TELLS.into_iter().chain(WITHOUT_A_PATH.map(|(sign, _)| sign)).any(|sign| output.contains(sign))
}

/// Every path that `output`, the end of a failed compile's messages, may name as missing: as it is written there, in
/// order, each once. A relative one may be relative to the workspace, to the package, or to the file that names it.
pub fn named(output: &str) -> Vec<String> {
    // A text within a text has its quotes escaped.
    let output = strip_colours(output).replace("\\\"", "\"");
    let lines: Vec<&str> = output.lines().collect();
    let mut near = BTreeSet::new();
    for (at, line) in lines.iter().enumerate() {
        let line = line.to_lowercase();
        if SIGNS.iter().any(|sign| line.contains(sign)) {
            near.extend(at.saturating_sub(LINES_BEFORE)..=at + LINES_AFTER);
        }
    }
    let mut paths = Vec::new();
    for line in near.into_iter().filter_map(|at| lines.get(at)) {
        paths_in(line, &mut paths);
    }
    paths.extend(WITHOUT_A_PATH.iter().filter(|(sign, _)| output.contains(sign)).map(|(_, path)| path.to_string()));
    let mut seen = BTreeSet::new();
    paths.retain(|path| seen.insert(path.clone()));
    paths
}

fn paths_in(line: &str, paths: &mut Vec<String>) {
    // A name without folder and extension is known only by what follows it.
    if let Some((before, _)) = line.split_once(AFTER_A_PATH) {
        let name = before.rsplit(char::is_whitespace).next().map(bare).unwrap_or_default();
        paths.extend((!name.is_empty()).then(|| name.to_string()));
    }
    // What is quoted can have spaces in it.
    for quote in ['"', '`', '\''] {
        let texts = quoted(line, quote).into_iter().map(bare);
        paths.extend(texts.filter(|text| text.contains(' ') && is_path(text)).map(String::from));
    }
    let is_between = |c: char| c.is_whitespace() || "\"'`,;=()[]{}<>|".contains(c);
    for word in line.split(is_between) {
        let word = bare(word);
        // A flag with its value, such as `-Tx.ld` or `-L../native`.
        let word = if word.starts_with('-') { word.get(2..).unwrap_or_default() } else { word };
        paths.extend(is_path(word).then(|| word.to_string()));
    }
}

/// The texts between two quotes. One within a word, as in `couldn't`, is none.
fn quoted(line: &str, quote: char) -> Vec<&str> {
    let mut texts = Vec::new();
    let mut start = None;
    let mut before = ' ';
    for (at, c) in line.char_indices() {
        if c == quote {
            match start.take() {
                Some(start) => texts.push(&line[start..at]),
                None if !before.is_alphanumeric() => start = Some(at + c.len_utf8()),
                None => {}
            }
        }
        before = c;
    }
    texts
}

/// Without the punctuation around it, and without the place in a file: `a.rs:1:2:`.
fn bare(word: &str) -> &str {
    let mut word = word.trim_matches(|c: char| ":!?,;\"'`".contains(c)).trim_end_matches('.');
    while let Some((before, number)) = word.rsplit_once(':')
        && number.chars().all(|c| c.is_ascii_digit())
    {
        word = before;
    }
    word
}

/// Whether `text` has a folder or an extension. A version number has none.
fn is_path(text: &str) -> bool {
    let Some(name) = text.rsplit('/').next() else { return false };
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    let is_extension = |text: &str| {
        text.starts_with(|c: char| c.is_ascii_alphabetic())
            && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let has_letter = text.chars().any(char::is_alphanumeric);
    has_letter && !text.contains("::") && !text.contains("://") && (text.contains('/') || is_extension(extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Messages as cargo 1.95 shows them, shortened, and the paths that must be found.
    const MESSAGES: &[(&str, &[&str])] = &[
        (
            "error: couldn't read `a/src/../../proto/a.txt`: No such file or directory (os error 2)\n --> a/src/main.rs:1:17\n  |\n1 | const A: &str = include_str!(\"../../proto/a.txt\");\n  |                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n",
            &["a/src/../../proto/a.txt"],
        ),
        (
            "error: couldn't read `/workspace/a/../proto/c.txt`: No such file or directory (os error 2)\n --> a/src/main.rs:3:17\n",
            &["/workspace/a/../proto/c.txt"],
        ),
        (
            "error: couldn't read `a/src/../../LICENCE`: No such file or directory (os error 2)\n",
            &["a/src/../../LICENCE"],
        ),
        ("error: couldn't read `a/my files/a b`: No such file or directory (os error 2)\n", &["a/my files/a b"]),
        (
            "error[E0583]: file not found for module `absent`\n --> a/src/main.rs:1:1\n  |\n1 | mod absent;\n  | ^^^^^^^^^^^\n  |\n  = help: to create the module `absent`, create file \"a/src/absent.rs\" or \"a/src/absent/mod.rs\"\n  = note: if there is a `mod absent` elsewhere in the crate already, import it with `use crate::...` instead\n",
            &["a/src/absent.rs", "a/src/absent/mod.rs"],
        ),
        (
            "  thread 'main' (4784) panicked at a/build.rs:1:87:\n  cannot read ../proto/a.proto: No such file or directory (os error 2)\n  stack backtrace:\n",
            &["../proto/a.proto"],
        ),
        (
            "  failed to read ../VERSIONS/app: Os { code: 2, kind: NotFound, message: \"No such file or directory\" }\n",
            &["../VERSIONS/app"],
        ),
        ("  cannot open VERSION: No such file or directory\n", &["VERSION"]),
        (
            "  --- stderr\n  Error: reading \"../schema/a.json\"\n\n  Caused by:\n      No such file or directory (os error 2)\n",
            &["../schema/a.json"],
        ),
        (
            "  called `Result::unwrap()` on an `Err` value: Custom { kind: NotFound, error: Error { kind: OpenFile, source: Os { code: 2, kind: NotFound, message: \"No such file or directory\" }, path: \"../schema/b.json\" } }\n",
            &["../schema/b.json"],
        ),
        (
            "  called `Result::unwrap()` on an `Err` value: Error { depth: 0, inner: Io { path: Some(\"../proto\"), err: Os { code: 2, kind: NotFound, message: \"No such file or directory\" } } }\n",
            &["../proto"],
        ),
        (
            "  Error: Custom { kind: Other, error: \"protoc failed: Could not make proto path relative: ../proto/a.proto: No such file or directory\\n\" }\n",
            &["../proto/a.proto"],
        ),
        (
            "  called `Result::unwrap()` on an `Err` value: file '../proto/a.proto' is not in any include path\n",
            &["../proto/a.proto"],
        ),
        (
            "warning: a@0.1.0: src/x.c:1:10: fatal error: ../../c/foo.h: No such file or directory\nwarning: a@0.1.0:     1 | #include \"../../c/foo.h\"\n",
            &["../../c/foo.h"],
        ),
        (
            "warning: a@0.1.0: cc1: fatal error: ../c/foo.c: No such file or directory\nwarning: a@0.1.0: compilation terminated.\n",
            &["../c/foo.c"],
        ),
        ("warning: a@0.1.0: src/x.c:1:10: fatal error: 'c/foo.h' file not found\n", &["c/foo.h"]),
        (
            "  = note: rust-lld: error: cannot find linker script /workspace/a/../x.ld\n          collect2: error: ld returned 1 exit status\n",
            &["/workspace/a/../x.ld"],
        ),
        (
            "  = note: /usr/bin/ld: cannot open linker script file /workspace/x.ld: No such file or directory\n",
            &["/workspace/x.ld"],
        ),
        (
            "  = note:  \"cc\" \"-m64\" \"-L\" \"/workspace/a/../native\" \"-L../more/native\" \"-lzork\"\n  = note: some arguments are omitted. use `--verbose` to show all linker arguments\n  = note: rust-lld: error: unable to find library -lzork\n",
            &["/workspace/a/../native", "../more/native"],
        ),
        (
            "  = note:  \"cc\" \"-Tx.ld\" \"-Wl,--version-script=../map.txt\"\n  = note: rust-lld: error: cannot find version script ../map.txt\n          rust-lld: error: cannot open /workspace/a/../native/libzork.a: No such file or directory\n",
            &["x.ld", "../map.txt", "/workspace/a/../native/libzork.a"],
        ),
        (
            "error: proc macro panicked\n --> a/src/main.rs:1:30\n  = help: message: \"/workspace/a/../web/dist\" is not a directory\n",
            &["/workspace/a/../web/dist"],
        ),
        (
            "error: #[derive(RustEmbed)] folder '/workspace/a/../web/dist' does not exist. cwd: '/workspace'\n",
            &["/workspace/a/../web/dist"],
        ),
        (
            "error: template \"x.html\" not found in directories [\"/workspace/a/templates\"]\n --> a/src/main.rs:2:19\n",
            &["x.html", "/workspace/a/templates"],
        ),
        ("  = help: message: error opening \"g.pest\": No such file or directory (os error 2)\n", &["g.pest"]),
        (
            "  = help: message: called `Result::unwrap()` on an `Err` value: FileNotFound { path: \"/workspace/a/../schema/q.graphql\", io_error: Os { code: 2, kind: NotFound, message: \"No such file or directory\" } }\n",
            &["/workspace/a/../schema/q.graphql"],
        ),
        (
            "  = help: message: error getting migration files: Error { kind: InvalidMigrationPath(\"/workspace/a/../migrations\", Os { code: 2, kind: NotFound, message: \"No such file or directory\" }), report: None }\n",
            &["/workspace/a/../migrations"],
        ),
        (
            "error: error canonicalizing migration directory /workspace/a/../migrations: No such file or directory (os error 2)\n",
            &["/workspace/a/../migrations"],
        ),
        (
            "error: failed to parse manifest at `/workspace/a/Cargo.toml`\n\nCaused by:\n  no targets specified in the manifest\n",
            &["src/main.rs"],
        ),
        ("error: can't find bin `f` at path `/workspace/a/f.rs`\n", &["/workspace/a/f.rs"]),
        (
            "error: set `DATABASE_URL` to use query macros online, or run `cargo sqlx prepare` to update the query cache\n",
            &[".sqlx"],
        ),
        (
            "error: No such file or directory (os error 2)\n --> a/src/main.rs:2:78\n  |\n2 | fn main() { let _ = sqlx::query_file!(\"../queries/a.sql\"); }\n  |                                       ^^^^^^^^^^^^^^^^^^\n",
            &["../queries/a.sql"],
        ),
        ("error: Error loading .env file: path not found\n --> a/src/main.rs:1:13\n", &[".env"]),
    ];

    #[test]
    fn every_path_that_is_missing_is_found() {
        for (message, paths) in MESSAGES {
            let found = named(message);
            for path in *paths {
                assert!(found.iter().any(|known| known == path), "{path} is not in {found:?}, from:\n{message}");
            }
        }
    }

    #[test]
    fn paths_come_in_order_and_once_also_from_messages_with_colours() {
        let colours = "\u{1b}[1m\u{1b}[91merror\u{1b}[0m\u{1b}[1m: couldn't read `b/x.txt`: No such file or directory (os error 2)\u{1b}[0m\n\u{1b}[1m\u{1b}[91merror\u{1b}[0m: couldn't read `a/x.txt`: No such file or directory (os error 2)\nerror: couldn't read `b/x.txt`: No such file or directory (os error 2)\n";
        assert_eq!(named(colours), ["b/x.txt", "a/x.txt"]);
    }

    #[test]
    fn what_names_no_path_gives_none() {
        for message in [
            "",
            "error[E0308]: mismatched types\n --> a/src/main.rs:1:1\n",
            "  called `Result::unwrap()` on an `Err` value: Os { code: 2, kind: NotFound, message: \"No such file or directory\" }\n",
            "error[E0425]: cannot find value `web` in this scope\n",
            "error: could not compile `a` (bin \"a\") due to 2 previous errors\n",
            "error: failed to run custom build command for `a v0.1.0`\n",
            "  for more information see https://docs.rs/prost-build/#sourcing-protoc: `protoc` not found\n",
        ] {
            assert_eq!(named(message), [""; 0], "{message}");
        }
    }
}
