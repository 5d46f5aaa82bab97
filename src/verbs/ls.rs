//! `ls`: the names in a directory.

use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, SpecPath};
use crate::sys::beneath;
use nix::sys::stat::SFlag;

/// Prints the files that are named, and then the names in directories, below a heading where there are several. ls(1)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Ls {
    #[arg(value_name = "FILE")]
    files: Vec<SpecPath>,
}

impl Verb for Ls {
    const USAGE: &'static str = "ls [FILE…]";
    const SUMMARY: &'static str = "Print the names in a directory, one a line";
    const TYPED: bool = true;

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        if self.files.is_empty() {
            return names(session, &SpecPath::here()).map(Output::lines);
        }
        let mut files: Vec<_> = self.files.iter().collect();
        files.sort_by_key(ToString::to_string);
        let (mut lines, mut directories) = (Vec::new(), Vec::new());
        for file in files {
            match is_directory(session, file)? {
                true => directories.push(file),
                false => lines.push(file.to_string()),
            }
        }
        for directory in directories {
            if self.files.len() > 1 {
                lines.extend((!lines.is_empty()).then(String::new));
                lines.push(format!("{directory}:"));
            }
            lines.extend(names(session, directory)?);
        }
        Ok(Output::lines(lines))
    }
}

fn is_directory(session: &mut Session, file: &SpecPath) -> Result<bool, Failure> {
    let (root, path) = session.resolve(file)?;
    let status =
        beneath::lstat(root, &path).map_err(|errno| Failure::errno("stat", file, errno))?;
    Ok(SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFDIR)
}

fn names(session: &mut Session, directory: &SpecPath) -> Result<Vec<String>, Failure> {
    let (root, path) = session.resolve(directory)?;
    let names =
        beneath::list(root, &path).map_err(|errno| Failure::errno("open", directory, errno))?;
    let text = |name: &std::ffi::OsString| name.to_string_lossy().into_owned();
    Ok(names.iter().map(text).collect())
}
