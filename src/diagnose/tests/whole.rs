//! Whole diagnoses, on hosts of the few files that decide, and the next thing to each that is not explained by it.

use std::io::Write;

use super::*;

mod cgroups;
mod process;

/// A host's files, by their paths without the first slash.
type Files<'a> = &'a [(&'a str, &'a str)];

/// The status of a process of root's with every capability.
const ROOT: (&str, &str) = (
    "proc/self/status",
    "Uid:\t0\t0\t0\t0\nGid:\t0\t0\t0\t0\nCapEff:\t000001ffffffffff\n",
);
/// That of an ordinary user's process.
const USER: (&str, &str) = (
    "proc/self/status",
    "Uid:\t1000\t1000\t1000\t1000\nGid:\t1000\t1000\t1000\t1000\nCapEff:\t0000000000000000\n",
);
const INITIAL: (&str, &str) = ("proc/self/uid_map", "         0          0 4294967295\n");
const RELEASE: (&str, &str) = ("proc/sys/kernel/osrelease", "6.1\n");

fn made(files: Files<'_>) -> tempfile::TempDir {
    let host = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = host.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    host
}

/// What is said of a call that fails on an object, at a line.
fn on(files: Files<'_>, (call, object): (&str, &str), errno: Errno, line: &str) -> Diagnosis {
    let host = made(files);
    let failure = Failure::errno(call, object, errno);
    let symptom = Symptom {
        failure: &failure,
        line,
    };
    diagnose(&symptom, &Facts::look(host.path()))
}

#[track_caller]
fn says(diagnosis: &Diagnosis, cause: &str, evidence: &[&str], remedy: &str) {
    assert_eq!(diagnosis.cause, cause);
    assert_eq!(diagnosis.evidence, evidence);
    assert_eq!(diagnosis.remedy.as_deref(), Some(remedy));
}

#[track_caller]
fn is_unknown(diagnosis: &Diagnosis) {
    assert!(diagnosis.cause.starts_with("not known"), "{diagnosis:?}");
}

const V1: &str = "30 24 0:31 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n";
const TMP: &str = "31 24 0:32 / /tmp rw - tmpfs tmpfs rw\n";
const COVER: &str = "32 24 0:33 / /sys/fs/cgroup ro - tmpfs tmpfs rw\n";

#[test]
fn what_is_not_in_the_kernel_is_shown_by_what_a_part_of_its_kind_has() {
    let remedy = |module: &str| {
        format!(
            "boot the kernel that was installed last, or install the modules of 6.1; in a container: modprobe {module} on the host"
        )
    };
    let configuration = ("boot/config-6.1", "CONFIG_OVERLAY_FS=m\nCONFIG_VETH=m\n");
    let filesystems = ("proc/filesystems", "nodev\ttmpfs\n\text4\n");
    let files = [ROOT, RELEASE, configuration, filesystems];
    let none = "/lib/modules: not there, or empty";
    let release = "/proc/sys/kernel/osrelease: 6.1";
    says(
        &on(&files, ("mount", "overlay"), Errno::ENODEV, OVERLAY),
        "overlay is not in the kernel, and there are no modules of this kernel (6.1) to load it from",
        &[
            "/boot/config-6.1: CONFIG_OVERLAY_FS=m",
            "/proc/filesystems: no line with overlay",
            none,
            release,
        ],
        &remedy("overlay"),
    );
    says(
        &on(
            &files,
            ("RTM_NEWLINK", "a"),
            Errno::EOPNOTSUPP,
            "ip link add a type veth peer name b",
        ),
        "the link type veth is not in the kernel, and there are no modules of this kernel (6.1) to load it from",
        &["/boot/config-6.1: CONFIG_VETH=m", none, release],
        &remedy("veth"),
    );
    let known = ("proc/filesystems", "nodev\toverlay\n");
    let loaded = on(
        &[ROOT, RELEASE, configuration, known],
        ("mount", "overlay"),
        Errno::ENODEV,
        OVERLAY,
    );
    assert_eq!(
        loaded.evidence,
        ["/boot/config-6.1: CONFIG_OVERLAY_FS=m", none, release]
    );
}

#[test]
fn ipv6_is_switched_off_by_that_word_alone() {
    let tried = |words: &str, errno: Errno, line: &str| {
        let files = [ROOT, RELEASE, ("proc/cmdline", words)];
        on(&files, ("socket", "AF_INET6"), errno, line)
    };
    says(
        &tried("quiet ipv6.disable=1", Errno::EAFNOSUPPORT, "ipv6"),
        "IPv6 was switched off when the kernel was started",
        &["/proc/cmdline: ipv6.disable=1"],
        "take ipv6.disable=1 from the kernel's command line and start it anew",
    );
    let missing = tried("quiet ipv6.disable=10", Errno::EAFNOSUPPORT, "ipv6");
    assert!(
        missing.cause.starts_with("IPv6 is not in the kernel"),
        "{missing:?}"
    );
    is_unknown(&tried("ipv6.disable=1", Errno::EPERM, "ipv6"));
    is_unknown(&tried("ipv6.disable=1", Errno::EAFNOSUPPORT, "ping ::1"));
}

