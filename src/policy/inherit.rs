//! What a policy takes over from the one that it inherits from.

use std::collections::BTreeMap;

use super::{ByExperiment, Placed, Policy};
use crate::source::SourceError;

/// `policy` with all that `parent` says beside it. What both say, `policy` says.
///
/// An experiment that the policy names has the standing that it has there. A group of the parent of which the policy
/// names a member is decided by that, so its other members are only recommended from there on.
#[must_use]
pub fn inherit(mut policy: Policy, parent: Policy) -> Policy {
    let named: Vec<String> = policy.names().map(|name| name.value.clone()).collect();
    let is_new = |name: &Placed<String>| !named.contains(&name.value);
    let (groups, decided): (Vec<_>, Vec<_>) = parent
        .any_of
        .into_iter()
        .partition(|group| group.iter().all(is_new));
    let recommended = parent
        .recommend
        .into_iter()
        .chain(decided.into_iter().flatten());
    policy.recommend.extend(recommended.filter(is_new));
    policy
        .require
        .extend(parent.require.into_iter().filter(is_new));
    policy.any_of.extend(groups);
    policy.may_skip = match (policy.may_skip, parent.may_skip) {
        (Some(own), Some(more)) => Some(overlaid(own, more)),
        (own, more) => own.or(more),
    };
    for (occasion, meaning) in parent.means {
        policy.means.entry(occasion).or_insert(meaning);
    }
    policy.time_limits = overlaid(policy.time_limits, parent.time_limits);
    policy.bands = overlaid(policy.bands, parent.bands);
    policy.files.extend(parent.files);
    policy.waivers.extend(parent.waivers);
    policy
}

/// Checks that no experiment is waived twice: nobody could say which of the two counts.
///
/// # Errors
/// One is.
pub fn waived_once(policy: &Policy) -> Result<(), SourceError> {
    let names = policy.waivers.iter().map(|waiver| &waiver.experiment);
    once(names, "waived")
}

/// Checks that the names are all different.
///
/// # Errors
/// One comes again; `what` says what it is twice.
pub fn once<'a>(
    names: impl Iterator<Item = &'a Placed<String>>,
    what: &str,
) -> Result<(), SourceError> {
    let mut seen = BTreeMap::new();
    for name in names {
        if let Some(first) = seen.insert(name.value.as_str(), name) {
            return Err(name
                .error(format!("`{}` is {what} twice", name.value))
                .help(format!(
                    "it stands at {} already; remove one",
                    first.place()
                )));
        }
    }
    Ok(())
}

fn overlaid<T>(mut own: ByExperiment<T>, more: ByExperiment<T>) -> ByExperiment<T> {
    for (name, value) in more {
        if !own.iter().any(|(other, _)| other.value == name.value) {
            own.push((name, value));
        }
    }
    own
}
