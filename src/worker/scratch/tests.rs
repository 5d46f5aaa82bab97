//! On folders that stand for the storage and for a run's state directory.

use std::os::unix::fs::MetadataExt;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::unistd::{Gid, Uid};

use super::*;
use crate::sys::process::{become_user, in_child};
use crate::worker::state::tests::given_away;

/// A folder with a place to lie in, a run's state directory, and the run's directory with one of an experiment in it.
struct Trial {
    keep: tempfile::TempDir,
    run: PathBuf,
    scratch: Scratch,
}

impl Trial {
    fn new() -> Self {
        let keep = tempfile::tempdir().unwrap();
        let name = RunName::new();
        let (place, run) = (keep.path().join("place"), keep.path().join(name.as_str()));
        fs::create_dir(&place).unwrap();
        fs::create_dir(&run).unwrap();
        let scratch = Scratch::make(&place, &name, &run).unwrap();
        let inner = scratch.path.join("experiment/container");
        fs::create_dir_all(&inner).unwrap();
        fs::write(inner.join("file"), "").unwrap();
        Self { keep, run, scratch }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.keep.path().join(name)
    }

    /// Removes by record what must not be removed. Gives the sentence.
    fn refused(&self, why: &str) {
        let sentence = remove(&self.run).unwrap();
        let path = self.scratch.path.display().to_string();
        assert!(
            sentence.contains(&path) && sentence.contains(why),
            "{sentence}"
        );
        assert_eq!(records(&self.run), [RECORD, MADE], "for the next start");
    }
}

