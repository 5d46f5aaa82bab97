//! `rm`: files away again.

use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, WritablePath};
use crate::sys::beneath;

/// Removes files, not directories. rm(1), unlink(2)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Rm {
    #[arg(required = true, value_name = "FILE")]
    files: Vec<WritablePath>,
}

impl Verb for Rm {
    const USAGE: &'static str = "rm FILE…";
    const SUMMARY: &'static str = "Remove files";
    const TYPED: bool = true;

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        for file in &self.files {
            let (root, path) = session.resolve(&file.0)?;
            beneath::unlink(root, &path).map_err(|errno| Failure::errno("unlink", file, errno))?;
        }
        Ok(Output::nothing())
    }
}
