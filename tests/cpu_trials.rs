//! Real trials of the CPU-share measurement: what it answers when the true ratio is known.
//!
//! Ignored by default, because it takes minutes, needs root and cgroup v1's `cpu` hierarchy, and keeps every CPU
//! busy: `TRIALS=100 cargo test --test cpu_trials -- --ignored --nocapture`. Each trial is three ratios.
#![allow(clippy::unwrap_used)]

use std::env;
use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use verify::measure::{Band, Verdict};
use verify::sys::busy::BusyLoop;
use verify::sys::cpu::{Measured, Sampler, measure_pair};
use verify::sys::sched::last_allowed_cpu;

const ROOT: &str = "/sys/fs/cgroup/cpu";
const OWN: &str = "verify-trial-";

/// A cgroup that is removed when dropped.
struct Group(PathBuf);

impl Group {
    fn new(path: PathBuf, shares: u32) -> Self {
        fs::create_dir(&path).unwrap();
        let group = Self(path);
        group.set(shares);
        group
    }

    fn set(&self, shares: u32) {
        fs::write(self.0.join("cpu.shares"), shares.to_string()).unwrap();
    }

    fn tasks(&self) -> File {
        let tasks = self.0.join("tasks");
        OpenOptions::new().write(true).open(tasks).unwrap()
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// Removes what a killed run has left: its processes died with it.
fn remove_leftovers(below: &Path, prefix: &str) {
    for entry in fs::read_dir(below).unwrap().filter_map(Result::ok) {
        let ours = entry.file_name().to_string_lossy().starts_with(prefix);
        if ours && entry.path().is_dir() {
            remove_leftovers(&entry.path(), "");
            let _ = fs::remove_dir(entry.path());
        }
    }
}

/// Where the pair is, below a group of its own that weighs 16 times the default.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Shape {
    /// `b.out` in it, `a.out` in a child group.
    TaskAndGroup,
    /// The same, but `a.out` was measured beside `b.out` before it was moved to the child group.
    Moved,
    /// Each in a child group.
    Siblings,
    /// Both in it, and so always 1:1.
    Tasks,
}

#[derive(Default)]
struct Tally {
    inside: u32,
    outside: u32,
    inconclusive: u32,
    without_priority: u32,
    not_covered: u32,
    error_pp: Vec<f64>,
    cpu_ms: Vec<f64>,
    wall_ms: Vec<f64>,
    whole_ms: Vec<f64>,
}

impl Tally {
    fn add(&mut self, measured: &Measured, truth: f64) {
        match measured.verdict {
            Verdict::Inside => self.inside += 1,
            Verdict::Outside => self.outside += 1,
            Verdict::Undecided(doubt) => {
                self.inconclusive += 1;
                println!("    {doubt}: {:?}", measured.estimate);
            }
        }
        self.without_priority += u32::from(measured.sampler != Sampler::Realtime);
        if let Some(estimate) = measured.estimate {
            let error = (estimate.share - truth).abs();
            self.error_pp.push(100.0 * error);
            self.not_covered += u32::from(error > estimate.half_width);
        }
        self.cpu_ms.push(measured.cpu_time.as_secs_f64() * 1e3);
        self.wall_ms.push(measured.wall.as_secs_f64() * 1e3);
    }

