//! Whether a process gets no more than a part of one CPU's time, judged from samples of its CPU clock.
//!
//! A quota is counted in wall time, and other load only ever takes time away: there is no lower end. That the process got
//! little shows a limit only together with what the kernel counts of it, which is not known here: see
//! [`Doubt::NotThrottled`].

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::band::{BandError, Tolerance, not_wider, tolerance_pp, words, wrong};
use super::fit::Fit;
use super::rule::{Doubt, STALE_NS, Verdict};
use super::side::Side;

/// The part of one CPU that a process may get, and how far over it the measured one may be: `20% ±5%` ends at 25 %.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UsageLimit {
    percent: f64,
    tolerance_pp: f64,
}

impl UsageLimit {
    fn new(percent: f64, tolerance_pp: f64) -> Result<Self, String> {
        let limit = Self {
            percent,
            tolerance_pp,
        };
        if tolerance_pp <= 0.0 {
            Err("no measurement is exact: the tolerance must be above 0%".to_owned())
        } else if limit.end() >= 100.0 {
            Err(format!("{limit} would take a whole CPU as well"))
        } else {
            Ok(limit)
        }
    }

    /// The part in percent of one CPU.
    #[must_use]
    pub fn percent(&self) -> f64 {
        self.percent
    }

    /// The largest part that is still taken, in percent.
    #[must_use]
    pub fn end(&self) -> f64 {
        self.percent + self.tolerance_pp
    }
}

impl Tolerance for UsageLimit {
    fn tighten(&mut self, tolerance_pp: f64) -> Result<(), String> {
        not_wider(tolerance_pp, self.tolerance_pp)?;
        *self = Self::new(self.percent, tolerance_pp)?;
        Ok(())
    }
}

impl fmt::Display for UsageLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}% ±{}%", self.percent, self.tolerance_pp)
    }
}

impl From<UsageLimit> for String {
    fn from(band: UsageLimit) -> Self {
        band.to_string()
    }
}

impl TryFrom<String> for UsageLimit {
    type Error = BandError;

    fn try_from(text: String) -> Result<Self, BandError> {
        text.parse()
    }
}

impl FromStr for UsageLimit {
    type Err = BandError;

    /// Reads `N% ±N%`, also `N% +-N%`, the two words apart by blanks.
    fn from_str(text: &str) -> Result<Self, BandError> {
        let words = words(text);
        let end = text.chars().count();
        let [(span, percent), (tolerance_span, tolerance_text)] = &words[..] else {
            let at = words.get(2).map_or(end..end + 1, |(span, _)| span.clone());
            return Err(wrong(
                &at,
                "expected a part of a CPU and a tolerance, such as `20% ±5%`",
            ));
        };
        let percent = self::percent(percent).map_err(|message| wrong(span, message))?;
        let tolerance_pp =
            self::tolerance_pp(tolerance_text).map_err(|message| wrong(tolerance_span, message))?;
        Self::new(percent, tolerance_pp).map_err(|message| wrong(tolerance_span, message))
    }
}

fn percent(word: &str) -> Result<f64, String> {
    let digits = |text: &&str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    word.strip_suffix('%')
        .filter(digits)
        .and_then(|number| number.parse().ok())
        .filter(|percent| *percent > 0.0 && *percent < 100.0)
        .ok_or_else(|| {
            format!("`{word}` is no part of a CPU: expected more than 0% and less than 100%")
        })
}

/// One look at a process's CPU clock, in nanoseconds. Only differences between looks mean something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// CPU time that the process has used.
    pub cpu_ns: u64,
    /// When the look was taken.
    pub wall_ns: u64,
}

/// The part of a CPU, in percent, and half the width of its confidence interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Usage {
    /// The part in percent.
    pub percent: f64,
    /// In the same unit.
    pub half_width: f64,
}

/// Time to let pass first: a group begins with what its quota has left over.
const SETTLE: Duration = Duration::from_millis(20);
/// Time before the answer `Inside`.
const INSIDE_AFTER: Duration = Duration::from_millis(200);
/// Time before the answer `Outside`, which accuses the host.
const OUTSIDE_AFTER: Duration = Duration::from_millis(500);
/// Half-width in standard errors of the slope. The rule is asked again after every look.
const SLOPE_ERRORS: f64 = 4.0;

