//! `grep`: the lines of a file that have a word in them.

use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, SpecPath};
use crate::sys::beneath;

/// Prints the lines of a file in which a word stands between blanks. grep(1)
///
/// Kernels add lines to the files of cgroups and /proc: this picks the one that is meant.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Grep {
    #[arg(short, required = true)]
    word: bool,
    #[arg(value_name = "WORD")]
    wanted: String,
    #[arg(value_name = "FILE")]
    file: SpecPath,
}

impl Verb for Grep {
    const USAGE: &'static str = "grep -w WORD FILE";
    const SUMMARY: &'static str = "Print the lines of a file that have a word in them";

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
        let lines = text
            .lines()
            .filter(|line| line.split_whitespace().any(|word| word == self.wanted));
        Ok(Output::lines(lines))
    }
}
