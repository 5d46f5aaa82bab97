//! What a run has found, as one value that stands for itself: every report is made from it, now or later, here or on
//! another machine. As a file it is JSON of the schema `verify.results/v1`.
//!
//! Results are observations: texts in them may hold anything, and each report sees to it that they do no harm there.

mod read;
mod record;

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::compare::Diff;
use crate::host::Host;
use crate::outcome::Outcome;
use crate::policy::{PolicyFile, Standing};
use crate::program::Program;
use crate::verdict::{ExitCode, Group, Scope, Verdict, WaiverReport};
pub use read::{ReadError, parse, read};
pub use record::{Performance, experiment};

/// The schema of a results file, as it names it.
pub const SCHEMA: &str = "verify.results/v1";

/// The JSON Schema (2020-12) of a results file. A test derives it from the types, so it cannot differ from what is written.
pub const JSON_SCHEMA: &str = include_str!("v1.schema.json");

/// Which schema a results file has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Schema {
    /// This one. A change that an older reader would misunderstand makes a new one.
    #[serde(rename = "verify.results/v1")]
    V1,
}

/// Everything about a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Results {
    /// Which schema this is.
    pub schema: Schema,
    /// The program that made it.
    pub verify: Program,
    /// The policy that the verdict rests on.
    pub policy: PolicyUsed,
    /// The host that the experiments ran on.
    pub host: Host,
    /// When the run began, UTC.
    pub started: DateTime<Utc>,
    /// When it ended, UTC.
    pub finished: DateTime<Utc>,
    /// How long it took in microseconds, by a clock that nobody sets.
    pub duration_us: u64,
    /// What the experiments say about the host.
    pub verdict: Verdict,
    /// Why it is not *certified*, a sentence each, the weightiest first.
    pub reasons: Vec<String>,
    /// What somebody should know all the same, a sentence each: waivers, skips that are allowed and did not happen.
    pub notes: Vec<String>,
    /// The exit code of the run.
    pub exit_code: ExitCode,
    /// How many experiments had which outcome.
    pub counts: Counts,
    /// What was left on the host, those of the experiments included.
    pub leftovers: Vec<String>,
    /// The experiments, in the order of their names.
    pub experiments: Vec<Experiment>,
}

impl Results {
    /// How long the run took.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.duration_us)
    }
}

/// The policy of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct PolicyUsed {
    /// Its name.
    pub name: String,
    /// The digest of its own file.
    pub sha256: String,
    /// Every file that it was read from: its own, those it inherits from, waivers.
    pub files: Vec<PolicyFile>,
    /// What the verdict is about.
    pub scope: Scope,
    /// Its groups of which one must pass, as far as a member was performed.
    pub any_of: Vec<Group>,
    /// What it names and was not performed.
    pub not_performed: Vec<String>,
}

/// How many experiments had which outcome.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// Passed.
    pub pass: usize,
    /// Failed.
    pub fail: usize,
    /// Skipped.
    pub skip: usize,
    /// Could not be performed or judged.
    pub broken: usize,
}

impl Counts {
    /// Counts outcomes.
    #[must_use]
    pub fn of(outcomes: impl IntoIterator<Item = Outcome>) -> Self {
        let mut counts = Self::default();
        outcomes.into_iter().for_each(|outcome| counts.add(outcome));
        counts
    }

    /// Counts one more.
    pub fn add(&mut self, outcome: Outcome) {
        match outcome {
            Outcome::Pass => self.pass += 1,
            Outcome::Fail => self.fail += 1,
            Outcome::Skip => self.skip += 1,
            Outcome::Broken => self.broken += 1,
        }
    }
}

/// Everything about one experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Its name.
    pub id: String,
    /// The property that it shows, in a few words.
    pub title: String,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, unless it passed.
    pub reason: Option<Reason>,
    /// What the policy says of it.
    pub standing: Standing,
    /// The verdict that it alone leads to; *certified* when it does not count.
    pub verdict: Verdict,
    /// Its waiver.
    pub waiver: Option<WaiverReport>,
    /// Its spec.
    pub spec: SpecFile,
    /// The reviewed session that it was compared with, if there is one.
    pub snapshot: Option<SnapshotFile>,
    /// The file that the new session was written to, for a review.
    pub pending: Option<String>,
    /// The session as it was observed, in canonical form.
    pub transcript: String,
    /// How it differs from the reviewed one.
    pub diff: Option<Diff>,
    /// From the worker's start to its end, in microseconds.
    pub duration_us: u64,
    /// How many steps its spec has.
    pub steps_planned: usize,
    /// The steps that were begun, in order.
    pub steps: Vec<Step>,
    /// Numbers that were measured and judged.
    pub measurements: Vec<Measurement>,
    /// What was still there afterwards and should not have been.
    pub leftovers: Vec<String>,
}

