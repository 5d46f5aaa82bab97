//! `tree`: a directory with everything below it.

use std::fmt::Write as _;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};

use nix::sys::stat::SFlag;
use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, SpecPath};
use crate::sys::beneath;

/// Prints a directory with everything below it, names in the order of their bytes. tree(1)
///
/// Libraries that `cp` has brought along with a program are named after no distribution: they are one line.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Tree {
    #[arg(value_name = "DIRECTORY", default_value = ".")]
    directory: SpecPath,
}

/// The most entries that are printed.
const LIMIT: usize = 10_000;

impl Verb for Tree {
    const USAGE: &'static str = "tree [DIRECTORY]";
    const SUMMARY: &'static str = "Print a directory with everything below it";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        let brought = session.brought.clone();
        let (root, path) = session.resolve(&self.directory)?;
        let mut walk = Walk {
            root,
            brought: &brought,
            entries: 0,
            hidden: 0,
            text: format!("{}\n", self.directory),
        };
        walk.below(&path, "")
            .map_err(|errno| Failure::errno("open", &self.directory, errno))?;
        let mut output = Output::nothing();
        output.text(&walk.text);
        if walk.hidden > 0 {
            output.text("(and the libraries that these programs load)\n");
        }
        Ok(output)
    }
}

struct Walk<'a> {
    root: BorrowedFd<'a>,
    brought: &'a [PathBuf],
    entries: usize,
    hidden: usize,
    text: String,
}

impl Walk<'_> {
    fn below(&mut self, directory: &Path, indent: &str) -> Result<(), nix::errno::Errno> {
        let names = beneath::list(self.root, directory)?;
        let brought = self.brought;
        let (hidden, shown): (Vec<_>, Vec<_>) = names
            .into_iter()
            .map(|name| directory.join(name))
            .partition(|path| brought.contains(path));
        self.hidden += hidden.len();
        for (number, path) in shown.iter().enumerate() {
            self.entries += 1;
            if self.entries > LIMIT {
                return Err(nix::errno::Errno::E2BIG);
            }
            let last = number + 1 == shown.len();
            let (branch, deeper) = if last {
                ("└── ", "    ")
            } else {
                ("├── ", "│   ")
            };
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let kind =
                SFlag::from_bits_truncate(beneath::lstat(self.root, path)?.st_mode) & SFlag::S_IFMT;
            let target = match kind == SFlag::S_IFLNK {
                true => format!(
                    " -> {}",
                    beneath::readlink(self.root, path)?.to_string_lossy()
                ),
                false => String::new(),
            };
            let _ = writeln!(self.text, "{indent}{branch}{name}{target}");
            if kind == SFlag::S_IFDIR {
                self.below(path, &format!("{indent}{deeper}"))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use nix::errno::Errno;

    use super::*;

    #[test]
    fn as_many_entries_as_the_limit_are_printed_and_no_more() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("a")).unwrap();
        let root = File::open(folder.path()).unwrap();
        let walked = || {
            let mut walk = Walk {
                root: root.as_fd(),
                brought: &[],
                entries: LIMIT - 2,
                hidden: 0,
                text: String::new(),
            };
            walk.below(Path::new(""), "").map(|()| walk.text)
        };
        File::create(folder.path().join("a/b")).unwrap();
        assert_eq!(walked(), Ok("└── a\n    └── b\n".to_owned()));
        File::create(folder.path().join("a/c")).unwrap();
        assert_eq!(walked(), Err(Errno::E2BIG));
    }
}
