//! `top`: what busy processes get of a CPU.

mod alone;
mod answer;
mod pair;

use std::time::Duration;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

use super::Verb;
use crate::line::{LineError, Words};
use crate::measure::{BandError, Tolerance};
use crate::recording::{Failure, Output};
use crate::session::{Session, Started};
use alone::Alone;
use pair::Pair;

/// Measures what busy processes get of a CPU, until the confidence interval lies inside the band, or outside. top(1)
///
/// A limit has no lower end: other load may always leave a process less. So `cpu.stat` of the group must tell that the
/// process was throttled meanwhile, or there is no answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Top {
    /// Two that share one.
    Pair(Pair),
    /// One that its group limits.
    Alone(Alone),
}

/// How long a measurement may take before it is inconclusive; it takes some 60 ms for a pair, 300 ms for a limit.
const LIMIT: Duration = Duration::from_secs(10);

impl Verb for Top {
    const USAGE: &'static str = "top A B = RATIO ±TOLERANCE% | top A ≤ PART% ±TOLERANCE% in GROUP";
    const SUMMARY: &'static str = "Measure how two busy processes share their CPU, or that a cgroup limits the part that one gets";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        let first = words.word("a process that was started")?.text.clone();
        if words.take("≤") {
            let limit = band(words, "expected for example 20% ±5%")?;
            words.keyword(&["in"])?;
            let group = words.value("the group that limits it")?;
            return Ok(Self::Alone(Alone::new(first, limit, group)));
        }
        let second = words.word("another process that was started, or `≤`")?;
        words.keyword(&["="])?;
        let band = band(words, "expected for example 1:2 ±3%")?;
        Ok(Self::Pair(Pair::new(first, second.text.clone(), band)))
    }

    fn prints(&self) -> bool {
        true
    }

    fn measures_cpu(&self) -> bool {
        matches!(self, Self::Pair(_))
    }

    fn band(&mut self) -> Option<&mut dyn Tolerance> {
        Some(match self {
            Self::Pair(pair) => pair.band(),
            Self::Alone(alone) => alone.limit(),
        })
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        match self {
            Self::Pair(pair) => pair.measure(session),
            Self::Alone(alone) => alone.measure(session),
        }
    }

    fn by_hand(&self, _line: &str) -> String {
        let pgrep = |name: &str| format!("$(pgrep -nx {name})");
        let top = |processes| format!("top -b -n 1 -d 2 -p {processes}");
        match self {
            Self::Pair(pair) => top(pair.processes().map(pgrep).join(",")),
            Self::Alone(alone) => {
                let throttled = format!("grep nr_throttled {}", alone.stat());
                format!("{} && {throttled}", top(pgrep(alone.process())))
            }
        }
    }
}

/// The line up to `in`, or its end, as a band.
fn band<B>(words: &mut Words<'_>, expected: &str) -> Result<B, LineError>
where
    B: std::str::FromStr<Err = BandError>,
{
    let here = words.here();
    let mut text = Vec::new();
    while let Some(word) = words.peek().filter(|word| word.text != "in") {
        text.push(word.text.as_str());
        words.next();
    }
    text.join(" ").parse().map_err(|error: BandError| {
        let end = error.span.end.max(error.span.start + 1);
        let span = here.start + error.span.start..here.start + end;
        LineError::new(span, error.message).expected(expected)
    })
}

/// The CPU that a started process is pinned to.
fn cpu_of(process: &Started) -> Result<usize, Failure> {
    let unpinned = || Failure::errno("top", &process.name, Errno::EINVAL);
    process.cpu.ok_or_else(unpinned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::tests::parse;

    #[test]
    fn a_ratio_or_a_part_is_read() {
        for line in ["a.out b.out = 1:2 ±3%", "a.out ≤ 20% ±5% in x"] {
            let top: Top = parse(line).unwrap();
            assert_eq!(top.measures_cpu(), line.contains("b.out"));
        }
    }

    #[test]
    fn a_wrong_band_is_pointed_at() {
        for (line, span) in [
            ("a.out b.out = 0:0 ±3%", 14..17),
            ("a.out b.out 1:2 ±3%", 12..15),
            ("a.out", 5..6),
            ("a.out b.out =", 13..14),
            ("a.out ≤ 20% 5% in x", 12..14),
            ("a.out ≤ 1:2 ±5% in x", 8..11),
            ("a.out ≤ 20% ±5%", 15..16),
            ("a.out ≤ 20% ±5% x", 16..17),
            ("a.out ≤ 20% ±5% in ../x", 19..23),
            ("a.out = 20% ±5%", 8..11),
        ] {
            assert_eq!(parse::<Top>(line).unwrap_err().span, span, "{line}");
        }
    }

    #[test]
    fn what_is_measured_is_pinned_to_a_cpu() {
        let started = |cpu| Started {
            name: "a.out".to_owned(),
            pid: nix::unistd::getpid(),
            cpu,
        };
        assert_eq!(cpu_of(&started(Some(3))), Ok(3));
        let unpinned = cpu_of(&started(None)).unwrap_err();
        assert_eq!(unpinned, Failure::errno("top", "a.out", Errno::EINVAL));
    }

    #[test]
    fn both_are_named_by_hand() {
        let top: Top = parse("a.out b.out = 1:2 ±3%").unwrap();
        let command = "top -b -n 1 -d 2 -p $(pgrep -nx a.out),$(pgrep -nx b.out)";
        assert_eq!(top.by_hand(""), command);
        let top: Top = parse("a.out ≤ 20% ±5% in limit").unwrap();
        let command = "top -b -n 1 -d 2 -p $(pgrep -nx a.out) && grep nr_throttled limit/cpu.stat";
        assert_eq!(top.by_hand(""), command);
    }
}
