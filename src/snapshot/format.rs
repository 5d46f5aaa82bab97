//! Snapshot text to snapshot, and back.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use super::{Snapshot, Stored, normalise};
use crate::digest::sha256;
use crate::source::{Source, SourceError};
use crate::yaml::{self, Node, Value};

/// The line above and below the header.
const FENCE: &str = "---";

const RESTORE: &str =
    "restore it from version control; or delete it, run the experiment and review what it shows";

/// Reads the text of a snapshot file.
///
/// # Errors
/// Everything that is not a text snapshot with a finished header, and what git leaves when it could not merge.
pub fn parse(source: &Arc<Source>) -> Result<Stored, SourceError> {
    refuse_conflict(source)?;
    let (header, contents) = split(source)?;
    let (origin, description) = read_header(source, header)?;
    Ok(Stored {
        name: source.name.clone(),
        sha256: sha256(source.text.as_bytes()),
        first_line: header.matches('\n').count() + 2,
        snapshot: Snapshot::new(origin, description, contents),
    })
}

/// Writes a snapshot byte for byte as `cargo insta accept` leaves it.
#[must_use]
pub fn render(snapshot: &Snapshot) -> String {
    // `cargo insta test --unreferenced` takes a file for a snapshot only when its second line begins with `source:`.
    let mut text = format!("{FENCE}\nsource: {}\n", scalar(&snapshot.source));
    if !snapshot.description.is_empty() {
        let _ = writeln!(text, "description: {}", scalar(&snapshot.description));
    }
    let _ = writeln!(text, "{FENCE}\n{}", normalise(&snapshot.contents));
    text
}

/// Finds `<<<<<<<`, `=======` and `>>>>>>>` in this order: one of them alone may be what a program printed.
fn refuse_conflict(source: &Arc<Source>) -> Result<(), SourceError> {
    let mut awaited = ["<<<<<<< ", "=======", ">>>>>>> "].into_iter().peekable();
    let mut first = None;
    for (index, line) in source.text.lines().enumerate() {
        if awaited.next_if(|marker| line.starts_with(marker)).is_some() {
            first.get_or_insert(index + 1);
        }
    }
    match (first, awaited.peek()) {
        (Some(line), None) => Err(source
            .error(place(source, line), "git conflict markers")
            .label("an unfinished merge begins here")
            .help("keep one of the two sides and remove the markers, or delete the file, run the experiment and review what it shows")),
        _ => Ok(()),
    }
}

/// The header with its first fence, and the contents.
fn split(source: &Arc<Source>) -> Result<(&str, &str), SourceError> {
    let mut lines = source.text.split_inclusive('\n');
    let first = lines.next().unwrap_or("");
    if first.trim_end() != FENCE {
        return Err(no_header(source, first));
    }
    let mut end = first.len();
    for line in lines {
        if line.trim_end() == FENCE {
            return Ok((&source.text[..end], &source.text[end + line.len()..]));
        }
        end += line.len();
    }
    Err(source
        .error(place(source, 1), "the header has no end")
        .label("it begins here, and no second `---` follows")
        .help(RESTORE))
}

fn no_header(source: &Arc<Source>, first: &str) -> SourceError {
    let error = |message: &str| source.error(place(source, 1), message);
    if source.text.trim().is_empty() {
        return error("the snapshot is empty").help(RESTORE);
    }
    if first.starts_with('\u{feff}') {
        return error("a byte order mark before the header")
            .help("save the file as UTF-8 without a byte order mark");
    }
    if ["created: ", "creator: ", "source: ", "expression: "]
        .iter()
        .any(|key| first.to_lowercase().starts_with(key))
    {
        return error("a snapshot in insta's first format, which had no `---`")
            .help("`cargo insta test --force-update-snapshots --accept` rewrites it")
            .help(RESTORE);
    }
    error("no header")
        .label("the first line must be `---`")
        .help(RESTORE)
}

/// The values of `source` and `description`.
fn read_header(source: &Arc<Source>, header: &str) -> Result<(String, String), SourceError> {
    // A prefix of the file, so places in it are places in the file.
    let node = yaml::parse(&Source::new(source.name.clone(), header))?;
    let Value::Mapping(entries) = &node.value else {
        return Err(source
            .error(place(source, 1), "the header holds no keys")
            .help(RESTORE));
    };
    let (mut origin, mut description) = (String::new(), String::new());
    for (key, value) in entries {
        match key.as_scalar() {
            Some("source") => origin = text_of(source, value)?,
            Some("description") => description = text_of(source, value)?,
            Some("snapshot_kind") if value.as_scalar() == Some("binary") => {
                return Err(source
                    .error(value.span.clone(), "a binary snapshot")
                    .label("a transcript is text")
                    .help("delete it, run the experiment and review what it shows"));
            }
            // insta has more keys (`expression`, `info`, ...), and will have others; none changes what is compared.
            _ => {}
        }
    }
    Ok((origin, description))
}

fn text_of(source: &Arc<Source>, value: &Node) -> Result<String, SourceError> {
    let message = || format!("this must be text, and is {}", value.kind());
    let text = value.as_scalar().map(str::to_owned);
    text.ok_or_else(|| source.error(value.span.clone(), message()))
}

/// The characters of a line, counted from 1, without its end.
fn place(source: &Source, line: usize) -> Range<usize> {
    let mut lines = source.text.split('\n');
    let before = lines.by_ref().take(line - 1);
    let start = before.map(|line| line.chars().count() + 1).sum();
    let length = lines.next().unwrap_or("").trim_end().chars().count();
    start..start + length
}

/// A YAML scalar that reads as this text, quoted where insta quotes.
fn scalar(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => quoted.extend(['\\', character]),
            '\t' => quoted.push_str("\\t"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\u{8}' => quoted.push_str("\\b"),
            '\u{c}' => quoted.push_str("\\f"),
            _ if is_hidden(character) => {
                let _ = write!(quoted, "\\u{:04x}", u32::from(character));
            }
            _ => quoted.push(character),
        }
    }
    quoted.push('"');
    quoted
}

/// Whether the text may stand without quotes: `need_quotes` of insta's YAML emitter, negated.
///
/// Hidden characters and octal numbers are quoted in addition: insta does not read back what it writes of them.
fn is_plain(text: &str) -> bool {
    const WORDS: [&str; 22] = [
        "yes", "Yes", "YES", "no", "No", "NO", "True", "TRUE", "true", "False", "FALSE", "false",
        "on", "On", "ON", "off", "Off", "OFF", "null", "Null", "NULL", "~",
    ];
    !text.is_empty()
        && !text.starts_with([
            ' ', '&', '*', '?', '|', '-', '<', '>', '=', '!', '%', '@', '.',
        ])
        && !text.ends_with(' ')
        && !text.contains([':', '{', '}', '[', ']', ',', '#', '`', '"', '\'', '\\'])
        && !text.contains(is_hidden)
        && !WORDS.contains(&text)
        && !text.starts_with("0x")
        && !text.starts_with("0o")
        && text.parse::<i64>().is_err()
        && text.parse::<f64>().is_err()
}

/// Control characters, line and paragraph separator, byte order mark, and the two that are no characters.
fn is_hidden(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
        )
}

#[cfg(test)]
mod tests;
