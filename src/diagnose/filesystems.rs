//! File systems that cannot be mounted, and what the layers of an overlay lie on. overlayfs.rst

use super::modules::{Part, missing};
use super::{Diagnosis, Facts, Symptom};

const OVERLAY: Part<'_> = Part {
    what: "overlay",
    module: "overlay",
    option: "CONFIG_OVERLAY_FS",
};

pub fn diagnose(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    let is_overlay = symptom.calls(&["mount"]) && symptom.mentions("overlay");
    match symptom.errno()? {
        "ENODEV" if is_overlay => Some(missing(OVERLAY, facts)),
        "EINVAL" if is_overlay => unfit_upper(symptom, facts),
        "EOPNOTSUPP" if symptom.calls(&["setxattr"]) => Some(no_attributes(symptom, facts)),
        "ENOTEMPTY" if symptom.calls(&["rmdir"]) => no_d_type(symptom, facts),
        "EROFS" if !symptom.failure.object.starts_with('/') => no_work_directory(symptom, facts),
        _ => None,
    }
}

/// The upper file system needs trusted.* or user.* attributes and a d_type in readdir(3), and may not itself be an overlay.
fn unfit_upper(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    if !symptom.line.contains("upperdir=") {
        return None;
    }
    let said = facts.logged("overlayfs: ");
    let says = |words: &str| said.iter().any(|line| line.contains(words));
    let (cause, remedy) = match () {
        () if facts.storage() == Some("overlay") => (
            "the upperdir lies on an overlay, as a container's own root is one: the kernel takes no overlay on overlay",
            "keep upperdir and workdir on ext4, xfs (ftype=1), btrfs or tmpfs: in a container on a volume",
        ),
        () if says("not supported as upperdir") => (
            "the upperdir lies on a file system that overlay takes none on: an overlay, as a container's own root is one, or a network file system",
            "keep upperdir and workdir on ext4, xfs (ftype=1), btrfs or tmpfs: in a container on a volume",
        ),
        () if says("maximum fs stacking depth exceeded") => (
            "the layers lie on overlays already: the kernel puts no third file system on top of two",
            "run fewer containers within containers, or keep the layers of the inner one on a volume",
        ),
        () => (
            "the kernel takes neither an overlay (as a container's own root is one) nor a file system without extended attributes or d_type as upperdir",
            "keep upperdir and workdir on ext4, xfs (ftype=1), btrfs or tmpfs: in a container on a volume; dmesg has the kernel's own words, which begin with `overlayfs:`",
        ),
    };
    let evidence = performed(symptom, facts).chain(said).collect();
    Some(Diagnosis::new(cause, evidence, remedy))
}

/// What failed and where, as evidence.
fn performed(symptom: &Symptom<'_>, facts: &Facts) -> impl Iterator<Item = String> {
    std::iter::once(symptom.failure.to_string()).chain(facts.quote_scratch())
}

/// Not a tmpfs only where the caller has named a directory. It has had attributes of root's for long, those of an ordinary
/// user only lately.
fn no_attributes(symptom: &Symptom<'_>, facts: &Facts) -> Diagnosis {
    let keeps_none = "the file system of the scratch directory keeps no extended attributes, by which overlay marks what a container replaced";
    let is_tmpfs = facts.storage().is_none();
    let configuration = facts.quote_configuration("CONFIG_TMPFS_XATTR");
    let configuration = configuration.filter(|_| is_tmpfs);
    let (cause, remedy) = match () {
        () if !is_tmpfs => (keeps_none, "keep layers on ext4, xfs or btrfs"),
        () if facts.is_left_out("CONFIG_TMPFS_XATTR") => (
            "the kernel was built without extended attributes on tmpfs",
            "run a kernel with CONFIG_TMPFS_XATTR=y",
        ),
        () if symptom.failure.object.starts_with("user.") => (
            "this kernel's tmpfs keeps no extended attributes of ordinary users, by which overlay marks what a container replaced",
            "run verify as root, whose marks are trusted.*, or a kernel whose tmpfs takes user.* (Linux 6.6); storage of rootless containers on ext4, xfs or btrfs is not concerned: --scratch shows it",
        ),
        () => (
            keeps_none,
            "keep layers on ext4, xfs, btrfs or a tmpfs with CONFIG_TMPFS_XATTR=y",
        ),
    };
    let evidence = performed(symptom, facts).chain(configuration);
    Diagnosis::new(cause, evidence.collect(), remedy)
}

/// A whiteout is told from a file by its kind. Without one, what was removed is still listed.
fn no_d_type(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    let mut said = facts.logged("overlayfs: ").into_iter();
    let said = said.find(|line| line.contains("needs to support d_type"))?;
    Some(Diagnosis::new(
        "the upper layer lies on a file system whose directories do not say what kind a file is (d_type): an overlay on it still lists what was removed",
        performed(symptom, facts).chain([said]).collect(),
        "keep upperdir on xfs made with ftype=1 (xfs_info shows it), ext4 with the feature filetype (tune2fs -l), btrfs or tmpfs; xfs has to be made anew for that",
    ))
}

/// What an overlay moves into place is made in its work directory. Without one mount(2) succeeds, and nothing can be written.
fn no_work_directory(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    let mut said = facts.logged("overlayfs: ").into_iter();
    let said = said.find(|line| line.contains("mounting read-only"))?;
    Some(Diagnosis::new(
        "the kernel could not make the directory that the overlay needs in its workdir, and mounted it read-only",
        std::iter::once(symptom.failure.to_string())
            .chain(facts.quote_scratch())
            .chain([said])
            .collect(),
        "errno 28 is no space, or no inode: df and df -i say which of them, make room there; for another errno look at the workdir",
    ))
}
