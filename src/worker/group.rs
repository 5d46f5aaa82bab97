//! The cgroups of experiments, which outlive a worker.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;

use super::state::{self, RunName};
use crate::recording::Failure;
use crate::sys::cgroupfs;
use crate::sys::poll::from_now;

/// The prefix of every cgroup that verify makes; the run's name and the experiment's follow.
const PREFIX: &str = "verify-";

/// What an experiment's group gets beside its name, in the hierarchies that have the file.
///
/// 16 times the default weight beside the host's processes: with the default, a measurement on a busy host takes half as
/// long again. No swap: what a limit of memory refuses would go there first.
const PREPARATION: [(&str, &str); 3] = [
    ("cpu.shares", "16384"),
    ("cpu.weight", "1600"),
    ("memory.swap.max", "0"),
];

/// How long processes that were killed may take to leave their groups.
const EMPTYING_LIMIT: Duration = Duration::from_secs(2);

/// When processes that are killed from now on must have left their groups.
pub fn emptying_deadline() -> Instant {
    from_now(EMPTYING_LIMIT)
}

/// The name of an experiment's group.
pub fn name(run: &RunName, experiment: &str) -> String {
    format!("{PREFIX}{}-{experiment}", run.as_str())
}

/// The run that made a group, by its name; `None` for a group of another program.
pub fn run_of(group: &Path) -> Option<RunName> {
    let rest = group.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    let (run, experiment) = RunName::split(rest)?;
    experiment.starts_with('-').then_some(run)
}

/// The experiment's own group of each controller that it needs. They are removed at the latest when this is dropped.
#[derive(Default)]
pub struct Groups(Vec<Group>);

struct Group {
    controller: String,
    path: PathBuf,
    record: Option<PathBuf>,
    /// Held as long as this is open.
    _lock: File,
}

impl Groups {
    /// Makes groups of this name below `parents`, by controller. Each is recorded in `records` as a symbolic link
    /// before it is made, so that it is found wherever it is when this run is killed.
    ///
    /// # Errors
    /// Those of mkdir(2), symlink(2) and flock(2); what was made before is removed again.
    pub fn make(
        name: &str,
        parents: &BTreeMap<String, PathBuf>,
        records: Option<&Path>,
    ) -> Result<Self, Failure> {
        let make = |(controller, parent): (&String, &PathBuf)| {
            let record = records.map(|folder| folder.join(format!("{name}.{controller}")));
            Group::make(controller, parent.join(name), record)
        };
        // Dropping what was made until an error removes it.
        let mut groups = Self::default();
        for parent in parents {
            groups.0.push(make(parent)?);
        }
        Ok(groups)
    }

    /// Where they are, by controller.
    #[must_use]
    pub fn paths(&self) -> BTreeMap<String, PathBuf> {
        let path = |group: &Group| (group.controller.clone(), group.path.clone());
        self.0.iter().map(path).collect()
    }

    /// Lets frozen processes go on, so that they can die.
    pub fn thaw(&self) {
        self.0.iter().for_each(|group| cgroupfs::thaw(&group.path));
    }

    /// Lets go of them as a SIGKILL does. Unlocks in so many words: a child that another test has forked just now may
    /// have the files open, too.
    #[cfg(test)]
    pub fn forget(&mut self) {
        for group in self.0.drain(..) {
            group._lock.unlock().unwrap();
        }
    }

    /// Removes them; gives those that could not be removed.
    pub fn remove(&mut self) -> Vec<String> {
        let deadline = emptying_deadline();
        let remove = |group: Group| {
            if let Err(errno) = cgroupfs::remove(&group.path, deadline) {
                return Some(still_there(&group.path, errno));
            }
            // Its directory goes away with the run, and a record without a group does no harm.
            let _ = group.record.map(fs::remove_file);
            None
        };
        self.0.drain(..).filter_map(remove).collect()
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        self.remove();
    }
}

impl Group {
    fn make(controller: &str, path: PathBuf, record: Option<PathBuf>) -> Result<Self, Failure> {
        if let Some(record) = &record {
            symlink(&path, record)
                .map_err(|error| Failure::io("symlink", record.display(), &error))?;
        }
        match make_and_hold(&path) {
            Ok(lock) => {
                prepare(&path);
                Ok(Self {
                    controller: controller.to_owned(),
                    path,
                    record,
                    _lock: lock,
                })
            }
            Err(failure) => {
                let _ = record.map(fs::remove_file);
                Err(failure)
            }
        }
    }
}

fn prepare(group: &Path) {
    for (file, value) in PREPARATION {
        // Where it is refused, experiments take longer or say what they lack.
        cgroupfs::write_existing(&group.join(file), value);
    }
}

/// The lock says that the group is in use to runs that cannot see this one's directory, as in another container. One of
/// them may take it for a dead run's before it is locked, and removes it: then it is made again. Each looks once, when it
/// begins, so that this comes to an end.
fn make_and_hold(path: &Path) -> Result<File, Failure> {
    loop {
        fs::create_dir(path).map_err(|error| Failure::io("mkdir", path.display(), &error))?;
        match state::wait_for_lock(path) {
            Ok(Some(lock)) => return Ok(lock),
            Ok(None) => {}
            Err(error) => {
                let _ = fs::remove_dir(path);
                return Err(Failure::io("flock", path.display(), &error));
            }
        }
    }
}

/// The sentence for a group that could not be removed.
pub fn still_there(group: &Path, errno: Errno) -> String {
    let reason = Failure::errno("rmdir", "", errno).text();
    format!("cgroup {} could not be removed ({reason})", group.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_prepared_with_what_its_hierarchy_has() {
        let group = tempfile::tempdir().unwrap();
        let shares = group.path().join("cpu.shares");
        fs::write(&shares, "").unwrap();
        prepare(group.path());
        assert_eq!(fs::read_to_string(shares).unwrap(), "16384");
        assert!(!group.path().join("cpu.weight").exists());
    }

    #[test]
    fn what_was_made_until_an_error_is_removed() {
        let hierarchy = tempfile::tempdir().unwrap();
        let absent = hierarchy.path().join("absent");
        let parents = [("cpu", hierarchy.path().to_owned()), ("pids", absent)];
        let parents = parents.map(|(name, parent)| (name.to_owned(), parent));
        let failure = Groups::make("x", &parents.into(), None).err().unwrap();
        assert!(failure.object.ends_with("absent/x"), "{failure}");
        assert_eq!(fs::read_dir(hierarchy.path()).unwrap().count(), 0);
    }
}
