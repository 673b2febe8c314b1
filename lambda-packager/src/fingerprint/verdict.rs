//! Compares a manifest with the present state. It reads no files.

use std::collections::BTreeSet;

use crate::fingerprint::ingredients::{KEY, UNSET, VARIABLE};
use crate::fingerprint::{Ingredients, Manifest, is_bootstrap};
use crate::packaged::{ManifestProblem, Reason, Verdict};
use crate::snapshot::{Change, State, What};
use crate::sys::Sha;

/// A file of the artifact, compared with its record.
#[derive(Debug)]
pub enum ArtifactState {
    Intact,
    Missing,
    /// The digest of the file that is there.
    Modified(Sha),
}

/// The present state.
pub struct Present<'a> {
    pub ingredients: &'a Ingredients,
    pub changes: &'a [Change],
    /// Each place of the zip, and the bootstrap, relative to the workspace.
    pub artifact: &'a [(String, ArtifactState)],
    pub forced: bool,
    /// The recorded backend is a fallback that the settings do not allow now.
    pub fallback_forbidden: bool,
}

pub fn decide(recorded: &Result<Manifest, ManifestProblem>, present: &Present) -> Verdict {
    let mut reasons = Vec::new();
    if present.forced {
        reasons.push(Reason::Forced);
    }
    match recorded {
        Err(ManifestProblem::Absent) => reasons.push(Reason::FirstBuild),
        Err(problem) => reasons.push(Reason::Manifest { problem: problem.clone() }),
        Ok(manifest) => reasons.extend(differences(manifest, present)),
    }
    reasons.sort_by_key(|reason| (reason.rank(), reason.path().map(String::from)));
    if reasons.is_empty() { Verdict::Hit } else { Verdict::Miss(reasons) }
}

