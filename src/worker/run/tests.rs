//! On folders that stand for state directories, for hierarchies and for the storage.

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::*;
use crate::host::ScratchPlace;
use crate::sys::process::in_child;
use crate::worker::task::tests::task;

#[test]
fn the_directory_is_made_where_it_can_be() {
    let keep = tempfile::tempdir().unwrap();
    let folder = |name: &str| keep.path().join(name);
    symlink("/etc", folder("hostile")).unwrap();
    let states = [folder("absent/verify"), folder("hostile"), folder("good")];
    let (name, directory, _lock) = make_directory(&states).unwrap();
    let directory = directory.unwrap();
    assert_eq!(directory, folder("good").join(name.as_str()));
    assert!(matches!(lock(&directory), Ok(Locked::Held)));
    state::remove_empty(&directory);
    assert!(!folder("good").exists());
}

#[test]
fn a_directory_of_somebody_else_is_refused_by_name() {
    let keep = tempfile::tempdir().unwrap();
    let hostile = keep.path().join("verify");
    symlink("/etc", &hostile).unwrap();
    let failure = make_directory(&[hostile]).map(drop).unwrap_err();
    assert!(
        failure
            .to_string()
            .ends_with("verify: it is not a directory"),
        "{failure}"
    );
}

#[test]
fn without_any_place_the_lock_is_in_memory() {
    let (_, directory, lock) = make_directory(&[PathBuf::from("/absent/verify")]).unwrap();
    assert_eq!(directory, None);
    assert!(lock.metadata().is_ok());
}

#[test]
fn runs_that_begin_and_end_at_once_do_not_disturb_each_other() {
    let keep = tempfile::tempdir().unwrap();
    let states = [keep.path().join("verify")];
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let left = reap(&states, &Cgroups::default());
                    assert!(left.is_empty(), "{left:?}");
                    let (_, directory, _lock) = make_directory(&states).unwrap();
                    let directory = directory.unwrap();
                    assert!(directory.is_dir());
                    state::remove_empty(&directory);
                }
            });
        }
    });
    assert!(!states[0].exists());
}

/// A folder with a place for runs, a storage, and a hierarchy of cgroup v1.
struct Place {
    keep: tempfile::TempDir,
    host: Host,
}

impl Place {
    fn new() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let path = |name: &str| keep.path().join(name);
        for folder in ["storage", "hierarchy"] {
            fs::create_dir(path(folder)).unwrap();
        }
        let mut host = Host::look();
        host.scratch = Some(ScratchPlace::look(&path("storage")).unwrap());
        host.cgroups = Cgroups {
            v1: BTreeMap::from([("pids".to_owned(), path("hierarchy"))]),
            v2: None,
        };
        Self { keep, host }
    }

    fn begin(&self) -> Run {
        let states = vec![self.path("state")];
        Run::begin_in(states, &self.host, std::iter::empty()).unwrap()
    }

    fn path(&self, name: &str) -> PathBuf {
        self.keep.path().join(name)
    }

    fn is_clean(&self) -> bool {
        let storage = fs::read_dir(self.path("storage")).unwrap();
        !self.path("state").exists() && storage.count() == 0
    }
}

/// Done in a process that has no other tests, whose children would be among what is left.
fn alone<T: Serialize + DeserializeOwned>(work: impl FnOnce() -> T) -> T {
    in_child(work).unwrap()
}

/// An assignment with a group below this one.
fn assignment(controller: &str, parent: PathBuf, vacate: &[&str]) -> Assignment {
    let mut assignment = task().assignment;
    assignment.cgroups = BTreeMap::from([(controller.to_owned(), parent)]);
    assignment.vacate = vacate.iter().map(ToString::to_string).collect();
    assignment
}

#[test]
fn what_a_run_has_made_goes_with_it() {
    let place = Place::new();
    let (is_recorded, on_storage, left) = alone(|| {
        let run = place.begin();
        let directory = run.directory.clone().unwrap();
        let is_recorded = directory.join("scratch").is_symlink() && run.janitor.get().is_some();
        let on_storage = fs::read_dir(place.path("storage")).unwrap().count();
        (is_recorded, on_storage, run.end())
    });
    assert!(is_recorded);
    assert_eq!((on_storage, left), (1, Vec::new()));
    assert!(place.is_clean());
    drop(place.begin());
    assert!(place.is_clean(), "although nobody has asked what is left");
}

#[test]
fn what_is_left_is_named_at_the_end() {
    let place = Place::new();
    let stale = "directory x could not be removed";
    let (group, left) = alone(|| {
        let mut run = place.begin();
        let group = place
            .path("hierarchy")
            .join(group::name(&run.mine.run, "x"));
        fs::create_dir(&group).unwrap();
        run.stale.push(stale.to_owned());
        (group, run.end())
    });
    let group = format!("cgroup {} is still there", group.display());
    assert_eq!(left, [stale.to_owned(), group]);
}

#[test]
fn a_group_is_left_where_the_plan_says_so_alone() {
    let place = Place::new();
    let run = place.begin();
    let own = place.path("hierarchy");
    let control = || fs::read_to_string(own.join("cgroup.subtree_control")).ok();
    run.vacate(&assignment(UNIFIED, own.clone(), &[])).unwrap();
    assert_eq!(control(), None);
    run.vacate(&assignment("pids", own.clone(), &["cpu"]))
        .unwrap();
    assert_eq!(control(), None);
    run.vacate(&assignment(UNIFIED, own.clone(), &["cpu"]))
        .unwrap();
    assert_eq!(control().as_deref(), Some("+cpu"));
    // In a group this is no file that rmdir(2) minds.
    let leaf = own.join(group::name(&run.mine.run, ".caller"));
    let members = fs::read_to_string(leaf.join("cgroup.procs")).unwrap();
    assert_eq!(members, getpid().to_string());
    fs::remove_file(leaf.join("cgroup.procs")).unwrap();
    drop(run);
    assert_eq!(control().as_deref(), Some("-cpu"));
    assert!(!leaf.exists());
}

#[test]
fn a_directory_that_was_there_stays_where_no_run_can_be_made() {
    let keep = tempfile::tempdir().unwrap();
    let state = keep.path().join("state");
    fs::create_dir(&state).unwrap();
    fs::set_permissions(&state, Permissions::from_mode(0o777)).unwrap();
    let made = try_to_make_in(&state).map(drop);
    assert!(matches!(made, Err(NotHere::Unusable(_))));
    assert!(state.exists());
}

#[test]
fn a_state_directory_that_another_run_has_removed_is_made_again() {
    let absent = tempfile::tempdir().unwrap().path().join("state");
    let made = make_run_in(&absent).map(drop);
    assert!(matches!(made, Err(NotHere::Removed)));
}
