//! What has changed from one run to another: on a host since, or between two hosts.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::compare::{Diff, diff};
use crate::outcome::Outcome;
use crate::results::{Experiment, Measurement, Results};

/// What has changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// What the runs rest on: program, policy, host; and the verdict.
    pub facts: Vec<Fact>,
    /// The experiments that changed, those that became worse first.
    pub experiments: Vec<Change>,
}

/// A fact that differs. A side that does not have it is empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fact {
    /// Which one: `verdict`, `host.kernel`.
    pub what: String,
    /// Before.
    pub old: String,
    /// Now.
    pub new: String,
}

/// Where an experiment has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// Further from *pass*.
    Worse,
    /// The outcome is the same, or one of the runs does not have it.
    Different,
    /// Nearer to *pass*.
    Better,
}

/// An experiment that changed.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// Its name.
    pub id: String,
    /// Where it has gone.
    pub direction: Direction,
    /// Its outcome before, if it was performed.
    pub old: Option<Outcome>,
    /// Its outcome now, if it was performed.
    pub new: Option<Outcome>,
    /// What else there is to say, a sentence each.
    pub details: Vec<String>,
    /// How the session that was observed now differs from the one before.
    pub session: Option<Diff>,
}

impl Changes {
    /// Whether nothing has changed.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.facts.is_empty() && self.experiments.is_empty()
    }
}

/// What has changed from `old` to `new`. How long things took is not looked at: that differs each time.
#[must_use]
pub fn changes(old: &Results, new: &Results) -> Changes {
    let mut experiments: Vec<_> = pairs(old, new)
        .into_iter()
        .filter_map(|(id, (old, new))| change(id, old, new))
        .collect();
    experiments.sort_by_key(|change| change.direction);
    Changes {
        facts: differing(&facts(old), &facts(new)),
        experiments,
    }
}

/// Each experiment as it was and as it is, by its name.
type Pairs<'a> = BTreeMap<&'a str, (Option<&'a Experiment>, Option<&'a Experiment>)>;

fn pairs<'a>(old: &'a Results, new: &'a Results) -> Pairs<'a> {
    let mut pairs = Pairs::new();
    for experiment in &old.experiments {
        pairs.entry(&experiment.id).or_default().0 = Some(experiment);
    }
    for experiment in &new.experiments {
        pairs.entry(&experiment.id).or_default().1 = Some(experiment);
    }
    pairs
}

fn facts(results: &Results) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::from([
        ("verdict".to_owned(), results.verdict.to_string()),
        ("verify.version".to_owned(), results.verify.version.clone()),
        ("policy".to_owned(), results.policy.name.clone()),
    ]);
    for file in &results.policy.files {
        facts.insert(format!("policy file {}", file.name), file.sha256.clone());
    }
    facts.extend(
        results
            .verify
            .sha256
            .iter()
            .map(|sha256| ("verify.sha256".to_owned(), sha256.clone())),
    );
    leaves("host", &serde_json::json!(results.host), &mut facts);
    facts
}

/// Every single value of a tree, named by its path.
fn leaves(path: &str, value: &Value, all: &mut BTreeMap<String, String>) {
    match value {
        Value::Object(fields) => fields
            .iter()
            .for_each(|(name, value)| leaves(&format!("{path}.{name}"), value, all)),
        Value::String(text) => drop(all.insert(path.to_owned(), text.clone())),
        other => drop(all.insert(path.to_owned(), other.to_string())),
    }
}

fn differing(old: &BTreeMap<String, String>, new: &BTreeMap<String, String>) -> Vec<Fact> {
    let names: BTreeSet<_> = old.keys().chain(new.keys()).collect();
    let fact = |name: &String| Fact {
        what: name.clone(),
        old: old.get(name).cloned().unwrap_or_default(),
        new: new.get(name).cloned().unwrap_or_default(),
    };
    let facts = names.into_iter().map(fact);
    facts.filter(|fact| fact.old != fact.new).collect()
}

fn change(id: &str, old: Option<&Experiment>, new: Option<&Experiment>) -> Option<Change> {
    let outcomes = (old.map(|one| one.outcome), new.map(|one| one.outcome));
    let details = old
        .zip(new)
        .map_or(Vec::new(), |(old, new)| details(old, new));
    let session = old.zip(new).and_then(|(old, new)| session(old, new));
    let same = outcomes.0 == outcomes.1 && details.is_empty() && session.is_none();
    (!same).then(|| Change {
        id: id.to_owned(),
        direction: direction(outcomes),
        old: outcomes.0,
        new: outcomes.1,
        details,
        session,
    })
}

/// How both sessions differ. One that was not performed has none, and no difference then.
fn session(old: &Experiment, new: &Experiment) -> Option<Diff> {
    let (old, new) = (&old.transcript, &new.transcript);
    let session = diff(old, new, 1);
    (!old.is_empty() && !new.is_empty() && !session.is_empty()).then_some(session)
}

fn direction(outcomes: (Option<Outcome>, Option<Outcome>)) -> Direction {
    let (Some(old), Some(new)) = outcomes else {
        return Direction::Different;
    };
    match far_from_pass(new).cmp(&far_from_pass(old)) {
        Ordering::Greater => Direction::Worse,
        Ordering::Equal => Direction::Different,
        Ordering::Less => Direction::Better,
    }
}

fn far_from_pass(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Pass => 0,
        Outcome::Skip => 1,
        Outcome::Broken => 2,
        Outcome::Fail => 3,
    }
}

fn details(old: &Experiment, new: &Experiment) -> Vec<String> {
    let text = |one: &Experiment| one.reason.as_ref().map(|reason| reason.text.clone());
    let mut details: Vec<_> = text(new)
        .into_iter()
        .filter(|_| text(old) != text(new))
        .collect();
    if old.spec.sha256 != new.spec.sha256 {
        details.push("its spec has changed".to_owned());
    }
    let digest = |one: &Experiment| {
        one.snapshot
            .as_ref()
            .map(|snapshot| snapshot.sha256.clone())
    };
    if digest(old) != digest(new) {
        details.push("its reviewed session has changed".to_owned());
    }
    let state = |one: &Experiment| one.waiver.as_ref().map(|waiver| waiver.state);
    if state(old) != state(new) {
        let note = new.waiver.as_ref().map(|waiver| waiver.sentence(&new.id));
        details.push(note.unwrap_or_else(|| "it is not waived any more".to_owned()));
    }
    details.extend(
        new.measurements
            .iter()
            .filter_map(|now| moved(&old.measurements, now)),
    );
    details
}

/// A value has moved when the confidence intervals of both runs lie apart.
fn moved(old: &[Measurement], now: &Measurement) -> Option<String> {
    let before = old
        .iter()
        .find(|before| (&before.name, before.line) == (&now.name, now.line))?;
    let apart = (now.value - before.value).abs() > now.half_width + before.half_width;
    let (name, unit) = (&now.name, &now.unit);
    apart.then(|| {
        format!(
            "{name}: {:.1}{unit} before, {:.1}{unit} now",
            before.value, now.value
        )
    })
}
