//! File systems that cannot be mounted, and modules that are not there.

use super::{Diagnosis, Facts, Symptom};

pub fn diagnose(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    if !symptom.calls(&["mount"]) || !symptom.mentions("overlay") {
        return None;
    }
    match symptom.errno()? {
        "ENODEV" => missing("overlay", "overlay", "CONFIG_OVERLAY_FS", facts),
        "EINVAL" => unfit_upper(symptom),
        _ => None,
    }
}

/// Why the kernel does not have something that is often a module.
pub fn missing(what: &str, module: &str, option: &str, facts: &Facts) -> Option<Diagnosis> {
    let release = facts.release();
    let configured = facts.quote_configuration(option);
    if facts.is_left_out(option) {
        return Some(Diagnosis::new(
            format!("the kernel was built without {what}"),
            configured.into_iter().collect(),
            format!("run a kernel with {option}=y or =m"),
        ));
    }
    let filesystem = facts.has_filesystem(module) == Some(false);
    let mut evidence: Vec<_> = configured.into_iter().collect();
    evidence.extend(filesystem.then(|| format!("/proc/filesystems: no line with {module}")));
    evidence.push(match facts.modules.is_empty() {
        true => "/lib/modules: not there, or empty".to_owned(),
        false => format!("/lib/modules: {}", facts.modules.join(" ")),
    });
    if facts.modules.iter().any(|name| name == release) {
        return Some(Diagnosis::new(
            format!("{what} is not in the kernel now; its module was not loaded"),
            evidence,
            format!(
                "modprobe {module}, which says why it cannot be loaded; /etc/modules-load.d to load it at boot"
            ),
        ));
    }
    evidence.push(format!("/proc/sys/kernel/osrelease: {release}"));
    let cause = match facts.modules.is_empty() {
        true => format!(
            "{what} is not in the kernel, and there are no modules of this kernel ({release}) to load it from"
        ),
        false => format!(
            "{what} is not in the kernel, and the modules here are those of another kernel, not of {release}"
        ),
    };
    let remedy = format!(
        "boot the kernel that was installed last, or install the modules of {release}; in a container: modprobe {module} on the host"
    );
    Some(Diagnosis::new(cause, evidence, remedy))
}

/// overlayfs.rst: the upper file system needs trusted.* or user.* attributes and a d_type in readdir(3), and may not
/// itself be an overlay.
fn unfit_upper(symptom: &Symptom<'_>) -> Option<Diagnosis> {
    symptom.line.contains("upperdir=").then(|| {
        Diagnosis::new(
            "the kernel takes neither an overlay (as a container's own root is one) nor a file system without extended attributes or d_type as upperdir",
            vec![symptom.failure.to_string()],
            "keep upperdir and workdir on ext4, xfs (ftype=1), btrfs or tmpfs: in a container on a volume; dmesg has the kernel's own words, which begin with `overlayfs:`",
        )
    })
}
