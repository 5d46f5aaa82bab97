//! Text that a person wrote, and errors that point into it.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// A file (or a text inside the binary) together with the name to show for it.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// As the user would name it: the path as given, or `<built-in>/specs/chroot.yaml`.
    pub name: String,
    /// The whole text, UTF-8.
    pub text: String,
}

impl Source {
    /// A source of this name and text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Arc<Self> {
        Arc::new(Self {
            name: name.into(),
            text: text.into(),
        })
    }

    /// A source of the bytes of a file.
    ///
    /// # Errors
    /// They are not UTF-8; the place is that of the first wrong byte.
    pub fn from_utf8(name: impl Into<String>, bytes: Vec<u8>) -> Result<Arc<Self>, SourceError> {
        let name = name.into();
        String::from_utf8(bytes)
            .map(|text| Self::new(name.clone(), text))
            .map_err(|error| {
                let valid = error.utf8_error().valid_up_to();
                let text = String::from_utf8_lossy(error.as_bytes());
                let at = text[..valid].chars().count();
                Self::new(name, text).error(at..at + 1, "not UTF-8 here")
            })
    }

    /// The file at `path`, of which no more than `limit` bytes and one are read: a device or a pipe has no end.
    ///
    /// # Errors
    /// It cannot be read, or is not UTF-8.
    pub fn from_file(path: &Path, limit: usize) -> Result<Arc<Self>, ReadError> {
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(ReadError::Unreadable)?;
        file.take(limit as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(ReadError::Unreadable)?;
        Self::from_utf8(path.to_string_lossy(), bytes).map_err(ReadError::Invalid)
    }

    /// An error at `span`, in characters from the start of the text.
    pub fn error(self: &Arc<Self>, span: Range<usize>, message: impl Into<String>) -> SourceError {
        SourceError {
            source: Arc::clone(self),
            span,
            message: message.into(),
            label: String::new(),
            help: Vec::new(),
        }
    }

    fn byte(&self, character: usize) -> usize {
        self.text
            .char_indices()
            .nth(character)
            .map_or(self.text.len(), |(byte, _)| byte)
    }

    /// Line and column, both from 1, columns in characters.
    fn position(&self, character: usize) -> (usize, usize) {
        let before = &self.text[..self.byte(character)];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        (line, column)
    }
}

/// Why there is no [`Source`].
#[derive(Debug)]
pub enum ReadError {
    /// The file cannot be read.
    Unreadable(std::io::Error),
    /// It is no text.
    Invalid(SourceError),
}

/// What is wrong in a text, where, and what to do about it.
///
/// Displays as `file:line:column: message` followed by the line with a caret below the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceError {
    source: Arc<Source>,
    span: Range<usize>,
    message: String,
    label: String,
    help: Vec<String>,
}

impl SourceError {
    /// Sets the words beside the caret.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Adds a sentence that says what to do.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help.push(help.into());
        self
    }

    /// Adds `did you mean …?` when there is a word that is meant.
    #[must_use]
    pub fn nearest(self, nearest: Option<&str>) -> Self {
        match nearest {
            Some(word) => self.help(format!("did you mean `{word}`?")),
            None => self,
        }
    }

    /// The message alone, without place and excerpt.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// `file:line:column`, both counted from 1.
    #[must_use]
    pub fn place(&self) -> String {
        let (line, column) = self.source.position(self.span.start);
        format!("{}:{line}:{column}", self.source.name)
    }

    /// The error as a person reads it, with colours if the terminal takes them.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        let start = self.source.byte(self.span.start);
        // Behind the end of a line stands its line break, and a caret below that would draw two lines.
        let end = match self.source.text[start..].starts_with('\n') {
            true => start,
            false => self.source.byte(self.span.end),
        };
        let bytes = start..end;
        let snippet = Snippet::source(&self.source.text)
            .path(&self.source.name)
            .annotation(AnnotationKind::Primary.span(bytes).label(&self.label));
        let group = Level::ERROR.primary_title(&self.message).element(snippet);
        let group = self.help.iter().fold(group, |group, help| {
            group.element(Level::HELP.message(help))
        });
        let renderer = if colours {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        renderer.render(&[group])
    }
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for SourceError {}

/// The candidate that `word` most likely means, if one is near enough to offer.
#[must_use]
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= 1 + candidate.chars().count() / 4)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_file_line_and_column_and_draws_a_caret() {
        let source = Source::new("x.yaml", "steps:\n  - mkdr: a\n");
        let error = source
            .error(11..15, "unknown verb `mkdr`")
            .nearest(Some("mkdir"));
        assert_eq!(error.place(), "x.yaml:2:5");
        let text = error.render(false);
        assert!(text.contains("x.yaml:2:5"), "{text}");
        assert!(text.contains("^^^^"), "{text}");
        assert!(text.contains("did you mean `mkdir`?"), "{text}");
    }

    #[test]
    fn columns_count_characters_not_bytes() {
        let source = Source::new("x", "å±b");
        assert_eq!(source.error(2..3, "b").place(), "x:1:3");
    }

    #[test]
    fn the_first_byte_that_is_not_utf8_is_pointed_at() {
        let error = Source::from_utf8("x", b"a\n\xc3\xa9\xff\xff".to_vec()).unwrap_err();
        let shown = Source::new("x", "a\né\u{fffd}\u{fffd}");
        assert_eq!(error, shown.error(3..4, "not UTF-8 here"));
    }

    #[test]
    fn a_place_past_the_end_is_the_end() {
        let source = Source::new("x", "a\n");
        assert_eq!(source.error(9..12, "m").place(), "x:2:1");
        assert!(source.error(9..12, "m").render(false).contains("m"));
    }

    #[test]
    fn only_near_words_are_offered() {
        assert_eq!(nearest("mkdr", ["mkdir", "mount"]), Some("mkdir"));
        assert_eq!(nearest("frobnicate", ["mkdir", "mount"]), None);
    }
}
