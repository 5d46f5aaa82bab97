//! `cat`: what a file says.

use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, SpecPath};
use crate::sys::beneath;

/// Prints files. cat(1)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Cat {
    #[arg(required = true, value_name = "FILE")]
    files: Vec<SpecPath>,
}

impl Verb for Cat {
    const USAGE: &'static str = "cat FILE…";
    const SUMMARY: &'static str = "Print files of the scratch directory, of a cgroup or of /proc";
    const TYPED: bool = true;

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        let mut output = Output::nothing();
        for file in &self.files {
            let (root, path) = session.resolve(file)?;
            let bytes =
                beneath::read(root, &path).map_err(|errno| Failure::errno("open", file, errno))?;
            output.text(String::from_utf8_lossy(&bytes));
        }
        Ok(output)
    }
}
