//! When there is an answer, and what it may be.

use std::fmt;
use std::time::Duration;

use super::Sample;

/// A stall of a virtual machine is charged to whoever was running. No answer before the longest run is this small a
/// part.
pub const RUNS_FOR_INSIDE: u64 = 5;
/// The same for `Outside`, which accuses the host.
pub const RUNS_FOR_OUTSIDE: u64 = 10;
/// How late one clock may be, that of a process that is running now: a tick at 100 Hz, and a little.
pub const STALE_NS: u64 = 12_000_000;

/// How much must have been seen before there is an answer. It depends on how finely the sampler looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Time between two looks.
    pub period: Duration,
    /// CPU time of the pair to let pass first: after a start or a change of weights the shares are not yet what
    /// they will be.
    pub settle: Duration,
    /// The distance in CPU time from which on deviations count as independent.
    pub independent: Duration,
    /// CPU time of the pair before any answer.
    pub inside_after: Duration,
    /// CPU time of the pair before the answer `Outside`.
    pub outside_after: Duration,
    /// Turns taken before any answer.
    pub alternations: u32,
}

impl Rule {
    /// For a sampler on the pair's own CPU that runs before both whenever it wants (`SCHED_FIFO`). Each look makes
    /// the scheduler choose anew and brings both clocks up to date.
    pub const REALTIME: Self = Self {
        period: Duration::from_micros(250),
        settle: Duration::from_millis(10),
        independent: Duration::from_millis(2),
        inside_after: Duration::from_millis(40),
        outside_after: Duration::from_millis(80),
        alternations: 12,
    };

    /// For a sampler without priority. Turns last for a scheduler tick and clocks are late by up to one.
    pub const ORDINARY: Self = Self {
        period: Duration::from_millis(1),
        settle: Duration::from_millis(30),
        independent: Duration::from_millis(4),
        inside_after: Duration::from_millis(60),
        outside_after: Duration::from_millis(200),
        alternations: 8,
    };

    /// What speaks against any answer, however clear the numbers are, from `total` and its pieces.
    ///
    /// `after` is the CPU time that the pair must have received, also in longest runs.
    pub(super) fn doubt(
        &self,
        total: &Sample,
        pieces: Pieces,
        after: Duration,
        longest_runs: u64,
    ) -> Option<Doubt> {
        let cpu_ns = total.pair_ns();
        let one_cpu_ns = total.wall_ns + total.wall_ns / 100 + STALE_NS;
        if cpu_ns > one_cpu_ns {
            Some(Doubt::NotSharing)
        } else if u128::from(cpu_ns) < after.as_nanos() {
            Some(Doubt::TooShort)
        } else if pieces.number < self.alternations {
            Some(Doubt::TooFewTurns)
        } else if cpu_ns < longest_runs.saturating_mul(pieces.longest_ns) {
            Some(Doubt::Stalled)
        } else {
            None
        }
    }
}

/// The pieces that the pair's time came in: any of them may have been a stall.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pieces {
    /// How many there were.
    pub number: u32,
    /// CPU time of the longest, in nanoseconds.
    pub longest_ns: u64,
}

impl Pieces {
    /// Takes in the next piece, in nanoseconds.
    pub fn push(&mut self, ns: u64) {
        self.number += u32::from(ns > 0);
        self.longest_ns = self.longest_ns.max(ns);
    }
}

/// What the samples say so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// They do not say it yet. At a deadline this is the answer *inconclusive*, never a pass.
    Undecided(Doubt),
    /// The share's whole confidence interval lies in the band.
    Inside,
    /// The share's whole confidence interval lies outside of the band.
    Outside,
}

/// Why there is no answer yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Doubt {
    /// The pair has not run long enough since it started.
    Settling,
    /// The pair received too little CPU time.
    TooShort,
    /// They took turns too seldom: one of them hardly runs.
    TooFewTurns,
    /// One run was so long that it alone could have made the share, such as a stall of a virtual machine.
    Stalled,
    /// The pair used more CPU time than one CPU has: they do not compete.
    NotSharing,
    /// The confidence interval reaches over an edge of the band.
    OnTheEdge,
    /// The limit never held it back: other load left it too little CPU time to reach it.
    NotThrottled,
}

impl fmt::Display for Doubt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Settling => "the two received hardly any CPU time",
            Self::TooShort => "the two received too little CPU time",
            Self::TooFewTurns => "one of the two hardly ran",
            Self::Stalled => "one of the two ran too long at a time for the time measured",
            Self::NotSharing => "the two did not compete for one CPU",
            Self::OnTheEdge => "the confidence interval reaches over the edge of the band",
            Self::NotThrottled => "it was never throttled, as other load kept it from its limit",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// On one CPU in 100 ms: those, the 1 % that clocks may differ by, and a late clock's 12 ms.
    const TOTAL: Sample = Sample {
        a_ns: 113 * MS,
        b_ns: 0,
        wall_ns: 100 * MS,
    };
    const PIECES: Pieces = Pieces {
        number: 12,
        longest_ns: 113 * MS / 5,
    };

    #[test]
    fn what_is_just_enough_leaves_no_doubt_and_a_little_less_does() {
        let after = Duration::from_millis(113);
        let doubt = |total, pieces, after| Rule::REALTIME.doubt(total, pieces, after, 5);
        assert_eq!(doubt(&TOTAL, PIECES, after), None);
        let more = Sample { b_ns: 1, ..TOTAL };
        assert_eq!(doubt(&more, PIECES, after), Some(Doubt::NotSharing));
        let later = after + Duration::from_nanos(1);
        assert_eq!(doubt(&TOTAL, PIECES, later), Some(Doubt::TooShort));
        let fewer = Pieces {
            number: 11,
            ..PIECES
        };
        assert_eq!(doubt(&TOTAL, fewer, after), Some(Doubt::TooFewTurns));
        let longer = Pieces {
            longest_ns: PIECES.longest_ns + 1,
            ..PIECES
        };
        assert_eq!(doubt(&TOTAL, longer, after), Some(Doubt::Stalled));
    }

    #[test]
    fn a_look_at_a_pair_that_did_not_run_is_no_piece() {
        let mut pieces = Pieces::default();
        [0, 5, 0, 3].into_iter().for_each(|ns| pieces.push(ns));
        assert_eq!((pieces.number, pieces.longest_ns), (2, 5));
    }
}
