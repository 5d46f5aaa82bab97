//! The place of an experiment: mounts that only its worker sees, and a host name for it.

use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal;
use nix::sys::stat::{Mode, umask};
use nix::sys::statvfs::{FsFlags, statvfs};

use super::scratch::Named;
use crate::recording::Failure;
use crate::sys::namespace::make_mounts_private;
use crate::sys::signal::{forget_all, ignore};

/// The host name that every experiment starts with, that of the tutorial.
pub const HOSTNAME: &str = "docker1";

/// Folders on which the scratch file system may be mounted; one of them exists almost everywhere.
const MOUNT_POINTS: [&str; 5] = ["/run", "/tmp", "/mnt", "/var", "/dev"];

/// What mountinfo gives as the source of the scratch file system.
pub const SOURCE: &str = "verify";

const PROC: &str = "/proc";
const SCRATCH: &str = "scratch";
const NETNS: &str = "netns";

/// Whether a path lies in a scratch directory, which no mount table but the worker's should show.
#[must_use]
pub fn holds(path: &Path) -> bool {
    MOUNT_POINTS
        .iter()
        .any(|folder| path.starts_with(Path::new(folder).join(SCRATCH)))
}

/// The folders that [`make`] has to make on the host, in a root that has nothing to mount on. They outlive the worker.
#[must_use]
pub fn missing(is_dir: impl Fn(&Path) -> bool) -> Vec<&'static Path> {
    let is_dir = |folder: &&str| is_dir(Path::new(folder));
    let scratch = match MOUNT_POINTS.iter().any(is_dir) {
        true => None,
        false => Some(MOUNT_POINTS[0]),
    };
    let proc = Some(PROC).filter(|proc| !is_dir(proc));
    scratch.into_iter().chain(proc).map(Path::new).collect()
}

/// What [`make`] has made.
pub struct Place {
    /// The scratch directory, also the current one.
    pub scratch: OwnedFd,
    /// The private stand-in for /run/netns.
    pub netns: PathBuf,
}

/// Makes the place: nothing propagates to the host, /proc shows the own PID namespace, and the scratch directory, on a
/// private tmpfs unless the parent has made one, is a mount of its own. All of these end with the worker.
///
/// # Errors
/// Those of mount(2), mkdir(2) and sethostname(2), and of [`Named::enter`].
pub fn make(made: Option<&Named>) -> Result<Place, Failure> {
    nix::unistd::setsid().map_err(|errno| Failure::errno("setsid", "", errno))?;
    take_signals();
    umask(Mode::from_bits_truncate(0o022));
    make_mounts_private().map_err(|errno| Failure::errno("mount", "/", errno))?;
    mount_proc()?;
    // Before a mount covers its path.
    made.map_or(Ok(()), Named::enter)?;
    let root = mount_tmpfs()?;
    let (scratch, netns) = (root.join(SCRATCH), root.join(NETNS));
    for folder in [&scratch, &netns] {
        std::fs::create_dir(folder)
            .map_err(|error| Failure::io("mkdir", folder.display(), &error))?;
    }
    match made {
        Some(_) => mount_current_directory(&scratch)?,
        None => bind(&scratch, &scratch, MsFlags::empty())?,
    }
    nix::unistd::chdir(&scratch)
        .map_err(|errno| Failure::errno("chdir", scratch.display(), errno))?;
    nix::unistd::sethostname(HOSTNAME)
        .map_err(|errno| Failure::errno("sethostname", HOSTNAME, errno))?;
    let directory =
        File::open(&scratch).map_err(|error| Failure::io("open", scratch.display(), &error))?;
    Ok(Place {
        scratch: directory.into(),
        netns,
    })
}

/// The parent has blocked the signals that it reads from a descriptor, and its caller may have some ignored.
fn take_signals() {
    forget_all();
    // To write where nobody reads is an error, as in every Rust program; those that it starts get the default.
    ignore(Signal::SIGPIPE);
}

/// In a user namespace a /proc that is over-mounted anywhere, as every container has it, may not be mounted anew
/// (EPERM, mount_too_revealing() in fs/namespace.c). The old one stays then; steps that need the new one say so.
fn mount_proc() -> Result<(), Failure> {
    // Where there is none and none can be made, mount(2) says so.
    let _ = std::fs::create_dir(PROC);
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    match mount(Some("proc"), PROC, Some("proc"), flags, None::<&str>) {
        Ok(()) | Err(Errno::EPERM) => Ok(()),
        Err(errno) => Err(Failure::errno("mount", PROC, errno)),
    }
}

fn mount_tmpfs() -> Result<PathBuf, Failure> {
    let existing = MOUNT_POINTS
        .into_iter()
        .find(|folder| Path::new(folder).is_dir());
    let target = existing.unwrap_or(MOUNT_POINTS[0]);
    if existing.is_none() {
        std::fs::create_dir(target).map_err(|error| Failure::io("mkdir", target, &error))?;
    }
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let options = Some("mode=0755,size=64m");
    mount(Some(SOURCE), target, Some("tmpfs"), flags, options)
        .map_err(|errno| Failure::errno("mount", target, errno))?;
    Ok(PathBuf::from(target))
}

fn bind(source: &Path, target: &Path, more: MsFlags) -> Result<(), Failure> {
    let none = None::<&str>;
    mount(Some(source), target, none, MsFlags::MS_BIND | more, none)
        .map_err(|errno| Failure::errno("mount", target.display(), errno))
}

/// Mounts it on `target`, as little to be trusted as the tmpfs: what its file system has on must stay on, or
/// a user namespace may not change it (mount_namespaces(7)).
fn mount_current_directory(target: &Path) -> Result<(), Failure> {
    bind(Path::new("."), target, MsFlags::empty())?;
    let found =
        statvfs(target).map_err(|errno| Failure::errno("statvfs", target.display(), errno))?;
    let noexec = found.flags().contains(FsFlags::ST_NOEXEC);
    let mut flags = MsFlags::MS_REMOUNT | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    flags.set(MsFlags::MS_NOEXEC, noexec);
    bind(target, target, flags)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_one_folder_to_mount_on_and_proc() {
        for (there, missing_ones) in [
            (&[][..], &["/run", "/proc"][..]),
            (&["/proc", "/var"], &[]),
            (&["/proc"], &["/run"]),
            (&["/dev"], &["/proc"]),
        ] {
            let there: Vec<_> = there.iter().map(Path::new).collect();
            let missing_ones: Vec<_> = missing_ones.iter().map(Path::new).collect();
            assert_eq!(missing(|folder| there.contains(&folder)), missing_ones);
        }
    }
}
