//! The decisions on hosts as their files show them (`fixtures/hosts`, each cut to what matters).

use std::path::Path;

use nix::errno::Errno;

use super::*;

mod apparmor;
mod kernel;
mod scratch;
mod symptoms;
mod whole;

fn facts(host: &str) -> Facts {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/hosts");
    let root = folder.join(host);
    assert!(root.is_dir(), "{host}");
    Facts::look(&root)
}

fn why(host: &str, call: &str, object: &str, errno: Errno, line: &str) -> Diagnosis {
    let failure = Failure::errno(call, object, errno);
    diagnose(
        &Symptom {
            failure: &failure,
            line,
        },
        &facts(host),
    )
}

/// What a diagnosis says, all of it.
fn said(diagnosis: &Diagnosis) -> String {
    let remedy = diagnosis.remedy.clone().unwrap_or_default();
    format!(
        "{}\n{}\n{remedy}",
        diagnosis.cause,
        diagnosis.evidence.join("\n")
    )
}

const WORKER: &str = "the worker's namespaces";
const OVERLAY: &str = "mount -t overlay overlay -o lowerdir=a,upperdir=b,workdir=c d";

/// A host, the call that failed, on what, with which errno, at which line, and what must be said then.
type Case = (
    &'static str,
    &'static str,
    &'static str,
    Errno,
    &'static str,
    &'static [&'static str],
);

fn explained(cases: &[Case]) {
    for (host, call, object, errno, line, words) in cases {
        let said = said(&why(host, call, object, *errno, line));
        for word in *words {
            assert!(
                said.contains(word),
                "{host}, {call} {errno:?}: `{word}` is not in\n{said}"
            );
        }
    }
}

