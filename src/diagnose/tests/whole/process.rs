//! What is said of limits, capabilities, filters and namespaces of the process.

use super::*;

const LIMITS: (&str, &str) = (
    "proc/self/limits",
    "Limit                     Soft Limit           Hard Limit           Units     \n\
     Max file size             1024                 1024                 bytes     \n\
     Max processes             64                   64                   processes \n\
     Max open files            16                   4096                 files     \n\
     Max address space         1048576              1048576              bytes     \n",
);
const NO_LIMITS: (&str, &str) = (
    "proc/self/limits",
    "Max file size             unlimited            unlimited            bytes     \n\
     Max processes             unlimited            unlimited            processes \n\
     Max address space         unlimited            unlimited            bytes     \n",
);

#[test]
fn a_group_that_is_full_is_the_one_of_the_controllers_hierarchy() {
    let hierarchies = "30 24 0:31 / /cpu rw - cgroup cgroup rw,cpu,cpuacct\n\
         31 24 0:32 / /pids rw - cgroup cgroup rw,pids\n";
    let full = |group: &str| {
        let files = [
            ROOT,
            ("proc/self/mountinfo", hierarchies),
            ("proc/self/cgroup", "9:cpu,cpuacct:/a\n4:pids:/b/c\n"),
            ("pids/b/c/pids.max", "max\n"),
            ("pids/b/c/pids.current", "9\n"),
            (&format!("pids/{group}/pids.max"), "10\n"),
            (&format!("pids/{group}/pids.current"), "9\n"),
        ];
        on(&files, ("fork", ""), Errno::EAGAIN, "")
    };
    says(
        &full("b"),
        "the cgroup that verify runs in may not have more processes (pids.max)",
        &["/pids/b/pids.max: 10", "/pids/b/pids.current: 9"],
        "raise pids.max, TasksMax= of the systemd unit, or --pids-limit of the container",
    );
    is_unknown(&full("a"));
}

#[test]
fn the_own_group_of_cgroup_v2_is_below_its_mount() {
    let mounts = format!("33 24 0:34 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n{TMP}");
    let files = [
        ROOT,
        ("proc/self/mountinfo", mounts.as_str()),
        ("proc/self/cgroup", "0::/box\n"),
        ("sys/fs/cgroup/box/pids.max", "8\n"),
        ("sys/fs/cgroup/box/pids.peak", "8\n"),
    ];
    let full = on(&files, ("fork", ""), Errno::EAGAIN, "");
    let evidence = [
        "/sys/fs/cgroup/box/pids.max: 8",
        "/sys/fs/cgroup/box/pids.peak: 8",
    ];
    assert_eq!(full.evidence, evidence);
}

#[test]
fn a_limit_of_the_process_is_quoted() {
    for (call, errno, cause, evidence, remedy) in [
        (
            "open",
            Errno::EMFILE,
            "this process may not have more files open (RLIMIT_NOFILE)",
            "Max open files 16 4096 files",
            "ulimit -n 1024, or LimitNOFILE=1024 in its systemd unit",
        ),
        (
            "fork",
            Errno::EAGAIN,
            "this user may not have more processes (RLIMIT_NPROC)",
            "Max processes 64 64 processes",
            "ulimit -u 1024, or nproc in /etc/security/limits.conf",
        ),
        (
            "write",
            Errno::EFBIG,
            "this process may not write files of this size (RLIMIT_FSIZE)",
            "Max file size 1024 1024 bytes",
            "ulimit -f unlimited",
        ),
        (
            "clone3",
            Errno::ENOMEM,
            "this process may not have more memory (RLIMIT_AS)",
            "Max address space 1048576 1048576 bytes",
            "ulimit -v unlimited",
        ),
    ] {
        let evidence = format!("/proc/self/limits: {evidence}");
        let limited = on(&[USER, LIMITS], (call, "x"), errno, "");
        says(&limited, cause, &[&evidence], remedy);
        if errno != Errno::EMFILE {
            is_unknown(&on(&[USER, NO_LIMITS], (call, "x"), errno, ""));
        }
    }
    is_unknown(&on(&[USER, LIMITS], ("read", "x"), Errno::EAGAIN, ""));
}

