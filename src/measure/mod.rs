//! How two busy processes share one CPU, judged from samples of their CPU clocks. Pure: no system call is made here.
//!
//! The question is whether the first one's share of the CPU time that *both together* received lies within a
//! [`Band`]. Time is counted in the pair's CPU time, not in wall time, so that other load makes the answer later but
//! not different. [`Estimator`] answers `Inside` or `Outside` only when the confidence interval does; everything
//! else is [`Verdict::Undecided`], with the reason.

mod band;
mod blocks;
mod estimator;
mod fit;
mod rule;
mod runs;
mod side;
#[cfg(test)]
mod simulated;
mod thinned;
mod usage;

pub use band::{Band, BandError, Tolerance, tolerance_pp};
pub use estimator::{Estimate, Estimator};
pub use rule::{Doubt, Rule, Verdict};
pub use thinned::Thinned;
pub use usage::{Look, Usage, UsageEstimator, UsageLimit};

/// One look at both CPU clocks, in nanoseconds. Only differences between samples mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// CPU time that the first process has used.
    pub a_ns: u64,
    /// CPU time that the second process has used.
    pub b_ns: u64,
    /// When the look was taken.
    pub wall_ns: u64,
}

impl Sample {
    /// CPU time of the pair.
    #[must_use]
    pub fn pair_ns(&self) -> u64 {
        self.a_ns.saturating_add(self.b_ns)
    }

    /// What passed from `earlier` to this one. A clock that ran backwards stood still.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        Self {
            a_ns: self.a_ns.saturating_sub(earlier.a_ns),
            b_ns: self.b_ns.saturating_sub(earlier.b_ns),
            wall_ns: self.wall_ns.saturating_sub(earlier.wall_ns),
        }
    }
}
