//! Which part of a CPU one busy process gets.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{LIMIT, cpu_of};
use crate::measure::{UsageBand, Verdict};
use crate::recording::{Failure, Measurement, Output};
use crate::session::Session;
use crate::sys::cpu::{MeasuredUsage, measure_usage};

/// The part of its CPU that a busy process gets: `20% ±5%` of the time that passes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alone {
    process: String,
    band: UsageBand,
}

impl Alone {
    pub(super) fn new(process: String, band: UsageBand) -> Self {
        Self { process, band }
    }

    pub(super) fn process(&self) -> &str {
        &self.process
    }

    pub(super) fn band(&mut self) -> &mut UsageBand {
        &mut self.band
    }

    pub(super) fn measure(&self, session: &Session) -> Result<Output, Failure> {
        let process = session.started(&self.process)?;
        let (cpu, deadline) = (cpu_of(process)?, Instant::now() + LIMIT);
        let measured = measure_usage(process.pid, cpu, &self.band, deadline)
            .map_err(|error| Failure::inconclusive("measure", &self.process, error.to_string()))?;
        self.judge(&measured)
    }

    fn judge(&self, measured: &MeasuredUsage) -> Result<Output, Failure> {
        let name = &self.process;
        let found = measured.usage.map_or_else(
            || "nothing known".to_owned(),
            |usage| format!("{:.1}% (±{:.1}%)", usage.percent, usage.half_width),
        );
        match measured.verdict {
            Verdict::Inside => {
                let mut output = Output::lines([format!("{name} = {}%", self.band.percent())]);
                output.measurements.extend(self.measurement(measured));
                output.evidence(found);
                Ok(output)
            }
            Verdict::Outside => {
                let message = format!("{name} = {found}, outside of {}", self.band);
                Err(Failure::unexpected("measure", name, message)
                    .measured(self.measurement(measured)))
            }
            Verdict::Undecided(doubt) => {
                let message = format!(
                    "{name} = {found}, no answer for {} in {LIMIT:?}: {doubt}",
                    self.band
                );
                Err(Failure::inconclusive("measure", name, message)
                    .measured(self.measurement(measured)))
            }
        }
    }

    fn measurement(&self, measured: &MeasuredUsage) -> Option<Measurement> {
        let usage = measured.usage?;
        let (percent, tolerance) = (self.band.percent(), self.band.tolerance_pp());
        Some(Measurement {
            name: format!("CPU time of {}", self.process),
            value: usage.percent,
            unit: "%".to_owned(),
            half_width: usage.half_width,
            band: (percent - tolerance, percent + tolerance),
            samples: measured.samples.clone(),
        })
    }
}
