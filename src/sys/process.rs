//! Processes: work done in a forked child, waiting, names, signals.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Gid, Pid, Uid, fork, pipe2, setgroups, setresgid, setresuid};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Why a child gave no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// A call for the child failed: `fork`, `pipe2`.
    Call(&'static str, Errno),
    /// The child ended without saying anything.
    Exited(i32),
    /// The child was killed.
    Killed(Signal),
}

/// Does `work` in a forked child, waits for the child's end, and gives what it returned.
///
/// The caller must have one thread only. The result is a frame with its length in front, not the end of the pipe:
/// a process that the child left behind may keep the pipe open.
///
/// # Errors
/// There could be no child, or it died before it had a result.
pub fn in_child<T>(work: impl FnOnce() -> T) -> Result<T, Lost>
where
    T: Serialize + DeserializeOwned,
{
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC).map_err(|errno| Lost::Call("pipe2", errno))?;
    // SAFETY: the caller has one thread, so the child may allocate and run any code.
    match unsafe { fork() }.map_err(|errno| Lost::Call("fork", errno))? {
        ForkResult::Child => {
            drop(reader);
            let sent = send(writer, &work());
            exit_now(i32::from(sent.is_none()));
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let frame = receive(reader);
            let status = wait(child).map_err(|errno| Lost::Call("waitpid", errno))?;
            frame.ok_or(match status {
                WaitStatus::Signaled(_, signal, _) => Lost::Killed(signal),
                WaitStatus::Exited(_, status) => Lost::Exited(status),
                _ => Lost::Call("waitpid", Errno::ECHILD),
            })
        }
    }
}

fn send(writer: OwnedFd, result: &impl Serialize) -> Option<()> {
    let bytes = serde_json::to_vec(result).ok()?;
    let length = u32::try_from(bytes.len()).ok()?.to_ne_bytes();
    let mut writer = File::from(writer);
    writer.write_all(&length).ok()?;
    writer.write_all(&bytes).ok()
}

fn receive<T: DeserializeOwned>(reader: OwnedFd) -> Option<T> {
    let mut reader = File::from(reader);
    let mut length = [0; 4];
    reader.read_exact(&mut length).ok()?;
    let mut bytes = vec![0; u32::from_ne_bytes(length) as usize];
    reader.read_exact(&mut bytes).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Ends this process at once, without the parent's exit handlers and buffers.
pub fn exit_now(status: i32) -> ! {
    // SAFETY: _exit(2) has no preconditions.
    unsafe { libc::_exit(status) }
}

/// Waits for a child, again after a signal handler.
///
/// # Errors
/// Those of waitpid(2).
pub fn wait(child: Pid) -> Result<WaitStatus, Errno> {
    loop {
        match waitpid(child, None) {
            Err(Errno::EINTR) => {}
            other => return other,
        }
    }
}

/// Forks. `None` is the child.
///
/// The caller must have one thread only.
///
/// # Errors
/// Those of fork(2), `EAGAIN` where no more processes are allowed.
pub fn split() -> Result<Option<Pid>, Errno> {
    // SAFETY: the caller has one thread, so the child may run any code.
    match unsafe { fork() }? {
        ForkResult::Child => Ok(None),
        ForkResult::Parent { child } => Ok(Some(child)),
    }
}

/// Closes every descriptor from `first` on.
pub fn close_from(first: u32) {
    // SAFETY: the caller owns the process; descriptors from `first` on are not used again in it.
    unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
}

/// Asks for SIGKILL when the thread that forked this process ends (PR_SET_PDEATHSIG in prctl(2)).
///
/// # Errors
/// Those of prctl(2).
pub fn die_with_parent() -> Result<(), Errno> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)
}

/// Names this process as ps(1) shows it, at most 15 bytes (PR_SET_NAME in prctl(2)).
///
/// # Errors
/// Those of prctl(2); `EINVAL` for a name with a NUL byte.
pub fn set_name(name: &str) -> Result<(), Errno> {
    let name = std::ffi::CString::new(name).map_err(|_| Errno::EINVAL)?;
    nix::sys::prctl::set_name(&name)
}

