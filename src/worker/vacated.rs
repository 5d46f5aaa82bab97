//! The caller's own group of cgroup v2, left by the caller so that it can pass controllers on.
//!
//! Only a group that was delegated to the caller, who is alone in it, is treated so: it holds no process of anybody else
//! then, and nobody else counts on its `cgroup.subtree_control`. Everything is put back at the end of the run.

use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::Pid;

use crate::recording::Failure;

/// A group that was left. It is entered again when this is dropped.
pub struct Vacated {
    own: PathBuf,
    leaf: PathBuf,
    passed_on: Vec<String>,
}

impl Vacated {
    /// Takes processes of `own` into a new group below it.
    ///
    /// # Errors
    /// Those of mkdir(2) and of write(2) on `cgroup.procs`; then all is as it was.
    pub fn leave(own: &Path, name: &str, processes: &[Pid]) -> Result<Self, Failure> {
        let leaf = own.join(name);
        fs::create_dir(&leaf).map_err(|error| Failure::io("mkdir", leaf.display(), &error))?;
        let vacated = Self {
            own: own.to_owned(),
            leaf,
            passed_on: Vec::new(),
        };
        for process in processes {
            write(&vacated.leaf.join("cgroup.procs"), &process.to_string())?;
        }
        Ok(vacated)
    }

    /// Has the group pass controllers on.
    ///
    /// # Errors
    /// Those of write(2) on `cgroup.subtree_control`: `EBUSY` when another process has come into the group.
    pub fn pass_on(&mut self, controllers: &[String]) -> Result<(), Failure> {
        for controller in controllers {
            if !self.passed_on.contains(controller) {
                let change = format!("+{controller}");
                write(&self.own.join("cgroup.subtree_control"), &change)?;
                self.passed_on.push(controller.clone());
            }
        }
        Ok(())
    }

    /// Puts back what was changed, from a process that was taken along. Groups of experiments must be gone.
    pub fn undo(&mut self) {
        // What cannot be put back shows as a group that is left; there is nothing else to be done about it here.
        for controller in self.passed_on.drain(..) {
            let _ = write(
                &self.own.join("cgroup.subtree_control"),
                &format!("-{controller}"),
            );
        }
        let _ = write(&self.own.join("cgroup.procs"), "0");
        let _ = fs::remove_dir(&self.leaf);
    }
}

impl Drop for Vacated {
    fn drop(&mut self) {
        self.undo();
    }
}

fn write(file: &Path, text: &str) -> Result<(), Failure> {
    fs::write(file, text).map_err(|error| Failure::io("write", file.display(), &error))
}
