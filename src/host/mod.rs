//! Facts of this host that decide how experiments are run on it.

mod cgroups;
mod privilege;
mod scratch;
mod subordinate;

use nix::sys::utsname::UtsName;
use serde::{Deserialize, Serialize};

pub use cgroups::{Cgroups, Level, Parent, Unified};
pub use privilege::Privilege;
pub use scratch::ScratchPlace;
pub use subordinate::look as subordinate_ids;

use crate::sys::idmap::SubordinateIds;

/// The host, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// The kernel's release: `6.1.0-18-amd64`.
    pub kernel: String,
    /// The machine's architecture: `x86_64`.
    pub machine: String,
    /// What the caller may do.
    pub privilege: Privilege,
    /// The ids that the caller may give to a user namespace beside its own; only looked for where it takes one.
    pub subordinate_ids: Option<SubordinateIds>,
    /// The CPUs that the caller may use.
    pub cpus: usize,
    /// Where it may make cgroups.
    pub cgroups: Cgroups,
    /// Where experiments are performed when the caller names a directory; else each has a tmpfs of its own.
    pub scratch: Option<ScratchPlace>,
}

impl Host {
    /// Looks at this host. What cannot be seen is left empty: the experiments find out.
    #[must_use]
    pub fn look() -> Self {
        let names = nix::sys::utsname::uname().ok();
        let text = |name: Option<&std::ffi::OsStr>| {
            name.unwrap_or_default().to_string_lossy().into_owned()
        };
        let privilege = Privilege::look();
        let affinity = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0));
        Self {
            kernel: text(names.as_ref().map(UtsName::release)),
            machine: text(names.as_ref().map(UtsName::machine)),
            subordinate_ids: privilege
                .takes_user_namespace()
                .then(subordinate::look)
                .flatten(),
            privilege,
            cpus: affinity.map_or(1, |set| {
                (0..nix::sched::CpuSet::count())
                    .filter(|cpu| set.is_set(*cpu).unwrap_or(false))
                    .count()
            }),
            cgroups: Cgroups::look(),
            scratch: None,
        }
    }
}
