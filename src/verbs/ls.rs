//! `ls`: the names in a directory.

use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, SpecPath};
use crate::sys::beneath;
use nix::sys::stat::SFlag;

/// Prints the names in directories, and the files that are named. ls(1)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Ls {
    #[arg(value_name = "FILE")]
    files: Vec<SpecPath>,
}

impl Verb for Ls {
    const USAGE: &'static str = "ls [FILE…]";
    const SUMMARY: &'static str = "Print the names in a directory, one a line";
    const TYPED: bool = true;

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        let here = [SpecPath::here()];
        let files = if self.files.is_empty() {
            &here[..]
        } else {
            &self.files
        };
        let mut lines = Vec::new();
        for file in files {
            let (root, path) = session.resolve(file)?;
            let status =
                beneath::lstat(root, &path).map_err(|errno| Failure::errno("stat", file, errno))?;
            if SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT != SFlag::S_IFDIR {
                lines.push(file.to_string());
                continue;
            }
            let names =
                beneath::list(root, &path).map_err(|errno| Failure::errno("open", file, errno))?;
            lines.extend(names.iter().map(|name| name.to_string_lossy().into_owned()));
        }
        Ok(Output::lines(lines))
    }
}
