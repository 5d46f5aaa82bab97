//! The report for a person at a terminal: a line for each experiment, what differs, and a closing line with the verdict.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::text::{number_of, one_line, printable};
use crate::host::Host;
use crate::outcome::Outcome;
use crate::results::{Experiment, Reason, Results};
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
    let mut experiments = Experiments::default();
    text.extend(results.experiments.iter().map(|one| experiments.add(one)));
    if !results.experiments.is_empty() {
        text.push('\n');
    }
    text + &closing(results)
}

/// The host and how much there is to do, with an empty line below.
#[must_use]
pub fn heading(host: &Host, experiments: usize) -> String {
    let scratch = host.scratch.as_ref().map_or(String::new(), |place| {
        format!(", on {}", one_line(&place.to_string()))
    });
    format!(
        "{DIM}Linux {} {}, {}, cgroups {}{scratch}: {}{DIM:#}\n\n",
        one_line(&host.kernel),
        one_line(&host.machine),
        one_line(&host.privilege.to_string()),
        host.cgroups.layout(),
        number_of(experiments, "experiment")
    )
}

/// The experiments of a report. What shows a cause, and what to do about it, stands there once: most causes are one for
/// many experiments.
#[derive(Default)]
pub struct Experiments {
    /// Each line of an explanation, and the experiment that it stands below first.
    said: BTreeMap<String, String>,
}

impl Experiments {
    /// The next experiment's line, and below it why it did not pass.
    #[must_use]
    pub fn add(&mut self, experiment: &Experiment) -> String {
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
        if let Some(why) = self.why(experiment) {
            text.push_str(&indented(&why));
        }
        text
    }

    fn why(&mut self, experiment: &Experiment) -> Option<String> {
        let reason = experiment.reason.as_ref()?;
        let spec = &experiment.spec;
        let place = spec.line.map_or(String::new(), |line| {
            format!("{}:{line}: ", one_line(&spec.path))
        });
        let mut text = format!("{place}{}\n", printable(&reason.text));
        self.explain(&mut text, reason, &one_line(&experiment.id));
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

    /// A cause is said each time, what shows it the first time, and a remedy later on by where it stands.
    fn explain(&mut self, text: &mut String, reason: &Reason, id: &str) {
        let cause = reason.cause.as_deref().map(printable);
        let is_known = cause.is_some_and(|cause| self.said.contains_key(&cause));
        for (label, fact) in reason.explanation() {
            let fact = printable(fact);
            let words = match self.said.get(&fact) {
                _ if label == "evidence:" && is_known => continue,
                Some(above) if label == "remedy:" => format!("as for {above}"),
                _ => fact.clone(),
            };
            let _ = writeln!(text, "{BOLD}{label}{BOLD:#} {words}");
            self.said.entry(fact).or_insert_with(|| id.to_owned());
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(cause: &str) -> Reason {
        Reason {
            code: "unmet-need".into(),
            text: "needs cgroup-v2 cpu".into(),
            cause: Some(cause.into()),
            evidence: vec!["/proc/cgroups: cpu 0".into()],
            remedy: Some("boot otherwise".into()),
        }
    }

    #[test]
    fn the_closing_lines_have_no_numbers_of_nothing_and_no_empty_paragraph() {
        let mut results: Results =
            serde_json::from_str(include_str!("../../fixtures/results/certified.json")).unwrap();
        (results.reasons, results.notes) = (Vec::new(), Vec::new());
        results.counts.skip = 0;
        results.duration_us = 1_000_000;
        let mut lines = |why: Option<&str>, note: Option<&str>| {
            results.reasons = why.into_iter().map(str::to_owned).collect();
            results.notes = note.into_iter().map(str::to_owned).collect();
            let text = closing(&results);
            anstream::adapter::strip_str(&text).to_string()
        };
        let verdict = "certified: 25 passed in 1.00 s\nexit code 0: everything that was asked for was shown\n";
        assert_eq!(lines(None, None), verdict);
        assert_eq!(lines(Some("a"), None), format!("why:   a\n\n{verdict}"));
        assert_eq!(lines(None, Some("b")), format!("note:  b\n\n{verdict}"));
    }

    #[test]
    fn what_shows_a_cause_stands_below_it_once_and_a_remedy_says_where_it_is() {
        let mut experiments = Experiments::default();
        let mut lines = |cause, id| {
            let mut text = String::new();
            experiments.explain(&mut text, &reason(cause), id);
            anstream::adapter::strip_str(&text).to_string()
        };
        assert_eq!(
            lines("hybrid", "first"),
            "cause: hybrid\nevidence: /proc/cgroups: cpu 0\nremedy: boot otherwise\n"
        );
        assert_eq!(
            lines("hybrid", "second"),
            "cause: hybrid\nremedy: as for first\n"
        );
        assert_eq!(
            lines("another", "third"),
            "cause: another\nevidence: /proc/cgroups: cpu 0\nremedy: as for first\n"
        );
    }
}
