//! What is said of cgroups.

use super::*;

/// What is said of a controller that is not found.
fn without(files: Files<'_>, need: &str) -> Diagnosis {
    let controller = need.split(' ').next_back().unwrap();
    on(files, ("find", controller), Errno::ENOENT, need)
}

#[test]
fn what_covers_the_hierarchies_is_named() {
    let here = |mounts: &str| {
        let controllers = ("proc/cgroups", "cpu\t4\t83\t1\n");
        let files = [ROOT, controllers, ("proc/self/mountinfo", mounts)];
        without(&files, "cgroup-v1 cpu")
    };
    says(
        &here(&[V1, TMP, COVER].concat()),
        "another file system covers /sys/fs/cgroup, so that no cgroup can be seen",
        &["/proc/self/mountinfo: tmpfs on /sys/fs/cgroup (ro)"],
        "umount /sys/fs/cgroup until mountinfo shows the cgroup file systems again, or do not cover it",
    );
    // On the tmpfs that systemd mounts them in, they are to be seen.
    says(
        &here(&[COVER, V1, TMP].concat()),
        "the cgroup v1 hierarchy of cpu (number 4) is not mounted where verify runs",
        &["/proc/cgroups: cpu 4 83 1"],
        "run verify where /sys/fs/cgroup is mounted: in a container with --volume /sys/fs/cgroup:/sys/fs/cgroup, on a host mount -t cgroup -o cpu cgroup /sys/fs/cgroup/cpu",
    );
}

#[test]
fn a_controller_that_the_kernel_does_not_have_is_shown_by_its_option() {
    let configuration = (
        "boot/config-6.1",
        "CONFIG_CGROUPS=y\n# CONFIG_MEMCG is not set\n# CONFIG_CGROUP_SCHED is not set\n",
    );
    let files = [
        ROOT,
        RELEASE,
        configuration,
        ("proc/cgroups", "cpuset\t1\t1\t1\n"),
    ];
    for (controller, option) in [
        ("cpu", "# CONFIG_CGROUP_SCHED is not set"),
        ("memory", "# CONFIG_MEMCG is not set"),
        ("pids", "CONFIG_CGROUPS=y"),
    ] {
        says(
            &without(&files, &format!("cgroup-v1 {controller}")),
            &format!("the kernel has no {controller} controller"),
            &[
                &format!("/proc/cgroups: no line with {controller}"),
                &format!("/boot/config-6.1: {option}"),
            ],
            "run a kernel that was built with it",
        );
    }
    is_unknown(&without(&[ROOT, RELEASE, configuration], "cgroup-v1 cpu"));
}

#[test]
fn a_host_with_cgroup_v1_alone_is_shown_by_a_mount_of_it() {
    let mounts = [TMP, V1].concat();
    says(
        &without(&[ROOT, ("proc/self/mountinfo", &mounts)], "cgroup-v2 cpu"),
        "cgroup v2 is not mounted on this host",
        &[
            "/proc/self/mountinfo: cgroup on /sys/fs/cgroup/cpu (rw)",
            "/proc/self/mountinfo: no line with cgroup2 among 2",
        ],
        "boot with systemd.unified_cgroup_hierarchy=1, or mount -t cgroup2 cgroup2 /sys/fs/cgroup where nothing else is mounted",
    );
}

#[test]
fn a_controller_of_no_hierarchy_does_not_make_a_host_hybrid() {
    let mounts = format!("{V1}33 24 0:34 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n");
    let files = [ROOT, ("proc/self/mountinfo", mounts.as_str())];
    is_unknown(&without(&files, "cgroup-v2 pids"));
    assert!(
        without(&files, "cgroup-v2 cpu")
            .cause
            .contains("this host is hybrid: cpu belongs to cgroup v1")
    );
}

#[test]
fn a_group_of_cgroup_v1_is_not_said_to_be_delegated_by_systemd() {
    let refused = |mounts: &str, group: &str| {
        let object = format!("{group}/verify-x");
        let files = [USER, ("proc/self/mountinfo", mounts)];
        on(&files, ("mkdir", &object), Errno::EACCES, "cgroup-v1 cpu")
    };
    let evidence = "/proc/self/status: Uid: 1000 1000 1000 1000, Gid: 1000 1000 1000 1000, CapEff: 0000000000000000";
    says(
        &refused(V1, "/sys/fs/cgroup/cpu"),
        "the cgroup /sys/fs/cgroup/cpu is not delegated to this user, who may not make groups in it",
        &[evidence],
        "cgroup v1 cannot be delegated safely: run verify as root, or boot with systemd.unified_cgroup_hierarchy=1",
    );
    says(
        &refused(
            "33 24 0:34 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "/sys/fs/cgroup/a",
        ),
        "the cgroup /sys/fs/cgroup/a is not delegated to this user, who may not make groups in it",
        &[evidence],
        "run it in a scope that is delegated: systemd-run --user --scope -p Delegate=yes verify run",
    );
}

#[test]
fn root_of_a_user_namespace_is_not_given_the_groups_of_others() {
    let refused = |files: Files<'_>, errno| {
        let group = "/sys/fs/cgroup/cpu/verify-x";
        on(files, ("mkdir", group), errno, "cgroup-v1 cpu")
    };
    let inner = ("proc/self/uid_map", "         0       1000          1\n");
    let mounts = ("proc/self/mountinfo", V1);
    says(
        &refused(&[ROOT, inner, mounts], Errno::EACCES),
        "the cgroup /sys/fs/cgroup/cpu is not delegated to this user, who may not make groups in it",
        &[
            "/proc/self/status: Uid: 0 0 0 0, Gid: 0 0 0 0, CapEff: 000001ffffffffff",
            "/proc/self/uid_map: 0       1000          1",
        ],
        "cgroup v1 cannot be delegated safely: run verify as root, or boot with systemd.unified_cgroup_hierarchy=1",
    );
    is_unknown(&refused(&[ROOT, inner, mounts], Errno::EPERM));
    is_unknown(&refused(&[ROOT, INITIAL, mounts], Errno::EACCES));
    // What is missing is named rather than who has the group.
    let without = (ROOT.0, "Uid:\t0\t0\t0\t0\nCapEff:\t000001fffffffffd\n");
    let lacking = refused(&[without, INITIAL, mounts], Errno::EACCES);
    assert!(
        lacking.cause.contains("without CAP_DAC_OVERRIDE"),
        "{lacking:?}"
    );
}