fn differences(manifest: &Manifest, present: &Present) -> Vec<Reason> {
    let mut reasons = Vec::new();
    if present.fallback_forbidden {
        reasons.push(Reason::Fallback { backend: manifest.backend.to_string() });
    }
    let keys = (manifest.ingredients.get(KEY), present.ingredients.get(KEY));
    let is_other_key = matches!(keys, (Some(old), Some(new)) if old != new);
    reasons.extend(is_other_key.then_some(Reason::OtherKey));
    let names = manifest.ingredients.keys().chain(present.ingredients.keys()).filter(|name| *name != KEY);
    let names: BTreeSet<String> = names.cloned().collect();
    for name in names {
        let value = |all: &Ingredients| all.get(&name).cloned().unwrap_or_default();
        let (old, new) = (value(&manifest.ingredients), value(present.ingredients));
        // Digests by different keys differ, and tell nothing about the values.
        let is_digest = |value: &str| name.starts_with(VARIABLE) && !["", UNSET].contains(&value);
        let is_unknown = is_other_key && is_digest(&old) && is_digest(&new);
        if old != new && !is_unknown {
            reasons.push(Reason::Setting { name, old, new });
        }
    }
    for change in present.changes {
        let path = change.path.clone();
        let text = |state: &Option<State>| state.map_or(String::new(), |state| state.to_string());
        let (old, new) = (text(&change.before), text(&change.after));
        reasons.push(match change.what {
            What::Added => Reason::Added { path, new },
            What::Removed => Reason::Removed { path, old },
            What::Mode => Reason::ModeChanged { path, old, new },
            What::Content => Reason::Changed { path, old, new },
        });
    }
    let changed = manifest.changed_while_compiling.iter().cloned();
    reasons.extend(changed.map(|path| Reason::ChangedWhileCompiling { path }));
    for (path, state) in present.artifact {
        let (path, old) = (path.clone(), manifest.artifact.sha_of(path).to_string());
        if manifest.artifact.debug.contains_key(&path) {
            let is_lost = !matches!(state, ArtifactState::Intact);
            reasons.extend(is_lost.then_some(Reason::DebugLost { path, old }));
            continue;
        }
        reasons.extend(match (state, is_bootstrap(&path)) {
            (ArtifactState::Intact, _) => None,
            (ArtifactState::Missing, true) => Some(Reason::BootstrapMissing { path, old }),
            (ArtifactState::Missing, false) => Some(Reason::ZipMissing { path, old }),
            (ArtifactState::Modified(sha), true) => Some(Reason::BootstrapModified { path, old, new: sha.to_string() }),
            (ArtifactState::Modified(sha), false) => Some(Reason::ZipModified { path, old, new: sha.to_string() }),
        });
    }
    reasons
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fingerprint::manifest::sample;
    use crate::snapshot::Kind;

    fn sha(text: &str) -> Sha {
        Sha::of(text.as_bytes())
    }

    fn ingredients(pairs: &[(&str, &str)]) -> Ingredients {
        pairs.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect()
    }

    fn recorded(pairs: &[(&str, &str)]) -> Manifest {
        let manifest = serde_json::from_value(sample()).unwrap();
        Manifest { ingredients: ingredients(pairs), ..manifest }
    }

    fn file(text: &str) -> Option<State> {
        Some(State { kind: Kind::File, sha: sha(text) })
    }

    fn change(path: &str, what: What, before: Option<State>, after: Option<State>) -> Change {
        Change { path: path.into(), what, before, after }
    }

    const NOTHING: Present = Present {
        ingredients: &Ingredients::new(),
        changes: &[],
        artifact: &[],
        forced: false,
        fallback_forbidden: false,
    };

    #[test]
    fn no_difference_is_a_hit_and_each_single_difference_is_a_miss_that_names_it() {
        let manifest = || Ok(recorded(&[]));
        assert_eq!(decide(&manifest(), &NOTHING), Verdict::Hit);
        let text =
            |recorded: &Result<Manifest, ManifestProblem>, present: &Present| decide(recorded, present).to_string();
        assert_eq!(text(&manifest(), &Present { forced: true, ..NOTHING }), "cache-miss: forced");
        let verdict = text(&manifest(), &Present { fallback_forbidden: true, ..NOTHING });
        assert!(verdict.starts_with("cache-miss: compiled by a fallback that is not allowed any more: "), "{verdict}");
        assert_eq!(text(&Err(ManifestProblem::Absent), &NOTHING), "cache-miss: first build");
        let newer = Err(ManifestProblem::Newer { schema: 9 });
        assert_eq!(text(&newer, &NOTHING), "cache-miss: manifest of a newer lambda-packager (schema 9)");
        let by_changes = [
            (change("a", What::Content, file("1"), file("2")), "changed a"),
            (change("a", What::Added, None, file("2")), "added a"),
            (change("a", What::Removed, file("1"), None), "removed a"),
            (change("a", What::Mode, file("1"), file("1")), "permissions of a"),
        ];
        for (change, why) in by_changes {
            let present = Present { changes: &[change], ..NOTHING };
            assert_eq!(text(&manifest(), &present), format!("cache-miss: {why}"));
        }
        let by_artifact = [
            ("f/x.zip", ArtifactState::Missing, "zip missing (f/x.zip)"),
            ("f/x.zip", ArtifactState::Modified(sha("other")), "zip modified (f/x.zip)"),
            ("f/bootstrap", ArtifactState::Missing, "bootstrap missing (f/bootstrap)"),
            ("f/bootstrap", ArtifactState::Modified(sha("other")), "bootstrap modified (f/bootstrap)"),
        ];
        for (path, state, why) in by_artifact {
            let present = Present { artifact: &[(path.into(), state)], ..NOTHING };
            assert_eq!(text(&manifest(), &present), format!("cache-miss: {why}"));
        }
        let changed = Manifest { changed_while_compiling: vec!["a".into()], ..recorded(&[]) };
        assert_eq!(text(&Ok(changed), &NOTHING), "cache-miss: a changed while it was compiled");
    }

    #[test]
    fn a_setting_shows_its_values_and_a_variable_only_whether_it_is_set() {
        let verdict = |name: &str, old: &str, new: &str| {
            let some =
                |value: &str| if value.is_empty() { Vec::new() } else { vec![(name.to_string(), value.to_string())] };
            let manifest = Manifest { ingredients: some(old).into_iter().collect(), ..recorded(&[]) };
            let now: Ingredients = some(new).into_iter().collect();
            decide(&Ok(manifest), &Present { ingredients: &now, ..NOTHING }).to_string()
        };
        assert_eq!(verdict("profile", "release", "dev"), "cache-miss: profile release -> dev");
        assert_eq!(verdict("features", "", "a"), "cache-miss: features none -> a");
        assert_eq!(verdict("variable X", "abc", "def"), "cache-miss: variable X changed");
        assert_eq!(verdict("variable X", "unset", "def"), "cache-miss: variable X unset -> set");
        assert_eq!(verdict("variable X", "", "def"), "cache-miss: variable X passed");
        assert_eq!(verdict("variable X", "def", ""), "cache-miss: variable X no longer passed");
    }

    #[test]
    fn by_another_key_the_digests_of_variables_are_not_compared() {
        let verdict = |old: &[(&str, &str)], new: &[(&str, &str)]| {
            decide(&Ok(recorded(old)), &Present { ingredients: &ingredients(new), ..NOTHING }).to_string()
        };
        let (one, two) = ((KEY, "1"), (KEY, "2"));
        let other = "cache-miss: variables.key is not the one of the last build, so its variables cannot be compared";
        assert_eq!(verdict(&[one, ("variable X", "a")], &[two, ("variable X", "b")]), other);
        assert_eq!(verdict(&[one, ("variable X", "a")], &[one, ("variable X", "b")]), "cache-miss: variable X changed");
        assert_eq!(verdict(&[one, ("variable X", "a")], &[]), "cache-miss: variable X no longer passed");
        let both = verdict(&[one, ("variable X", "a")], &[two, ("variable X", UNSET)]);
        assert_eq!(both, format!("{other} (+1 more)"));
    }

    #[test]
    fn the_most_important_reason_is_first_and_the_rest_is_counted() {
        let manifest = recorded(&[("mode", "release"), ("profile", "release"), ("features", "a")]);
        let now = ingredients(&[("mode", "dev"), ("profile", "dev"), ("features", "b")]);
        let changes = [
            change("z", What::Removed, file("1"), None),
            change("src/main.rs", What::Content, file("1"), file("2")),
            change("b/Cargo.toml", What::Content, file("1"), file("2")),
            change("Cargo.lock", What::Content, file("1"), file("2")),
        ];
        let artifact = [("f/x.zip".to_string(), ArtifactState::Missing)];
        let reasons = |present: &Present| match decide(&Ok(manifest.clone()), present) {
            Verdict::Hit => Vec::new(),
            Verdict::Miss(reasons) => reasons.iter().map(Reason::to_string).collect(),
        };
        let present = Present { ingredients: &now, changes: &changes, artifact: &artifact, forced: true, ..NOTHING };
        let expected = [
            "forced",
            "profile release -> dev",
            "mode release -> dev",
            "features a -> b",
            "changed Cargo.lock",
            "changed b/Cargo.toml",
            "changed src/main.rs",
            "removed z",
            "zip missing (f/x.zip)",
        ];
        assert_eq!(reasons(&present), expected);
        // The mode and its profile count as one.
        let verdict = decide(&Ok(manifest.clone()), &Present { ingredients: &now, ..NOTHING });
        assert_eq!(verdict.to_string(), "cache-miss: profile release -> dev (+1 more)");
    }

    #[test]
    fn all_differences_have_their_old_and_new_values() {
        let changes = [
            change("a", What::Content, file("1"), file("2")),
            change("b", What::Added, None, file("2")),
            change("c", What::Mode, file("1"), Some(State { kind: Kind::Executable, sha: sha("1") })),
        ];
        let artifact = [("f/x.zip".to_string(), ArtifactState::Modified(sha("other")))];
        let now = ingredients(&[("variable X", "1234")]);
        let present = Present { ingredients: &now, changes: &changes, artifact: &artifact, ..NOTHING };
        let lines = decide(&Ok(recorded(&[])), &present).lines(true);
        let expected = [
            "cache-miss: variable X passed (+4 more)".to_string(),
            "  variable X passed: none -> 1234".to_string(),
            format!("  changed a: file {} -> file {}", sha("1"), sha("2")),
            format!("  added b: none -> file {}", sha("2")),
            format!("  permissions of c: file {0} -> exec {0}", sha("1")),
            format!("  zip modified (f/x.zip): {} -> {}", sha("zip"), sha("other")),
        ];
        assert_eq!(lines, expected);
    }
}
