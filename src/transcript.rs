//! A recording as the terminal session that a person reviews: the same text on every healthy host.

use std::collections::HashMap;
use std::fmt::Write as _;

use crate::recording::{Piece, Recording, StepRecord};

/// A session, and where in it each step stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transcript {
    /// The whole text, each line ended by a newline.
    pub text: String,
    /// For each line of the text the line of the spec whose step printed it, both from 1.
    pub spec_lines: Vec<usize>,
    /// For each step of the recording what it printed.
    pub steps: Vec<Printed>,
}

/// What one step printed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Printed {
    /// The lines below its command, without indentation.
    pub text: String,
    /// What the letters in it stand for: `uts [A] is 4026531838`.
    pub identities: Vec<String>,
}

/// Writes the session of a recording.
#[must_use]
pub fn transcribe(recording: &Recording) -> Transcript {
    let mut names = Names::default();
    let mut transcript = Transcript {
        text: String::new(),
        spec_lines: Vec::new(),
        steps: Vec::new(),
    };
    for step in &recording.steps {
        let indent = "  ".repeat(step.depth);
        let printed = print(step, &mut names);
        let command = format!("# {}", printable(&step.text));
        for line in std::iter::once(command.as_str()).chain(printed.text.lines()) {
            let line = format!("{indent}{line}");
            transcript.text.push_str(line.trim_end());
            transcript.text.push('\n');
            transcript.spec_lines.push(step.line);
        }
        transcript.steps.push(printed);
    }
    transcript
}

fn print(step: &StepRecord, names: &mut Names) -> Printed {
    let (mut text, mut identities) = (String::new(), Vec::new());
    for piece in &step.output.pieces {
        match piece {
            Piece::Text(piece) => text.push_str(piece),
            Piece::Identity { kind, raw } => {
                let name = names.name(kind, raw);
                text.push_str(&name);
                identities.push(format!("{kind} {name} is {raw}"));
            }
        }
    }
    if let Some(failure) = &step.failure {
        if !text.is_empty() && !text.ends_with('\n') {
            text.push('\n');
        }
        let command = step.text.split(' ').next().unwrap_or_default();
        let _ = writeln!(text, "{command}: {}", failure.text());
    }
    let text = text.lines().map(|line| printable(line) + "\n").collect();
    Printed { text, identities }
}

/// Observed text may hold anything; a terminal and a snapshot must not.
fn printable(line: &str) -> String {
    line.chars()
        .flat_map(|character| {
            let escape = character.is_control() && character != '\t';
            let escaped = escape.then(|| character.escape_default());
            let plain = (!escape).then_some(character);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

/// Names for identities, by order of appearance among those of one kind.
#[derive(Default)]
struct Names {
    seen: HashMap<String, Vec<String>>,
}

impl Names {
    fn name(&mut self, kind: &str, raw: &str) -> String {
        let seen = self.seen.entry(kind.to_owned()).or_default();
        let index = seen
            .iter()
            .position(|other| other == raw)
            .unwrap_or_else(|| {
                seen.push(raw.to_owned());
                seen.len() - 1
            });
        format!("[{}]", letters(index))
    }
}

/// 0 is A, 25 is Z, 26 is AA.
fn letters(index: usize) -> String {
    let letter = char::from(b'A' + u8::try_from(index % 26).unwrap_or(0));
    match index / 26 {
        0 => letter.to_string(),
        more => format!("{}{letter}", letters(more - 1)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{End, Failure, Output};
    use nix::errno::Errno;

    fn step(index: usize, depth: usize, text: &str, output: Output) -> StepRecord {
        StepRecord {
            index,
            depth,
            line: 10 + index,
            text: text.to_owned(),
            duration_us: 1,
            output,
            failure: None,
            as_declared: true,
            ended: true,
        }
    }

    fn recording(steps: Vec<StepRecord>) -> Recording {
        Recording {
            experiment: "x".to_owned(),
            planned: steps.len(),
            steps,
            end: End::Completed,
            duration_us: 1,
            leftovers: Vec::new(),
        }
    }

    fn uts(raw: u32) -> Output {
        let mut output = Output::nothing();
        output.text("uts:").identity("uts", raw).text("\n");
        output
    }

    #[test]
    fn identities_are_named_by_order_of_appearance_across_steps() {
        let transcript = transcribe(&recording(vec![
            step(0, 0, "readlink a", uts(7)),
            step(1, 1, "readlink a", uts(9)),
            step(2, 0, "readlink a", uts(7)),
        ]));
        assert_eq!(
            transcript.text,
            "# readlink a\nuts:[A]\n  # readlink a\n  uts:[B]\n# readlink a\nuts:[A]\n"
        );
        assert_eq!(transcript.spec_lines, [10, 10, 11, 11, 12, 12]);
        assert_eq!(transcript.steps[1].text, "uts:[B]\n");
        assert_eq!(transcript.steps[1].identities, ["uts [B] is 9"]);
    }

    #[test]
    fn a_failure_stands_below_its_line() {
        let mut failed = step(0, 1, "mount -t x", Output::nothing());
        failed.failure = Some(Failure::errno("mount", "merge", Errno::ENODEV));
        let transcript = transcribe(&recording(vec![failed]));
        assert_eq!(
            transcript.text,
            "  # mount -t x\n  mount: ENODEV: no such device\n"
        );
    }

    #[test]
    fn terminal_escapes_in_what_was_observed_are_made_visible() {
        let transcript = transcribe(&recording(vec![step(
            0,
            0,
            "cat a",
            Output::lines(["\u{1b}[31mred"]),
        )]));
        assert_eq!(transcript.text, "# cat a\n\\u{1b}[31mred\n");
    }

    #[test]
    fn there_are_more_names_than_letters() {
        assert_eq!(letters(25), "Z");
        assert_eq!(letters(26), "AA");
    }

    #[test]
    fn a_failure_begins_a_line_below_what_was_printed_before_it() {
        let mut output = Output::nothing();
        output.text("half a line");
        let mut failed = step(0, 0, "cat a", output);
        failed.failure = Some(Failure::errno("read", "a", Errno::EISDIR));
        assert_eq!(
            transcribe(&recording(vec![failed])).text,
            "# cat a\nhalf a line\ncat: EISDIR: is a directory\n"
        );
    }

    #[test]
    fn text_that_a_terminal_shows_stays_as_it_is() {
        let output = Output::lines(["ä\t\"x\" 'y' \\"]);
        let transcript = transcribe(&recording(vec![step(0, 0, "cat a", output)]));
        assert_eq!(transcript.text, "# cat a\nä\t\"x\" 'y' \\\n");
    }
}
