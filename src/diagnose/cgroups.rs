//! Cgroups that cannot be made: not mounted, read-only, in the other hierarchy, not delegated. cgroups(7)

use std::path::{Path, PathBuf};

use procfs::process::MountInfo;

use super::facts::quote_mount;
use super::{Diagnosis, Facts, Symptom};

pub fn diagnose(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    let (version, controller) = need(symptom)?;
    match symptom.errno()? {
        "EROFS" => read_only(symptom, facts),
        "EACCES" | "EPERM" => not_delegated_to_user(symptom, facts),
        "ENOENT" => match version {
            "cgroup-v1" => no_v1(controller, facts),
            _ => no_v2(controller, facts),
        },
        _ => None,
    }
}

/// The version and the controller of a cgroup need.
fn need<'a>(symptom: &Symptom<'a>) -> Option<(&'a str, &'a str)> {
    let mut words = symptom.line.split(' ');
    let version = words.next().filter(|word| word.starts_with("cgroup-v"))?;
    Some((version, words.next().unwrap_or_default()))
}

fn has_controller(mount: &MountInfo, controller: &str) -> bool {
    mount.fs_type == "cgroup" && mount.super_options.contains_key(controller)
}

/// The cgroup mount that a path lies in.
fn mount_of<'f>(path: &Path, facts: &'f Facts) -> Option<&'f MountInfo> {
    path.ancestors().find_map(|folder| facts.mount_on(folder))
}

fn read_only(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    let mount = mount_of(Path::new(&symptom.failure.object), facts)?;
    Some(Diagnosis::new(
        format!(
            "the cgroup file system on {} is mounted read-only, as in a container without privileges",
            mount.mount_point.display()
        ),
        vec![quote_mount(mount)],
        "run verify on the host, or the container with writable cgroups (docker --privileged --cgroupns=host, podman --cgroups=split, nerdctl --security-opt writable-cgroups)",
    ))
}

fn not_delegated_to_user(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    let group = Path::new(&symptom.failure.object)
        .parent()?
        .display()
        .to_string();
    // Root of a user namespace has its capabilities over its own ids only.
    let is_anybody =
        !facts.is_root() || (!facts.is_in_initial_user_namespace() && symptom.is(&["EACCES"]));
    if !is_anybody {
        return None;
    }
    let remedy = match mount_of(Path::new(&group), facts).map(|mount| mount.fs_type.as_str()) {
        Some("cgroup") => {
            "cgroup v1 cannot be delegated safely: run verify as root, or boot with systemd.unified_cgroup_hierarchy=1"
        }
        _ => {
            "run it in a scope that is delegated: systemd-run --user --scope -p Delegate=yes verify run"
        }
    };
    Some(Diagnosis::new(
        format!("the cgroup {group} is not delegated to this user, who may not make groups in it"),
        facts
            .quote_status(&["Uid", "Gid", "CapEff"])
            .into_iter()
            .chain(facts.quote("/proc/self/uid_map"))
            .collect(),
        remedy,
    ))
}

fn no_v1(controller: &str, facts: &Facts) -> Option<Diagnosis> {
    let line = controller_line(controller, facts);
    let Some(line) = line else {
        return absent(controller, facts);
    };
    let mut columns = line.split_whitespace();
    let hierarchy = columns.nth(1).unwrap_or_default();
    if columns.next_back() == Some("0") {
        let evidence = format!("/proc/cgroups: {line} (the last column is `enabled`)");
        return Some(disabled(controller, &evidence));
    }
    if let Some(cover) = cover(facts) {
        return Some(cover);
    }
    let evidence = vec![format!("/proc/cgroups: {line}")];
    if hierarchy == "0" {
        return Some(Diagnosis::new(
            format!(
                "the {controller} controller is in no cgroup v1 hierarchy: this host gives it to cgroup v2, or to nobody"
            ),
            evidence,
            "nothing to mend where containers use cgroup v2: the experiments with cgroup-v2 show the same there",
        ));
    }
    Some(Diagnosis::new(
        format!(
            "the cgroup v1 hierarchy of {controller} (number {hierarchy}) is not mounted where verify runs"
        ),
        evidence,
        format!(
            "run verify where /sys/fs/cgroup is mounted: in a container with --volume /sys/fs/cgroup:/sys/fs/cgroup, on a host mount -t cgroup -o {controller} cgroup /sys/fs/cgroup/{controller}"
        ),
    ))
}

/// What is mounted over the cgroup file systems.
fn cover(facts: &Facts) -> Option<Diagnosis> {
    let root = Path::new("/sys/fs/cgroup");
    let cgroup = facts
        .mounts
        .iter()
        .rposition(|mount| mount.fs_type.starts_with("cgroup"))?;
    let cover = facts.mounts[cgroup..]
        .iter()
        .find(|mount| mount.mount_point == root && !mount.fs_type.starts_with("cgroup"))?;
    Some(Diagnosis::new(
        "another file system covers /sys/fs/cgroup, so that no cgroup can be seen",
        vec![quote_mount(cover)],
        "umount /sys/fs/cgroup until mountinfo shows the cgroup file systems again, or do not cover it",
    ))
}

fn controller_line(controller: &str, facts: &Facts) -> Option<String> {
    let mut lines = facts.controllers.lines();
    let line = lines.find(|line| line.split_whitespace().next() == Some(controller))?;
    Some(line.split_whitespace().collect::<Vec<_>>().join(" "))
}

fn disabled(controller: &str, evidence: &str) -> Diagnosis {
    Diagnosis::new(
        format!("the {controller} controller is switched off on the kernel's command line"),
        vec![evidence.to_owned()],
        format!(
            "take cgroup_disable={controller} from the kernel's command line, or add cgroup_enable={controller}"
        ),
    )
}

