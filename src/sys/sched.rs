//! Scheduling: which CPU a process may use, and with which priority.

use nix::errno::Errno;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;

/// This thread, for the calls that take a process.
const SELF: Pid = Pid::from_raw(0);

/// Above 50, which threaded interrupt handlers and most real-time programs use.
const PRIORITY: i32 = 60;

/// The last CPU that this thread may use. The first one takes most interrupts, and a cpuset may exclude any.
///
/// # Errors
/// Those of sched_getaffinity(2); `EINVAL` where the kernel is built for more CPUs than glibc's set holds (1024).
pub fn last_allowed_cpu() -> Result<usize, Errno> {
    let allowed = sched_getaffinity(SELF)?;
    (0..CpuSet::count())
        .rev()
        .find(|cpu| allowed.is_set(*cpu) == Ok(true))
        .ok_or(Errno::EINVAL)
}

/// The set of this one CPU.
///
/// # Errors
/// `EINVAL` for a number that no set holds.
pub fn only(cpu: usize) -> Result<CpuSet, Errno> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    Ok(set)
}

/// Makes `cpu` the only one that `process` may use, and looks whether it is.
///
/// # Errors
/// Those of sched_setaffinity(2); `EINVAL` also where a cpuset excludes the CPU.
pub fn pin(process: Pid, cpu: usize) -> Result<(), Errno> {
    sched_setaffinity(process, &only(cpu)?)?;
    if is_pinned(process, cpu)? {
        Ok(())
    } else {
        Err(Errno::EINVAL)
    }
}

/// Whether `cpu` is the only one that `process` may use.
///
/// # Errors
/// Those of sched_getaffinity(2).
pub fn is_pinned(process: Pid, cpu: usize) -> Result<bool, Errno> {
    Ok(sched_getaffinity(process)? == only(cpu)?)
}

/// Has `process` scheduled as most are: `SCHED_OTHER`, nice 0, and looks whether it is. Beside a cgroup, a process
/// weighs what its nice value says, and 1024 only at 0 (sched(7)).
///
/// # Errors
/// Those of sched_setscheduler(2) and setpriority(2), `EACCES` or `EPERM` where the nice value is higher and may
/// not be lowered.
pub fn make_ordinary(process: Pid) -> Result<(), Errno> {
    let who = libc::id_t::try_from(process.as_raw()).map_err(|_| Errno::EINVAL)?;
    set_policy(process, libc::SCHED_OTHER, 0)?;
    // SAFETY: no memory is passed.
    Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, who, 0) }).map(drop)
}

/// The nice value of `process`, -20 to 19. getpriority(2)
///
/// # Errors
/// `ESRCH` when it is gone.
pub fn nice(process: Pid) -> Result<i32, Errno> {
    let who = libc::id_t::try_from(process.as_raw()).map_err(|_| Errno::EINVAL)?;
    // -1 is a nice value too.
    Errno::clear();
    // SAFETY: no memory is passed.
    match unsafe { libc::getpriority(libc::PRIO_PROCESS, who) } {
        -1 if Errno::last_raw() != 0 => Err(Errno::last()),
        nice => Ok(nice),
    }
}

/// This thread on one CPU, before every ordinary process there, until dropped: then as it was.
#[derive(Debug)]
pub struct Elevated {
    policy: i32,
    priority: i32,
    allowed: CpuSet,
}

impl Elevated {
    /// Takes this thread to `cpu` under `SCHED_FIFO`. A thread that does not sleep there takes the CPU from all
    /// others.
    ///
    /// # Errors
    /// Those of sched_setscheduler(2), and then nothing has changed: `EPERM` without `CAP_SYS_NICE`, and in a
    /// cgroup v1 `cpu` group without `cpu.rt_runtime_us`.
    pub fn new(cpu: usize) -> Result<Self, Errno> {
        let (policy, priority) = policy()?;
        let allowed = sched_getaffinity(SELF)?;
        set_policy(SELF, libc::SCHED_FIFO, PRIORITY)?;
        let elevated = Self {
            policy,
            priority,
            allowed,
        };
        pin(SELF, cpu)?;
        Ok(elevated)
    }
}

impl Drop for Elevated {
    /// The CPUs first: on the one that it leaves others may be in the way.
    fn drop(&mut self) {
        let _ = sched_setaffinity(SELF, &self.allowed);
        let _ = set_policy(SELF, self.policy, self.priority);
    }
}

