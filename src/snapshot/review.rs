//! Review without cargo: what `cargo insta pending-snapshots`, `accept` and `reject` do.

use std::ffi::OsStr;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::{Snapshot, SnapshotError, Stored, file};

/// A snapshot that nobody has reviewed yet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Pending {
    /// The `.snap` that it becomes when it is accepted.
    pub path: PathBuf,
}

impl Pending {
    /// What the experiment showed.
    ///
    /// # Errors
    /// The file cannot be read, is no snapshot, or is gone.
    pub fn observed(&self) -> Result<Stored, SnapshotError> {
        let path = file::pending_path(&self.path);
        let gone = || SnapshotError::file(&path, "read", ErrorKind::NotFound.into());
        file::read(&path)?.ok_or_else(gone)
    }

    /// What was reviewed before; `None` if this experiment is new.
    ///
    /// # Errors
    /// The file cannot be read or is no snapshot.
    pub fn reviewed(&self) -> Result<Option<Stored>, SnapshotError> {
        file::read(&self.path)
    }
}

/// All pending snapshots of these snapshots, and those in these folders and below, by path.
///
/// A snapshot may be named as it is reviewed or as it is pending. Hidden folders and symbolic links in folders are left out.
///
/// # Errors
/// There is no such file, or a folder cannot be read.
pub fn pending(paths: &[PathBuf]) -> Result<Vec<Pending>, SnapshotError> {
    let mut found = Vec::new();
    let mut folders = Vec::new();
    for path in paths {
        if path.is_dir() {
            folders.push(path.clone());
        } else {
            found.extend(named(path)?);
        }
    }
    while let Some(folder) = folders.pop() {
        let (below, pending) =
            list(&folder).map_err(|error| SnapshotError::file(&folder, "read", error))?;
        folders.extend(below);
        found.extend(pending);
    }
    found.sort();
    found.dedup();
    Ok(found)
}

/// What is pending for one snapshot, if anything is.
fn named(path: &Path) -> Result<Option<Pending>, SnapshotError> {
    let reviewed = reviewed_name(path).unwrap_or_else(|| path.to_owned());
    if file::pending_path(&reviewed).exists() {
        return Ok(Some(Pending { path: reviewed }));
    }
    match fs::metadata(path) {
        Ok(_) => Ok(None),
        Err(error) => Err(SnapshotError::file(path, "read", error)),
    }
}

/// The folders in a folder, and the pending snapshots.
fn list(folder: &Path) -> io::Result<(Vec<PathBuf>, Vec<Pending>)> {
    let (mut below, mut found) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() && !is_hidden(&entry.file_name()) {
            below.push(entry.path());
        } else if kind.is_file() {
            found.extend(reviewed_name(&entry.path()).map(|path| Pending { path }));
        }
    }
    Ok((below, found))
}

fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// `chroot.snap.new` to `chroot.snap`; nothing for other files.
fn reviewed_name(path: &Path) -> Option<PathBuf> {
    let new = path.extension()? == "new";
    let path = path.with_extension("");
    (new && path.extension()? == "snap").then_some(path)
}

/// Makes `observed` the reviewed snapshot, and removes the pending one.
///
/// `observed` is what the person saw. If the pending file holds something else by now, that stays pending.
///
/// # Errors
/// The reviewed snapshot cannot be written (then both files are as they were), or the pending one not removed.
pub fn accept(pending: &Pending, observed: &Snapshot) -> Result<(), SnapshotError> {
    file::write(&pending.path, observed)?;
    match pending.observed() {
        Ok(now) if now.snapshot != *observed => Ok(()),
        _ => reject(pending),
    }
}

