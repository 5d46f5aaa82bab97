//! `b.out`: the copy of `a.out` that it competes with.

use serde::{Deserialize, Serialize};

use super::{Verb, a_out, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::Session;

/// Starts a second endless loop, on the same CPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct BOut {}

impl Verb for BOut {
    const USAGE: &'static str = "b.out";
    const SUMMARY: &'static str = "Start a second endless loop in the background, on the same CPU";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        a_out::start("b.out", session)?;
        Ok(Output::nothing())
    }

    fn by_hand(&self, _line: &str) -> String {
        a_out::by_hand("b.out")
    }
}
