//! A real shell that lines are typed into, as a person would.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use nix::errno::Errno;

use crate::recording::{Cause, Failure, Output};
use crate::sys::beneath::errno_of;
use crate::sys::confine::disarm;
use crate::sys::process::memory_file;

/// The PATH of a shell and of every program that a step runs: the caller's would leak into the experiment.
pub const SEARCH_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Ends what a line prints. A program would have to know it to imitate it.
const MARK: &str = "\u{1}verify\u{1}";

/// One line may print fewer bytes than this.
const OUTPUT_LIMIT: usize = 1 << 16;

/// The most that is read at once: what prints without end may do so in one line.
const AT_ONCE: u64 = 1 << 16;

/// A running shell.
#[derive(Debug)]
pub struct Shell {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Shell {
    /// Starts the shell at `program` in the root directory that this process has.
    ///
    /// # Errors
    /// Those of execve(2): `ENOENT` also when the program's loader is missing.
    pub fn start(program: &Path) -> Result<Self, Failure> {
        // A new root has no /dev/null.
        let errors = memory_file(b"").map_err(|errno| Failure::errno("memfd_create", "", errno))?;
        let mut command = Command::new(program);
        // A shell that is one of many programs in a single file goes by the name it is called.
        std::os::unix::process::CommandExt::arg0(&mut command, "sh");
        disarm(&mut command);
        let mut child = command
            .env_clear()
            .env("PATH", SEARCH_PATH)
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::from(errors))
            .spawn()
            .map_err(|error| not_executed(program, &error))?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(Failure::unexpected(
                "execve",
                program.display(),
                "no pipe to the shell",
            ));
        };
        Ok(Self {
            child,
            input,
            output: BufReader::new(output),
        })
    }

    /// Types a line and gives what it printed, on standard output only: the words of a shell's error messages differ
    /// from shell to shell, its exit status does not (POSIX, 2.8.2).
    ///
    /// # Errors
    /// The line ended with another status than 0, or the shell died.
    pub fn type_line(&mut self, line: &str) -> Result<Output, Failure> {
        // The mark is at the begin of a line, whether a newline was the last that was printed or not.
        let typed = writeln!(self.input, "{line}\necho '\n{MARK}'$?");
        typed.map_err(|_| self.dead(line))?;
        let mut text = Vec::new();
        let status = loop {
            let start = text.len();
            let mut output = self.output.by_ref().take(AT_ONCE);
            if matches!(output.read_until(b'\n', &mut text), Ok(0) | Err(_)) {
                return Err(self.dead(line));
            }
            if let Some(status) = status_of(&text[start..]) {
                text.truncate(start);
                text.pop();
                break status;
            }
            if text.len() > OUTPUT_LIMIT {
                return Err(Failure::unexpected("read", line, "it prints without end"));
            }
        };
        let output = Output::lines(String::from_utf8_lossy(&text).lines());
        match status {
            0 => Ok(output),
            status => Err(exit_failure(line, status)),
        }
    }

    fn dead(&mut self, line: &str) -> Failure {
        let how = self
            .child
            .wait()
            .map_or_else(|error| error.to_string(), |status| status.to_string());
        Failure::unexpected("type", line, format!("the shell died: {how}"))
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that could not be started. fork(2) and execve(2) are one step of std's, but for want of a process.
#[must_use]
pub fn not_executed(program: &Path, error: &std::io::Error) -> Failure {
    match errno_of(error) {
        Errno::EAGAIN => Failure::fork(program.display(), Errno::EAGAIN),
        _ => Failure::io("execve", program.display(), error),
    }
}

/// A program or a line that ended with a status other than 0.
#[must_use]
pub fn exit_failure(line: &str, status: i32) -> Failure {
    let message = match status {
        126 => "not executable",
        127 => "command not found",
        _ => "failed",
    };
    Failure {
        cause: Cause::Exit(status),
        ..Failure::unexpected("run", line, message)
    }
}

fn status_of(line: &[u8]) -> Option<i32> {
    let line = std::str::from_utf8(line).ok()?.trim_end();
    line.strip_prefix(MARK)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell() -> Shell {
        Shell::start(Path::new("/bin/sh")).unwrap()
    }

    #[test]
    fn a_line_gives_what_it_prints_or_its_status() {
        let mut shell = shell();
        let printed = shell.type_line("echo a; echo b").unwrap();
        assert_eq!(printed, Output::lines(["a", "b"]));
        let failed = shell.type_line("(exit 7)").unwrap_err();
        assert_eq!(failed.cause, Cause::Exit(7));
        for (status, said) in [
            (126, "not executable"),
            (127, "command not found"),
            (1, "failed"),
        ] {
            let failed = shell.type_line(&format!("(exit {status})")).unwrap_err();
            assert!(failed.to_string().ends_with(said), "{failed}");
        }
    }

    #[test]
    fn a_line_that_prints_without_end_is_an_error() {
        for line in ["while :; do echo ab; done", "while :; do printf ab; done"] {
            let endless = shell().type_line(line).unwrap_err();
            assert!(endless.to_string().contains("without end"), "{endless}");
        }
    }

    #[test]
    fn a_line_may_print_so_much_and_no_byte_more() {
        let print = |bytes: usize| {
            let line = format!("head -c {bytes} /dev/zero | tr '\\0' a");
            shell().type_line(&line)
        };
        let most = OUTPUT_LIMIT - 1;
        assert_eq!(print(most), Ok(Output::lines(["a".repeat(most)])));
        assert!(print(OUTPUT_LIMIT).is_err());
    }

    #[test]
    fn what_is_printed_without_a_newline_is_a_line() {
        let mut shell = shell();
        for (line, printed) in [
            ("printf a", &["a"][..]),
            ("printf 'a\\nb'", &["a", "b"]),
            ("echo a; echo", &["a", ""]),
            (":", &[]),
        ] {
            let output = shell.type_line(line).unwrap();
            assert_eq!(output, Output::lines(printed), "{line}");
        }
    }

    #[test]
    fn a_program_that_there_is_no_process_for_says_nothing_about_it() {
        let failure = |errno| {
            let error = std::io::Error::from_raw_os_error(errno as i32);
            not_executed(Path::new("/bin/x"), &error)
        };
        assert_eq!(failure(Errno::EAGAIN).cause, Cause::NoProcess);
        let text = failure(Errno::EACCES).to_string();
        assert_eq!(text, "execve /bin/x: EACCES: permission denied");
    }

    #[test]
    fn a_shell_ends_when_it_is_dropped() {
        let shell = shell();
        let number = shell.child.id().cast_signed();
        drop(shell);
        let gone = nix::sys::signal::kill(nix::unistd::Pid::from_raw(number), None);
        assert_eq!(gone, Err(Errno::ESRCH));
    }
}
