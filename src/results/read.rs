//! Results files: read whole, or refused with the place that is wrong.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::Results;
use crate::source::{Source, SourceError, nearest};

/// In bytes. A results file has some 5 KiB an experiment; a device or a pipe has no end.
const LIMIT: u64 = 256 << 20;

/// Why there are no results in a file.
#[derive(Debug)]
pub enum ReadError {
    /// The system refused to read it.
    File(PathBuf, io::Error),
    /// It should hold results, and something is wrong with them.
    Malformed(Box<SourceError>),
    /// It holds a JSON object that names no schema: host facts, a statement.
    Other(Box<SourceError>),
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path, error) => write!(f, "error: cannot read {}: {error}", path.display()),
            Self::Malformed(error) | Self::Other(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for ReadError {}

impl From<SourceError> for ReadError {
    fn from(error: SourceError) -> Self {
        Self::Malformed(Box::new(error))
    }
}

/// Reads a results file; `-` is standard input.
///
/// # Errors
/// It cannot be read, or does not hold results of the schema that this program knows.
pub fn read(path: &Path) -> Result<Results, ReadError> {
    let unreadable = |error| ReadError::File(path.to_owned(), error);
    let (name, bytes) = match path.to_str() {
        Some("-") => ("<stdin>".into(), read_limited(io::stdin(), LIMIT)),
        _ => (
            path.to_string_lossy(),
            File::open(path).and_then(|file| read_limited(file, LIMIT)),
        ),
    };
    let source = Source::from_utf8(name, bytes.map_err(unreadable)?)
        .map_err(|error| error.help("a results file is what `verify run -r json=FILE` writes"))?;
    parse(&source).map_err(|error| match names_a_schema(&source) {
        Some(false) => ReadError::Other(Box::new(error)),
        _ => error.into(),
    })
}

/// Whether an object has the key that every version of the results has; `None` where there is no object.
fn names_a_schema(source: &Source) -> Option<bool> {
    let object: HashMap<String, IgnoredAny> = serde_json::from_str(&source.text).ok()?;
    Some(object.contains_key("schema"))
}

fn read_limited(file: impl Read, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > limit {
        true => Err(io::Error::other(format!("larger than {} MiB", limit >> 20))),
        false => Ok(bytes),
    }
}

/// Reads the text of a results file.
///
/// # Errors
/// It does not hold results of the schema that this program knows.
pub fn parse(source: &Arc<Source>) -> Result<Results, SourceError> {
    let results: Results = serde_json::from_str(&source.text).map_err(|error| {
        let what = error.to_string();
        let what = what.split(" at line ").next().unwrap_or_default();
        other_schema(source).unwrap_or_else(|| match error.classify() {
            serde_json::error::Category::Data => not_results(source, &error, what),
            _ => source
                .error(place(source, &error), format!("no JSON: {what}"))
                .help("the file is incomplete or damaged: write it again with `verify run -r json=FILE`"),
        })
    })?;
    match twice(&results) {
        Some(id) => Err(same_name(source, id)),
        None => Ok(results),
    }
}

/// A name that two experiments have: a link, a metric and a test case would then mean both.
fn twice(results: &Results) -> Option<&str> {
    let mut names = HashSet::new();
    let mut ids = results.experiments.iter().map(|one| one.id.as_str());
    ids.find(|id| !names.insert(*id))
}

fn same_name(source: &Arc<Source>, id: &str) -> SourceError {
    let name = serde_json::Value::from(id).to_string();
    let at = source.text.rfind(&name).unwrap_or(0);
    let start = source.text[..at].chars().count();
    source
        .error(
            start..start + name.chars().count(),
            "two experiments of one name",
        )
        .help("`verify merge` shows the results of several runs together")
}

/// The text is JSON, and of this schema as it says, but not quite.
fn not_results(source: &Arc<Source>, error: &serde_json::Error, what: &str) -> SourceError {
    let (what, expected) = what.split_once(", expected ").unwrap_or((what, ""));
    let names = expected.split('`').skip(1).step_by(2);
    let given = what.split('`').nth(1).unwrap_or_default();
    let place = place(source, error);
    let error = source.error(place, format!("not {}: {what}", super::SCHEMA));
    match nearest(given, names) {
        Some(name) => error.nearest(Some(name)),
        None => error.help("`verify schema results` prints what a results file holds"),
    }
}

/// What every version of the schema has in common.
#[derive(Deserialize)]
struct Head<'a> {
    schema: &'a str,
}