#[test]
fn other_errors_and_other_calls_are_not_about_what_the_kernel_lacks() {
    let veth = "ip link add a type veth peer name b";
    for (call, object, errno, line) in [
        ("RTM_NEWLINK", "a", Errno::EEXIST, veth),
        ("RTM_DELLINK", "a", Errno::ENODEV, veth),
        ("NFT_MSG_NEWTABLE", "a", Errno::EPERM, "nftables"),
        ("socket", "a", Errno::EPROTONOSUPPORT, "nft list ruleset"),
        ("mount", "proc", Errno::ENODEV, "mount -t proc proc /proc"),
        ("open", "a", Errno::ENODEV, OVERLAY),
        ("open", "a", Errno::EINVAL, OVERLAY),
        ("mount", "a", Errno::EINVAL, "mount -t overlay overlay a"),
    ] {
        is_unknown(&on(&[ROOT, RELEASE], (call, object), errno, line));
    }
}

#[test]
fn what_covers_a_part_of_proc_is_in_the_way_of_mounting_proc_alone() {
    let mounts = "621 611 0:49 /sys /proc/sys ro - proc proc rw\n";
    let files = [ROOT, ("proc/self/mountinfo", mounts)];
    says(
        &on(&files, ("mount", "/proc"), Errno::EPERM, ""),
        "parts of /proc are covered by other mounts, as in a container: in a user namespace the kernel then refuses a new proc, which would show what is covered",
        &["/proc/self/mountinfo: proc on /proc/sys (ro)"],
        "run the outer container with its /proc unmasked (podman --security-opt unmask=/proc/*, docker --security-opt systempaths=unconfined, procMount: Unmasked in Kubernetes)",
    );
    is_unknown(&on(&files, ("mount", "/sys"), Errno::EPERM, ""));
    is_unknown(&on(&files, ("open", "/proc/x"), Errno::EPERM, ""));
    is_unknown(&on(&files, ("mount", "/proc"), Errno::EINVAL, ""));
}

#[test]
fn what_the_kernel_says_of_an_overlay_decides() {
    let exceeded = "overlayfs: maximum fs stacking depth exceeded";
    let said = format!("4,1,1000000,-;{exceeded}\n");
    let files = [ROOT, ("dev/kmsg", said.as_str())];
    says(
        &on(&files, ("mount", "d"), Errno::EINVAL, OVERLAY),
        "the layers lie on overlays already: the kernel puts no third file system on top of two",
        &[
            &Failure::errno("mount", "d", Errno::EINVAL).to_string(),
            &format!("dmesg: {exceeded}"),
        ],
        "run fewer containers within containers, or keep the layers of the inner one on a volume",
    );
    let type_of = "4,1,1000000,-;overlayfs: upper fs needs to support d_type.\n";
    let files = [ROOT, ("dev/kmsg", type_of)];
    is_unknown(&on(&files, ("rename", "a"), Errno::ENOTEMPTY, "mv a b"));
}

#[test]
fn a_read_only_file_of_the_host_is_not_blamed_on_an_overlay() {
    let said =
        "4,1,5,-;overlayfs: failed to create directory work (errno: 28); mounting read-only\n";
    let files = [ROOT, ("dev/kmsg", said)];
    let refused = |object| {
        on(
            &files,
            ("open", object),
            Errno::EROFS,
            "echo: Hello > merged/a",
        )
    };
    assert!(refused("merged/a").cause.contains("in its workdir"));
    is_unknown(&refused("/run/a"));
}

#[test]
fn a_tmpfs_without_any_attributes_is_not_one_that_takes_those_of_root_alone() {
    for (name, root_is_better) in [
        ("user.overlay.opaque", true),
        ("trusted.overlay.opaque", false),
    ] {
        let refused = on(&[ROOT], ("setxattr", name), Errno::EOPNOTSUPP, "");
        let remedy = refused.remedy.unwrap();
        assert_eq!(remedy.contains("run verify as root"), root_is_better);
    }
}

#[test]
fn an_unknown_cause_comes_with_what_was_looked_at() {
    let status = format!("{}Seccomp:\t0\n", ROOT.1);
    let files = [
        ("proc/self/status", status.as_str()),
        ("proc/self/mountinfo", V1),
        ("sys/kernel/security/lsm", "capability,yama\n"),
        ("boot/config-6.1", ""),
        RELEASE,
    ];
    assert_eq!(
        on(&files, ("open", "a"), Errno::EIO, ""),
        Diagnosis {
            cause: "not known: nothing that was looked at explains it".to_owned(),
            evidence: vec![
                "looked at capabilities 000001ffffffffff, seccomp mode 0, LSMs capability,yama, /boot/config-6.1, 2 sysctls and other values, 1 mounts"
                    .to_owned()
            ],
            remedy: None,
        }
    );
}

#[test]
fn the_configuration_that_the_kernel_keeps_itself_is_read_first() {
    let host = made(&[RELEASE, ("boot/config-6.1", "CONFIG_VETH=m\n")]);
    let packed = std::fs::File::create(host.path().join("proc/config.gz")).unwrap();
    let mut packed = flate2::write::GzEncoder::new(packed, flate2::Compression::fast());
    packed.write_all(b"# CONFIG_VETH is not set\n").unwrap();
    packed.finish().unwrap();
    assert_eq!(
        Facts::look(host.path()).quote_configuration("CONFIG_VETH"),
        Some("/proc/config.gz: # CONFIG_VETH is not set".to_owned())
    );
}

#[test]
fn a_file_system_that_the_kernel_has_is_the_last_word_of_a_line() {
    let host = made(&[("proc/filesystems", "nodev\toverlay\n\text4\n")]);
    let facts = Facts::look(host.path());
    for (name, there) in [("overlay", true), ("ext4", true), ("nodev", false)] {
        assert_eq!(facts.has_filesystem(name), Some(there), "{name}");
    }
    assert_eq!(Facts::default().has_filesystem("overlay"), None);
}
