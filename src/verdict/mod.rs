//! From outcomes and a policy to one verdict, and to the exit code. In one place, before any report is written.

mod count;
mod exit;
mod waived;

use std::cmp::Reverse;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;
use crate::policy::{Meaning, Occasion, Placed, Policy, Waiver};
pub use count::{Counted, count};
pub use exit::ExitCode;
pub use waived::{DUE_DAYS, WaiverReport, WaiverState};

/// What a run says about the host. The greater one counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// Everything that the policy asks for was shown, or is waived.
    Certified,
    /// Nothing failed, but something that the policy asks for was not shown.
    Undecided,
    /// The kernel answered otherwise, or something was not shown of which the policy says that it must be.
    NotCertified,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Certified => "certified",
            Self::Undecided => "undecided",
            Self::NotCertified => "not certified",
        })
    }
}

impl From<Meaning> for Verdict {
    fn from(meaning: Meaning) -> Self {
        match meaning {
            Meaning::Undecided => Self::Undecided,
            Meaning::NotCertified => Self::NotCertified,
        }
    }
}

/// What a verdict is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Scope {
    /// All that the policy asks for: what it requires and was not performed leaves the host undecided.
    Policy,
    /// What paths and words have selected, and no more.
    Selection,
}

/// The verdict, and how it came about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// The verdict.
    pub verdict: Verdict,
    /// Why it is not *certified*, a sentence each, the weightiest first.
    pub reasons: Vec<String>,
    /// What somebody should know all the same, a sentence each.
    pub notes: Vec<String>,
    /// The policy's groups of which one must pass, as far as a member was performed.
    pub any_of: Vec<Group>,
    /// What the policy names and was not performed.
    pub not_performed: Vec<String>,
}

/// A group of which one must pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The experiments of the group.
    pub members: Vec<String>,
    /// Whether one of them passed, or is waived.
    pub met: bool,
}

/// The verdict on all experiments together.
#[must_use]
pub fn decide(policy: &Policy, counted: &[Counted], scope: Scope) -> Decision {
    let (any_of, unmet): (Vec<_>, Vec<_>) = policy
        .any_of
        .iter()
        .filter_map(|members| group(policy, members, counted))
        .unzip();
    let mut reasons: Vec<_> = counted.iter().filter_map(Counted::reason).collect();
    reasons.extend(unmet.into_iter().flatten());
    reasons.extend(lacking(policy, counted, scope));
    if !counted.iter().any(Counted::is_shown) {
        reasons.push((Verdict::Undecided, "no experiment passed".to_owned()));
    }
    reasons.sort_by_key(|(verdict, _)| Reverse(*verdict));
    let heaviest = reasons.first().map(|(verdict, _)| *verdict);
    Decision {
        verdict: heaviest.unwrap_or(Verdict::Certified),
        reasons: reasons.into_iter().map(|(_, reason)| reason).collect(),
        notes: notes(policy, counted),
        any_of,
        not_performed: missing(policy.names(), counted)
            .map(|name| name.value.clone())
            .collect(),
    }
}

/// What stands against *certified*, and why.
type Against = (Verdict, String);

/// A group that has a member among the experiments, and what stands against the verdict when all of these are skipped.
fn group(
    policy: &Policy,
    members: &[Placed<String>],
    counted: &[Counted],
) -> Option<(Group, Option<Against>)> {
    let members: Vec<_> = members.iter().map(|name| name.value.clone()).collect();
    let among = |one: &&Counted| members.contains(&one.experiment);
    let performed: Vec<_> = counted.iter().filter(among).collect();
    let met = performed.iter().any(|one| one.is_shown());
    let all_skipped = performed.iter().all(|one| one.outcome == Outcome::Skip);
    let against = (!met && all_skipped).then(|| {
        let names = members.join(", ");
        let reason = format!("one of these must pass, and all are skipped: {names}");
        (policy.meaning(Occasion::UnmetNeed).into(), reason)
    });
    (!performed.is_empty()).then_some((Group { members, met }, against))
}

/// What a whole policy asks for and was not performed; of a group one member is enough.
fn lacking(policy: &Policy, counted: &[Counted], scope: Scope) -> Option<Against> {
    let groups = policy.any_of.iter();
    let untouched = groups.filter(|group| missing(group.iter(), counted).count() == group.len());
    let lacking = missing(policy.require.iter(), counted);
    let lacking: Vec<_> = lacking.chain(untouched.flatten().take(1)).collect();
    let first = lacking.first().filter(|_| scope == Scope::Policy)?;
    let (number, name) = (lacking.len(), &policy.name.value);
    Some((
        Verdict::Undecided,
        format!(
            "{name} asks for {number} more that were not performed, {} first",
            first.value
        ),
    ))
}

/// What is to be said of each waiver, and of the skips that are listed and did not happen.
fn notes(policy: &Policy, counted: &[Counted]) -> Vec<String> {
    let waivers = policy.waivers.iter();
    let mut notes: Vec<_> = waivers.map(|waiver| of_waiver(waiver, counted)).collect();
    let needless = counted.iter().filter(|one| one.needless_skip);
    let needless: Vec<_> = needless.map(|one| one.experiment.as_str()).collect();
    if !needless.is_empty() {
        let (policy, needless) = (&policy.name.value, needless.join(", "));
        notes.push(format!(
            "{policy} lets these be skipped, and they were performed: {needless}"
        ));
    }
    notes
}

fn of_waiver(waiver: &Waiver, counted: &[Counted]) -> String {
    let (name, owner) = (&waiver.experiment.value, &waiver.owner);
    let found = counted.iter().find(|one| one.experiment == *name);
    found.and_then(|one| one.waiver.as_ref()).map_or_else(
        || format!("the waiver of {name} by {owner} was not looked at: {name} was not performed"),
        |report| report.sentence(name),
    )
}

fn missing<'a>(
    names: impl Iterator<Item = &'a Placed<String>>,
    counted: &[Counted],
) -> impl Iterator<Item = &'a Placed<String>> {
    names.filter(|name| !counted.iter().any(|one| one.experiment == name.value))
}

#[cfg(test)]
mod tests;
