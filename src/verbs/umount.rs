//! `umount`: a mount away again.

use std::path::Path;

use nix::mount::{MntFlags, umount2};
use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, WritablePath};

/// Takes a mount away. umount(8), umount(2)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Umount {
    #[arg(value_name = "DIRECTORY")]
    directory: WritablePath,
}

impl Verb for Umount {
    const USAGE: &'static str = "umount DIRECTORY";
    const SUMMARY: &'static str = "Take a mount away";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn perform(&self, _session: &mut Session) -> Result<Output, Failure> {
        let target = Path::new(&self.directory.0.relative);
        umount2(target, MntFlags::UMOUNT_NOFOLLOW)
            .map(|()| Output::nothing())
            .map_err(|errno| Failure::errno("umount", &self.directory, errno))
    }
}
