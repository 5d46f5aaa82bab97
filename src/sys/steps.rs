//! openat2(2) with `RESOLVE_BENEATH` by one openat(2) for each component, for where a filter or an older kernel does not
//! have it.
//!
//! No component is followed by the kernel: a symbolic link is read, and its target walked like a path that was written.
//! A link that appears between two calls is not followed either (`O_NOFOLLOW`).

use std::collections::VecDeque;
use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstatat};

/// As many symbolic links as the kernel follows in one path (path_resolution(7)).
const LINKS: usize = 40;

/// Opens `path` below `root`.
///
/// # Errors
/// `EXDEV` when the path, or a symbolic link in it, leads out of `root`; `ELOOP` after too many links.
pub fn open(root: BorrowedFd<'_>, path: &Path, flags: OFlag, mode: Mode) -> Result<OwnedFd, Errno> {
    let mut walk = Walk {
        root,
        entered: Vec::new(),
        ahead: VecDeque::new(),
        links: 0,
    };
    walk.go(path)?;
    while let Some(name) = walk.ahead.pop_front() {
        let last = walk.ahead.is_empty();
        if name == ".." {
            walk.entered.pop().ok_or(Errno::EXDEV)?;
        } else if !(last && flags.contains(OFlag::O_NOFOLLOW)) && walk.is_link(&name) {
            let target = readlinkat(walk.here(), name.as_os_str())?;
            walk.follow(Path::new(&target))?;
        } else if last {
            return openat(
                walk.here(),
                name.as_os_str(),
                flags | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC,
                mode,
            );
        } else {
            walk.enter(&name)?;
        }
    }
    openat(walk.here(), ".", flags | OFlag::O_CLOEXEC, mode)
}

/// Where a walk is, and what is still ahead.
struct Walk<'r> {
    root: BorrowedFd<'r>,
    entered: Vec<OwnedFd>,
    ahead: VecDeque<OsString>,
    links: usize,
}

