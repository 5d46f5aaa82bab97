//! `mkdir`: directories, and cgroups.

use nix::errno::Errno;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, WritablePath};
use crate::sys::beneath;

/// Makes directories. mkdir(1), mkdir(2)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Mkdir {
    #[arg(short, long)]
    parents: bool,
    #[arg(required = true, value_name = "DIRECTORY")]
    directories: Vec<WritablePath>,
}

impl Verb for Mkdir {
    const USAGE: &'static str = "mkdir [-p] DIRECTORY…";
    const SUMMARY: &'static str = "Make directories; below /sys/fs/cgroup, cgroups";
    const TYPED: bool = true;

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        for directory in &self.directories {
            let (root, path) = session.resolve(&directory.0)?;
            let fail = |errno| Failure::errno("mkdir", directory, errno);
            if self.parents {
                let mut parents = PathBuf::new();
                for component in path.components() {
                    parents.push(component);
                    match beneath::mkdir(root, &parents) {
                        Ok(()) | Err(Errno::EEXIST) => {}
                        Err(errno) => return Err(fail(errno)),
                    }
                }
            } else {
                beneath::mkdir(root, &path).map_err(fail)?;
            }
        }
        Ok(Output::nothing())
    }
}
