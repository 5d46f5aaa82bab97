//! TAP version 14 (Test Anything Protocol), with a YAML block below what did not pass.

use std::fmt::Write as _;

use super::text::{one_line, printable};
use crate::outcome::Outcome;
use crate::results::{Experiment, Reason, Results};

/// The report.
#[must_use]
pub fn render(results: &Results) -> String {
    let mut text = format!("TAP version 14\n1..{}\n", results.experiments.len());
    for (index, experiment) in results.experiments.iter().enumerate() {
        text.push_str(&test_point(index + 1, experiment));
    }
    text
}

fn test_point(number: usize, experiment: &Experiment) -> String {
    let name = escaped(&format!("{}: {}", experiment.id, experiment.title));
    let reason = experiment.reason.as_ref();
    match experiment.outcome {
        Outcome::Pass => format!("ok {number} - {name}\n"),
        Outcome::Skip => {
            let reason = reason.map_or(String::new(), |reason| escaped(&reason.text));
            format!("ok {number} - {name} # SKIP {reason}\n")
        }
        Outcome::Fail | Outcome::Broken => {
            let waiver = experiment
                .waived()
                .map(|waiver| waiver.sentence(&experiment.id));
            let todo = waiver.map_or(String::new(), |why| format!(" # TODO {}", escaped(&why)));
            format!(
                "not ok {number} - {name}{todo}\n{}",
                diagnostics(experiment)
            )
        }
    }
}

/// A description ends at `#`, and `\` quotes.
fn escaped(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('#', "\\#")
}

fn diagnostics(experiment: &Experiment) -> String {
    let mut yaml = String::from("  ---\n");
    let mut field = |name: &str, value: &str| {
        let _ = writeln!(yaml, "  {name}: {}", quoted(value));
    };
    field("outcome", experiment.outcome.name());
    field("file", &experiment.spec.path);
    if let Some(reason) = &experiment.reason {
        field("code", &reason.code);
        field("message", &reason.text);
    }
    if let Some(line) = experiment.spec.line {
        let _ = writeln!(yaml, "  line: {line}");
    }
    yaml + &explanation(experiment) + &diff(experiment) + "  ...\n"
}

fn explanation(experiment: &Experiment) -> String {
    let reason = experiment.reason.iter();
    let facts: Vec<_> = reason.flat_map(Reason::explanation).collect();
    let items = facts.iter().map(|(label, fact)| {
        let label = label.trim_end_matches(':');
        format!("    - {label}: {}\n", quoted(fact))
    });
    let items: String = items.collect();
    match items.is_empty() {
        true => items,
        false => format!("  explanation:\n{items}"),
    }
}

fn diff(experiment: &Experiment) -> String {
    let Some(diff) = &experiment.diff else {
        return String::new();
    };
    // The first line of a diff may begin with blanks, so the indentation is given.
    let mut yaml = String::from("  diff: |2\n");
    for line in diff.plain().lines() {
        let _ = writeln!(yaml, "    {line}");
    }
    yaml
}

/// A JSON string is a YAML one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(printable(text)).to_string()
}
