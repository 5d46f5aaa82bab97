//! Removing what a killed run has left: its cgroups, wherever they are, its directory on the storage, and its own.
//!
//! A run is dead when its lock is free, whatever its processes' numbers are used for by now. This touches nothing of a
//! run that is alive, and costs a few system calls where there is nothing to do.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::errno::Errno;

use super::group::{emptying_deadline, run_of, still_there};
use super::scratch;
use super::state::{self, Locked, RunName, lock, runs};
use super::vacated::Vacated;
use crate::host::Cgroups;
use crate::recording::Failure;
use crate::sys::beneath::errno_of;
use crate::sys::cgroupfs;

/// Removes everything of dead runs with directories below `states` or groups; gives what could not be removed.
#[must_use]
pub fn reap(states: &[PathBuf], cgroups: &Cgroups) -> Vec<String> {
    let deadline = emptying_deadline();
    let mut left = Vec::new();
    for state in states {
        for run in runs(state) {
            left.extend(reap_run(&run, deadline));
        }
        state::remove_unused(state);
    }
    let unknown = |run: &RunName| !states.iter().any(|state| state.join(run.as_str()).exists());
    for group in all_groups(cgroups) {
        if run_of(&group).is_some_and(|run| unknown(&run)) {
            left.extend(reap_group(&group, deadline));
        }
    }
    left
}

fn reap_run(run: &Path, deadline: Instant) -> Vec<String> {
    match lock(run) {
        Ok(Locked::Taken(_lock)) => remove_run(run, deadline),
        Ok(Locked::Held | Locked::Gone) => Vec::new(),
        Err(error) if tells_nothing(&error) => Vec::new(),
        Err(error) => vec![directory_left(run, &error)],
    }
}

/// Whether there was no descriptor to look at a lock with: then it may be a live run's, and what that has is nothing left.
fn tells_nothing(error: &io::Error) -> bool {
    matches!(
        errno_of(error),
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM
    )
}

/// Removes the groups that a run has recorded in its directory, puts back what it has changed of its own one, removes its
/// directory on the storage, and the one with the records when all is done.
/// The caller has taken the run's lock. Gives what could not be removed.
pub fn remove_run(run: &Path, deadline: Instant) -> Vec<String> {
    let name = RunName::of_directory(run);
    let records = match fs::read_dir(run) {
        Err(error) => return vec![directory_left(run, &error)],
        Ok(records) => records,
    };
    let groups = records
        .flatten()
        .filter_map(|record| fs::read_link(record.path()).ok());
    let mut left = Vec::new();
    let groups = groups.filter(|group| name.is_some() && run_of(group) == name);
    for group in groups.filter(|group| !Vacated::is_leaf(group)) {
        if let Err(errno) = cgroupfs::remove(&group, deadline) {
            left.push(still_there(&group, errno));
        }
    }
    // Below a group that passes controllers on there can be others only.
    if left.is_empty() {
        left.extend(Vacated::recorded(run).and_then(|mut vacated| vacated.undo()));
    }
    left.extend(scratch::remove(run));
    // While a group is there, its record must be, for the next start.
    if left.is_empty() {
        match fs::remove_dir_all(run) {
            Err(error) => left.push(directory_left(run, &error)),
            Ok(()) => state::remove_empty(run),
        }
    }
    left
}

fn directory_left(run: &Path, error: &io::Error) -> String {
    state::still_there(run, Failure::io("rmdir", "", error).text())
}

/// A group whose run has no directory: it was removed by force, or belongs to a run that has its own file systems.
fn reap_group(group: &Path, deadline: Instant) -> Option<String> {
    match lock(group) {
        Ok(Locked::Taken(_lock)) => {
            let errno = cgroupfs::remove(group, deadline).err()?;
            Some(still_there(group, errno))
        }
        Ok(Locked::Held | Locked::Gone) => None,
        Err(error) if tells_nothing(&error) => None,
        Err(error) => Some(still_there(group, errno_of(&error))),
    }
}

/// This user's groups where this process would make its own. Another user's state directories cannot be seen, so that its
/// groups would seem to have no run.
pub fn all_groups(cgroups: &Cgroups) -> Vec<PathBuf> {
    let below = |parent: &Path| cgroupfs::groups_below(parent).unwrap_or_default();
    let groups = cgroups.parents().into_iter().flat_map(below);
    groups.filter(|group| is_own(group)).collect()
}

fn is_own(group: &Path) -> bool {
    let user = nix::unistd::geteuid().as_raw();
    fs::metadata(group).is_ok_and(|group| group.uid() == user)
}

#[cfg(test)]
mod tests;
