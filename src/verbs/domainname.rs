//! `domainname`: the NIS domain name in the UTS namespace.

use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::Session;
use crate::sys::namespace::set_domain_name;

/// Prints or sets the NIS domain name. domainname(1), setdomainname(2)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Domainname {
    #[arg(value_name = "NAME")]
    name: Option<String>,
}

impl Verb for Domainname {
    const USAGE: &'static str = "domainname [NAME]";
    const SUMMARY: &'static str = "Print or set the NIS domain name";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        self.name.is_none()
    }

    fn perform(&self, _session: &mut Session) -> Result<Output, Failure> {
        match &self.name {
            Some(name) => set_domain_name(name)
                .map(|()| Output::nothing())
                .map_err(|errno| Failure::errno("setdomainname", name, errno)),
            None => nix::sys::utsname::uname()
                .map(|names| Output::lines([names.domainname().to_string_lossy()]))
                .map_err(|errno| Failure::errno("uname", "", errno)),
        }
    }
}