/// fork(2): CAP_SYS_ADMIN or CAP_SYS_RESOURCE.
#[test]
fn who_may_exceed_the_number_of_processes_is_not_held_by_it() {
    for (number, is_held) in [(21, false), (24, false), (22, true)] {
        let status = format!("Uid:\t0\t0\t0\t0\nCapEff:\t{:016x}\n", 1_u64 << number);
        let files = [("proc/self/status", status.as_str()), LIMITS];
        let diagnosis = on(&files, ("fork", ""), Errno::EAGAIN, "");
        assert_eq!(
            diagnosis.cause.contains("RLIMIT_NPROC"),
            is_held,
            "{diagnosis:?}"
        );
    }
}

#[test]
fn no_space_is_a_full_disk_only_where_something_is_written() {
    for errno in [Errno::ENOSPC, Errno::EDQUOT] {
        says(
            &on(&[], ("mkdir", "merge/a"), errno, ""),
            "there is no space, or no inode, left where `merge/a` is",
            &[&Failure::errno("mkdir", "merge/a", errno).to_string()],
            "df and df -i say which of them; make room there",
        );
    }
    // A limit on mounts, a cpuset without CPUs.
    is_unknown(&on(&[], ("mount", "x"), Errno::ENOSPC, ""));
    let procs = "/sys/fs/cgroup/x/cgroup.procs";
    is_unknown(&on(&[], ("write", procs), Errno::ENOSPC, ""));
}

#[test]
fn root_without_a_capability_is_told_which_one_the_call_asks_for() {
    for (name, number, call, object, errno) in [
        ("SYS_ADMIN", 21, "mount", "/", Errno::EPERM),
        ("SYS_CHROOT", 18, "chroot", "a", Errno::EPERM),
        ("NET_ADMIN", 12, "RTM_NEWLINK", "a", Errno::EPERM),
        ("NET_RAW", 13, "socket", "SOCK_RAW", Errno::EPERM),
        ("NET_BIND_SERVICE", 10, "bind", "80", Errno::EACCES),
        ("MKNOD", 27, "mknod", "null", Errno::EPERM),
        ("SETFCAP", 31, "write uid_map", WORKER, Errno::EPERM),
        ("SETUID", 7, "setgroups", "", Errno::EPERM),
        ("SYS_RESOURCE", 24, "setrlimit", "", Errno::EPERM),
        (
            "SYS_RESOURCE",
            24,
            "write",
            "/proc/self/oom_score_adj",
            Errno::EACCES,
        ),
        ("SYS_NICE", 23, "sched_setaffinity", "", Errno::EPERM),
        ("DAC_OVERRIDE", 1, "open", "a", Errno::EACCES),
    ] {
        let set = format!("{:016x}", 0x0000_01ff_ffff_ffff_u64 & !(1 << number));
        let status = format!("Uid:\t0\t0\t0\t0\nCapEff:\t{set}\n");
        says(
            &on(&[("proc/self/status", &status)], (call, object), errno, ""),
            &format!("verify runs as root without CAP_{name}, which `{call}` asks for"),
            &[&format!("/proc/self/status: Uid: 0 0 0 0, CapEff: {set}")],
            &format!(
                "give it CAP_{name}: docker or podman run --cap-add {name}, CapabilityBoundingSet= and AmbientCapabilities= in a systemd unit, or root on the host"
            ),
        );
    }
}

#[test]
fn a_call_that_asks_for_no_capability_is_not_explained_by_one() {
    let none = ("proc/self/status", "Uid:\t0\t0\t0\t0\nCapEff:\t0\n");
    for (call, object, errno) in [
        // Writing asks for one only in the map of a user namespace, and to be spared less by the OOM killer.
        ("write", "a", Errno::EPERM),
        // A security module, before capabilities are asked for.
        ("umount", "a", Errno::EACCES),
        // Attributes of the file, chattr(1).
        ("open", "a", Errno::EPERM),
        ("socket", "AF_INET6", Errno::EPERM),
    ] {
        is_unknown(&on(&[none], (call, object), errno, ""));
    }
}

#[test]
fn a_filter_is_not_blamed_for_what_it_cannot_see() {
    let status = format!("{}Seccomp:\t2\n", ROOT.1);
    let files = [("proc/self/status", status.as_str())];
    says(
        &on(&files, ("unshare", "pid"), Errno::EPERM, ""),
        "a seccomp filter, as an outer container or a systemd unit installs it, refuses `unshare`, for which no capability is missing",
        &["/proc/self/status: Seccomp: 2, CapEff: 000001ffffffffff"],
        "run the outer container with --security-opt seccomp=unconfined or a profile that allows the call; in a systemd unit look at SystemCallFilter= and RestrictNamespaces=",
    );
    is_unknown(&on(&files, ("write", "a"), Errno::EPERM, ""));
    is_unknown(&on(&files, ("unshare", "pid"), Errno::EACCES, ""));
    is_unknown(&on(&[ROOT], ("unshare", "pid"), Errno::EPERM, ""));
}

