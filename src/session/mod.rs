//! Where steps are performed: a scratch directory, the experiment's own cgroups, what it has started.
//!
//! A session is one process. A step with `inside` goes on in a child process with a copy of it.

pub mod path;
mod shell;
pub use shell::{SEARCH_PATH, exit_failure, not_executed};

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::recording::Failure;
use crate::sys::netlink::NetError;
use crate::sys::process::{Lost, in_child};
pub use path::{Place, SpecPath, WritablePath};
pub use shell::Shell;

/// How a block of steps ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Flow {
    /// Every step did what its spec says: go on.
    Continue,
    /// One did not: perform no other.
    Stop,
}

/// Performs the steps of an `inside` in the session that it is given.
pub type Inside<'a> = &'a mut dyn FnMut(&mut Session) -> Flow;

/// A process that a step has started and left running.
#[derive(Debug, Clone)]
pub struct Started {
    /// The name that the spec knows it by: `a.out`.
    pub name: String,
    /// Its number in the PID namespace of the session.
    pub pid: Pid,
    /// The CPU that it is pinned to, if it is.
    pub cpu: Option<usize>,
}

/// The state of one terminal session.
#[derive(Debug)]
pub struct Session {
    scratch: OwnedFd,
    proc: Option<OwnedFd>,
    cgroups: BTreeMap<String, OwnedFd>,
    here: SpecPath,
    /// What it has started and left running.
    pub started: Vec<Started>,
    /// The shell that lines are typed into, below `chroot … SHELL`.
    pub shell: Option<Shell>,
    /// Where named network namespaces are kept, a private /run/netns.
    pub netns: PathBuf,
    /// Files that `cp` brought along with a program, as paths from the scratch directory.
    pub brought: Vec<PathBuf>,
}

impl Session {
    /// A session in a scratch directory, with the experiment's own group of each controller.
    #[must_use]
    pub fn new(scratch: OwnedFd, cgroups: BTreeMap<String, OwnedFd>, netns: PathBuf) -> Self {
        Self {
            scratch,
            proc: None,
            cgroups,
            here: SpecPath::here(),
            started: Vec::new(),
            shell: None,
            netns,
            brought: Vec::new(),
        }
    }

    /// The directory that `path` cannot leave, and what is left of the path from there.
    ///
    /// # Errors
    /// `ENOENT` for a controller that the experiment does not declare in its needs, or when there is no /proc.
    pub fn resolve(&mut self, path: &SpecPath) -> Result<(BorrowedFd<'_>, PathBuf), Failure> {
        let path = match (&path.place, &self.here.place) {
            (Place::Here, _) => SpecPath {
                place: self.here.place.clone(),
                relative: self.here.relative.join(&path.relative),
            },
            _ => path.clone(),
        };
        let missing = || Failure::errno("open", &path, Errno::ENOENT);
        let root = match &path.place {
            Place::Here => &self.scratch,
            Place::Cgroup(controller) => self.cgroups.get(controller).ok_or_else(missing)?,
            Place::Proc => match &mut self.proc {
                Some(proc) => proc,
                empty => empty.insert(open_proc()?),
            },
        };
        Ok((root.as_fd(), path.relative))
    }

    /// The scratch directory.
    #[must_use]
    pub fn scratch(&self) -> BorrowedFd<'_> {
        self.scratch.as_fd()
    }

    /// The experiment's own group in the hierarchy of `controller`, if its needs declare one.
    #[must_use]
    pub fn cgroup(&self, controller: &str) -> Option<BorrowedFd<'_>> {
        self.cgroups.get(controller).map(AsFd::as_fd)
    }

    /// The current directory.
    #[must_use]
    pub fn here(&self) -> &SpecPath {
        &self.here
    }

    /// Makes `path` the current directory, of the process as well.
    ///
    /// # Errors
    /// Those of open(2) and fchdir(2).
    pub fn change_directory(&mut self, path: &SpecPath) -> Result<(), Failure> {
        let (root, relative) = self.resolve(path)?;
        crate::sys::beneath::open(root, &relative, OFlag::O_PATH, Mode::empty())
            .and_then(|directory| nix::unistd::fchdir(&directory))
            .map_err(|errno| Failure::errno("chdir", path, errno))?;
        self.here = match path.place {
            Place::Here => SpecPath {
                place: self.here.place.clone(),
                relative,
            },
            _ => path.clone(),
        };
        Ok(())
    }

    /// The process that was started under this name, the last one of several.
    ///
    /// # Errors
    /// None was.
    pub fn started(&self, name: &str) -> Result<&Started, Failure> {
        let found = self
            .started
            .iter()
            .rev()
            .find(|started| started.name == name);
        found.ok_or_else(|| Failure::errno("pgrep", name, Errno::ESRCH))
    }

    /// Does `work` in a child process, with a copy of this session.
    ///
    /// # Errors
    /// Those of `work`, or the child's death.
    pub fn in_child<T>(
        &mut self,
        call: &str,
        work: impl FnOnce(&mut Self) -> Result<T, Failure>,
    ) -> Result<T, Failure>
    where
        T: Serialize + serde::de::DeserializeOwned,
    {
        // /proc is opened again: the child may be about to see another one.
        in_child(|| {
            self.proc = None;
            work(self)
        })
        .unwrap_or_else(|lost| Err(lost_child(call, lost)))
    }
}

fn open_proc() -> Result<OwnedFd, Failure> {
    match File::open("/proc") {
        Ok(proc) => Ok(proc.into()),
        Err(error) => Err(Failure::io("open", "/proc", &error)),
    }
}

impl From<NetError> for Failure {
    /// What the kernel adds to its errno differs from version to version, so it is kept out of the transcript.
    fn from(error: NetError) -> Self {
        let object = match error.message {
            Some(message) => format!("{} ({message})", error.object),
            None => error.object,
        };
        Self::errno(error.call, object.trim(), error.errno)
    }
}

/// A child's death as a failure of the step that needed it.
#[must_use]
pub fn lost_child(call: &str, lost: Lost) -> Failure {
    match lost {
        Lost::Call("fork", errno) => Failure::fork("", errno),
        Lost::Call(call, errno) => Failure::errno(call, "", errno),
        Lost::Killed(signal) => Failure {
            cause: crate::recording::Cause::Signal(signal.as_str().to_owned()),
            ..Failure::unexpected(call, "", "killed")
        },
        Lost::Exited(status) => Failure {
            cause: crate::recording::Cause::Exit(status),
            ..Failure::unexpected(call, "", "ended")
        },
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;
    use nix::sys::signal::Signal;

    use super::*;
    use crate::recording::Cause;

    #[test]
    fn a_lost_child_is_told_by_how_it_was_lost() {
        for (lost, cause, text) in [
            (
                Lost::Call("fork", Errno::EAGAIN),
                Cause::NoProcess,
                "fork: EAGAIN: try again",
            ),
            (
                Lost::Call("pipe2", Errno::EMFILE),
                Cause::Errno("EMFILE".to_owned()),
                "pipe2: EMFILE: too many open files",
            ),
            (
                Lost::Killed(Signal::SIGKILL),
                Cause::Signal("SIGKILL".to_owned()),
                "chroot: SIGKILL: killed",
            ),
            (Lost::Exited(3), Cause::Exit(3), "chroot: exit 3: ended"),
        ] {
            let failure = lost_child("chroot", lost);
            assert_eq!(
                (&failure.cause, failure.to_string()),
                (&cause, text.to_owned())
            );
        }
    }
}
