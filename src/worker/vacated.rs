//! The caller's own group of cgroup v2, left by the caller so that it can pass controllers on.
//!
//! Only a group that was delegated to the caller, who is alone in it, is treated so: it holds no process of anybody else
//! then, and nobody else counts on its `cgroup.subtree_control`. Everything is put back at the end of the run, by its
//! janitor or at the next start: a symbolic link `LEAF.CONTROLLER` in the run's directory says what, before it is changed.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use super::group;
use super::state::RunName;
use crate::recording::Failure;
use crate::sys::cgroup::UNIFIED;
use crate::sys::cgroupfs;

/// What stands for the experiment in the leaf's name. No experiment has a dot in its name.
const CALLER: &str = ".caller";

/// A group that was left for a leaf below it.
pub struct Vacated {
    leaf: PathBuf,
    records: PathBuf,
    passed_on: Vec<String>,
}

impl Vacated {
    /// Takes processes of `own` into a new group below it. `records` is the run's directory.
    ///
    /// # Errors
    /// Those of symlink(2), of mkdir(2) and of write(2) on `cgroup.procs`; then all is as it was.
    pub fn leave(
        own: &Path,
        run: &RunName,
        processes: &[Pid],
        records: &Path,
    ) -> Result<Self, Failure> {
        let mut vacated = Self {
            leaf: own.join(group::name(run, CALLER)),
            records: records.to_owned(),
            passed_on: Vec::new(),
        };
        let left = vacated.enter_leaf(processes);
        match left {
            Ok(()) => Ok(vacated),
            Err(failure) => {
                vacated.undo();
                Err(failure)
            }
        }
    }

    fn enter_leaf(&self, processes: &[Pid]) -> Result<(), Failure> {
        let leaf = &self.leaf;
        self.record(UNIFIED)?;
        fs::create_dir(leaf).map_err(|error| Failure::io("mkdir", leaf.display(), &error))?;
        let enter = |process: &Pid| write(&leaf.join("cgroup.procs"), &process.to_string());
        processes.iter().try_for_each(enter)
    }

    /// What a run has on record in its directory, if it has left a group.
    pub fn recorded(run: &Path) -> Option<Self> {
        let name = group::name(&RunName::of_directory(run)?, CALLER);
        let own = format!("{name}.{UNIFIED}");
        let leaf = fs::read_link(run.join(own)).ok()?;
        let is_leaf = leaf.file_name()?.to_str()? == name;
        let prefix = format!("{name}.");
        let records = fs::read_dir(run).into_iter().flatten().flatten();
        let names = records.filter_map(|record| record.file_name().into_string().ok());
        let controllers = names.filter_map(|name| Some(name.strip_prefix(&prefix)?.to_owned()));
        is_leaf.then(|| Self {
            leaf,
            records: run.to_owned(),
            passed_on: controllers.filter(|name| name != UNIFIED).collect(),
        })
    }

    /// Whether a group is one that a caller has gone to.
    pub fn is_leaf(group: &Path) -> bool {
        let name = group.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(CALLER)
    }

    /// Has the group pass controllers on.
    ///
    /// # Errors
    /// Those of symlink(2), and of write(2) on `cgroup.subtree_control`: `EBUSY` when another process has come into
    /// the group.
    pub fn pass_on(&mut self, controllers: &[String]) -> Result<(), Failure> {
        let already = cgroupfs::controllers(self.own(), "cgroup.subtree_control");
        for controller in controllers {
            if !already.contains(controller) {
                self.record(controller)?;
                self.passed_on.push(controller.clone());
                write(&self.control(), &format!("+{controller}"))?;
            }
        }
        Ok(())
    }

    /// Puts back what was changed; groups of experiments must be gone. Gives what could not be, as a sentence.
    pub fn undo(&mut self) -> Option<String> {
        let undone = self.put_back();
        undone.err().filter(|_| self.own().exists()).map(|failure| {
            let own = self.own().display();
            format!("cgroup {own} could not be put back as it was ({failure})")
        })
    }

