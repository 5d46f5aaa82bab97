//! Clocks: time that passes, and CPU time that processes use.

use std::time::Duration;

use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{
    ClockId, ClockNanosleepFlags, clock_getcpuclockid, clock_gettime, clock_nanosleep,
};
use nix::unistd::Pid;

/// The clock of all CPU time that `process` has used (clock_getcpuclockid(3)).
///
/// While that runs on another CPU its clock is as old as the last scheduler tick there, up to 10 ms at 100 Hz.
///
/// # Errors
/// `ESRCH` when there is no such process.
pub fn of_process(process: Pid) -> Result<ClockId, Errno> {
    clock_getcpuclockid(process)
}

/// What a clock shows.
///
/// # Errors
/// Those of clock_gettime(2); `EINVAL` when the process is gone whose clock it is.
pub fn read(clock: ClockId) -> Result<Duration, Errno> {
    clock_gettime(clock).map(Duration::from)
}

/// Sleeps until `CLOCK_MONOTONIC` shows `time`, on after a signal handler.
///
/// # Errors
/// Those of clock_nanosleep(2).
pub fn sleep_until(time: Duration) -> Result<(), Errno> {
    let time = TimeSpec::from_duration(time);
    loop {
        match clock_nanosleep(
            ClockId::CLOCK_MONOTONIC,
            ClockNanosleepFlags::TIMER_ABSTIME,
            &time,
        ) {
            Err(Errno::EINTR) => {}
            other => return other.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_a_clock_and_what_is_none_has_not() {
        let clock = of_process(Pid::this()).unwrap();
        assert!(read(clock).unwrap() > Duration::ZERO);
        // Above PID_MAX_LIMIT.
        let nobody = Pid::from_raw(4 << 20);
        assert_eq!(of_process(nobody), Err(Errno::ESRCH));
    }

    #[test]
    fn a_sleep_ends_at_its_time() {
        let until = read(ClockId::CLOCK_MONOTONIC).unwrap() + Duration::from_millis(1);
        sleep_until(until).unwrap();
        assert!(read(ClockId::CLOCK_MONOTONIC).unwrap() >= until);
        sleep_until(Duration::ZERO).unwrap();
    }
}
