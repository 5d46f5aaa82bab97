//! `ldd`: whether every library that a program loads is there.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::cp::program_of_host;
use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::Session;
use crate::sys::elf::{Library, closure};

/// Prints the libraries of a program that are missing. ldd(1), ld.so(8)
///
/// Which libraries there are differs from distribution to distribution, so their paths are evidence only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Ldd {
    #[arg(value_name = "PROGRAM")]
    program: PathBuf,
}

impl Verb for Ldd {
    const USAGE: &'static str = "ldd PROGRAM";
    const SUMMARY: &'static str =
        "Print whether every library that a program of the host loads is there";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, _session: &mut Session) -> Result<Output, Failure> {
        let program = program_of_host(&self.program.to_string_lossy())?;
        let closure = closure(&program)
            .map_err(|error| Failure::unexpected("read", program.display(), error.to_string()))?;
        Ok(print(&closure.libraries))
    }
}

fn print(libraries: &[Library]) -> Output {
    let mut output = Output::nothing();
    for library in libraries {
        let name = library.name.to_string_lossy();
        match &library.path {
            Some(path) => output.evidence(format!("{name} => {}", path.display())),
            None => output.text(format!("{name} => not found\n")),
        };
    }
    if libraries.iter().all(|library| library.path.is_some()) {
        output.text("every library that it loads is there\n");
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_library_that_is_missing_is_named() {
        let library = |name: &str, path: Option<&str>| Library {
            name: name.into(),
            path: path.map(PathBuf::from),
        };
        let there = library("libc.so.6", Some("/lib/libc.so.6"));
        let missing = ["liba.so", "libb.so"].map(|name| library(name, None));
        let mut all = Output::nothing();
        all.evidence("libc.so.6 => /lib/libc.so.6");
        let mut some = all.clone();
        all.text("every library that it loads is there\n");
        some.text("liba.so => not found\n")
            .text("libb.so => not found\n");
        assert_eq!(print(std::slice::from_ref(&there)), all);
        let [a, b] = missing;
        assert_eq!(print(&[there, a, b]), some);
    }
}
