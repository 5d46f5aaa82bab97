//! What the caller may do: user namespaces and capabilities decide it, not the number of the user alone.

use std::fmt;

use procfs::process::Process;
use serde::{Deserialize, Serialize};

use crate::sys::namespace::is_in_initial_user_namespace;

/// What the caller may do. See capabilities(7), user_namespaces(7).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Privilege {
    /// User 0 of the initial user namespace with every capability that containers take.
    Root,
    /// User 0 of the initial user namespace, but without these capabilities.
    RootWithout(Vec<String>),
    /// User 0 of another user namespace, as in a rootless container, without these capabilities even there.
    RootOfUserNamespace(Vec<String>),
    /// An ordinary user.
    User(u32),
}

impl Privilege {
    /// Whether experiments run in a user namespace of their own, because no other kind can be made without.
    #[must_use]
    pub fn takes_user_namespace(&self) -> bool {
        match self {
            Self::Root => false,
            Self::RootWithout(missing) | Self::RootOfUserNamespace(missing) => {
                missing.iter().any(|name| name == "CAP_SYS_ADMIN")
            }
            Self::User(_) => true,
        }
    }

    pub(super) fn look() -> Self {
        let user = nix::unistd::geteuid();
        if !user.is_root() {
            return Self::User(user.as_raw());
        }
        let effective = Process::myself()
            .and_then(|process| process.status())
            .map_or(u64::MAX, |status| status.capeff);
        of_root(missing(effective), is_in_initial_user_namespace())
    }
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let without = |f: &mut fmt::Formatter<'_>, missing: &[String]| match missing {
            [] => Ok(()),
            missing => write!(f, " without {}", missing.join(" ")),
        };
        match self {
            Self::Root => f.write_str("root"),
            Self::RootWithout(missing) => {
                f.write_str("root")?;
                without(f, missing)
            }
            Self::RootOfUserNamespace(missing) => {
                f.write_str("root of a user namespace")?;
                without(f, missing)
            }
            Self::User(user) => write!(f, "user {user}"),
        }
    }
}

/// The capabilities that container runtimes use, with their numbers in capabilities(7).
const CAPABILITIES: [(&str, u32); 10] = [
    ("CAP_CHOWN", 0),
    ("CAP_SETGID", 6),
    ("CAP_SETUID", 7),
    ("CAP_NET_ADMIN", 12),
    ("CAP_NET_RAW", 13),
    ("CAP_SYS_CHROOT", 18),
    ("CAP_SYS_ADMIN", 21),
    ("CAP_SYS_RESOURCE", 24),
    ("CAP_MKNOD", 27),
    ("CAP_SETFCAP", 31),
];

fn missing(effective: u64) -> Vec<String> {
    let lacks = |(_, bit): &&(&str, u32)| effective & (1 << bit) == 0;
    let names = CAPABILITIES.iter().filter(lacks).map(|(name, _)| *name);
    names.map(str::to_owned).collect()
}

fn of_root(missing: Vec<String>, initial: bool) -> Privilege {
    match (initial, missing.is_empty()) {
        (false, _) => Privilege::RootOfUserNamespace(missing),
        (true, true) => Privilege::Root,
        (true, false) => Privilege::RootWithout(missing),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_what_its_capabilities_and_its_user_namespace_make_it() {
        assert_eq!(of_root(missing(u64::MAX), true), Privilege::Root);
        let weak = of_root(missing(!(1 << 24)), true);
        assert_eq!(weak.to_string(), "root without CAP_SYS_RESOURCE");
        assert!(!weak.takes_user_namespace());
        let inner = of_root(missing(u64::MAX), false);
        assert_eq!(inner.to_string(), "root of a user namespace");
        assert!(!inner.takes_user_namespace());
    }

    #[test]
    fn without_the_capability_to_make_namespaces_a_user_namespace_gives_it() {
        let missing = missing(!(1 << 21));
        assert_eq!(missing, ["CAP_SYS_ADMIN"]);
        assert!(of_root(missing.clone(), true).takes_user_namespace());
        assert!(of_root(missing, false).takes_user_namespace());
        assert!(Privilege::User(1000).takes_user_namespace());
    }
}
