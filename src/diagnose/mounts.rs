//! Mounts that stand in the way: what covers a part of /proc.

use std::path::Path;

use super::facts::quote_mount;
use super::{Diagnosis, Facts, Symptom};

pub fn diagnose(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    let mounts_proc = symptom.calls(&["mount"]) && symptom.failure.object.starts_with("/proc");
    if mounts_proc && symptom.is(&["EPERM"]) {
        return masked_proc(facts);
    }
    None
}

/// mount_too_revealing() in fs/namespace.c: in a user namespace proc may be mounted only where nothing of the one that
/// is there is hidden, or the new one would show it.
fn masked_proc(facts: &Facts) -> Option<Diagnosis> {
    let is_below = |point: &Path| point.starts_with("/proc") && point != Path::new("/proc");
    let masks: Vec<_> = facts
        .mounts
        .iter()
        .filter(|mount| {
            is_below(&mount.mount_point)
                && mount.fs_type != "binfmt_misc"
                && mount.fs_type != "autofs"
        })
        .collect();
    let (shown, more) = masks.split_at(masks.len().min(3));
    if shown.is_empty() {
        return None;
    }
    let mut evidence: Vec<_> = shown.iter().map(|mount| quote_mount(mount)).collect();
    evidence.extend((!more.is_empty()).then(|| format!("and {} more below /proc", more.len())));
    Some(Diagnosis::new(
        "parts of /proc are covered by other mounts, as in a container: in a user namespace the kernel then refuses a new proc, which would show what is covered",
        evidence,
        "run the outer container with its /proc unmasked (podman --security-opt unmask=/proc/*, docker --security-opt systempaths=unconfined, procMount: Unmasked in Kubernetes)",
    ))
}
