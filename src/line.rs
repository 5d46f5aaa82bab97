//! One line of a session: its words, and errors that point at one of them.
//!
//! There is no shell. Words are split on blanks, quotes keep their content together and literal, `{a,b}` outside
//! quotes stands for both words as in a shell, and what only a shell could do is an error.

use std::ops::Range;
use std::str::FromStr;

use crate::source::nearest;

/// A word and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// The word without its quotes.
    pub text: String,
    /// Its place, in characters from the start of the line.
    pub span: Range<usize>,
    /// Whether any part of it was quoted.
    pub quoted: bool,
}

/// What is wrong with a line, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineError {
    /// The place, in characters from the start of the line.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What may stand there, shown beside the caret.
    pub expected: String,
    /// The word that was probably meant.
    pub nearest: Option<String>,
    /// What to do about it.
    pub help: Option<String>,
}

impl LineError {
    /// An error at `span`.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            expected: String::new(),
            nearest: None,
            help: None,
        }
    }

    /// Says what may stand there.
    #[must_use]
    pub fn expected(mut self, expected: impl Into<String>) -> Self {
        self.expected = expected.into();
        self
    }

    /// Offers the one of `candidates` that is nearest to `word`.
    #[must_use]
    pub fn near<'a>(mut self, word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Self {
        self.nearest = nearest(word, candidates).map(str::to_owned);
        self
    }

    /// Says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// Splits a line into words.
///
/// # Errors
/// Control characters, an open quote, and `| ; & $ ( ) * ? < \ `` outside quotes.
pub fn split(line: &str) -> Result<Vec<Word>, LineError> {
    let mut words = Vec::new();
    let mut open: Option<Raw> = None;
    let mut quote: Option<(char, usize)> = None;
    for (at, character) in line.chars().enumerate() {
        if character.is_control() {
            return Err(LineError::new(at..at + 1, "a control character")
                .help("a step is one line of printable text"));
        }
        match (quote, character) {
            (Some((mark, _)), _) if character == mark => quote = None,
            (Some(_), _) => open
                .get_or_insert_with(|| Raw::at(at))
                .push(character, true),
            (None, '\'' | '"') => {
                open.get_or_insert_with(|| Raw::at(at)).quoted = true;
                quote = Some((character, at));
            }
            (None, ' ') => words.extend(open.take().map_or(Ok(Vec::new()), |raw| raw.finish(at))?),
            (None, _) => {
                refuse_shell(character, at)?;
                open.get_or_insert_with(|| Raw::at(at))
                    .push(character, false);
            }
        }
    }
    if let Some((mark, at)) = quote {
        return Err(LineError::new(
            at..at + 1,
            format!("the quote {mark} is not closed"),
        ));
    }
    let end = line.chars().count();
    words.extend(open.map_or(Ok(Vec::new()), |raw| raw.finish(end))?);
    Ok(words)
}

fn refuse_shell(character: char, at: usize) -> Result<(), LineError> {
    let why = match character {
        '|' | ';' | '&' => "one step is one command: write the others as steps of their own",
        '$' | '`' | '(' | ')' => "nothing is substituted: write the value itself",
        '*' | '?' => "nothing is matched: write the names out",
        '<' => "`echo: TEXT > FILE` is the one redirection, and at most is `≤`",
        '\\' => "nothing is escaped: put the word in quotes",
        _ => return Ok(()),
    };
    Err(LineError::new(
        at..at + 1,
        format!("`{character}` is for a shell, and there is none"),
    )
    .expected("not outside quotes")
    .help(why))
}

/// A word while it is read: its characters, and which of them were quoted.
struct Raw {
    start: usize,
    characters: Vec<(char, bool)>,
    quoted: bool,
}

impl Raw {
    fn at(start: usize) -> Self {
        Self {
            start,
            characters: Vec::new(),
            quoted: false,
        }
    }

    fn push(&mut self, character: char, quoted: bool) {
        self.quoted |= quoted;
        self.characters.push((character, quoted));
    }

