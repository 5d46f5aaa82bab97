//! `pwd`: the current directory.

use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Place, Session};

/// Prints the current directory; the scratch directory's own path is `/root`, as in the tutorial. pwd(1)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Pwd {}

impl Verb for Pwd {
    const USAGE: &'static str = "pwd";
    const SUMMARY: &'static str = "Print the current directory";
    const TYPED: bool = true;

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        let here = session.here();
        Ok(Output::lines([match here.place {
            Place::Here if here.relative.as_os_str().is_empty() => "/root".to_owned(),
            Place::Here => format!("/root/{here}"),
            _ => here.to_string(),
        }]))
    }
}
