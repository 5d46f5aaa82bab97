//! Why the libraries of a program cannot be told.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A file that is in the way, and what is wrong with it.
#[derive(Debug)]
pub struct ElfError {
    /// The program, or the library that the loader would stop at.
    pub path: PathBuf,
    /// What is wrong with it.
    pub cause: Cause,
}

/// What is wrong with a file.
#[derive(Debug)]
pub enum Cause {
    /// It cannot be opened or read.
    Unreadable(io::Error),
    /// It is a folder, a pipe, a device or a socket.
    NotRegular,
    /// It starts with `#!`, and with this interpreter: the kernel runs that one, so its libraries are what counts.
    Script(String),
    /// It starts with something else than the four bytes of every ELF file.
    NotElf,
    /// It is ELF as far as its first bytes go; this is what contradicts elf(5) further on.
    Malformed(String),
}

impl ElfError {
    pub(super) fn new(path: &Path, cause: Cause) -> Self {
        Self {
            path: path.to_owned(),
            cause,
        }
    }
}

impl fmt::Display for ElfError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.cause)
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "cannot be read: {error}"),
            Self::NotRegular => f.write_str("is not a regular file"),
            Self::Script(interpreter) => {
                write!(f, "is a script, its program is {interpreter}")
            }
            Self::NotElf => f.write_str("is not an ELF file"),
            Self::Malformed(what) => write!(f, "is a damaged ELF file: {what}"),
        }
    }
}

impl std::error::Error for ElfError {}

impl From<object::read::Error> for Cause {
    fn from(error: object::read::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}
