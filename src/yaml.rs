//! The part of YAML that specs and policies use: scalars, sequences and mappings, each with its place.
//!
//! Anchors, aliases, tags, merge keys and duplicate keys are refused here, so that no reader has to think of them.

mod typed;

use std::ops::Range;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, Span};

use crate::source::{Source, SourceError};
pub use typed::Fields;

/// How deep collections may nest: a spec needs 2 levels an `inside`.
const DEPTH_LIMIT: usize = 32;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// The place, in characters from the start of the file; of a collection only its first character.
    pub span: Range<usize>,
    /// The line it starts on, from 1.
    pub line: usize,
    /// What it is.
    pub value: Value,
}

/// What a node holds.
#[derive(Debug, Clone)]
pub enum Value {
    /// A scalar as text. `null` and an empty value are both the empty text.
    Scalar(String),
    /// A list.
    Sequence(Vec<Node>),
    /// Keys in the order of the file.
    Mapping(Vec<(Node, Node)>),
}

impl Node {
    /// The text of a scalar.
    #[must_use]
    pub fn as_scalar(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// What it is, for an error message.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::Scalar(_) => "a single value",
            Value::Sequence(_) => "a list",
            Value::Mapping(_) => "a mapping",
        }
    }
}

/// Reads one YAML document.
///
/// # Errors
/// Malformed YAML, and everything that this module's first lines say is refused.
pub fn parse(source: &Arc<Source>) -> Result<Node, SourceError> {
    let mut reader = Reader {
        source,
        events: Parser::new_from_str(&source.text),
    };
    reader.document()
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    events: Parser<'a, saphyr_parser::StrInput<'a>>,
}

impl<'a> Reader<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), SourceError> {
        match self.events.next_event() {
            Some(Ok(next)) => Ok(next),
            Some(Err(error)) => {
                let at = error.marker().index();
                Err(self.malformed(at, error.info()))
            }
            None => Err(self.source.error(0..0, "the file ends too early")),
        }
    }

    fn malformed(&self, at: usize, info: &str) -> SourceError {
        let message = format!("not valid YAML: {info}");
        let error = self.source.error(at..at + 1, message);
        let error = if info.contains("trailing content") {
            error.help("a line that begins with a quote: quote the whole line as well")
        } else {
            error
        };
        match self.first_tab() {
            Some(tab) => self
                .source
                .error(tab..tab + 1, "a tab in the indentation")
                .help("YAML indents by blanks: replace the tab"),
            None => error,
        }
    }

    /// YAML's own message for a tab that indents names neither the tab nor its place.
    fn first_tab(&self) -> Option<usize> {
        let mut start = 0;
        for line in self.source.text.split('\n') {
            let blank = line.chars().take_while(|c| c.is_whitespace());
            if let Some(tab) = blank.clone().position(|c| c == '\t') {
                return Some(start + tab);
            }
            start += line.chars().count() + 1;
        }
        None
    }

    fn document(&mut self) -> Result<Node, SourceError> {
        self.next()?;
        let (event, _) = self.next()?;
        if matches!(event, Event::StreamEnd) {
            return Err(self.source.error(0..0, "the file is empty"));
        }
        let first = self.next()?;
        let node = self.node(first, 0)?;
        self.next()?;
        let (event, span) = self.next()?;
        if !matches!(event, Event::StreamEnd) {
            return Err(self
                .source
                .error(place(&span), "a second document in one file")
                .help("write one file for each, without `---` between them"));
        }
        Ok(node)
    }

    fn node(
        &mut self,
        (event, span): (Event<'a>, Span),
        depth: usize,
    ) -> Result<Node, SourceError> {
        if depth > DEPTH_LIMIT {
            return Err(self.source.error(place(&span), "nested too deep"));
        }
        let (anchor, tag) = match &event {
            Event::Scalar(_, _, anchor, tag)
            | Event::SequenceStart(anchor, tag)
            | Event::MappingStart(anchor, tag) => (*anchor, tag.is_some()),
            _ => (0, false),
        };
        if anchor != 0 || tag || matches!(event, Event::Alias(_)) {
            return Err(self
                .source
                .error(place(&span), "anchors, aliases and tags are not allowed")
                .help("write the value out; quote it if it begins with `&`, `*` or `!`"));
        }
        let line = span.start.line();
        match event {
            Event::Scalar(text, style, ..) => Ok(scalar(&text, style, &span)),
            Event::SequenceStart(..) => Ok(Node {
                span: place(&span),
                line,
                value: Value::Sequence(self.sequence(depth)?),
            }),
            Event::MappingStart(..) => Ok(Node {
                span: place(&span),
                line,
                value: Value::Mapping(self.mapping(depth)?),
            }),
            _ => Err(self.source.error(place(&span), "not valid YAML here")),
        }
    }

    fn sequence(&mut self, depth: usize) -> Result<Vec<Node>, SourceError> {
        let mut items = Vec::new();
        loop {
            let next = self.next()?;
            if matches!(next.0, Event::SequenceEnd) {
                return Ok(items);
            }
            items.push(self.node(next, depth + 1)?);
        }
    }

    fn mapping(&mut self, depth: usize) -> Result<Vec<(Node, Node)>, SourceError> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        loop {
            let next = self.next()?;
            if matches!(next.0, Event::MappingEnd) {
                return Ok(entries);
            }
            let key = self.node(next, depth + 1)?;
            self.check_key(&key, &entries)?;
            let next = self.next()?;
            let value = self.node(next, depth + 1)?;
            entries.push((key, value));
        }
    }

    fn check_key(&self, key: &Node, earlier: &[(Node, Node)]) -> Result<(), SourceError> {
        let Some(text) = key.as_scalar() else {
            return Err(self.source.error(
                key.span.clone(),
                format!("a key must be a word, this is {}", key.kind()),
            ));
        };
        if text == "<<" {
            return Err(self
                .source
                .error(key.span.clone(), "merge keys are not allowed"));
        }
        match earlier
            .iter()
            .find(|(other, _)| other.as_scalar() == Some(text))
        {
            Some((other, _)) => Err(self
                .source
                .error(key.span.clone(), format!("duplicate key `{text}`"))
                .help(format!(
                    "it stands on line {} already; remove one",
                    other.line
                ))),
            None => Ok(()),
        }
    }
}

