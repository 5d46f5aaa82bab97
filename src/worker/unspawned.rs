//! Why this program could not be started again, as a failure.

use crate::recording::Failure;
use crate::sys::idmap::MapError;
use crate::sys::spawn::SpawnFailure;

/// What is being done when newuidmap(1) or newgidmap(1) fails.
pub const MAP_IDS: &str = "map subordinate ids";

/// The failure of [`spawn`](crate::sys::spawn::spawn).
pub fn not_spawned(failure: SpawnFailure) -> Failure {
    match failure {
        SpawnFailure::Call(error) => {
            Failure::errno(error.call, "the worker's namespaces", error.errno)
        }
        SpawnFailure::Map(MapError::Execute(program, errno)) => {
            Failure::errno(MAP_IDS, program, errno)
        }
        SpawnFailure::Map(MapError::Refused(program, words)) => {
            Failure::unexpected(MAP_IDS, program, words)
        }
    }
}