impl Walk<'_> {
    fn here(&self) -> BorrowedFd<'_> {
        self.entered.last().map_or(self.root, AsFd::as_fd)
    }

    /// Puts the components of a path before those that are ahead.
    fn go(&mut self, path: &Path) -> Result<(), Errno> {
        for component in path.components().rev() {
            match component {
                Component::Normal(name) => self.ahead.push_front(name.to_owned()),
                Component::ParentDir => self.ahead.push_front("..".into()),
                Component::CurDir => {}
                Component::RootDir | Component::Prefix(_) => return Err(Errno::EXDEV),
            }
        }
        Ok(())
    }

    fn follow(&mut self, target: &Path) -> Result<(), Errno> {
        self.links += 1;
        match self.links > LINKS {
            true => Err(Errno::ELOOP),
            false => self.go(target),
        }
    }

    fn enter(&mut self, name: &OsString) -> Result<(), Errno> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
        let directory = openat(self.here(), name.as_os_str(), flags, Mode::empty())?;
        self.entered.push(directory);
        Ok(())
    }

    fn is_link(&self, name: &OsString) -> bool {
        let status = fstatat(self.here(), name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW);
        status.is_ok_and(|status| {
            SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT == SFlag::S_IFLNK
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::sys::test_namespaces::as_ordinary_user;
    use nix::fcntl::{OpenHow, ResolveFlag, openat2};

    fn by_kernel(root: BorrowedFd<'_>, path: &str, flags: OFlag) -> Result<OwnedFd, Errno> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_BENEATH);
        // Another process may have renamed something just now.
        let answers = std::iter::repeat_with(|| openat2(root, path, how));
        let mut answers = answers.filter(|answer| !matches!(answer, Err(Errno::EAGAIN)));
        answers.next().unwrap()
    }

    fn identity(opened: Result<OwnedFd, Errno>) -> Result<u64, Errno> {
        nix::sys::stat::fstat(opened?).map(|status| status.st_ino)
    }

    #[test]
    fn it_answers_as_the_kernel_does() {
        let keep = tempfile::tempdir().unwrap();
        let path = |name: &str| keep.path().join(name);
        fs::create_dir_all(path("root/a/b")).unwrap();
        for file in ["outside", "root/file", "root/a/file"] {
            fs::write(path(file), "").unwrap();
        }
        for (target, link) in [
            ("a", "in"),
            ("../outside", "out"),
            ("/etc/passwd", "absolute"),
            ("loop", "loop"),
            ("a/../file", "back"),
            ("in/b", "twice"),
            ("nowhere", "dangling"),
            ("a/b/../../..", "parent"),
        ] {
            symlink(target, path("root").join(link)).unwrap();
        }
        let root = fs::File::open(path("root")).unwrap();
        let paths = [
            ".",
            "file",
            "a/file",
            "in/file",
            "in",
            "twice",
            "twice/../file",
            "back",
            "out",
            "absolute",
            "loop",
            "parent",
            "..",
            "a/..",
            "a/../..",
            "a/../../root/file",
            "dangling",
            "file/x",
            "file/..",
            "none",
            "a/none/x",
        ];
        for name in paths {
            for flags in [
                OFlag::O_PATH,
                OFlag::O_RDONLY,
                OFlag::O_PATH | OFlag::O_NOFOLLOW,
                OFlag::O_PATH | OFlag::O_DIRECTORY,
            ] {
                let ours = identity(open(root.as_fd(), Path::new(name), flags, Mode::empty()));
                assert_eq!(
                    ours,
                    identity(by_kernel(root.as_fd(), name, flags)),
                    "{name} {flags:?}"
                );
            }
        }
    }

    #[test]
    fn a_file_is_made_beneath_only() {
        let keep = tempfile::tempdir().unwrap();
        fs::create_dir(keep.path().join("root")).unwrap();
        symlink("../made", keep.path().join("root/out")).unwrap();
        let root = fs::File::open(keep.path().join("root")).unwrap();
        let make = |name| {
            let flags = OFlag::O_WRONLY | OFlag::O_CREAT;
            open(
                root.as_fd(),
                Path::new(name),
                flags,
                Mode::from_bits_truncate(0o644),
            )
            .map(drop)
        };
        assert_eq!(make("new"), Ok(()));
        assert_eq!(make("out"), Err(Errno::EXDEV));
        assert!(keep.path().join("root/new").exists() && !keep.path().join("made").exists());
    }

    #[test]
    fn a_link_that_appears_meanwhile_is_not_entered() {
        let keep = tempfile::tempdir().unwrap();
        symlink(".", keep.path().join("link")).unwrap();
        let root = fs::File::open(keep.path()).unwrap();
        let mut walk = Walk {
            root: root.as_fd(),
            entered: Vec::new(),
            ahead: VecDeque::new(),
            links: 0,
        };
        assert_eq!(walk.enter(&"link".into()), Err(Errno::ENOTDIR));
    }

    #[test]
    fn a_directory_is_passed_that_its_user_may_not_read() {
        let keep = tempfile::tempdir().unwrap();
        let inner = keep.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("file"), "").unwrap();
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o311)).unwrap();
        let root = fs::File::open(keep.path()).unwrap();
        let passed = as_ordinary_user(&[keep.path(), &inner], || {
            let path = Path::new("inner/file");
            open(root.as_fd(), path, OFlag::O_PATH, Mode::empty()).is_ok()
        });
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(passed);
    }

    #[test]
    fn as_many_links_are_followed_as_the_kernel_follows() {
        let keep = tempfile::tempdir().unwrap();
        fs::write(keep.path().join("0"), "").unwrap();
        for link in 1..=LINKS + 1 {
            symlink((link - 1).to_string(), keep.path().join(link.to_string())).unwrap();
        }
        let root = fs::File::open(keep.path()).unwrap();
        for (links, found) in [(LINKS, true), (LINKS + 1, false)] {
            let name = links.to_string();
            let ours = open(root.as_fd(), Path::new(&name), OFlag::O_PATH, Mode::empty());
            let kernels = by_kernel(root.as_fd(), &name, OFlag::O_PATH);
            assert_eq!(ours.is_ok(), found, "{links}");
            assert_eq!(identity(ours), identity(kernels), "{links}");
        }
    }

    #[test]
    fn no_descriptor_stays_open_in_a_program_that_is_executed() {
        let keep = tempfile::tempdir().unwrap();
        fs::write(keep.path().join("file"), "").unwrap();
        let root = fs::File::open(keep.path()).unwrap();
        for name in [".", "file"] {
            let opened = open(
                root.as_fd(),
                Path::new(name),
                OFlag::O_RDONLY,
                Mode::empty(),
            );
            let flags = nix::fcntl::fcntl(opened.unwrap(), nix::fcntl::F_GETFD);
            assert_eq!(flags, Ok(libc::FD_CLOEXEC), "{name}");
        }
    }
}
