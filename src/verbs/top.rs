//! `top`: how two busy processes share a CPU.

use std::time::{Duration, Instant};

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::Verb;
use crate::line::{LineError, Words};
use crate::measure::{Band, Verdict};
use crate::recording::{Failure, Measurement, Output};
use crate::session::{Session, Started};
use crate::sys::cpu::{MeasureError, Measured, Sampler, measure_pair};

/// Measures the ratio of the CPU time that two busy processes get, until its confidence interval lies inside the band,
/// or outside. `1:2 ±3%` is: of the time of both the first one gets a third, give or take 3 percentage points. top(1)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Top {
    first: String,
    second: String,
    band: Band,
}

/// How long a measurement may take before it is inconclusive; it takes some 60 ms, also on a busy host.
const LIMIT: Duration = Duration::from_secs(5);

impl Verb for Top {
    const USAGE: &'static str = "top A B = RATIO ±TOLERANCE%";
    const SUMMARY: &'static str = "Measure how two busy processes share their CPU, and judge it";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        let first = words.word("a process that was started")?.text.clone();
        let second = words.word("another process that was started")?.text.clone();
        words.keyword(&["="])?;
        let here = words.here();
        let rest = words.rest();
        let text: Vec<_> = rest.iter().map(|word| word.text.as_str()).collect();
        let band = text
            .join(" ")
            .parse()
            .map_err(|error: crate::measure::BandError| {
                let span = here.start + error.span.start
                    ..here.start + error.span.end.max(error.span.start + 1);
                LineError::new(span, error.message).expected("expected for example 1:2 ±3%")
            })?;
        Ok(Self {
            first,
            second,
            band,
        })
    }

    fn prints(&self) -> bool {
        true
    }

    fn measures_cpu(&self) -> bool {
        true
    }

    fn band(&mut self) -> Option<&mut Band> {
        Some(&mut self.band)
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        let first = session.started(&self.first)?.clone();
        let second = session.started(&self.second)?;
        let deadline = Instant::now() + LIMIT;
        let cpu = first
            .cpu
            .ok_or_else(|| Failure::errno("top", &first.name, Errno::EINVAL))?;
        let measured = measure_pair(first.pid, second.pid, cpu, &self.band, deadline)
            .map_err(|error| self.no_answer(&first, error))?;
        self.judge(&measured)
    }

    fn by_hand(&self, _line: &str) -> String {
        let (first, second) = (&self.first, &self.second);
        format!("top -b -n 1 -d 2 -p $(pgrep -nx {first}),$(pgrep -nx {second})")
    }
}

impl Top {
    fn judge(&self, measured: &Measured) -> Result<Output, Failure> {
        let (first, second) = (&self.first, &self.second);
        let pair = format!("{first} : {second}");
        let found = measured.estimate.as_ref().map_or_else(
            || "hardly any CPU time".to_owned(),
            |estimate| {
                let (share, half) = (100.0 * estimate.share, 100.0 * estimate.half_width);
                format!("{share:.1}% : {:.1}% (±{half:.1}%)", 100.0 - share)
            },
        );
        match measured.verdict {
            Verdict::Inside => {
                let (a, b) = self.band.ratio();
                let mut output = Output::lines([format!("{pair} = {a}:{b}")]);
                output.measurements.extend(self.measurement(measured));
                output.evidence(found).evidence(match measured.sampler {
                    Sampler::Realtime => "sampled under SCHED_FIFO".to_owned(),
                    Sampler::Ordinary(errno) => format!("sampled under SCHED_OTHER: {errno}"),
                });
                Ok(output)
            }
            Verdict::Outside => {
                let message = format!("{pair} = {found}, outside of {}", self.band);
                Err(Failure::unexpected("measure", pair, message))
            }
            Verdict::Undecided(doubt) => {
                let message = format!(
                    "{pair} = {found}, no answer for {} in {LIMIT:?}: {doubt:?}",
                    self.band
                );
                Err(Failure::inconclusive("measure", pair, message))
            }
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
    use super::*;
    use crate::verbs::tests::parse;

    #[test]
    fn the_band_is_read() {
        let top: Top = parse("a.out b.out = 1:2 ±3%").unwrap();
        assert_eq!(top.band.ratio(), (1, 2));
        assert_eq!(
            (top.first.as_str(), top.second.as_str()),
            ("a.out", "b.out")
        );
    }

    #[test]
    fn a_wrong_band_is_pointed_at() {
        for (line, span) in [
            ("a.out b.out = 1:0 ±3%", 14..17),
            ("a.out b.out 1:2 ±3%", 12..15),
            ("a.out", 5..6),
        ] {
            assert_eq!(parse::<Top>(line).unwrap_err().span, span, "{line}");
        }
    }
}