#[test]
fn the_common_failures_are_explained() {
    let cases: [Case; 24] = [
        (
            "apparmor-user",
            "mount",
            "/",
            Errno::EACCES,
            "",
            &[
                "AppArmor lets only programs",
                "unprivileged_userns: 1",
                "`userns,`",
            ],
        ),
        (
            "apparmor-user",
            "write uid_map",
            WORKER,
            Errno::EPERM,
            "",
            &["AppArmor lets only programs"],
        ),
        (
            "userns-clone-off",
            "clone3",
            WORKER,
            Errno::EPERM,
            "",
            &[
                "unprivileged_userns_clone is 0",
                "sysctl -w kernel.unprivileged_userns_clone=1",
            ],
        ),
        (
            "no-user-namespaces",
            "clone3",
            WORKER,
            Errno::ENOSPC,
            "",
            &[
                "user.max_user_namespaces is 0",
                "/proc/sys/user/max_user_namespaces: 0",
                "no full disk",
            ],
        ),
        (
            "docker",
            "clone",
            WORKER,
            Errno::EPERM,
            "",
            &[
                "root without CAP_SYS_ADMIN",
                "CapEff: 00000000a80425fb",
                "--cap-add SYS_ADMIN",
            ],
        ),
        (
            "docker",
            "mkdir",
            "/sys/fs/cgroup/verify-x",
            Errno::EROFS,
            "cgroup-v2 memory",
            &[
                "mounted read-only",
                "cgroup2 on /sys/fs/cgroup (nodev,noexec,nosuid,relatime,ro)",
                "--cgroupns=host",
            ],
        ),
        (
            "docker",
            "mount",
            "/proc",
            Errno::EPERM,
            "unshare --pid --fork --mount-proc=/proc /bin/bash",
            &[
                "parts of /proc are covered",
                "proc on /proc/bus",
                "and 2 more",
                "unmask",
            ],
        ),
        (
            "docker-privileged-seccomp",
            "unshare",
            "pid",
            Errno::EPERM,
            "namespace pid",
            &[
                "a seccomp filter",
                "refuses `unshare`",
                "Seccomp: 2",
                "seccomp=unconfined",
            ],
        ),
        (
            "docker-privileged-seccomp",
            "setns",
            "",
            Errno::ENOSYS,
            "",
            &["a seccomp filter", "only for calls that it does not have"],
        ),
        (
            "root-without-resource",
            "setrlimit",
            "RLIMIT_NOFILE",
            Errno::EPERM,
            "",
            &["root without CAP_SYS_RESOURCE", "--cap-add SYS_RESOURCE"],
        ),
        (
            "root-without-resource",
            "write",
            "/proc/self/oom_score_adj",
            Errno::EACCES,
            "",
            &["root without CAP_SYS_RESOURCE"],
        ),
        (
            "not-delegated",
            "find",
            "cpu",
            Errno::ENOENT,
            "cgroup-v2 cpu",
            &[
                "cpu controller is not delegated",
                "cgroup.controllers: memory pids",
                "cgroup.subtree_control: (empty)",
                "Delegate=yes",
            ],
        ),
        (
            "not-delegated",
            "find",
            "subordinate ids",
            Errno::ENOENT,
            "subordinate-ids",
            &["no subordinate ids", "/etc/subuid: not there", "usermod"],
        ),
        (
            "not-delegated",
            "map subordinate ids",
            "newuidmap",
            Errno::ENOENT,
            "subordinate-ids",
            &["newuidmap and newgidmap", "package uidmap"],
        ),
        (
            "not-delegated",
            "mkdir",
            "/sys/fs/cgroup/user.slice/verify-x",
            Errno::EACCES,
            "cgroup-v2 memory",
            &["not delegated to this user", "systemd-run --user"],
        ),
        (
            "not-delegated",
            "find",
            "cpu",
            Errno::ENOENT,
            "cgroup-v1 cpu",
            &["in no cgroup v1 hierarchy", "/proc/cgroups: cpu 0 105 1"],
        ),
        (
            "hybrid",
            "find",
            "cpu",
            Errno::ENOENT,
            "cgroup-v2 cpu",
            &[
                "hybrid",
                "cgroup on /sys/fs/cgroup/cpu,cpuacct",
                "systemd.unified_cgroup_hierarchy=1",
            ],
        ),
        (
            "hybrid",
            "find",
            "memory",
            Errno::ENOENT,
            "cgroup-v1 memory",
            &[
                "switched off on the kernel's command line",
                "cgroup_enable=memory",
            ],
        ),
        (
            "kernel-upgraded",
            "mount",
            "overlay",
            Errno::ENODEV,
            "filesystem overlay",
            &[
                "modules here are those of another kernel",
                "/lib/modules: 6.1.0-18-amd64",
                "osrelease: 6.1.0-17-amd64",
                "CONFIG_OVERLAY_FS=m",
            ],
        ),
        (
            "kernel-upgraded",
            "RTM_NEWLINK",
            "host",
            Errno::EOPNOTSUPP,
            "ip link add host type veth peer name guest",
            &["the link type veth", "another kernel"],
        ),
        (
            "kernel-upgraded",
            "NFNL_MSG_BATCH_BEGIN",
            "nftables",
            Errno::EOPNOTSUPP,
            "nftables",
            &[
                "built without the packet filter nf_tables",
                "# CONFIG_NF_TABLES is not set",
            ],
        ),
        (
            "kernel-upgraded",
            "socket",
            "AF_INET6",
            Errno::EAFNOSUPPORT,
            "ipv6",
            &["switched off when the kernel was started", "ipv6.disable=1"],
        ),
        (
            "module-not-loaded",
            "mount",
            "overlay",
            Errno::ENODEV,
            "filesystem overlay",
            &["its module was not loaded", "modprobe overlay"],
        ),
        (
            "hybrid",
            "mount",
            "d",
            Errno::EINVAL,
            OVERLAY,
            &["neither an overlay", "keep upperdir and workdir on ext4"],
        ),
    ];
    explained(&cases);
}

#[test]
fn what_the_facts_do_not_show_is_not_guessed() {
    for (host, call, errno) in [
        ("hybrid", "mount", Errno::EPERM),
        ("hybrid", "clone3", Errno::ENOSPC),
        ("docker-privileged-seccomp", "unshare", Errno::EINVAL),
        ("kernel-upgraded", "mount", Errno::EIO),
        // The kernel has not said that its upper layer is why.
        ("overlay-on-overlay", "rmdir", Errno::ENOTEMPTY),
    ] {
        let diagnosis = why(host, call, "x", errno, "");
        assert!(diagnosis.cause.starts_with("not known"), "{diagnosis:?}");
        assert!(
            diagnosis.remedy.is_none() && diagnosis.evidence[0].starts_with("looked at"),
            "{diagnosis:?}"
        );
    }
}

#[test]
fn a_host_that_shows_nothing_is_no_panic() {
    let empty = tempfile::tempdir().unwrap();
    let facts = Facts::look(empty.path());
    for errno in [
        Errno::EPERM,
        Errno::ENOSPC,
        Errno::ENODEV,
        Errno::EAGAIN,
        Errno::EMFILE,
        Errno::ENOENT,
        Errno::EROFS,
    ] {
        for line in [
            "",
            "cgroup-v1 cpu",
            "cgroup-v2 cpu",
            "filesystem overlay",
            "nftables",
            "ipv6",
        ] {
            let failure = Failure::errno("mount", "overlay", errno);
            let diagnosis = diagnose(
                &Symptom {
                    failure: &failure,
                    line,
                },
                &facts,
            );
            assert!(!diagnosis.cause.is_empty());
        }
    }
}
