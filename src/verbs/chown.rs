//! `chown`: files to another user.

use std::str::FromStr;

use nix::unistd::{Gid, Uid};
use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, WritablePath};
use crate::sys::beneath;

/// Gives files to a user and a group, by number. chown(1), chown(2)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Chown {
    #[arg(value_name = "USER:GROUP")]
    owner: Owner,
    #[arg(required = true, value_name = "FILE")]
    files: Vec<WritablePath>,
}

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
struct Owner(u32, u32);

impl FromStr for Owner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once(':')
            .and_then(|(user, group)| Some((user.parse().ok()?, group.parse().ok()?)));
        numbers
            .map(|(user, group)| Self(user, group))
            .ok_or_else(|| "expected two numbers, such as 1000:1000".to_owned())
    }
}

impl Verb for Chown {
    const USAGE: &'static str = "chown USER:GROUP FILE…";
    const SUMMARY: &'static str = "Give files to a user and a group, by number";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        let Owner(user, group) = self.owner;
        for file in &self.files {
            let (root, path) = session.resolve(&file.0)?;
            beneath::chown(root, &path, Uid::from_raw(user), Gid::from_raw(group))
                .map_err(|errno| Failure::errno("chown", file, errno))?;
        }
        Ok(Output::nothing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::tests::parse;

    #[test]
    fn owners_are_numbers() {
        let chown: Chown = parse("1000:100 a b").unwrap();
        assert_eq!(chown.owner, Owner(1000, 100));
        for line in ["root:root a", "1000 a", "1000:1000", "0:0 /etc/passwd"] {
            assert!(parse::<Chown>(line).is_err(), "{line}");
        }
    }
}
