//! A verdict about a measurement: what the step prints, or how it fails.

use super::LIMIT;
use crate::measure::Verdict;
use crate::recording::{Failure, Measurement, Output};

/// A measurement in words.
pub struct Answer {
    /// What was measured: `a.out : b.out`.
    pub of: String,
    /// What the step prints when it is so: `a.out : b.out = 1:2`.
    pub claim: String,
    /// What was found: `33.1% : 66.9% (±1.2%)`.
    pub found: String,
    /// What it must be: `1:2 ±3%`.
    pub band: String,
    /// The same as numbers, if there are any.
    pub measurement: Option<Measurement>,
}

impl Answer {
    /// The output that a verdict stands for.
    ///
    /// # Errors
    /// It is outside of the band, which is about the host, or undecided, which is not.
    pub fn of(self, verdict: Verdict) -> Result<Output, Failure> {
        let Self {
            of, found, band, ..
        } = &self;
        match verdict {
            Verdict::Inside => Ok(self.output()),
            Verdict::Outside => {
                let message = format!("{of} = {found}, outside of {band}");
                Err(Failure::unexpected("measure", of, message).measured(self.measurement))
            }
            Verdict::Undecided(doubt) => {
                let message = format!("{of} = {found}, no answer for {band} in {LIMIT:?}: {doubt}");
                Err(Failure::inconclusive("measure", of, message).measured(self.measurement))
            }
        }
    }

    fn output(self) -> Output {
        let mut output = Output::lines([self.claim]);
        output.measurements.extend(self.measurement);
        output.evidence(self.found);
        output
    }
}
