//! What AppArmor refuses, and what only looks like it.

use super::*;

#[test]
fn what_a_profile_refuses_is_named_with_its_rule() {
    let cases: [Case; 9] = [
        (
            "docker",
            "mount",
            "/",
            Errno::EACCES,
            "",
            &[
                "AppArmor's profile `docker-default`, in enforce mode, refuses `mount`",
                "/proc/self/attr/apparmor/current: docker-default (enforce)",
                "--security-opt apparmor=unconfined",
                "the rule `mount,`",
            ],
        ),
        (
            "apparmor-no-userns",
            "clone3",
            WORKER,
            Errno::EACCES,
            "",
            &["`no-userns`, in enforce mode, refuses a user namespace to `clone3`"],
        ),
        (
            "apparmor-no-userns",
            "unshare",
            "user",
            Errno::EACCES,
            "namespace pid",
            &[
                "refuses a user namespace to `unshare`",
                "the rule `userns,`",
            ],
        ),
        (
            "apparmor-root",
            "umount",
            "x",
            Errno::EACCES,
            "umount x",
            &["refuses `umount`", "the rule `umount,`"],
        ),
        (
            "apparmor-root",
            "unshare",
            "pid",
            Errno::EPERM,
            "namespace pid",
            &[
                "refuses CAP_SYS_ADMIN, which `unshare` asks for",
                "the rule `capability sys_admin,`",
            ],
        ),
        (
            "apparmor-root",
            "mkdir",
            "/sys/fs/cgroup/verify-x",
            Errno::EACCES,
            "cgroup-v2 memory",
            &[
                "refuses `mkdir` below /sys/fs/cgroup",
                "`/sys/fs/cgroup/** rw,`",
            ],
        ),
        (
            "apparmor-root",
            "write",
            "/proc/sys/net/ipv4/ip_forward",
            Errno::EACCES,
            "",
            &["refuses `write` below /proc"],
        ),
        (
            "apparmor-complain",
            "mount",
            "/",
            Errno::EACCES,
            "",
            &[
                "`learning`, in complain mode, refuses `mount`: its `deny` rules",
                "take the `deny` rule for `mount` out",
            ],
        ),
        (
            "apparmor-complain",
            "execveat this program",
            "",
            Errno::EACCES,
            "",
            &[
                "refuses `execveat`: to it a file of another mount namespace has no path",
                "dmesg: audit: type=1400",
                "disconnected path",
                "flags=(attach_disconnected)",
            ],
        ),
    ];
    explained(&cases);
}

#[test]
fn what_others_refuse_as_well_is_not_blamed_on_a_profile() {
    for (host, call, object, errno) in [
        // AppArmor answers EPERM for capabilities only, and so does the kernel in a user namespace.
        ("apparmor-root", "open", "x", Errno::EPERM),
        ("apparmor-no-userns", "mount", "overlay", Errno::EPERM),
        // Permissions, a mount with `nodev`.
        ("apparmor-no-userns", "open", "/sys/kernel/x", Errno::EACCES),
        ("apparmor-root", "open", "null", Errno::EACCES),
        ("apparmor-root", "mount", "overlay", Errno::ENODEV),
        // No profile.
        ("hybrid", "mount", "/", Errno::EACCES),
    ] {
        let said = said(&why(host, call, object, errno, ""));
        assert!(!said.contains("AppArmor"), "{host} {call}: {said}");
    }
}

#[test]
fn only_a_profile_that_is_in_force_refuses_anything() {
    for (shown, refuses) in [
        ("x (enforce)", true),
        ("a b (kill)", true),
        ("x//&:ns:unconfined (mixed)", true),
        ("x (unconfined)", false),
        ("unconfined", false),
        ("system_u:system_r:container_t:s0:c1,c2", false),
        ("", false),
    ] {
        let host = tempfile::tempdir().unwrap();
        let folder = host.path().join("proc/self/attr");
        std::fs::create_dir_all(&folder).unwrap();
        // Before Linux 5.8 there is no other file.
        std::fs::write(folder.join("current"), format!("{shown}\n")).unwrap();
        let failure = Failure::errno("mount", "/", Errno::EACCES);
        let symptom = Symptom {
            failure: &failure,
            line: "",
        };
        let said = said(&diagnose(&symptom, &Facts::look(host.path())));
        assert_eq!(said.contains("AppArmor"), refuses, "{shown}: {said}");
        assert_eq!(said.contains(&format!("attr/current: {shown}")), refuses);
    }
}
