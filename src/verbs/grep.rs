//! `grep`: the lines of a file that a pattern fits.

use std::str::FromStr;

use regex_lite::Regex;
use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, SpecPath};
use crate::sys::beneath;

/// Prints the lines of a file that a pattern fits, or how many there are. grep(1)
///
/// Kernels add lines to the files of cgroups and /proc: this picks the one that is meant. A number that no two hosts
/// have in common is counted instead of shown: `grep -c 'nr_throttled [1-9]' cpu.stat`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Grep {
    /// The pattern is a word between blanks, to the letter.
    #[arg(short)]
    word: bool,
    /// Print the number of lines instead.
    #[arg(short)]
    count: bool,
    #[arg(value_name = "PATTERN")]
    pattern: Pattern,
    #[arg(value_name = "FILE")]
    file: SpecPath,
}

/// A regular expression, as it was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Pattern(String);

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Regex::new(text) {
            Ok(_) => Ok(Self(text.to_owned())),
            Err(error) => Err(format!("no regular expression: {error}")),
        }
    }
}

impl Verb for Grep {
    const USAGE: &'static str = "grep [-w] [-c] PATTERN FILE";
    const SUMMARY: &'static str = "Print the lines of a file that a pattern fits, or their number";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        let (root, path) = session.resolve(&self.file)?;
        let bytes = beneath::read(root, &path)
            .map_err(|errno| Failure::errno("open", &self.file, errno))?;
        let text = String::from_utf8_lossy(&bytes);
        let found = self.matching(&text)?;
        match self.count {
            true => Ok(Output::lines([found.len().to_string()])),
            false => Ok(Output::lines(found)),
        }
    }
}

impl Grep {
    fn matching<'t>(&self, text: &'t str) -> Result<Vec<&'t str>, Failure> {
        let Pattern(pattern) = &self.pattern;
        let lines = text.lines();
        if self.word {
            let has = |line: &&str| line.split_whitespace().any(|word| word == pattern);
            return Ok(lines.filter(has).collect());
        }
        let regex = Regex::new(pattern)
            .map_err(|error| Failure::unexpected("compile", pattern, error.to_string()))?;
        Ok(lines.filter(|line| regex.is_match(line)).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::tests::parse;

    fn matching(line: &str, text: &str) -> Vec<String> {
        let grep: Grep = parse(line).unwrap();
        let lines = grep.matching(text).unwrap();
        lines.into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn a_pattern_or_a_word_picks_lines() {
        let events = "oom 0\noom_kill 1\nmax 12\n";
        assert_eq!(matching("-w oom file", events), ["oom 0"]);
        assert_eq!(matching("oom file", events).len(), 2);
        assert_eq!(matching("'^max [1-9]' file", events), ["max 12"]);
        assert_eq!(matching("-c '^max 0' file", events).len(), 0);
    }

    #[test]
    fn what_is_no_pattern_is_pointed_at() {
        let error = parse::<Grep>("-c 'a[' file").unwrap_err();
        assert!(
            error.message.contains("no regular expression"),
            "{}",
            error.message
        );
    }
}
