//! `echo`: a line into a file.

use std::fs::File;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};

use super::Verb;
use super::a_out::busy_failure;
use crate::line::{LineError, Word, Words};
use crate::recording::{Failure, Output};
use crate::session::{Place, Session, SpecPath, Started, WritablePath};
use crate::sys::{beneath, busy, cgroupfs};

/// Writes a line of text to a file, `>` anew or `>>` at its end. echo(1)
///
/// In the files of a cgroup that take a PID the name of a process that the session has started stands for its PID.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Echo {
    text: String,
    append: bool,
    file: WritablePath,
}

/// The files of cgroups(7) that take a PID.
const TAKES_PID: [&str; 3] = ["tasks", "cgroup.procs", "cgroup.threads"];

/// How long a group may take to be frozen or empty.
const SETTLED_WITHIN: Duration = Duration::from_secs(5);

impl Verb for Echo {
    const USAGE: &'static str = "echo TEXT > FILE";
    const SUMMARY: &'static str = "Write a line of text to a file";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        let mut text = Vec::new();
        let append = loop {
            match words.word("TEXT > FILE")? {
                Word {
                    text,
                    quoted: false,
                    ..
                } if text == ">" => break false,
                Word {
                    text,
                    quoted: false,
                    ..
                } if text == ">>" => break true,
                word => text.push(word.text.as_str()),
            }
        };
        Ok(Self {
            text: text.join(" "),
            append,
            file: words.value("a file of the scratch directory or of a cgroup")?,
        })
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        let fail = |errno| Failure::errno("write", &self.file, errno);
        if let Some(name) = self.process() {
            let Started { pid, cpu, .. } = session.started(name)?.clone();
            let (root, path) = session.resolve(&self.file.0)?;
            let members =
                beneath::open(root, &path, OFlag::O_WRONLY, Mode::empty()).map_err(fail)?;
            match cpu {
                Some(cpu) => {
                    busy::attach(pid, cpu, &members).map_err(|error| busy_failure(name, error))?
                }
                None => {
                    nix::unistd::write(&members, pid.to_string().as_bytes()).map_err(fail)?;
                }
            }
            return Ok(Output::nothing());
        }
        let (root, path) = session.resolve(&self.file.0)?;
        let line = format!("{}\n", self.text);
        beneath::write(root, &path, line.as_bytes(), self.append).map_err(fail)?;
        self.settle(session, Instant::now() + SETTLED_WITHIN)?;
        Ok(Output::nothing())
    }

    fn by_hand(&self, line: &str) -> String {
        match self.process() {
            Some(name) => format!("echo $(pgrep -nx {name}) > {}", self.file),
            None => line.to_owned(),
        }
    }
}

/// Waits until a file has a line; false when the moment came first.
type Wait = fn(&File, &str, Instant) -> Result<bool, Errno>;

impl Echo {
    /// What is written to these files of a cgroup takes effect a moment later; a person at a terminal does not notice.
    fn settle(&self, session: &mut Session, deadline: Instant) -> Result<(), Failure> {
        let path = &self.file.0;
        let name = path.relative.file_name().and_then(|name| name.to_str());
        let (file, line, wait): (_, _, Wait) = match name.unwrap_or_default() {
            "cgroup.freeze" => {
                let frozen = format!("frozen {}", self.text);
                ("cgroup.events", frozen, cgroupfs::wait_for_event)
            }
            "cgroup.kill" => {
                let empty = "populated 0".to_owned();
                ("cgroup.events", empty, cgroupfs::wait_for_event)
            }
            "freezer.state" => {
                let state = self.text.clone();
                ("freezer.state", state, cgroupfs::wait_for_state)
            }
            _ => return Ok(()),
        };
        let path = SpecPath {
            relative: path.relative.with_file_name(file),
            ..path.clone()
        };
        let fail = |errno| Failure::errno("wait", &path, errno);
        let (root, relative) = session.resolve(&path)?;
        let opened =
            beneath::open(root, &relative, OFlag::O_RDONLY, Mode::empty()).map_err(fail)?;
        match wait(&opened.into(), &line, deadline).map_err(fail)? {
            true => Ok(()),
            false => Err(fail(Errno::ETIMEDOUT)),
        }
    }

    /// The name of the process that is meant, if the file takes one.
    fn process(&self) -> Option<&str> {
        let path = &self.file.0;
        let name = path.relative.file_name()?.to_str()?;
        let takes_pid = TAKES_PID.contains(&name) && (path.place != Place::Proc);
        (takes_pid && self.text.parse::<u32>().is_err()).then_some(self.text.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::tests::{parse, session};

    #[test]
    fn what_takes_effect_later_is_waited_for() {
        let (keep, mut session) = session();
        for (line, file, before, after) in [
            ("1 > cgroup.freeze", "cgroup.events", "frozen 0", "frozen 1"),
            (
                "1 > cgroup.kill",
                "cgroup.events",
                "populated 1",
                "populated 0",
            ),
            (
                "FROZEN > freezer.state",
                "freezer.state",
                "FREEZING",
                "FROZEN",
            ),
        ] {
            let echo: Echo = parse(line).unwrap();
            let late = Failure::errno("wait", file, Errno::ETIMEDOUT);
            for (text, settled) in [(before, Err(late)), (after, Ok(()))] {
                std::fs::write(keep.path().join(file), format!("{text}\n")).unwrap();
                assert_eq!(echo.settle(&mut session, Instant::now()), settled, "{line}");
            }
        }
        let other: Echo = parse("1 > pids.max").unwrap();
        assert_eq!(other.settle(&mut session, Instant::now()), Ok(()));
    }
}
