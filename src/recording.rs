//! Everything that happened in one experiment. All that comes later is a function of it.

use std::fmt;
use std::time::Duration;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// What a step printed, and what it saw beside that.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Output {
    /// The text, with identities still as the kernel gave them.
    pub pieces: Vec<Piece>,
    /// Numbers that the step judged.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub measurements: Vec<Measurement>,
    /// Raw facts that do not belong in a transcript: library paths, sizes, counters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

/// A part of what a step printed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Piece {
    /// Printed as it is.
    Text(String),
    /// A number that another run would not get again, such as a namespace's inode.
    /// The transcript names it by order of appearance among those of its kind: `[A]`, `[B]`.
    Identity {
        /// What it identifies: `uts`, `if`.
        kind: String,
        /// As the kernel gave it.
        raw: String,
    },
}

impl Output {
    /// Nothing printed.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// Lines of text.
    #[must_use]
    pub fn lines<I, S>(lines: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: AsRef<str>,
    {
        let mut output = Self::default();
        for line in lines {
            output.text(line.as_ref());
            output.text("\n");
        }
        output
    }

    /// Adds text.
    pub fn text(&mut self, text: impl AsRef<str>) -> &mut Self {
        match self.pieces.last_mut() {
            Some(Piece::Text(last)) => last.push_str(text.as_ref()),
            _ => self.pieces.push(Piece::Text(text.as_ref().to_owned())),
        }
        self
    }

    /// Adds an identity.
    pub fn identity(&mut self, kind: &str, raw: impl fmt::Display) -> &mut Self {
        self.pieces.push(Piece::Identity {
            kind: kind.to_owned(),
            raw: raw.to_string(),
        });
        self
    }

    /// Adds a raw fact.
    pub fn evidence(&mut self, fact: impl Into<String>) -> &mut Self {
        self.evidence.push(fact.into());
        self
    }
}

/// A number that was measured and judged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// What was measured: `cpu share of a.out`.
    pub name: String,
    /// The result.
    pub value: f64,
    /// Its unit: `%`.
    pub unit: String,
    /// Half the width of the confidence interval, in the same unit.
    pub half_width: f64,
    /// Lowest and highest value that the spec takes, in the same unit.
    pub band: (f64, f64),
    /// The value as it settled: so far at each look, a few hundred at most.
    pub samples: Vec<f64>,
}

/// Why a step failed, as far as the kernel or a program said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// A system call answered with this errno, given by name: `ENODEV`.
    Errno(String),
    /// A program ended with this status.
    Exit(i32),
    /// A process was killed by this signal, given by name: `SIGKILL`.
    Signal(String),
    /// The kernel's answer is not what the step is there to show.
    Unexpected,
    /// A measurement did not settle. That says nothing about the host.
    Inconclusive,
    /// There could be no process to perform it in: fork(2) answered with `EAGAIN`. That says nothing about the host.
    NoProcess,
}

impl Cause {
    /// The errno's name, where there is one.
    #[must_use]
    pub fn errno(&self) -> Option<&str> {
        match self {
            Self::Errno(name) => Some(name),
            Self::NoProcess => Some("EAGAIN"),
            _ => None,
        }
    }
}

/// A step that failed: which call, on what, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// What went wrong.
    pub cause: Cause,
    /// The words for the transcript, the same on every host: `no such device`.
    pub message: String,
    /// The system call, or what else was being done: `mount`.
    pub call: String,
    /// What it was done to: `merge`.
    pub object: String,
    /// The number that the step judged and that is not as it must be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurement: Option<Box<Measurement>>,
}

impl Failure {
    /// `call` on `object` answered with `errno`.
    #[must_use]
    pub fn errno(call: &str, object: impl fmt::Display, errno: Errno) -> Self {
        Self {
            cause: Cause::Errno(errno_name(errno)),
            message: lower_first(errno.desc()),
            call: call.to_owned(),
            object: object.to_string(),
            measurement: None,
        }
    }

    /// An I/O error of `call` on `object`.
    #[must_use]
    pub fn io(call: &str, object: impl fmt::Display, error: &std::io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno) => Self::errno(call, object, Errno::from_raw(errno)),
            None => Self::unexpected(call, object, error.to_string()),
        }
    }

    /// An answer that the step cannot accept.
    #[must_use]
    pub fn unexpected(call: &str, object: impl fmt::Display, message: impl Into<String>) -> Self {
        Self {
            cause: Cause::Unexpected,
            message: message.into(),
            call: call.to_owned(),
            object: object.to_string(),
            measurement: None,
        }
    }

    /// A process for `object` was refused. `EAGAIN` is a limit of how many there may be around the run, fork(2).
    #[must_use]
    pub fn fork(object: impl fmt::Display, errno: Errno) -> Self {
        let failure = Self::errno("fork", object, errno);
        match errno {
            Errno::EAGAIN => Self {
                cause: Cause::NoProcess,
                ..failure
            },
            _ => failure,
        }
    }

    /// A measurement that did not settle.
    #[must_use]
    pub fn inconclusive(call: &str, object: impl fmt::Display, message: impl Into<String>) -> Self {
        Self {
            cause: Cause::Inconclusive,
            ..Self::unexpected(call, object, message)
        }
    }

    /// Adds what was measured.
    #[must_use]
    pub fn measured(mut self, measurement: Option<Measurement>) -> Self {
        self.measurement = measurement.map(Box::new);
        self
    }

    /// As it stands below the step's line: `ENODEV: no such device`.
    #[must_use]
    pub fn text(&self) -> String {
        match &self.cause {
            Cause::Errno(name) => format!("{name}: {}", self.message),
            Cause::Exit(status) => format!("exit {status}: {}", self.message),
            Cause::Signal(name) => format!("{name}: {}", self.message),
            Cause::NoProcess => format!("EAGAIN: {}", self.message),
            Cause::Unexpected | Cause::Inconclusive => self.message.clone(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.call)?;
        if !self.object.is_empty() {
            write!(f, " {}", self.object)?;
        }
        write!(f, ": {}", self.text())
    }
}