    fn finish(self, end: usize) -> Result<Vec<Word>, LineError> {
        let span = self.start..end;
        let texts = alternatives(&self.characters).ok_or_else(|| {
            LineError::new(span.clone(), "more than one `{a,b}` in a word")
                .help("write the words out")
        })?;
        let word = |text| Word {
            text,
            span: span.clone(),
            quoted: self.quoted,
        };
        Ok(texts.into_iter().map(word).collect())
    }
}

/// The words that `before{a,b}after` stands for. One group a word is enough, and many would be as many words as 2 to the
/// power of their number: `None`.
fn alternatives(characters: &[(char, bool)]) -> Option<Vec<String>> {
    let text = |part: &[(char, bool)]| part.iter().map(|(c, _)| c).collect::<String>();
    let Some((open, close)) = group(characters, 0) else {
        return Some(vec![text(characters)]);
    };
    if group(characters, close).is_some() {
        return None;
    }
    let (before, after) = (text(&characters[..open]), text(&characters[close + 1..]));
    let parts = characters[open + 1..close].split(|character| *character == (',', false));
    let words = parts.map(|part| format!("{before}{}{after}", text(part)));
    Some(words.collect())
}

/// The places of the braces of the first `{a,b}` outside quotes.
fn group(characters: &[(char, bool)], from: usize) -> Option<(usize, usize)> {
    let mut open = None;
    let mut comma = false;
    for (place, character) in characters.iter().enumerate().skip(from) {
        match (character, open) {
            (('{', false), _) => (open, comma) = (Some(place), false),
            ((',', false), _) => comma = true,
            (('}', false), Some(open)) if comma => return Some((open, place)),
            (('}', false), _) => open = None,
            _ => {}
        }
    }
    None
}

/// The words of a line, read from left to right by a verb's grammar.
#[derive(Debug, Clone)]
pub struct Words<'a> {
    words: &'a [Word],
    next: usize,
    end: usize,
}

impl<'a> Words<'a> {
    /// All words of a line that has `length` characters.
    #[must_use]
    pub fn new(words: &'a [Word], length: usize) -> Self {
        Self {
            words,
            next: 0,
            end: length,
        }
    }

