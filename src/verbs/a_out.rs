//! `a.out`: an endless loop, `void main() { for (;;); }`.

use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, Started};
use crate::sys::beneath;
use crate::sys::busy::{BusyError, BusyLoop};
use crate::sys::sched::last_allowed_cpu;

/// Starts an endless loop that goes on in the background. All loops of a session share one CPU.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct AOut {}

impl Verb for AOut {
    const USAGE: &'static str = "a.out";
    const SUMMARY: &'static str =
        "Start an endless loop in the background, on the CPU that all loops share";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        start("a.out", session)?;
        Ok(Output::nothing())
    }

    fn by_hand(&self, _line: &str) -> String {
        by_hand("a.out")
    }
}

/// Starts a loop of this name. On cgroup v1 it begins in the experiment's own group, as the tutorial's begins in the
/// root group.
pub fn start(name: &str, session: &mut Session) -> Result<(), Failure> {
    let cpu = last_allowed_cpu().map_err(|errno| Failure::errno("sched_getaffinity", "", errno))?;
    let busy = BusyLoop::start(name, cpu).map_err(|error| busy_failure(name, error))?;
    if let Some(group) = session.cgroup("cpu") {
        let tasks = beneath::open(group, Path::new("tasks"), OFlag::O_WRONLY, Mode::empty())
            .map_err(|errno| Failure::errno("open", "tasks", errno))?;
        busy.attach(&tasks)
            .map_err(|error| busy_failure(name, error))?;
    }
    session.started.push(Started {
        name: name.to_owned(),
        pid: busy.pid(),
        cpu: Some(cpu),
    });
    // It ends with the worker, as everything in its PID namespace does.
    std::mem::forget(busy);
    Ok(())
}

/// What keeps a loop from looping is no fact about how the kernel shares a CPU.
pub fn busy_failure(name: &str, error: BusyError) -> Failure {
    match error {
        BusyError::Call("fork", errno) => Failure::fork(name, errno),
        BusyError::Call(call, errno) => Failure::errno(call, name, errno),
        BusyError::Ended(_) => Failure::unexpected("fork", name, error.to_string()),
    }
}

/// Without a compiler: the shell's own endless loop under this name.
pub fn by_hand(name: &str) -> String {
    format!("taskset -c 0 bash -c 'exec -a {name} bash -c \"while :; do :; done\"' &")
}
