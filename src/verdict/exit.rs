//! From the verdict to the exit code.

use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use super::Verdict;

/// The program's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(into = "u8", try_from = "u8")]
pub enum ExitCode {
    /// Certified, or whatever else was asked for is done.
    Done,
    /// Not certified.
    NotCertified,
    /// What was compared differs.
    Differs,
    /// Arguments, a spec, a policy or a snapshot cannot be read; nothing was performed.
    Invalid,
    /// Undecided.
    Undecided,
    /// Something could not be removed from the host.
    Dirty,
    /// Ended early by this signal, after cleaning up.
    Interrupted(Signal),
}

impl ExitCode {
    /// The exit code of a run. A dirty host counts over all others.
    #[must_use]
    pub fn of_run(verdict: Verdict, interrupted: Option<Signal>, dirty: bool) -> Self {
        match (dirty, interrupted, verdict) {
            (true, ..) => Self::Dirty,
            (_, Some(signal), _) => Self::Interrupted(signal),
            (_, _, Verdict::Certified) => Self::Done,
            (_, _, Verdict::NotCertified) => Self::NotCertified,
            (_, _, Verdict::Undecided) => Self::Undecided,
        }
    }

    /// The exit code of what performs experiments without a verdict.
    #[must_use]
    pub fn without_verdict(interrupted: Option<Signal>, dirty: bool) -> Self {
        Self::of_run(Verdict::Certified, interrupted, dirty)
    }

    /// The number that the shell sees.
    #[must_use]
    pub fn number(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::NotCertified | Self::Differs => 1,
            Self::Invalid => 2,
            Self::Undecided => 3,
            Self::Dirty => 4,
            Self::Interrupted(signal) => u8::try_from(128 + signal as i32).unwrap_or(130),
        }
    }

    /// What it means, in a sentence.
    #[must_use]
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Done => "everything that was asked for was shown",
            Self::NotCertified => "the kernel answered otherwise than reviewed",
            Self::Differs => "what was compared differs",
            Self::Invalid => "the request cannot be read; nothing was performed",
            Self::Undecided => "nothing failed, but not everything was shown",
            Self::Dirty => "something was left on the host and could not be removed",
            Self::Interrupted(_) => "interrupted, after cleaning up",
        }
    }
}

impl From<ExitCode> for u8 {
    fn from(code: ExitCode) -> Self {
        code.number()
    }
}

impl TryFrom<u8> for ExitCode {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        let signal = || Signal::try_from(i32::from(number) - 128).ok();
        Ok(match number {
            0 => Self::Done,
            1 => Self::NotCertified,
            2 => Self::Invalid,
            3 => Self::Undecided,
            4 => Self::Dirty,
            _ => Self::Interrupted(signal().ok_or_else(|| format!("no exit code is {number}"))?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dirty_host_counts_over_all_others() {
        let code = |verdict, signal, dirty| ExitCode::of_run(verdict, signal, dirty).number();
        assert_eq!(code(Verdict::Certified, None, false), 0);
        assert_eq!(code(Verdict::NotCertified, None, false), 1);
        assert_eq!(code(Verdict::Undecided, None, false), 3);
        assert_eq!(code(Verdict::Certified, Some(Signal::SIGINT), false), 130);
        assert_eq!(code(Verdict::Certified, Some(Signal::SIGTERM), false), 143);
        assert_eq!(code(Verdict::NotCertified, Some(Signal::SIGINT), true), 4);
    }

    #[test]
    fn an_exit_code_is_its_number_in_json() {
        for number in [0, 1, 2, 3, 4, 129, 130, 143] {
            let code: ExitCode = serde_json::from_str(&number.to_string()).unwrap();
            assert_eq!(code.number(), number);
        }
        assert!(serde_json::from_str::<ExitCode>("5").is_err());
    }

    #[test]
    fn an_exit_code_is_written_as_its_number() {
        let json = |code: ExitCode| serde_json::to_string(&code).unwrap();
        assert_eq!(json(ExitCode::Undecided), "3");
        assert_eq!(json(ExitCode::Interrupted(Signal::SIGTERM)), "143");
    }
}
