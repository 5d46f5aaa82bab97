//! Files below a directory that no path can leave: openat2(2) with `RESOLVE_BENEATH`.

use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::libc::dev_t;
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat, mkdirat, mknodat};
use nix::unistd::{Gid, Uid, fchownat};

use super::steps;

/// The largest file that is read: what steps look at is a line or a few.
const READ_LIMIT: u64 = 1 << 20;

/// Opens `path` below `root`.
///
/// # Errors
/// `EXDEV` when the path, or a symbolic link in it, leads out of `root`; `ELOOP` for a magic link of /proc.
pub fn open(root: BorrowedFd<'_>, path: &Path, flags: OFlag, mode: Mode) -> Result<OwnedFd, Errno> {
    let path = if path.as_os_str().is_empty() {
        Path::new(".")
    } else {
        path
    };
    let create = flags.contains(OFlag::O_CREAT);
    let how = OpenHow::new()
        .flags(flags | OFlag::O_CLOEXEC)
        .mode(if create { mode } else { Mode::empty() })
        .resolve(ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    match openat2(root, path, how) {
        // Older filters answer it with EPERM. What openat(2) says counts then. With a `..` in it, it is EAGAIN as well when
        // anybody on the host has renamed or mounted something meanwhile.
        Err(Errno::ENOSYS | Errno::EPERM | Errno::EAGAIN) => steps::open(root, path, flags, mode),
        result => result,
    }
}

/// Opens what holds the last component of `path`. That it is a directory is what the next call says.
fn open_parent(root: BorrowedFd<'_>, path: &Path) -> Result<OwnedFd, Errno> {
    let parent = path.parent().unwrap_or(Path::new(""));
    open(root, parent, OFlag::O_PATH, Mode::empty())
}

/// Reads a file of at most 1 MiB.
///
/// # Errors
/// Those of open(2) and read(2); `EFBIG` over the limit.
pub fn read(root: BorrowedFd<'_>, path: &Path) -> Result<Vec<u8>, Errno> {
    // O_NONBLOCK: a FIFO or a device that has nothing to say must not hold the step.
    let file = File::from(open(root, path, OFlag::O_NONBLOCK, Mode::empty())?);
    let mut bytes = Vec::new();
    file.take(READ_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| errno_of(&error))?;
    if bytes.len() as u64 > READ_LIMIT {
        return Err(Errno::EFBIG);
    }
    Ok(bytes)
}

/// Writes a file whole with one write(2), as the kernel's control files want it; creates it where there is none.
///
/// # Errors
/// Those of open(2) and write(2).
pub fn write(root: BorrowedFd<'_>, path: &Path, bytes: &[u8], append: bool) -> Result<(), Errno> {
    let how = if append {
        OFlag::O_APPEND
    } else {
        OFlag::O_TRUNC
    };
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_NONBLOCK | how;
    let file = open(root, path, flags, Mode::from_bits_truncate(0o644))?;
    let written = nix::unistd::write(&file, bytes)?;
    if written == bytes.len() {
        Ok(())
    } else {
        Err(Errno::ENOSPC)
    }
}

/// Makes a directory, mode 0755.
///
/// # Errors
/// Those of mkdir(2).
pub fn mkdir(root: BorrowedFd<'_>, path: &Path) -> Result<(), Errno> {
    let parent = open_parent(root, path)?;
    let name = path.file_name().ok_or(Errno::EEXIST)?;
    mkdirat(&parent, name, Mode::from_bits_truncate(0o755))
}

/// Removes an empty directory.
///
/// # Errors
/// Those of rmdir(2).
pub fn rmdir(root: BorrowedFd<'_>, path: &Path) -> Result<(), Errno> {
    let parent = open_parent(root, path)?;
    let name = path.file_name().ok_or(Errno::EBUSY)?;
    nix::unistd::unlinkat(&parent, name, nix::unistd::UnlinkatFlags::RemoveDir)
}

/// Removes a file.
///
/// # Errors
/// Those of unlink(2).
pub fn unlink(root: BorrowedFd<'_>, path: &Path) -> Result<(), Errno> {
    let parent = open_parent(root, path)?;
    let name = path.file_name().ok_or(Errno::EISDIR)?;
    nix::unistd::unlinkat(&parent, name, nix::unistd::UnlinkatFlags::NoRemoveDir)
}

/// Gives a file, a symbolic link itself, to a user and a group.
///
/// # Errors
/// Those of fchownat(2): `EINVAL` for a number that this user namespace does not have.
pub fn chown(root: BorrowedFd<'_>, path: &Path, user: Uid, group: Gid) -> Result<(), Errno> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
    let file = open(root, path, flags, Mode::empty())?;
    fchownat(&file, "", Some(user), Some(group), AtFlags::AT_EMPTY_PATH)
}

/// Makes the node of a character device, mode 0666.
///
/// # Errors
/// Those of mknodat(2): `EPERM` without CAP_MKNOD of the initial user namespace.
pub fn mknod(root: BorrowedFd<'_>, path: &Path, device: dev_t) -> Result<(), Errno> {
    let parent = open_parent(root, path)?;
    let name = path.file_name().ok_or(Errno::EEXIST)?;
    let mode = Mode::from_bits_truncate(0o666);
    mknodat(&parent, name, SFlag::S_IFCHR, mode, device)
}

/// What a symbolic link, also one of /proc, says.
///
/// # Errors
/// Those of readlink(2).
pub fn readlink(root: BorrowedFd<'_>, path: &Path) -> Result<OsString, Errno> {
    let parent = open_parent(root, path)?;
    let name = path.file_name().ok_or(Errno::EINVAL)?;
    nix::fcntl::readlinkat(&parent, name)
}

/// The status of a file, of a symbolic link itself.
///
/// # Errors
/// Those of fstatat(2).
pub fn lstat(root: BorrowedFd<'_>, path: &Path) -> Result<FileStat, Errno> {
    let flags = OFlag::O_PATH | OFlag::O_NOFOLLOW;
    let file = open(root, path, flags, Mode::empty())?;
    fstatat(&file, "", AtFlags::AT_EMPTY_PATH)
}

/// The names in a directory, sorted by their bytes.
///
/// # Errors
/// Those of open(2) and getdents(2).
pub fn list(root: BorrowedFd<'_>, path: &Path) -> Result<Vec<OsString>, Errno> {
    let directory = open(root, path, OFlag::O_DIRECTORY, Mode::empty())?;
    let mut names = Vec::new();
    for entry in nix::dir::Dir::from_fd(directory)?.iter() {
        let name = entry?.file_name().to_bytes().to_vec();
        if name != b"." && name != b".." {
            names.push(OsString::from_vec(name));
        }
    }
    names.sort();
    Ok(names)
}

/// A path for calls that take no descriptor, through /proc/self/fd.
#[must_use]
pub fn fd_path(file: &impl AsFd) -> String {
    format!("/proc/self/fd/{}", file.as_fd().as_raw_fd())
}

/// The errno of an I/O error; `EIO` where there is none.
#[must_use]
pub fn errno_of(error: &std::io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::in_child;
    use std::os::unix::fs::symlink;

    /// The kernel refuses one such path in some thousands then.
    #[test]
    fn what_others_rename_meanwhile_is_no_failure() {
        let (keep, root) = root();
        let elsewhere = tempfile::tempdir().unwrap();
        std::fs::create_dir(keep.path().join("inner")).unwrap();
        let names = ["a", "b"].map(|name| elsewhere.path().join(name));
        std::fs::create_dir(&names[0]).unwrap();
        let done = std::sync::atomic::AtomicBool::new(false);
        let is_done = || done.load(std::sync::atomic::Ordering::Relaxed);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in (0..).take_while(|_| !is_done()) {
                    let (from, to) = (number % 2, (number + 1) % 2);
                    std::fs::rename(&names[from], &names[to]).unwrap();
                }
            });
            let path = Path::new("inner/../inner/../inner");
            let open = |_| open(root.as_fd(), path, OFlag::O_PATH, Mode::empty()).err();
            let failed: Vec<_> = (0..20_000).filter_map(open).collect();
            done.store(true, std::sync::atomic::Ordering::Relaxed);
            assert_eq!(failed, []);
        });
    }

    fn root() -> (tempfile::TempDir, OwnedFd) {
        let directory = tempfile::tempdir().unwrap();
        let file = File::open(directory.path()).unwrap();
        (directory, file.into())
    }

    #[test]
    fn files_are_written_read_and_listed() {
        let (_keep, root) = root();
        mkdir(root.as_fd(), Path::new("d")).unwrap();
        write(root.as_fd(), Path::new("d/f"), b"one\n", false).unwrap();
        write(root.as_fd(), Path::new("d/f"), b"two\n", true).unwrap();
        assert_eq!(read(root.as_fd(), Path::new("d/f")).unwrap(), b"one\ntwo\n");
        assert_eq!(list(root.as_fd(), Path::new("d")).unwrap(), ["f"]);
        assert_eq!(mkdir(root.as_fd(), Path::new("d")), Err(Errno::EEXIST));
        assert_eq!(rmdir(root.as_fd(), Path::new("d")), Err(Errno::ENOTEMPTY));
    }

    #[test]
    fn nothing_outside_is_reached() {
        let (keep, root) = root();
        symlink("/etc", keep.path().join("away")).unwrap();
        symlink("/etc/passwd", keep.path().join("file")).unwrap();
        for path in ["../x", "/etc/passwd", "away/passwd", "file"] {
            assert_eq!(
                read(root.as_fd(), Path::new(path)),
                Err(Errno::EXDEV),
                "{path}"
            );
            assert_eq!(
                write(root.as_fd(), Path::new(path), b"", false),
                Err(Errno::EXDEV),
                "{path}"
            );
        }
        assert_eq!(mkdir(root.as_fd(), Path::new("away/d")), Err(Errno::EXDEV));
        assert_eq!(
            readlink(root.as_fd(), Path::new("file")).unwrap(),
            "/etc/passwd"
        );
    }

    #[test]
    fn a_link_itself_is_looked_at_and_given_away() {
        let (keep, root) = root();
        symlink("nowhere", keep.path().join("link")).unwrap();
        let link = Path::new("link");
        let status = lstat(root.as_fd(), link).unwrap();
        let kind = SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT;
        assert_eq!(kind, SFlag::S_IFLNK);
        let (user, group) = (Uid::effective(), Gid::effective());
        assert_eq!(chown(root.as_fd(), link, user, group), Ok(()));
        assert_eq!(unlink(root.as_fd(), link), Ok(()));
        assert_eq!(lstat(root.as_fd(), link).err(), Some(Errno::ENOENT));
    }

    #[test]
    fn what_is_no_directory_holds_nothing() {
        let (_keep, root) = root();
        write(root.as_fd(), Path::new("f"), b"", false).unwrap();
        let (file, inner) = (Path::new("f"), Path::new("f/x"));
        assert_eq!(list(root.as_fd(), file), Err(Errno::ENOTDIR));
        assert_eq!(readlink(root.as_fd(), inner), Err(Errno::ENOTDIR));
        for call in [mkdir, rmdir, unlink] {
            assert_eq!(call(root.as_fd(), inner), Err(Errno::ENOTDIR));
        }
    }

    #[test]
    fn a_fifo_that_nobody_else_has_open_holds_no_step() {
        let (keep, root) = root();
        let fifo = Path::new("fifo");
        nix::unistd::mkfifo(&keep.path().join(fifo), Mode::S_IRWXU).unwrap();
        let answers = in_child(|| {
            nix::unistd::alarm::set(10);
            let read = read(root.as_fd(), fifo);
            let written = write(root.as_fd(), fifo, b"x", false);
            let listed = list(root.as_fd(), fifo);
            (
                read.ok(),
                [written.err(), listed.err()].map(|errno| errno.map(|errno| errno as i32)),
            )
        });
        let errnos = [Some(libc::ENXIO), Some(libc::ENOTDIR)];
        assert_eq!(answers, Ok((Some(Vec::new()), errnos)));
    }

    #[test]
    fn the_largest_file_is_read_whole_and_a_larger_one_is_refused() {
        let (keep, root) = root();
        let length = usize::try_from(READ_LIMIT).unwrap();
        let sized = |length| {
            std::fs::write(keep.path().join("f"), vec![b'x'; length]).unwrap();
            read(root.as_fd(), Path::new("f")).map(|bytes| bytes.len())
        };
        assert_eq!(sized(length), Ok(length));
        assert_eq!(sized(length + 1), Err(Errno::EFBIG));
    }
}
