//! A run: what it holds on the host while it lasts, and that nothing of it is left.

use std::cell::{OnceCell, RefCell};
use std::fs::File;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::getpid;

use super::group::{self, Groups};
use super::inventory::{Inventory, Mine};
use super::janitor::Janitor;
use super::place;
use super::reap::reap;
use super::scratch::{self, Room, Scratch};
use super::signals::Signals;
use super::state::{self, Found, Locked, RunName, candidates, lock};
use super::vacated::Vacated;
use crate::host::{Cgroups, Host};
use crate::plan::Assignment;
use crate::recording::Failure;
use crate::spec::Step;
use crate::sys::cgroup::UNIFIED;
use crate::sys::process::memory_file;

/// A run that is going on. Its lock says so to other runs, and workers share it: it is free when all are dead.
///
/// From its beginning to its end SIGINT, SIGTERM and SIGHUP do not kill the process.
pub struct Run {
    /// Where runs may have their directories.
    states: Vec<PathBuf>,
    /// `None` on a host without any place for it: then nothing can be found after a SIGKILL but cgroups.
    directory: Option<PathBuf>,
    lock: File,
    janitor: OnceCell<Janitor>,
    vacated: RefCell<Option<Vacated>>,
    /// On the file system that the caller names, if one is named.
    scratch: Option<Scratch>,
    signals: Signals,
    cgroups: Cgroups,
    /// The directory that the caller names; what is left of the run is looked for there, too.
    storage: Option<PathBuf>,
    before: Inventory,
    mine: Mine,
    /// Folders for mounts that are not there before.
    folders: Vec<&'static Path>,
    /// What earlier runs have left and could not be removed.
    stale: Vec<String>,
}

impl Run {
    /// Begins a run: removes what dead runs have left, makes its own directory and takes its lock.
    ///
    /// The words of `steps` tell apart what the run makes on the host from what another program makes meanwhile.
    ///
    /// # Errors
    /// A directory that somebody else has made stands where its own should be and there is no other place; those of
    /// signalfd(2). Where the caller names a directory, those of [`Scratch::make`], and that there is no place for a record
    /// of what is made there.
    pub fn begin<'a>(host: &Host, steps: impl Iterator<Item = &'a Step>) -> Result<Self, Failure> {
        Self::begin_in(candidates(), host, steps)
    }

    /// Begins a run that has its directory in one of `states`.
    fn begin_in<'a>(
        states: Vec<PathBuf>,
        host: &Host,
        steps: impl Iterator<Item = &'a Step>,
    ) -> Result<Self, Failure> {
        let signals = Signals::take()?;
        let stale = reap(&states, &host.cgroups);
        let named = host.scratch.as_ref();
        let storage = named.map(|named| PathBuf::from(&named.path));
        let before = Inventory::take(&states, &host.cgroups, storage.as_deref());
        let (name, directory, lock) = make_directory(&states)?;
        let mut run = Self {
            states,
            directory,
            lock,
            janitor: OnceCell::new(),
            vacated: RefCell::default(),
            scratch: None,
            signals,
            cgroups: host.cgroups.clone(),
            storage,
            before,
            mine: Mine::new(name, steps),
            folders: place::missing(Path::is_dir),
            stale,
        };
        run.begin_scratch()?;
        Ok(run)
    }

    /// Makes the run's directory on the file system that the caller names.
    fn begin_scratch(&mut self) -> Result<(), Failure> {
        let Some(storage) = &self.storage else {
            return Ok(());
        };
        let records = self.directory.as_deref();
        let records = records.ok_or_else(|| unrecorded(storage))?;
        self.start_janitor();
        self.scratch = Some(Scratch::make(storage, &self.mine.run, records)?);
        Ok(())
    }

    fn start_janitor(&self) {
        if let (Some(directory), None) = (&self.directory, self.janitor.get())
            && let Some(janitor) = Janitor::start(directory)
        {
            self.janitor.get_or_init(|| janitor);
        }
    }

    /// Makes the experiment's directory, where the caller has named a place for it.
    ///
    /// # Errors
    /// Those of [`Scratch::make_for`].
    pub fn make_scratch(&self, assignment: &Assignment) -> Result<Option<Room>, Failure> {
        let make = |scratch: &Scratch| scratch.make_for(&assignment.experiment);
        self.scratch.as_ref().map(make).transpose()
    }

    /// The lock, for the workers.
    #[must_use]
    pub fn lock(&self) -> BorrowedFd<'_> {
        self.lock.as_fd()
    }

    /// The signals that ask it to end.
    #[must_use]
    pub fn signals(&self) -> &Signals {
        &self.signals
    }

    /// The file whose lock all runs on this host share, so that one at a time measures.
    ///
    /// # Errors
    /// Those of open(2).
    pub fn cpu_lock(&self) -> Result<File, Failure> {
        let Some(state) = self.directory.as_deref().and_then(Path::parent) else {
            return memory_lock();
        };
        // Nobody removes it while this run's directory is in it.
        state::open(state).map_err(|error| Failure::io("open", state.display(), &error))
    }

    /// Makes the experiment's own group of each controller that it needs.
    ///
    /// # Errors
    /// Those of mkdir(2) and flock(2); what was made before is removed again.
    pub fn make_groups(&self, assignment: &Assignment) -> Result<Groups, Failure> {
        if assignment.cgroups.is_empty() {
            return Ok(Groups::default());
        }
        self.vacate(assignment)?;
        self.start_janitor();
        let name = group::name(&self.mine.run, &assignment.experiment);
        Groups::make(&name, &assignment.cgroups, self.directory.as_deref())
    }

    /// Leaves the own group of cgroup v2, where the plan says that it must pass controllers on.
    fn vacate(&self, assignment: &Assignment) -> Result<(), Failure> {
        let Some(own) = assignment
            .cgroups
            .get(UNIFIED)
            .filter(|_| !assignment.vacate.is_empty())
        else {
            return Ok(());
        };
        let mut vacated = self.vacated.borrow_mut();
        if vacated.is_none() {
            let janitor = self.janitor.get().map(Janitor::pid);
            let processes: Vec<_> = janitor.into_iter().chain([getpid()]).collect();
            let records = self.directory.as_deref().ok_or_else(|| unrecorded(own))?;
            *vacated = Some(Vacated::leave(own, &self.mine.run, &processes, records)?);
        }
        let pass_on = |vacated: &mut Vacated| vacated.pass_on(&assignment.vacate);
        vacated.as_mut().map_or(Ok(()), pass_on)
    }

    /// Ends the run and compares the host with what it was before. Every worker must be dead and every group removed.
    ///
    /// Gives what was left, each as a sentence.
    #[must_use]
    pub fn end(mut self) -> Vec<String> {
        let mut left = std::mem::take(&mut self.stale);
        left.extend(self.tidy());
        let after = Inventory::take(&self.states, &self.cgroups, self.storage.as_deref());
        left.extend(after.left(&self.before, &self.mine));
        left
    }

    /// Removes its directory, last of all that the janitor would remove. The directory stays when it has the record of
    /// what could not be removed or put back: the next start tries again. Gives what that is.
    fn tidy(&mut self) -> Vec<String> {
        let vacated = self.vacated.take();
        let mut left: Vec<_> = vacated
            .and_then(|mut vacated| vacated.undo())
            .into_iter()
            .collect();
        // Its descriptor may be the one that removing it takes.
        self.scratch = None;
        left.extend(self.directory.as_deref().and_then(scratch::remove));
        if let Some(directory) = self.directory.take() {
            state::remove_empty(&directory);
        }
        for folder in self.folders.drain(..) {
            let _ = std::fs::remove_dir(folder);
        }
        if let Some(janitor) = self.janitor.take() {
            janitor.dismiss();
        }
        left
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.tidy();
    }
}

