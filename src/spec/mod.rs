//! An experiment as its author wrote it.

mod catalog;
mod read;
mod schema;

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use crate::need::Need;
use crate::recording::{Cause, Failure, errno_name};
use crate::source::Source;
use crate::verbs::Action;
pub use catalog::{Catalog, CatalogError, Entry, Origin, snapshot_folder};
pub use read::read;
pub use schema::schema;

/// How long an experiment may take when its spec does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(10);

/// One experiment.
#[derive(Debug, Clone)]
pub struct Spec {
    /// Its name, also that of its file and of its snapshot.
    pub experiment: String,
    /// The property that it shows, in a few words.
    pub title: String,
    /// What it needs from the host.
    pub needs: Vec<Need>,
    /// How long it may take.
    pub timeout: Duration,
    /// What it does.
    pub steps: Vec<Step>,
    /// Its file.
    pub source: Arc<Source>,
}

impl Spec {
    /// Every step with its depth, in the order of the file.
    #[must_use]
    pub fn all_steps(&self) -> Vec<(usize, &Step)> {
        with_inner(&self.steps)
    }
}

/// Steps and those inside them, each with its depth, in the order of the file.
#[must_use]
pub fn with_inner(steps: &[Step]) -> Vec<(usize, &Step)> {
    fn walk<'a>(steps: &'a [Step], depth: usize, all: &mut Vec<(usize, &'a Step)>) {
        for step in steps {
            all.push((depth, step));
            walk(&step.inside, depth + 1, all);
        }
    }
    let mut all = Vec::new();
    walk(steps, 0, &mut all);
    all
}

/// One line of the session.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its number in the order of the file, from 0.
    pub index: usize,
    /// Its line in the file, from 1.
    pub line: usize,
    /// The line as in a terminal: `mkdir container work`.
    pub text: String,
    /// What it does.
    pub action: Action,
    /// The steps that are performed where it leads to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inside: Vec<Step>,
    /// How it must fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fails: Option<Expected>,
    /// How long it may take.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
}

/// The way in which a step must fail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Expected {
    /// With this errno: `EPERM`.
    Errno(String),
    /// Killed by this signal: `SIGKILL`.
    Signal(String),
    /// With this exit status: `127`.
    Exit(i32),
}

impl Expected {
    /// Whether `failure` is this one.
    #[must_use]
    pub fn is(&self, failure: &Failure) -> bool {
        match (self, &failure.cause) {
            (Self::Errno(expected), cause) => cause.errno() == Some(expected),
            (Self::Signal(expected), Cause::Signal(name)) => expected == name,
            (Self::Exit(expected), Cause::Exit(status)) => expected == status,
            _ => false,
        }
    }

    /// Every name that stands for one, for the nearest word.
    pub fn names() -> impl Iterator<Item = String> {
        let errnos = (1..134)
            .map(Errno::from_raw)
            .filter(|errno| *errno != Errno::UnknownErrno);
        let signals = Signal::iterator().map(|signal| signal.as_str().to_owned());
        errnos.map(errno_name).chain(signals)
    }
}

impl FromStr for Expected {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(status) = text.parse() {
            return match status {
                1..=255 => Ok(Self::Exit(status)),
                _ => Err("an exit status is from 1 to 255"),
            };
        }
        match Self::names().find(|name| name == text) {
            Some(name) if name.starts_with("SIG") => Ok(Self::Signal(name)),
            Some(name) => Ok(Self::Errno(name)),
            None => Err("neither an errno, a signal nor an exit status"),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Errno(name) | Self::Signal(name) => f.write_str(name),
            Self::Exit(status) => write!(f, "exit status {status}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_declared_by_errno_signal_or_status() {
        assert_eq!("EPERM".parse(), Ok(Expected::Errno("EPERM".to_owned())));
        assert_eq!(
            "SIGKILL".parse(),
            Ok(Expected::Signal("SIGKILL".to_owned()))
        );
        assert_eq!("127".parse(), Ok(Expected::Exit(127)));
        for text in ["EPRM", "0", "256", "", "kill"] {
            assert!(text.parse::<Expected>().is_err(), "{text}");
        }
    }

    #[test]
    fn only_the_declared_failure_matches() {
        let failure = Failure::errno("mount", "x", Errno::EPERM);
        assert!("EPERM".parse::<Expected>().unwrap().is(&failure));
        assert!(!"EACCES".parse::<Expected>().unwrap().is(&failure));
        assert!(!"SIGKILL".parse::<Expected>().unwrap().is(&failure));
    }

    #[test]
    fn a_process_that_is_refused_can_be_declared() {
        let refused = Failure::fork("", Errno::EAGAIN);
        assert!("EAGAIN".parse::<Expected>().unwrap().is(&refused));
        assert!(!"ENOMEM".parse::<Expected>().unwrap().is(&refused));
    }

    #[test]
    fn a_signal_and_a_status_match_themselves_alone() {
        let failure = |cause| Failure {
            cause,
            ..Failure::unexpected("run", "x", "")
        };
        let killed = failure(Cause::Signal("SIGKILL".to_owned()));
        let ended = failure(Cause::Exit(9));
        for (text, is_killed, is_ended) in [
            ("SIGKILL", true, false),
            ("SIGTERM", false, false),
            ("9", false, true),
            ("1", false, false),
        ] {
            let expected: Expected = text.parse().unwrap();
            assert_eq!(expected.is(&killed), is_killed, "{text}");
            assert_eq!(expected.is(&ended), is_ended, "{text}");
        }
    }
}