/// Policy and priority of this thread.
///
/// musl's own functions for these calls answer ENOSYS: POSIX wants them to speak of processes, Linux's of threads.
fn policy() -> Result<(i32, i32), Errno> {
    let mut priority: i32 = 0;
    // SAFETY: no memory is passed.
    let policy = Errno::result(unsafe { libc::syscall(libc::SYS_sched_getscheduler, 0) })?;
    // SAFETY: the kernel's sched_param is one int, which it writes.
    Errno::result(unsafe { libc::syscall(libc::SYS_sched_getparam, 0, &raw mut priority) })?;
    Ok((i32::try_from(policy).unwrap_or(libc::SCHED_OTHER), priority))
}

fn set_policy(process: Pid, policy: i32, priority: i32) -> Result<(), Errno> {
    let process = process.as_raw();
    // SAFETY: the kernel's sched_param is one int, which it reads.
    let result = unsafe {
        libc::syscall(
            libc::SYS_sched_setscheduler,
            process,
            policy,
            &raw const priority,
        )
    };
    Errno::result(result).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A thread of its own, whose scheduling is nobody else's.
    fn in_thread(work: impl FnOnce() + Send + 'static) {
        std::thread::spawn(work).join().unwrap();
    }

    fn renice(nice: i32) -> Result<(), Errno> {
        // SAFETY: no memory is passed.
        Errno::result(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) }).map(drop)
    }

    #[test]
    fn the_last_allowed_cpu_is_the_highest_number_that_is_allowed() {
        in_thread(|| {
            let allowed = sched_getaffinity(SELF).unwrap();
            let numbers = 0..CpuSet::count();
            for cpu in numbers.filter(|cpu| allowed.is_set(*cpu) == Ok(true)) {
                assert!(last_allowed_cpu().unwrap() >= cpu);
                pin(SELF, cpu).unwrap();
                assert_eq!(last_allowed_cpu(), Ok(cpu));
                sched_setaffinity(SELF, &allowed).unwrap();
            }
        });
    }

    #[test]
    fn what_has_another_policy_and_nice_value_is_made_ordinary() {
        in_thread(|| {
            let thread = nix::unistd::gettid();
            set_policy(thread, libc::SCHED_BATCH, 0).unwrap();
            renice(5).unwrap();
            assert_eq!(policy(), Ok((libc::SCHED_BATCH, 0)));
            assert_eq!(nice(thread), Ok(5));
            match make_ordinary(thread) {
                Err(errno) => eprintln!("skipped: a lower nice value: {errno}"),
                Ok(()) => {
                    assert_eq!(policy(), Ok((libc::SCHED_OTHER, 0)));
                    assert_eq!(nice(thread), Ok(0));
                }
            }
        });
    }

    #[test]
    fn a_nice_value_of_minus_one_is_no_error() {
        in_thread(|| match renice(-1) {
            Err(errno) => eprintln!("skipped: a negative nice value: {errno}"),
            Ok(()) => assert_eq!(nice(nix::unistd::gettid()), Ok(-1)),
        });
        assert_eq!(nice(Pid::from_raw(i32::MAX)), Err(Errno::ESRCH));
    }

    #[test]
    fn a_thread_that_was_elevated_is_as_before() {
        let before = (policy().unwrap(), sched_getaffinity(SELF).unwrap());
        let cpu = last_allowed_cpu().unwrap();
        match Elevated::new(cpu) {
            Err(errno) => eprintln!("skipped: SCHED_FIFO: {errno}"),
            Ok(_elevated) => {
                assert_eq!(policy().unwrap(), (libc::SCHED_FIFO, PRIORITY));
                assert!(is_pinned(SELF, cpu).unwrap());
            }
        }
        assert_eq!(
            (policy().unwrap(), sched_getaffinity(SELF).unwrap()),
            before
        );
    }

    #[test]
    fn what_was_elevated_gets_back_its_cpus_and_its_policy() {
        in_thread(|| {
            let allowed = sched_getaffinity(SELF).unwrap();
            pin(SELF, last_allowed_cpu().unwrap()).unwrap();
            set_policy(SELF, libc::SCHED_BATCH, 0).unwrap();
            let (policy_before, priority) = (libc::SCHED_OTHER, 0);
            drop(Elevated {
                policy: policy_before,
                priority,
                allowed,
            });
            assert_eq!(policy(), Ok((policy_before, priority)));
            assert_eq!(sched_getaffinity(SELF), Ok(allowed));
        });
    }

    #[test]
    fn a_cpu_that_is_not_there_is_an_error_and_changes_nothing() {
        let before = (policy().unwrap(), sched_getaffinity(SELF).unwrap());
        assert!(Elevated::new(CpuSet::count() - 1).is_err());
        assert_eq!(pin(SELF, CpuSet::count()), Err(Errno::EINVAL));
        assert_eq!(
            (policy().unwrap(), sched_getaffinity(SELF).unwrap()),
            before
        );
    }
}
