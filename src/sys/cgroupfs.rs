//! Cgroups as directories: the groups below one, the processes in them, and removing them. See cgroups(7).

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::Pid;

use super::beneath::{self, errno_of};
use super::poll::{from_now, readable, ready};
use super::process::{pidfd_open, signal};
use super::xattr;

/// How long to wait for what the kernel does not tell of.
const BUSY_PAUSE: Duration = Duration::from_millis(1);

/// The groups directly below `group`.
///
/// # Errors
/// Those of stat(2) and getdents(2).
pub fn groups_below(group: &Path) -> Result<Vec<PathBuf>, Errno> {
    let links = fs::metadata(group)
        .map_err(|error| errno_of(&error))?
        .nlink();
    // kernfs counts subdirectories in st_nlink; a group has dozens of files, which this saves listing.
    if links == 2 {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(group).map_err(|error| errno_of(&error))?;
    let groups = entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(groups.map(|entry| entry.path()).collect())
}

/// The controllers that a group's `cgroup.controllers` or `cgroup.subtree_control` names; none where it cannot be read.
#[must_use]
pub fn controllers(group: &Path, file: &str) -> Vec<String> {
    let text = fs::read_to_string(group.join(file)).unwrap_or_default();
    text.split_whitespace().map(str::to_owned).collect()
}

/// Whether the manager of the hierarchy has handed this group over to whoever runs in it: by giving it to an ordinary
/// user ("Delegation" in cgroup-v2.rst), or by the extended attribute that systemd marks such groups with
/// (CGROUP_DELEGATION.md), which also tells when that is root.
#[must_use]
pub fn is_delegated(group: &Path) -> bool {
    let user = nix::unistd::geteuid();
    let is_given = fs::metadata(group).is_ok_and(|group| group.uid() == user.as_raw());
    let is_marked = |name| xattr::read(group, name).is_ok_and(|value| value == b"1");
    (is_given && !user.is_root())
        || ["user.delegate", "trusted.delegate"]
            .into_iter()
            .any(is_marked)
}

/// Whether this process is the only one in a group.
#[must_use]
pub fn is_alone_in(group: &Path) -> bool {
    processes(group) == [nix::unistd::getpid()]
}

/// Removes a group and those below it, and kills what is still in them.
///
/// The last process of a group may still be on its way out when its parent has seen its end: as long as the kernel
/// says `EBUSY`, this waits for it, at most until `deadline`.
///
/// # Errors
/// Those of rmdir(2): `EBUSY` after the deadline. That the group is not there is no error.
pub fn remove(group: &Path, deadline: Instant) -> Result<(), Errno> {
    loop {
        let removed = remove_empty(group);
        if removed != Err(Errno::EBUSY) || Instant::now() >= deadline {
            return removed;
        }
        let dying = kill(group);
        wait_empty(group, &dying, deadline);
    }
}

/// Removes a group without processes and those below it, the innermost first.
fn remove_empty(group: &Path) -> Result<(), Errno> {
    let remove = || match fs::remove_dir(group) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        result => result.map_err(|error| errno_of(&error)),
    };
    match remove() {
        Err(Errno::EBUSY | Errno::ENOTEMPTY) => {}
        result => return result,
    }
    for inner in groups_below(group).unwrap_or_default() {
        remove_empty(&inner)?;
    }
    remove()
}

/// Thaws a group of cgroup v1 and those below it: a frozen process does not even die before (freezer-subsystem.rst). One
/// of cgroup v2 does.
pub fn thaw(group: &Path) {
    if write_existing(&group.join("freezer.state"), "THAWED") {
        let below = groups_below(group).unwrap_or_default();
        below.iter().for_each(|inner| thaw(inner));
    }
}

/// Kills all processes in a group and below it; gives the pidfds of those that had to be killed one by one.
fn kill(group: &Path) -> Vec<OwnedFd> {
    thaw(group);
    // Since Linux 5.14, and in cgroup v2 only.
    if write_existing(&group.join("cgroup.kill"), "1") {
        return Vec::new();
    }
    let mut dying: Vec<OwnedFd> = processes(group)
        .into_iter()
        .filter_map(|pid| kill_member(group, pid))
        .collect();
    for inner in groups_below(group).unwrap_or_default() {
        dying.extend(kill(&inner));
    }
    dying
}

