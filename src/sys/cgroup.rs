//! Control groups: the names that cgroups(7) and the kernel's cgroup-v2.rst give.

/// The name that stands for the cgroup v2 hierarchy where a controller of cgroup v1 is expected.
pub const UNIFIED: &str = "unified";

/// The controllers of cgroup v1.
pub const V1_CONTROLLERS: [&str; 14] = [
    "blkio",
    "cpu",
    "cpuacct",
    "cpuset",
    "devices",
    "freezer",
    "hugetlb",
    "memory",
    "misc",
    "net_cls",
    "net_prio",
    "perf_event",
    "pids",
    "rdma",
];

/// Files of every group of cgroup v2 but the root that not every kernel has, `cgroup.kill` since Linux 5.14.
pub const V2_FILES: [&str; 2] = ["cgroup.freeze", "cgroup.kill"];

/// The controllers of cgroup v2.
pub const V2_CONTROLLERS: [&str; 8] = [
    "cpu", "cpuset", "hugetlb", "io", "memory", "misc", "pids", "rdma",
];
