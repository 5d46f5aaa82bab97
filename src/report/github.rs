//! Annotations for GitHub Actions: workflow commands, each of which points at the line of a spec.
//!
//! Observed text stands only in the data of a command, where it is escaped and cannot be a command of its own.

use std::fmt::Write as _;

use super::text::{number_of, one_line, why};
use crate::outcome::Outcome;
use crate::results::{Experiment, Results};
use crate::verdict::Verdict;

/// GitHub shows as many errors of a step, and as many warnings, and no more.
const SHOWN: usize = 10;

/// The report: an error for each experiment that counts against the host, also for a skip that the policy does not allow.
#[must_use]
pub fn render(results: &Results) -> String {
    let bad = |one: &&Experiment| one.verdict != Verdict::Certified;
    let bad: Vec<_> = results.experiments.iter().filter(bad).collect();
    let shown = if bad.len() > SHOWN { SHOWN - 1 } else { SHOWN };
    let mut text: String = bad.iter().take(shown).copied().map(annotation).collect();
    if let more @ 1.. = bad.len().saturating_sub(shown) {
        let more = number_of(more, "more experiment");
        let _ = writeln!(text, "::error title=verify::{more} did not pass");
    }
    text.extend(
        results
            .notes
            .iter()
            .take(SHOWN)
            .map(|note| format!("::warning title=verify::{}\n", data(&one_line(note)))),
    );
    text
}

fn annotation(experiment: &Experiment) -> String {
    let line = experiment.spec.line.unwrap_or(1);
    let mut place = String::new();
    // A spec inside the binary has no file that could be pointed at.
    if !experiment.spec.path.starts_with('<') {
        let _ = write!(
            place,
            "file={},line={line},",
            property(&experiment.spec.path)
        );
    }
    let title = property(&format!(
        "{} {}",
        experiment.id,
        match experiment.outcome {
            Outcome::Pass => "passed",
            Outcome::Fail => "failed",
            Outcome::Skip => "was skipped",
            Outcome::Broken => "is broken",
        }
    ));
    let message = data(&format!(
        "{}\n{}",
        one_line(&experiment.title),
        why(experiment)
    ));
    format!("::error {place}title={title}::{message}\n")
}

/// As @actions/core escapes the data of a command.
fn data(text: &str) -> String {
    let text = text.trim_end();
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

/// As @actions/core escapes a property of a command.
fn property(text: &str) -> String {
    data(&one_line(text))
        .replace(':', "%3A")
        .replace(',', "%2C")
}
