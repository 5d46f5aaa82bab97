//! Network namespaces with names, as `ip-netns(8)` keeps them: files in a directory, onto which the
//! namespace is bind-mounted. Nothing else holds such a namespace; it lives until its name is deleted.
//!
//! Any directory of this mount namespace will do. The real tool's `/run/netns` needs shared propagation so
//! that every process sees the names; a worker has its own.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::statfs::{NSFS_MAGIC, fstatfs};

use super::netlink::NetError;

/// The calling thread's own network namespace: network_namespaces(7), proc_thread-self(5).
const THREAD_NETNS: &str = "/proc/thread-self/ns/net";

/// The calling thread's network namespace, as something to return to.
///
/// # Errors
/// `ENOENT` where /proc is not mounted.
pub fn current() -> Result<OwnedFd, NetError> {
    open_path(Path::new(THREAD_NETNS))
}

/// Makes a network namespace called `name`. The calling thread is in its old one afterwards; only if that
/// fails, which the error's call `setns` says, it is left in the new one.
///
/// # Errors
/// `EEXIST` when the name is taken; `ENOENT` without the directory; `EINVAL` for what can be no name, here and
/// below; `EPERM` without CAP_SYS_ADMIN; `ENOSPC` at the limit `user.max_net_namespaces`.
pub fn add(dir: &Path, name: &str) -> Result<(), NetError> {
    let path = path_of(dir, name)?;
    let old = current()?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o000)
        .open(&path)
        .map_err(|error| from_io("open", &path, &error))?;
    let added = bind_new_netns(&path, &old);
    if added.is_err() {
        // The first error is the one to tell, so these are not looked at. Not `delete`: without
        // CAP_SYS_ADMIN its unmount fails, and it would keep the file.
        let _ = umount2(&path, MntFlags::MNT_DETACH);
        let _ = fs::remove_file(&path);
    }
    added
}

fn bind_new_netns(path: &Path, old: &OwnedFd) -> Result<(), NetError> {
    unshare(CloneFlags::CLONE_NEWNET).map_err(|errno| failed("unshare", path, errno))?;
    let none = None::<&str>;
    let mounted = mount(Some(THREAD_NETNS), path, none, MsFlags::MS_BIND, none);
    enter(old)?;
    mounted.map_err(|errno| failed("mount", path, errno))
}

/// The network namespace called `name`.
///
/// # Errors
/// `ENOENT` when there is none; `EINVAL` when the file of that name stands for no namespace.
pub fn open(dir: &Path, name: &str) -> Result<OwnedFd, NetError> {
    let path = path_of(dir, name)?;
    let netns = open_path(&path)?;
    let kind = fstatfs(&netns).map_err(|errno| failed("fstatfs", &path, errno))?;
    if kind.filesystem_type() != NSFS_MAGIC {
        return Err(failed("open", &path, Errno::EINVAL).because("no namespace is mounted there"));
    }
    Ok(netns)
}

fn open_path(path: &Path) -> Result<OwnedFd, NetError> {
    let file = File::open(path).map_err(|error| from_io("open", path, &error))?;
    Ok(file.into())
}

/// The names, sorted; none when the directory is not there.
///
/// # Errors
/// Those of opendir(3).
pub fn list(dir: &Path) -> Result<Vec<String>, NetError> {
    let failed = |error: io::Error| from_io("readdir", dir, &error);
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name();
        names.push(name.to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// Deletes the name. The namespace ends with the last process and socket in it, and its links some
/// 16 ms after that: `Netlink::wait_deleted`.
///
/// # Errors
/// `ENOENT` when there is no such name; `EPERM` without CAP_SYS_ADMIN.
pub fn delete(dir: &Path, name: &str) -> Result<(), NetError> {
    let path = path_of(dir, name)?;
    let flags = MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW;
    match umount2(&path, flags) {
        // Nothing is mounted there: the file alone remains to be removed.
        Ok(()) | Err(Errno::EINVAL) => {}
        Err(errno) => return Err(failed("umount2", &path, errno)),
    }
    // Not for tidiness alone: another mount namespace may hold a copy of the mount, which only the
    // removal of its mount point undoes.
    fs::remove_file(&path).map_err(|error| from_io("unlink", &path, &error))
}

/// Moves the calling thread into a network namespace. Sockets that it has stay in theirs.
///
/// # Errors
/// `EINVAL` when `netns` is no network namespace; `EPERM` without CAP_SYS_ADMIN in both.
pub fn enter(netns: impl AsFd) -> Result<(), NetError> {
    let entered = setns(netns, CloneFlags::CLONE_NEWNET);
    entered.map_err(|errno| NetError::new("setns", "CLONE_NEWNET", errno))
}

/// Where `name` is kept. A name is one component of a path and no way out of the directory.
fn path_of(dir: &Path, name: &str) -> Result<PathBuf, NetError> {
    if name.is_empty() || name == "." || name == ".." || name.contains(['/', '\0']) {
        let error = NetError::new("open", name.escape_default().to_string(), Errno::EINVAL);
        return Err(error.because("no name for a network namespace"));
    }
    Ok(dir.join(name))
}

fn failed(call: &'static str, path: &Path, errno: Errno) -> NetError {
    NetError::new(call, path.display().to_string(), errno)
}

fn from_io(call: &'static str, path: &Path, error: &io::Error) -> NetError {
    NetError::from_io(call, path.display().to_string(), error)
}

#[cfg(test)]
mod tests;
