//! On folders that stand for a state directory, for a hierarchy and for the storage.

use std::collections::BTreeMap;
use std::fs::{File, create_dir};
use std::os::unix::fs::{chown, symlink};

use super::*;
use crate::worker::group::{self, Groups};
use crate::worker::scratch::Scratch;
use crate::worker::state::tests::given_away;

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
        reap(&[self.keep.path().join("state")], &self.cgroups)
    }

    fn is_clean(&self) -> bool {
        all_groups(&self.cgroups).is_empty() && !self.keep.path().join("state").exists()
    }
}

/// A folder that stands for the storage, with a run's directory.
fn storage(run: &Path) -> (tempfile::TempDir, Scratch) {
    let storage = tempfile::tempdir().unwrap();
    let name = RunName::of_directory(run).unwrap();
    let scratch = Scratch::make(storage.path(), &name, run).unwrap();
    (storage, scratch)
}

/// The lock of a run that is alive.
fn held(run: &Path) -> File {
    let Ok(Locked::Taken(lock)) = lock(run) else {
        panic!("nobody has it")
    };
    lock
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
    let (storage, scratch) = storage(&run);
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
    let (storage, _) = storage(&run);
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
    let held = held(&run);
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
    let held = held(&run);
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
            assert_eq!(reap(&[], &place.cgroups), Vec::<String>::new());
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
    symlink(&precious, run.join("x.pids")).unwrap();
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
    if let Some(given) = given_away() {
        assert!(!is_own(given.path()));
    }
}

#[test]
fn a_group_of_another_user_is_left_to_its_runs() {
    let place = Place::new();
    let (run, mut groups) = place.run();
    kill(&mut groups);
    fs::remove_dir_all(&run).unwrap();
    let group = &all_groups(&place.cgroups)[0];
    if let Err(error) = chown(group, Some(65534), None) {
        return eprintln!("skipped: chown: {error}");
    }
    assert_eq!(place.reap(), Vec::<String>::new());
    assert!(group.is_dir());
}

/// What stands where a directory should be cannot be locked, and is nothing of a run that is alive.
#[test]
fn what_is_no_directory_is_named_and_stays() {
    let keep = tempfile::tempdir().unwrap();
    let (file, link) = (keep.path().join("file"), keep.path().join("link"));
    fs::write(&file, "").unwrap();
    symlink(keep.path(), &link).unwrap();
    let deadline = Instant::now();
    for path in [&file, &link] {
        let why = "could not be removed (ENOTDIR: not a directory)";
        let path_is_left = |what: &str| format!("{what} {} {why}", path.display());
        assert_eq!(reap_run(path, deadline), [path_is_left("directory")]);
        assert_eq!(reap_group(path, deadline), Some(path_is_left("cgroup")));
        assert!(fs::symlink_metadata(path).is_ok());
    }
    let why = "could not be removed (ENOTDIR: not a directory)";
    let sentence = format!("directory {} {why}", file.display());
    assert_eq!(remove_run(&file, deadline), [sentence]);
}
