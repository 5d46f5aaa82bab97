//! `ldd`: whether every library that a program loads is there.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::cp::program_of_host;
use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::Session;
use crate::sys::elf::closure;

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
        let mut output = Output::nothing();
        let mut missing = 0;
        for library in &closure.libraries {
            let name = library.name.to_string_lossy();
            match &library.path {
                Some(path) => output.evidence(format!("{name} => {}", path.display())),
                None => {
                    missing += 1;
                    output.text(format!("{name} => not found\n"))
                }
            };
        }
        if missing == 0 {
            output.text("every library that it loads is there\n");
        }
        Ok(output)
    }
}
