//! What a worker tells its parent: one JSON value a line, on the pipe that it gets as [`EVENTS`].

use serde::{Deserialize, Serialize};

use super::scratch::Named;
use crate::recording::{Failure, Output};
use crate::session::Flow;
use crate::sys::spawn::FIRST_FILE;

/// The descriptor on which a worker writes its events.
pub const EVENTS: i32 = FIRST_FILE;
/// The descriptor that hangs up when the parent is gone.
pub const LIFELINE: i32 = FIRST_FILE + 1;
/// The descriptor of the run's lock, held as long as the worker lives.
pub const RUN_LOCK: i32 = FIRST_FILE + 2;
/// The descriptor from which it reads its [`Order`].
pub const ORDER: i32 = FIRST_FILE + 3;
/// The descriptor of the host-wide lock for CPU measurements; only for experiments that measure.
pub const CPU_LOCK: i32 = FIRST_FILE + 4;

/// What a worker is to do.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    /// The experiment.
    pub assignment: crate::plan::Assignment,
    /// For each controller the experiment's own group, made by the parent.
    pub cgroups: std::collections::BTreeMap<String, std::path::PathBuf>,
    /// Its scratch directory, made by the parent; else it makes one on a tmpfs of its own.
    pub scratch: Option<Named>,
    /// Only try the needs, perform nothing.
    pub only_needs: bool,
}

impl Order {
    /// Whether it waits until no other run on this host measures.
    #[must_use]
    pub fn takes_turn(&self) -> bool {
        self.assignment.measures_cpu && !self.only_needs
    }
}

/// Something that happened in a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Event {
    /// It waits for its turn to measure.
    Waiting,
    /// It could not make the place for its experiment.
    Unready(Failure),
    /// A need is not met.
    Unmet(crate::plan::Unmet),
    /// Every need is met; the time of the experiment begins.
    Ready,
    /// A step begins.
    Began {
        /// Its number.
        index: usize,
    },
    /// A step has ended.
    Ended {
        /// Its number.
        index: usize,
        /// How long it took.
        duration_us: u64,
        /// What it printed.
        output: Output,
        /// How it failed.
        failure: Option<Failure>,
        /// Whether it did what its spec says.
        as_declared: bool,
    },
    /// There are no more steps to perform.
    Finished(Flow),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::task::tests::task;

    #[test]
    fn only_who_measures_takes_turns() {
        for (measures_cpu, only_needs, takes_turn) in [
            (true, false, true),
            (true, true, false),
            (false, false, false),
        ] {
            let mut assignment = task().assignment;
            assignment.measures_cpu = measures_cpu;
            let order = Order {
                assignment,
                cgroups: std::collections::BTreeMap::new(),
                scratch: None,
                only_needs,
            };
            assert_eq!(order.takes_turn(), takes_turn);
        }
    }
}
