//! The directory of a run on a file system of the host, and in it one for each experiment.
//!
//! ```text
//! /var/lib/containers                    what the caller names
//! └── verify-187a5e9d2c3f1b04-1f3a       the run's, which nobody else can enter
//!     └── overlayfs                      what the experiment knows as its scratch directory
//! ```
//!
//! Two symbolic links in the run's state directory are its record: `scratch` says where it is, before it is made, and
//! `scratch.made` which one it is, before anything is in it. What is not that very directory is not emptied: others may
//! be able to rename in the directory that the caller names.

use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat};
use nix::sys::stat::{FileStat, Mode, fstat, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, fchdir, geteuid, unlinkat};
use serde::{Deserialize, Serialize};

use super::emptier;
use super::state::{self, RunName};
use crate::recording::Failure;
use crate::sys::{beneath, open_directory};

const PREFIX: &str = "verify-";

/// The record of where the directory is: a symbolic link to it.
const RECORD: &str = "scratch";
/// The record of which one it is: a symbolic link that says so as JSON.
const MADE: &str = "scratch.made";

/// What tells a directory from another one that is there in its stead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Identity {
    device: u64,
    inode: u64,
}

impl From<FileStat> for Identity {
    fn from(status: FileStat) -> Self {
        Self {
            device: status.st_dev,
            inode: status.st_ino,
        }
    }
}

impl Identity {
    fn of(directory: &File, path: &Path) -> Result<Self, Failure> {
        let status = fstat(directory);
        let status = status.map_err(|errno| Failure::errno("stat", path.display(), errno))?;
        Ok(Self::from(status))
    }

    fn check(self, directory: &File, path: &Path) -> Result<(), Failure> {
        match Self::of(directory, path)? == self {
            true => Ok(()),
            false => Err(another(path)),
        }
    }
}

/// A run's directory.
pub struct Scratch {
    path: PathBuf,
    own: Rc<File>,
}

impl Scratch {
    /// Makes it below `place`. `records` is the run's state directory; what is there after a failure is for [`remove`].
    ///
    /// # Errors
    /// Those of symlink(2), mkdir(2) and open(2); by then another directory is there, or something is in it.
    pub fn make(place: &Path, run: &RunName, records: &Path) -> Result<Self, Failure> {
        let name = name_of(run);
        let path = place.join(&name);
        let below =
            open_directory(place).map_err(|error| Failure::io("open", place.display(), &error))?;
        record(records, RECORD, &path)?;
        let own = make_at(&below, name.as_ref(), &path).inspect_err(|_| {
            // Without a directory that could be opened, for want of a descriptor for instance, it could not be removed.
            if is_absent(&below, name.as_ref()) {
                forget(records);
            }
        })?;
        let identity = Identity::of(&own, &path)?;
        let text = serde_json::to_string(&identity)
            .map_err(|error| Failure::unexpected("record", path.display(), error.to_string()))?;
        record(records, MADE, Path::new(&text))?;
        Ok(Self {
            path,
            own: Rc::new(own),
        })
    }

    /// Makes the directory of an experiment.
    ///
    /// # Errors
    /// Those of mkdir(2), open(2) and fchmod(2); by then another directory is there, or something is in it.
    pub fn make_for(&self, experiment: &str) -> Result<Room, Failure> {
        let path = self.path.join(experiment);
        let directory = make_at(&self.own, experiment.as_ref(), &path)?;
        let identity = Identity::of(&directory, &path)?;
        let room = Room {
            parent: Some(Rc::clone(&self.own)),
            named: Named { path, identity },
        };
        // Processes of other users are in it as well, whatever the caller's umask.
        let everybody = Permissions::from_mode(0o755);
        let opened = directory.set_permissions(everybody);
        opened.map_err(|error| Failure::io("chmod", room.named.path.display(), &error))?;
        Ok(room)
    }
}

/// An experiment's directory. It is removed at the latest when this is dropped.
pub struct Room {
    /// Until it is removed, or could not be.
    parent: Option<Rc<File>>,
    named: Named,
}

impl Room {
    /// How its worker finds it.
    #[must_use]
    pub fn named(&self) -> &Named {
        &self.named
    }

    /// Removes it when its worker is dead; gives a sentence when that could not be done.
    pub fn remove(&mut self) -> Option<String> {
        let parent = self.parent.take()?;
        let Named { path, identity } = &self.named;
        let name = path.file_name().unwrap_or_default();
        let removed = remove_at(&parent, name, Some(*identity));
        let failure = removed.err()?;
        Some(state::still_there(path, failure))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.remove();
    }
}

/// A directory by its path, and which one that is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Named {
    path: PathBuf,
    identity: Identity,
}

impl Named {
    /// Makes it the current directory.
    ///
    /// # Errors
    /// Those of open(2); another directory is there by now.
    pub fn enter(&self) -> Result<(), Failure> {
        let path = self.path.display();
        let opened = state::open(&self.path);
        let directory = opened.map_err(|error| Failure::io("open", &path, &error))?;
        self.identity.check(&directory, &self.path)?;
        fchdir(&directory).map_err(|errno| Failure::errno("chdir", &path, errno))
    }
}

