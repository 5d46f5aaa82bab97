//! Markdown, for a pull request or as the summary of a GitHub Actions job: the table first, then what differs.

use std::fmt::Write as _;

use super::text::one_line;
use crate::compare::{Diff, visible};
use crate::outcome::Outcome;
use crate::results::{Experiment, Results};

/// The report.
#[must_use]
pub fn render(results: &Results) -> String {
    let mut text = head(results);
    text.extend(results.experiments.iter().filter_map(details));
    text
}

/// In bytes. GitHub drops a summary of more than 1 MiB whole.
const SUMMARY_LIMIT: usize = 900 << 10;

/// The report, without the details for which there is no room.
#[must_use]
pub fn summary(results: &Results) -> String {
    within(SUMMARY_LIMIT, results)
}

fn within(limit: usize, results: &Results) -> String {
    let mut text = head(results);
    for details in results.experiments.iter().filter_map(details) {
        if text.len() + details.len() > limit {
            text.push_str("\nThe rest is too long for a summary.\n");
            break;
        }
        text.push_str(&details);
    }
    text
}

fn head(results: &Results) -> String {
    let counts = &results.counts;
    let mut text = format!(
        "## verify: {}\n\n{} passed, {} failed, {} broken, {} skipped in {:.2} s under the policy {} on Linux {} {}, {}, cgroups {}\n",
        results.verdict,
        counts.pass,
        counts.fail,
        counts.broken,
        counts.skip,
        results.duration().as_secs_f64(),
        escaped(&results.policy.name),
        escaped(&results.host.kernel),
        escaped(&results.host.machine),
        escaped(&results.host.privilege.to_string()),
        results.host.cgroups.layout(),
    );
    for leftover in &results.leftovers {
        let _ = write!(text, "\n- **Left behind:** {}", escaped(leftover));
    }
    for (label, sentences) in [("Why", &results.reasons), ("Note", &results.notes)] {
        for sentence in sentences {
            let _ = write!(text, "\n- **{label}:** {}", escaped(sentence));
        }
    }
    text.push_str("\n\n| outcome | experiment | what it shows |\n| --- | --- | --- |\n");
    text.extend(results.experiments.iter().map(row));
    text
}

fn row(experiment: &Experiment) -> String {
    let outcome = match experiment.outcome {
        Outcome::Pass => "✅ pass",
        Outcome::Fail => "❌ fail",
        Outcome::Skip => "⏭️ skip",
        Outcome::Broken => "⚠️ broken",
    };
    let waived = if experiment.waived().is_some() {
        ", waived"
    } else {
        ""
    };
    let (id, title) = (escaped(&experiment.id), escaped(&experiment.title));
    format!("| {outcome}{waived} | {id} | {title} |\n")
}

/// Why an experiment did not pass; `None` if it did.
fn details(experiment: &Experiment) -> Option<String> {
    let reason = experiment.reason.as_ref()?;
    let mut text = format!("\n### {}\n\n", escaped(&experiment.id));
    let path = escaped(&experiment.spec.path);
    let place = match experiment.spec.line {
        Some(line) => format!("Line {line} of {path}"),
        None => format!("In {path}"),
    };
    let _ = writeln!(text, "{place}: {}\n", escaped(&reason.text));
    for (label, fact) in reason.explanation() {
        let _ = writeln!(text, "- **{label}** {}", escaped(fact));
    }
    if let Some(diff) = &experiment.diff {
        text.push_str(&block(diff));
    }
    Some(text)
}

/// Every character that means something to Markdown or HTML within a line is made to mean itself.
fn escaped(text: &str) -> String {
    let mut shown = String::new();
    for character in one_line(text).chars() {
        match character {
            '<' => shown.push_str("&lt;"),
            '>' => shown.push_str("&gt;"),
            '&' => shown.push_str("&amp;"),
            _ if "\\`*_{}[]#|~!$".contains(character) => shown.extend(['\\', character]),
            _ => shown.push(character),
        }
    }
    shown
}

/// The diff between fences that are longer than any in it.
fn block(diff: &Diff) -> String {
    let mut text = String::new();
    for hunk in &diff.hunks {
        if let Some(step) = &hunk.step {
            let _ = writeln!(text, "@@ {} @@", one_line(step));
        }
        for line in &hunk.lines {
            let _ = writeln!(
                text,
                "{}{}",
                line.change.sign(),
                one_line(&visible(&line.text))
            );
        }
    }
    let runs = text.split(|c| c != '`').map(str::len);
    let fence = "`".repeat(runs.max().unwrap_or(0).max(2) + 1);
    format!("\n{fence}diff\n{text}{fence}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::parse;
    use crate::source::Source;

    #[test]
    fn a_summary_leaves_out_what_there_is_no_room_for() {
        let text = include_str!("../../fixtures/results/failing.json");
        let results = parse(&Source::new("failing.json", text)).unwrap();
        let whole = render(&results);
        assert_eq!(summary(&results), whole);
        assert_eq!(within(whole.len(), &results), whole);
        let shorter = within(whole.len() - 1, &results);
        let (kept, note) = shorter.split_once("\nThe rest is too long").unwrap();
        assert_eq!(note, " for a summary.\n");
        assert!(whole.starts_with(kept) && kept.contains("### "), "{kept}");
    }

    #[test]
    fn what_means_something_to_markdown_or_html_means_itself() {
        assert_eq!(escaped("a<b> & c|d"), "a&lt;b&gt; &amp; c\\|d");
    }
}
