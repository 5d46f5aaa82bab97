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

# An ordinary user with nothing else; with subordinate ids and newuidmap; with a cgroup of its own as well.
WHO = ["root", "user", "subids", "delegated"]

VARIATIONS = {
    "2cpu": dict(cpus=2),
    "autoload": dict(modules="autoload"),
    "256M": dict(memory=256),
}

DEFAULT = """
    5.10-v1-root 5.10-hybrid-root-2cpu-autoload 5.10-v2-root 5.10-v2-user 5.10-v2-delegated
    6.1-v1-root-2cpu 6.1-hybrid-root 6.1-v2-root-autoload 6.1-v2-subids 6.1-v2-delegated
    6.12-hybrid-root 6.12-v2-root 6.12-v2bare-root-2cpu 6.12-v2-user 6.12-v2-delegated-2cpu
    newest-v1-root newest-v2-root-autoload newest-v2-root-2cpu newest-v2-subids newest-v2-delegated
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
    return Cell(name, kernel, layout, who, tuple(variations), **more)


def every():
    """The names of the full product."""
    suffixes = ["", "-2cpu", "-autoload", "-2cpu-autoload"]
    return ["-".join(words) + suffix for words in itertools.product(KERNELS, LAYOUTS, WHO) for suffix in suffixes]


def without_v1(kernel):
    """Debian builds these without the memory and cpuset controllers of cgroup v1."""
    return kernel not in ("5.10", "6.1")


# What is skipped: the experiments, the cells, and the reason that verify gives.
SKIPS = [
    ("cgroup-v1-*", lambda cell: cell.layout.startswith("v2"), r"no \w+ controller in cgroup v1 \(layout: v2\)"),
    ("cgroup-v1-memory", lambda cell: not cell.layout.startswith("v2") and without_v1(cell.kernel), r"no memory controller in cgroup v1"),
    ("cgroup-v1-*", lambda cell: not cell.layout.startswith("v2") and cell.who != "root", r"mkdir /sys/fs/cgroup/.*: EACCES"),
    # A user namespace may mount overlay from Linux 5.11 on.
    ("overlayfs*", lambda cell: cell.kernel == "5.10" and cell.who != "root", r"mount overlay: EPERM"),
]


def skips(cell, experiment):
    """The reasons for which the experiment may be skipped in the cell, as one regular expression; None where it must pass."""
    reasons = [reason for glob, where, reason in SKIPS if fnmatch.fnmatch(experiment, glob) and where(cell)]
    return re.compile("|".join(reasons)) if reasons else None