/// The error for a file of another schema.
fn other_schema(source: &Arc<Source>) -> Option<SourceError> {
    let schema = serde_json::from_str::<Head<'_>>(&source.text).ok()?.schema;
    if schema == super::SCHEMA {
        return None;
    }
    let start = source.text[..source.text.find(schema)?].chars().count();
    let error = source.error(
        start..start + schema.chars().count(),
        format!("a file of the schema `{schema}`"),
    );
    let error = error.label(format!("this program reads {}", super::SCHEMA));
    Some(match schema.starts_with("verify.results/") {
        true => error.help("a newer verify wrote it, so a newer one reads it"),
        false => error.help("a results file is what `verify run -r json=FILE` writes"),
    })
}

/// serde_json counts lines from 1 and bytes within the line, to the one behind which it stopped.
fn place(source: &Source, error: &serde_json::Error) -> std::ops::Range<usize> {
    let lines = source.text.split_inclusive('\n');
    let before: usize = lines
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    let at = before + error.column().saturating_sub(1);
    let start = source
        .text
        .char_indices()
        .take_while(|(byte, _)| *byte < at)
        .count();
    start..start + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../fixtures/results/hostile.json");

    fn error(text: &str) -> String {
        parse(&Source::new("r.json", text)).unwrap_err().to_string()
    }

    fn expect(text: &str, words: &[&str]) {
        let error = error(text);
        for word in words {
            assert!(error.contains(word), "`{word}` is not in:\n{error}");
        }
    }

    #[test]
    fn a_file_is_read_up_to_the_limit() {
        let read = |bytes: &[u8]| read_limited(bytes, 3).ok();
        assert_eq!(read(b"abc").as_deref(), Some(&b"abc"[..]));
        assert_eq!(read(b"abcd"), None);
        let error = read_limited(io::repeat(b' '), 1 << 20).unwrap_err();
        assert_eq!(error.to_string(), "larger than 1 MiB");
    }

    #[test]
    fn what_is_no_json_is_pointed_at() {
        expect("", &["r.json:1:1", "no JSON: EOF"]);
        expect(
            "{\n  \"schema\": \"verify",
            &["r.json:2:", "incomplete or damaged"],
        );
        expect("{\"leftovers\":\n[\"ä\" 1]}", &["r.json:2:6", "no JSON"]);
        let half = &GOOD[..GOOD.len() / 2];
        expect(
            half.trim_end_matches(|c: char| !c.is_ascii()),
            &["no JSON: EOF"],
        );
    }

    #[test]
    fn a_place_is_one_character_also_behind_others_than_ascii() {
        let source = Source::new("r.json", "[1,\n\"ä\" 2]");
        let error = serde_json::from_str::<IgnoredAny>(&source.text).unwrap_err();
        assert_eq!(place(&source, &error), 8..9);
    }

    #[test]
    fn another_schema_is_named() {
        let future = GOOD.replacen("verify.results/v1", "verify.results/v2", 1);
        expect(
            &future,
            &[
                "r.json:2:14",
                "a newer verify",
                "^^^^^^^^^^^^^^^^^ this program reads verify.results/v1",
            ],
        );
        expect(
            "{\"schema\": \"other/v1\"}",
            &["r.json:1:13", "`other/v1`", "verify run -r json=FILE"],
        );
    }

    #[test]
    fn an_unknown_field_is_an_error_with_the_nearest_one() {
        let text = GOOD.replacen("\"outcome\":", "\"outcom\":", 1);
        expect(
            &text,
            &[
                "r.json:",
                "unknown field `outcom`",
                "did you mean `outcome`?",
            ],
        );
        let text = GOOD.replacen("\"verdict\":", "\"frobnicate\": 1, \"verdict\":", 1);
        expect(
            &text,
            &["unknown field `frobnicate`", "verify schema results"],
        );
        let text = GOOD.replacen("\"exit_code\": 1", "\"exit_code\": 77", 1);
        expect(&text, &["no exit code is 77"]);
        expect("[]", &["r.json:1:"]);
        expect("{}", &["missing field"]);
    }

    #[test]
    fn two_experiments_of_one_name_are_refused() {
        let text = include_str!("../../fixtures/results/failing.json");
        let twice = text.replace("\"id\": \"chroot\"", "\"id\": \"overlayfs\"");
        expect(
            &twice,
            &["r.json:", "two experiments of one name", " ^^^^^^^^^^^\n"],
        );
    }
}