/// The directories of runs below `place`.
pub fn runs_below(place: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths.filter(|path| run_of(path).is_some())
}

/// The run that a directory belongs to, by its name.
pub fn run_of(path: &Path) -> Option<RunName> {
    let rest = path.file_name()?.to_str()?.strip_prefix(PREFIX)?;
    let (run, rest) = RunName::split(rest)?;
    rest.is_empty().then_some(run)
}

/// Removes the directory that a run has on record in its state directory, and the record. All its processes must be
/// dead. Gives a sentence when that could not be done; the record stays then.
pub fn remove(run: &Path) -> Option<String> {
    let path = fs::read_link(run.join(RECORD)).ok()?;
    if run_of(&path) != RunName::of_directory(run) {
        return None;
    }
    if let Err(failure) = remove_recorded(&path, made(run)) {
        return Some(state::still_there(&path, failure));
    }
    forget(run);
    None
}

fn forget(run: &Path) {
    for record in [RECORD, MADE] {
        let _ = fs::remove_file(run.join(record));
    }
}

fn made(run: &Path) -> Option<Identity> {
    let text = fs::read_link(run.join(MADE)).ok()?;
    serde_json::from_str(text.to_str()?).ok()
}

fn remove_recorded(path: &Path, made: Option<Identity>) -> Result<(), Failure> {
    let (Some(place), Some(name)) = (path.parent(), path.file_name()) else {
        return Ok(());
    };
    match open_directory(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(Failure::io("open", place.display(), &error)),
        Ok(place) => remove_at(&place, name, made),
    }
}

/// Removes a directory. It must be empty where it is not known which one was made. An empty one takes no descriptor, which
/// there may be none of.
fn remove_at(parent: &File, name: &OsStr, made: Option<Identity>) -> Result<(), Failure> {
    let fail = |call| move |errno| Failure::errno(call, "", errno);
    let there = match fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
        Err(Errno::ENOENT) => return Ok(()),
        found => Identity::from(found.map_err(fail("stat"))?),
    };
    if made.is_some_and(|made| made != there) {
        return Err(another(Path::new("")));
    }
    match (unlinkat(parent, name, UnlinkatFlags::RemoveDir), made) {
        (Err(Errno::ENOTEMPTY | Errno::EEXIST), Some(made)) => empty_at(parent, name, made)?,
        (removed, _) => return removed.map_err(fail("rmdir")),
    }
    unlinkat(parent, name, UnlinkatFlags::RemoveDir).map_err(fail("rmdir"))
}

/// Empties that very directory.
fn empty_at(parent: &File, name: &OsStr, made: Identity) -> Result<(), Failure> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let opened = openat(parent, name, flags, Mode::empty());
    let directory = File::from(opened.map_err(|errno| Failure::errno("open", "", errno))?);
    made.check(&directory, Path::new(""))?;
    emptier::empty(directory.as_fd())
}

fn is_absent(parent: &File, name: &OsStr) -> bool {
    fstatat(parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) == Err(Errno::ENOENT)
}

fn name_of(run: &RunName) -> String {
    format!("{PREFIX}{}", run.as_str())
}

fn record(records: &Path, name: &str, what: &Path) -> Result<(), Failure> {
    let record = records.join(name);
    symlink(what, &record).map_err(|error| Failure::io("symlink", record.display(), &error))
}

/// Makes a directory that only its owner can enter, or nothing.
fn make_at(parent: &File, name: &OsStr, path: &Path) -> Result<File, Failure> {
    mkdirat(parent, name, Mode::S_IRWXU)
        .map_err(|errno| Failure::errno("mkdir", path.display(), errno))?;
    open_new(parent, name, path).inspect_err(|_| {
        let _ = unlinkat(parent, name, UnlinkatFlags::RemoveDir);
    })
}

fn open_new(parent: &File, name: &OsStr, path: &Path) -> Result<File, Failure> {
    let fail = |call| move |errno| Failure::errno(call, path.display(), errno);
    let flags = OFlag::O_RDONLY | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let opened = openat(parent, name, flags, Mode::empty()).map_err(fail("open"))?;
    let directory = File::from(opened);
    match is_new(&directory).map_err(fail("getdents"))? {
        true => Ok(directory),
        false => Err(another(path)),
    }
}

/// Who may rename in the directory above could put another one there before it is opened: it must be the caller's own,
/// and empty.
fn is_new(directory: &File) -> Result<bool, Errno> {
    let owner = fstat(directory)?.st_uid;
    let is_empty = beneath::list(directory.as_fd(), Path::new(""))?.is_empty();
    Ok(owner == geteuid().as_raw() && is_empty)
}

fn another(path: &Path) -> Failure {
    let message = "it is not the directory that verify has made there";
    Failure::unexpected("open", path.display(), message)
}

#[cfg(test)]
mod tests;
