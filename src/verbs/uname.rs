//! `uname`: the name in the UTS namespace, by the other system call.

use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::Session;

/// Prints the node name. uname(1), uname(2)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Uname {
    #[arg(short, long, required = true)]
    nodename: bool,
}

impl Verb for Uname {
    const USAGE: &'static str = "uname -n";
    const SUMMARY: &'static str = "Print the node name that uname(2) gives";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, _session: &mut Session) -> Result<Output, Failure> {
        let names =
            nix::sys::utsname::uname().map_err(|errno| Failure::errno("uname", "", errno))?;
        Ok(Output::lines([names.nodename().to_string_lossy()]))
    }
}
