//! Namespaces that cannot be made: limits, and restrictions of user namespaces. namespaces(7), user_namespaces(7)

use super::{Diagnosis, Facts, Symptom};

/// The kinds by their sysctls `user.max_KIND_namespaces`, with the word that a failure names them by and their options.
const KINDS: [(&str, &str, &str); 8] = [
    ("mnt", "mount", "CONFIG_NAMESPACES"),
    ("uts", "uts", "CONFIG_UTS_NS"),
    ("ipc", "ipc", "CONFIG_IPC_NS"),
    ("pid", "pid", "CONFIG_PID_NS"),
    ("net", "network", "CONFIG_NET_NS"),
    ("user", "user", "CONFIG_USER_NS"),
    ("cgroup", "cgroup", "CONFIG_CGROUPS"),
    ("time", "time", "CONFIG_TIME_NS"),
];

pub fn diagnose(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    if ["device-nodes", "subordinate-ids"].contains(&symptom.line)
        && symptom.is(&["EPERM", "EINVAL"])
    {
        return within(symptom, facts);
    }
    let makes = symptom.calls(&["clone3", "clone", "unshare"]);
    match symptom.errno()? {
        "ENOSPC" if makes => limit(facts),
        "EUSERS" if makes => Some(too_deep()),
        "EINVAL" if makes => left_out(symptom, facts),
        // In a user namespace that AppArmor restricts, the first call that asks for a capability is the one that fails.
        "EPERM" | "EACCES" => restricted(facts),
        _ => None,
    }
}

/// clone(2): ENOSPC is a limit on the number of namespaces, of this user namespace or one above it.
fn limit(facts: &Facts) -> Option<Diagnosis> {
    let path = |kind: &str| format!("/proc/sys/user/max_{kind}_namespaces");
    let zero = KINDS
        .iter()
        .filter(|(kind, ..)| facts.value(&path(kind)) == Some("0"));
    let zero: Vec<_> = zero.map(|(kind, ..)| *kind).collect();
    let sysctls: Vec<_> = zero
        .iter()
        .map(|kind| format!("user.max_{kind}_namespaces"))
        .collect();
    if zero.is_empty() {
        return None;
    }
    let verb = if zero.len() == 1 { "is" } else { "are" };
    Some(Diagnosis::new(
        format!(
            "{} {verb} 0, so that no such namespace can be made; ENOSPC is no full disk here",
            sysctls.join(" and ")
        ),
        zero.iter()
            .filter_map(|kind| facts.quote(&path(kind)))
            .collect(),
        format!(
            "sysctl -w {}=15000, and look in /etc/sysctl.d for who sets it to 0",
            sysctls.join("=15000 ")
        ),
    ))
}

/// Device nodes are made in the initial user namespace only, and ids must be mapped to be taken. user_namespaces(7)
fn within(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    let map = facts.value("/proc/self/uid_map")?;
    let is_given_one = facts.has_capability(21) == Some(false);
    if facts.is_in_initial_user_namespace() && !is_given_one {
        return None;
    }
    let need = symptom.line.replace('-', " ");
    let map = map.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut evidence = vec![format!("/proc/self/uid_map: {map}")];
    evidence.extend(
        is_given_one
            .then(|| facts.quote_status(&["Uid", "CapEff"]))
            .into_iter()
            .flatten(),
    );
    Some(Diagnosis::new(
        format!(
            "the experiment is performed in a user namespace, which does not give {need} to its root"
        ),
        evidence,
        "run verify as root of the host, with CAP_SYS_ADMIN and CAP_MKNOD",
    ))
}

fn too_deep() -> Diagnosis {
    let cause = "namespaces are nested too deeply: 32 levels are the most that the kernel takes";
    Diagnosis::new(
        cause,
        Vec::new(),
        "run verify in fewer containers within containers",
    )
}

fn left_out(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    let named =
        |(_, name, _): &&(&str, &str, &str)| symptom.mentions(name) || symptom.line.is_empty();
    let (_, name, option) = KINDS
        .iter()
        .filter(named)
        .find(|(.., option)| facts.is_left_out(option))?;
    Some(Diagnosis::new(
        format!("the kernel was built without {name} namespaces"),
        facts.quote_configuration(option).into_iter().collect(),
        format!("run a kernel with {option}=y"),
    ))
}

/// Who is not privileged must make a user namespace first, and several switches keep that from the ordinary user.
fn restricted(facts: &Facts) -> Option<Diagnosis> {
    if facts.has_capability(21) != Some(false) {
        return None;
    }
    let is = |path: &str, value: &str| facts.value(path) == Some(value);
    let clone = "/proc/sys/kernel/unprivileged_userns_clone";
    if is(clone, "0") {
        return Some(Diagnosis::new(
            "kernel.unprivileged_userns_clone is 0: only root may make user namespaces",
            facts.quote(clone).into_iter().collect(),
            "sysctl -w kernel.unprivileged_userns_clone=1 (and in /etc/sysctl.d to keep it), or run verify as root",
        ));
    }
    let restrict = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
    if !is(restrict, "1") {
        return None;
    }
    let evidence = [
        restrict,
        "/sys/kernel/security/lsm",
        "/proc/self/attr/current",
    ];
    Some(Diagnosis::new(
        "AppArmor lets only programs whose profile has `userns` use user namespaces: one can be made, but gives no capability",
        evidence
            .iter()
            .filter_map(|path| facts.quote(path))
            .collect(),
        "give verify (and the container runtime) an AppArmor profile with `userns,`, or sysctl -w kernel.apparmor_restrict_unprivileged_userns=0, or run verify as root",
    ))
}
