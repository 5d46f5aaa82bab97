//! Real pairs, in whatever group the tests run in.

use std::fs;
use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::sched::{CpuSet, sched_setaffinity};

use super::*;
use crate::measure::Doubt;
use crate::sys::busy::BusyLoop;
use crate::sys::process::{exit_now, split, wait};

fn pair() -> Option<(BusyLoop, BusyLoop)> {
    let cpu = sched::last_allowed_cpu().unwrap();
    let pair = ["a.out", "b.out"].map(|name| BusyLoop::start(name, cpu).unwrap());
    let nice = sched::nice(pair[0].pid()).unwrap();
    if nice != 0 {
        eprintln!("skipped: nice 0 is refused, and the tests have nice {nice}");
        return None;
    }
    Some(pair.into())
}

fn measure(
    a: &BusyLoop,
    b: &BusyLoop,
    band: &str,
    limit: Duration,
) -> Result<Measured, MeasureError> {
    let band = band.parse().unwrap();
    measure_pair(a.pid(), b.pid(), a.cpu(), &band, Instant::now() + limit)
}

const LONG: Duration = Duration::from_secs(20);

#[test]
fn two_of_the_same_weight_share_their_cpu_and_are_stopped_after() {
    let Some((a, b)) = pair() else { return };
    let measured = measure(&a, &b, "1:1 ±5%", LONG).unwrap();
    assert_eq!(measured.verdict, Verdict::Inside, "{measured:?}");
    assert!(measured.samples.len() <= KEPT);
    assert!(
        measured.cpu_time > Duration::from_millis(40),
        "{measured:?}"
    );
    let until = Instant::now() + LONG;
    for process in [a.pid(), b.pid()] {
        // The stop takes effect when the process next runs.
        let stat = || fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
        while !stat().contains(") T ") {
            assert!(Instant::now() < until, "{process} still runs");
            thread::yield_now();
        }
    }
    let again = measure(&a, &b, "1:4 ±5%", LONG).unwrap();
    assert_eq!(again.verdict, Verdict::Outside, "{again:?}");
}

#[test]
fn looks_are_a_period_apart_and_missed_ones_are_not_made_up_for() {
    let (before, period) = (now().unwrap(), Duration::from_millis(5));
    assert!(sleep_a_period(before, period).unwrap() >= before + period);
    assert!(now().unwrap() >= before + period);
    let missed = before.saturating_sub(100 * period);
    assert!(sleep_a_period(missed, period).unwrap() >= before + period);
}

#[test]
fn a_deadline_that_comes_first_decides_nothing() {
    let Some((a, b)) = pair() else { return };
    let measured = measure(&a, &b, "1:1 ±5%", Duration::ZERO).unwrap();
    assert_eq!(measured.verdict, Verdict::Undecided(Doubt::Settling));
    assert_eq!(measured.estimate, None);
}

#[test]
fn a_process_that_ended_is_told() {
    let Some((a, b)) = pair() else { return };
    kill(b.pid(), Signal::SIGKILL).unwrap();
    let error = measure(&a, &b, "1:1 ±5%", LONG).unwrap_err();
    assert_eq!(error, MeasureError::Ended(b.pid()));
}

#[test]
fn a_process_that_was_moved_is_told() {
    let Some((a, b)) = pair() else { return };
    let everywhere =
        (0..=a.cpu()).try_fold(CpuSet::new(), |mut set, cpu| set.set(cpu).map(|()| set));
    if a.cpu() == 0 {
        return eprintln!("skipped: there is one CPU only");
    }
    let done = AtomicBool::new(false);
    let result = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let _ = sched_setaffinity(b.pid(), &everywhere.unwrap());
                thread::yield_now();
            }
        });
        let result = measure(&a, &b, "1:2 ±1%", Duration::from_millis(200));
        done.store(true, Ordering::Relaxed);
        result
    });
    // Pinning fails as well where the other thread comes in between.
    let pinning = MeasureError::Call("sched_setaffinity", Errno::EINVAL);
    let error = result.unwrap_err();
    assert!(
        error == MeasureError::Moved(b.pid()) || error == pinning,
        "{error}"
    );
}

/// A limit by a group that is not there: what it counts stands in a plain file.
fn measure_limited(process: Pid, cpu: usize, stat: &str) -> Result<MeasuredUsage, MeasureError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(stat.as_bytes()).unwrap();
    let (limit, soon) = (
        "20% ±5%".parse().unwrap(),
        Instant::now() + Duration::from_secs(1),
    );
    measure_usage(process, cpu, &limit, &file, soon)
}

#[test]
fn one_that_hardly_runs_and_was_never_throttled_shows_no_limit() {
    let Some(child) = split().unwrap() else {
        nix::unistd::pause();
        exit_now(0)
    };
    let cpu = sched::last_allowed_cpu().unwrap();
    let measured = measure_limited(child, cpu, "nr_periods 4\nnr_throttled 3\n").unwrap();
    let no_count = measure_limited(child, cpu, "usage_usec 12\n");
    kill(child, Signal::SIGKILL).unwrap();
    wait(child).unwrap();
    assert_eq!(measured.verdict, Verdict::Undecided(Doubt::NotThrottled));
    assert!(measured.usage.unwrap().percent < 5.0, "{measured:?}");
    assert_eq!(no_count, Err(MeasureError::Call("read", Errno::ENODATA)));
}

#[test]
fn what_weighs_otherwise_than_nice_0_is_not_measured() {
    let Some((a, b)) = pair() else { return };
    let who = libc::id_t::try_from(b.pid().as_raw()).unwrap();
    // SAFETY: no memory is passed.
    unsafe { libc::setpriority(libc::PRIO_PROCESS, who, 5) };
    let error = measure(&a, &b, "1:1 ±5%", LONG).unwrap_err();
    assert_eq!(error, MeasureError::Nice(5));
}
