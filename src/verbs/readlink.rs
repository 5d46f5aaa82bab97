//! `readlink`: what a symbolic link says, of a namespace its identity.

use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, SpecPath};
use crate::sys::beneath;

/// Prints a symbolic link. readlink(1), namespaces(7)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Readlink {
    #[arg(value_name = "LINK")]
    link: SpecPath,
}

impl Verb for Readlink {
    const USAGE: &'static str = "readlink LINK";
    const SUMMARY: &'static str =
        "Print a symbolic link; a namespace's number is shown as a letter";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        let (root, path) = session.resolve(&self.link)?;
        let target = beneath::readlink(root, &path)
            .map_err(|errno| Failure::errno("readlink", &self.link, errno))?;
        let target = target.to_string_lossy();
        let mut output = Output::nothing();
        match namespace(&target) {
            Some((kind, inode)) => output.text(format!("{kind}:")).identity(kind, inode),
            None => output.text(&target),
        };
        output.text("\n");
        Ok(output)
    }
}

/// `uts:[4026531838]` as its parts.
fn namespace(target: &str) -> Option<(&str, u64)> {
    let (kind, inode) = target.strip_suffix(']')?.split_once(":[")?;
    Some((kind, inode.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_namespace_is_told_from_a_path() {
        assert_eq!(namespace("uts:[4026531838]"), Some(("uts", 4_026_531_838)));
        assert_eq!(namespace("pipe:[x]"), None);
        assert_eq!(namespace("/bin/bash"), None);
    }
}
