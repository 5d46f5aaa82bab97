//! `hostname`: the name in the UTS namespace.

use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::Session;

/// Prints or sets the host name. hostname(1), sethostname(2)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Hostname {
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl Verb for Hostname {
    const USAGE: &'static str = "hostname [NAME]";
    const SUMMARY: &'static str = "Print or set the host name";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        self.name.is_none()
    }

    fn perform(&self, _session: &mut Session) -> Result<Output, Failure> {
        match &self.name {
            Some(name) => nix::unistd::sethostname(name)
                .map(|()| Output::nothing())
                .map_err(|errno| Failure::errno("sethostname", name, errno)),
            None => nix::unistd::gethostname()
                .map(|name| Output::lines([name.to_string_lossy()]))
                .map_err(|errno| Failure::errno("gethostname", "", errno)),
        }
    }
}
