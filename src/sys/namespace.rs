//! Namespaces: their kinds, making them, and what tells two of them apart. See namespaces(7).

use std::fmt;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::str::FromStr;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns};
use nix::unistd::{chroot, fchdir};
use serde::{Deserialize, Serialize};

use super::beneath::errno_of;

/// A kind of namespace, by the name that namespaces(7) gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Mount points.
    Mount,
    /// Hostname and NIS domain name.
    Uts,
    /// System V IPC and POSIX message queues.
    Ipc,
    /// Process numbers.
    Pid,
    /// Interfaces, addresses, routes, ports, firewall rules.
    Network,
    /// User and group numbers, capabilities.
    User,
    /// The root of the cgroup tree.
    Cgroup,
    /// Monotonic and boot time.
    Time,
}

/// `CLONE_NEWTIME`, which nix does not name. unshare(2)
const CLONE_NEWTIME: i32 = 0x80;

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Mount,
        Self::Uts,
        Self::Ipc,
        Self::Pid,
        Self::Network,
        Self::User,
        Self::Cgroup,
        Self::Time,
    ];

    /// Its name: `network`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Mount => "mount",
            Self::Uts => "uts",
            Self::Ipc => "ipc",
            Self::Pid => "pid",
            Self::Network => "network",
            Self::User => "user",
            Self::Cgroup => "cgroup",
            Self::Time => "time",
        }
    }

    /// Its flag for unshare(2).
    #[must_use]
    pub fn flag(self) -> CloneFlags {
        match self {
            Self::Mount => CloneFlags::CLONE_NEWNS,
            Self::Uts => CloneFlags::CLONE_NEWUTS,
            Self::Ipc => CloneFlags::CLONE_NEWIPC,
            Self::Pid => CloneFlags::CLONE_NEWPID,
            Self::Network => CloneFlags::CLONE_NEWNET,
            Self::User => CloneFlags::CLONE_NEWUSER,
            Self::Cgroup => CloneFlags::CLONE_NEWCGROUP,
            Self::Time => CloneFlags::from_bits_retain(CLONE_NEWTIME),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Kind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name() == text)
            .ok_or_else(|| "not a kind of namespace".to_owned())
    }
}

/// The flags of several kinds.
#[must_use]
pub fn flags(kinds: &[Kind]) -> CloneFlags {
    kinds.iter().map(|kind| kind.flag()).collect()
}

/// `PROC_USER_INIT_INO` in the kernel's include/linux/proc_ns.h: the initial user namespace has this number everywhere.
const INITIAL_USER_NAMESPACE: u64 = 0xEFFF_FFFD;

/// Whether this process is in the initial user namespace. Where /proc does not say it, the answer is yes: what is not
/// allowed shows when it is done.
#[must_use]
pub fn is_in_initial_user_namespace() -> bool {
    let namespace = std::fs::metadata("/proc/self/ns/user");
    namespace.map_or(true, |file| file.ino() == INITIAL_USER_NAMESPACE)
}

/// Sets the NIS domain name of this UTS namespace.
///
/// # Errors
/// Those of setdomainname(2).
pub fn set_domain_name(name: &str) -> Result<(), nix::errno::Errno> {
    // SAFETY: the pointer and the length are those of one string.
    let result = unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) };
    nix::errno::Errno::result(result).map(drop)
}

/// Lets no mount of this mount namespace appear in another one, nor the other way round.
///
/// In a chroot "/" is the root of no mount, which mount(2) answers with `EINVAL`. Entering the own namespace once more
/// leads to its root then, and a descriptor leads back.
///
/// # Errors
/// Those of mount(2), and in a chroot of setns(2) and chroot(2).
pub fn make_mounts_private() -> Result<(), Errno> {
    let private = || {
        let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
        mount(None::<&str>, "/", None::<&str>, flags, None::<&str>)
    };
    match private() {
        Err(Errno::EINVAL) => {}
        result => return result,
    }
    let root = File::open("/").map_err(|error| errno_of(&error))?;
    // By a pidfd (Linux 5.8) and not by /proc/self/ns/mnt: in an empty root there is no /proc yet.
    setns(super::process::own_pidfd()?, CloneFlags::CLONE_NEWNS)?;
    let made = private();
    fchdir(root)?;
    chroot(".")?;
    made
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::process::in_child;

    /// Whether a mount in a chroot propagates, before and after, and what is in the root directory at last.
    fn in_a_chroot(root: &str) -> Result<(bool, bool, bool), Errno> {
        let none = None::<&str>;
        nix::sched::unshare(CloneFlags::CLONE_NEWNS)?;
        for how in [MsFlags::MS_PRIVATE, MsFlags::MS_SHARED] {
            mount(none, "/", none, MsFlags::MS_REC | how, none)?;
        }
        let proc = format!("{root}/proc");
        mount(
            Some("proc"),
            proc.as_str(),
            Some("proc"),
            MsFlags::empty(),
            none,
        )?;
        chroot(root)?;
        let shared = || {
            let table = std::fs::read_to_string("/proc/self/mountinfo");
            table
                .map(|table| table.contains(" shared:"))
                .map_err(|error| errno_of(&error))
        };
        let before = shared()?;
        make_mounts_private()?;
        Ok((before, shared()?, std::path::Path::new("/etc").exists()))
    }

    #[test]
    fn mounts_are_made_private_in_a_chroot_as_well() {
        if !nix::unistd::geteuid().is_root() {
            return eprintln!("skipped: chroot(2) needs root");
        }
        let root = tempfile::tempdir().unwrap();
        std::fs::create_dir(root.path().join("proc")).unwrap();
        let path = root.path().to_str().unwrap().to_owned();
        let result = in_child(|| in_a_chroot(&path).map_err(|errno| errno as i32)).unwrap();
        assert_eq!(result, Ok((true, false, false)));
    }

    #[test]
    fn the_initial_user_namespace_has_a_number_of_its_own_and_a_new_one_another() {
        let link = std::fs::read_link("/proc/self/ns/user").unwrap();
        let initial = link.to_str() == Some("user:[4026531837]");
        assert_eq!(is_in_initial_user_namespace(), initial);
        let inside = in_child(|| {
            let new = nix::sched::unshare(CloneFlags::CLONE_NEWUSER);
            new.is_ok().then(is_in_initial_user_namespace)
        });
        match inside.unwrap() {
            None => eprintln!("skipped: no user namespace can be made here"),
            Some(initial) => assert!(!initial),
        }
    }
}
