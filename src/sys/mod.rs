//! Thin calls into the kernel, one file a subsystem. The only place where `unsafe` may stand.
#![allow(unsafe_code)]

pub mod beneath;
pub mod busy;
pub mod cgroup;
pub mod cgroupfs;
pub mod clock;
mod clone;
pub mod confine;
pub mod cpu;
pub mod elf;
pub mod icmp;
pub mod idmap;
pub mod namespace;
pub mod netlink;
pub mod netns;
pub(crate) mod poll;
pub mod process;
pub mod sched;
pub mod signal;
pub mod spawn;
mod steps;
pub mod sweep;
#[cfg(test)]
pub(crate) mod test_namespaces;
pub mod xattr;

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use procfs::process::{MountInfo, Process};

/// A directory to act in, which who may write to it need not be able to read. `O_PATH` in open(2)
///
/// # Errors
/// Those of open(2): `ENOTDIR` for what is none.
pub fn open_directory(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(flags.bits()).open(path)
}

/// The mount that a file is on, as /proc/self/mountinfo shows it.
///
/// # Errors
/// Those of [`mount_id`]; `ENOENT` where /proc does not show it.
pub fn mount_of(file: BorrowedFd<'_>) -> Result<MountInfo, Errno> {
    let id = mount_id(file)?;
    let mounts = Process::myself().and_then(|process| process.mountinfo());
    let mut mounts = mounts.into_iter().flatten();
    let found = mounts.find(|mount| u64::try_from(mount.mnt_id) == Ok(id));
    found.ok_or(Errno::ENOENT)
}

/// The number of the mount that a file is on, as in /proc/self/mountinfo.
///
/// # Errors
/// Those of statx(2); `EOPNOTSUPP` where the kernel does not tell.
pub fn mount_id(file: BorrowedFd<'_>) -> Result<u64, Errno> {
    statx_mount_id(file).or_else(|errno| fdinfo_mount_id(file).ok_or(errno))
}

/// proc_pid_fdinfo(5), for where a filter does not have statx(2), or the kernel not its mount number.
fn fdinfo_mount_id(file: BorrowedFd<'_>) -> Option<u64> {
    let path = format!("/proc/self/fdinfo/{}", file.as_raw_fd());
    let text = std::fs::read_to_string(path).ok()?;
    let number = text.lines().find_map(|line| line.strip_prefix("mnt_id:"))?;
    number.trim().parse().ok()
}

/// Linux 5.8
fn statx_mount_id(file: BorrowedFd<'_>) -> Result<u64, Errno> {
    // SAFETY: zero is valid for every field of statx.
    let mut status: libc::statx = unsafe { std::mem::zeroed() };
    // By its number: the standard library refers to the function weakly, and a static glibc leaves it null then.
    // SAFETY: the path is empty and ends with NUL; the result goes to a valid statx.
    let result = unsafe {
        libc::syscall(
            libc::SYS_statx,
            file.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            libc::STATX_MNT_ID,
            &raw mut status,
        )
    };
    Errno::result(result)?;
    told_mount_id(&status).ok_or(Errno::EOPNOTSUPP)
}

fn told_mount_id(status: &libc::statx) -> Option<u64> {
    (status.stx_mask & libc::STATX_MNT_ID != 0).then_some(status.stx_mnt_id)
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn a_directory_to_act_in_is_none_of_other_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = open_directory(&file).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotADirectory);
        let directory = open_directory(folder.path()).unwrap();
        let flags = nix::fcntl::fcntl(&directory, nix::fcntl::F_GETFL).unwrap();
        assert_ne!(flags & libc::O_PATH, 0);
    }

    #[test]
    fn a_file_is_on_the_mount_that_both_ways_tell() {
        for (path, kind) in [("/proc", "proc"), ("/sys", "sysfs")] {
            let directory = open_directory(Path::new(path)).unwrap();
            let mount = mount_of(directory.as_fd()).unwrap();
            assert_eq!(mount.mount_point, Path::new(path));
            assert_eq!(mount.fs_type, kind);
            let id = u64::try_from(mount.mnt_id).unwrap();
            assert_eq!(fdinfo_mount_id(directory.as_fd()), Some(id));
            match statx_mount_id(directory.as_fd()) {
                Ok(told) => assert_eq!(told, id),
                Err(errno) => eprintln!("skipped: statx(2): {errno}"),
            }
        }
    }

    #[test]
    fn what_the_kernel_does_not_tell_is_no_number() {
        // SAFETY: zero is valid for every field of statx.
        let mut status: libc::statx = unsafe { std::mem::zeroed() };
        status.stx_mnt_id = 7;
        for (mask, told) in [
            (0, None),
            (libc::STATX_BASIC_STATS, None),
            (libc::STATX_BASIC_STATS | libc::STATX_MNT_ID, Some(7)),
        ] {
            status.stx_mask = mask;
            assert_eq!(told_mount_id(&status), told, "{mask:#x}");
        }
    }
}