/// A descriptor for a process, readable when it has ended. It never stands for another one of the same number.
///
/// # Errors
/// Those of pidfd_open(2); `ESRCH` when there is no such process.
pub fn pidfd_open(pid: Pid) -> Result<OwnedFd, Errno> {
    // SAFETY: no memory is passed.
    let result = unsafe { libc::syscall(libc::SYS_pidfd_open, pid.as_raw(), 0) };
    let number = i32::try_from(Errno::result(result)?).map_err(|_| Errno::EMFILE)?;
    // SAFETY: the kernel has just made this descriptor, which nobody else owns.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Sends a signal to the process behind a pidfd.
///
/// # Errors
/// Those of pidfd_send_signal(2); `ESRCH` when it is gone.
pub fn signal(pidfd: BorrowedFd<'_>, signal: Signal) -> Result<(), Errno> {
    // SAFETY: no memory is passed.
    let result = unsafe {
        libc::syscall(
            libc::SYS_pidfd_send_signal,
            pidfd.as_raw_fd(),
            signal as i32,
            std::ptr::null::<libc::siginfo_t>(),
            0,
        )
    };
    Errno::result(result).map(drop)
}

/// A pidfd of this process (pidfd_open(2)).
///
/// # Errors
/// Those of pidfd_open(2).
pub fn own_pidfd() -> Result<OwnedFd, Errno> {
    // SAFETY: no memory is passed.
    let pidfd = unsafe { libc::syscall(libc::SYS_pidfd_open, libc::getpid(), 0) };
    let pidfd = i32::try_from(Errno::result(pidfd)?).map_err(|_| Errno::EBADF)?;
    // SAFETY: the kernel has just made it, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(pidfd) })
}

/// Keeps memory from being swapped out, until it is given back.
///
/// # Errors
/// Those of mlock(2): `ENOMEM` over `RLIMIT_MEMLOCK`.
pub fn lock_memory(memory: &[u8]) -> Result<(), Errno> {
    // SAFETY: only where the pages are kept changes; the address and the length are those of one slice.
    let result = unsafe { libc::mlock(memory.as_ptr().cast(), memory.len()) };
    Errno::result(result).map(drop)
}

/// A close-on-exec descriptor with these bytes in it, to be read from the start (memfd_create(2)).
///
/// # Errors
/// Those of memfd_create(2) and write(2).
pub fn memory_file(bytes: &[u8]) -> Result<OwnedFd, Errno> {
    let file = nix::sys::memfd::memfd_create(c"verify", nix::sys::memfd::MFdFlags::MFD_CLOEXEC)?;
    let mut file = File::from(file);
    let written = file
        .write_all(bytes)
        .and_then(|()| std::io::Seek::rewind(&mut file));
    written.map_err(|error| super::beneath::errno_of(&error))?;
    Ok(file.into())
}

/// Whether the other end of a pipe is closed.
#[must_use]
pub fn hung_up(pipe: &impl AsFd) -> bool {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::empty())];
    poll(&mut fds, PollTimeout::ZERO).is_ok()
        && fds[0]
            .revents()
            .is_some_and(|events| events.contains(PollFlags::POLLHUP))
}

/// Makes this process, and all ids of it, those of a user and a group, without other groups. The user last: it may no
/// longer change the group.
///
/// # Errors
/// The call, setgroups(2), setresgid(2) or setresuid(2), and its errno.
pub fn become_user(user: Uid, group: Gid) -> Result<(), (&'static str, Errno)> {
    let fail = |call| move |errno| (call, errno);
    setgroups(&[]).map_err(fail("setgroups"))?;
    setresgid(group, group, group).map_err(fail("setresgid"))?;
    setresuid(user, user, user).map_err(fail("setresuid"))
}

#[cfg(test)]
mod tests {
    use super::*;

    // cargo test has many threads, of which a forked child has one; these children allocate nothing that another
    // thread could hold, or run as the only test of their process under nextest.
    #[test]
    fn a_result_comes_back_and_a_death_is_told() {
        assert_eq!(in_child(|| 7), Ok(7));
        let killed = in_child(|| {
            let _ = nix::sys::signal::raise(Signal::SIGKILL);
        });
        assert_eq!(killed, Err(Lost::Killed(Signal::SIGKILL)));
        let exited = in_child(|| exit_now(3));
        assert_eq!(exited, Err::<(), _>(Lost::Exited(3)));
    }

    #[test]
    fn every_descriptor_from_a_number_on_is_closed() {
        let Some(child) = split().unwrap() else {
            close_from(3);
            // SAFETY: only whether it is open is asked for.
            let is_open = |number: &i32| unsafe { libc::fcntl(*number, libc::F_GETFD) } >= 0;
            let open = (0..256).filter(is_open).count();
            exit_now(i32::try_from(open).unwrap_or(-1))
        };
        assert_eq!(wait(child), Ok(WaitStatus::Exited(child, 3)));
    }

    #[test]
    fn who_is_to_die_with_its_parent_has_asked_for_sigkill() {
        let asked = in_child(|| {
            die_with_parent().ok()?;
            let signal = nix::sys::prctl::get_pdeathsig().ok()?;
            signal.map(|signal| signal as i32)
        });
        assert_eq!(asked, Ok(Some(libc::SIGKILL)));
    }

    #[test]
    fn memory_that_is_locked_is_counted_as_locked() {
        let memory = vec![1; 1 << 16];
        let locked = in_child(|| lock_memory(&memory).is_ok().then(locked_kib));
        match locked.unwrap() {
            None => eprintln!("skipped: mlock(2) is refused"),
            Some(kib) => assert!((64..128).contains(&kib), "{kib}"),
        }
    }

    /// `VmLck` of proc_pid_status(5), in KiB.
    fn locked_kib() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmLck:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.unwrap().parse().unwrap()
    }

    #[test]
    fn a_pipe_hangs_up_when_its_other_end_is_closed() {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        assert!(!hung_up(&reader));
        drop(writer);
        assert!(hung_up(&reader));
    }
}
