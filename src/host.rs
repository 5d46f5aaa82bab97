//! Facts of this host that decide how experiments are run on it.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use nix::sys::utsname::UtsName;
use procfs::ProcessCGroups;
use procfs::process::{MountInfos, Process};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the caller may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Privilege {
    /// User 0 with every capability that containers take.
    Root,
    /// User 0, but without these capabilities.
    RootWithout(Vec<String>),
    /// An ordinary user: experiments run in a user namespace.
    User(u32),
}

impl fmt::Display for Privilege {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => f.write_str("root"),
            Self::RootWithout(missing) => write!(f, "root without {}", missing.join(" ")),
            Self::User(user) => write!(f, "user {user}"),
        }
    }
}

/// The capabilities that container runtimes use, with their numbers in capabilities(7).
const CAPABILITIES: [(&str, u32); 8] = [
    ("CAP_SETGID", 6),
    ("CAP_SETUID", 7),
    ("CAP_NET_ADMIN", 12),
    ("CAP_NET_RAW", 13),
    ("CAP_SYS_CHROOT", 18),
    ("CAP_SYS_ADMIN", 21),
    ("CAP_SYS_RESOURCE", 24),
    ("CAP_MKNOD", 27),
];

/// Where this process may make cgroups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Cgroups {
    /// For each controller of cgroup v1 the caller's own group in its hierarchy.
    pub v1: BTreeMap<String, PathBuf>,
    /// The caller's own group in the cgroup v2 hierarchy.
    pub v2: Option<PathBuf>,
    /// The controllers that can be had below that group.
    pub v2_controllers: Vec<String>,
}

impl Cgroups {
    /// The word for the layout: `v1`, `v2`, `hybrid`, `none`.
    #[must_use]
    pub fn layout(&self) -> &'static str {
        match (self.v1.is_empty(), self.v2.is_some()) {
            (true, true) => "v2",
            (false, false) => "v1",
            (false, true) => "hybrid",
            (true, false) => "none",
        }
    }
}

/// The host, as far as it matters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// The kernel's release: `6.1.0-18-amd64`.
    pub kernel: String,
    /// The machine's architecture: `x86_64`.
    pub machine: String,
    /// What the caller may do.
    pub privilege: Privilege,
    /// The CPUs that the caller may use.
    pub cpus: usize,
    /// Where it may make cgroups.
    pub cgroups: Cgroups,
}

impl Host {
    /// Looks at this host. What cannot be seen is left empty: the experiments find out.
    #[must_use]
    pub fn look() -> Self {
        let names = nix::sys::utsname::uname().ok();
        let text = |name: Option<&std::ffi::OsStr>| {
            name.unwrap_or_default().to_string_lossy().into_owned()
        };
        let affinity = nix::sched::sched_getaffinity(nix::unistd::Pid::from_raw(0));
        Self {
            kernel: text(names.as_ref().map(UtsName::release)),
            machine: text(names.as_ref().map(UtsName::machine)),
            privilege: privilege(),
            cpus: affinity.map_or(1, |set| {
                (0..nix::sched::CpuSet::count())
                    .filter(|cpu| set.is_set(*cpu).unwrap_or(false))
                    .count()
            }),
            cgroups: cgroups(),
        }
    }
}

impl Host {
    /// The facts as the one text that digests are made of: what `verify host --json` prints.
    #[must_use]
    pub fn canonical(&self) -> String {
        serde_json::to_string_pretty(self).map_or_else(|_| String::new(), |text| text + "\n")
    }
}

fn privilege() -> Privilege {
    let user = nix::unistd::geteuid();
    if !user.is_root() {
        return Privilege::User(user.as_raw());
    }
    let effective = Process::myself()
        .and_then(|process| process.status())
        .map(|status| status.capeff);
    let missing = |effective: u64| {
        let lacks = |(_, bit): &&(&str, u32)| effective & (1 << bit) == 0;
        CAPABILITIES
            .iter()
            .filter(lacks)
            .map(|(name, _)| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    match effective.map(missing) {
        Ok(missing) if !missing.is_empty() => Privilege::RootWithout(missing),
        _ => Privilege::Root,
    }
}

fn cgroups() -> Cgroups {
    let Ok(process) = Process::myself() else {
        return Cgroups::default();
    };
    let (Ok(mounts), Ok(own)) = (process.mountinfo(), process.cgroups()) else {
        return Cgroups::default();
    };
    let mut cgroups = hierarchies(&mounts, &own);
    if let Some(group) = &cgroups.v2 {
        let controllers =
            std::fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default();
        cgroups.v2_controllers = controllers.split_whitespace().map(str::to_owned).collect();
    }
    cgroups
}

/// The caller's own groups, from the texts of /proc/self/mountinfo and /proc/self/cgroup.
fn hierarchies(mounts: &MountInfos, own: &ProcessCGroups) -> Cgroups {
    let mut cgroups = Cgroups::default();
    for mount in &mounts.0 {
        let group = |path: &str| own_group(&mount.mount_point, &mount.root, path);
        match mount.fs_type.as_str() {
            "cgroup2" => {
                let mine = own.0.iter().find(|group| group.hierarchy == 0);
                cgroups.v2 = mine.map(|mine| group(&mine.pathname));
            }
            "cgroup" => {
                for mine in own.0.iter().filter(|mine| mine.hierarchy != 0) {
                    let mounted = |name: &String| mount.super_options.contains_key(name.as_str());
                    for controller in mine.controllers.iter().filter(|name| mounted(name)) {
                        cgroups.v1.insert(controller.clone(), group(&mine.pathname));
                    }
                }
            }
            _ => {}
        }
    }
    cgroups.v1.retain(|name, _| !name.starts_with("name="));
    cgroups
}

/// A group as a path of files. The mount may show only a part of the hierarchy.
fn own_group(mount_point: &Path, root: &str, group: &str) -> PathBuf {
    let below = Path::new(group).strip_prefix(root).unwrap_or(Path::new(""));
    mount_point.join(below)
}

#[cfg(test)]
mod tests {
    use super::*;
    use procfs::FromBufRead;

    fn parse(mounts: &str, own: &str) -> Cgroups {
        hierarchies(
            &MountInfos::from_buf_read(mounts.as_bytes()).unwrap(),
            &ProcessCGroups::from_buf_read(own.as_bytes()).unwrap(),
        )
    }

    #[test]
    fn a_hybrid_host_has_both() {
        let cgroups = parse(
            "30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             31 25 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
             32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            "5:name=systemd:/init\n4:cpu,cpuacct:/user\n0::/init\n",
        );
        assert_eq!(cgroups.layout(), "hybrid");
        assert_eq!(
            cgroups.v1["cpu"],
            Path::new("/sys/fs/cgroup/cpu,cpuacct/user")
        );
        assert_eq!(cgroups.v1.len(), 2);
        assert_eq!(
            cgroups.v2.as_deref(),
            Some(Path::new("/sys/fs/cgroup/unified/init"))
        );
    }

    #[test]
    fn a_mount_may_show_a_part_of_the_hierarchy() {
        let cgroups = parse(
            "32 25 0:28 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
            "0::/docker/abc/inner\n",
        );
        assert_eq!(
            cgroups.v2.as_deref(),
            Some(Path::new("/sys/fs/cgroup/inner"))
        );
        assert_eq!(cgroups.layout(), "v2");
    }
}