/// The name of an errno, `ENODEV`.
#[must_use]
pub fn errno_name(errno: Errno) -> String {
    format!("{errno:?}")
}

/// The text as it stands behind a colon: `I/O error` is as it was.
fn lower_first(text: &str) -> String {
    let mut characters = text.chars();
    match characters.next() {
        Some(first) if characters.clone().next().is_some_and(char::is_lowercase) => {
            first.to_lowercase().chain(characters).collect()
        }
        _ => text.to_owned(),
    }
}

/// One step as it was performed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRecord {
    /// Its number in the spec, in the order of the file, from 0.
    pub index: usize,
    /// How many `inside` it stands in.
    pub depth: usize,
    /// Its line in the spec's file, from 1.
    pub line: usize,
    /// The line as in a terminal.
    pub text: String,
    /// How long it took, with everything inside it.
    pub duration_us: u64,
    /// What it printed.
    pub output: Output,
    /// How it failed.
    pub failure: Option<Failure>,
    /// Whether its spec says that it fails in just this way, or that it does not fail.
    pub as_declared: bool,
    /// Whether it ended at all.
    pub ended: bool,
}

/// How an experiment came to its end.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum End {
    /// Every step was performed.
    Completed,
    /// A step did not do what its spec says; the following ones were not performed.
    Stopped,
    /// A need is not met; nothing was performed.
    Unmet {
        /// The need as its spec gives it: `filesystem overlay`.
        need: String,
        /// What showed it.
        failure: Failure,
    },
    /// The time limit of the experiment or of a step passed.
    TimedOut {
        /// The limit.
        limit_ms: u64,
    },
    /// The worker died.
    Died {
        /// `exit status 3`, `SIGKILL`.
        how: String,
    },
    /// There was no worker.
    NotStarted(Failure),
    /// The run was interrupted.
    Interrupted,
}

/// Everything that happened in one experiment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// The experiment's name.
    pub experiment: String,
    /// The steps that were begun, in order.
    pub steps: Vec<StepRecord>,
    /// How many steps the spec has.
    pub planned: usize,
    /// How it ended.
    pub end: End,
    /// From the worker's start to its end.
    pub duration_us: u64,
    /// What was still there afterwards and should not have been.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leftovers: Vec<String>,
}

impl Recording {
    /// The step at which the experiment stopped, or at which it was when it was ended.
    #[must_use]
    pub fn last_step(&self) -> Option<&StepRecord> {
        self.steps.last()
    }

    /// The need that is not met, when that is why it was not performed.
    #[must_use]
    pub fn unmet_need(&self) -> Option<&str> {
        match &self.end {
            End::Unmet { need, .. } => Some(need),
            _ => None,
        }
    }

    /// The duration as a `Duration`.
    #[must_use]
    pub fn duration(&self) -> Duration {
        Duration::from_micros(self.duration_us)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_reads_the_same_on_every_c_library() {
        let failure = Failure::errno("mount", "merge", Errno::ENODEV);
        assert_eq!(failure.text(), "ENODEV: no such device");
        assert_eq!(failure.to_string(), "mount merge: ENODEV: no such device");
        let failure = Failure::errno("cat", "a", Errno::EIO);
        assert_eq!(failure.text(), "EIO: I/O error");
    }

    #[test]
    fn text_that_follows_text_is_one_piece() {
        let mut output = Output::lines(["a"]);
        output.text("b").identity("uts", 1).text("c");
        assert_eq!(output.pieces.len(), 3);
        assert_eq!(output.pieces[0], Piece::Text("a\nb".to_owned()));
    }

    #[test]
    fn only_what_was_not_performed_for_a_need_has_one() {
        let recording = |end| Recording {
            experiment: "x".to_owned(),
            steps: Vec::new(),
            planned: 1,
            end,
            duration_us: 1500,
            leftovers: Vec::new(),
        };
        let unmet = recording(End::Unmet {
            need: "ipv6".to_owned(),
            failure: Failure::errno("socket", "AF_INET6", Errno::EAFNOSUPPORT),
        });
        assert_eq!(unmet.unmet_need(), Some("ipv6"));
        assert_eq!(recording(End::Completed).unmet_need(), None);
        assert_eq!(unmet.duration(), Duration::from_micros(1500));
    }

    #[test]
    fn evidence_is_kept_in_the_order_it_was_found() {
        let mut output = Output::nothing();
        output.evidence("first").evidence("second");
        assert_eq!(output.evidence, ["first", "second"]);
    }
}
