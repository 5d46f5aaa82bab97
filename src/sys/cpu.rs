//! How two processes share a CPU: looks at their CPU clocks until the answer is known.

mod usage;

pub use usage::{MeasuredUsage, measure_usage};

use std::fmt;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid};
use nix::time::ClockId;
use nix::unistd::Pid;

use super::clock;
use super::sched::{self, Elevated};
use crate::measure::{Band, Estimate, Estimator, Rule, Sample, Thinned, Verdict};

/// Samples that a [`Measured`] keeps at most.
const KEPT: usize = 200;

/// Why a pair could not be measured. None of these says anything about how the kernel shares a CPU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MeasureError {
    /// This call failed.
    Call(&'static str, Errno),
    /// This process was not pinned to the CPU any more when the measurement ended.
    Moved(Pid),
    /// This process ended while it was measured.
    Ended(Pid),
    /// The processes have this nice value, and weigh otherwise than one of nice 0 beside a cgroup.
    Nice(i32),
}

impl fmt::Display for MeasureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(call, errno) => write!(f, "{call}: {errno}"),
            Self::Moved(pid) => write!(
                f,
                "process {pid} was moved to other CPUs while it was measured"
            ),
            Self::Ended(pid) => write!(f, "process {pid} ended while it was measured"),
            Self::Nice(nice) => write!(
                f,
                "started with nice {nice}, which takes CAP_SYS_NICE to lower: run verify without nice"
            ),
        }
    }
}

impl std::error::Error for MeasureError {}

/// How the samples were taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sampler {
    /// On the pair's CPU under `SCHED_FIFO`: every look is exact.
    Realtime,
    /// As an ordinary process, because `SCHED_FIFO` was refused with this errno: looks come late and show clocks that
    /// are up to a tick old.
    Ordinary(Errno),
}

/// What a measurement found.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The answer. `Undecided` means that the deadline came first.
    pub verdict: Verdict,
    /// The share that it rests on; none when the pair got hardly any CPU time.
    pub estimate: Option<Estimate>,
    /// Looks at evenly spread moments, 200 at most, from the first one on.
    pub samples: Vec<Sample>,
    /// CPU time that the pair received, from the first look on.
    pub cpu_time: Duration,
    /// Time that passed, from the first look on.
    pub wall: Duration,
    /// How the samples were taken.
    pub sampler: Sampler,
}

/// Measures which part of their common CPU time `a` gets beside `b`, both busy and pinned to `cpu`, until the
/// answer is known or `deadline` has come.
///
/// They are continued for this and stopped at the end, before this thread gives up its priority: else it could wait
/// long behind them. Weights must not change meanwhile; a change before is no problem, because what comes first is
/// not counted.
///
/// # Errors
/// The processes could not be watched, one of them ended, one left the CPU, or their nice value is not 0.
pub fn measure_pair(
    a: Pid,
    b: Pid,
    cpu: usize,
    band: &Band,
    deadline: Instant,
) -> Result<Measured, MeasureError> {
    let elevated = Elevated::new(cpu);
    for process in [a, b] {
        match sched::nice(process) {
            Ok(0) => {}
            Ok(nice) => return Err(MeasureError::Nice(nice)),
            Err(errno) => return Err(MeasureError::Call("getpriority", errno)),
        }
        sched::pin(process, cpu).map_err(|errno| MeasureError::Call("sched_setaffinity", errno))?;
    }
    let (sampler, rule) = match &elevated {
        Ok(_) => (Sampler::Realtime, Rule::REALTIME),
        Err(errno) => (Sampler::Ordinary(*errno), Rule::ORDINARY),
    };
    let running = Running::new(vec![a, b])?;
    let mut series = Series::new(*band, rule);
    let verdict = watch(&Clocks::new(a, b)?, rule.period, deadline, &mut series)?;
    drop(running);
    drop(elevated);
    for process in [a, b] {
        match sched::is_pinned(process, cpu) {
            Ok(true) => {}
            Ok(false) => return Err(MeasureError::Moved(process)),
            Err(errno) => return Err(MeasureError::Call("sched_getaffinity", errno)),
        }
    }
    Ok(series.finish(verdict, sampler))
}

