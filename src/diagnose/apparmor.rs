//! What AppArmor refuses to programs in a profile. apparmor.d(5), security/apparmor in the kernel

use std::path::Path;

use super::privilege::asked;
use super::{Diagnosis, Facts, Symptom};
use crate::recording::Failure;

/// Where the kernel shows the profile; the second is that of whichever security module comes first, before Linux 5.8 the
/// only one.
const CURRENT: [&str; 2] = [
    "/proc/self/attr/apparmor/current",
    "/proc/self/attr/current",
];

/// The profile that this process is in.
struct Confinement<'f> {
    /// The file that shows it.
    path: &'static str,
    profile: &'f str,
    mode: &'f str,
}

/// What a profile refuses.
struct Refusal {
    /// In words.
    what: String,
    /// The rule that allows it; `None` where it is not about rules.
    rule: Option<String>,
    /// What the line has with which it is logged.
    logged: String,
}

pub fn diagnose(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    let Confinement {
        path,
        profile,
        mode,
    } = confinement(facts)?;
    let Refusal { what, rule, logged } = refusal(symptom, facts)?;
    let (why, remedy) = match rule {
        None => (
            ": to it a file of another mount namespace has no path",
            "give the profile flags=(attach_disconnected)".to_owned(),
        ),
        // What no rule allows is only logged then.
        Some(rule) if mode == "complain" => (
            ": its `deny` rules are enforced in that mode too",
            format!("take the `deny` rule for `{rule}` out of the profile"),
        ),
        Some(rule) => (
            "",
            format!(
                "give the profile the rule `{rule},` and no `deny` rule for it, of which nothing is logged"
            ),
        ),
    };
    let of_profile = format!("profile=\"{profile}\"");
    let logged = facts.logged_with(&["apparmor=\"DENIED\"", &logged, &of_profile]);
    Some(Diagnosis::new(
        format!("AppArmor's profile `{profile}`, in {mode} mode, refuses {what}{why}"),
        facts.quote(path).into_iter().chain(logged).collect(),
        format!(
            "run the outer container with --security-opt apparmor=unconfined; where there is none, {remedy}, and load it with apparmor_parser --replace"
        ),
    ))
}

/// The profile, unless it refuses nothing. `name (mode)` is AppArmor's way to show one; that of no other module ends so.
fn confinement(facts: &Facts) -> Option<Confinement<'_>> {
    let shown = |path: &'static str| Some((path, facts.value(path)?));
    let (path, context) = CURRENT.into_iter().find_map(shown)?;
    let (profile, mode) = context.strip_suffix(')')?.rsplit_once(" (")?;
    let refuses = ["enforce", "kill", "mixed", "complain"].contains(&mode);
    refuses.then_some(Confinement {
        path,
        profile,
        mode,
    })
}

/// What was refused; `None` where something else than AppArmor answers so too.
fn refusal(symptom: &Symptom<'_>, facts: &Facts) -> Option<Refusal> {
    match symptom.errno()? {
        "EPERM" => capability(symptom, facts),
        "EACCES" => access(symptom).or_else(|| file(symptom, facts)),
        _ => None,
    }
}

/// Everything else refuses a capability by taking it away. One that is there counts in its user namespace only: where that
/// is not the first one, much asks for another.
fn capability(symptom: &Symptom<'_>, facts: &Facts) -> Option<Refusal> {
    let of = asked(symptom).next()?;
    let is_had = facts.has_capability(of.number) == Some(true);
    (is_had && facts.is_in_initial_user_namespace()).then(|| Refusal {
        what: format!("{}, which `{}` asks for", of.name, symptom.failure.call),
        rule: Some(of.name.replacen("CAP_", "capability ", 1).to_lowercase()),
        logged: "operation=\"capable\"".to_owned(),
    })
}

/// The kernel itself answers EACCES to none of these calls but for a path that cannot be walked, which there is none of
/// here: not to verify's own file either, which was executed before.
fn access(symptom: &Symptom<'_>) -> Option<Refusal> {
    let call = symptom.failure.call.split(' ').next()?;
    let (what, rule, operation) = match call {
        "mount" => (format!("`{call}`"), Some("mount"), "mount"),
        "umount" | "umount2" => (format!("`{call}`"), Some("umount"), "umount"),
        // Of all that these make, only user namespaces are mediated.
        "clone3" | "clone" | "unshare" => (
            format!("a user namespace to `{call}`"),
            Some("userns"),
            "userns_create",
        ),
        "execveat" => (format!("`{call}`"), None, "exec"),
        _ => return None,
    };
    Some(Refusal {
        what,
        rule: rule.map(str::to_owned),
        logged: format!("operation=\"{operation}\""),
    })
}

/// What is left where permissions are overridden, and where there are no devices either, which a mount may refuse.
fn file(symptom: &Symptom<'_>, facts: &Facts) -> Option<Refusal> {
    let Failure { call, object, .. } = symptom.failure;
    let below = |folder: &&str| Path::new(object).starts_with(folder);
    let folder = ["/sys/fs/cgroup", "/sys", "/proc"]
        .into_iter()
        .find(below)?;
    facts.overrides_permissions().then(|| Refusal {
        what: format!("`{call}` below {folder}"),
        rule: Some(format!("{folder}/** rw")),
        logged: format!("name=\"{object}"),
    })
}
