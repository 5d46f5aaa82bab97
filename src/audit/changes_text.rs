//! What has changed, for a person at a terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::{Change, Changes, Direction};
use crate::compare::Diff;
use crate::outcome::Outcome;
use crate::report::printable;

const BOLD: Style = Style::new().bold();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default();

impl Changes {
    /// The text, with colours as ANSI escape sequences.
    #[must_use]
    pub fn render(&self) -> String {
        let mut text = String::new();
        for fact in &self.facts {
            let (what, old, new) = (
                printable(&fact.what),
                or_none(&fact.old),
                or_none(&fact.new),
            );
            let _ = writeln!(text, "{BOLD}{what}{BOLD:#}: {old} -> {new}");
        }
        if !self.facts.is_empty() && !self.experiments.is_empty() {
            text.push('\n');
        }
        text.extend(self.experiments.iter().map(render));
        if self.is_empty() {
            text.push_str("nothing has changed\n");
        }
        text
    }
}

fn render(change: &Change) -> String {
    let (word, style) = match (change.direction, change.old, change.new) {
        (_, None, _) => ("new", YELLOW),
        (_, _, None) => ("gone", YELLOW),
        (Direction::Worse, ..) => ("worse", RED),
        (Direction::Different, ..) => ("other", YELLOW),
        (Direction::Better, ..) => ("better", GREEN),
    };
    let outcomes: Vec<_> = [change.old, change.new]
        .into_iter()
        .flatten()
        .map(Outcome::name)
        .collect();
    let outcomes = match change.old == change.new {
        true => outcomes[..1].concat(),
        false => outcomes.join(" -> "),
    };
    let mut text = format!(
        "{style}{word:6}{style:#} {:24} {outcomes}\n",
        printable(&change.id)
    );
    for detail in &change.details {
        let _ = writeln!(text, "       {}", printable(detail));
    }
    let session = change
        .session
        .as_ref()
        .map_or(String::new(), Diff::coloured);
    for line in session.lines() {
        let _ = writeln!(text, "       {line}");
    }
    text
}

fn or_none(value: &str) -> String {
    match value {
        "" => "none".to_owned(),
        value => printable(value),
    }
}