#[test]
fn selinux_confines_a_container_where_it_is_enforced() {
    let container = "system_u:system_r:container_t:s0:c1,c2";
    let user = "unconfined_u:unconfined_r:unconfined_t:s0";
    let refused = |context: &str, enforce: &str| {
        let files = [
            ROOT,
            ("proc/self/attr/current", context),
            ("sys/fs/selinux/enforce", enforce),
        ];
        on(&files, ("open", "a"), Errno::EACCES, "")
    };
    says(
        &refused(container, "1"),
        &format!("SELinux confines this process: `{container}`"),
        &[
            &format!("/proc/self/attr/current: {container}"),
            "/sys/fs/selinux/enforce: 1",
        ],
        "run the outer container with --security-opt label=disable; ausearch -m AVC says what was denied",
    );
    is_unknown(&refused(container, "0"));
    is_unknown(&refused(user, "1"));
}

#[test]
fn a_need_that_a_user_namespace_does_not_give_is_shown_by_what_shows_the_namespace() {
    let tried = |files: Files<'_>| on(files, ("mknod", "null"), Errno::EPERM, "device-nodes");
    let map = "/proc/self/uid_map: 0 1000 1";
    let within = ("proc/self/uid_map", "0 1000 1\n");
    let status = "/proc/self/status: Uid: 1000 1000 1000 1000, CapEff: 0000000000000000";
    let cause = "the experiment is performed in a user namespace, which does not give device nodes to its root";
    let remedy = "run verify as root of the host, with CAP_SYS_ADMIN and CAP_MKNOD";
    says(&tried(&[ROOT, within]), cause, &[map], remedy);
    says(&tried(&[USER, within]), cause, &[map, status], remedy);
    let initial = "/proc/self/uid_map: 0 0 4294967295";
    says(&tried(&[USER, INITIAL]), cause, &[initial, status], remedy);
    is_unknown(&tried(&[ROOT, INITIAL]));
}

#[test]
fn a_kind_of_namespaces_that_was_left_out_is_the_one_that_is_asked_for() {
    let configuration = (
        "boot/config-6.1",
        "CONFIG_NAMESPACES=y\nCONFIG_UTS_NS=y\nCONFIG_IPC_NS=y\nCONFIG_PID_NS=y\nCONFIG_NET_NS=y\n\
         CONFIG_USER_NS=y\nCONFIG_CGROUPS=y\n# CONFIG_TIME_NS is not set\n",
    );
    let files = [ROOT, RELEASE, configuration];
    let tried = |call: &str, line: &str| on(&files, (call, ""), Errno::EINVAL, line);
    for line in ["namespace time", ""] {
        says(
            &tried("unshare", line),
            "the kernel was built without time namespaces",
            &["/boot/config-6.1: # CONFIG_TIME_NS is not set"],
            "run a kernel with CONFIG_TIME_NS=y",
        );
    }
    is_unknown(&tried("unshare", "namespace pid"));
    is_unknown(&tried("mount", ""));
}

#[test]
fn only_a_call_that_makes_a_namespace_meets_a_limit_of_namespaces() {
    let none = ("proc/sys/user/max_time_namespaces", "0\n");
    let both = ("proc/sys/user/max_uts_namespaces", "0\n");
    says(
        &on(&[none, both], ("unshare", ""), Errno::ENOSPC, ""),
        "user.max_uts_namespaces and user.max_time_namespaces are 0, so that no such namespace can be made; ENOSPC is no full disk here",
        &[
            "/proc/sys/user/max_uts_namespaces: 0",
            "/proc/sys/user/max_time_namespaces: 0",
        ],
        "sysctl -w user.max_uts_namespaces=15000 user.max_time_namespaces=15000, and look in /etc/sysctl.d for who sets it to 0",
    );
    is_unknown(&on(&[none], ("mount", ""), Errno::ENOSPC, ""));
    says(
        &on(&[], ("clone3", ""), Errno::EUSERS, ""),
        "namespaces are nested too deeply: 32 levels are the most that the kernel takes",
        &[],
        "run verify in fewer containers within containers",
    );
    is_unknown(&on(&[], ("mount", ""), Errno::EUSERS, ""));
}
