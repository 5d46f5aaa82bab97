//! Whether a process gets no more than a part of a CPU.

use std::fs::File;
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use super::{
    Elevated, KEPT, MeasureError, Running, clock, has_ended, nanoseconds, now, read, sched,
    sleep_a_period,
};
use crate::measure::{Doubt, Look, Usage, UsageEstimator, UsageLimit, Verdict};
use crate::sys::cgroupfs::nr_throttled;

/// Time between two looks.
const PERIOD: Duration = Duration::from_millis(1);

/// What a measurement found.
#[derive(Debug, Clone, PartialEq)]
pub struct MeasuredUsage {
    /// The answer. `Undecided` means that the deadline came first.
    pub verdict: Verdict,
    /// The part that it rests on; none when the deadline came at once.
    pub usage: Option<Usage>,
    /// The part so far in percent, at 200 looks at most, evenly spread.
    pub samples: Vec<f64>,
}

/// Measures which part of `cpu` a busy process gets that is pinned to it, until the answer is known or `deadline` has
/// come. It is continued for this and stopped at the end.
///
/// `stat` is the `cpu.stat` of the group that limits it. Other load leaves a process little CPU time as well: the answer
/// is `Inside` only when the kernel has throttled the group meanwhile.
///
/// # Errors
/// The process could not be watched, or ended; `ENODATA` when the group counts nothing.
pub fn measure_usage(
    process: Pid,
    cpu: usize,
    limit: &UsageLimit,
    stat: &File,
    deadline: Instant,
) -> Result<MeasuredUsage, MeasureError> {
    sched::pin(process, cpu).map_err(|errno| MeasureError::Call("sched_setaffinity", errno))?;
    let clock = clock::of_process(process)
        .map_err(|errno| MeasureError::Call("clock_getcpuclockid", errno))?;
    let throttled = || nr_throttled(stat).map_err(|errno| MeasureError::Call("read", errno));
    let before = throttled()?;
    let running = Running::new(vec![process])?;
    let mut estimator = UsageEstimator::new(*limit);
    let mut looks = Vec::new();
    let mut next = now()?;
    let verdict = loop {
        next = sleep_a_period(next, PERIOD)?;
        let look = Look {
            cpu_ns: nanoseconds(read(clock)?),
            wall_ns: nanoseconds(now()?),
        };
        if has_ended(process) {
            return Err(MeasureError::Ended(process));
        }
        looks.push(look);
        let verdict = match estimator.push(look) {
            Verdict::Inside if throttled()? == before => Verdict::Undecided(Doubt::NotThrottled),
            verdict => verdict,
        };
        if !matches!(verdict, Verdict::Undecided(_)) || Instant::now() >= deadline {
            break verdict;
        }
    };
    // Stopping it must not wait behind it.
    let _hurry = Elevated::new(cpu);
    drop(running);
    Ok(MeasuredUsage {
        verdict,
        usage: estimator.usage(),
        samples: samples(&looks),
    })
}

#[allow(clippy::cast_precision_loss)]
fn samples(looks: &[Look]) -> Vec<f64> {
    let Some(first) = looks.first() else {
        return Vec::new();
    };
    let part = |look: &Look| {
        let cpu = look.cpu_ns.saturating_sub(first.cpu_ns) as f64;
        let wall = look.wall_ns.saturating_sub(first.wall_ns).max(1) as f64;
        100.0 * cpu / wall
    };
    let stride = looks.len().div_ceil(KEPT).max(1);
    looks.iter().skip(1).step_by(stride).map(part).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(number: usize) -> Vec<Look> {
        let look = |at: u64| Look {
            cpu_ns: 500 + at * at,
            wall_ns: 7000 + 100 * at,
        };
        (0..u64::try_from(number).unwrap()).map(look).collect()
    }

    #[test]
    fn a_sample_is_the_part_since_the_first_look_in_percent() {
        assert!(samples(&looks(0)).is_empty());
        assert!(samples(&looks(1)).is_empty());
        assert_eq!(samples(&looks(4)), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn many_looks_are_thinned_evenly() {
        let kept = samples(&looks(3 * KEPT));
        assert_eq!(kept.len(), KEPT);
        assert_eq!(kept[..3], [1.0, 4.0, 7.0]);
    }
}
