//! `cd`: where relative paths start.

use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, WritablePath};

/// Changes the current directory of the session. cd(1p)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Cd {
    #[arg(value_name = "DIRECTORY")]
    directory: WritablePath,
}

impl Verb for Cd {
    const USAGE: &'static str = "cd DIRECTORY";
    const SUMMARY: &'static str = "Change the current directory";
    const TYPED: bool = true;

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        session.change_directory(&self.directory.0)?;
        Ok(Output::nothing())
    }
}
