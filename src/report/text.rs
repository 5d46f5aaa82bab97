//! Words and texts that several reports show alike.

use std::fmt::Write as _;
use std::io;

use serde::Serialize;

use crate::compare::is_unseen;
use crate::results::Experiment;

/// The number and what is counted: `1 step`, `2 steps`.
#[must_use]
pub fn number_of(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// The text with everything visible that would control a terminal, turn the direction of what follows, end a line
/// elsewhere than at `\n`, or is no character of XML 1.0. Line breaks and tabs stay.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            _ if character.is_control() || is_unseen(character) => {
                shown.extend(character.escape_unicode());
            }
            _ => shown.push(character),
        }
    }
    shown
}

/// The same, on one line.
#[must_use]
pub fn one_line(text: &str) -> String {
    printable(text).replace('\n', "\\n").replace('\t', " ")
}

/// JSON, with everything escaped that could do something where it is shown.
///
/// # Errors
/// The value has no form in JSON.
pub fn json(value: &impl Serialize) -> io::Result<String> {
    let mut text = String::new();
    for character in serde_json::to_string_pretty(value)?.chars() {
        match character {
            '\n' => text.push(character),
            // Only in a string there can be such a character, and all of them have four digits.
            _ if character.is_control() || is_unseen(character) => {
                let _ = write!(text, "\\u{:04x}", u32::from(character));
            }
            _ => text.push(character),
        }
    }
    Ok(text + "\n")
}

/// Why an experiment did not pass, for people: the reason, what is known of its cause, its waiver, and the diff.
#[must_use]
pub fn why(experiment: &Experiment) -> String {
    let mut text = String::new();
    if let Some(reason) = &experiment.reason {
        let _ = writeln!(text, "{}", printable(&reason.text));
        for (label, fact) in reason.explanation() {
            let _ = writeln!(text, "{label} {}", printable(fact));
        }
    }
    if let Some(waiver) = &experiment.waiver {
        let _ = writeln!(text, "{}", printable(&waiver.sentence(&experiment.id)));
    }
    if let Some(diff) = &experiment.diff {
        let _ = write!(text, "\n{}", diff.plain());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thing_is_one() {
        assert_eq!(number_of(0, "step"), "0 steps");
        assert_eq!(number_of(1, "step"), "1 step");
    }

    #[test]
    fn what_would_control_a_terminal_is_shown() {
        let text = printable("a\u{1b}[2Jb\r\u{9b}\u{202e}\tä\n\0\u{ffff}");
        assert_eq!(
            text,
            "a\\u{1b}[2Jb\\u{d}\\u{9b}\\u{202e}\tä\n\\u{0}\\u{ffff}"
        );
        assert_eq!(one_line("a\nb\tc\r"), "a\\nb c\\u{d}");
    }
}
