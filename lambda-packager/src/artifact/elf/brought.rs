//! The shared libraries that a zip brings, at the places where Lambda looks for them.

use crate::artifact::Member;
use crate::config::ArtifactKind;

/// Where they are searched for: first in the root of a function, then in its `lib/`; of a layer only in `lib/`.
///
/// Source: `LD_LIBRARY_PATH` in <https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html>.
fn places(kind: ArtifactKind) -> &'static [&'static str] {
    if kind.is_layer() { &["lib/"] } else { &["", "lib/"] }
}

/// The library `name`, if it is brought.
pub fn library<'a>(members: &'a [Member], name: &str, kind: ArtifactKind) -> Option<&'a Member> {
    places(kind).iter().find_map(|place| members.iter().find(|member| member.name.strip_prefix(place) == Some(name)))
}

/// All members at these places, libraries or not.
pub fn brought(members: &[Member], kind: ArtifactKind) -> impl Iterator<Item = &Member> {
    let is_in = |name: &str, place: &str| name.strip_prefix(place).is_some_and(|name| !name.contains('/'));
    members.iter().filter(move |member| places(kind).iter().any(|place| is_in(&member.name, place)))
}
