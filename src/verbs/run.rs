//! `run`: a program of the host, for which there is no verb.

use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::Verb;
use crate::line::{LineError, Words};
use crate::recording::{Cause, Failure, Output};
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
        self.end(output.status)?;
        let mut printed = Output::lines(String::from_utf8_lossy(&output.stdout).lines());
        if !output.stderr.is_empty() {
            printed.evidence(String::from_utf8_lossy(&output.stderr));
        }
        Ok(printed)
    }
}

impl Run {
    fn end(&self, status: ExitStatus) -> Result<(), Failure> {
        if let Some(number) = status.signal() {
            let signal =
                Signal::try_from(number).map_or_else(|_| number.to_string(), |s| s.to_string());
            return Err(Failure {
                cause: Cause::Signal(signal),
                ..Failure::unexpected("run", &self.program, "killed")
            });
        }
        match status.code() {
            Some(0) => Ok(()),
            status => Err(exit_failure(&self.program, status.unwrap_or_default())),
        }
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;
    use crate::sys::test_namespaces::in_own_namespaces;
    use crate::verbs::tests::session_in_a_mount;

    #[test]
    fn what_becomes_of_a_program_is_told() {
        in_own_namespaces(|| {
            let mut session = session_in_a_mount();
            std::fs::write("file", "").unwrap();
            let mut run = |program: &str, arguments: &[&str]| {
                let run = Run {
                    program: program.to_owned(),
                    arguments: arguments.iter().map(ToString::to_string).collect(),
                };
                run.perform(&mut session)
            };
            if run("true", &[]) == Err(Failure::errno("execve", "true", Errno::ENOSYS)) {
                return eprintln!("skipped: mount_setattr(2) is not there");
            }
            assert_eq!(run("true", &[]), Ok(Output::lines([""; 0])));
            let mut warned = Output::lines(["hello"]);
            warned.evidence("careful\n");
            let said = run("sh", &["-c", "echo hello; echo careful >&2"]);
            assert_eq!(said, Ok(warned));
            let killed = Failure {
                cause: Cause::Signal("SIGSEGV".to_owned()),
                ..Failure::unexpected("run", "sh", "killed")
            };
            for (program, arguments, failure) in [
                ("absent", &[][..], exit_failure("absent", 127)),
                (
                    "./file",
                    &[],
                    Failure::errno("execve", "./file", Errno::EACCES),
                ),
                ("sh", &["-c", "exit 3"], exit_failure("sh", 3)),
                ("sh", &["-c", "kill -SEGV $$"], killed),
            ] {
                assert_eq!(run(program, arguments), Err(failure));
            }
        });
    }
}