fn absent(controller: &str, facts: &Facts) -> Option<Diagnosis> {
    let evidence = match facts.controllers.is_empty() {
        true => return None,
        false => vec![format!("/proc/cgroups: no line with {controller}")],
    };
    let option = match controller {
        "cpu" => "CONFIG_CGROUP_SCHED",
        "memory" => "CONFIG_MEMCG",
        _ => "CONFIG_CGROUPS",
    };
    let evidence = evidence
        .into_iter()
        .chain(facts.quote_configuration(option))
        .collect();
    Some(Diagnosis::new(
        format!("the kernel has no {controller} controller"),
        evidence,
        "run a kernel that was built with it",
    ))
}

fn no_v2(controller: &str, facts: &Facts) -> Option<Diagnosis> {
    let Some(mount) = facts
        .mounts
        .iter()
        .rev()
        .find(|mount| mount.fs_type == "cgroup2")
    else {
        return Some(no_unified(facts));
    };
    let point = &mount.mount_point;
    if let Some(v1) = facts
        .mounts
        .iter()
        .rev()
        .find(|mount| has_controller(mount, controller))
    {
        return Some(Diagnosis::new(
            format!(
                "this host is hybrid: {controller} belongs to cgroup v1, and a controller is in one hierarchy only"
            ),
            vec![quote_mount(v1), quote_mount(mount)],
            "boot with systemd.unified_cgroup_hierarchy=1 (and cgroup_no_v1=all) to have all of them in cgroup v2",
        ));
    }
    if let Some(argument) = switched_off(controller, facts) {
        return Some(disabled(controller, &argument));
    }
    let own = own_unified(facts, mount)?;
    // From the top down, the last one that has it is the one that does not pass it on.
    let within = own.ancestors().take_while(|path| path.starts_with(point));
    let stops = within
        .into_iter()
        .find(|group| has(facts, group, controller));
    let evidence: Vec<_> = stops
        .into_iter()
        .chain([own.as_path()])
        .flat_map(|group| {
            ["cgroup.controllers", "cgroup.subtree_control"].map(|file| quote(facts, group, file))
        })
        .flatten()
        .collect();
    if evidence.is_empty() {
        return None;
    }
    let stops = stops.map_or(String::new(), |group| {
        format!(": {} does not pass it on", group.display())
    });
    Some(Diagnosis::new(
        format!(
            "the {controller} controller is not delegated to the cgroup that verify runs in ({}, mounted on {}){stops}",
            own.display(),
            point.display()
        ),
        evidence,
        "run it in a scope that is delegated: systemd-run --scope -p Delegate=yes verify run (with --user for an ordinary user, whose user@.service needs Delegate=cpu cpuset io memory pids)",
    ))
}

/// Whether a group has a controller: `cgroup.controllers` in cgroup-v2.rst.
fn has(facts: &Facts, group: &Path, controller: &str) -> bool {
    let all = facts.read(&group.join("cgroup.controllers"));
    all.is_some_and(|all| all.split_whitespace().any(|name| name == controller))
}

fn quote(facts: &Facts, group: &Path, file: &str) -> Option<String> {
    let path = group.join(file);
    let text = facts.read(&path)?;
    let text = if text.is_empty() { "(empty)" } else { &text };
    Some(format!("{}: {text}", path.display()))
}

/// The word on the kernel's command line that switches a controller off. kernel-parameters.txt
fn switched_off(controller: &str, facts: &Facts) -> Option<String> {
    let line = facts.value("/proc/cmdline")?;
    let names = |word: &str| {
        let names = word.strip_prefix("cgroup_disable=");
        names.is_some_and(|names| names.split(',').any(|name| name == controller))
    };
    let word = line.split_whitespace().rfind(|word| names(word))?;
    Some(format!("/proc/cmdline: {word}"))
}

fn no_unified(facts: &Facts) -> Diagnosis {
    let v1 = facts.mounts.iter().find(|mount| mount.fs_type == "cgroup");
    Diagnosis::new(
        "cgroup v2 is not mounted on this host",
        v1.map(quote_mount)
            .into_iter()
            .chain([format!(
                "/proc/self/mountinfo: no line with cgroup2 among {}",
                facts.mounts.len()
            )])
            .collect(),
        "boot with systemd.unified_cgroup_hierarchy=1, or mount -t cgroup2 cgroup2 /sys/fs/cgroup where nothing else is mounted",
    )
}

/// The caller's own group of cgroup v2, as a path of files.
fn own_unified(facts: &Facts, mount: &MountInfo) -> Option<PathBuf> {
    let group = facts
        .own_groups
        .lines()
        .find_map(|line| line.strip_prefix("0::"))?;
    Some(below(mount, group))
}

/// The caller's own group in the hierarchy that has a controller, as a path of files.
pub fn own_group(facts: &Facts, controller: &str) -> Option<PathBuf> {
    let v1 = facts
        .mounts
        .iter()
        .rev()
        .find(|mount| has_controller(mount, controller));
    let Some(mount) = v1 else {
        let mount = facts
            .mounts
            .iter()
            .rev()
            .find(|mount| mount.fs_type == "cgroup2")?;
        return own_unified(facts, mount);
    };
    let mut groups = facts.own_groups.lines().filter_map(|line| {
        let mut fields = line.splitn(3, ':');
        Some((fields.nth(1)?, fields.next()?))
    });
    let (_, group) = groups.find(|(names, _)| names.split(',').any(|name| name == controller))?;
    Some(below(mount, group))
}

/// A mount may show only a part of its hierarchy.
fn below(mount: &MountInfo, group: &str) -> PathBuf {
    let inside = Path::new(group)
        .strip_prefix(&mount.root)
        .unwrap_or(Path::new(""));
    mount.mount_point.join(inside)
}
