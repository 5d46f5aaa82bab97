//! What the caller may not do: capabilities, system call filters, SELinux. capabilities(7), seccomp(2)

use std::path::Path;

use super::{Diagnosis, Facts, Symptom};

/// A capability, its number in capabilities(7), and the calls that ask for it.
pub(super) struct Capability {
    pub name: &'static str,
    pub number: u32,
    calls: &'static [&'static str],
}

/// The calls are named as failures name them, with netlink's messages by their types.
const CAPABILITIES: [Capability; 11] = [
    capability(
        "CAP_SYS_ADMIN",
        21,
        &[
            "clone3",
            "clone",
            "unshare",
            "setns",
            "mount",
            "umount",
            "umount2",
            "pivot_root",
            "sethostname",
            "setdomainname",
        ],
    ),
    capability("CAP_SYS_CHROOT", 18, &["chroot"]),
    capability(
        "CAP_NET_ADMIN",
        12,
        &[
            "RTM_NEWLINK",
            "RTM_SETLINK",
            "RTM_DELLINK",
            "RTM_NEWADDR",
            "RTM_NEWROUTE",
            "NFNL_MSG_BATCH_BEGIN",
            "NFT_MSG_NEWTABLE",
            "NFT_MSG_NEWCHAIN",
        ],
    ),
    capability("CAP_NET_RAW", 13, &["socket"]),
    capability("CAP_NET_BIND_SERVICE", 10, &["bind"]),
    capability("CAP_MKNOD", 27, &["mknod", "mknodat"]),
    capability("CAP_SETFCAP", 31, &["write"]),
    capability("CAP_SETUID", 7, &["setuid", "setresuid", "setgroups"]),
    capability("CAP_SYS_RESOURCE", 24, &["setrlimit", "prlimit", "write"]),
    capability(
        "CAP_SYS_NICE",
        23,
        &["sched_setaffinity", "sched_setscheduler", "setpriority"],
    ),
    capability("CAP_DAC_OVERRIDE", 1, &["open", "mkdir", "mount"]),
];

/// Ids that were not given, or that nothing gives out: subuid(5), newuidmap(1).
fn no_subordinate_ids(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    if symptom.line != "subordinate-ids" || facts.is_root() {
        return None;
    }
    let without = |file: &str| {
        format!(
            "{file}: {}",
            facts
                .read(Path::new(file))
                .map_or("not there", |_| "no line for this user")
        )
    };
    Some(match symptom.calls(&["find"]) {
        true => Diagnosis::new(
            "no subordinate ids were given to this user, so its user namespaces have one user only",
            ["/etc/subuid", "/etc/subgid"].map(without).to_vec(),
            "as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 USER",
        ),
        false => Diagnosis::new(
            "newuidmap and newgidmap, which give a user its subordinate ids, are not there or refuse",
            vec![symptom.failure.to_string()],
            "install them, set-user-ID root (package uidmap or shadow-utils)",
        ),
    })
}

const fn capability(name: &'static str, number: u32, calls: &'static [&'static str]) -> Capability {
    Capability {
        name,
        number,
        calls,
    }
}

pub fn diagnose(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    if let Some(diagnosis) = no_subordinate_ids(symptom, facts) {
        return Some(diagnosis);
    }
    match symptom.errno()? {
        "EPERM" | "EACCES" => missing(symptom, facts)
            .or_else(|| filtered(symptom, facts))
            .or_else(|| labelled(facts)),
        "ENOSYS" => filtered(symptom, facts),
        _ => None,
    }
}

impl Capability {
    fn explains(&self, symptom: &Symptom<'_>) -> bool {
        let asks = symptom.calls(self.calls);
        match self.name {
            // Everything else that opens and writes files asks for no capability.
            "CAP_SETFCAP" => asks && symptom.writes_map(),
            "CAP_SYS_RESOURCE" => {
                asks && (!symptom.calls(&["write"]) || symptom.mentions("oom_score_adj"))
            }
            // A mount that is refused with EACCES is refused by a security module, before capabilities are asked for.
            "CAP_SYS_ADMIN" => asks && symptom.is(&["EPERM"]),
            "CAP_DAC_OVERRIDE" => asks && symptom.is(&["EACCES"]),
            "CAP_NET_RAW" => asks && symptom.mentions("SOCK_RAW"),
            _ => asks,
        }
    }
}

/// The capabilities that the call which failed asks for.
pub(super) fn asked<'s>(
    symptom: &'s Symptom<'_>,
) -> impl Iterator<Item = &'static Capability> + 's {
    CAPABILITIES
        .iter()
        .filter(|capability| capability.explains(symptom))
}

fn missing(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    // An ordinary user's experiments have every capability in their user namespace.
    if !facts.is_root() {
        return None;
    }
    let lacks = |capability: &&Capability| facts.has_capability(capability.number) == Some(false);
    let found = asked(symptom).find(lacks)?;
    let name = found.name;
    let short = name.trim_start_matches("CAP_");
    Some(Diagnosis::new(
        format!(
            "verify runs as root without {name}, which `{}` asks for",
            symptom.failure.call
        ),
        facts.quote_status(&["Uid", "CapEff", "CapBnd", "NoNewPrivs", "Seccomp"]),
        format!(
            "give it {name}: docker or podman run --cap-add {short}, CapabilityBoundingSet= and AmbientCapabilities= in a systemd unit, or root on the host"
        ),
    ))
}

/// A filter cannot be read. That there is one, and that nothing else explains the answer, is what can be said.
fn filtered(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    // Filters look at numbers of calls: writing, say, is refused by what is written to.
    if !facts.is_filtered() || symptom.calls(&["write"]) || symptom.is(&["EACCES"]) {
        return None;
    }
    let call = &symptom.failure.call;
    let why = match symptom.is(&["ENOSYS"]) {
        true => "which the kernel itself answers only for calls that it does not have",
        false => "for which no capability is missing",
    };
    Some(Diagnosis::new(
        format!(
            "a seccomp filter, as an outer container or a systemd unit installs it, refuses `{call}`, {why}"
        ),
        facts.quote_status(&["Seccomp", "Seccomp_filters", "CapEff"]),
        "run the outer container with --security-opt seccomp=unconfined or a profile that allows the call; in a systemd unit look at SystemCallFilter= and RestrictNamespaces=",
    ))
}

/// SELinux's context of a container, which is enforced.
fn labelled(facts: &Facts) -> Option<Diagnosis> {
    let path = "/proc/self/attr/current";
    let context = facts.value(path)?;
    let enforce = "/sys/fs/selinux/enforce";
    if !context.contains(":container_t:") || facts.value(enforce) != Some("1") {
        return None;
    }
    Some(Diagnosis::new(
        format!("SELinux confines this process: `{context}`"),
        [path, enforce]
            .iter()
            .filter_map(|path| facts.quote(path))
            .collect(),
        "run the outer container with --security-opt label=disable; ausearch -m AVC says what was denied",
    ))
}