/// Judges looks as they come. The part is the slope of CPU time over wall time, by least squares.
#[derive(Debug, Clone)]
pub struct UsageEstimator {
    limit: UsageLimit,
    first: Option<Look>,
    origin: Option<Look>,
    last: Option<Look>,
    fit: Fit,
    ran: bool,
    turns: u32,
}

impl UsageEstimator {
    /// An estimator that has seen nothing.
    #[must_use]
    pub fn new(limit: UsageLimit) -> Self {
        Self {
            limit,
            first: None,
            origin: None,
            last: None,
            fit: Fit::default(),
            ran: false,
            turns: 0,
        }
    }

    /// Takes in the next look and says what all of them say.
    pub fn push(&mut self, look: Look) -> Verdict {
        let first = *self.first.get_or_insert(look);
        let (Some(origin), Some(last)) = (self.origin, self.last) else {
            if passed(&first, &look) >= SETTLE {
                (self.origin, self.last) = (Some(look), Some(look));
            }
            return Verdict::Undecided(Doubt::Settling);
        };
        let ran = look.cpu_ns > last.cpu_ns;
        self.turns += u32::from(ran && !self.ran);
        self.ran = ran;
        self.fit.push(
            passed(&origin, &look).as_nanos() as f64,
            look.cpu_ns.saturating_sub(origin.cpu_ns) as f64,
            passed(&last, &look).as_nanos() as f64,
        );
        self.last = Some(look);
        self.verdict(passed(&origin, &look))
    }

    /// The part as far as it is known.
    #[must_use]
    pub fn usage(&self) -> Option<Usage> {
        let wall_ns = passed(&self.origin?, &self.last?).as_nanos() as f64;
        let turns = f64::from(self.turns.max(1));
        let error = self.fit.residual()? * (12.0 / turns).sqrt();
        Some(Usage {
            percent: 100.0 * self.fit.slope()?,
            // The clock of a process that runs on another CPU is late.
            half_width: 100.0 * (SLOPE_ERRORS * error + STALE_NS as f64) / wall_ns,
        })
    }

    fn verdict(&self, wall: Duration) -> Verdict {
        let Some(usage) = self.usage().filter(|_| wall >= INSIDE_AFTER) else {
            return Verdict::Undecided(Doubt::TooShort);
        };
        match Side::of(usage.percent, usage.half_width, self.limit.end()) {
            Side::Within => Verdict::Inside,
            Side::Beyond if wall >= OUTSIDE_AFTER => Verdict::Outside,
            _ => Verdict::Undecided(Doubt::OnTheEdge),
        }
    }
}

