//! Why there is no worker, or no other process of this program.

use crate::recording::Failure;
use crate::sys::idmap::MapError;
use crate::sys::spawn::SpawnFailure;

/// What kept a worker from being started. Whether that is about a need is decided by what it was, not by the call: a
/// directory is made for a group and for the experiment's files.
pub enum Unstarted {
    /// Its groups could not be made.
    Groups(Failure),
    /// Its process.
    Process(Failure),
    /// Something that every worker has.
    Other(Failure),
}

impl Unstarted {
    /// What failed.
    pub fn into_failure(self) -> Failure {
        match self {
            Self::Groups(failure) | Self::Process(failure) | Self::Other(failure) => failure,
        }
    }
}

impl From<Failure> for Unstarted {
    fn from(failure: Failure) -> Self {
        Self::Other(failure)
    }
}

/// What is being done when newuidmap(1) or newgidmap(1) fails.
pub const MAP_IDS: &str = "map subordinate ids";

/// The failure of [`spawn`](crate::sys::spawn::spawn) to make `namespaces` and a process in them.
pub fn not_spawned(failure: SpawnFailure, namespaces: &str) -> Failure {
    match failure {
        SpawnFailure::Call(error) => Failure::errno(error.call, namespaces, error.errno),
        SpawnFailure::Map(MapError::Execute(program, errno)) => {
            Failure::errno(MAP_IDS, program, errno)
        }
        SpawnFailure::Map(MapError::Refused(program, words)) => {
            Failure::unexpected(MAP_IDS, program, words)
        }
    }
}
