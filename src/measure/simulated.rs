//! The rule against thousands of simulated pairs, of which the true share is known.

use std::time::Duration;

use super::{Band, Estimator, Rule, Sample, Verdict};

const MS: f64 = 1e6;
/// Five seconds, the time that a measurement is given.
const DEADLINE_NS: f64 = 5e9;

/// SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): every run of the tests draws the same numbers.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }
}

/// What the pair runs on.
#[derive(Debug, Clone, Copy)]
struct Host {
    /// A turn's length, 40 % more or less each time.
    turn_ns: f64,
    /// A look ends the turn and shows exact clocks; otherwise that of the running one is as old as the last tick.
    realtime: bool,
    /// Chance that others take the CPU for up to 5 ms before the next look.
    others: f64,
    /// Chance that a stall of up to 20 ms is charged to the running one before the next look.
    stalls: f64,
    /// The scheduler makes up for stalls.
    repaid: bool,
    /// The scheduler draws lots, so that nothing is ever made up for.
    lots: bool,
}

const IDLE: Host = Host {
    turn_ns: 3.0 * MS,
    realtime: true,
    others: 0.0,
    stalls: 0.0,
    repaid: true,
    lots: false,
};
const BUSY: Host = Host {
    others: 0.2,
    ..IDLE
};
/// A tenth of the pair's time, which is worse than any real host that was seen.
const STALLING: Host = Host {
    stalls: 0.003,
    ..BUSY
};
const UNREPAID: Host = Host {
    repaid: false,
    ..STALLING
};
const LOTTERY: Host = Host { lots: true, ..IDLE };

fn ordinary(host: Host) -> Host {
    Host {
        realtime: false,
        ..host
    }
}

/// A fair scheduler: the one that is behind its share runs next.
struct Pair {
    host: Host,
    share: f64,
    random: Random,
    used: [f64; 2],
    shown: [f64; 2],
    /// CPU time that the first one is ahead of its share.
    lead: f64,
    running: usize,
    left: f64,
    wall: f64,
    tick: f64,
}

impl Pair {
    fn new(host: Host, share: f64, seed: u64) -> Self {
        let mut random = Random(seed);
        let lead = random.between(-2.0, 2.0) * MS;
        Self {
            host,
            share,
            random,
            used: [0.0; 2],
            shown: [0.0; 2],
            lead,
            running: 0,
            left: 0.0,
            wall: 0.0,
            tick: 0.0,
        }
    }

    fn charge(&mut self, ns: f64, repaid: bool) {
        self.used[self.running] += ns;
        if repaid {
            let first = if self.running == 0 { ns } else { 0.0 };
            self.lead += first - self.share * ns;
        }
    }

    fn choose(&mut self) {
        self.shown = self.used;
        let first = if self.host.lots {
            self.random.chance(self.share)
        } else {
            self.lead <= 0.0
        };
        self.running = usize::from(!first);
        self.left = self.host.turn_ns * self.random.between(0.6, 1.4);
    }

    fn run(&mut self, mut ns: f64) {
        while ns > 0.0 {
            if self.left <= 0.0 {
                self.choose();
            }
            let slice = ns.min(self.left).min(self.tick + 4.0 * MS - self.wall);
            self.charge(slice, true);
            self.wall += slice;
            self.left -= slice;
            ns -= slice;
            if self.wall >= self.tick + 4.0 * MS {
                self.tick += 4.0 * MS;
                self.shown = self.used;
            }
        }
    }

    fn away(&mut self, ns: f64) {
        self.wall += ns;
        self.tick = self.tick.max(self.wall - 4.0 * MS);
    }

    /// Lets `period` pass, or more when others are in the way, and looks.
    fn look(&mut self, period: f64) -> Sample {
        let jittered = period * self.random.between(0.9, 1.1);
        self.run(jittered);
        if self.random.chance(self.host.others) {
            let gap = self.random.between(0.1, 5.0) * MS;
            self.away(gap);
        }
        if self.random.chance(self.host.stalls) {
            let stall = self.random.between(1.0, 20.0) * MS;
            self.charge(stall, self.host.repaid);
            self.away(stall);
        }
        if self.host.realtime {
            self.choose();
        }
        let whole = |ns: f64| {
            Duration::from_secs_f64(ns / 1e9)
                .as_nanos()
                .try_into()
                .unwrap()
        };
        Sample {
            a_ns: whole(self.shown[0]),
            b_ns: whole(self.shown[1]),
            wall_ns: whole(self.wall),
        }
    }
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    inside: u32,
    outside: u32,
    undecided: u32,
}

