//! How two busy processes share a CPU.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::{LIMIT, cpu_of};
use crate::measure::Band;
use crate::recording::{Failure, Measurement, Output};
use crate::session::{Session, Started};
use crate::sys::cpu::{MeasureError, Measured, Sampler, measure_pair};

/// The ratio of the CPU time that two busy processes get. `1:2 ±3%` is: of the time of both the first one gets a third,
/// give or take 3 percentage points.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Pair {
    first: String,
    second: String,
    band: Band,
}

impl Pair {
    pub(super) fn new(first: String, second: String, band: Band) -> Self {
        Self {
            first,
            second,
            band,
        }
    }

    pub(super) fn processes(&self) -> [&str; 2] {
        [&self.first, &self.second]
    }

    pub(super) fn band(&mut self) -> &mut Band {
        &mut self.band
    }

    pub(super) fn measure(&self, session: &Session) -> Result<Output, Failure> {
        let first = session.started(&self.first)?;
        let second = session.started(&self.second)?;
        let (cpu, deadline) = (cpu_of(first)?, Instant::now() + LIMIT);
        let measured = measure_pair(first.pid, second.pid, cpu, &self.band, deadline)
            .map_err(|error| self.no_answer(first, error))?;
        let mut output = self.answer(&measured).of(measured.verdict)?;
        output.evidence(match measured.sampler {
            Sampler::Realtime => "sampled under SCHED_FIFO".to_owned(),
            Sampler::Ordinary(errno) => format!("sampled under SCHED_OTHER: {errno}"),
        });
        Ok(output)
    }

    fn answer(&self, measured: &Measured) -> Answer {
        let pair = format!("{} : {}", self.first, self.second);
        let (a, b) = self.band.ratio();
        let found = measured.estimate.as_ref().map_or_else(
            || "hardly any CPU time".to_owned(),
            |estimate| {
                let (share, half) = (100.0 * estimate.share, 100.0 * estimate.half_width);
                format!("{share:.1}% : {:.1}% (±{half:.1}%)", 100.0 - share)
            },
        );
        Answer {
            claim: format!("{pair} = {a}:{b}"),
            of: pair,
            found,
            band: self.band.to_string(),
            measurement: self.measurement(measured),
        }
    }

    fn measurement(&self, measured: &Measured) -> Option<Measurement> {
        let estimate = measured.estimate.as_ref()?;
        let (share, tolerance) = (100.0 * self.band.share(), self.band.tolerance_pp());
        let first = measured.samples.first()?;
        let samples = measured
            .samples
            .iter()
            .skip(1)
            .map(|sample| sample.since(first));
        Some(Measurement {
            name: format!("CPU share of {} beside {}", self.first, self.second),
            value: 100.0 * estimate.share,
            unit: "%".to_owned(),
            half_width: 100.0 * estimate.half_width,
            band: (share - tolerance, share + tolerance),
            samples: samples
                .map(|passed| percent(passed.a_ns, passed.pair_ns()))
                .collect(),
        })
    }

    /// What keeps a measurement from being made is no fact about how the kernel shares a CPU.
    fn no_answer(&self, first: &Started, error: MeasureError) -> Failure {
        let pair = format!("{} : {}", first.name, self.second);
        Failure::inconclusive("measure", pair, error.to_string())
    }
}

#[allow(clippy::cast_precision_loss)]
fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::measure::{Estimate, Sample, Verdict};

    fn found(estimate: Option<Estimate>) -> Answer {
        let band = "1:3 ±5%".parse().unwrap();
        let pair = Pair::new("a.out".to_owned(), "b.out".to_owned(), band);
        let looks = [(1000, 2000), (1001, 2003), (1003, 2003)];
        pair.answer(&Measured {
            verdict: Verdict::Inside,
            estimate,
            samples: looks
                .map(|(a_ns, b_ns)| Sample {
                    a_ns,
                    b_ns,
                    wall_ns: 0,
                })
                .to_vec(),
            cpu_time: Duration::ZERO,
            wall: Duration::ZERO,
            sampler: Sampler::Realtime,
        })
    }

    #[test]
    fn what_was_measured_is_kept_in_percent_with_its_band() {
        let answer = found(Some(Estimate {
            share: 0.375,
            half_width: 0.03125,
            cpu: Duration::ZERO,
            alternations: 0,
        }));
        assert_eq!(answer.found, "37.5% : 62.5% (±3.1%)");
        let kept = answer.measurement.unwrap();
        assert_eq!((kept.value, kept.half_width), (37.5, 3.125));
        assert_eq!(kept.band, (20.0, 30.0));
        // Each is the first one's part since the first look.
        assert_eq!(kept.samples, [25.0, 50.0]);
    }

    #[test]
    fn nothing_is_kept_of_a_pair_that_hardly_ran() {
        let answer = found(None);
        assert_eq!(answer.found, "hardly any CPU time");
        assert_eq!(answer.measurement, None);
    }
}
