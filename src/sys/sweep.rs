//! Emptying a directory of whatever processes have made in it: whiteouts, directories that nobody may enter, deep trees.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, OFlag, openat, renameat};
use nix::sys::stat::{FchmodatFlags, Mode, fchmodat, fstat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::beneath::{errno_of, fd_path, list};
use super::mount_id;

/// What a directory is called while it waits to be emptied, with a number behind.
const TAKEN_UP: &str = ".verify-";

/// Removes everything in a directory, but not the directory itself. No symbolic link is followed, and no mount entered.
///
/// A directory in another one is taken up first, so that a deep tree needs neither stack nor descriptors. On a full file
/// system there may be no room for its name there: ext4 gives a directory a block more, but never one back. It is emptied
/// where it is then, from the innermost, which makes room.
///
/// # Errors
/// `EXDEV` where something is mounted, `EACCES` or `EPERM` for what belongs to another user; those of unlink(2) and
/// rename(2).
pub fn empty(directory: BorrowedFd<'_>) -> Result<(), Errno> {
    let mut sweep = Sweep {
        top: directory,
        mount: mount_id(directory)?,
        taken_up: 0,
    };
    make_accessible(directory);
    loop {
        let names = list(directory, Path::new(""))?;
        if names.is_empty() {
            return Ok(());
        }
        names.iter().try_for_each(|name| sweep.remove(name))?;
    }
}

struct Sweep<'d> {
    top: BorrowedFd<'d>,
    mount: u64,
    taken_up: u64,
}

impl Sweep<'_> {
    fn remove(&mut self, name: &OsStr) -> Result<(), Errno> {
        if is_removed(self.top, name)? {
            return Ok(());
        }
        let directory = self.open(self.top, name)?;
        loop {
            let inner = list(directory.as_fd(), Path::new(""))?;
            if inner.is_empty() {
                return unlinkat(self.top, name, UnlinkatFlags::RemoveDir);
            }
            for inner in inner {
                if !is_removed(directory.as_fd(), &inner)? {
                    self.take_up(directory.as_fd(), &inner)?;
                }
            }
        }
    }

    fn take_up(&mut self, from: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
        // rename(2) writes the new parent into it.
        drop(self.open(from, name)?);
        loop {
            let free = OsString::from(format!("{TAKEN_UP}{}", self.taken_up));
            self.taken_up += 1;
            match renameat(from, name, self.top, free.as_os_str()) {
                Err(Errno::EEXIST | Errno::ENOTEMPTY | Errno::ENOTDIR) => {}
                Err(Errno::ENOSPC | Errno::EDQUOT) => return self.remove_innermost(from, name),
                result => return result,
            }
        }
    }

    /// Removes a directory that has no other in it: this one, or one far below.
    fn remove_innermost(&self, parent: BorrowedFd<'_>, name: &OsStr) -> Result<(), Errno> {
        let parent = parent.try_clone_to_owned();
        let mut parent = parent.map_err(|error| errno_of(&error))?;
        let mut name = name.to_owned();
        loop {
            let directory = self.open(parent.as_fd(), &name)?;
            match first_directory(directory.as_fd())? {
                None => return unlinkat(&parent, name.as_os_str(), UnlinkatFlags::RemoveDir),
                Some(inner) => (parent, name) = (directory, inner),
            }
        }
    }

    fn open(&self, parent: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = openat(parent, name, flags, Mode::empty())?;
        if mount_id(directory.as_fd())? != self.mount {
            return Err(Errno::EXDEV);
        }
        make_accessible(directory.as_fd());
        Ok(directory)
    }
}

