//! Named network namespaces on the real kernel.

use std::os::unix::fs::MetadataExt;

use super::*;
use crate::sys::test_namespaces::{drop_capability, in_own_namespaces};

const CAP_SYS_ADMIN: u32 = 21;

/// The namespace behind a path or a descriptor, as its inode number.
fn inode(netns: OwnedFd) -> u64 {
    File::from(netns).metadata().unwrap().ino()
}

#[test]
fn a_name_is_added_listed_entered_and_deleted() {
    in_own_namespaces(|| {
        let dir = Path::new("/run");
        let home = inode(current().unwrap());
        assert_eq!(list(dir).unwrap(), [""; 0]);
        for name in ["guestnet", "another", "third"] {
            add(dir, name).unwrap();
        }
        assert_eq!(inode(current().unwrap()), home, "the thread is back");
        assert_eq!(list(dir).unwrap(), ["another", "guestnet", "third"]);
        let guestnet = open(dir, "guestnet").unwrap();
        let old = current().unwrap();
        enter(&guestnet).unwrap();
        let there = inode(current().unwrap());
        assert_ne!(there, home);
        enter(&old).unwrap();
        for name in ["guestnet", "another", "third"] {
            delete(dir, name).unwrap();
        }
        assert_eq!(list(dir).unwrap(), [""; 0]);
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
        assert!(!mounts.contains("nsfs /run"), "{mounts}");
        assert_eq!(there, inode(guestnet), "it is held open meanwhile");
    });
}

#[test]
fn a_link_is_deleted_and_not_where_it_leads_to() {
    in_own_namespaces(|| {
        let dir = Path::new("/run");
        add(dir, "guestnet").unwrap();
        std::os::unix::fs::symlink("guestnet", dir.join("link")).unwrap();
        delete(dir, "link").unwrap();
        assert_eq!(list(dir).unwrap(), ["guestnet"]);
        assert!(open(dir, "guestnet").is_ok());
    });
}

#[test]
fn a_taken_name_is_eexist_and_stays() {
    in_own_namespaces(|| {
        let dir = Path::new("/run");
        add(dir, "guestnet").unwrap();
        let before = inode(open(dir, "guestnet").unwrap());
        let error = add(dir, "guestnet").unwrap_err();
        assert_eq!((error.call, error.errno), ("open", Errno::EEXIST));
        assert_eq!(error.object, "/run/guestnet");
        assert_eq!(inode(open(dir, "guestnet").unwrap()), before);
    });
}

#[test]
fn a_failed_add_leaves_no_name_and_the_thread_at_home() {
    in_own_namespaces(|| {
        let home = inode(current().unwrap());
        drop_capability(CAP_SYS_ADMIN);
        let error = add(Path::new("/run"), "guestnet").unwrap_err();
        assert_eq!((error.call, error.errno), ("unshare", Errno::EPERM));
        assert_eq!(list(Path::new("/run")).unwrap(), [""; 0]);
        assert_eq!(inode(current().unwrap()), home);
    });
}

#[test]
fn a_name_is_one_component_of_a_path() {
    for name in ["", ".", "..", "a/b", "/etc/passwd", "a\0b"] {
        let dir = Path::new("/nowhere");
        for error in [
            add(dir, name).unwrap_err(),
            open(dir, name).unwrap_err(),
            delete(dir, name).unwrap_err(),
        ] {
            assert_eq!(error.errno, Errno::EINVAL, "{name:?}");
        }
    }
}

#[test]
fn what_is_not_there_is_enoent_and_an_empty_list() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(
        open(dir.path(), "guestnet").unwrap_err().errno,
        Errno::ENOENT
    );
    assert_eq!(list(&dir.path().join("none")).unwrap(), [""; 0]);
    fs::write(dir.path().join("file"), "").unwrap();
    let error = open(dir.path(), "file").unwrap_err();
    assert_eq!((error.call, error.errno), ("open", Errno::EINVAL));
}

#[test]
fn a_directory_that_is_not_there_has_no_names_and_a_file_is_none() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(list(&folder.path().join("netns")).unwrap(), [""; 0]);
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    assert_eq!(list(&file).unwrap_err().errno, Errno::ENOTDIR);
}
