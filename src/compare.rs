//! What differs between a reviewed transcript and an observed one, as a person reads it.

use std::fmt::Write as _;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use serde::{Deserialize, Serialize};
use similar::{Algorithm, ChangeTag, DiffOp, TextDiff};

use crate::snapshot::normalise;

/// Equal lines shown above and below a change.
const CONTEXT: usize = 3;

/// After this time a longer way from one text to the other will do: transcripts of which nothing agrees take minutes else.
const TIME_LIMIT: Duration = Duration::from_millis(500);

/// The differences between two transcripts, each with the lines around it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Diff {
    /// In the order of the text; none if both are equal.
    pub hunks: Vec<Hunk>,
}

/// Changes near each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Hunk {
    /// The step that printed the first changed line, if it stands above the lines shown: `# ip link show`.
    pub step: Option<String>,
    /// Changed lines, and the equal ones around them.
    pub lines: Vec<Line>,
}

/// What a line of a hunk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Change {
    /// Reviewed and observed.
    Equal,
    /// Reviewed, not observed.
    Deleted,
    /// Observed, not reviewed.
    Inserted,
}

impl Change {
    /// The sign in front of such a line: blank, `-` or `+`.
    #[must_use]
    pub fn sign(self) -> char {
        match self {
            Self::Equal => ' ',
            Self::Deleted => '-',
            Self::Inserted => '+',
        }
    }
}

impl From<ChangeTag> for Change {
    fn from(tag: ChangeTag) -> Self {
        match tag {
            ChangeTag::Equal => Self::Equal,
            ChangeTag::Delete => Self::Deleted,
            ChangeTag::Insert => Self::Inserted,
        }
    }
}

/// One line of a hunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// What it is.
    pub change: Change,
    /// Its number in the reviewed file, from 1.
    pub old: Option<usize>,
    /// Its number in the pending file, from 1.
    pub new: Option<usize>,
    /// Without its newline.
    pub text: String,
}

/// Compares the contents of a reviewed snapshot with an observed transcript, both in normal form.
///
/// `first_line` is the line of the file on which the contents begin, from 1; it counts for both sides, since a pending
/// snapshot has the header of the reviewed one.
#[must_use]
pub fn diff(expected: &str, observed: &str, first_line: usize) -> Diff {
    let (expected, observed) = (ended_lines(expected), ended_lines(observed));
    if expected == observed {
        return Diff { hunks: Vec::new() };
    }
    let text = TextDiff::configure()
        .algorithm(Algorithm::Patience)
        .timeout(TIME_LIMIT)
        .diff_lines(&expected, &observed);
    let groups = text.grouped_ops(CONTEXT);
    let hunks = groups.iter().map(|ops| hunk(&text, ops, first_line));
    Diff {
        hunks: hunks.collect(),
    }
}

/// In normal form, but with each line ended: else the last one would differ when more follows.
fn ended_lines(text: &str) -> String {
    let text = normalise(text);
    if text.is_empty() { text } else { text + "\n" }
}

fn hunk(text: &TextDiff<'_, '_, '_, str>, ops: &[DiffOp], first_line: usize) -> Hunk {
    let changes = ops.iter().flat_map(|op| text.iter_changes(op));
    let lines = changes.map(|change| Line {
        change: change.tag().into(),
        old: change.old_index().map(|index| index + first_line),
        new: change.new_index().map(|index| index + first_line),
        text: change.value().trim_end_matches('\n').to_owned(),
    });
    let shown = ops.first().map_or(0, |op| op.old_range().start);
    let changed = ops.iter().find(|op| op.tag() != similar::DiffTag::Equal);
    let changed = changed.map_or(shown, |op| op.old_range().start);
    let step = text.old_slices()[..changed]
        .iter()
        .rposition(|line| line.trim_start().starts_with("# "))
        .filter(|index| *index < shown);
    Hunk {
        step: step.map(|index| text.old_slices()[index].trim().to_owned()),
        lines: lines.collect(),
    }
}

/// How the kinds of lines look.
#[derive(Default)]
struct Look {
    deleted: Style,
    inserted: Style,
    context: Style,
    step: Style,
}

impl Diff {
    /// Whether both sides are equal.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.hunks.is_empty()
    }

    /// The diff without colours: reviewed and pending line number, `-` or `+`, and the line.
    #[must_use]
    pub fn plain(&self) -> String {
        self.render(&Look::default())
    }

    /// The same in colours, as ANSI escape sequences.
    #[must_use]
    pub fn coloured(&self) -> String {
        self.render(&Look {
            deleted: AnsiColor::Red.on_default(),
            inserted: AnsiColor::Green.on_default(),
            context: Style::new().dimmed(),
            step: Style::new().bold(),
        })
    }

    fn render(&self, look: &Look) -> String {
        let lines = self.hunks.iter().flat_map(|hunk| &hunk.lines);
        let last = lines.map(|line| line.old.max(line.new)).max().flatten();
        let width = last.unwrap_or(0).to_string().len();
        let mut text = String::new();
        for (index, hunk) in self.hunks.iter().enumerate() {
            if index > 0 {
                let _ = writeln!(text, "{:>width$}", "...");
            }
            if let Some(step) = &hunk.step {
                let (style, gap, step) = (look.step, 2 * width + 3, visible(step));
                let _ = writeln!(text, "{:gap$}{style}{step}{style:#}", "");
            }
            for line in &hunk.lines {
                line.render(&mut text, width, look);
            }
        }
        text
    }
}

impl Line {
    fn render(&self, out: &mut String, width: usize, look: &Look) {
        let sign = self.change.sign();
        let style = match self.change {
            Change::Equal => look.context,
            Change::Deleted => look.deleted,
            Change::Inserted => look.inserted,
        };
        let number = |number: Option<usize>| number.map(|n| n.to_string()).unwrap_or_default();
        let (old, new) = (number(self.old), number(self.new));
        let shown = visible(&self.text);
        let line = format!("{old:>width$} {new:>width$} {sign} {shown}");
        let _ = writeln!(out, "{style}{}{style:#}", line.trim_end());
    }
}

/// The line with everything visible that two different lines might differ in unseen.
#[must_use]
pub fn visible(line: &str) -> String {
    let text = line.trim_end_matches(' ');
    let mut shown = String::with_capacity(line.len());
    for character in text.chars() {
        let blank = character.is_whitespace() && character != ' ';
        if character.is_control() || blank || is_unseen(character) {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown.extend(line[text.len()..].chars().map(|_| '·'));
    shown
}

/// Whether nothing shows a character that changes what is shown, or it is none for XML: the explicit formatting characters
/// of the Unicode Bidirectional Algorithm (UAX 9, section 2), the line and paragraph separators, and the noncharacters
/// that XML 1.0 leaves out in section 2.2.
#[must_use]
pub fn is_unseen(character: char) -> bool {
    matches!(
        character,
        '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{fffe}' | '\u{ffff}'
    )
}

#[cfg(test)]
mod tests;
