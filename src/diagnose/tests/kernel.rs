//! What the kernel does not have, or does not take: modules, controllers, what the layers of an overlay lie on.

use super::*;

#[test]
fn what_the_kernel_does_not_have_or_take_is_explained() {
    let cases: [Case; 12] = [
        (
            "overlay-without-work",
            "unlink",
            "merge/a",
            Errno::EROFS,
            "rm merge/a",
            &[
                "mounted it read-only",
                "dmesg: overlayfs: failed to create directory work/work (errno: 28); mounting read-only",
                "df -i",
            ],
        ),
        (
            "overlay-on-overlay",
            "mount",
            "d",
            Errno::EINVAL,
            OVERLAY,
            &[
                "takes none on: an overlay",
                "dmesg: overlayfs: filesystem on container not supported as upperdir",
                "on a volume",
            ],
        ),
        (
            "no-d-type",
            "rmdir",
            "merge/dir",
            Errno::ENOTEMPTY,
            "rmdir merge/dir",
            &[
                "do not say what kind a file is (d_type)",
                "dmesg: overlayfs: upper fs needs to support d_type.",
                "ftype=1",
            ],
        ),
        (
            "no-d-type",
            "setxattr",
            "user.overlay.opaque",
            Errno::EOPNOTSUPP,
            "xattr",
            &[
                "built without extended attributes on tmpfs",
                "# CONFIG_TMPFS_XATTR is not set",
            ],
        ),
        (
            "hybrid",
            "setxattr",
            "user.overlay.opaque",
            Errno::EOPNOTSUPP,
            "xattr",
            &[
                "tmpfs keeps no extended attributes of ordinary users",
                "run verify as root",
            ],
        ),
        (
            "module-switched-off",
            "mount",
            "overlay",
            Errno::ENODEV,
            "filesystem overlay",
            &[
                "overlay is switched off here",
                "/etc/modprobe.d/hardening.conf: install overlay /bin/false",
                "take that line out of /etc/modprobe.d/hardening.conf",
            ],
        ),
        (
            "module-not-installed",
            "mount",
            "overlay",
            Errno::ENODEV,
            "filesystem overlay",
            &[
                "are without the module overlay",
                "modules.dep: kernel/fs/overlayfs/overlay.ko.xz, which is not there",
            ],
        ),
        (
            "module-not-installed",
            "RTM_NEWLINK",
            "host",
            Errno::EOPNOTSUPP,
            "ip link add host type veth peer name guest",
            &[
                "are without the module veth",
                "modules.dep: no line with veth",
                "linux-modules-extra-6.1.0-18-amd64",
            ],
        ),
        (
            "module-not-installed",
            "RTM_NEWLINK",
            "br0",
            Errno::EOPNOTSUPP,
            "ip link add br0 type bridge",
            &[
                "the link type bridge is not in the kernel",
                "are without the module bridge",
                "modules.dep: kernel/net/bridge/bridge.ko, which is not there",
            ],
        ),
        (
            "module-switched-off",
            "RTM_NEWLINK",
            "veth",
            Errno::EOPNOTSUPP,
            "ip link add veth type bridge",
            &[
                "the link type bridge is switched off here",
                "/etc/modprobe.d/hardening.conf: blacklist bridge",
                "then modprobe bridge",
            ],
        ),
        (
            "controllers-missing",
            "find",
            "memory",
            Errno::ENOENT,
            "cgroup-v2 memory",
            &[
                "memory controller is switched off on the kernel's command line",
                "/proc/cmdline: cgroup_disable=memory",
                "cgroup_enable=memory",
            ],
        ),
        (
            "controllers-missing",
            "find",
            "cpu",
            Errno::ENOENT,
            "cgroup-v2 cpu",
            &[
                "/sys/fs/cgroup does not pass it on",
                "/sys/fs/cgroup/cgroup.controllers: cpuset cpu io pids",
                "/sys/fs/cgroup/cgroup.subtree_control: cpuset io pids",
            ],
        ),
    ];
    explained(&cases);
}
