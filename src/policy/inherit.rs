//! What a policy takes over from the one that it inherits from.

use super::{ByExperiment, Placed, Policy, Waiver};
use crate::source::SourceError;

/// `policy` with all that `parent` says beside it. What both say, `policy` says.
///
/// An experiment that the policy names has the standing that it has there. A group of the parent of which the policy
/// names a member is decided by that, so its other members are only recommended from there on.
///
/// # Errors
/// Both waive the same experiment.
pub fn inherit(mut policy: Policy, parent: Policy) -> Result<Policy, SourceError> {
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
    waive(policy, parent.waivers)
}

/// `policy` with more waivers.
///
/// # Errors
/// An experiment is waived twice: nobody could say which of the two counts.
pub fn waive(mut policy: Policy, waivers: Vec<Waiver>) -> Result<Policy, SourceError> {
    policy.waivers.extend(waivers);
    for (index, waiver) in policy.waivers.iter().enumerate() {
        let name = &waiver.experiment;
        let mut earlier = policy.waivers[..index]
            .iter()
            .map(|other| &other.experiment);
        if let Some(first) = earlier.find(|first| first.value == name.value) {
            return Err(name
                .error(format!("`{}` is waived twice", name.value))
                .help(format!(
                    "it stands at {} already; remove one",
                    first.place()
                )));
        }
    }
    Ok(policy)
}

fn overlaid<T>(mut own: ByExperiment<T>, more: ByExperiment<T>) -> ByExperiment<T> {
    for (name, value) in more {
        if !own.iter().any(|(other, _)| other.value == name.value) {
            own.push((name, value));
        }
    }
    own
}
