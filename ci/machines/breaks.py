"""Hosts that are broken in virtual machines, for ci/sabotage: what is broken, and what must come out.

A machine is a cell that is broken as it starts, or one in which `breaks.sh` breaks one thing after the other. Whatever
is performed and nothing is said of must come out as in the cell when nothing is broken.
"""

import dataclasses
import fnmatch
import json
import re

from machines import cells, outcomes

# When everything was broken once and is whole again.
LAST = "nothing"

NO_MODULES = "there are no modules of this kernel"
OTHER_MODULES = "the modules here are those of another kernel"
NO_USERNS = "AppArmor's profile `no-userns`, in enforce mode, refuses a user namespace"
CLONE_OFF = "kernel.unprivileged_userns_clone is 0: only root may make user namespaces"

# What needs a namespace that an ordinary user makes in a user namespace only.
WITH_NAMESPACES = ["cgroup-namespace", "net-namespace*", "pid-namespace*", "user-namespace", "uts-namespace*"]


# What is performed at all on a host whose controllers are in cgroup v2.
EVERYTHING = [*WITH_NAMESPACES, "cgroup-v2-*", "chroot", "device-nodes", "overlayfs*", "subordinate-ids"]


def veth(words):
    """All experiments whose network namespaces are connected fail; each namespace has a loopback of its own anyway."""
    return [("net-namespace-ports", "pass", ""), ("net-namespace*", "fail", words)]


def bridge(words):
    """The one that has a bridge fails; what a veth pair alone connects is connected."""
    return [("net-namespace-bridge", "fail", words)]


# For each broken host the experiments that do not pass there, their outcomes, and words that verify says. The first
# pattern that fits counts.
BREAKS = {
    "no modules of this kernel": [
        ("overlayfs*", "skip", NO_MODULES),
        ("net-namespace-firewall", "skip", NO_MODULES),
        *veth(NO_MODULES),
    ],
    "modules of another kernel": [
        ("overlayfs*", "skip", OTHER_MODULES),
        ("net-namespace-firewall", "skip", OTHER_MODULES),
        *veth(OTHER_MODULES),
    ],
    "overlay is switched off for modprobe": [
        ("overlayfs*", "skip", "/etc/modprobe.d/hardening.conf: install overlay /bin/false"),
    ],
    "without the module veth": veth("are without the module veth"),
    "without the module bridge": bridge("are without the module bridge"),
    "bridge is switched off for modprobe": bridge("/etc/modprobe.d/hardening.conf: install bridge /bin/false"),
    # In a new network namespace net.bridge.bridge-nf-call-iptables is 1, but it has no rules.
    "br_netfilter is loaded": [],
    "cpu, memory and pids are not passed on": [
        ("cgroup-v2-cpu-*", "skip", ": /sys/fs/cgroup does not pass it on"),
        ("cgroup-v2-memory", "skip", ": /sys/fs/cgroup does not pass it on"),
        ("cgroup-v2-pids", "skip", ": /sys/fs/cgroup does not pass it on"),
    ],
    "system.slice does not pass cpu, memory and pids on": [],
    "net.ipv4.icmp_echo_ignore_all is 1": [],
    "net.ipv4.conf.all.arp_ignore is 8": [
        ("net-namespace", "fail", "100% packet loss"),
        ("net-namespace-bridge", "fail", "100% packet loss"),
        ("net-namespace-firewall", "fail", "100% packet loss"),
        ("net-namespace-routes", "fail", "100% packet loss"),
    ],
    "AppArmor: docker-default, as around a container with CAP_SYS_ADMIN": [
        *((name, "broken", "AppArmor's profile `docker-default`, in enforce mode, refuses `mount`") for name in EVERYTHING),
    ],
    "AppArmor: docker-default in complain mode": [
        *((name, "broken", "in complain mode, refuses `mount`: its `deny` rules are enforced") for name in EVERYTHING),
    ],
    "AppArmor: a profile without rules in complain mode": [],
    "AppArmor: the same without attach_disconnected": [
        *((name, "broken", "refuses `execveat`: to it a file of another mount namespace has no path") for name in EVERYTHING),
    ],
    "AppArmor: a profile without CAP_SYS_ADMIN": [
        # To make a user namespace asks for none, and to make the others with it asks for this one.
        ("user-namespace", "broken", "`no-admin`, in enforce mode, refuses CAP_SYS_ADMIN"),
        ("cgroup-v2-namespace", "skip", "`no-admin`, in enforce mode, refuses CAP_SYS_ADMIN"),
        *((name, "skip", "`no-admin`, in enforce mode, refuses CAP_SYS_ADMIN") for name in WITH_NAMESPACES),
        *((name, "broken", "`no-admin`, in enforce mode, refuses CAP_SYS_ADMIN") for name in EVERYTHING),
    ],
    "AppArmor: a profile that denies cgroups": [
        ("cgroup-v2-*", "skip", "`no-groups`, in enforce mode, refuses `mkdir` below /sys/fs/cgroup"),
    ],
    LAST: [],
    # These are broken as they start.
    "cgroup_disable=memory": [("cgroup-v2-memory", "skip", "switched off on the kernel's command line")],
    "kernel.unprivileged_userns_clone is 0, an ordinary user": [
        *((name, "skip", CLONE_OFF) for name in WITH_NAMESPACES),
        *((name, "broken", CLONE_OFF) for name in ["chroot", "device-nodes", "overlayfs*"]),
    ],
    "AppArmor: a profile without userns, an ordinary user": [
        *((name, "skip", NO_USERNS) for name in WITH_NAMESPACES),
        *((name, "broken", NO_USERNS) for name in ["chroot", "device-nodes", "overlayfs*"]),
    ],
    "an ordinary user without delegated cgroups, on a tmpfs without user attributes": [
        ("overlayfs-removal", "skip", "tmpfs"),
        ("cgroup-v2-*", "skip", "is not delegated to this user"),
    ],
}


