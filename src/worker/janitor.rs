//! A process that cleans up after a run that is killed.
//!
//! It waits for the end of the run's process, which closes a pipe however it comes, and then for the run's lock, which
//! is free when every worker is dead. SIGKILL of everything at once hits it, too; then the next start cleans up.

use std::fs::File;
use std::io::{stdin, stdout};
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::{Pid, chdir, dup2_stdin, dup2_stdout, pipe2, setsid};

use super::group::emptying_deadline;
use super::{reap, state};
use crate::sys::process::{close_from, exit_now, set_name, split, wait};

/// The janitor of a run, until it is dismissed.
pub struct Janitor {
    pid: Pid,
    _lifeline: OwnedFd,
}

impl Janitor {
    /// Starts the janitor of the run that has its directory here. `None` where no process can be had: then a killed run
    /// stays until the next start.
    #[must_use]
    pub fn start(run: &Path) -> Option<Self> {
        let (reader, lifeline) = pipe2(OFlag::O_CLOEXEC).ok()?;
        match split().ok()? {
            Some(pid) => Some(Self {
                pid,
                _lifeline: lifeline,
            }),
            None => {
                let _ = watch(run, reader);
                exit_now(0)
            }
        }
    }

    /// Its process.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// Ends it when everything is cleaned up.
    pub fn dismiss(self) {
        // It is a child that nobody has waited for yet, so the number is still its own.
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = wait(self.pid);
    }
}

fn watch(run: &Path, lifeline: OwnedFd) -> std::io::Result<()> {
    // Ctrl-C and a service manager's SIGTERM are for the run; when it ends, this ends.
    SigSet::all().thread_set_mask()?;
    setsid()?;
    chdir("/")?;
    set_name("verify-janitor")?;
    // The run's lock was inherited and would be held for ever; this one is taken anew.
    let directory = state::open(run)?;
    dup2_stdin(lifeline)?;
    dup2_stdout(directory)?;
    close_from(2);
    let (lifeline, directory) = (stdin(), File::from(stdout().as_fd().try_clone_to_owned()?));
    let mut fds = [PollFd::new(lifeline.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::NONE)?;
    directory.lock()?;
    reap::remove_run(run, emptying_deadline());
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs::create_dir;

    use nix::sys::wait::WaitStatus;

    use super::super::state::{Locked, RunName, lock};
    use super::*;
    use crate::sys::process::in_child;

    #[test]
    fn it_removes_what_a_run_has_left_that_ends_without_it() {
        let keep = tempfile::tempdir().unwrap();
        let run = keep.path().join("state").join(RunName::new().as_str());
        create_dir(keep.path().join("state")).unwrap();
        create_dir(&run).unwrap();
        let removed = in_child(|| {
            let Ok(Locked::Taken(lock)) = lock(&run) else {
                return false;
            };
            let Some(Janitor { pid, _lifeline }) = Janitor::start(&run) else {
                return false;
            };
            // As a SIGKILL does.
            drop((_lifeline, lock));
            wait(pid) == Ok(WaitStatus::Exited(pid, 0))
        });
        assert_eq!(removed, Ok(true));
        assert!(!run.exists());
    }
}
