//! What a reader of specs or policies expects of a node, with an error at its place when it is something else.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use super::{Node, Value};
use crate::line::{LineError, Words, split};
use crate::source::{Source, SourceError, nearest};

/// The longest line, in characters.
const LINE_LIMIT: usize = 2000;

/// The longest time limit.
const TIMEOUT_LIMIT: Duration = Duration::from_secs(600);

/// The keys of a mapping, each once, with the nodes of key and value.
pub struct Fields<'n>(Vec<(&'n str, &'n Node, &'n Node)>);

impl<'n> Fields<'n> {
    /// The value of a key.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&'n Node> {
        let field = self.0.iter().find(|(key, ..)| *key == name);
        field.map(|(_, _, value)| *value)
    }

    /// Key, the key's node and the value's node, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&'n str, &'n Node, &'n Node)> {
        self.0.iter().copied()
    }

    /// Refuses a key that is not in `keys`.
    ///
    /// # Errors
    /// There is one.
    pub fn only(&self, source: &Arc<Source>, keys: &[&str]) -> Result<(), SourceError> {
        match self.0.iter().find(|(name, ..)| !keys.contains(name)) {
            None => Ok(()),
            Some((name, key, _)) => Err(key
                .error(source, format!("unknown key `{name}`"))
                .label(format!("expected one of {}", keys.join(", ")))
                .nearest(nearest(name, keys.iter().copied()))),
        }
    }
}

impl Node {
    /// An error at its place.
    pub fn error(&self, source: &Arc<Source>, message: impl Into<String>) -> SourceError {
        source.error(self.span.clone(), message)
    }

    /// The keys of a mapping.
    ///
    /// # Errors
    /// It is no mapping.
    pub fn fields(&self, source: &Arc<Source>, what: &str) -> Result<Fields<'_>, SourceError> {
        let Value::Mapping(entries) = &self.value else {
            let message = format!("{what} is a mapping, this is {}", self.kind());
            return Err(self.error(source, message));
        };
        let field = |(key, value)| (Node::as_scalar(key).unwrap_or_default(), key, value);
        let pairs = entries.iter().map(|(key, value)| (key, value));
        Ok(Fields(pairs.map(field).collect()))
    }

    /// The items of a list.
    ///
    /// # Errors
    /// It is no list.
    pub fn items(&self, source: &Arc<Source>, what: &str) -> Result<&[Node], SourceError> {
        match &self.value {
            Value::Sequence(items) => Ok(items),
            _ => Err(self.error(source, format!("{what} is a list, this is {}", self.kind()))),
        }
    }

    /// One line of text that is not empty.
    ///
    /// # Errors
    /// It is empty, of several lines, or no text.
    pub fn text(&self, source: &Arc<Source>, what: &str) -> Result<&str, SourceError> {
        match self.as_scalar() {
            Some("") => Err(self.error(source, format!("{what} is missing here"))),
            Some(text) if text.chars().any(char::is_control) => {
                Err(self.error(source, format!("{what} is one line")))
            }
            Some(text) => Ok(text),
            None => {
                let message = format!("{what} is one line of text, this is {}", self.kind());
                Err(self.error(source, message))
            }
        }
    }

    /// A time limit such as `500ms` or `5s`.
    ///
    /// # Errors
    /// It is none, or longer than ten minutes.
    pub fn time_limit(&self, source: &Arc<Source>) -> Result<Duration, SourceError> {
        let text = self.text(source, "a time limit")?;
        let digits = |c: char| !c.is_ascii_digit();
        let (number, unit) = text.split_at(text.find(digits).unwrap_or(text.len()));
        let number = number.parse::<u64>().ok();
        let milliseconds = match unit {
            "ms" => number,
            "s" => number.and_then(|seconds| seconds.checked_mul(1000)),
            _ => None,
        };
        milliseconds
            .map(Duration::from_millis)
            .filter(|limit| !limit.is_zero() && *limit <= TIMEOUT_LIMIT)
            .ok_or_else(|| {
                self.error(source, format!("`{text}` is not a time limit"))
                    .label("expected for example 500ms or 5s, at most 600s")
            })
    }

    /// The words of a scalar as `parse` reads them; errors point at the word where that is possible.
    ///
    /// # Errors
    /// It is too long for a line, or not what `parse` expects.
    pub fn words<T>(
        &self,
        source: &Arc<Source>,
        parse: impl FnOnce(&mut Words<'_>) -> Result<T, LineError>,
    ) -> Result<T, SourceError> {
        let text = self.as_scalar().unwrap_or_default();
        let length = text.chars().count();
        if length > LINE_LIMIT {
            let message = format!("a line of more than {LINE_LIMIT} characters");
            return Err(self.error(source, message));
        }
        let read = split(text).and_then(|words| parse(&mut Words::new(&words, length)));
        read.map_err(|error| {
            let found = source
                .error(self.place(length, &error.span), error.message)
                .label(error.expected)
                .nearest(error.nearest.as_deref());
            error.help.into_iter().fold(found, SourceError::help)
        })
    }

    /// A scalar that is written with escapes or over several lines has other places than its text.
    fn place(&self, length: usize, span: &Range<usize>) -> Range<usize> {
        match self.span.len() == length {
            true => self.span.start + span.start..self.span.start + span.end,
            false => self.span.clone(),
        }
    }
}