/// Removes the pending snapshot; the reviewed one stays as it is.
///
/// # Errors
/// The file cannot be removed.
pub fn reject(pending: &Pending) -> Result<(), SnapshotError> {
    file::remove_pending(&pending.path).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::snapshot::{render, write, write_pending};

    fn snapshot(contents: &str) -> Snapshot {
        Snapshot::new("specs/x.yaml", "A title", contents)
    }

    /// A folder in which `x` has both snapshots, with what is pending there.
    fn review() -> (tempfile::TempDir, Pending) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.snap");
        write(&path, &snapshot("old")).unwrap();
        write_pending(&path, &snapshot("new")).unwrap();
        (folder, Pending { path })
    }

    fn reviewed(pending: &Pending) -> String {
        pending.reviewed().unwrap().unwrap().snapshot.contents
    }

    #[test]
    fn pending_snapshots_are_found_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        for name in [
            "b.snap",
            "a.snap",
            "below/c.snap",
            "deep/er/d.snap",
            ".git/e.snap",
        ] {
            write_pending(&at(name), &snapshot("new")).unwrap();
        }
        for name in ["f.snap", "f.new", "snap.new", "g.snap.new.orig"] {
            fs::write(at(name), "").unwrap();
        }
        fs::create_dir(at("h.snap.new")).unwrap();
        std::os::unix::fs::symlink(".", at("loop")).unwrap();
        let folders = [folder.path().to_owned(), at("below")];
        let found = pending(&folders).unwrap();
        let paths: Vec<_> = found.into_iter().map(|pending| pending.path).collect();
        let names = ["a.snap", "b.snap", "below/c.snap", "deep/er/d.snap"];
        assert_eq!(paths, names.map(at));
    }

    #[test]
    fn a_snapshot_may_be_named_by_either_of_its_files() {
        let (folder, pending) = review();
        let file = folder.path().join("x.snap.new");
        for path in [&pending.path, &file] {
            let found = super::pending(std::slice::from_ref(path)).unwrap();
            assert_eq!(found, std::slice::from_ref(&pending));
        }
        reject(&pending).unwrap();
        assert_eq!(
            super::pending(std::slice::from_ref(&pending.path)).unwrap(),
            []
        );
        assert!(super::pending(&[file]).is_err());
    }

    #[test]
    fn a_folder_that_is_not_there_is_an_error() {
        let error = pending(&["/nonexistent".into()]).unwrap_err().to_string();
        assert!(error.contains("/nonexistent: cannot read"), "{error}");
    }

    #[test]
    fn accepting_makes_the_pending_snapshot_the_reviewed_one() {
        let (folder, pending) = review();
        let observed = pending.observed().unwrap().snapshot;
        accept(&pending, &observed).unwrap();
        let text = fs::read_to_string(&pending.path).unwrap();
        assert_eq!(text, render(&snapshot("new")));
        assert_eq!(super::pending(&[folder.path().to_owned()]).unwrap(), []);
    }

    #[test]
    fn accepting_leaves_a_newer_observation_pending() {
        let (_folder, pending) = review();
        let seen = pending.observed().unwrap().snapshot;
        write_pending(&pending.path, &snapshot("newer")).unwrap();
        accept(&pending, &seen).unwrap();
        assert_eq!(reviewed(&pending), "new");
        assert_eq!(pending.observed().unwrap().snapshot, snapshot("newer"));
    }

    #[test]
    fn accepting_repairs_a_reviewed_snapshot_that_cannot_be_read() {
        let (_folder, pending) = review();
        fs::write(&pending.path, "garbage").unwrap();
        assert!(pending.reviewed().is_err());
        accept(&pending, &snapshot("new")).unwrap();
        assert_eq!(reviewed(&pending), "new");
    }

    #[test]
    fn rejecting_keeps_the_reviewed_snapshot() {
        let (folder, pending) = review();
        reject(&pending).unwrap();
        assert_eq!(reviewed(&pending), "old");
        assert_eq!(super::pending(&[folder.path().to_owned()]).unwrap(), []);
        let error = pending.observed().unwrap_err().to_string();
        assert!(error.contains("x.snap.new: cannot read"), "{error}");
    }
}
