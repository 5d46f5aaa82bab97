//! File systems of the host that experiments are performed on.

use super::*;
use crate::host::ScratchPlace;

#[test]
fn what_experiments_are_performed_on_is_named() {
    let cases = [
        (
            "overlay",
            "mount",
            "d",
            Errno::EINVAL,
            OVERLAY,
            "takes no overlay on overlay",
        ),
        (
            "ramfs",
            "mount",
            "d",
            Errno::EINVAL,
            OVERLAY,
            "neither an overlay",
        ),
        (
            "ramfs",
            "setxattr",
            "user.overlay.opaque",
            Errno::EOPNOTSUPP,
            "xattr",
            "of the scratch directory keeps no",
        ),
    ];
    for (kind, call, object, errno, line, words) in cases {
        let failure = Failure::errno(call, object, errno);
        let symptom = Symptom {
            failure: &failure,
            line,
        };
        let place = ScratchPlace {
            path: "/storage".to_owned(),
            file_system: kind.to_owned(),
        };
        let facts = facts("hybrid").performed_in(Some(&place));
        let said = said(&diagnose(&symptom, &facts));
        let place = format!("the scratch directory: {kind} at /storage");
        assert!(said.contains(words) && said.contains(&place), "{said}");
    }
}