    fn print(&mut self, title: &str) {
        println!(
            "  {title}: inside {}, outside {}, inconclusive {} ({} without priority, {} intervals without the truth)",
            self.inside, self.outside, self.inconclusive, self.without_priority, self.not_covered,
        );
        println!(
            "    p50/p95/max: error {} pp, pair's CPU {} ms, wall {} ms, whole trial {} ms",
            quantiles(&mut self.error_pp),
            quantiles(&mut self.cpu_ms),
            quantiles(&mut self.wall_ms),
            quantiles(&mut self.whole_ms),
        );
    }
}

fn quantiles(values: &mut [f64]) -> String {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    let at = |percent: usize| {
        values
            .get(last * percent / 100)
            .copied()
            .unwrap_or(f64::NAN)
    };
    format!("{:.2}/{:.2}/{:.2}", at(50), at(95), at(100))
}

/// Fresh groups, fresh processes, and ratios one after the other. Each of `weights` is what `a.out` is claimed to
/// weigh and what it really weighs, both against 1024.
fn trial(shape: Shape, weights: &[(u32, u32)], tally: &mut Tally) {
    let start = Instant::now();
    let own = Group::new(
        Path::new(ROOT).join(format!("{OWN}{}", std::process::id())),
        16_384,
    );
    let child = |name: &str| Group::new(own.0.join(name), 1024);
    let a_group = (shape != Shape::Tasks).then(|| child("limit_50_percent"));
    let b_group = (shape == Shape::Siblings).then(|| child("b"));
    let cpu = last_allowed_cpu().unwrap();
    let b = BusyLoop::start("b.out", cpu).unwrap();
    b.attach(b_group.as_ref().unwrap_or(&own).tasks()).unwrap();
    let a = BusyLoop::start("a.out", cpu).unwrap();
    let mut measure = |claimed: u32, real: u32| {
        let band = Band::new((claimed, 1024), TOLERANCE).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        let measured = measure_pair(a.pid(), b.pid(), cpu, &band, deadline).unwrap();
        tally.add(&measured, f64::from(real) / f64::from(real + 1024));
    };
    if shape == Shape::Moved {
        a.attach(own.tasks()).unwrap();
        measure(1024, 1024);
    }
    a.attach(a_group.as_ref().unwrap_or(&own).tasks()).unwrap();
    for &(claimed, real) in weights {
        if let Some(group) = &a_group {
            group.set(real);
        }
        measure(claimed, real);
    }
    drop((a, b));
    drop((a_group, b_group, own));
    tally.whole_ms.push(start.elapsed().as_secs_f64() * 1e3);
}

/// Percentage points.
const TOLERANCE: f64 = 3.0;
const RIGHT: [(u32, u32); 3] = [(1024, 1024), (512, 512), (256, 256)];
const EQUAL: [(u32, u32); 3] = [(1024, 1024); 3];

/// Off by 4 to 17 percentage points, either way.
const WRONG: [[(u32, u32); 3]; 4] = [
    [(1024, 870), (512, 420), (256, 195)],
    [(1024, 1210), (512, 612), (256, 325)],
    [(1024, 512), (512, 256), (256, 100)],
    [(1024, 2048), (512, 1024), (256, 512)],
];

fn trials(title: &str, number: usize) {
    let load = fs::read_to_string("/proc/loadavg").unwrap();
    println!("{title}, ±{TOLERANCE}%, load average {}", load.trim());
    for shape in [
        Shape::TaskAndGroup,
        Shape::Moved,
        Shape::Siblings,
        Shape::Tasks,
    ] {
        let (mut right, mut wrong) = (Tally::default(), Tally::default());
        for nth in 0..number {
            let weights = if shape == Shape::Tasks {
                &EQUAL
            } else {
                &RIGHT
            };
            trial(shape, weights, &mut right);
            if matches!(shape, Shape::TaskAndGroup | Shape::Siblings) {
                trial(shape, &WRONG[nth % WRONG.len()], &mut wrong);
            }
        }
        right.print(&format!("{shape:?}, right"));
        if wrong.outside + wrong.inside + wrong.inconclusive > 0 {
            wrong.print(&format!("{shape:?}, wrong"));
        }
        assert_eq!(wrong.inside, 0, "a wrong ratio passed");
        assert_eq!(right.outside, 0, "a right ratio failed");
    }
}

/// Two busy processes on every CPU that this one may use.
fn load() -> Vec<BusyLoop> {
    let cpus = 0..=last_allowed_cpu().unwrap();
    let busy = cpus
        .flat_map(|cpu| [cpu, cpu])
        .filter_map(|cpu| BusyLoop::start("load", cpu).ok());
    busy.inspect(|busy| busy.resume().unwrap()).collect()
}

/// Runs `work` in a cgroup without real-time budget, where `SCHED_FIFO` is refused if the kernel has RT_GROUP_SCHED.
fn without_priority(work: impl FnOnce()) {
    let group = Group::new(Path::new(ROOT).join(format!("{OWN}self")), 1024);
    fs::write(group.0.join("tasks"), "0").unwrap();
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(work));
    fs::write(Path::new(ROOT).join("tasks"), "0").unwrap();
    result.unwrap();
}

#[test]
#[ignore = "takes minutes, needs root and cgroup v1, keeps every CPU busy"]
fn real_trials() {
    if !Path::new(ROOT).join("cpu.shares").exists() || !nix::unistd::geteuid().is_root() {
        println!("skipped: needs root and cgroup v1's cpu hierarchy at {ROOT}");
        return;
    }
    remove_leftovers(Path::new(ROOT), OWN);
    let number = env::var("TRIALS").map_or(10, |number| number.parse().unwrap());
    trials("idle", number);
    let load = load();
    trials(&format!("beside {} busy processes", load.len()), number);
    without_priority(|| trials("the same, without priority", number.div_ceil(5)));
}
