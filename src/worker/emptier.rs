//! Emptying a directory in which an ordinary user's experiment has made files of subordinate ids.
//!
//! Only in a user namespace that has these ids may the user remove them. So this program executes itself there, as for
//! a worker.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::wait::WaitStatus;

use super::unstarted::not_spawned;
use crate::host::subordinate_ids;
use crate::recording::Failure;
use crate::sys::idmap::SubordinateIds;
use crate::sys::process::{exit_now, wait};
use crate::sys::spawn::{FIRST_FILE, Program, SpawnError, inherited, spawn};
use crate::sys::sweep;

/// What it is executed in.
const NAMESPACE: &str = "a user namespace";

/// What the hidden subcommand does: its exit status is the errno.
pub fn main() -> ! {
    let directory = inherited(FIRST_FILE);
    let emptied = sweep::empty(directory.as_fd());
    exit_now(emptied.err().map_or(0, |errno| errno as i32))
}

/// Removes everything in a directory, also what belongs to the caller's subordinate ids.
///
/// # Errors
/// Those of [`sweep::empty`], and what keeps a user namespace with these ids from being made.
pub fn empty(directory: BorrowedFd<'_>) -> Result<(), Failure> {
    let emptied = sweep::empty(directory);
    if let Err(Errno::EACCES | Errno::EPERM) = emptied
        && let Some(ids) = subordinate_ids()
    {
        return empty_as_all(ids, directory);
    }
    emptied.map_err(not_emptied)
}

fn empty_as_all(ids: SubordinateIds, directory: BorrowedFd<'_>) -> Result<(), Failure> {
    let process = spawn(&Program {
        arguments: vec![c"verify".to_owned(), c"__empty".to_owned()],
        files: vec![directory],
        namespaces: CloneFlags::CLONE_NEWUSER,
        subordinate_ids: Some(ids),
    })
    .map_err(|failure| not_spawned(failure, NAMESPACE))?;
    let status = wait(process.pid);
    ended(status, process.failed_before_exec())
}

/// What became of it, by how it ended and what kept it from being executed.
fn ended(
    status: Result<WaitStatus, Errno>,
    before_exec: Option<SpawnError>,
) -> Result<(), Failure> {
    if let Some(error) = before_exec {
        return Err(not_spawned(error.into(), NAMESPACE));
    }
    match status {
        Ok(WaitStatus::Exited(_, 0)) => Ok(()),
        Ok(WaitStatus::Exited(_, status)) => Err(not_emptied(Errno::from_raw(status))),
        _ => Err(not_emptied(Errno::ECHILD)),
    }
}

fn not_emptied(errno: Errno) -> Failure {
    Failure::errno("unlink", "", errno)
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::Signal;
    use nix::unistd::Pid;

    use super::*;

    #[test]
    fn how_it_ended_says_what_failed() {
        let pid = Pid::from_raw(7);
        let exited = |status| Ok(WaitStatus::Exited(pid, status));
        let refused = SpawnError {
            call: "write uid_map",
            errno: Errno::EPERM,
        };
        for (status, before_exec, call, errno) in [
            (exited(13), None, "unlink", Errno::EACCES),
            (
                Ok(WaitStatus::Signaled(pid, Signal::SIGKILL, false)),
                None,
                "unlink",
                Errno::ECHILD,
            ),
            // What a child exits with that was never executed is ECANCELED as a number.
            (exited(125), Some(refused), "write uid_map", Errno::EPERM),
        ] {
            let failure = ended(status, before_exec).unwrap_err();
            let object = before_exec.map_or("", |_| NAMESPACE);
            assert_eq!(failure, Failure::errno(call, object, errno));
        }
        assert_eq!(ended(exited(0), None), Ok(()));
    }
}
