//! Globs: patterns for paths. `*` and `?` stand for characters of one name, `[a-z]` and `[!a-z]` for one character, and
//! `**` for any number of folders. A leading dot is a character like others.

/// A pattern, taken apart. A path is relative to the same folder as the pattern, and clean.
#[derive(Debug)]
pub struct Glob<'a> {
    parts: Vec<&'a str>,
}

/// Whether `text` has characters that stand for others.
pub fn is_glob(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether `text` is a path or a pattern below, beside or above a folder: not empty, not absolute, and each `[` closed.
pub fn is_valid(text: &str) -> bool {
    let parts = Glob::new(text).parts;
    let is_closed = |part: &&str| part.match_indices('[').all(|(at, _)| class(&part[at + 1..], 'a').is_some());
    !text.starts_with('/') && !parts.is_empty() && parts.iter().all(is_closed)
}

impl<'a> Glob<'a> {
    pub fn new(pattern: &'a str) -> Self {
        let mut parts = Vec::new();
        for part in pattern.split('/') {
            match part {
                "" | "." => {}
                ".." if parts.last().is_some_and(|last| *last != "..") => {
                    parts.pop();
                }
                part => parts.push(part),
            }
        }
        Self { parts }
    }

    /// The pattern without `.`, `a/..` and slashes that mean nothing.
    pub fn text(&self) -> String {
        self.parts.join("/")
    }

    /// The folder that holds everything that matches: the names before the first pattern.
    pub fn fixed_folder(&self) -> String {
        let names = &self.parts[..self.parts.len().saturating_sub(1)];
        let fixed = names.iter().position(|part| is_glob(part)).unwrap_or(names.len());
        names[..fixed].join("/")
    }

    pub fn matches(&self, path: &str) -> bool {
        let (mut parts, mut names) = (self.parts.as_slice(), path.split('/'));
        // What follows the last `**`, and the names that it has not taken yet. As for `*` in a name, no earlier one needs
        // to take more.
        let mut retry = None;
        loop {
            let ahead = names.clone().next();
            match (parts, ahead) {
                ([], None) => return true,
                (["**"], Some(name)) if name != ".." => return !names.any(|name| name == ".."),
                (["**"], None) => {}
                (["**", rest @ ..], _) => {
                    parts = rest;
                    retry = Some((rest, names.clone()));
                    continue;
                }
                ([part, rest @ ..], Some(name)) if matches_name(part, name) => {
                    parts = rest;
                    names.next();
                    continue;
                }
                _ => {}
            }
            let Some((after, untaken)) = &mut retry else { return false };
            // `..` is no folder below.
            if untaken.next().is_none_or(|name| name == "..") {
                return false;
            }
            (parts, names) = (*after, untaken.clone());
        }
    }

    /// Whether it matches `path` or a folder that `path` is in.
    pub fn covers(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        folders.chain([path]).any(|path| self.matches(path))
    }

    /// Whether a path below `folder` can match.
    pub fn may_match_below(&self, folder: &str) -> bool {
        let mut parts = self.parts.iter();
        for name in folder.split('/').filter(|name| !name.is_empty()) {
            match parts.next() {
                Some(&"**") => return name != "..",
                Some(part) if matches_name(part, name) => {}
                _ => return false,
            }
        }
        parts.next().is_some()
    }
}

/// Whether a part of a pattern matches one name. A name that is written as the pattern matches too: `[id].tsx`.
fn matches_name(pattern: &str, name: &str) -> bool {
    if pattern == name {
        return true;
    }
    if name == ".." || !is_glob(pattern) {
        return false;
    }
    let (mut rest, mut text) = (pattern, name);
    // What follows the last `*`, and the text that it has not taken yet.
    let mut retry = None;
    loop {
        if let Some(after) = rest.strip_prefix('*') {
            retry = Some((after, text));
            rest = after;
        } else if rest.is_empty() && text.is_empty() {
            return true;
        } else if let Some(after) = after_one(rest, text) {
            (rest, text) = after;
        } else {
            let Some((after, untaken)) = retry else { return false };
            let mut untaken = untaken.chars();
            if untaken.next().is_none() {
                return false;
            }
            (rest, text) = (after, untaken.as_str());
            retry = Some((rest, text));
        }
    }
}

/// What follows in the pattern and in the text once the pattern's first element took one character.
fn after_one<'p, 't>(pattern: &'p str, text: &'t str) -> Option<(&'p str, &'t str)> {
    let (mut elements, mut chars) = (pattern.chars(), text.chars());
    let (element, c) = (elements.next()?, chars.next()?);
    let rest = elements.as_str();
    let (is_match, rest) = match element {
        '?' => (true, rest),
        '[' => class(rest, c).unwrap_or((c == '[', rest)),
        element => (element == c, rest),
    };
    is_match.then_some((rest, chars.as_str()))
}

/// Whether `c` is in the class that `text` begins with, after its `[`, and what follows its `]`. `None` if it has none.
fn class(text: &str, c: char) -> Option<(bool, &str)> {
    let is_not = text.starts_with(['!', '^']);
    let set = if is_not { &text[1..] } else { text };
    // A `]` that is the first is a member.
    let first = set.chars().next()?.len_utf8();
    let end = first + set.get(first..)?.find(']')?;
    let members: Vec<char> = set[..end].chars().collect();
    let mut at = 0;
    let mut is_in = false;
    while at < members.len() {
        let is_range = members.get(at + 1) == Some(&'-') && at + 2 < members.len();
        let last = if is_range { at + 2 } else { at };
        is_in |= (members[at]..=members[last]).contains(&c);
        at = last + 1;
    }
    Some((is_in != is_not, &set[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_matches_or_not() {
        for (pattern, yes, no) in [
            ("a/b.txt", "a/b.txt", "a a/b a/b.txt/c b.txt"),
            ("./a//./b/", "a/b", "b a"),
            ("a/../b", "b", "a a/b"),
            ("../a/*", "../a/b", "a/b ../a ../a/b/c"),
            ("*", "a .a a.b", "a/b .."),
            ("*.proto", "a.proto .proto", "a/b.proto a.protos"),
            ("a*b*c", "abc axbxc abcbc abbcc", "ab ac abcd xabc"),
            ("a?c", "abc aéc a.c", "ac abbc a/c"),
            ("??", "ab éé", "a abc"),
            ("*/*", "a/b", "a a/b/c"),
            ("a/*/c", "a/b/c", "a/c a/b/b/c"),
            ("**", "a a/b a/b/c", ".. ../a"),
            ("a/**", "a/b a/b/c", "a ab/c b/a/c"),
            ("**/a", "a b/a b/c/a", "a/b ba ../a"),
            ("a/**/b", "a/b a/x/b a/x/y/b a/b/b", "a a/x ab a/b/x"),
            ("**/a/**/b", "a/b x/a/y/b a/a/b/b a/x/a/b", "a x/b b/a"),
            ("**/*.rs", "a.rs x/y/a.rs", "a.r x/a.rsx"),
            ("a/**/**/b", "a/b a/x/b", "b"),
            ("a**c", "ac abc", "a/c ab/c"),
            ("../**/a", "../a ../x/a", "a ../../a"),
            ("[abc]x", "ax cx", "dx x abx"),
            ("[a-cx-z]", "a b y", "d w -"),
            ("[!a-c]", "d é", "a b"),
            ("[^a]", "b", "a"),
            ("[]x]", "] x", "a"),
            ("[!]]", "a", "]"),
            ("[a-]", "a -", "b"),
            ("[*]", "*", "a"),
            ("[é-ü]", "ö", "a"),
            ("[id].tsx", "i.tsx d.tsx [id].tsx", "id.tsx"),
            ("[a", "[a", "a [b"),
            ("*[a", "[a x[a", "a"),
        ] {
            let glob = Glob::new(pattern);
            for path in yes.split(' ') {
                assert!(glob.matches(path), "{pattern} does not match {path}");
            }
            for path in no.split(' ').filter(|path| !path.is_empty()) {
                assert!(!glob.matches(path), "{pattern} matches {path}");
            }
        }
    }

    #[test]
    fn many_stars_end_soon() {
        let name = "a".repeat(2000);
        assert!(!Glob::new(&format!("{}b", "*a".repeat(30))).matches(&name));
        assert!(!Glob::new(&format!("{}b", "**/a/".repeat(30))).matches(&"a/".repeat(1000)));
    }

    #[test]
    fn a_folder_covers_what_is_in_it() {
        let covers = |pattern: &str, path: &str| Glob::new(pattern).covers(path);
        assert!(covers("web", "web/a/b") && covers("web", "web") && covers("web/", "web/a") && covers("**/x", "a/x/b"));
        assert!(!covers("web", "website/a") && !covers("web/a", "web") && !covers("web", ""));
    }

    #[test]
    fn folders_that_can_hold_a_match_are_known() {
        for (pattern, yes, no) in [
            ("a/*.x", "a", "a/b b"),
            ("*.x", "", "a a.x"),
            ("a/*/c/*.x", "a a/b a/b/c", "b a/b/d a/b/c/d"),
            ("a/**/*.x", "a a/b a/b/c", "b"),
            ("**/*.x", "a/b", ".. ../a"),
            ("../a/**", ".. ../a ../a/b", "a ../b"),
        ] {
            let glob = Glob::new(pattern);
            assert!(yes.split(' ').all(|folder| glob.may_match_below(folder)), "{pattern}");
            assert!(no.split(' ').all(|folder| !glob.may_match_below(folder)), "{pattern}");
        }
    }

    #[test]
    fn the_fixed_folder_is_what_precedes_the_first_pattern() {
        let folders =
            ["a/b/*.x", "*.x", "a/*/c/*.x", "../a/**", "./a/x?", "a/b", "a"].map(|p| Glob::new(p).fixed_folder());
        assert_eq!(folders, ["a/b", "", "a", "../a", "a", "a", ""]);
        assert_eq!(Glob::new("./a//b/../*.x/").text(), "a/*.x");
    }

    #[test]
    fn patterns_that_can_match_nothing_are_not_valid() {
        assert!(["a", "../a/**", "[a]", "[]]", "a/[!x]b", ".git", "./a"].into_iter().all(is_valid));
        assert!(["", ".", "a/..", "/a", "[a", "[]", "a/[!]"].into_iter().all(|text| !is_valid(text)));
        assert!(is_glob("a*") && is_glob("a?") && is_glob("[a]") && !is_glob("a/b.x"));
    }
}
