//! What a program of the host may do that a spec starts: change the scratch directory, and nothing else of the host.
//!
//! It is user 0 as the worker is, and would own the host's files, block devices and sysctls. So it gets mounts of its own in
//! which all but the scratch directory is read-only and a /dev with a few harmless devices, no capability with which it
//! could take that back, and no way to get one (`no_new_privs`).

use std::ffi::CString;
use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, TMPFS_MAGIC, statfs};

/// The devices that a program gets, as container runtimes give them.
const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// Lets `command` change nothing but what is below the directory `scratch`, the root of a mount.
///
/// Starting it fails with `ENOSYS` before Linux 5.12, which cannot make mounts read-only that the program may not undo.
pub fn confine(command: &mut Command, scratch: OwnedFd) {
    // SAFETY: the worker has one thread, so that the child of fork(2) may allocate and run any code.
    unsafe { command.pre_exec(move || mounts(&scratch).and_then(|()| privileges())) };
}

/// Takes all capabilities from `command`; its root directory must already be one that holds nothing of the host.
pub fn disarm(command: &mut Command) {
    // SAFETY: as above.
    unsafe { command.pre_exec(privileges) };
}

fn mounts(scratch: &OwnedFd) -> io::Result<()> {
    let here = std::env::current_dir()?;
    nix::unistd::fchdir(scratch)?;
    let scratch = std::env::current_dir()?;
    // Descriptors stay with the mounts of the worker, paths lead to the new ones.
    unshare(CloneFlags::CLONE_NEWNS)?;
    let devices = DEVICES.map(|name| (name, device(name)));
    let attributes = libc::MOUNT_ATTR_RDONLY | libc::MOUNT_ATTR_NODEV | libc::MOUNT_ATTR_NOSUID;
    set_attributes(Path::new("/"), libc::AT_RECURSIVE, attributes, 0)?;
    // The mount itself, whatever a spec has mounted over it.
    set_attributes(Path::new("."), 0, 0, libc::MOUNT_ATTR_RDONLY)?;
    for writable in mounted_below(&scratch) {
        set_attributes(&writable, 0, 0, libc::MOUNT_ATTR_RDONLY)?;
    }
    if Path::new("/dev").is_dir() {
        place_devices(&devices)?;
    }
    std::env::set_current_dir(&here)
}

/// Where a spec has mounted a file system in the scratch directory, but for a proc or another window into the kernel.
/// What is seen there counts: a proc may cover a tmpfs.
fn mounted_below(scratch: &Path) -> impl Iterator<Item = PathBuf> {
    let mounts = procfs::process::Process::myself().and_then(|process| process.mountinfo());
    let points = mounts.into_iter().flatten().map(|mount| mount.mount_point);
    let scratch = scratch.to_owned();
    points.filter(move |point| {
        let kind = statfs(point).map(|file_system| file_system.filesystem_type());
        point.starts_with(&scratch) && matches!(kind, Ok(TMPFS_MAGIC | OVERLAYFS_SUPER_MAGIC))
    })
}

fn set_attributes(path: &Path, flags: i32, set: u64, clear: u64) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    // SAFETY: zero is valid for every field.
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = set;
    attributes.attr_clr = clear;
    // SAFETY: the path ends with NUL, and the structure is valid and of the size that is given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            libc::AT_FDCWD,
            path.as_ptr(),
            flags,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    Ok(Errno::result(result).map(drop)?)
}

/// A mount of one device, which keeps its attributes when all others lose theirs.
fn device(name: &str) -> Option<OwnedFd> {
    let path = CString::new(format!("/dev/{name}")).ok()?;
    let flags = libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC;
    // SAFETY: the path ends with NUL.
    let result =
        unsafe { libc::syscall(libc::SYS_open_tree, libc::AT_FDCWD, path.as_ptr(), flags) };
    let number = i32::try_from(Errno::result(result).ok()?).ok()?;
    // SAFETY: the kernel has just made it, and nobody else owns it.
    Some(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Covers /dev. A device that the host does not have is left out.
fn place_devices(devices: &[(&str, Option<OwnedFd>)]) -> io::Result<()> {
    mount(
        Some("verify"),
        "/dev",
        Some("tmpfs"),
        MsFlags::MS_NOSUID,
        Some("size=4k,mode=755"),
    )?;
    for (name, device) in devices {
        let Some(device) = device else { continue };
        let path = Path::new("/dev").join(name);
        drop(File::create(&path)?);
        let path = CString::new(path.as_os_str().as_bytes())?;
        // SAFETY: both paths end with NUL.
        let result = unsafe {
            let flags = libc::MOVE_MOUNT_F_EMPTY_PATH;
            libc::syscall(
                libc::SYS_move_mount,
                device.as_raw_fd(),
                c"".as_ptr(),
                libc::AT_FDCWD,
                path.as_ptr(),
                flags,
            )
        };
        Errno::result(result).map(drop)?;
    }
    set_attributes(Path::new("/dev"), 0, libc::MOUNT_ATTR_RDONLY, 0)
}

/// No capability, and none to be had by executing a program as user 0. What is no longer permitted is no longer ambient
/// either. capabilities(7)
fn privileges() -> io::Result<()> {
    // `_LINUX_CAPABILITY_VERSION_3`, the calling process; two halves of three sets. capset(2)
    let (header, none): ([u32; 2], [u32; 6]) = ([0x2008_0522, 0], [0; 6]);
    // SAFETY: both arrays have the layout that capset(2) asks for; prctl(2) takes numbers only here.
    unsafe {
        Errno::result(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)).map(drop)?;
        Errno::result(libc::syscall(
            libc::SYS_capset,
            header.as_ptr(),
            none.as_ptr(),
        ))
        .map(drop)?;
    }
    Ok(())
}
