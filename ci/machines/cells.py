"""The cells of the matrix: which machine each is, and what may be skipped on it.

A cell's name is what it is: KERNEL-LAYOUT-WHO and any variations, such as `6.12-v2-root-2cpu-autoload`.
"""

import dataclasses
import fnmatch
import itertools
import re

NEWEST = "newest"
KERNELS = ["5.10", "6.1", "6.12", NEWEST]

# `v2` is as under systemd: every controller is passed down, verify is in a group of a service or a session. With `v2bare`
# it is in the root of the hierarchy, and nothing is passed down.
LAYOUTS = ["v1", "hybrid", "v2", "v2bare"]

# An ordinary user with nothing else; with subordinate ids and newuidmap; with a cgroup of its own as well, below others that
# are its own; with one below root's, in which verify is alone, so that it has to leave it for the groups of experiments.
WHO = ["root", "user", "subids", "delegated", "alone"]

# The last ones are what must not matter.
VARIATIONS = {
    "2cpu": dict(cpus=2),
    "autoload": dict(modules="autoload"),
    "256M": dict(memory=256),
    "noipv6": dict(arguments=("ipv6.disable=1",)),
    "noautogroup": dict(arguments=("noautogroup",)),
    "busy": dict(arguments=("BUSY=yes",)),
    "clock": dict(arguments=("CLOCK=1970-01-02",)),
    "links": dict(arguments=("LINKS=yes",)),
    "noexec": dict(arguments=("NOEXEC=yes",)),
}

DEFAULT = """
    5.10-v1-root 5.10-hybrid-root-autoload 5.10-v2-root-links 5.10-v2-user 5.10-v2-delegated-256M
    6.1-v1-root-2cpu 6.1-hybrid-root-busy 6.1-v2-root-autoload 6.1-v2-subids-noexec 6.1-v2-delegated 6.1-v2-alone
    6.12-hybrid-root-256M 6.12-v2-root-noipv6 6.12-v2bare-root-2cpu 6.12-v2-user-links 6.12-v2-delegated-2cpu
    newest-v1-root-noautogroup newest-v2-root-autoload newest-v2-root-2cpu newest-v2-subids-clock newest-v2-delegated
""".split()


@dataclasses.dataclass(frozen=True)
class Cell:
    """One machine. Memory in MiB."""

    name: str
    kernel: str
    layout: str
    who: str
    variations: tuple = ()
    cpus: int = 1
    memory: int = 512
    modules: str = "preload"
    arguments: tuple = ()


def cell(name):
    """The cell with this name. Fails with what is wrong in it."""
    kernel, layout, who, *variations = (name.split("-") + ["", ""])[: max(3, name.count("-") + 1)]
    for word, words in [(kernel, KERNELS), (layout, LAYOUTS), (who, WHO), *((word, VARIATIONS) for word in variations)]:
        if word not in words:
            raise ValueError(f"`{word}` in `{name}` is none of {', '.join(words)}")
    more = {key: value for word in variations for key, value in VARIATIONS[word].items()}
    more["arguments"] = sum((VARIATIONS[word].get("arguments", ()) for word in variations), ())
    return Cell(name, kernel, layout, who, tuple(variations), **more)


def every():
    """The names of the full product."""
    suffixes = ["", "-2cpu", "-autoload", "-2cpu-autoload"]
    return ["-".join(words) + suffix for words in itertools.product(KERNELS, LAYOUTS, WHO) for suffix in suffixes]


def disturbed(cell):
    """An answer may not come in time there: the machine lives by the clock of a host that may be busy (see qemu.clock)."""
    return cell.cpus > 1


def v1(cell):
    return cell.layout in ("v1", "hybrid")


def rootless(cell):
    return cell.who != "root"


def groups_of_others(cell):
    """An ordinary user's session is in a group of root's, unless one was delegated."""
    return rootless(cell) and not (cell.who in ("delegated", "alone") and cell.layout == "v2")


def without_v1_memory(cell):
    """Debian builds these kernels without the memory controller of cgroup v1: in a hybrid layout version 2 has it."""
    return cell.kernel in ("6.12", NEWEST)


NOT_PASSED_ON = r"no group above /sys/fs/cgroup/\S* passes on \w+"

# What is skipped: the experiments, the cells, and the reason that verify gives.
SKIPS = [
    ("cgroup-v1-*", lambda cell: not v1(cell), r"no \w+ controller in cgroup v1 \(layout: v2\)"),
    ("cgroup-v1-*", lambda cell: v1(cell) and rootless(cell), r"mkdir /sys/fs/cgroup/.*: EACCES"),
    ("cgroup-v1-memory", lambda cell: v1(cell) and without_v1_memory(cell), r"no memory controller in cgroup v1"),
    ("cgroup-v2-*", lambda cell: cell.layout == "v1", r"cgroup v2 is not mounted \(layout: v1\)"),
    # In a hybrid layout every controller is in a hierarchy of cgroup v1.
    ("cgroup-v2-[cmp]*", lambda cell: cell.layout == "hybrid", r"no \w+ controller in cgroup v2 \(layout: hybrid\)"),
    ("cgroup-v2-memory", lambda cell: cell.layout == "hybrid" and without_v1_memory(cell), NOT_PASSED_ON),
    ("cgroup-v2-[cmp]*", lambda cell: cell.layout == "v2bare", NOT_PASSED_ON),
    ("cgroup-v2-*", lambda cell: cell.layout != "v1" and groups_of_others(cell), r"mkdir /sys/fs/cgroup/.*: EACCES"),
    # cgroup.kill is there from Linux 5.14 on.
    ("cgroup-v2-kill", lambda cell: cell.kernel == "5.10", r"open cgroup.kill: ENOENT"),
    ("net-namespace-ipv6", lambda cell: "noipv6" in cell.variations, r"needs ipv6"),
    # tmpfs has extended attributes of users from Linux 6.6 on.
    ("overlayfs-removal", lambda cell: cell.kernel in ("5.10", "6.1") and rootless(cell), r"setxattr user\.\S+: EOPNOTSUPP"),
    # A user namespace may mount overlay from Linux 5.11 on.
    ("overlayfs*", lambda cell: cell.kernel == "5.10" and rootless(cell), r"mount overlay: EPERM"),
    ("device-nodes", rootless, r"CAP_MKNOD of the initial user namespace is missing"),
    ("subordinate-ids", lambda cell: cell.who == "user", r"/etc/subuid and /etc/subgid give this user no ids"),
]


def skips(cell, experiment):
    """The reasons to skip the experiment in the cell, as one regular expression; None where it must pass."""
    reasons = [reason for glob, where, reason in SKIPS if fnmatch.fnmatch(experiment, glob) and where(cell)]
    return re.compile("|".join(reasons)) if reasons else None
