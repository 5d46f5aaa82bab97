//! What there is no more of: files, processes, memory, disk. getrlimit(2)

use super::{Diagnosis, Facts, Symptom};

pub fn diagnose(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    match symptom.errno()? {
        "EMFILE" => files(facts),
        "EAGAIN" if symptom.calls(&["clone3", "clone", "fork"]) => processes(facts),
        "EFBIG" => file_size(facts),
        "ENOSPC" | "EDQUOT" => disk(symptom),
        "ENOMEM" => memory(facts),
        _ => None,
    }
}

fn quote(line: &str) -> Vec<String> {
    let columns: Vec<_> = line.split_whitespace().collect();
    vec![format!("/proc/self/limits: {}", columns.join(" "))]
}

fn files(facts: &Facts) -> Option<Diagnosis> {
    let line = facts.limit("Max open files")?;
    Some(Diagnosis::new(
        "this process may not have more files open (RLIMIT_NOFILE)",
        quote(line),
        "ulimit -n 1024, or LimitNOFILE=1024 in its systemd unit",
    ))
}

/// fork(2): EAGAIN is RLIMIT_NPROC of the user, pids.max of the cgroup or of one above it, or the whole host's limit.
fn processes(facts: &Facts) -> Option<Diagnosis> {
    if let Some(evidence) = full_group(facts) {
        let cause = "the cgroup that verify runs in may not have more processes (pids.max)";
        let remedy =
            "raise pids.max, TasksMax= of the systemd unit, or --pids-limit of the container";
        return Some(Diagnosis::new(cause, evidence, remedy));
    }
    let line = facts.limit("Max processes")?;
    // Who has one of these capabilities is not held by it.
    if line.contains("unlimited") || facts.has_capability(21)? || facts.has_capability(24)? {
        return None;
    }
    Some(Diagnosis::new(
        "this user may not have more processes (RLIMIT_NPROC)",
        quote(line),
        "ulimit -u 1024, or nproc in /etc/security/limits.conf",
    ))
}

/// The first group from here up that has had, or could not have, two processes more, as evidence. What was refused is gone
/// by now, but `pids.peak`, where there is one, keeps how many there were at a time (cgroup-v2.rst).
fn full_group(facts: &Facts) -> Option<Vec<String>> {
    let own = super::cgroups::own_group(facts, "pids")?;
    let read = |group: &std::path::Path, file: &str| {
        let path = group.join(file);
        facts
            .read(&path)
            .map(|value| (format!("{}: {value}", path.display()), value))
    };
    own.ancestors().find_map(|group| {
        let (maximum, limit) = read(group, "pids.max")?;
        let (most, number) = read(group, "pids.peak").or_else(|| read(group, "pids.current"))?;
        let full = number.parse::<u64>().ok()? + 2 > limit.parse::<u64>().ok()?;
        full.then(|| vec![maximum, most])
    })
}

fn file_size(facts: &Facts) -> Option<Diagnosis> {
    let line = facts
        .limit("Max file size")
        .filter(|line| !line.contains("unlimited"))?;
    let cause = "this process may not write files of this size (RLIMIT_FSIZE)";
    Some(Diagnosis::new(cause, quote(line), "ulimit -f unlimited"))
}

fn memory(facts: &Facts) -> Option<Diagnosis> {
    let line = facts
        .limit("Max address space")
        .filter(|line| !line.contains("unlimited"))?;
    let cause = "this process may not have more memory (RLIMIT_AS)";
    Some(Diagnosis::new(cause, quote(line), "ulimit -v unlimited"))
}

/// ENOSPC is other things, too: a limit of namespaces (clone(2)), a cpuset without CPUs.
fn disk(symptom: &Symptom<'_>) -> Option<Diagnosis> {
    let object = &symptom.failure.object;
    let writes = symptom.calls(&[
        "write",
        "open",
        "mkdir",
        "mknod",
        "symlink",
        "setxattr",
        "copy_file_range",
    ]);
    if !writes || object.starts_with("/sys/fs/cgroup") {
        return None;
    }
    Some(Diagnosis::new(
        format!("there is no space, or no inode, left where `{object}` is"),
        vec![symptom.failure.to_string()],
        "df and df -i say which of them; make room there",
    ))
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, write};

    use nix::errno::Errno;

    use super::*;
    use crate::recording::Failure;

    const MOUNT: &str = "36 29 0:31 / /sys/fs/cgroup/pids rw shared:16 - cgroup cgroup rw,pids\n";

    /// What is said of a refused fork(2) in a group of these files, when the processes that filled it have ended.
    fn refused(files: &[(&str, &str)]) -> Option<Diagnosis> {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("sys/fs/cgroup/pids/box");
        create_dir_all(&group).unwrap();
        create_dir_all(root.path().join("proc/self")).unwrap();
        write(root.path().join("proc/self/mountinfo"), MOUNT).unwrap();
        write(
            root.path().join("proc/self/cgroup"),
            "4:cpu,cpuacct:/other\n5:pids:/box\n",
        )
        .unwrap();
        for (name, value) in files {
            write(group.join(name), value).unwrap();
        }
        let failure = Failure::fork("", Errno::EAGAIN);
        let symptom = Symptom {
            failure: &failure,
            line: "ps -ef",
        };
        diagnose(&symptom, &Facts::look(root.path()))
    }

    #[test]
    fn a_group_that_was_full_is_named_afterwards() {
        let full = [("pids.max", "8"), ("pids.current", "2"), ("pids.peak", "8")];
        let diagnosis = refused(&full).unwrap();
        assert!(diagnosis.cause.contains("pids.max"), "{diagnosis:?}");
        assert_eq!(
            diagnosis.evidence,
            [
                "/sys/fs/cgroup/pids/box/pids.max: 8",
                "/sys/fs/cgroup/pids/box/pids.peak: 8"
            ]
        );
        let never = [("pids.max", "8"), ("pids.current", "2"), ("pids.peak", "5")];
        assert_eq!(refused(&never), None);
    }

    #[test]
    fn without_a_peak_what_is_there_now_counts() {
        let files = |current| [("pids.max", "8"), ("pids.current", current)];
        assert!(refused(&files("7")).is_some());
        assert_eq!(refused(&files("6")), None);
    }
}