fn scalar(text: &str, style: ScalarStyle, span: &Span) -> Node {
    let plain = style == ScalarStyle::Plain;
    let null = plain && matches!(text, "" | "~" | "null");
    // A quoted scalar's place is that of its text, so that words in it are found by counting from there.
    let quotes = usize::from(matches!(
        style,
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted
    ));
    let (start, end) = (
        span.start.index() + quotes,
        span.end.index().max(quotes) - quotes,
    );
    Node {
        span: start..end.max(start),
        line: span.start.line(),
        value: Value::Scalar(if null { String::new() } else { text.to_owned() }),
    }
}

fn place(span: &Span) -> Range<usize> {
    span.start.index()..span.start.index() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> String {
        parse(&Source::new("t.yaml", text)).unwrap_err().to_string()
    }

    #[test]
    fn places_are_those_of_the_text() {
        let source = Source::new("t", "a: b\nsteps:\n  - 'x y'\n");
        let node = parse(&source).unwrap();
        assert_eq!(node.span, 0..1);
        let Value::Mapping(entries) = node.value else {
            panic!("a mapping")
        };
        assert_eq!(
            (&entries[0].1.span, &entries[1].1.span),
            (&(3..4), &(14..15))
        );
        let Value::Sequence(steps) = &entries[1].1.value else {
            panic!("a list")
        };
        assert_eq!((steps[0].span.clone(), steps[0].line), (17..20, 3));
    }

    #[test]
    fn what_specs_do_not_use_is_refused_with_its_place() {
        for (text, message, at) in [
            ("a: &x b\n", "anchors", "t.yaml:1:"),
            ("a: 1\nb: *a\n", "", "t.yaml:2:"),
            ("a: !!str b\n", "tags", "t.yaml:1:"),
            ("a: 1\na: 2\n", "duplicate key `a`", "t.yaml:2:1"),
            ("<<: {a: 1}\n", "merge keys", "t.yaml:1:1"),
            ("a:\n\t- b\n", "a tab", "t.yaml:2:1"),
            ("a: 1\n---\nb: 2\n", "second document", "t.yaml:2:1"),
            ("", "empty", "t.yaml:1:1"),
            ("a: [b\n", "not valid YAML", "t.yaml:"),
            ("a: b\nc: x\n\t- b\n", "a tab", "t.yaml:3:1"),
            ("a:\n  b: x\n \tc: y\n", "a tab", "t.yaml:3:2"),
        ] {
            let error = error(text);
            assert!(error.contains(message), "{text:?}: {error}");
            assert!(error.contains(at), "{text:?}: {error}");
        }
    }

    #[test]
    fn malformed_yaml_is_pointed_at_by_one_character() {
        let source = Source::new("t.yaml", "a: b: c\n");
        let error = parse(&source).unwrap_err();
        assert_eq!(error, source.error(4..5, error.message()));
    }

    #[test]
    fn deep_nesting_is_an_error_not_a_stack_overflow() {
        let nested = |depth| format!("{}x{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(&Source::new("t.yaml", nested(DEPTH_LIMIT))).is_ok());
        assert!(error(&nested(DEPTH_LIMIT + 1)).contains("nested too deep"));
        let mapped = |depth| format!("{}x{}", "{a: ".repeat(depth), "}".repeat(depth));
        assert!(parse(&Source::new("t.yaml", mapped(DEPTH_LIMIT))).is_ok());
        assert!(error(&mapped(DEPTH_LIMIT + 1)).contains("nested too deep"));
        let keys = |depth| format!("{}x{}", "{".repeat(depth), "}".repeat(depth));
        assert!(error(&keys(DEPTH_LIMIT)).contains("a key must be a word"));
        assert!(error(&keys(DEPTH_LIMIT + 1)).contains("nested too deep"));
        error(&"[".repeat(100_000));
        error(&"- ".repeat(100_000));
    }
}
