//! What a run leaves on the host while it lasts: a directory with a lock, and cgroups.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use crate::plan::Assignment;
use crate::recording::Failure;

/// The prefix of every cgroup that verify makes; the run's name follows.
pub const PREFIX: &str = "verify-";

/// A run that is going on. Its lock says so to other runs, and workers share it: it is free when all are dead.
pub struct Run {
    name: String,
    state: PathBuf,
    lock: Flock<File>,
}

impl Run {
    /// Begins a run: makes its directory and takes its lock.
    ///
    /// # Errors
    /// Nowhere can a directory be made.
    pub fn begin() -> Result<Self, Failure> {
        let state = state_directory()?;
        let name = format!("{:x}-{:x}", std::process::id(), nanoseconds());
        let own = state.join(&name);
        let fail =
            |call: &'static str, error: &std::io::Error| Failure::io(call, own.display(), error);
        std::fs::create_dir(&own).map_err(|error| fail("mkdir", &error))?;
        let file = File::create(own.join("lock")).map_err(|error| fail("open", &error))?;
        let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, errno)| Failure::errno("flock", own.display(), errno))?;
        Ok(Self { name, state, lock })
    }

    /// The lock, for the workers.
    #[must_use]
    pub fn lock(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }

    /// The lock that all runs on this host share, so that one at a time measures.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn cpu_lock(&self) -> Result<File, Failure> {
        let path = self.state.join("cpu.lock");
        OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(|error| Failure::io("open", path.display(), &error))
    }

    /// Makes the experiment's own group of each controller that it needs.
    ///
    /// # Errors
    /// Those of mkdir(2); what was made before is removed again.
    pub fn make_groups(
        &self,
        assignment: &Assignment,
    ) -> Result<BTreeMap<String, PathBuf>, Failure> {
        let mut groups = BTreeMap::new();
        for (controller, parent) in &assignment.cgroups {
            let group = parent.join(format!("{PREFIX}{}-{}", self.name, assignment.experiment));
            if let Err(error) = std::fs::create_dir(&group) {
                self.remove_groups(&groups);
                return Err(Failure::io("mkdir", group.display(), &error));
            }
            groups.insert(controller.clone(), group);
        }
        Ok(groups)
    }

    /// Removes groups whose processes are all dead; gives those that could not be removed.
    pub fn remove_groups(&self, groups: &BTreeMap<String, PathBuf>) -> Vec<String> {
        let left = groups
            .values()
            .filter_map(|group| remove_tree(group).err().map(|errno| (group, errno)));
        left.map(|(group, errno)| format!("cgroup {}: {errno}", group.display()))
            .collect()
    }

    /// Ends the run: removes its directory. Gives what could not be removed.
    #[must_use]
    pub fn end(self) -> Vec<String> {
        let own = self.state.join(&self.name);
        match std::fs::remove_dir_all(&own) {
            Ok(()) => Vec::new(),
            Err(error) => vec![format!("directory {}: {error}", own.display())],
        }
    }
}

/// Removes a group and those below it.
fn remove_tree(group: &std::path::Path) -> Result<(), Errno> {
    for entry in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            remove_tree(&entry.path())?;
        }
    }
    match std::fs::remove_dir(group) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(crate::sys::beneath::errno_of(&error))
        }
        _ => Ok(()),
    }
}

fn state_directory() -> Result<PathBuf, Failure> {
    let user = nix::unistd::geteuid();
    let candidates = if user.is_root() {
        vec![PathBuf::from("/run/verify"), PathBuf::from("/tmp/verify")]
    } else {
        let own =
            std::env::var_os("XDG_RUNTIME_DIR").map(|folder| PathBuf::from(folder).join("verify"));
        own.into_iter()
            .chain([PathBuf::from(format!("/tmp/verify-{user}"))])
            .collect()
    };
    let mut failure = Failure::errno("mkdir", "/run/verify", Errno::ENOENT);
    for folder in candidates {
        match std::fs::create_dir_all(&folder) {
            Ok(()) => return Ok(folder),
            Err(error) => failure = Failure::io("mkdir", folder.display(), &error),
        }
    }
    Err(failure)
}

fn nanoseconds() -> u128 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(0, |now| now.as_nanos())
}
