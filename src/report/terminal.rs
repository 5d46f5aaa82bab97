//! The report for a person at a terminal: a line for each experiment, what differs, and a closing line with the verdict.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::text::{number_of, one_line, printable};
use crate::host::Host;
use crate::outcome::Outcome;
use crate::results::{Experiment, Results};
use crate::verdict::Verdict;

const BOLD: Style = Style::new().bold();
pub(super) const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// The whole report, with colours as ANSI escape sequences.
#[must_use]
pub fn render(results: &Results) -> String {
    let mut text = heading(&results.host, results.experiments.len());
    text.extend(results.experiments.iter().map(experiment));
    if !results.experiments.is_empty() {
        text.push('\n');
    }
    text + &closing(results)
}

/// The host and how much there is to do, with an empty line below.
#[must_use]
pub fn heading(host: &Host, experiments: usize) -> String {
    format!(
        "{DIM}Linux {} {}, {}, cgroups {}: {}{DIM:#}\n\n",
        one_line(&host.kernel),
        one_line(&host.machine),
        one_line(&host.privilege.to_string()),
        host.cgroups.layout(),
        number_of(experiments, "experiment")
    )
}

/// An experiment's line, and below it why it did not pass.
#[must_use]
pub fn experiment(experiment: &Experiment) -> String {
    let (word, style) = match experiment.outcome {
        Outcome::Pass => ("pass", GREEN),
        Outcome::Fail => ("FAIL", RED),
        Outcome::Skip => ("skip", YELLOW),
        Outcome::Broken => ("BROKEN", RED),
    };
    // What does not count is not in the colour of what does.
    let style = experiment.waived().map_or(style, |_| YELLOW);
    let duration = match experiment.outcome {
        Outcome::Skip => String::new(),
        _ => format!("{:.0} ms", experiment.duration().as_secs_f64() * 1000.0),
    };
    let (id, title) = (one_line(&experiment.id), one_line(&experiment.title));
    let mut text = format!("{style}{word:6}{style:#} {id:24} {duration:>8}  {title}\n");
    if let Some(why) = why(experiment) {
        text.push_str(&indented(&why));
    }
    text
}

fn why(experiment: &Experiment) -> Option<String> {
    let reason = experiment.reason.as_ref()?;
    let spec = &experiment.spec;
    let place = spec.line.map_or(String::new(), |line| {
        format!("{}:{line}: ", one_line(&spec.path))
    });
    let mut text = format!("{place}{}\n", printable(&reason.text));
    for (label, fact) in reason.explanation() {
        let _ = writeln!(text, "{BOLD}{label}{BOLD:#} {}", printable(fact));
    }
    if let Some(waiver) = &experiment.waiver {
        let _ = writeln!(text, "{}", printable(&waiver.sentence(&experiment.id)));
    }
    if let Some(diff) = &experiment.diff {
        text.push_str(&diff.coloured());
    }
    let left = experiment
        .steps_planned
        .saturating_sub(experiment.steps.len());
    if left > 0 && experiment.outcome == Outcome::Fail {
        let steps = number_of(left, "step");
        let _ = writeln!(text, "{DIM}{steps} after it not performed{DIM:#}");
    }
    if let Some(pending) = &experiment.pending {
        let _ = writeln!(text, "{DIM}written to {}{DIM:#}", one_line(pending));
    }
    Some(text)
}

/// What was left, what is to be done, and the verdict.
#[must_use]
pub fn closing(results: &Results) -> String {
    let mut text = String::new();
    for leftover in &results.leftovers {
        let _ = writeln!(text, "{RED}left behind{RED:#}  {}", one_line(leftover));
    }
    let pending = results
        .experiments
        .iter()
        .filter_map(|e| e.pending.as_ref());
    if let pending @ 1.. = pending.count() {
        let sessions = number_of(pending, "session");
        let _ = writeln!(
            text,
            "{sessions} to be reviewed: `verify review` or `cargo insta review`\n"
        );
    }
    let reasons = results.reasons.iter().map(|reason| ("why:", RED, reason));
    let notes = results.notes.iter().map(|note| ("note:", BOLD, note));
    for (label, style, sentence) in reasons.chain(notes) {
        let _ = writeln!(text, "{style}{label:6}{style:#} {}", one_line(sentence));
    }
    if !results.reasons.is_empty() || !results.notes.is_empty() {
        text.push('\n');
    }
    let style = match results.verdict {
        Verdict::Certified => GREEN.bold(),
        Verdict::NotCertified => RED,
        Verdict::Undecided => YELLOW.bold(),
    };
    let (verdict, counts) = (results.verdict, counts(results));
    let seconds = results.duration().as_secs_f64();
    let _ = writeln!(
        text,
        "{style}{verdict}{style:#}: {counts} in {seconds:.2} s"
    );
    let (code, meaning) = (results.exit_code.number(), results.exit_code.meaning());
    let _ = writeln!(text, "{DIM}exit code {code}: {meaning}{DIM:#}");
    text
}

fn counts(results: &Results) -> String {
    let counts = &results.counts;
    let mut text = format!("{BOLD}{} passed{BOLD:#}", counts.pass);
    for (number, word) in [
        (counts.fail, "failed"),
        (counts.broken, "broken"),
        (counts.skip, "skipped"),
    ] {
        if number > 0 {
            let _ = write!(text, ", {number} {word}");
        }
    }
    text
}

/// Each line with blanks in front; one that GitHub's runner would take for a command also with a bar.
fn indented(text: &str) -> String {
    let is_command = |line: &str| {
        ["::", "##["]
            .iter()
            .any(|sign| line.trim_start().starts_with(sign))
    };
    let bar = |line| if is_command(line) { "| " } else { "" };
    text.lines()
        .map(|line| format!("       {}{line}\n", bar(line)))
        .collect()
}
