//! clone3(2), and clone(2) where a filter keeps the newer call from us.

use std::os::fd::{FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::unistd::Pid;

use super::spawn::SpawnError;

/// Who one is after the call.
pub enum Cloned {
    /// The new process.
    Child,
    /// The caller, with the new process and its pidfd.
    Parent(Pid, OwnedFd),
}

/// Forks into new namespaces.
///
/// A seccomp filter cannot look into the arguments of clone3, so container runtimes answer it with `ENOSYS`, older ones
/// with `EPERM`. What clone answers counts then.
///
/// # Safety
/// In a program with more than one thread the child may make system calls only, until it executes another program.
///
/// # Errors
/// Those of clone(2): `EPERM` without the capability, `ENOSPC` at a limit of `user.max_*_namespaces`.
pub unsafe fn clone(namespaces: CloneFlags) -> Result<Cloned, SpawnError> {
    let flags = namespaces.bits() | libc::CLONE_PIDFD;
    let mut pidfd: i32 = -1;
    // SAFETY: the caller keeps the promise.
    let (call, answer) = match unsafe { clone3(flags, &mut pidfd) } {
        // SAFETY: the caller keeps the promise.
        Err(Errno::ENOSYS | Errno::EPERM) => ("clone", unsafe { old_clone(flags, &mut pidfd) }),
        answer => ("clone3", answer),
    };
    match answer.map_err(|errno| SpawnError { call, errno })? {
        0 => Ok(Cloned::Child),
        pid => Ok(Cloned::Parent(
            Pid::from_raw(i32::try_from(pid).unwrap_or(-1)),
            // SAFETY: the kernel has put a new descriptor there, which nobody else owns.
            unsafe { OwnedFd::from_raw_fd(pidfd) },
        )),
    }
}

unsafe fn clone3(flags: i32, pidfd: &mut i32) -> Result<i64, Errno> {
    // SAFETY: zero is valid for every field of clone_args.
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from(flags.cast_unsigned());
    arguments.pidfd = std::ptr::from_mut(pidfd) as u64;
    arguments.exit_signal = u64::from(libc::SIGCHLD.cast_unsigned());
    let size = size_of::<libc::clone_args>();
    // SAFETY: the arguments are valid and of the size that is given; no stack is set, so this is a fork.
    Errno::result(unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size) })
}

unsafe fn old_clone(flags: i32, pidfd: &mut i32) -> Result<i64, Errno> {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: without a stack this is a fork; the third argument is valid, and where CLONE_PIDFD has its descriptor put.
    // The last two differ in order from one architecture to the other, and neither is used.
    let result = unsafe {
        libc::syscall(
            libc::SYS_clone,
            flags | libc::SIGCHLD,
            none,
            std::ptr::from_mut(pidfd),
            none,
            none,
        )
    };
    Errno::result(result)
}