fn kill_member(group: &Path, pid: Pid) -> Option<OwnedFd> {
    let pidfd = pidfd_open(pid).ok()?;
    // The number may have gone to another process before the pidfd was opened, not after.
    if !processes(group).contains(&pid) {
        return None;
    }
    signal(pidfd.as_fd(), Signal::SIGKILL).ok()?;
    Some(pidfd)
}

/// The processes in a group, without those that this PID namespace does not show.
#[must_use]
pub fn processes(group: &Path) -> Vec<Pid> {
    let text = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
    let numbers = text.lines().filter_map(|line| line.parse::<i32>().ok());
    numbers
        .filter(|number| *number > 0)
        .map(Pid::from_raw)
        .collect()
}

/// Takes this process into a group, of which `members` is `cgroup.procs` or `tasks`.
///
/// # Errors
/// Those of open(2) and write(2).
pub fn enter(root: BorrowedFd<'_>, members: &Path) -> Result<(), Errno> {
    // 0 is the process that writes it (cgroups(7)).
    write(root, members, b"0")
}

/// Writes to a control file below `root`.
///
/// # Errors
/// Those of open(2) and write(2).
pub fn write(root: BorrowedFd<'_>, file: &Path, text: &[u8]) -> Result<(), Errno> {
    let file = beneath::open(root, file, OFlag::O_WRONLY, Mode::empty())?;
    nix::unistd::write(&file, text).map(drop)
}

/// Writes to a file of a group, if there is one; gives whether the kernel took it.
pub fn write_existing(path: &Path, text: &str) -> bool {
    let file = fs::OpenOptions::new().write(true).open(path);
    file.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .is_ok()
}

/// Waits until the group may be empty: it says so itself in cgroup v2, its processes' pidfds do in v1. Nothing tells when
/// the kernel lets go of a group without processes.
fn wait_empty(group: &Path, dying: &[OwnedFd], deadline: Instant) {
    if let Ok(events) = File::open(group.join("cgroup.events")) {
        let _ = wait_for_event(&events, "populated 0", deadline);
    }
    for pidfd in dying {
        let _ = readable(pidfd.as_fd(), deadline);
    }
    let _ = pause();
}

fn pause() -> Result<(), Errno> {
    ready(&mut [], from_now(BUSY_PAUSE)).map(drop)
}

/// Waits until a group's `cgroup.events` has a line; false when `deadline` came first.
///
/// The file's poll(2) reports `POLLPRI` for each change since it was last read.
///
/// # Errors
/// Those of poll(2).
pub fn wait_for_event(events: &File, line: &str, deadline: Instant) -> Result<bool, Errno> {
    while !says(events, line) {
        let mut changed = [PollFd::new(events.as_fd(), PollFlags::POLLPRI)];
        if !ready(&mut changed, deadline)? {
            return Ok(says(events, line));
        }
    }
    Ok(true)
}

/// Waits until a group of cgroup v1 is frozen, or thawed; false when `deadline` came first. Nothing tells of it:
/// "freezer.state" has to be read, which also is what makes the kernel look (freezer-subsystem.rst).
///
/// # Errors
/// Those of poll(2).
pub fn wait_for_state(file: &File, state: &str, deadline: Instant) -> Result<bool, Errno> {
    while !says(file, state) {
        if Instant::now() >= deadline {
            return Ok(false);
        }
        pause()?;
    }
    Ok(true)
}

/// In how many periods a group has used up its quota, as its open `cpu.stat` counts them (cgroup-v2.rst, sched-bwc.rst).
///
/// # Errors
/// Those of read(2); `ENODATA` when the file does not say it.
pub fn nr_throttled(stat: &File) -> Result<u64, Errno> {
    let mut text = [0; 1024];
    let length = stat
        .read_at(&mut text, 0)
        .map_err(|error| errno_of(&error))?;
    let text = String::from_utf8_lossy(&text[..length]);
    let mut counts = text
        .lines()
        .filter_map(|line| line.strip_prefix("nr_throttled "));
    counts
        .next()
        .and_then(|count| count.parse().ok())
        .ok_or(Errno::ENODATA)
}

fn says(file: &File, line: &str) -> bool {
    let mut text = [0; 128];
    let length = file.read_at(&mut text, 0).unwrap_or(0);
    let text = String::from_utf8_lossy(&text[..length]);
    text.lines().any(|one| one == line)
}

#[cfg(test)]
mod tests;
