//! What a run has found: the one value that every report is made from.

use std::path::PathBuf;

use crate::outcome::Judgement;
use crate::recording::Recording;
use crate::spec::Entry;
use crate::transcript::Transcript;
use crate::verdict::{ExitCode, Verdict};

/// Everything about one experiment of a run.
pub struct Performance<'c> {
    /// Its spec.
    pub entry: &'c Entry,
    /// What happened.
    pub recording: Recording,
    /// What happened, as a session.
    pub transcript: Transcript,
    /// What became of it.
    pub judgement: Judgement,
    /// The snapshot that waits for a review.
    pub pending: Option<PathBuf>,
}

/// Everything about a run.
pub struct Results<'c> {
    /// The experiments, in the order of the catalog.
    pub performances: Vec<Performance<'c>>,
    /// What they say about the host.
    pub verdict: Verdict,
    /// What was left on the host.
    pub leftovers: Vec<String>,
    /// The program's exit code.
    pub exit: ExitCode,
}

/// What a run tells while it goes on.
pub trait Watch {
    /// A step of an experiment has begun.
    fn step(&mut self, experiment: &str, step: &str);
    /// Time has passed.
    fn tick(&mut self);
    /// An experiment has ended.
    fn ended(&mut self, performance: &Performance<'_>);
}
