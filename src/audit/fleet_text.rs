//! Many hosts, for a person at a terminal.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::fleet::{Fleet, Row, in_words};
use crate::report::printable;
use crate::verdict::Verdict;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default();

impl Fleet {
    /// The table, with colours as ANSI escape sequences.
    #[must_use]
    pub fn render(&self) -> String {
        let rows = self.rows();
        let width = rows
            .iter()
            .map(|row| row.name.chars().count())
            .max()
            .unwrap_or(0);
        let mut text = String::new();
        for row in rows {
            render(row, width, &mut text);
        }
        text.push_str(&self.trouble_text());
        text + &self.totals() + "\n"
    }

    fn trouble_text(&self) -> String {
        let mut text = String::new();
        for (id, counts) in self.trouble() {
            let hosts = in_words(&counts);
            let _ = writeln!(
                text,
                "{BOLD}{}{BOLD:#} counts against hosts: {hosts}",
                printable(id)
            );
        }
        match text.is_empty() {
            true => text,
            false => format!("\n{text}\n"),
        }
    }

    /// How many hosts have which verdict: `2 certified, 1 not certified`.
    #[must_use]
    pub fn totals(&self) -> String {
        let numbers = [
            (self.count(None), "cannot be read"),
            (self.count(Some(Verdict::NotCertified)), "not certified"),
            (self.count(Some(Verdict::Undecided)), "undecided"),
            (self.count(Some(Verdict::Certified)), "certified"),
        ];
        let shown = numbers.iter().filter(|(number, _)| *number > 0);
        let words: Vec<_> = shown
            .map(|(number, word)| format!("{number} {word}"))
            .collect();
        words.join(", ")
    }
}

fn render(row: &Row, width: usize, text: &mut String) {
    let name = printable(&row.name);
    let Some(seen) = &row.seen else {
        let _ = writeln!(text, "{RED}unreadable   {RED:#}  {name}");
        return;
    };
    let style = match seen.verdict {
        Verdict::Certified => GREEN,
        Verdict::Undecided => YELLOW,
        Verdict::NotCertified => RED,
    };
    let (verdict, counts) = (seen.verdict.to_string(), in_words(&seen.counts));
    let (host, policy) = (printable(&seen.host), printable(&seen.policy));
    let _ = writeln!(
        text,
        "{style}{verdict:13}{style:#}  {name:width$}  {counts}  {DIM}{policy}, {host}{DIM:#}"
    );
    for reason in &seen.reasons {
        let _ = writeln!(text, "               {}", printable(reason));
    }
}