@dataclasses.dataclass(frozen=True)
class Machine:
    """A machine, and what is broken in it as it starts; `None` where `breaks.sh` does it."""

    cell: cells.Cell
    broken: str | None = None


def machine(name, *arguments, broken=None):
    cell = cells.cell(name)
    return Machine(dataclasses.replace(cell, name="-".join([name, *arguments]), arguments=arguments), broken)


MACHINES = [
    machine("6.12-v2-root-autoload", "BREAKS=yes"),
    machine("6.12-v2-root", "cgroup_disable=memory", broken="cgroup_disable=memory"),
    machine(
        "6.1-v2-user",
        "sysctl.kernel.unprivileged_userns_clone=0",
        broken="kernel.unprivileged_userns_clone is 0, an ordinary user",
    ),
    machine("newest-v2-user", "APPARMOR=no-userns", broken="AppArmor: a profile without userns, an ordinary user"),
    machine("6.1-v2-user", broken="an ordinary user without delegated cgroups, on a tmpfs without user attributes"),
]


def expected(broken, experiment):
    """The pattern that fits an experiment, its outcome and the words; None where nothing is said of it."""
    fitting = (row for row in BREAKS[broken] if fnmatch.fnmatch(experiment, row[0]))
    return next(fitting, None)


def said(experiment):
    """All that verify says of an experiment that did not pass."""
    reason = experiment["reason"] or {"text": "", "cause": None, "evidence": [], "remedy": None}
    words = [reason["text"], reason["cause"] or "", *reason["evidence"], reason["remedy"] or ""]
    return "\n".join([*words, experiment["transcript"]])


def judged(machine, broken, results):
    """What a run has shown, as tests/sabotage says it too, and what did not come out as it must, in words."""
    found = outcomes.experiments(results)
    shown, wrong = [], outcomes.strange(machine.cell, results)
    for experiment in results["experiments"]:
        name = experiment["id"]
        row = expected(broken, name)
        if not (fits(row, experiment) if row else not outcomes.red(outcomes.mark(machine.cell, name, found))):
            wrong.append(f"{name}: {experiment['outcome']} instead of {row or 'what it is there anyway'}:\n{said(experiment)}")
        # What is skipped there anyway was not skipped for this.
        elif row or experiment["outcome"] == "pass":
            shown.append(line(broken, experiment, row))
    return shown, [f"{broken}: {words}" for words in wrong]


def fits(row, experiment):
    _, outcome, words = row
    return experiment["outcome"] == outcome and words in said(experiment)


def line(broken, experiment, row):
    pattern, outcome, words = row or (experiment["id"], "pass", "")
    unmet = outcome == "skip" and re.match("needs (.+?): ", experiment["reason"]["text"])
    need = unmet[1] if unmet else None
    return dict(broken=broken, experiment=experiment["id"], pattern=pattern, outcome=outcome, need=need, named=words)


def documents(text):
    """The JSON documents of a text, one after the other. What is cut off at the end is none."""
    decoder, at = json.JSONDecoder(), 0
    while at < len(text):
        try:
            document, at = decoder.raw_decode(text, at)
        except ValueError:
            return
        yield document
        at += len(text[at:]) - len(text[at:].lstrip())


def outcome(machine, text):
    """What a machine has shown, and what is wrong, from what it wrote."""
    shown, wrong, ended = [], [], False
    for document in documents(text):
        if machine.broken:
            document = dict(broken=machine.broken, results=document)
        if "results" in document:
            lines, words = judged(machine, document["broken"], document["results"])
            shown, wrong = shown + lines, wrong + words
            ended = document["broken"] in (machine.broken, LAST)
        elif document.get("suite"):
            wrong.append("tests/sabotage failed: see its report")
        elif "broken" in document:
            shown.append(dict(document, broken=document["broken"] + ", in cgroup v2"))
    wrong += [] if ended else ["it did not come to its end"]
    return shown, [f"{machine.cell.name}: {words}" for words in wrong]