/// Removes the files before it, all when there is none.
fn first_directory(parent: BorrowedFd<'_>) -> Result<Option<OsString>, Errno> {
    for name in list(parent, Path::new(""))? {
        if !is_removed(parent, &name)? {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// False for a directory, which is still there.
fn is_removed(parent: BorrowedFd<'_>, name: &OsStr) -> Result<bool, Errno> {
    match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
        Err(Errno::EISDIR) => Ok(false),
        result => result.map(|()| true),
    }
}

/// The work directory of an overlay has mode 000. Where this is refused, what comes next says why.
fn make_accessible(directory: BorrowedFd<'_>) {
    let all = Mode::S_IRWXU;
    let has_all = fstat(directory).is_ok_and(|status| status.st_mode & all.bits() == all.bits());
    if !has_all {
        let path = fd_path(&directory);
        let _ = fchmodat(AT_FDCWD, path.as_str(), all, FchmodatFlags::FollowSymlink);
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, Permissions};
    use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
    use std::path::PathBuf;

    use nix::mount::{MsFlags, mount};

    use super::*;
    use crate::sys::test_namespaces::{as_ordinary_user, in_own_namespaces};

    fn folder() -> (tempfile::TempDir, File) {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("top")).unwrap();
        let top = File::open(folder.path().join("top")).unwrap();
        (folder, top)
    }

    #[test]
    fn files_links_and_closed_directories_go() {
        let (keep, top) = folder();
        let path = |name: &str| keep.path().join("top").join(name);
        fs::create_dir_all(path("work/work/index")).unwrap();
        for file in ["a", "work/b", "work/work/c", "work/work/index/d"] {
            fs::write(path(file), "").unwrap();
        }
        for (name, mode) in [("work/work/index", 0), ("work/work", 0), ("work", 0o500)] {
            fs::set_permissions(path(name), Permissions::from_mode(mode)).unwrap();
        }
        symlink("nowhere", path("dangling")).unwrap();
        fs::set_permissions(path(""), Permissions::from_mode(0o000)).unwrap();
        let names = ["", "a", "work", "work/b", "work/work", "work/work/c"];
        let deepest = ["work/work/index", "work/work/index/d"];
        let files: Vec<_> = names.into_iter().chain(deepest).map(path).collect();
        let files: Vec<_> = files.iter().map(PathBuf::as_path).collect();
        let emptied = as_ordinary_user(&files, || empty(top.as_fd()).map_err(|errno| errno as i32));
        assert_eq!(emptied, Ok(()));
        assert_eq!(fs::read_dir(path("")).unwrap().count(), 0);
    }

    #[test]
    fn a_directory_that_can_be_emptied_keeps_its_mode() {
        let (keep, top) = folder();
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
        let path = keep.path().join("top");
        for (before, after) in [(0o755, 0o755), (0o1700, 0o1700), (0o555, 0o700)] {
            fs::set_permissions(&path, Permissions::from_mode(before)).unwrap();
            assert_eq!(empty(top.as_fd()), Ok(()));
            assert_eq!(mode(&path), after, "{before:o}");
        }
    }

    #[test]
    fn a_link_that_has_taken_the_place_of_a_directory_is_not_opened() {
        let (keep, top) = folder();
        symlink(".", keep.path().join("top/link")).unwrap();
        let opened = sweep(&top).open(top.as_fd(), OsStr::new("link"));
        assert_eq!(opened.err(), Some(Errno::ENOTDIR));
    }

    fn sweep(top: &File) -> Sweep<'_> {
        let top = top.as_fd();
        Sweep {
            top,
            mount: mount_id(top).unwrap(),
            taken_up: 0,
        }
    }

    /// As where there is no room for its name elsewhere.
    #[test]
    fn the_innermost_directory_goes_with_the_files_on_the_way() {
        let (keep, top) = folder();
        let path = |name: &str| keep.path().join("top").join(name);
        fs::create_dir_all(path("a/b/c")).unwrap();
        for file in ["a/file", "a/b/file", "a/b/c/file"] {
            fs::write(path(file), "").unwrap();
        }
        for (there, gone) in [("a/b", "a/b/c"), ("a", "a/b"), ("", "a")] {
            let name = OsStr::new("a");
            assert_eq!(sweep(&top).remove_innermost(top.as_fd(), name), Ok(()));
            assert!(path(there).exists() && !path(gone).exists(), "{gone}");
        }
    }

    #[test]
    fn what_a_link_leads_to_stays() {
        let (keep, top) = folder();
        let precious = keep.path().join("precious");
        fs::create_dir(&precious).unwrap();
        fs::write(precious.join("file"), "").unwrap();
        fs::create_dir(keep.path().join("top/inner")).unwrap();
        symlink(&precious, keep.path().join("top/link")).unwrap();
        symlink(&precious, keep.path().join("top/inner/link")).unwrap();
        assert_eq!(empty(top.as_fd()), Ok(()));
        assert!(precious.join("file").exists());
    }

    #[test]
    fn a_name_that_is_taken_is_not_in_the_way() {
        let (keep, top) = folder();
        let path = |name: &str| keep.path().join("top").join(name);
        fs::create_dir_all(path("a/b/c")).unwrap();
        fs::write(path(".verify-0"), "").unwrap();
        fs::create_dir_all(path(".verify-1/full")).unwrap();
        fs::create_dir_all(path("a/.verify-2/full")).unwrap();
        assert_eq!(empty(top.as_fd()), Ok(()));
    }

    #[test]
    fn a_tree_may_be_deeper_than_a_path_is_long() {
        let (_keep, top) = folder();
        let mut deepest = OwnedFd::from(top.try_clone().unwrap());
        for _ in 0..5000 {
            nix::sys::stat::mkdirat(&deepest, "d", Mode::S_IRWXU).unwrap();
            deepest = openat(&deepest, "d", OFlag::O_PATH, Mode::empty()).unwrap();
        }
        assert_eq!(empty(top.as_fd()), Ok(()));
    }

    #[test]
    fn what_is_mounted_below_stays() {
        in_own_namespaces(|| {
            let (keep, top) = folder();
            let path = |name: &str| keep.path().join(name);
            fs::create_dir_all(path("top/inner/mounted")).unwrap();
            fs::create_dir(path("precious")).unwrap();
            fs::write(path("precious/file"), "").unwrap();
            let none = None::<&str>;
            let (from, to) = (path("precious"), path("top/inner/mounted"));
            // The same file system: its device number does not tell.
            mount(Some(&from), &to, none, MsFlags::MS_BIND, none).unwrap();
            assert_eq!(empty(top.as_fd()), Err(Errno::EXDEV));
            assert!(path("precious/file").exists());
        });
    }
}