fn passed(earlier: &Look, later: &Look) -> Duration {
    Duration::from_nanos(later.wall_ns.saturating_sub(earlier.wall_ns))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: u64 = 1_000_000;

    /// Looks every millisecond at a process that runs for `run` ms at the begin of every period of `period` ms.
    fn looks(run: u64, period: u64, count: u64) -> impl Iterator<Item = Look> {
        let used = move |ms: u64| (ms / period) * run + (ms % period).min(run);
        (0..count).map(move |ms| Look {
            cpu_ns: used(ms) * MS,
            wall_ns: ms * MS,
        })
    }

    fn judge(limit: &str, looks: impl Iterator<Item = Look>) -> (Verdict, u64) {
        let mut estimator = UsageEstimator::new(limit.parse().unwrap());
        let mut answer = (Verdict::Undecided(Doubt::Settling), 0);
        for look in looks {
            answer = (estimator.push(look), look.wall_ns / MS);
            if !matches!(answer.0, Verdict::Undecided(_)) {
                break;
            }
        }
        answer
    }

    #[test]
    fn a_limit_is_read_and_shown_as_written() {
        let limit: UsageLimit = "20% ±5%".parse().unwrap();
        assert_eq!((limit.percent(), limit.end()), (20.0, 25.0));
        assert_eq!(limit.to_string(), "20% ±5%");
        let parts: UsageLimit = "12.5% ±2.5%".parse().unwrap();
        assert_eq!((parts.percent(), parts.end()), (12.5, 15.0));
        let mut stricter = limit;
        stricter.tighten(2.0).unwrap();
        assert_eq!(stricter.to_string(), "20% ±2%");
        assert!(stricter.tighten(3.0).is_err());
        for (text, span) in [
            ("20%", 3..4),
            ("20 ±5%", 0..2),
            ("2e1% ±5%", 0..4),
            ("0% ±5%", 0..2),
            ("100% ±5%", 0..4),
            ("80% ±20%", 4..8),
            ("20% 5%", 4..6),
            ("20% ±0%", 4..7),
            ("20% ±5% x", 8..9),
        ] {
            assert_eq!(text.parse::<UsageLimit>().unwrap_err().span, span, "{text}");
        }
    }

    #[test]
    fn a_quota_is_inside_within_half_a_second_also_with_long_ticks() {
        for (run, period) in [(2, 10), (4, 20), (10, 50)] {
            let (verdict, ms) = judge("20% ±5%", looks(run, period, 5000));
            assert_eq!(verdict, Verdict::Inside, "{run} in {period}");
            assert!(ms < 700, "{run} in {period}: {ms} ms");
        }
    }

    #[test]
    fn more_than_the_quota_accuses_the_host() {
        for (run, period) in [(3, 10), (6, 20), (10, 10)] {
            let (verdict, ms) = judge("20% ±5%", looks(run, period, 5000));
            assert_eq!(verdict, Verdict::Outside, "{run} in {period}");
            assert!(ms >= 520, "{run} in {period}: after {ms} ms already");
        }
    }

    #[test]
    fn less_than_the_quota_is_inside() {
        for (run, period) in [(0, 10), (1, 10), (3, 20)] {
            let (verdict, _) = judge("20% ±5%", looks(run, period, 5000));
            assert_eq!(verdict, Verdict::Inside, "{run} in {period}");
        }
    }

    #[test]
    fn what_the_interval_reaches_over_is_never_decided() {
        let (verdict, _) = judge("20% ±5%", looks(5, 20, 5000));
        assert_eq!(verdict, Verdict::Undecided(Doubt::OnTheEdge));
    }

    fn estimator(looks: impl IntoIterator<Item = Look>) -> UsageEstimator {
        let mut estimator = UsageEstimator::new("20% ±5%".parse().unwrap());
        for look in looks {
            estimator.push(look);
        }
        estimator
    }

    #[test]
    fn what_happens_first_is_not_counted() {
        let burst = looks(20, 20, 20);
        let then = (0..=200).map(|ms| Look {
            cpu_ns: 20 * MS + ms * MS / 5,
            wall_ns: 20 * MS + ms * MS,
        });
        let usage = estimator(burst.chain(then)).usage().unwrap();
        assert!((usage.percent - 20.0).abs() < 1e-6, "{usage:?}");
    }

    #[test]
    fn a_turn_is_counted_when_it_begins() {
        let used_ms = [0, 0, 1, 2, 2, 3].into_iter().zip(0..);
        let looks = used_ms.map(|(cpu_ms, nth)| Look {
            cpu_ns: cpu_ms * MS,
            wall_ns: nth * 20 * MS,
        });
        assert_eq!(estimator(looks).turns, 2);
    }

    /// 4 ms in every second stretch of 10 ms: 1 ms above the line and 1 ms below it in turn.
    #[test]
    fn the_interval_is_four_errors_of_the_slope_and_a_late_clock() {
        let looks = (0..=202).map(|nth| Look {
            cpu_ns: nth / 2 * 4 * MS,
            wall_ns: nth * 10 * MS,
        });
        let usage = estimator(looks).usage().unwrap();
        let error_ms = 1.0 * (12.0_f64 / 100.0).sqrt();
        let expected = 100.0 * (4.0 * error_ms + 12.0) / 2_000.0;
        assert!(
            (usage.half_width - expected).abs() < 1e-3,
            "{usage:?} {expected}"
        );
    }
}
