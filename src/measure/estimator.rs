//! The share and its confidence interval.

use std::time::Duration;

use super::blocks::Blocks;
use super::fit::Fit;
use super::rule::{Doubt, Pieces, RUNS_FOR_INSIDE, RUNS_FOR_OUTSIDE, Rule, Verdict};
use super::runs::Runs;
use super::side::Side;
use super::{Band, Sample};

/// Half-width of the confidence interval in standard errors of the slope. The rule is asked again after every
/// sample, so the usual two would be passed by chance sooner or later.
const SLOPE_ERRORS: f64 = 4.0;
/// The same in standard errors from the blocks, which are larger.
const BLOCK_ERRORS: f64 = 3.0;
/// CPU time of the pair in a block at first.
const FIRST_BLOCK_NS: u64 = 2_000_000;
/// Part of a turn of the lighter one that may be cut off at the ends without the residual showing it.
const CUT_TURN: f64 = 0.25;
/// A turn counts as this long at least.
const SHORTEST_TURN_NS: f64 = 1e6;

/// The share and how well it is known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// The first one's part of the pair's CPU time, 0 to 1.
    pub share: f64,
    /// Half the width of the confidence interval, in the unit of `share`.
    pub half_width: f64,
    /// CPU time of the pair that this rests on.
    pub cpu: Duration,
    /// Turns that were seen.
    pub alternations: u32,
}

/// Judges samples as they come.
///
/// The share is the slope of the first one's CPU time over the pair's, by least squares in which each sample weighs
/// as much as the CPU time since the one before. The end points alone would be off by a whole turn.
///
/// The interval is the wider of two. One comes from the samples' deviations from the line and is right if the
/// scheduler is a fair one, so that deviations do not add up. The other comes from the spread between blocks of
/// time and is right for deviations of any kind.
#[derive(Debug, Clone)]
pub struct Estimator {
    band: Band,
    rule: Rule,
    first: Option<Sample>,
    origin: Option<Sample>,
    last: Option<Sample>,
    fit: Fit,
    runs: Runs,
    looks: Pieces,
    blocks: Blocks,
}

impl Estimator {
    /// An estimator that has seen nothing.
    #[must_use]
    pub fn new(band: Band, rule: Rule) -> Self {
        Self {
            band,
            rule,
            first: None,
            origin: None,
            last: None,
            fit: Fit::default(),
            runs: Runs::default(),
            looks: Pieces::default(),
            blocks: Blocks::new(FIRST_BLOCK_NS),
        }
    }

    /// Takes in the next sample and says what all of them say.
    pub fn push(&mut self, sample: Sample) -> Verdict {
        let first = *self.first.get_or_insert(sample);
        let Some(origin) = self.origin else {
            if u128::from(sample.since(&first).pair_ns()) >= self.rule.settle.as_nanos() {
                self.origin = Some(sample);
                self.last = Some(sample);
            }
            return Verdict::Undecided(Doubt::Settling);
        };
        let step = sample.since(&self.last.unwrap_or(origin));
        let total = sample.since(&origin);
        self.runs.push(step.a_ns, step.b_ns);
        self.looks.push(step.pair_ns());
        self.blocks.push(&step);
        self.fit.push(
            total.pair_ns() as f64,
            total.a_ns as f64,
            step.pair_ns() as f64,
        );
        self.last = Some(sample);
        self.verdict(&total)
    }

    /// The share as far as it is known, once there is enough to say how well.
    #[must_use]
    pub fn estimate(&self) -> Option<Estimate> {
        let total = self.last?.since(&self.origin?);
        let share = self.fit.slope()?;
        let by_blocks = BLOCK_ERRORS * self.blocks.standard_error(share)?;
        Some(Estimate {
            share,
            half_width: by_blocks.max(self.by_slope(total.pair_ns() as f64)?),
            cpu: Duration::from_nanos(total.pair_ns()),
            alternations: self.runs.alternations(),
        })
    }

    /// Half-width if neither ever is further ahead of its share than a turn or so.
    fn by_slope(&self, cpu_ns: f64) -> Option<f64> {
        let turns = f64::from(self.runs.alternations());
        let independent = turns
            .min(cpu_ns / self.rule.independent.as_nanos() as f64)
            .max(1.0);
        let error = self.fit.residual()? * (12.0 / independent).sqrt();
        let cut = self.runs.mean_of_lighter_ns().max(SHORTEST_TURN_NS);
        Some((SLOPE_ERRORS * error + CUT_TURN * cut) / cpu_ns)
    }