fn judge(band: Band, mut pair: Pair) -> Verdict {
    let rule = if pair.host.realtime {
        Rule::REALTIME
    } else {
        Rule::ORDINARY
    };
    let mut estimator = Estimator::new(band, rule);
    let period = rule.period.as_nanos() as f64;
    loop {
        let verdict = estimator.push(pair.look(period));
        if !matches!(verdict, Verdict::Undecided(_)) || pair.wall > DEADLINE_NS {
            return verdict;
        }
    }
}

/// Judges `trials` pairs for each of the tutorial's ratios, both ways round, whose true share is off by what `off`
/// says.
fn trials(host: Host, tolerance_pp: f64, trials: u64, off: impl Fn(&mut Random) -> f64) -> Count {
    let mut count = Count::default();
    for (nth, ratio) in [(1, 1), (1, 2), (1, 4), (4, 1)].into_iter().enumerate() {
        let band = Band::new(ratio, tolerance_pp).unwrap();
        for trial in 0..trials {
            let mut random = Random(1 + trial * 1_000_003 + nth as u64);
            let sign = if random.chance(0.5) { 1.0 } else { -1.0 };
            let share = (band.share() + sign * off(&mut random) / 100.0).clamp(0.02, 0.98);
            match judge(band, Pair::new(host, share, trial * 7919 + nth as u64)) {
                Verdict::Inside => count.inside += 1,
                Verdict::Outside => count.outside += 1,
                Verdict::Undecided(_) => count.undecided += 1,
            }
        }
    }
    count
}

/// Hosts with fair schedulers, each with the tolerance that it is judged with.
fn fair() -> [(Host, f64); 5] {
    [
        (IDLE, 3.0),
        (IDLE, 1.0),
        (BUSY, 3.0),
        (ordinary(IDLE), 5.0),
        (ordinary(BUSY), 5.0),
    ]
}

#[test]
fn right_pairs_are_always_inside() {
    for (host, tolerance) in fair() {
        let count = trials(host, tolerance, 100, |_| 0.0);
        assert_eq!((count.outside, count.undecided), (0, 0), "{host:?}");
    }
}

#[test]
fn pairs_one_point_or_more_outside_the_band_are_never_inside() {
    for (host, tolerance) in fair()
        .into_iter()
        .chain([(STALLING, 3.0), (ordinary(STALLING), 5.0)])
    {
        let nearly = trials(host, tolerance, 75, |_| tolerance + 1.0);
        assert_eq!(nearly.inside, 0, "{host:?} {nearly:?}");
        let clearly = trials(host, tolerance, 75, |random| {
            tolerance + random.between(1.0, 14.0)
        });
        assert_eq!(clearly.inside, 0, "{host:?} {clearly:?}");
    }
}

/// A frozen process beside one that runs, and one that is not frozen although it should be.
#[test]
fn nothing_is_surely_told_from_a_half() {
    let band: Band = "0:1 ±1%".parse().unwrap();
    let stalling = [STALLING, UNREPAID, ordinary(STALLING)];
    for host in fair().map(|(host, _)| host).into_iter().chain(stalling) {
        for seed in 0..200 {
            let frozen = judge(band, Pair::new(host, 0.0, seed));
            assert_eq!(frozen, Verdict::Inside, "{host:?} {seed}");
            let runs = judge(band, Pair::new(host, 0.5, seed));
            assert_eq!(runs, Verdict::Outside, "{host:?} {seed}");
        }
    }
}

#[test]
fn right_pairs_on_a_stalling_host_are_never_outside() {
    for (host, tolerance) in [(STALLING, 3.0), (ordinary(STALLING), 5.0)] {
        let count = trials(host, tolerance, 75, |_| 0.0);
        assert_eq!(count.outside, 0, "{host:?} {count:?}");
        assert!(count.inside > 270, "{host:?} {count:?}");
    }
}

/// Where deviations add up, the slope's own error is far too small. That of the blocks is what keeps these from
/// passing: without it a seventh of them do.
#[test]
fn pairs_under_an_unfair_scheduler_hardly_ever_pass_wrongly() {
    for (host, tolerance) in [(LOTTERY, 3.0), (UNREPAID, 3.0), (ordinary(LOTTERY), 5.0)] {
        let count = trials(host, tolerance, 75, |_| tolerance + 1.0);
        assert!(count.inside <= 9, "{host:?} {count:?}");
    }
}
