//! `id`: who the session is.

use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::Session;

/// Prints the number of the effective user or group, as this user namespace has it. id(1)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
#[group(required = true, multiple = false)]
pub struct Id {
    #[arg(short)]
    user: bool,
    #[arg(short)]
    group: bool,
}

impl Verb for Id {
    const USAGE: &'static str = "id -u | id -g";
    const SUMMARY: &'static str = "Print the number of the effective user or group";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, _session: &mut Session) -> Result<Output, Failure> {
        let number = match self.user {
            true => nix::unistd::geteuid().as_raw(),
            false => nix::unistd::getegid().as_raw(),
        };
        Ok(Output::lines([number.to_string()]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::tests::parse;

    #[test]
    fn either_the_user_or_the_group_is_asked_for() {
        assert!(parse::<Id>("-u").unwrap().user);
        assert!(parse::<Id>("-g").unwrap().group);
        for line in ["", "-u -g", "-n"] {
            assert!(parse::<Id>(line).is_err(), "{line}");
        }
    }
}