impl Experiment {
    /// The waiver that takes it out of the count.
    #[must_use]
    pub fn waived(&self) -> Option<&WaiverReport> {
        self.waiver.as_ref().filter(|waiver| waiver.holds())
    }

    /// From the worker's start to its end.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.duration_us)
    }
}

/// Why an outcome is not *pass*.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Reason {
    /// For machines: `new-snapshot`, `differs`, `step-failed`, `unmet-need`.
    pub code: String,
    /// For people, one sentence.
    pub text: String,
    /// What on this host brought it about, as far as that is known.
    pub cause: Option<String>,
    /// The facts that show the cause: `/proc/sys/user/max_net_namespaces is 0`.
    pub evidence: Vec<String>,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Reason {
    /// The cause, what shows it and the remedy, as far as they are known, each with its label.
    pub fn explanation(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let label = |label| move |text| (label, text);
        let cause = self.cause.as_deref().map(label("cause:"));
        let evidence = self.evidence.iter().map(String::as_str);
        let remedy = self.remedy.as_deref().map(label("remedy:"));
        cause
            .into_iter()
            .chain(evidence.map(label("evidence:")))
            .chain(remedy)
    }
}

/// The spec of an experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SpecFile {
    /// Its file as the user named it, or `<built-in>/specs/NAME.yaml`.
    pub path: String,
    /// The digest of the file.
    pub sha256: String,
    /// The line, from 1, that the reason is about.
    pub line: Option<usize>,
}

/// The reviewed session of an experiment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SnapshotFile {
    /// Its file, or `<built-in>/snapshots/NAME.snap`.
    pub path: String,
    /// The digest of the file.
    pub sha256: String,
}

/// One step as it was performed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Its line in the spec, from 1.
    pub line: usize,
    /// How many `inside` it stands in.
    pub depth: usize,
    /// The line as in a terminal: `mkdir container work`.
    pub text: String,
    /// Whether it ended at all.
    pub ended: bool,
    /// How long it took, with everything inside it, in microseconds; 0 if it did not end.
    pub duration_us: u64,
    /// What it failed with: an errno, a signal, or `exit N`.
    pub errno: Option<String>,
    /// Whether it did what its spec says.
    pub as_declared: bool,
    /// What it printed, in canonical form.
    pub output: String,
    /// Raw facts beside that: library paths, counters, what letters in the output stand for.
    pub evidence: Vec<String>,
}

/// A number that was measured and judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Measurement {
    /// The line of the spec whose step measured, from 1.
    pub line: usize,
    /// What was measured: `CPU share of a.out beside b.out`.
    pub name: String,
    /// The result.
    pub value: f64,
    /// Its unit: `%`.
    pub unit: String,
    /// Half the width of the confidence interval, in the same unit.
    pub half_width: f64,
    /// Lowest and highest value that the spec takes, in the same unit.
    pub band: (f64, f64),
    /// The value as it settled, a few hundred at most, in the order of time.
    pub samples: Vec<f64>,
}

/// What a run tells while it goes on.
pub trait Watch {
    /// A step of an experiment has begun.
    fn step(&mut self, experiment: &str, step: &str);
    /// Time has passed.
    fn tick(&mut self);
    /// An experiment has ended.
    fn ended(&mut self, experiment: &Experiment);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_outcome_is_counted_apart() {
        use Outcome::{Broken, Fail, Pass, Skip};
        let counts = Counts::of([
            Broken, Skip, Broken, Fail, Skip, Broken, Pass, Broken, Fail, Skip,
        ]);
        let expected = Counts {
            pass: 1,
            fail: 2,
            skip: 3,
            broken: 4,
        };
        assert_eq!(counts, expected);
    }

    /// `UPDATE=1 cargo test --lib results` writes it anew. It is a file because deriving it takes 0.3 MB of a binary.
    #[test]
    fn the_schema_is_that_of_the_types() {
        let schema = schemars::schema_for!(Results);
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        if std::env::var_os("UPDATE").is_some() {
            return std::fs::write("src/results/v1.schema.json", &text).unwrap();
        }
        let same = JSON_SCHEMA == text;
        assert!(same, "`UPDATE=1 cargo test --lib results` writes it anew");
    }
}