    /// The next word, which stays the next one.
    #[must_use]
    pub fn peek(&self) -> Option<&'a Word> {
        self.words.get(self.next)
    }

    /// Takes the next word, if there is one.
    #[allow(clippy::should_implement_trait)]
    pub fn next(&mut self) -> Option<&'a Word> {
        let word = self.words.get(self.next);
        self.next += usize::from(word.is_some());
        word
    }

    /// Takes all words that are left.
    pub fn rest(&mut self) -> &'a [Word] {
        let rest = &self.words[self.next..];
        self.next = self.words.len();
        rest
    }

    /// Where the next word stands, or the end of the line.
    #[must_use]
    pub fn here(&self) -> Range<usize> {
        self.peek()
            .map_or(self.end..self.end + 1, |word| word.span.clone())
    }

    /// Takes a word of which `what` says what it is.
    ///
    /// # Errors
    /// The line ends here.
    pub fn word(&mut self, what: &str) -> Result<&'a Word, LineError> {
        let here = self.here();
        self.next().ok_or_else(|| {
            LineError::new(here, "the line ends too early").expected(format!("expected {what}"))
        })
    }

    /// Takes a word that is a `T`, of which `what` says what it is.
    ///
    /// # Errors
    /// The line ends here, or the word is no `T`.
    pub fn value<T>(&mut self, what: &str) -> Result<T, LineError>
    where
        T: FromStr,
        T::Err: std::fmt::Display,
    {
        let word = self.word(what)?;
        word.text.parse().map_err(|error: T::Err| {
            LineError::new(word.span.clone(), format!("`{}`: {error}", word.text))
                .expected(format!("expected {what}"))
        })
    }

    /// Takes the next word if it is `keyword`.
    pub fn take(&mut self, keyword: &str) -> bool {
        let found = self.peek().is_some_and(|word| word.text == keyword);
        self.next += usize::from(found);
        found
    }

    /// Takes a word that must be one of `keywords` and gives that one.
    ///
    /// # Errors
    /// The line ends here, or another word stands here.
    pub fn keyword(&mut self, keywords: &[&'static str]) -> Result<&'static str, LineError> {
        let expected = one_of(keywords);
        let word = self.word(&expected)?;
        keywords
            .iter()
            .find(|keyword| **keyword == word.text)
            .copied()
            .ok_or_else(|| {
                LineError::new(
                    word.span.clone(),
                    format!("`{}` is not known here", word.text),
                )
                .expected(format!("expected {expected}"))
                .near(&word.text, keywords.iter().copied())
            })
    }

    /// Checks that the line ends here.
    ///
    /// # Errors
    /// There is another word.
    pub fn end(&self) -> Result<(), LineError> {
        match self.peek() {
            Some(word) => Err(LineError::new(
                word.span.clone(),
                format!("`{}` is one word too many", word.text),
            )
            .expected("expected the end of the line")),
            None => Ok(()),
        }
    }
}

/// `a`, `b` or `c`.
#[must_use]
pub fn one_of(words: &[&str]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [one] => format!("`{one}`"),
        [first @ .., last] => {
            let first: Vec<_> = first.iter().map(|word| format!("`{word}`")).collect();
            format!("{} or `{last}`", first.join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(line: &str) -> Vec<String> {
        split(line)
            .unwrap()
            .into_iter()
            .map(|word| word.text)
            .collect()
    }

    #[test]
    fn words_are_split_on_blanks_and_quotes_are_literal() {
        assert_eq!(texts("Hello,  a > x"), ["Hello,", "a", ">", "x"]);
        assert_eq!(texts("'a b' c\"d|e\""), ["a b", "cd|e"]);
        assert_eq!(texts(""), Vec::<String>::new());
        assert_eq!(texts("''"), [""]);
        let quoted = |line| split(line).unwrap()[0].quoted;
        assert!(quoted("'a'b") && quoted("a'b'") && !quoted("ab"));
    }

    #[test]
    fn braces_are_expanded_as_in_a_shell() {
        assert_eq!(texts("-p root/{bin,lib}"), ["-p", "root/bin", "root/lib"]);
        assert_eq!(texts("{a}x{b,c,}"), ["{a}xb", "{a}xc", "{a}x"]);
        assert!(split(&"{a,b}".repeat(400)).is_err());
        assert_eq!(texts("{a} '{b,c}' {d"), ["{a}", "{b,c}", "{d"]);
        assert_eq!(texts("{a},b}"), ["{a},b}"]);
    }

    #[test]
    fn what_needs_a_shell_is_refused_where_it_stands() {
        for (line, at) in [
            ("a | b", 2),
            ("echo $x", 5),
            ("a;", 1),
            ("ls *", 3),
            ("(a)", 0),
            ("a `b`", 2),
            ("a &", 2),
            ("cat < a", 4),
            ("a\\ b", 1),
            ("ls a?", 4),
            ("a\tb", 1),
            ("pwd 'open", 4),
        ] {
            assert_eq!(split(line).unwrap_err().span, at..at + 1, "{line}");
        }
        assert!(split("'| ; & $ ( ) *'").is_ok());
        assert!(split("'open").unwrap_err().message.contains("not closed"));
        assert!(split("a\tb").is_err());
        assert!(split("a\u{1b}b").is_err());
    }

    #[test]
    fn a_grammar_reads_words_and_points_at_the_wrong_one() {
        let line = "link ad x";
        let words = split(line).unwrap();
        let mut words = Words::new(&words, line.chars().count());
        assert_eq!(words.keyword(&["link", "address"]).unwrap(), "link");
        let error = words.keyword(&["add", "set"]).unwrap_err();
        assert_eq!(error.span, 5..7);
        assert_eq!(error.nearest.as_deref(), Some("add"));
        assert_eq!(error.expected, "expected `add` or `set`");
    }

    #[test]
    fn a_line_that_ends_early_points_behind_its_end() {
        let mut words = Words::new(&[], 3);
        assert_eq!(words.word("a name").unwrap_err().span, 3..4);
    }
}
