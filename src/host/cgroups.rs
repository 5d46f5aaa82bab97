//! Where this process may make cgroups: its own group of each hierarchy, and for cgroup v2 the groups above it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use procfs::ProcessCGroups;
use procfs::process::{MountInfos, Process};
use serde::{Deserialize, Serialize};

use crate::sys::cgroupfs;

/// Where this process may make cgroups.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Cgroups {
    /// For each controller of cgroup v1 the caller's own group in its hierarchy.
    pub v1: BTreeMap<String, PathBuf>,
    /// The cgroup v2 hierarchy.
    pub v2: Option<Unified>,
}

/// The cgroup v2 hierarchy, as the caller sees it. See cgroup-v2.rst.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Unified {
    /// The caller's own group and those above it, up to the one that is mounted.
    pub lineage: Vec<Level>,
    /// Whether the manager of the hierarchy has handed the own group over to the caller, who is alone in it.
    pub delegated: bool,
}

/// One group above the caller, or its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Level {
    /// The group.
    pub path: PathBuf,
    /// The controllers that it has (`cgroup.controllers`).
    pub controllers: Vec<String>,
    /// The controllers that groups made in it have (`cgroup.subtree_control`).
    pub passes_on: Vec<String>,
}

/// Where a group with certain controllers is made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The group to make it in.
    pub path: PathBuf,
    /// Whether this one must first be left by the caller, so that it can pass controllers on.
    pub vacate: bool,
}

impl Cgroups {
    /// Looks where this process is. Nothing is found where /proc does not say it.
    pub(super) fn look() -> Self {
        let Ok(process) = Process::myself() else {
            return Self::default();
        };
        let (Ok(mounts), Ok(own)) = (process.mountinfo(), process.cgroups()) else {
            return Self::default();
        };
        let (v1, v2) = hierarchies(&mounts, &own);
        Self {
            v1,
            v2: v2.map(|(root, own)| Unified::look(&root, &own)),
        }
    }

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

    /// The groups in which this process, and another run of the same caller, may have made some.
    #[must_use]
    pub fn parents(&self) -> Vec<&Path> {
        let levels = self.v2.iter().flat_map(|unified| &unified.lineage);
        let v1 = self.v1.values().map(PathBuf::as_path);
        let mut parents: Vec<_> = v1.chain(levels.map(|level| level.path.as_path())).collect();
        parents.sort();
        // Controllers that share a hierarchy share the group.
        parents.dedup();
        parents
    }
}

impl Unified {
    fn look(root: &Path, own: &Path) -> Self {
        let within = own.ancestors().take_while(|path| path.starts_with(root));
        let level = |path: &Path| Level {
            path: path.to_owned(),
            controllers: cgroupfs::controllers(path, "cgroup.controllers"),
            passes_on: cgroupfs::controllers(path, "cgroup.subtree_control"),
        };
        Self {
            lineage: within.map(level).collect(),
            delegated: cgroupfs::is_delegated(own) && cgroupfs::is_alone_in(own),
        }
    }

    /// Where a group that has all of these controllers is made: in the own group when that was delegated, else in the
    /// nearest one that passes them on already. Another group's `cgroup.subtree_control` is not the caller's to write.
    #[must_use]
    pub fn parent_for(&self, wanted: &[String]) -> Option<Parent> {
        let own = self.lineage.first()?;
        let has = |have: &[String]| wanted.iter().all(|name| have.contains(name));
        let vacate = self.delegated && has(&own.controllers) && !has(&own.passes_on);
        let level = match vacate {
            true => own,
            false => self.lineage.iter().find(|level| has(&level.passes_on))?,
        };
        Some(Parent {
            path: level.path.clone(),
            vacate,
        })
    }
}

/// The own group of each controller of cgroup v1, and of cgroup v2 the group that is mounted and the own one, from
/// the texts of /proc/self/mountinfo and /proc/self/cgroup.
type Hierarchies = (BTreeMap<String, PathBuf>, Option<(PathBuf, PathBuf)>);

