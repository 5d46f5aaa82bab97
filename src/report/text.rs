//! Words and texts that several reports show alike.

/// The number and what is counted: `1 step`, `2 steps`.
#[must_use]
pub fn number_of(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

/// The text with everything visible that would control a terminal, or turn the direction of what follows. Line breaks
/// and tabs stay.
#[must_use]
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' | '\t' => shown.push(character),
            _ if character.is_control() || turns_direction(character) => {
                shown.extend(character.escape_unicode());
            }
            _ => shown.push(character),
        }
    }
    shown
}

/// The explicit formatting characters of the Unicode Bidirectional Algorithm (UAX 9, section 2).
fn turns_direction(character: char) -> bool {
    matches!(character, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
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
        let text = printable("a\u{1b}[2Jb\r\u{9b}\u{202e}\tä\n\0");
        assert_eq!(text, "a\\u{1b}[2Jb\\u{d}\\u{9b}\\u{202e}\tä\n\\u{0}");
    }
}
