//! Namespaces: their kinds, making them, and what tells two of them apart. See namespaces(7).

use std::fmt;
use std::str::FromStr;

use nix::sched::CloneFlags;
use serde::{Deserialize, Serialize};

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

    /// Its name in /proc/PID/ns: `net`.
    #[must_use]
    pub fn proc_name(self) -> &'static str {
        match self {
            Self::Mount => "mnt",
            Self::Network => "net",
            other => other.name(),
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

/// Sets the NIS domain name of this UTS namespace.
///
/// # Errors
/// Those of setdomainname(2).
pub fn set_domain_name(name: &str) -> Result<(), nix::errno::Errno> {
    // SAFETY: the pointer and the length are those of one string.
    let result = unsafe { libc::setdomainname(name.as_ptr().cast(), name.len()) };
    nix::errno::Errno::result(result).map(drop)
}