fn hierarchies(mounts: &MountInfos, own: &ProcessCGroups) -> Hierarchies {
    let (mut v1, mut v2) = (BTreeMap::new(), None);
    for mount in &mounts.0 {
        let group = |path: &str| own_group(&mount.mount_point, &mount.root, path);
        match mount.fs_type.as_str() {
            "cgroup2" => {
                let mine = own.0.iter().find(|group| group.hierarchy == 0);
                v2 = mine.map(|mine| (mount.mount_point.clone(), group(&mine.pathname)));
            }
            "cgroup" => {
                for mine in own.0.iter().filter(|mine| mine.hierarchy != 0) {
                    let mounted = |name: &String| mount.super_options.contains_key(name.as_str());
                    for controller in mine.controllers.iter().filter(|name| mounted(name)) {
                        v1.insert(controller.clone(), group(&mine.pathname));
                    }
                }
            }
            _ => {}
        }
    }
    v1.retain(|name, _| !name.starts_with("name="));
    (v1, v2)
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

    fn parse(mounts: &str, own: &str) -> Hierarchies {
        hierarchies(
            &MountInfos::from_buf_read(mounts.as_bytes()).unwrap(),
            &ProcessCGroups::from_buf_read(own.as_bytes()).unwrap(),
        )
    }

    fn names(text: &str) -> Vec<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// A caller in /a/b, below which and above which these controllers are passed on.
    fn unified(passed_on: [&str; 3], controllers: &str, delegated: bool) -> Unified {
        let paths = ["/c/a/b", "/c/a", "/c"];
        let levels = paths.into_iter().zip(passed_on);
        Unified {
            lineage: levels
                .map(|(path, passed_on)| Level {
                    path: PathBuf::from(path),
                    controllers: names(controllers),
                    passes_on: names(passed_on),
                })
                .collect(),
            delegated,
        }
    }

    fn parent(unified: &Unified, wanted: &str) -> Option<(String, bool)> {
        let parent = unified.parent_for(&names(wanted))?;
        Some((parent.path.display().to_string(), parent.vacate))
    }

    #[test]
    fn a_group_that_nobody_has_handed_over_is_not_delegated_to_whom_is_alone_in_it() {
        let group = tempfile::tempdir().unwrap();
        let delegated = || Unified::look(Path::new("/"), group.path()).delegated;
        let own = nix::unistd::getpid();
        std::fs::write(group.path().join("cgroup.procs"), format!("{own}\n")).unwrap();
        // A directory of an ordinary user's counts as handed over to it.
        let is_users = !nix::unistd::geteuid().is_root();
        assert_eq!(delegated(), is_users);
        std::fs::write(group.path().join("cgroup.procs"), format!("1\n{own}\n")).unwrap();
        assert!(!delegated());
    }

    #[test]
    fn a_hybrid_host_has_both() {
        let (v1, v2) = parse(
            "30 25 0:26 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             31 25 0:27 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
             32 25 0:28 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            "5:name=systemd:/init\n4:cpu,cpuacct:/user\n0::/init\n",
        );
        assert_eq!(v1["cpu"], Path::new("/sys/fs/cgroup/cpu,cpuacct/user"));
        assert_eq!(v1.len(), 2);
        let unified = Path::new("/sys/fs/cgroup/unified");
        assert_eq!(v2, Some((unified.to_owned(), unified.join("init"))));
    }

    #[test]
    fn a_mount_may_show_a_part_of_the_hierarchy() {
        let (_, v2) = parse(
            "32 25 0:28 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
            "0::/docker/abc/inner\n",
        );
        let (root, own) = v2.unwrap();
        assert_eq!(own, root.join("inner"));
    }

    #[test]
    fn a_group_is_made_in_the_nearest_one_that_passes_its_controllers_on() {
        let host = unified(["", "memory pids", "cpu memory pids"], "memory pids", false);
        assert_eq!(parent(&host, ""), Some(("/c/a/b".into(), false)));
        assert_eq!(parent(&host, "pids"), Some(("/c/a".into(), false)));
        assert_eq!(parent(&host, "cpu pids"), Some(("/c".into(), false)));
        assert_eq!(parent(&host, "io"), None);
    }

    #[test]
    fn a_delegated_group_is_preferred_for_what_it_has() {
        let host = unified(["", "memory pids", "cpu memory pids"], "memory pids", true);
        assert_eq!(parent(&host, "pids"), Some(("/c/a/b".into(), true)));
        assert_eq!(parent(&host, "cpu"), Some(("/c".into(), false)));
        assert_eq!(parent(&host, ""), Some(("/c/a/b".into(), false)));
    }
}
