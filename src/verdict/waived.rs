//! What becomes of a waiver on a day, beside an outcome.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::compare::{Change, Diff};
use crate::outcome::{Judgement, Outcome};
use crate::policy::Waiver;

/// A waiver is due when its last day is at most this many days away.
pub const DUE_DAYS: i64 = 14;

/// Whether a waiver counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum WaiverState {
    /// It holds: what became of the experiment does not count.
    Waived,
    /// Its last day is over.
    Expired,
    /// The experiment passed.
    NoLongerNeeded,
    /// It is for another difference than the one that was observed.
    OtherDifference,
}

/// A waiver and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct WaiverReport {
    /// Whether it counts.
    pub state: WaiverState,
    /// Who answers for it.
    pub owner: String,
    /// Why there is a waiver.
    pub reason: String,
    /// The last day on which it holds, in UTC: `2027-03-31`.
    pub last_day: NaiveDate,
    /// The days from now to its last day; below 0 when it has expired.
    pub days_left: i64,
    /// File and line.
    pub place: String,
}

impl WaiverReport {
    /// What becomes of `waiver` on the day `today`.
    #[must_use]
    pub fn of(waiver: &Waiver, judgement: &Judgement, today: NaiveDate) -> Self {
        let days_left = (waiver.last_day - today).num_days();
        let meant = |lines: &Vec<String>| *lines == difference(judgement);
        let state = match judgement.outcome {
            Outcome::Pass => WaiverState::NoLongerNeeded,
            _ if days_left < 0 => WaiverState::Expired,
            _ if !waiver.difference.as_ref().is_none_or(meant) => WaiverState::OtherDifference,
            _ => WaiverState::Waived,
        };
        Self {
            state,
            owner: waiver.owner.clone(),
            reason: waiver.reason.clone(),
            last_day: waiver.last_day,
            days_left,
            place: waiver.experiment.place(),
        }
    }

    /// Whether what became of the experiment does not count.
    #[must_use]
    pub fn holds(&self) -> bool {
        self.state == WaiverState::Waived
    }

    /// Whether it holds and somebody should see to it soon.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.holds() && self.days_left <= DUE_DAYS
    }

    /// What somebody should know.
    #[must_use]
    pub fn sentence(&self, experiment: &str) -> String {
        let (owner, last_day) = (&self.owner, &self.last_day);
        match self.state {
            WaiverState::Waived if self.is_due() => format!(
                "{experiment} is waived by {owner}, but only until {last_day}, which is {}: {}",
                in_days(self.days_left),
                self.reason
            ),
            WaiverState::Waived => format!(
                "{experiment} is waived by {owner} until {last_day}: {}",
                self.reason
            ),
            WaiverState::Expired => {
                format!("the waiver of {experiment} by {owner} has expired on {last_day}")
            }
            WaiverState::NoLongerNeeded => format!(
                "the waiver of {experiment} by {owner} is no longer needed: remove it at {}",
                self.place
            ),
            WaiverState::OtherDifference => format!(
                "the waiver of {experiment} by {owner} is for another difference than this one"
            ),
        }
    }
}

fn in_days(days: i64) -> String {
    match days {
        0 => "today".to_owned(),
        1 => "tomorrow".to_owned(),
        days => format!("in {days} days"),
    }
}

/// The changed lines, each behind its sign and without the blanks around it; the reason of what has none.
fn difference(judgement: &Judgement) -> Vec<String> {
    let lines = judgement.diff.as_ref().map_or(Vec::new(), changed_lines);
    let reason = judgement.reason.iter().map(|reason| reason.text.clone());
    match lines.is_empty() {
        true => reason.collect(),
        false => lines,
    }
}

fn changed_lines(diff: &Diff) -> Vec<String> {
    let lines = diff.hunks.iter().flat_map(|hunk| &hunk.lines);
    let signed = lines.filter_map(|line| match line.change {
        Change::Equal => None,
        Change::Deleted => Some(format!("-{}", line.text.trim())),
        Change::Inserted => Some(format!("+{}", line.text.trim())),
    });
    signed.collect()
}
