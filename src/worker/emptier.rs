//! Emptying a directory in which an ordinary user's experiment has made files of subordinate ids.
//!
//! Only in a user namespace that has these ids may the user remove them. So this program executes itself there, as for
//! a worker.

use std::os::fd::{AsFd, BorrowedFd};

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::wait::WaitStatus;
use nix::unistd::geteuid;

use super::unstarted::not_spawned;
use crate::host::subordinate_ids;
use crate::recording::Failure;
use crate::sys::idmap::SubordinateIds;
use crate::sys::process::{exit_now, wait};
use crate::sys::spawn::{FIRST_FILE, Program, inherited, spawn};
use crate::sys::sweep;

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
    match sweep::empty(directory) {
        Err(errno @ (Errno::EACCES | Errno::EPERM)) if !geteuid().is_root() => {
            let ids = subordinate_ids().ok_or_else(|| not_emptied(errno))?;
            empty_as_all(ids, directory)
        }
        emptied => emptied.map_err(not_emptied),
    }
}

fn empty_as_all(ids: SubordinateIds, directory: BorrowedFd<'_>) -> Result<(), Failure> {
    let process = spawn(&Program {
        arguments: vec![c"verify".to_owned(), c"__empty".to_owned()],
        files: vec![directory],
        namespaces: CloneFlags::CLONE_NEWUSER,
        subordinate_ids: Some(ids),
    })
    .map_err(not_spawned)?;
    match wait(process.pid) {
        Ok(WaitStatus::Exited(_, 0)) => Ok(()),
        Ok(WaitStatus::Exited(_, status)) => Err(not_emptied(Errno::from_raw(status))),
        _ => Err(not_emptied(Errno::ECHILD)),
    }
}

fn not_emptied(errno: Errno) -> Failure {
    Failure::errno("unlink", "", errno)
}
