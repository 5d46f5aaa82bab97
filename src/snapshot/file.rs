//! Snapshot files: read whole or not at all, and replaced in one step.

use std::error::Error;
use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{Snapshot, Stored, parse, render};
use crate::replace::replace;
use crate::source::{Source, SourceError};

/// In bytes. No transcript comes near; a file of this size is something else.
const LIMIT: u64 = 16 << 20;

/// Why a snapshot could not be read or written, on what, and what to do about it.
#[derive(Debug)]
pub enum SnapshotError {
    /// The file holds no snapshot.
    Malformed(SourceError),
    /// The system refused to read, write or remove the file.
    File {
        /// The file as the user named it.
        path: PathBuf,
        /// What was tried: `read`, `write`, `remove`.
        action: &'static str,
        /// What the system answered.
        error: io::Error,
    },
}

impl SnapshotError {
    pub(super) fn file(path: &Path, action: &'static str, error: io::Error) -> Self {
        Self::File {
            path: path.to_owned(),
            action,
            error,
        }
    }

    /// The whole message as a program prints it: with `error:` in front, which a malformed text says of itself.
    #[must_use]
    pub fn report(&self) -> String {
        match self {
            Self::Malformed(error) => error.to_string(),
            Self::File { .. } => format!("error: {self}"),
        }
    }
}

impl From<SourceError> for SnapshotError {
    fn from(error: SourceError) -> Self {
        Self::Malformed(error)
    }
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, action, error) = match self {
            Self::Malformed(error) => return error.fmt(f),
            Self::File {
                path,
                action,
                error,
            } => (path.display(), action, error),
        };
        write!(f, "{path}: cannot {action} this snapshot: {error}")?;
        let advice = match error.kind() {
            ErrorKind::IsADirectory => "a snapshot is one file: move the folder away",
            ErrorKind::PermissionDenied => {
                "check the owner and the mode of the file and of its folder"
            }
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "nothing was changed: make room and run again"
            }
            ErrorKind::ReadOnlyFilesystem => {
                "nothing was changed: run where the folder can be written"
            }
            _ => return Ok(()),
        };
        write!(f, "\n  {advice}")
    }
}

impl Error for SnapshotError {}

/// Reads a snapshot file; `None` if there is none of this name.
///
/// # Errors
/// It cannot be read, is no regular file, or is not a text snapshot.
pub fn read(path: &Path) -> Result<Option<Stored>, SnapshotError> {
    let bytes = match read_bytes(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        result => result.map_err(|error| SnapshotError::file(path, "read", error))?,
    };
    let source = Source::from_utf8(path.display().to_string(), bytes)
        .map_err(|error| error.help("a snapshot is UTF-8 text: restore it from version control"))?;
    Ok(Some(parse(&source)?))
}

fn read_bytes(path: &Path) -> io::Result<Vec<u8>> {
    // Asked before it is opened: opening a pipe waits for its writer.
    let metadata = fs::metadata(path)?;
    if metadata.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    if !metadata.is_file() {
        return Err(io::Error::other("not a regular file"));
    }
    if metadata.len() > LIMIT {
        return Err(io::Error::other(format!("larger than {} MiB", LIMIT >> 20)));
    }
    fs::read(path)
}

/// Replaces the snapshot at `path`: afterwards there is the old one or the new one, whole, whatever happens between.
///
/// Missing folders are made. A symbolic link is followed.
///
/// # Errors
/// It cannot be written, or could not be read again: its contents look like an unfinished merge.
pub fn write(path: &Path, snapshot: &Snapshot) -> Result<(), SnapshotError> {
    let text = render(snapshot);
    let name = path.display().to_string();
    parse(&Source::new(name, text.as_str()))?;
    let target = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    fs::create_dir_all(target.parent().unwrap_or(Path::new("")))
        .and_then(|()| replace(&target, text.as_bytes()))
        .map_err(|error| SnapshotError::file(path, "write", error))
}

/// Where the unreviewed snapshot of `path` stands: `chroot.snap` to `chroot.snap.new`.
#[must_use]
pub fn pending_path(path: &Path) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(".new");
    name.into()
}

/// Writes the unreviewed snapshot beside the reviewed one at `path`, and says where.
///
/// # Errors
/// Those of [`write`].
pub fn write_pending(path: &Path, snapshot: &Snapshot) -> Result<PathBuf, SnapshotError> {
    let pending = pending_path(path);
    write(&pending, snapshot)?;
    Ok(pending)
}

/// Removes the unreviewed snapshot of `path`, which an experiment that agrees again has outdated; says whether there was one.
///
/// # Errors
/// It is there and cannot be removed.
pub fn remove_pending(path: &Path) -> Result<bool, SnapshotError> {
    let pending = pending_path(path);
    match fs::remove_file(&pending) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(SnapshotError::file(&pending, "remove", error)),
    }
}

#[cfg(test)]
mod tests;
