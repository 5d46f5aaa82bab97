//! `run`: a program of the host, for which there is no verb.

use std::path::Path;
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::Verb;
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{SEARCH_PATH, Session, exit_failure, not_executed};
use crate::sys::confine::confine;

/// Runs a program with no input, an empty environment, a fixed PATH and no privileges; all but the scratch directory is
/// read-only to it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    program: String,
    arguments: Vec<String>,
}

impl Verb for Run {
    const USAGE: &'static str = "run PROGRAM [ARGUMENT…]";
    const SUMMARY: &'static str = "Run a program of the host, or of the new root below chroot";
    const TYPED: bool = true;

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        let program = words.word("a program")?.text.clone();
        let arguments = words.rest().iter().map(|word| word.text.clone()).collect();
        Ok(Self { program, arguments })
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .env_clear()
            .env("PATH", SEARCH_PATH)
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        let scratch = session.scratch().try_clone_to_owned();
        let scratch = scratch.map_err(|error| Failure::io("dup", &self.program, &error))?;
        confine(&mut command, scratch);
        let output = match command.output() {
            Ok(output) => output,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(exit_failure(&self.program, 127));
            }
            Err(error) => return Err(not_executed(Path::new(&self.program), &error)),
        };
        if !output.status.success() {
            let status = std::os::unix::process::ExitStatusExt::into_raw(output.status) >> 8;
            return Err(exit_failure(&self.program, status));
        }
        let mut printed = Output::lines(String::from_utf8_lossy(&output.stdout).lines());
        if !output.stderr.is_empty() {
            printed.evidence(String::from_utf8_lossy(&output.stderr));
        }
        Ok(printed)
    }
}