    fn put_back(&mut self) -> Result<(), Failure> {
        while let Some(controller) = self.passed_on.last() {
            write(&self.control(), &format!("-{controller}"))?;
            let _ = fs::remove_file(self.record_of(controller));
            self.passed_on.pop();
        }
        for process in cgroupfs::processes(&self.leaf) {
            write(&self.own().join("cgroup.procs"), &process.to_string())?;
        }
        match fs::remove_dir(&self.leaf) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Failure::io("rmdir", self.leaf.display(), &error));
            }
            _ => drop(fs::remove_file(self.record_of(UNIFIED))),
        }
        Ok(())
    }

    fn own(&self) -> &Path {
        self.leaf.parent().unwrap_or(&self.leaf)
    }

    fn control(&self) -> PathBuf {
        self.own().join("cgroup.subtree_control")
    }

    fn record_of(&self, controller: &str) -> PathBuf {
        let name = self.leaf.file_name().unwrap_or_default();
        let name = name.to_string_lossy();
        self.records.join(format!("{name}.{controller}"))
    }

    fn record(&self, controller: &str) -> Result<(), Failure> {
        let record = self.record_of(controller);
        symlink(&self.leaf, &record)
            .map_err(|error| Failure::io("symlink", record.display(), &error))
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(|error| Failure::io("write", file.display(), &error))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Folders that stand for a group and for a run's directory.
    struct Place(tempfile::TempDir);

    impl Place {
        fn new() -> Self {
            let place = Self(tempfile::tempdir().unwrap());
            fs::create_dir(place.own()).unwrap();
            fs::create_dir(place.run()).unwrap();
            place
        }

        fn own(&self) -> PathBuf {
            self.0.path().join("own")
        }

        fn run(&self) -> PathBuf {
            self.0.path().join("187a5e9d2c3f1b04-1f3a")
        }

        fn leave(&self) -> Vacated {
            let name = RunName::of_directory(&self.run()).unwrap();
            Vacated::leave(&self.own(), &name, &[], &self.run()).unwrap()
        }

        fn control(&self) -> String {
            fs::read_to_string(self.own().join("cgroup.subtree_control")).unwrap_or_default()
        }

        fn records(&self) -> usize {
            fs::read_dir(self.run()).unwrap().count()
        }
    }

    #[test]
    fn what_is_changed_is_on_record() {
        let place = Place::new();
        let mut vacated = place.leave();
        assert_eq!(place.records(), 1);
        vacated.pass_on(&["cpu".to_owned()]).unwrap();
        assert_eq!((place.control().as_str(), place.records()), ("+cpu", 2));
        let mut recorded = Vacated::recorded(&place.run()).unwrap();
        assert_eq!(recorded.undo(), None);
        assert_eq!((place.control().as_str(), place.records()), ("-cpu", 0));
        assert!(!place.own().join(vacated.leaf).exists());
        assert!(Vacated::recorded(&place.run()).is_none());
    }

    #[test]
    fn what_was_passed_on_before_stays_so() {
        let place = Place::new();
        fs::write(place.own().join("cgroup.subtree_control"), "cpu pids").unwrap();
        let mut vacated = place.leave();
        vacated.pass_on(&["cpu".to_owned()]).unwrap();
        assert_eq!(vacated.undo(), None);
        assert_eq!(place.control(), "cpu pids");
    }

    #[test]
    fn what_cannot_be_put_back_is_named_and_kept_on_record() {
        let place = Place::new();
        let mut vacated = place.leave();
        vacated.pass_on(&["cpu".to_owned()]).unwrap();
        let control = place.own().join("cgroup.subtree_control");
        fs::remove_file(&control).unwrap();
        fs::create_dir(&control).unwrap();
        let sentence = vacated.undo().unwrap();
        assert!(
            sentence.contains("own could not be put back as it was (write"),
            "{sentence}"
        );
        assert_eq!(place.records(), 2);
    }

    #[test]
    fn a_group_that_is_gone_needs_nothing_put_back() {
        let place = Place::new();
        let mut vacated = place.leave();
        vacated.pass_on(&["cpu".to_owned()]).unwrap();
        fs::remove_dir_all(place.own()).unwrap();
        assert_eq!(vacated.undo(), None);
    }

    #[test]
    fn a_leaf_that_is_gone_is_taken_off_the_record() {
        let place = Place::new();
        let mut vacated = place.leave();
        fs::remove_dir(&vacated.leaf).unwrap();
        assert_eq!(vacated.undo(), None);
        assert_eq!(place.records(), 0);
    }

    #[test]
    fn a_leaf_that_cannot_be_removed_is_named_and_kept_on_record() {
        let place = Place::new();
        let mut vacated = place.leave();
        fs::create_dir(vacated.leaf.join("inner")).unwrap();
        let sentence = vacated.undo().unwrap();
        assert!(sentence.contains("(rmdir "), "{sentence}");
        assert!(sentence.contains("ENOTEMPTY"), "{sentence}");
        assert_eq!(place.records(), 1);
    }

    #[test]
    fn a_leaf_is_known_by_its_name() {
        let leaf = Path::new("/sys/fs/cgroup/x").join(format!("187a5e9d2c3f1b04-1f3a{CALLER}"));
        assert!(Vacated::is_leaf(&leaf));
        assert!(!Vacated::is_leaf(&leaf.join("x")) && !Vacated::is_leaf(Path::new("/")));
    }
}
