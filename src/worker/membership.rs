//! A worker's place in cgroup v2: the experiment's own group is the root of its cgroup namespace, as in a container.
//!
//! ```text
//! /sys/fs/cgroup/…/verify-RUN-EXPERIMENT     what the session knows as /sys/fs/cgroup
//!                  ├── init                  the worker, and what it starts
//!                  └── …                     what the session makes
//! ```
//!
//! A group that passes controllers on may hold no processes itself ("no internal processes" in cgroup-v2.rst), so the
//! worker goes on into a group below.

use std::os::fd::BorrowedFd;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;

use crate::recording::Failure;
use crate::sys::{beneath, cgroupfs};

/// The worker's group, below the experiment's own.
const INIT: &str = "init";

/// Takes this process into its experiment's group, and makes that the root of a new cgroup namespace.
///
/// # Errors
/// Those of write(2) on `cgroup.procs`: `EACCES` where the caller may not move a process out of its own group, `EBUSY`
/// or `EOPNOTSUPP` for what can hold none. Those of unshare(2) and mkdir(2).
pub fn join(group: BorrowedFd<'_>) -> Result<(), Failure> {
    enter(group, Path::new("cgroup.procs"))?;
    unshare(CloneFlags::CLONE_NEWCGROUP)
        .map_err(|errno| Failure::errno("unshare", "cgroup", errno))?;
    beneath::mkdir(group, Path::new(INIT)).map_err(|errno| Failure::errno("mkdir", INIT, errno))?;
    enter(group, &Path::new(INIT).join("cgroup.procs"))
}

fn enter(group: BorrowedFd<'_>, members: &Path) -> Result<(), Failure> {
    cgroupfs::enter(group, members)
        .map_err(|errno| Failure::errno("write", members.display(), errno))
}

/// Has the experiment's group pass a controller on to those below it.
///
/// # Errors
/// Those of write(2) on `cgroup.subtree_control`: `ENOENT` when the group does not have the controller itself.
pub fn pass_on(group: BorrowedFd<'_>, controller: &str) -> Result<(), Failure> {
    let change = format!("+{controller}");
    let file = "cgroup.subtree_control";
    cgroupfs::write(group, Path::new(file), change.as_bytes())
        .map_err(|errno| Failure::errno("write", file, errno))
}

/// Whether the worker's own group has a file that can be written.
///
/// # Errors
/// Those of open(2): `ENOENT` where the kernel does not know the file.
pub fn has_file(group: BorrowedFd<'_>, file: &str) -> Result<(), Failure> {
    beneath::open(
        group,
        &Path::new(INIT).join(file),
        OFlag::O_WRONLY,
        Mode::empty(),
    )
    .map(drop)
    .map_err(|errno| Failure::errno("open", file, errno))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsFd;

    use nix::errno::Errno;

    use super::*;

    #[test]
    fn a_controller_is_passed_on_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let group = File::open(folder.path()).unwrap();
        let control = folder.path().join("cgroup.subtree_control");
        let failure = pass_on(group.as_fd(), "cpu").unwrap_err();
        let expected = Failure::errno("write", "cgroup.subtree_control", Errno::ENOENT);
        assert_eq!(failure, expected);
        fs::write(&control, "").unwrap();
        pass_on(group.as_fd(), "cpu").unwrap();
        assert_eq!(fs::read_to_string(control).unwrap(), "+cpu");
    }

    #[test]
    fn a_file_is_looked_for_in_the_workers_own_group() {
        let folder = tempfile::tempdir().unwrap();
        let group = File::open(folder.path()).unwrap();
        fs::create_dir(folder.path().join(INIT)).unwrap();
        fs::write(folder.path().join("cgroup.kill"), "").unwrap();
        let failure = has_file(group.as_fd(), "cgroup.kill").unwrap_err();
        assert_eq!(
            failure,
            Failure::errno("open", "cgroup.kill", Errno::ENOENT)
        );
        fs::write(folder.path().join(INIT).join("cgroup.kill"), "").unwrap();
        has_file(group.as_fd(), "cgroup.kill").unwrap();
    }
}