/// What could not be put back or removed after a SIGKILL is not changed or made.
fn unrecorded(path: &Path) -> Failure {
    let message = "no directory can be made for a record of what is changed there";
    Failure::unexpected("change", path.display(), message)
}

/// How often a directory is made again that other runs have removed before it was locked.
const ATTEMPTS: usize = 32;

/// Makes the directory in the first place that has one to give, and locks it.
fn make_directory(states: &[PathBuf]) -> Result<(RunName, Option<PathBuf>, File), Failure> {
    let mut refused = None;
    for state in states {
        match make_in(state) {
            Ok((name, directory, lock)) => return Ok((name, Some(directory), lock)),
            // No such folder, a read-only or full file system: the next one may do.
            Err(NotHere::Unfit | NotHere::Removed) => {}
            Err(NotHere::Unusable(failure)) => refused = refused.or(Some(failure)),
        }
    }
    match refused {
        Some(failure) => Err(failure),
        None => Ok((RunName::new(), None, memory_lock()?)),
    }
}

/// Why a state directory is not used.
enum NotHere {
    /// It cannot be made, or nothing can be made in it.
    Unfit,
    /// Another run has removed it just now, as each does with its own directory and, after the last, with the state's.
    Removed,
    /// It must not be trusted.
    Unusable(Failure),
}

fn make_in(state: &Path) -> Result<(RunName, PathBuf, File), NotHere> {
    for _ in 0..ATTEMPTS {
        match try_to_make_in(state) {
            Err(NotHere::Removed) => {}
            result => return result,
        }
    }
    Err(NotHere::Unfit)
}

fn try_to_make_in(state: &Path) -> Result<(RunName, PathBuf, File), NotHere> {
    let made = match state::make_private(state) {
        Ok(()) => true,
        Err(Errno::EEXIST) => false,
        Err(_) => return Err(NotHere::Unfit),
    };
    let directory = look_in(state).and_then(|()| make_run_in(state));
    if made && directory.is_err() {
        let _ = std::fs::remove_dir(state);
    }
    directory
}

fn look_in(state: &Path) -> Result<(), NotHere> {
    match state::look(state) {
        Found::Own => {
            state::close_to_others(state);
            Ok(())
        }
        Found::Absent => Err(NotHere::Removed),
        Found::Unusable(failure) => Err(NotHere::Unusable(failure)),
    }
}

fn make_run_in(state: &Path) -> Result<(RunName, PathBuf, File), NotHere> {
    let name = RunName::new();
    let directory = state.join(name.as_str());
    state::make_private(&directory).map_err(|errno| match errno {
        Errno::ENOENT => NotHere::Removed,
        _ => NotHere::Unfit,
    })?;
    match lock(&directory) {
        Ok(Locked::Taken(lock)) => Ok((name, directory, lock)),
        // Another run that begins has taken it for that of a dead one, before it was locked, and removes it.
        Ok(Locked::Held | Locked::Gone) => Err(NotHere::Removed),
        Err(_) => {
            state::remove_empty(&directory);
            Err(NotHere::Unfit)
        }
    }
}

/// A lock that only the workers of this run know.
fn memory_lock() -> Result<File, Failure> {
    memory_file(&[])
        .map(File::from)
        .map_err(|errno| Failure::errno("memfd_create", "", errno))
}

#[cfg(test)]
mod tests;
