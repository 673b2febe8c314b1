//! A glob: any of the patterns that its braces stand for.

use crate::sys::glob::braces::{expand, start};
use crate::sys::glob::pattern::{Pattern, clean, is_special};

/// A path is relative to the same folder as the glob, and clean.
#[derive(Debug)]
pub struct Glob {
    text: String,
    patterns: Vec<Pattern>,
}

/// What to do about `text` if it is no path and no glob below, beside or above a folder.
pub fn fault(text: &str) -> Option<&'static str> {
    let patterns = match expand(text) {
        Ok(patterns) => patterns,
        Err(what) => return Some(what),
    };
    let ups = |text: &str| text.split('/').filter(|part| *part == "..").count();
    let before = ups(&text[..start(text).unwrap_or(text.len())]);
    if patterns.iter().any(|pattern| pattern.starts_with('/') || clean(pattern).is_empty()) {
        Some("name a path or a glob that is relative, with at least one name")
    } else if patterns.iter().any(|pattern| ups(pattern) != before) {
        Some("write `..` before the braces only, or several entries")
    } else if !patterns.iter().all(|pattern| Pattern::new(pattern).is_closed()) {
        Some("close each `[`, or write `\\[` where a name has one; a `\\` has a character behind it")
    } else {
        None
    }
}

/// The glob that matches the path `text` only.
pub fn escape(text: &str) -> String {
    text.chars().flat_map(|c| is_special(c).then_some('\\').into_iter().chain([c])).collect()
}

impl Glob {
    /// One that [`fault`] refuses matches what is written like it.
    pub fn new(text: &str) -> Self {
        let text = clean(text);
        let mut patterns: Vec<_> = expand(&text).into_iter().flatten().map(|pattern| Pattern::new(&pattern)).collect();
        // A name that is written like it has its braces.
        if start(&text).is_some() {
            patterns.push(Pattern::new(&text));
        }
        Self { text, patterns }
    }

    /// As it was written, without `.`, `a/..` and slashes that mean nothing.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Globs without braces; together they match the same.
    pub fn without_braces(&self) -> Vec<String> {
        let written_like_it = Some(escape(&self.text)).filter(|_| start(&self.text).is_some());
        expand(&self.text).into_iter().flatten().chain(written_like_it).collect()
    }

    /// The folder that holds everything that matches.
    pub fn fixed_folder(&self) -> String {
        let folders = self.patterns.iter().map(Pattern::fixed_folder);
        let common = |one: Vec<_>, other: Vec<_>| {
            one.into_iter().zip(other).take_while(|(name, other)| name == other).map(|(name, _)| name).collect()
        };
        folders.reduce(common).unwrap_or_default().join("/")
    }

    pub fn matches(&self, path: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.matches(path))
    }

    /// Whether it matches `path` or a folder that `path` is in.
    pub fn covers(&self, path: &str) -> bool {
        let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
        folders.chain([path]).any(|path| self.matches(path))
    }

    /// Whether a path below `folder` can match.
    pub fn may_match_below(&self, folder: &str) -> bool {
        self.patterns.iter().any(|pattern| pattern.may_match_below(folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::glob::is_glob;

    #[test]
    fn braces_stand_for_any_of_their_texts() {
        for (glob, yes, no) in [
            ("assets/**/*.{html,css}", "assets/a.html assets/x/y/b.css assets/a.{html,css}", "assets/a.js b.css"),
            ("assets/{a,b}.txt", "assets/a.txt assets/b.txt", "assets/ab.txt a.txt"),
            ("{a/b,c}/d", "a/b/d c/d", "a/d b/d a/c/d"),
            ("{a{1,2},b}x", "a1x a2x bx", "ax a12x"),
            ("a{,.txt}", "a a.txt", "a, .txt"),
            ("{**/a,b*}", "a x/a bc", "x/b"),
            ("[{,}]{[,],b}", "{, {b ,, }b", "{ {[ bb"),
            ("{a}", "a {a}", "b"),
            ("a,b}", "a,b}", "a b}"),
            ("\\{a,b\\}", "{a,b}", "a b"),
            ("{\\,,\\}}", ", }", "a {}"),
            ("\\*", "*", "a"),
            ("[a]\\[b]", "a[b]", "ab"),
            ("a\\b", "ab", "a"),
        ] {
            assert_eq!(fault(glob), None, "{glob}");
            let glob = Glob::new(glob);
            assert!(yes.split(' ').all(|path| glob.matches(path)), "{glob:?}: {yes}");
            assert!(!no.split(' ').any(|path| glob.matches(path)), "{glob:?}: {no}");
        }
    }

    #[test]
    fn a_folder_covers_what_is_in_it() {
        let covers = |pattern: &str, path: &str| Glob::new(pattern).covers(path);
        assert!(covers("web", "web/a/b") && covers("web", "web") && covers("web/", "web/a") && covers("**/x", "a/x/b"));
        assert!(covers("{web,dist}", "dist/a"));
        assert!(!covers("web", "website/a") && !covers("web/a", "web") && !covers("web", ""));
    }

    #[test]
    fn the_fixed_folder_is_what_precedes_the_first_pattern() {
        for (glob, folder) in [
            ("a/b/*.x", "a/b"),
            ("*.x", ""),
            ("a/*/c/*.x", "a"),
            ("../a/**", "../a"),
            ("./a/x?", "a"),
            ("a/b", "a"),
            ("a", ""),
            ("a/{b,c}/*.x", "a"),
            ("../a/{b,c}.x", "../a"),
            ("{a,b}/*.x", ""),
            ("a/\\*/b", "a"),
        ] {
            assert_eq!(Glob::new(glob).fixed_folder(), folder, "{glob}");
        }
        assert_eq!(Glob::new("./a//b/../*.x/").text(), "a/*.x");
        assert!(Glob::new("a/{b/c,d}/*.x").may_match_below("a/b") && !Glob::new("a/{b/c,d}/x").may_match_below("a/c"));
    }

    #[test]
    fn what_can_match_nothing_has_a_fault() {
        let good = ["a", "../a/**", "[a]", "[]]", "a/[!x]b", ".git", "./a", "../{a,b}", "a/../{b,c}", "\\[", "[\\]"];
        assert_eq!(good.map(fault), [None; 11]);
        for (glob, what) in [
            ("", "relative"),
            (".", "relative"),
            ("a/..", "relative"),
            ("/a", "relative"),
            ("{/a,b}", "relative"),
            ("[a", "close each `[`"),
            ("[]", "close each `[`"),
            ("a/[!]", "close each `[`"),
            ("a\\", "close each `[`"),
            ("a.{b,c", "close each `{`"),
            ("{a,{b}", "close each `{`"),
            ("{../a,b}", "before the braces"),
            ("{a,b}/../c", "before the braces"),
            (".{.,a}", "before the braces"),
            (&"{a,b}".repeat(30), "more than 1000 patterns"),
        ] {
            assert!(fault(glob).unwrap().contains(what), "{glob}: {:?}", fault(glob));
        }
        assert!(is_glob("a*") && is_glob("a?") && is_glob("[a]") && is_glob("{a}") && !is_glob("a/b.x"));
    }

    #[test]
    fn an_escaped_path_matches_itself_only() {
        for path in ["a/b.x", "[id]/{a,b}*", "a\\b?"] {
            let glob = escape(path);
            assert!(fault(&glob).is_none() && Glob::new(&glob).matches(path), "{glob}");
        }
        assert!(!Glob::new(&escape("a*")).matches("ab") && !Glob::new(&escape("[id]/{a,b}")).matches("i/a"));
    }
}
