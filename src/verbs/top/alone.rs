//! What one busy process gets of a CPU at most.

use std::fs::File;
use std::time::Instant;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::{LIMIT, cpu_of};
use crate::measure::UsageLimit;
use crate::recording::{Failure, Measurement, Output};
use crate::session::{Session, SpecPath};
use crate::sys::beneath;
use crate::sys::cpu::{MeasuredUsage, measure_usage};

/// The part of its CPU that a busy process gets at most, as its group limits it: `20% ±5%` of the time that passes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alone {
    process: String,
    limit: UsageLimit,
    group: SpecPath,
}

impl Alone {
    pub(super) fn new(process: String, limit: UsageLimit, group: SpecPath) -> Self {
        Self {
            process,
            limit,
            group,
        }
    }

    pub(super) fn process(&self) -> &str {
        &self.process
    }

    pub(super) fn limit(&mut self) -> &mut UsageLimit {
        &mut self.limit
    }

    /// The file in which its group counts how often it was throttled.
    pub(super) fn stat(&self) -> SpecPath {
        SpecPath {
            place: self.group.place.clone(),
            relative: self.group.relative.join("cpu.stat"),
        }
    }

    pub(super) fn measure(&self, session: &mut Session) -> Result<Output, Failure> {
        let stat = open(&self.stat(), session)?;
        let process = session.started(&self.process)?;
        let (cpu, deadline) = (cpu_of(process)?, Instant::now() + LIMIT);
        let measured = measure_usage(process.pid, cpu, &self.limit, &stat, deadline)
            .map_err(|error| Failure::inconclusive("measure", &self.process, error.to_string()))?;
        self.answer(&measured).of(measured.verdict)
    }

    fn answer(&self, measured: &MeasuredUsage) -> Answer {
        let found = measured.usage.map_or_else(
            || "nothing known".to_owned(),
            |usage| format!("{:.1}% (±{:.1}%)", usage.percent, usage.half_width),
        );
        Answer {
            of: self.process.clone(),
            claim: format!("{} ≤ {}%", self.process, self.limit.percent()),
            found,
            band: format!("≤ {}", self.limit),
            measurement: self.measurement(measured),
        }
    }

    fn measurement(&self, measured: &MeasuredUsage) -> Option<Measurement> {
        let usage = measured.usage?;
        Some(Measurement {
            name: format!("CPU time of {}", self.process),
            value: usage.percent,
            unit: "%".to_owned(),
            half_width: usage.half_width,
            band: (0.0, self.limit.end()),
            samples: measured.samples.clone(),
        })
    }
}

fn open(path: &SpecPath, session: &mut Session) -> Result<File, Failure> {
    let (root, relative) = session.resolve(path)?;
    beneath::open(root, &relative, OFlag::O_RDONLY, Mode::empty())
        .map(File::from)
        .map_err(|errno| Failure::errno("open", path, errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::measure::{Usage, Verdict};

    fn found(usage: Option<Usage>) -> Answer {
        let limit: UsageLimit = "20% ±5%".parse().unwrap();
        let alone = Alone::new("a.out".to_owned(), limit, SpecPath::here());
        alone.answer(&MeasuredUsage {
            verdict: Verdict::Inside,
            usage,
            samples: vec![18.0, 19.5],
        })
    }

    #[test]
    fn what_was_measured_is_kept_with_its_limit() {
        let usage = Usage {
            percent: 19.5,
            half_width: 0.5,
        };
        let answer = found(Some(usage));
        assert_eq!(answer.found, "19.5% (±0.5%)");
        let kept = answer.measurement.unwrap();
        assert_eq!((kept.value, kept.half_width), (19.5, 0.5));
        assert_eq!(kept.band, (0.0, 25.0));
        assert_eq!(kept.samples, [18.0, 19.5]);
    }

    #[test]
    fn nothing_is_kept_where_nothing_is_known() {
        let answer = found(None);
        assert_eq!(answer.found, "nothing known");
        assert_eq!(answer.measurement, None);
    }
}
