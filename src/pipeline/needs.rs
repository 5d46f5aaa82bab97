//! Which experiments could be performed here, found out without performing any.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;

use super::{perform_all, tasks};
use crate::host::Host;
use crate::outcome::{Outcome, judge};
use crate::recording::{End, Failure, Recording};
use crate::spec::Catalog;
use crate::transcript::transcribe;
use crate::worker::Progress;

/// Whether an experiment could be performed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// Its needs are met.
    Run,
    /// A need is not met.
    Skip,
    /// Its needs could not be tried.
    Unknown,
}

impl Ready {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Skip => "skip",
            Self::Unknown => "unknown",
        }
    }
}

/// What trying the needs of an experiment has shown.
pub struct Trial {
    /// Its name.
    pub experiment: String,
    /// Whether it could be performed.
    pub ready: Ready,
    /// Why not, one sentence; else empty.
    pub why: String,
}

/// What trying needs leaves.
pub struct Tried {
    /// An item for each experiment.
    pub trials: Vec<Trial>,
    /// The signal that ended it early.
    pub interrupted: Option<Signal>,
    /// What could not be removed from the host.
    pub leftovers: Vec<String>,
}

/// Tries the needs of every spec of a catalog and performs nothing.
///
/// # Errors
/// The engine does not work here.
pub fn try_needs(catalog: &Catalog, host: &Host, jobs: usize) -> Result<Tried, Failure> {
    let (tasks, unmet) = tasks(catalog, host, true);
    let (numbers, tasks): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
    let mut recordings: BTreeMap<usize, Recording> = unmet.into_iter().collect();
    let (interrupted, mut leftovers) = perform_all(tasks, host, jobs, &mut |progress| {
        if let Progress::Ended(task, recording) = progress {
            recordings.insert(numbers[task], recording.clone());
        }
    })?;
    let all = || recordings.values();
    leftovers.extend(all().flat_map(|recording| recording.leftovers.clone()));
    Ok(Tried {
        trials: all().map(Trial::of).collect(),
        interrupted,
        leftovers,
    })
}

impl Trial {
    fn of(recording: &Recording) -> Self {
        let experiment = recording.experiment.clone();
        if recording.end == End::Completed {
            let (ready, why) = (Ready::Run, String::new());
            return Self {
                experiment,
                ready,
                why,
            };
        }
        let judgement = judge(recording, &transcribe(recording), None);
        Self {
            experiment,
            ready: match judgement.outcome {
                Outcome::Skip => Ready::Skip,
                _ => Ready::Unknown,
            },
            why: judgement.reason.map_or(String::new(), |reason| reason.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experiment_that_could_not_be_tried_is_not_one_that_is_skipped() {
        let failure = || Failure::fork("", nix::errno::Errno::EAGAIN);
        let need = "namespace pid".to_owned();
        for (end, ready, why) in [
            (End::Completed, Ready::Run, ""),
            (
                End::Unmet {
                    need,
                    failure: failure(),
                },
                Ready::Skip,
                "needs namespace pid: fork: EAGAIN: try again",
            ),
            (
                End::NotStarted(failure()),
                Ready::Unknown,
                "no worker: fork: EAGAIN: try again",
            ),
            (End::Interrupted, Ready::Unknown, "interrupted"),
        ] {
            let trial = Trial::of(&Recording {
                experiment: "x".to_owned(),
                steps: Vec::new(),
                planned: 1,
                end,
                duration_us: 1,
                leftovers: Vec::new(),
            });
            assert_eq!((trial.ready, trial.why.as_str()), (ready, why));
        }
    }
}
