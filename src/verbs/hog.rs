//! `hog`: a process that takes memory, or one that starts others, until it has what it wants or is refused.

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, pause};
use serde::{Deserialize, Serialize};

use super::Verb;
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::Session;
use crate::sys::process::{close_from, die_with_parent, exit_now, lock_memory, split, wait};

/// Takes memory and writes to every page of it, or starts processes that do nothing; gives all back when it has them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Hog {
    /// This many bytes.
    Memory(usize),
    /// This many processes beside itself.
    Processes(usize),
}

/// The most memory that a spec may ask for, in MiB: hosts have 256.
const MEMORY_LIMIT: usize = 128;

/// The most processes that a spec may ask for.
const PROCESS_LIMIT: usize = 1000;

/// A step between two writes: the smallest page that Linux has.
const PAGE: usize = 4096;

impl Verb for Hog {
    const USAGE: &'static str = "hog memory NUMBERM | hog processes NUMBER";
    const SUMMARY: &'static str =
        "Take memory or start processes, until all are there or the kernel refuses";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        match words.keyword(&["memory", "processes"])? {
            "memory" => {
                let word = words.word("an amount of memory such as 64M")?;
                let number = word
                    .text
                    .strip_suffix('M')
                    .and_then(|number| number.parse().ok());
                let fits = number.filter(|number| (1..=MEMORY_LIMIT).contains(number));
                fits.map(|number| Self::Memory(number << 20))
                    .ok_or_else(|| {
                        LineError::new(
                            word.span.clone(),
                            format!("`{}` is no such amount", word.text),
                        )
                        .expected(format!("expected 1M to {MEMORY_LIMIT}M"))
                    })
            }
            _ => {
                let here = words.here();
                let number = words.value("a number of processes")?;
                match number {
                    1..=PROCESS_LIMIT => Ok(Self::Processes(number)),
                    _ => Err(LineError::new(here, "no such number")
                        .expected(format!("expected 1 to {PROCESS_LIMIT}"))),
                }
            }
        }
    }

    fn perform(&self, _session: &mut Session) -> Result<Output, Failure> {
        match self {
            Self::Memory(bytes) => take_memory(*bytes),
            Self::Processes(number) => start_processes(*number)?,
        }
        Ok(Output::nothing())
    }

    fn by_hand(&self, _line: &str) -> String {
        match self {
            Self::Memory(bytes) => format!("sh -c 'head -c {bytes} /dev/zero | tail'"),
            Self::Processes(number) => {
                format!("sh -c 'for i in $(seq {number}); do sleep 1 & done; wait'")
            }
        }
    }
}

fn take_memory(bytes: usize) {
    let mut memory = vec![0_u8; bytes];
    // Where it is allowed, swap is no way out of a limit.
    let _ = lock_memory(&memory);
    for byte in memory.iter_mut().step_by(PAGE) {
        *byte = 1;
    }
    std::hint::black_box(&memory);
}

fn start_processes(number: usize) -> Result<(), Failure> {
    let mut started = Vec::new();
    let refused = (0..number).find_map(|_| start_process(&mut started).err());
    for process in started {
        let _ = kill(process, Signal::SIGKILL);
        let _ = wait(process);
    }
    match refused {
        // Not `Failure::fork`: the limit is what the step is there to meet, not the run's trouble.
        Some(errno) => Err(Failure::errno("fork", "", errno)),
        None => Ok(()),
    }
}

fn start_process(started: &mut Vec<Pid>) -> Result<(), Errno> {
    if let Some(process) = split()? {
        started.push(process);
        return Ok(());
    }
    let _ = die_with_parent();
    close_from(0);
    pause();
    exit_now(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::tests::parse;

    #[test]
    fn amounts_are_bounded() {
        assert_eq!(parse::<Hog>("memory 64M").unwrap(), Hog::Memory(64 << 20));
        assert_eq!(parse::<Hog>("processes 8").unwrap(), Hog::Processes(8));
        for line in [
            "memory 64",
            "memory 0M",
            "memory 99999M",
            "processes 0",
            "processes 9999",
            "disk 1M",
        ] {
            assert!(parse::<Hog>(line).is_err(), "{line}");
        }
    }
}
