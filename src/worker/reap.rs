//! Removing what a killed run has left: its cgroups, wherever they are, its directory on the storage, and its own.
//!
//! A run is dead when its lock is free, whatever its processes' numbers are used for by now. This touches nothing of a
//! run that is alive, and costs a few system calls where there is nothing to do.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use nix::errno::Errno;

use super::group::{EMPTYING_LIMIT, run_of, still_there};
use super::scratch;
use super::state::{self, Locked, RunName, candidates, lock, runs};
use super::vacated::Vacated;
use crate::host::Cgroups;
use crate::recording::Failure;
use crate::sys::beneath::errno_of;
use crate::sys::cgroupfs;

/// Removes everything of dead runs; gives what could not be removed.
#[must_use]
pub fn reap(cgroups: &Cgroups) -> Vec<String> {
    reap_in(&candidates(), cgroups)
}

pub(super) fn reap_in(states: &[PathBuf], cgroups: &Cgroups) -> Vec<String> {
    let deadline = Instant::now() + EMPTYING_LIMIT;
    let mut left = Vec::new();
    for state in states {
        for run in runs(state) {
            left.extend(reap_run(&run, deadline));
        }
        state::remove_if_empty(state);
    }
    let unknown = |run: &RunName| !states.iter().any(|state| state.join(run.as_str()).exists());
    for group in all_groups(cgroups) {
        if run_of(&group).is_some_and(|run| unknown(&run)) {
            left.extend(reap_group(&group, deadline));
        }
    }
    left
}

fn reap_run(run: &Path, deadline: Instant) -> Vec<String> {
    match lock(run) {
        Ok(Locked::Taken(_lock)) => remove_run(run, deadline),
        Ok(Locked::Held | Locked::Gone) => Vec::new(),
        Err(error) if tells_nothing(&error) => Vec::new(),
        Err(error) => vec![directory_left(run, &error)],
    }
}

/// Whether there was no descriptor to look at a lock with: then it may be a live run's, and what that has is nothing left.
fn tells_nothing(error: &io::Error) -> bool {
    matches!(
        errno_of(error),
        Errno::EMFILE | Errno::ENFILE | Errno::ENOMEM
    )
}

/// Removes the groups that a run has recorded in its directory, puts back what it has changed of its own one, removes its
/// directory on the storage, and the one with the records when all is done.
/// The caller has taken the run's lock. Gives what could not be removed.
pub fn remove_run(run: &Path, deadline: Instant) -> Vec<String> {
    let name = RunName::of_directory(run);
    let records = match fs::read_dir(run) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return vec![directory_left(run, &error)];
        }
        records => records.into_iter().flatten().flatten(),
    };
    let groups = records.filter_map(|record| fs::read_link(record.path()).ok());
    let mut left = Vec::new();
    let groups = groups.filter(|group| name.is_some() && run_of(group) == name);
    for group in groups.filter(|group| !Vacated::is_leaf(group)) {
        if let Err(errno) = cgroupfs::remove(&group, deadline) {
            left.push(still_there(&group, errno));
        }
    }
    // Below a group that passes controllers on there can be others only.
    if left.is_empty() {
        left.extend(Vacated::recorded(run).and_then(|mut vacated| vacated.undo()));
    }
    left.extend(scratch::remove(run));
    // While a group is there, its record must be, for the next start.
    if left.is_empty() {
        match fs::remove_dir_all(run) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                left.push(directory_left(run, &error));
            }
            _ => state::remove_empty(run),
        }
    }
    left
}

fn directory_left(run: &Path, error: &io::Error) -> String {
    let reason = Failure::io("rmdir", "", error).text();
    format!(
        "directory {} could not be removed ({reason})",
        run.display()
    )
}

/// A group whose run has no directory: it was removed by force, or belongs to a run that has its own file systems.
fn reap_group(group: &Path, deadline: Instant) -> Option<String> {
    match lock(group) {
        Ok(Locked::Taken(_lock)) => {
            let errno = cgroupfs::remove(group, deadline).err()?;
            Some(still_there(group, errno))
        }
        Ok(Locked::Held | Locked::Gone) => None,
        Err(error) if tells_nothing(&error) => None,
        Err(error) => Some(still_there(group, errno_of(&error))),
    }
}

/// The groups of this user's runs where this process would make its own. Another user's state directories cannot be
/// seen, so that its groups would seem to have no run.
pub fn all_groups(cgroups: &Cgroups) -> Vec<PathBuf> {
    let below = |parent: &Path| cgroupfs::groups_below(parent).unwrap_or_default();
    let groups = cgroups.parents().into_iter().flat_map(below);
    groups
        .filter(|group| run_of(group).is_some() && is_own(group))
        .collect()
}