/// Looks once a period until there is a verdict.
fn watch(
    clocks: &Clocks,
    period: Duration,
    deadline: Instant,
    series: &mut Series,
) -> Result<Verdict, MeasureError> {
    let mut next = now()?;
    loop {
        next = sleep_a_period(next, period)?;
        let verdict = series.push(clocks.look()?);
        if !matches!(verdict, Verdict::Undecided(_)) || Instant::now() >= deadline {
            return Ok(verdict);
        }
    }
}

/// Sleeps until a period has passed since `last`, and gives when that was. Looks that were missed are not made up for.
fn sleep_a_period(last: Duration, period: Duration) -> Result<Duration, MeasureError> {
    let next = (last + period).max(now()?);
    clock::sleep_until(next).map_err(|errno| MeasureError::Call("clock_nanosleep", errno))?;
    Ok(next)
}

/// Both processes' clocks.
struct Clocks([(Pid, ClockId); 2]);

impl Clocks {
    fn new(a: Pid, b: Pid) -> Result<Self, MeasureError> {
        let clock = |process| {
            clock::of_process(process)
                .map(|clock| (process, clock))
                .map_err(|errno| MeasureError::Call("clock_getcpuclockid", errno))
        };
        Ok(Self([clock(a)?, clock(b)?]))
    }

    fn look(&self) -> Result<Sample, MeasureError> {
        let [(a, a_clock), (b, b_clock)] = self.0;
        let sample = Sample {
            a_ns: nanoseconds(read(a_clock)?),
            b_ns: nanoseconds(read(b_clock)?),
            wall_ns: nanoseconds(now()?),
        };
        match [a, b].into_iter().find(|process| has_ended(*process)) {
            Some(process) => Err(MeasureError::Ended(process)),
            None => Ok(sample),
        }
    }
}

fn read(clock: ClockId) -> Result<Duration, MeasureError> {
    clock::read(clock).map_err(|errno| MeasureError::Call("clock_gettime", errno))
}

fn now() -> Result<Duration, MeasureError> {
    read(ClockId::CLOCK_MONOTONIC)
}

/// 584 years of them fit.
fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

/// Whether a child has ended and waits to be reaped: its clock can still be read, and stands still. That of any other
/// process is gone with it.
fn has_ended(process: Pid) -> bool {
    let flags = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    waitid(Id::Pid(process), flags).is_ok_and(|status| status != WaitStatus::StillAlive)
}

/// Processes that run as long as this lives, and are stopped after.
struct Running(Vec<Pid>);

impl Running {
    fn new(processes: Vec<Pid>) -> Result<Self, MeasureError> {
        let running = Self(processes);
        for &process in &running.0 {
            kill(process, Signal::SIGCONT).map_err(|errno| MeasureError::Call("kill", errno))?;
        }
        Ok(running)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        for &process in &self.0 {
            let _ = kill(process, Signal::SIGSTOP);
        }
    }
}

/// All that was seen in a measurement.
struct Series {
    estimator: Estimator,
    thinned: Thinned,
    ends: Option<(Sample, Sample)>,
}

impl Series {
    fn new(band: Band, rule: Rule) -> Self {
        Self {
            estimator: Estimator::new(band, rule),
            thinned: Thinned::new(KEPT),
            ends: None,
        }
    }

    fn push(&mut self, sample: Sample) -> Verdict {
        self.ends.get_or_insert((sample, sample)).1 = sample;
        self.thinned.push(sample);
        self.estimator.push(sample)
    }

    fn finish(self, verdict: Verdict, sampler: Sampler) -> Measured {
        let passed = self.ends.map(|(first, last)| last.since(&first));
        Measured {
            verdict,
            estimate: self.estimator.estimate(),
            samples: self.thinned.into_samples(),
            cpu_time: Duration::from_nanos(passed.map_or(0, |passed| passed.pair_ns())),
            wall: Duration::from_nanos(passed.map_or(0, |passed| passed.wall_ns)),
            sampler,
        }
    }
}

#[cfg(test)]
mod tests;
