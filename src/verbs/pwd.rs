//! `pwd`: the current directory.

use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Place, Session};

/// Prints the current directory; the scratch directory's own path is `/root`, as in the tutorial. pwd(1)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Pwd {}

impl Verb for Pwd {
    const USAGE: &'static str = "pwd";
    const SUMMARY: &'static str = "Print the current directory";
    const TYPED: bool = true;

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        let here = session.here();
        Ok(Output::lines([match here.place {
            Place::Here if here.relative.as_os_str().is_empty() => "/root".to_owned(),
            Place::Here => format!("/root/{here}"),
            _ => here.to_string(),
        }]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Failure;
    use crate::verbs::tests::{parse, session};

    #[test]
    fn a_directory_is_shown_as_below_root_home_or_where_it_is() {
        let (keep, mut session) = session();
        std::fs::create_dir_all(keep.path().join("a/b")).unwrap();
        let pwd: Pwd = parse("").unwrap();
        for (directory, shown) in [(".", "/root"), ("a/b", "/root/a/b"), ("/proc", "/proc")] {
            let directory = directory.parse().unwrap();
            let printed = session.in_child("cd", |session| {
                session.change_directory(&directory)?;
                pwd.perform(session)
            });
            assert_eq!(printed, Ok::<_, Failure>(Output::lines([shown])));
        }
    }
}
