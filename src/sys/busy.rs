//! Endless loops, as `void main() { for (;;); }`: processes that take all the CPU time that they are given.

use std::ffi::{CStr, CString};
use std::fmt;
use std::os::fd::AsFd;

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_setaffinity};
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill, raise};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getpid, getppid, write};

use super::process::{close_from, die_with_parent, exit_now, wait};
use super::sched::{self, Elevated};
use super::signal::forget_all;

/// Why there is no busy loop, or why it is not where it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BusyError {
    /// This call failed.
    Call(&'static str, Errno),
    /// It ended too early, by this signal if by one.
    Ended(Option<Signal>),
}

impl fmt::Display for BusyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(call, errno) => write!(f, "{call}: {errno}"),
            Self::Ended(Some(signal)) => write!(f, "the busy loop was ended by {signal}"),
            Self::Ended(None) => f.write_str("the busy loop ended"),
        }
    }
}

impl std::error::Error for BusyError {}

/// A process that loops for ever once it is continued. It is killed and waited for when this is dropped.
#[derive(Debug)]
pub struct BusyLoop {
    pid: Pid,
    cpu: usize,
}

impl BusyLoop {
    /// Starts a loop named `name` (15 bytes are kept) that may use `cpu` only, and stops it before its first turn.
    ///
    /// It is pinned before anything attaches it to a cgroup. Pinned after, its load stays for a while with the
    /// group on the CPU that it left, and the group weighs too little on this one: shares of 0.36 to 0.67 were
    /// measured where 0.5 was right.
    ///
    /// It has no descriptors, ends with the calling thread, and a signal does to it what it does by default. Its nice
    /// value is 0 where the caller may lower its own to that: a measurement looks whether it is.
    ///
    /// # Errors
    /// `fork(2)`, or the CPU is not allowed (`EINVAL`).
    pub fn start(name: &str, cpu: usize) -> Result<Self, BusyError> {
        let name = CString::new(name).map_err(|_| BusyError::Call("prctl", Errno::EINVAL))?;
        let only = sched::only(cpu).map_err(|errno| BusyError::Call("sched_setaffinity", errno))?;
        let parent = getpid();
        let _hurry = Elevated::new(cpu);
        // SAFETY: the child makes system calls only, until its end.
        let pid = match unsafe { fork() }.map_err(|errno| BusyError::Call("fork", errno))? {
            ForkResult::Child => spin(parent, &name, &only),
            ForkResult::Parent { child } => child,
        };
        let busy = Self { pid, cpu };
        busy.wait_until_stopped()?;
        match sched::make_ordinary(pid) {
            Ok(()) | Err(Errno::EACCES | Errno::EPERM) => Ok(busy),
            Err(errno) => Err(BusyError::Call("setpriority", errno)),
        }
    }

    /// Its process, a child of this one.
    #[must_use]
    pub fn pid(&self) -> Pid {
        self.pid
    }

    /// The only CPU that it may use.
    #[must_use]
    pub fn cpu(&self) -> usize {
        self.cpu
    }

    /// Moves it into the cgroup whose `tasks` or `cgroup.procs` this is: [`attach`].
    ///
    /// # Errors
    /// As [`attach`].
    pub fn attach(&self, members: impl AsFd) -> Result<(), BusyError> {
        attach(self.pid, self.cpu, members)
    }

    /// Lets it loop, outside of a measurement: [`super::cpu::measure_pair`] does so itself.
    ///
    /// # Errors
    /// `ESRCH` when it is gone.
    pub fn resume(&self) -> Result<(), BusyError> {
        kill(self.pid, Signal::SIGCONT).map_err(|errno| BusyError::Call("kill", errno))
    }

    fn wait_until_stopped(&self) -> Result<(), BusyError> {
        loop {
            match waitpid(self.pid, Some(WaitPidFlag::WUNTRACED)) {
                Ok(WaitStatus::Stopped(..)) => return Ok(()),
                Ok(WaitStatus::Exited(_, 0)) => return Err(BusyError::Ended(None)),
                Ok(WaitStatus::Exited(_, errno)) => {
                    return Err(BusyError::Call("sched_setaffinity", Errno::from_raw(errno)));
                }
                Ok(WaitStatus::Signaled(_, signal, _)) => {
                    return Err(BusyError::Ended(Some(signal)));
                }
                Ok(_) | Err(Errno::EINTR) => {}
                Err(errno) => return Err(BusyError::Call("waitpid", errno)),
            }
        }
    }
}

impl Drop for BusyLoop {
    fn drop(&mut self) {
        let _ = kill(self.pid, Signal::SIGKILL);
        let _ = wait(self.pid);
    }
}