fn is_own(group: &Path) -> bool {
    let user = nix::unistd::geteuid().as_raw();
    fs::metadata(group).is_ok_and(|group| group.uid() == user)
}

/// The directories of all runs.
pub fn all_runs() -> Vec<PathBuf> {
    candidates()
        .iter()
        .flat_map(|state| state::runs(state))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs::{File, create_dir};

    use super::*;
    use crate::worker::group::{self, Groups};

    /// Folders that stand for a state directory and for the group of this process in a hierarchy.
    struct Place {
        keep: tempfile::TempDir,
        cgroups: Cgroups,
    }

    impl Place {
        fn new() -> Self {
            let keep = tempfile::tempdir().unwrap();
            create_dir(keep.path().join("state")).unwrap();
            create_dir(keep.path().join("hierarchy")).unwrap();
            let v1 = BTreeMap::from([("pids".to_owned(), keep.path().join("hierarchy"))]);
            let cgroups = Cgroups {
                v1,
                ..Cgroups::default()
            };
            Self { keep, cgroups }
        }

        /// A run with one group, and a group in that one.
        fn run(&self) -> (PathBuf, Groups) {
            let name = RunName::new();
            let run = self.keep.path().join("state").join(name.as_str());
            create_dir(&run).unwrap();
            let name = group::name(&name, "experiment");
            let groups = Groups::make(&name, &self.cgroups.v1, Some(&run)).unwrap();
            create_dir(groups.paths()["pids"].join("inner")).unwrap();
            (run, groups)
        }

        fn reap(&self) -> Vec<String> {
            reap_in(&[self.keep.path().join("state")], &self.cgroups)
        }

        fn is_clean(&self) -> bool {
            all_groups(&self.cgroups).is_empty() && !self.keep.path().join("state").exists()
        }
    }

    /// What SIGKILL does: the locks are free, nothing else is done.
    fn kill(groups: &mut Groups) {
        groups.forget();
    }

    #[test]
    fn a_dead_run_is_removed() {
        let place = Place::new();
        let (_, mut groups) = place.run();
        kill(&mut groups);
        assert_eq!(place.reap(), Vec::<String>::new());
        assert!(place.is_clean());
    }

    #[test]
    fn a_dead_runs_directory_on_the_storage_is_removed() {
        let place = Place::new();
        let (run, mut groups) = place.run();
        let storage = tempfile::tempdir().unwrap();
        let name = RunName::of_directory(&run).unwrap();
        let scratch = scratch::Scratch::make(storage.path(), &name, &run).unwrap();
        let room = scratch.make_for("experiment").unwrap();
        // Nobody removes it on the way out.
        std::mem::forget(room);
        kill(&mut groups);
        assert_eq!(place.reap(), Vec::<String>::new());
        assert_eq!(fs::read_dir(storage.path()).unwrap().count(), 0);
        assert!(place.is_clean());
    }

    #[test]
    fn a_directory_on_the_storage_that_cannot_be_removed_stays_on_record() {
        let place = Place::new();
        let (run, mut groups) = place.run();
        let storage = tempfile::tempdir().unwrap();
        let name = RunName::of_directory(&run).unwrap();
        drop(scratch::Scratch::make(storage.path(), &name, &run).unwrap());
        let path = scratch::runs_below(storage.path()).next().unwrap();
        fs::rename(&path, storage.path().join("elsewhere")).unwrap();
        fs::create_dir(&path).unwrap();
        kill(&mut groups);
        let left = place.reap();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(left[0].contains(&path.display().to_string()), "{left:?}");
        assert!(run.is_dir());
        fs::remove_dir(&path).unwrap();
        assert_eq!(place.reap(), Vec::<String>::new());
        assert!(place.is_clean());
    }

    #[test]
    fn a_state_directory_that_was_left_without_a_run_is_removed() {
        let place = Place::new();
        assert_eq!(place.reap(), Vec::<String>::new());
        assert!(place.is_clean());
    }

    #[test]
    fn a_live_run_is_not_touched() {
        let place = Place::new();
        let (run, mut groups) = place.run();
        let Ok(Locked::Taken(held)) = lock(&run) else {
            panic!("nobody has it")
        };
        kill(&mut groups);
        assert_eq!(place.reap(), Vec::<String>::new());
        assert!(run.is_dir());
        assert_eq!(all_groups(&place.cgroups).len(), 1);
        held.unlock().unwrap();
        assert_eq!(place.reap(), Vec::<String>::new());
        assert!(place.is_clean());
    }

    /// Does `work` in a thread that can open nothing more.
    fn without_descriptors<T: Send>(work: impl FnOnce() -> T + Send) -> T {
        let alone = || {
            nix::sched::unshare(nix::sched::CloneFlags::CLONE_FILES).unwrap();
            let file = File::open("/").unwrap();
            let _all: Vec<_> = std::iter::from_fn(|| file.try_clone().ok()).collect();
            work()
        };
        std::thread::scope(|scope| scope.spawn(alone).join().unwrap())
    }

    #[test]
    fn what_cannot_be_opened_is_nobodys_leftover() {
        let place = Place::new();
        let (run, mut groups) = place.run();
        let Ok(Locked::Taken(held)) = lock(&run) else {
            panic!("nobody has it")
        };
        let group = groups.paths()["pids"].clone();
        without_descriptors(|| {
            let deadline = Instant::now();
            assert_eq!(reap_run(&run, deadline), Vec::<String>::new());
            assert_eq!(reap_group(&group, deadline), None);
            assert_eq!(remove_run(&run, deadline).len(), 1);
        });
        assert!(run.is_dir() && group.is_dir());
        kill(&mut groups);
        held.unlock().unwrap();
        assert_eq!(place.reap(), Vec::<String>::new());
        assert!(place.is_clean());
    }

    #[test]
    fn a_group_without_a_run_is_removed_unless_it_is_held() {
        let place = Place::new();
        let (run, mut groups) = place.run();
        fs::remove_dir_all(&run).unwrap();
        assert_eq!(place.reap(), Vec::<String>::new());
        assert_eq!(all_groups(&place.cgroups).len(), 1);
        kill(&mut groups);
        assert_eq!(place.reap(), Vec::<String>::new());
        assert!(all_groups(&place.cgroups).is_empty());
    }

    /// Between mkdir(2) and flock(2) the group of a run whose directory the other one cannot see looks like a dead one's.
    #[test]
    fn a_group_is_made_although_another_run_takes_it_for_a_dead_ones() {
        let place = Place::new();
        let name = group::name(&RunName::new(), "experiment");
        std::thread::scope(|scope| {
            let maker = scope.spawn(|| {
                for _ in 0..500 {
                    let mut groups = Groups::make(&name, &place.cgroups.v1, None).unwrap();
                    assert!(groups.paths()["pids"].is_dir());
                    assert_eq!(groups.remove(), Vec::<String>::new());
                }
            });
            while !maker.is_finished() {
                assert_eq!(reap_in(&[], &place.cgroups), Vec::<String>::new());
            }
        });
    }

    #[test]
    fn what_is_not_a_run_is_not_touched() {
        let place = Place::new();
        let strange = ["hierarchy/verify-trial-1", "hierarchy/other", "state/notes"];
        for folder in strange {
            create_dir(place.keep.path().join(folder)).unwrap();
        }
        assert_eq!(place.reap(), Vec::<String>::new());
        for folder in strange {
            assert!(place.keep.path().join(folder).is_dir(), "{folder}");
        }
    }

    #[test]
    fn a_record_that_names_another_directory_is_not_followed() {
        let place = Place::new();
        let (run, mut groups) = place.run();
        let precious = place.keep.path().join("precious");
        create_dir(&precious).unwrap();
        std::os::unix::fs::symlink(&precious, run.join("x.pids")).unwrap();
        kill(&mut groups);
        assert_eq!(place.reap(), Vec::<String>::new());
        assert!(precious.is_dir());
    }

    #[test]
    fn what_cannot_be_removed_is_named_and_kept_on_record() {
        let place = Place::new();
        let (run, mut groups) = place.run();
        let group = groups.paths()["pids"].clone();
        // A file in it is what a process is in a group: rmdir(2) refuses.
        fs::write(group.join("inner/file"), "").unwrap();
        kill(&mut groups);
        let left = place.reap();
        assert_eq!(left.len(), 1, "{left:?}");
        assert!(
            left[0].starts_with(&format!("cgroup {}", group.display())),
            "{left:?}"
        );
        assert!(run.is_dir());
        fs::remove_file(group.join("inner/file")).unwrap();
        assert_eq!(place.reap(), Vec::<String>::new());
        assert!(place.is_clean());
    }

    #[test]
    fn a_group_of_another_user_is_not_ones_own() {
        let keep = tempfile::tempdir().unwrap();
        assert!(is_own(keep.path()));
        assert!(!is_own(&keep.path().join("absent")));
        match std::os::unix::fs::chown(keep.path(), Some(1000), None) {
            Err(error) => eprintln!("skipped: chown: {error}"),
            Ok(()) => assert!(!is_own(keep.path())),
        }
    }
}
