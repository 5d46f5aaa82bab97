//! What a kind of host must be able to do. The only thing that composes specs.
//!
//! A policy never turns a wrong answer into a right one. It says which experiments may be *absent*: skipped, because
//! this host does not have what they need. One that was performed and failed counts, whatever its standing; only a
//! waiver, which has an owner and a last day, takes that away.

mod fit;
mod inherit;
mod load;
mod placed;
mod read;
mod waiver;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::need::Need;
pub use load::{PolicyError, add_waivers, built_in, built_in_names, load};
pub use placed::{ByExperiment, Placed};
pub use read::policy as read;
pub use waiver::Waiver;

/// The policy of a run that names none.
pub const DEFAULT: &str = "tutorial";

/// A policy, together with all that it inherits.
#[derive(Debug, Clone)]
pub struct Policy {
    /// Its name, also that of its file.
    pub name: Placed<String>,
    /// The kind of host that it is for, in a few words.
    pub title: String,
    /// The policy that it inherits from.
    pub inherits: Option<Placed<String>>,
    /// Experiments that must pass.
    pub require: Vec<Placed<String>>,
    /// Experiments that may be skipped.
    pub recommend: Vec<Placed<String>>,
    /// Groups of which one must pass and the others may be skipped.
    ///
    /// A runtime takes the member that the host offers, by looking which is there and not which of them works. So one
    /// that passes makes up for those that are skipped, but not for one that fails (not certified) or is broken
    /// (undecided): the runtime would take that one too. When all are skipped, that is an unmet need.
    pub any_of: Vec<Vec<Placed<String>>>,
    /// The skips that a host may have, each with the need that is not met there, and no other. `None` is a policy
    /// that lists none; with a list, even an empty one, every other skip means *not certified*.
    pub may_skip: Option<ByExperiment<Need>>,
    /// What is not *undecided*, as everything else is that was not shown.
    pub means: BTreeMap<Occasion, Placed<Meaning>>,
    /// How long experiments may take here, instead of what their specs say.
    pub time_limits: ByExperiment<Duration>,
    /// How far measured ratios may be off, in percentage points; at most what the experiment's spec says.
    pub bands: ByExperiment<f64>,
    /// Known differences that somebody answers for.
    pub waivers: Vec<Waiver>,
    /// The files that it was read from: its own, what it inherits from, waivers.
    pub files: Vec<PolicyFile>,
}

/// A file that a policy was read from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyFile {
    /// The policy's name; that of the file when it only has waivers.
    pub name: String,
    /// As the user named it, or `<built-in>/policies/NAME.yaml`.
    pub path: String,
    /// The SHA-256 of its text, in hexadecimal.
    pub sha256: String,
}

/// What a policy says of one experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Standing {
    /// It must pass.
    Required,
    /// It may be skipped.
    Recommended,
    /// It may be skipped when another one of these passes.
    AnyOf(Vec<String>),
    /// It is not in the policy. Somebody asked for it, so it must pass.
    NotInPolicy,
}

/// Something that shows neither that a host can do it nor that it cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Occasion {
    /// A need of an experiment that may not be skipped is not met.
    UnmetNeed,
    /// There is no reviewed snapshot yet.
    NewSnapshot,
    /// An experiment that was repeated did not answer alike each time.
    Flaky,
    /// A measurement did not settle.
    Inconclusive,
}

impl Occasion {
    /// Every one of them.
    pub const ALL: [Self; 4] = [
        Self::UnmetNeed,
        Self::NewSnapshot,
        Self::Flaky,
        Self::Inconclusive,
    ];

    /// As a policy spells it, which is also the code of an outcome's reason.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::UnmetNeed => "unmet-need",
            Self::NewSnapshot => "new-snapshot",
            Self::Flaky => "flaky",
            Self::Inconclusive => "inconclusive",
        }
    }
}

/// What an [`Occasion`] means. That it were fine is not among the choices.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// No verdict is possible.
    Undecided,
    /// The host is not what the policy asks for.
    NotCertified,
}

impl Meaning {
    /// Every one of them.
    pub const ALL: [Self; 2] = [Self::Undecided, Self::NotCertified];

    /// As a policy spells it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Undecided => "undecided",
            Self::NotCertified => "not-certified",
        }
    }
}

impl Policy {
    /// Every experiment that it asks for.
    pub fn names(&self) -> impl Iterator<Item = &Placed<String>> {
        let groups = self.any_of.iter().flatten();
        self.require.iter().chain(&self.recommend).chain(groups)
    }

    /// What it says of an experiment.
    #[must_use]
    pub fn standing(&self, experiment: &str) -> Standing {
        let among = |names: &[Placed<String>]| names.iter().any(|name| name.value == experiment);
        let group = self.any_of.iter().find(|group| among(group));
        match group {
            _ if among(&self.require) => Standing::Required,
            _ if among(&self.recommend) => Standing::Recommended,
            Some(group) => Standing::AnyOf(group.iter().map(|name| name.value.clone()).collect()),
            None => Standing::NotInPolicy,
        }
    }

    /// What an occasion means under it.
    #[must_use]
    pub fn meaning(&self, occasion: Occasion) -> Meaning {
        let said = self.means.get(&occasion);
        said.map_or(Meaning::Undecided, |meaning| meaning.value)
    }

    /// The waiver of an experiment.
    #[must_use]
    pub fn waiver(&self, experiment: &str) -> Option<&Waiver> {
        let mut waivers = self.waivers.iter();
        waivers.find(|waiver| waiver.experiment.value == experiment)
    }

    /// The skip that is listed of an experiment, with the need that may be unmet.
    #[must_use]
    pub fn listed_skip(&self, experiment: &str) -> Option<&(Placed<String>, Need)> {
        let mut listed = self.may_skip.iter().flatten();
        listed.find(|(name, _)| name.value == experiment)
    }
}
