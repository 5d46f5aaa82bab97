//! How one experiment counts under a policy, without regard to the others.

use chrono::NaiveDate;

use super::{Against, Verdict, WaiverReport};
use crate::outcome::{Judgement, Outcome};
use crate::policy::{Occasion, Policy, Standing};

/// How an experiment counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Its name.
    pub experiment: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What the policy says of it.
    pub standing: Standing,
    /// Its waiver.
    pub waiver: Option<WaiverReport>,
    /// The verdict that it alone leads to.
    pub verdict: Verdict,
    /// Whether it was performed, although the policy lists a skip of it.
    pub needless_skip: bool,
    why: String,
}

/// Counts an experiment. `unmet` is the need that is not met when it was skipped; `today` is the day in UTC, which says
/// whether its waiver holds.
#[must_use]
pub fn count(
    policy: &Policy,
    experiment: &str,
    judgement: &Judgement,
    unmet: Option<&str>,
    today: NaiveDate,
) -> Counted {
    let waiver = policy.waiver(experiment);
    let waiver = waiver.map(|waiver| WaiverReport::of(waiver, judgement, today));
    let standing = policy.standing(experiment);
    let verdict = match judgement.outcome {
        _ if waiver.as_ref().is_some_and(WaiverReport::holds) => Verdict::Certified,
        Outcome::Pass => Verdict::Certified,
        Outcome::Fail => Verdict::NotCertified,
        Outcome::Broken => broken(policy, judgement),
        Outcome::Skip => skipped(policy, experiment, unmet, &standing),
    };
    let may_skip = policy.listed_skip(experiment).is_some();
    let reason = judgement.reason.as_ref();
    Counted {
        experiment: experiment.to_owned(),
        outcome: judgement.outcome,
        standing,
        waiver,
        verdict,
        needless_skip: may_skip && judgement.outcome != Outcome::Skip,
        why: reason.map_or(String::new(), |reason| reason.text.clone()),
    }
}

impl Counted {
    /// Whether it passed, or is waived.
    #[must_use]
    pub fn is_shown(&self) -> bool {
        self.outcome == Outcome::Pass || self.waiver.as_ref().is_some_and(WaiverReport::holds)
    }

    /// What stands against *certified*.
    pub(super) fn reason(&self) -> Option<Against> {
        let word = match self.outcome {
            Outcome::Pass => "passed",
            Outcome::Fail => "failed",
            Outcome::Skip => "was skipped",
            Outcome::Broken => "is broken",
        };
        let sentence = || format!("{} {word}: {}", self.experiment, self.why);
        (self.verdict != Verdict::Certified).then(|| (self.verdict, sentence()))
    }
}

fn broken(policy: &Policy, judgement: &Judgement) -> Verdict {
    let code = judgement.reason.as_ref().map(|reason| reason.code);
    let mut occasions = Occasion::ALL.into_iter();
    let occasion = occasions.find(|occasion| code == Some(occasion.name()));
    occasion.map_or(Verdict::Undecided, |occasion| {
        policy.meaning(occasion).into()
    })
}

/// With a list of skips only what is listed counts, for the need that is listed.
fn skipped(policy: &Policy, experiment: &str, unmet: Option<&str>, standing: &Standing) -> Verdict {
    let listed = policy.listed_skip(experiment);
    let for_this = listed.is_some_and(|(_, need)| unmet == Some(need.to_string().as_str()));
    match (&policy.may_skip, standing) {
        (Some(_), _) if for_this => Verdict::Certified,
        (Some(_), _) => Verdict::NotCertified,
        (None, Standing::Recommended | Standing::AnyOf(_)) => Verdict::Certified,
        (None, _) => policy.meaning(Occasion::UnmetNeed).into(),
    }
}