/// Moves a process that is pinned to `cpu` into the cgroup whose `tasks` or `cgroup.procs` is `members`, and pins
/// it again: Linux 6.1 resets the affinity of a process that enters a v2 group with a cpuset controller.
///
/// # Errors
/// `write`: `EINVAL`, `EBUSY`, `EOPNOTSUPP`, `ENOSPC` or `EACCES` as cgroups(7) says. `sched_setaffinity`: `EINVAL`
/// where the group's cpuset excludes the CPU.
pub fn attach(process: Pid, cpu: usize, members: impl AsFd) -> Result<(), BusyError> {
    let _hurry = Elevated::new(cpu);
    write(members, process.to_string().as_bytes())
        .map_err(|errno| BusyError::Call("write", errno))?;
    sched::pin(process, cpu).map_err(|errno| BusyError::Call("sched_setaffinity", errno))
}

/// The child's whole life. Makes no allocation: at the fork, another thread may have held the allocator's lock.
fn spin(parent: Pid, name: &CStr, only: &CpuSet) -> ! {
    let _ = die_with_parent();
    if getppid() != parent {
        exit_now(0);
    }
    close_from(0);
    let _ = prctl::set_name(name);
    forget_all();
    if let Err(errno) = sched_setaffinity(Pid::from_raw(0), only) {
        exit_now(errno as i32);
    }
    if let Err(errno) = raise(Signal::SIGSTOP) {
        exit_now(errno as i32);
    }
    // No pause instruction: a hypervisor may take it as a reason to run another virtual CPU.
    loop {
        std::hint::black_box(());
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn proc(busy: &BusyLoop, file: &str) -> String {
        fs::read_to_string(format!("/proc/{}/{file}", busy.pid())).unwrap()
    }

    fn start() -> BusyLoop {
        BusyLoop::start("a.out", sched::last_allowed_cpu().unwrap()).unwrap()
    }

    #[test]
    fn it_is_named_pinned_stopped_and_has_no_descriptors() {
        let busy = start();
        assert_eq!(proc(&busy, "comm"), "a.out\n");
        assert!(proc(&busy, "status").contains("State:\tT"));
        assert!(sched::is_pinned(busy.pid(), busy.cpu()).unwrap());
        let descriptors = fs::read_dir(format!("/proc/{}/fd", busy.pid())).unwrap();
        assert_eq!(descriptors.count(), 0);
    }

    #[test]
    fn it_blocks_and_ignores_no_signal() {
        let busy = start();
        let status = proc(&busy, "status");
        for field in ["SigBlk:", "SigIgn:", "SigCgt:"] {
            let line = status.lines().find(|line| line.starts_with(field)).unwrap();
            let mask = u64::from_str_radix(line[field.len()..].trim(), 16).unwrap();
            assert_eq!(mask & 0x7fff_ffff, 0, "{line}");
        }
    }

    #[test]
    fn it_weighs_what_nice_0_weighs() {
        let busy = start();
        if sched::nice(busy.pid()) != Ok(0) {
            eprintln!("skipped: nice 0 is refused");
            return;
        }
        let scheduling = |busy: &BusyLoop| {
            let stat = proc(busy, "stat");
            let fields: Vec<_> = stat.split(' ').collect();
            (fields[18].to_owned(), fields[40].to_owned())
        };
        let ordinary = ("0".to_owned(), libc::SCHED_OTHER.to_string());
        assert_eq!(scheduling(&busy), ordinary);
        let who = libc::id_t::try_from(busy.pid().as_raw()).unwrap();
        // SAFETY: no memory is passed.
        unsafe { libc::setpriority(libc::PRIO_PROCESS, who, 5) };
        assert_eq!(scheduling(&busy).0, "5");
        match sched::make_ordinary(busy.pid()) {
            Ok(()) => assert_eq!(scheduling(&busy), ordinary),
            Err(errno) => eprintln!("skipped: from nice 5 to 0: {errno}"),
        }
    }

    #[test]
    fn it_may_use_any_cpu_that_is_allowed() {
        let allowed = nix::sched::sched_getaffinity(Pid::from_raw(0)).unwrap();
        for cpu in (0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu) == Ok(true)) {
            let busy = BusyLoop::start("a.out", cpu).unwrap();
            assert_eq!(busy.cpu(), cpu);
            assert_eq!(sched::is_pinned(busy.pid(), cpu), Ok(true));
        }
    }

    #[test]
    fn it_is_gone_when_dropped() {
        let busy = start();
        let pid = busy.pid();
        busy.resume().unwrap();
        let flags = WaitPidFlag::WCONTINUED | WaitPidFlag::WNOHANG;
        assert_eq!(waitpid(pid, Some(flags)), Ok(WaitStatus::Continued(pid)));
        drop(busy);
        assert_eq!(kill(pid, None), Err(Errno::ESRCH));
    }

    #[test]
    fn a_cpu_that_is_not_there_is_an_error() {
        let error = BusyLoop::start("a.out", CpuSet::count() - 1).unwrap_err();
        assert_eq!(error, BusyError::Call("sched_setaffinity", Errno::EINVAL));
        assert!(BusyLoop::start("a\0b", 0).is_err());
    }

    #[test]
    fn what_is_no_cgroup_refuses_it() {
        let busy = start();
        let read_only = fs::File::open("/dev/null").unwrap();
        assert_eq!(
            busy.attach(&read_only),
            Err(BusyError::Call("write", Errno::EBADF))
        );
    }
}
