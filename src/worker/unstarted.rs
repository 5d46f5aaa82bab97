//! Why there is no worker, or no other process of this program.

use super::needs::{self, Doubt};
use super::task::Task;
use crate::need::Need;
use crate::recording::{End, Failure};
use crate::sys::idmap::MapError;
use crate::sys::namespace::Kind;
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
    /// How the experiment ends. A need that only shows when its group or its namespace is made is unmet; everything else is
    /// the run's trouble.
    pub fn end(self, task: &Task) -> End {
        let mut needs = task.assignment.needs.iter();
        let unmet = match &self {
            Self::Groups(failure) => needs
                .find(|need| matches!(need, Need::CgroupV1(_)) || need.is_unified())
                .filter(|_| ["mkdir", "write"].contains(&failure.call.as_str()))
                .map(|need| (need, failure.clone())),
            Self::Process(failure) => {
                let namespaces = &task.assignment.namespaces;
                needs.find_map(|need| Some((need, refused(need, failure, namespaces)?)))
            }
            Self::Other(_) => None,
        };
        match unmet {
            Some((need, failure)) => End::Unmet {
                need: need.to_string(),
                failure,
            },
            None => End::NotStarted(self.into_failure()),
        }
    }

    /// What failed.
    fn into_failure(self) -> Failure {
        match self {
            Self::Groups(failure) | Self::Process(failure) | Self::Other(failure) => failure,
        }
    }
}

/// Why a process could not be started, if it is for this need.
fn refused(need: &Need, failure: &Failure, namespaces: &[Kind]) -> Option<Failure> {
    match need {
        Need::SubordinateIds => (failure.call == MAP_IDS).then(|| failure.clone()),
        Need::Namespace(_) if failure.call.starts_with("clone") => {
            match needs::probe_outside(need, namespaces) {
                Err(Doubt::Unmet(answer)) => Some(answer),
                Err(Doubt::Untried(_)) | Ok(()) => None,
            }
        }
        _ => None,
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

#[cfg(test)]
mod tests {
    use nix::errno::Errno;
    use nix::unistd::{Gid, Uid, geteuid};

    use super::super::task::tests::task;
    use super::*;
    use crate::sys::process::{become_user, in_child};

    #[test]
    fn only_a_group_that_is_not_made_is_a_need_for_groups_unmet() {
        let failure = |call: &str| Failure::errno(call, "x", Errno::ENOSPC);
        for (unstarted, unmet) in [
            (Unstarted::Groups(failure("mkdir")), Some("cgroup-v1 pids")),
            (Unstarted::Groups(failure("write")), Some("cgroup-v1 pids")),
            (Unstarted::Groups(failure("flock")), None),
            // Of the experiment's directory, where the caller has named a place for it.
            (Unstarted::Other(failure("mkdir")), None),
            (Unstarted::Process(failure("mkdir")), None),
            (
                Unstarted::Process(failure(MAP_IDS)),
                Some("subordinate-ids"),
            ),
            (Unstarted::Groups(failure(MAP_IDS)), None),
        ] {
            let mut task = task();
            task.assignment.needs = vec![Need::CgroupV1("pids".to_owned()), Need::SubordinateIds];
            let end = unstarted.end(&task);
            match (&end, unmet) {
                (End::Unmet { need, .. }, Some(unmet)) if need == unmet => {}
                (End::NotStarted(_), None) => {}
                _ => panic!("{end:?}, expected the need {unmet:?}"),
            }
        }
    }

    /// Those of an ordinary user, who may make none.
    #[test]
    fn a_namespace_is_tried_when_it_is_clone_that_failed() {
        let need = Need::Namespace(Kind::Uts);
        let tried = |call: &str| {
            let failure = Failure::errno(call, "x", Errno::EPERM);
            let refused = in_child(|| {
                if geteuid().is_root() {
                    become_user(Uid::from_raw(65534), Gid::from_raw(65534)).unwrap();
                }
                refused(&need, &failure, &[])
            });
            refused.unwrap().map(|failure| failure.call)
        };
        assert_eq!(tried("clone3").as_deref(), Some("unshare"));
        assert_eq!(tried("execveat this program"), None);
    }
}
