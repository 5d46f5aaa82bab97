//! `stat`: whose a file is, and what.

use std::str::FromStr;

use nix::sys::stat::{FileStat, SFlag};
use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, SpecPath};
use crate::sys::beneath;

/// Prints what is the same on every host of a file's status: owner, group, type, permissions. stat(1), inode(7)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Stat {
    #[arg(short = 'c', value_name = "FORMAT", required = true)]
    format: Format,
    #[arg(required = true, value_name = "FILE")]
    files: Vec<SpecPath>,
}

/// Text with `%u`, `%g`, `%a` and `%F` in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct Format(String);

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut letters = text.chars();
        while let Some(letter) = letters.next() {
            if letter == '%' && !matches!(letters.next(), Some('u' | 'g' | 'a' | 'F')) {
                return Err(
                    "expected %u (owner), %g (group), %a (permissions) or %F (type)".into(),
                );
            }
        }
        Ok(Self(text.to_owned()))
    }
}

impl Format {
    fn of(&self, status: &FileStat) -> String {
        let permissions = status.st_mode & 0o7777;
        [
            ("%u", status.st_uid.to_string()),
            ("%g", status.st_gid.to_string()),
            ("%a", format!("{permissions:o}")),
            ("%F", kind(status).to_owned()),
        ]
        .iter()
        .fold(self.0.clone(), |text, (directive, value)| {
            text.replace(directive, value)
        })
    }
}

/// In the words of stat(1).
fn kind(status: &FileStat) -> &'static str {
    match SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT {
        SFlag::S_IFDIR => "directory",
        SFlag::S_IFLNK => "symbolic link",
        SFlag::S_IFCHR => "character special file",
        SFlag::S_IFBLK => "block special file",
        SFlag::S_IFIFO => "fifo",
        SFlag::S_IFSOCK => "socket",
        _ if status.st_size == 0 => "regular empty file",
        _ => "regular file",
    }
}

impl Verb for Stat {
    const USAGE: &'static str = "stat -c FORMAT FILE…";
    const SUMMARY: &'static str = "Print owner (%u), group (%g), permissions (%a) or type (%F)";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        let mut lines = Vec::new();
        for file in &self.files {
            let (root, path) = session.resolve(file)?;
            let status =
                beneath::lstat(root, &path).map_err(|errno| Failure::errno("stat", file, errno))?;
            lines.push(self.format.of(&status));
        }
        Ok(Output::lines(lines))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::tests::parse;

    #[test]
    fn directives_are_replaced() {
        let stat: Stat = parse("-c %u:%g:%a:%F x").unwrap();
        let status = nix::sys::stat::stat("/proc/self").unwrap();
        let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
        assert_eq!(
            stat.format.of(&status),
            format!("{user}:{group}:555:directory")
        );
    }

    #[test]
    fn what_differs_from_host_to_host_cannot_be_asked_for() {
        for line in ["-c %i x", "-c %y x", "-c % x", "x", "-c %u"] {
            assert!(parse::<Stat>(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_file_is_of_the_kind_that_its_mode_says() {
        let mut status = nix::sys::stat::stat("/").unwrap();
        for (mode, size, said) in [
            (SFlag::S_IFDIR, 0, "directory"),
            (SFlag::S_IFLNK, 0, "symbolic link"),
            (SFlag::S_IFCHR, 0, "character special file"),
            (SFlag::S_IFBLK, 0, "block special file"),
            (SFlag::S_IFIFO, 0, "fifo"),
            (SFlag::S_IFSOCK, 0, "socket"),
            (SFlag::S_IFREG, 0, "regular empty file"),
            (SFlag::S_IFREG, 1, "regular file"),
        ] {
            status.st_mode = mode.bits() | 0o644;
            status.st_size = size;
            assert_eq!(kind(&status), said);
        }
    }
}