    /// Two that should share take turns. Where one should get nothing the other runs on, and each look at it shows
    /// that it alone ran.
    fn pieces(&self) -> Pieces {
        match self.band.is_all_or_nothing() {
            true => self.looks,
            false => Pieces {
                number: self.runs.alternations(),
                longest_ns: self.runs.longest_ns(),
            },
        }
    }

    fn verdict(&self, total: &Sample) -> Verdict {
        let doubt = |after, runs| self.rule.doubt(total, self.pieces(), after, runs);
        if let Some(doubt) = doubt(self.rule.inside_after, RUNS_FOR_INSIDE) {
            return Verdict::Undecided(doubt);
        }
        let Some(estimate) = self.estimate() else {
            return Verdict::Undecided(Doubt::TooShort);
        };
        let off = (estimate.share - self.band.share()).abs();
        match Side::of(off, estimate.half_width, self.band.tolerance()) {
            Side::Within => Verdict::Inside,
            Side::Beyond => doubt(self.rule.outside_after, RUNS_FOR_OUTSIDE)
                .map_or(Verdict::Outside, Verdict::Undecided),
            Side::Across => Verdict::Undecided(Doubt::OnTheEdge),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    fn band(text: &str) -> Band {
        text.parse().unwrap()
    }

    /// Looks every 250 µs; `pattern` says which of the two ran in each.
    fn turns(pattern: &str, looks: usize, wall_ns: u64) -> Vec<Sample> {
        let mut sample = Sample {
            a_ns: 0,
            b_ns: 0,
            wall_ns: 0,
        };
        let pattern = pattern.bytes().cycle().take(looks);
        pattern
            .map(|one| {
                sample.wall_ns += wall_ns;
                match one {
                    b'a' => sample.a_ns += 250_000,
                    b'b' => sample.b_ns += 250_000,
                    _ => {}
                }
                sample
            })
            .collect()
    }

    fn judge(band: &Band, samples: &[Sample]) -> (Verdict, Estimator) {
        let mut estimator = Estimator::new(*band, Rule::REALTIME);
        let mut verdict = Verdict::Undecided(Doubt::Settling);
        for sample in samples {
            verdict = estimator.push(*sample);
            if !matches!(verdict, Verdict::Undecided(_)) {
                break;
            }
        }
        (verdict, estimator)
    }

    #[test]
    fn a_right_pair_is_inside_after_fifty_milliseconds() {
        for (claim, pattern) in [
            ("1:1", "ab"),
            ("1:2", "abb"),
            ("1:4", "abbbb"),
            ("4:1", "aaaab"),
        ] {
            let (verdict, estimator) = judge(
                &band(&format!("{claim} ±3%")),
                &turns(pattern, 400, 250_000),
            );
            assert_eq!(verdict, Verdict::Inside, "{claim}");
            let estimate = estimator.estimate().unwrap();
            assert!(
                estimate.cpu <= Duration::from_millis(41),
                "{claim} {estimate:?}"
            );
            assert!(estimate.half_width < 0.03, "{claim} {estimate:?}");
        }
    }

    #[test]
    fn a_wrong_pair_is_outside_but_later() {
        let (verdict, estimator) = judge(&band("1:2 ±3%"), &turns("ab", 4000, 250_000));
        assert_eq!(verdict, Verdict::Outside);
        assert!(estimator.estimate().unwrap().cpu >= Duration::from_millis(80));
    }

    /// Turns of 1 ms, two for each independent deviation; the first one is 125, 250, 125, 0, -125, -250, -125 and 0 µs
    /// ahead of its half in turn.
    #[test]
    fn the_interval_is_four_errors_of_the_slope_and_a_quarter_of_a_turn() {
        let mut estimator = Estimator::new(band("1:1 ±1%"), Rule::REALTIME);
        for sample in turns("aaaabbbb", 41 + 320, 250_000) {
            estimator.push(sample);
        }
        let estimate = estimator.estimate().unwrap();
        assert_eq!(estimate.cpu, Duration::from_millis(80));
        let deviation_us = (125_f64.powi(2) / 2.0 + 250_f64.powi(2) / 4.0).sqrt();
        let error_us = deviation_us * (12.0_f64 / 40.0).sqrt();
        let expected = (4.0 * error_us + 0.25 * 1_000.0) / 80_000.0;
        let apart = (estimate.half_width / expected - 1.0).abs();
        assert!(apart < 0.005, "{estimate:?} {expected}");
    }

    #[test]
    fn a_share_on_the_edge_is_never_decided() {
        let (verdict, _) = judge(&band("2:3 ±10%"), &turns("ab", 20_000, 250_000));
        assert_eq!(verdict, Verdict::Undecided(Doubt::OnTheEdge));
    }

    #[test]
    fn one_that_starves_the_other_is_never_decided() {
        let (verdict, _) = judge(&band("1:1 ±5%"), &turns("b", 20_000, 250_000));
        assert_eq!(verdict, Verdict::Undecided(Doubt::TooFewTurns));
    }

    #[test]
    fn one_that_gets_nothing_is_told_from_one_that_gets_a_little() {
        let (nothing, a_little) = (
            turns("b", 400, 250_000),
            turns(&("b".repeat(29) + "a"), 4000, 250_000),
        );
        assert_eq!(judge(&band("0:1 ±1%"), &nothing).0, Verdict::Inside);
        assert_eq!(judge(&band("1:0 ±1%"), &nothing).0, Verdict::Outside);
        assert_eq!(judge(&band("0:1 ±1%"), &a_little).0, Verdict::Outside);
    }

    #[test]
    fn a_stall_of_the_machine_is_not_one_that_gets_nothing() {
        let mut samples = turns("b", 60, 250_000);
        for sample in &mut samples[41..] {
            sample.b_ns += 200 * MS;
            sample.wall_ns += 200 * MS;
        }
        let (verdict, _) = judge(&band("0:1 ±1%"), &samples);
        assert_eq!(verdict, Verdict::Undecided(Doubt::Stalled));
    }

    #[test]
    fn a_pair_that_gets_no_time_is_never_decided() {
        let (verdict, estimator) = judge(&band("1:1 ±5%"), &turns("-", 20_000, 250_000));
        assert_eq!(verdict, Verdict::Undecided(Doubt::Settling));
        assert_eq!(estimator.estimate(), None);
    }

    #[test]
    fn two_cpus_are_not_a_shared_one() {
        let (verdict, _) = judge(&band("1:1 ±5%"), &turns("ab", 20_000, 125_000));
        assert_eq!(verdict, Verdict::Undecided(Doubt::NotSharing));
    }

    #[test]
    fn the_start_is_not_counted() {
        let mut samples = turns("b", 39, 250_000);
        let start = samples[38];
        samples.extend(turns("ab", 400, 250_000).into_iter().map(|sample| Sample {
            a_ns: sample.a_ns,
            b_ns: start.b_ns + sample.b_ns,
            wall_ns: start.wall_ns + sample.wall_ns,
        }));
        assert_eq!(judge(&band("1:1 ±3%"), &samples).0, Verdict::Inside);
    }

    #[test]
    fn a_stall_delays_the_answer_until_it_is_a_small_part() {
        let mut samples = turns("ab", 120, 250_000);
        let before = samples[119];
        let made_up =
            turns("b", 76, 250_000)
                .into_iter()
                .chain(turns("ab", 8000, 250_000).into_iter().map(|sample| Sample {
                    b_ns: sample.b_ns + 19 * MS,
                    wall_ns: sample.wall_ns + 19 * MS,
                    ..sample
                }));
        samples.extend(made_up.map(|sample| Sample {
            a_ns: before.a_ns + 19 * MS + sample.a_ns,
            b_ns: before.b_ns + sample.b_ns,
            wall_ns: before.wall_ns + 19 * MS + sample.wall_ns,
        }));
        let (verdict, estimator) = judge(&band("1:1 ±3%"), &samples);
        assert_eq!(verdict, Verdict::Inside);
        assert!(estimator.estimate().unwrap().cpu > Duration::from_millis(5 * 19));
    }

    #[test]
    fn clocks_that_run_backwards_do_not_panic() {
        let mut samples = turns("ab", 400, 250_000);
        samples.reverse();
        assert_eq!(
            judge(&band("1:1 ±3%"), &samples).0,
            Verdict::Undecided(Doubt::Settling)
        );
    }
}
