//! `rmdir`: empty directories away again, and cgroups.

use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, WritablePath};
use crate::sys::beneath;

/// Removes empty directories; a cgroup is one when it has neither processes nor groups below it. rmdir(1), rmdir(2)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Rmdir {
    #[arg(required = true, value_name = "DIRECTORY")]
    directories: Vec<WritablePath>,
}

impl Verb for Rmdir {
    const USAGE: &'static str = "rmdir DIRECTORY…";
    const SUMMARY: &'static str = "Remove empty directories; below /sys/fs/cgroup, cgroups";
    const TYPED: bool = true;

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        for directory in &self.directories {
            let (root, path) = session.resolve(&directory.0)?;
            beneath::rmdir(root, &path)
                .map_err(|errno| Failure::errno("rmdir", directory, errno))?;
        }
        Ok(Output::nothing())
    }
}
