//! What happens between two looks in [`super::reads`].

use proptest::option;
use proptest::prelude::*;

use super::visible::{DECLARED, EXCLUDED, FILES, NEEDED, RULES};
use crate::support::clean::Date;

/// Where a setting stands: what comes first holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Layer {
    Flag,
    Variable,
    Package,
    Workspace,
}

#[derive(Debug, Clone, Copy)]
pub enum Setting {
    Features,
    Inputs,
    Exclude,
}

#[derive(Debug, Clone, Copy)]
pub enum Step {
    /// All values have the same length.
    Write(usize, u8, Date),
    Remove(usize),
    Rename(usize, usize),
    Permission(usize, bool),
    /// Whether git ignores `*.log` and `*.tmp`.
    Ignore(usize, [bool; 2]),
    Commit,
    Branch(u8),
    Tag(u8),
    Untag(u8),
    PackReferences,
    Detach,
    Set(Setting, Layer, Option<usize>),
    Variable(u8),
    /// Whether cargo's target directory is as newer cargos have it.
    NewLayout(bool),
    ZipGone,
    /// By plain cargo, where the project has that; and whether a clean build is held against it.
    Build(bool, bool),
}

pub fn step() -> impl Strategy<Value = Step> {
    let file = || 0..FILES.len();
    let date = prop_oneof![Just(Date::Now), Just(Date::Kept), Just(Date::Old), Just(Date::Future)];
    let layer =
        prop_oneof![Just(Layer::Flag), Just(Layer::Variable), Just(Layer::Package), Just(Layer::Workspace)].boxed();
    // Only features have a flag.
    let lower = || prop_oneof![Just(Layer::Variable), Just(Layer::Package), Just(Layer::Workspace)].boxed();
    let set = |setting, layer: BoxedStrategy<Layer>, values: usize| {
        (layer, option::of(0..values)).prop_map(move |(layer, value)| Step::Set(setting, layer, value))
    };
    prop_oneof![
        20 => (file(), 0..3u8, date).prop_map(|(file, value, date)| Step::Write(file, value, date)),
        16 => (0..FILES.len() - NEEDED).prop_map(Step::Remove),
        4 => (file(), file()).prop_map(|(from, to)| Step::Rename(from, to)),
        3 => (file(), any::<bool>()).prop_map(|(file, allowed)| Step::Permission(file, allowed)),
        5 => (0..RULES.len(), any::<[bool; 2]>()).prop_map(|(place, ignores)| Step::Ignore(place, ignores)),
        3 => Just(Step::Commit),
        2 => (0..3u8).prop_map(Step::Branch),
        2 => (0..2u8).prop_map(Step::Tag),
        1 => (0..2u8).prop_map(Step::Untag),
        1 => Just(Step::PackReferences),
        1 => Just(Step::Detach),
        3 => set(Setting::Features, layer, 2),
        4 => set(Setting::Inputs, lower(), 3),
        3 => set(Setting::Exclude, lower(), 2),
        2 => (0..3u8).prop_map(Step::Variable),
        1 => any::<bool>().prop_map(Step::NewLayout),
        1 => Just(Step::ZipGone),
        4 => (any::<bool>(), 0..3u8).prop_map(|(by_cargo, clean)| Step::Build(by_cargo, clean == 0)),
    ]
}

impl Setting {
    pub fn name(self) -> &'static str {
        match self {
            Self::Features => "features",
            Self::Inputs => "inputs",
            Self::Exclude => "exclude",
        }
    }

    pub fn value(self, number: usize) -> Vec<&'static str> {
        let added = [".git", "web"];
        match self {
            Self::Features => vec![["loud", "quiet"][number]],
            Self::Inputs => DECLARED.into_iter().chain(added.get(number.wrapping_sub(1)).copied()).collect(),
            Self::Exclude => [&["nothing"][..], &EXCLUDED][number].to_vec(),
        }
    }
}