fn records(run: &Path) -> Vec<String> {
    let entries = fs::read_dir(run).unwrap().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn it_is_the_callers_alone_and_goes_with_all_that_is_in_it() {
    let trial = Trial::new();
    assert_eq!(trial.scratch.own.metadata().unwrap().mode() & 0o777, 0o700);
    let runs: Vec<_> = runs_below(&trial.path("place")).collect();
    assert_eq!(runs, std::slice::from_ref(&trial.scratch.path));
    assert_eq!(remove(&trial.run), None);
    assert_eq!(fs::read_dir(trial.path("place")).unwrap().count(), 0);
    assert_eq!(records(&trial.run), [""; 0]);
}

#[test]
fn it_is_on_record_before_it_is_made() {
    let keep = tempfile::tempdir().unwrap();
    let name = RunName::new();
    let place = keep.path().join("place");
    fs::create_dir(&place).unwrap();
    fs::write(place.join(name_of(&name)), "").unwrap();
    let run = keep.path().join(name.as_str());
    fs::create_dir(&run).unwrap();
    let failure = Scratch::make(&place, &name, &run).map(drop).unwrap_err();
    assert_eq!(
        (failure.call.as_str(), records(&run)),
        ("mkdir", vec![RECORD.to_owned()])
    );
}

#[test]
fn what_could_not_be_opened_is_neither_there_nor_on_record() {
    let keep = tempfile::tempdir().unwrap();
    let parent = File::open(keep.path()).unwrap();
    let made = make_at(&parent, "x".as_ref(), Path::new("x")).unwrap();
    assert!(!is_absent(&parent, "x".as_ref()) && is_new(&made) == Ok(true));
    let again = make_at(&parent, "x".as_ref(), Path::new("x"));
    assert_eq!(again.map(drop).unwrap_err().call, "mkdir");
    assert!(!is_absent(&parent, "x".as_ref()), "that is somebody else's");
}

#[test]
fn what_is_there_before_anything_was_made_in_it_must_be_empty() {
    let trial = Trial::new();
    fs::remove_file(trial.run.join(MADE)).unwrap();
    let sentence = remove(&trial.run).unwrap();
    assert!(sentence.contains("ENOTEMPTY"), "{sentence}");
    fs::remove_dir_all(trial.scratch.path.join("experiment")).unwrap();
    assert_eq!(remove(&trial.run), None);
    assert!(!trial.scratch.path.exists());
}

#[test]
fn a_link_in_its_stead_is_not_followed() {
    let trial = Trial::new();
    let elsewhere = trial.path("elsewhere");
    fs::rename(&trial.scratch.path, &elsewhere).unwrap();
    symlink(&elsewhere, &trial.scratch.path).unwrap();
    trial.refused("it is not the directory that verify has made");
    assert!(elsewhere.join("experiment/container/file").exists());
}

#[test]
fn another_directory_in_its_stead_is_left_alone() {
    let trial = Trial::new();
    fs::rename(&trial.scratch.path, trial.path("elsewhere")).unwrap();
    fs::create_dir(&trial.scratch.path).unwrap();
    fs::write(trial.scratch.path.join("precious"), "").unwrap();
    trial.refused("it is not the directory that verify has made");
    assert!(trial.scratch.path.join("precious").exists());
}

#[test]
fn a_record_of_another_name_is_not_followed() {
    let trial = Trial::new();
    let precious = trial.path("precious");
    fs::create_dir(&precious).unwrap();
    fs::remove_file(trial.run.join(RECORD)).unwrap();
    symlink(&precious, trial.run.join(RECORD)).unwrap();
    assert_eq!(remove(&trial.run), None);
    assert!(precious.exists());
    fs::rename(&precious, trial.path(&name_of(&RunName::new()))).unwrap();
    assert_eq!(remove(&trial.run), None, "of another run");
}

#[test]
fn where_nothing_can_be_made_nothing_stays_on_record() {
    let keep = tempfile::tempdir().unwrap();
    let name = RunName::new();
    let run = keep.path().join(name.as_str());
    fs::create_dir(&run).unwrap();
    // Not even by root.
    let failure = Scratch::make(Path::new("/proc"), &name, &run).err();
    assert_eq!(failure.unwrap().call, "mkdir");
    assert_eq!(records(&run), [""; 0]);
}

#[test]
fn a_place_that_cannot_be_opened_is_not_gone() {
    let trial = Trial::new();
    fs::rename(trial.path("place"), trial.path("elsewhere")).unwrap();
    fs::write(trial.path("place"), "").unwrap();
    trial.refused("open ");
}

/// An overlay closes its work directory, and its owner may have closed the one around it.
#[test]
fn a_directory_that_its_owner_may_not_enter_is_emptied() {
    let keep = tempfile::tempdir().unwrap();
    let open_to_all = Permissions::from_mode(0o777);
    fs::set_permissions(keep.path(), open_to_all).unwrap();
    let emptied = in_child(|| {
        let user = (Uid::from_raw(65534), Gid::from_raw(65534));
        if geteuid().is_root() && become_user(user.0, user.1).is_err() {
            return None;
        }
        let closed = keep.path().join("closed");
        fs::create_dir_all(closed.join("inner")).unwrap();
        let (parent, own) = (File::open(keep.path()), File::open(&closed));
        let made = Identity::of(&own.unwrap(), &closed).unwrap();
        fs::set_permissions(&closed, Permissions::from_mode(0o000)).unwrap();
        let emptied = empty_at(&parent.unwrap(), "closed".as_ref(), made);
        Some(emptied.map_err(|failure| failure.to_string()))
    });
    match emptied.unwrap() {
        None => eprintln!("skipped: this process cannot become another user"),
        emptied => assert_eq!(emptied, Some(Ok(()))),
    }
}

#[test]
fn a_link_to_the_very_directory_is_not_followed() {
    let trial = Trial::new();
    let path = trial.path("place/link");
    symlink(&trial.scratch.path, &path).unwrap();
    let made = Identity::of(&trial.scratch.own, &trial.scratch.path).unwrap();
    let parent = File::open(trial.path("place")).unwrap();
    let failure = empty_at(&parent, "link".as_ref(), made).unwrap_err();
    assert_eq!(failure.call, "open");
    assert!(trial.scratch.path.join("experiment").exists());
}

#[test]
fn what_is_opened_as_new_is_a_directory_and_no_link_to_one() {
    let keep = tempfile::tempdir().unwrap();
    fs::create_dir(keep.path().join("directory")).unwrap();
    fs::write(keep.path().join("file"), "").unwrap();
    symlink("directory", keep.path().join("link")).unwrap();
    let parent = File::open(keep.path()).unwrap();
    let open = |name: &str| open_new(&parent, name.as_ref(), Path::new(name));
    let directory = open("directory").unwrap();
    let flags = fcntl(&directory, FcntlArg::F_GETFD).unwrap();
    assert_eq!(flags, FdFlag::FD_CLOEXEC.bits());
    for name in ["file", "link"] {
        assert_eq!(open(name).map(drop).unwrap_err().call, "open", "{name}");
    }
}

#[test]
fn a_place_that_is_gone_needs_nothing_removed() {
    let trial = Trial::new();
    fs::rename(trial.path("place"), trial.path("unmounted")).unwrap();
    assert_eq!(remove(&trial.run), None);
}

#[test]
fn an_experiments_directory_is_open_to_other_users_and_goes_with_it() {
    let trial = Trial::new();
    let room = trial.scratch.make_for("overlayfs").unwrap();
    let path = trial.scratch.path.join("overlayfs");
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o7777, 0o755);
    fs::create_dir_all(path.join("work/work")).unwrap();
    drop(room);
    assert!(!path.exists());
    assert!(
        trial.scratch.make_for("experiment").is_err(),
        "it is there already"
    );
}

#[test]
fn what_somebody_has_put_in_its_stead_is_not_new() {
    let folder = tempfile::tempdir().unwrap();
    let directory = File::open(folder.path()).unwrap();
    assert_eq!(is_new(&directory), Ok(true));
    fs::write(folder.path().join("file"), "").unwrap();
    assert_eq!(is_new(&directory), Ok(false));
}

#[test]
fn what_belongs_to_somebody_else_is_not_new() {
    let Some(folder) = given_away() else { return };
    assert_eq!(is_new(&File::open(folder.path()).unwrap()), Ok(false));
}

#[test]
fn a_worker_enters_the_very_directory_that_was_made_for_it() {
    let trial = Trial::new();
    let mut room = trial.scratch.make_for("overlayfs").unwrap();
    let path = trial.scratch.path.join("overlayfs");
    fs::rename(&path, trial.path("elsewhere")).unwrap();
    fs::create_dir(&path).unwrap();
    let failure = room.named().enter().unwrap_err();
    assert!(failure.message.contains("not the directory"), "{failure}");
    let sentence = room.remove().unwrap();
    assert!(sentence.contains("not the directory"), "{sentence}");
}
