use std::fs::File;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{Uid, mkfifo, setfsuid};

use super::*;

fn snapshot(contents: &str) -> Snapshot {
    Snapshot::new("specs/x.yaml", "", contents)
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

/// As a user who is not root: the kernel keeps this identity for each thread alone.
fn as_nobody<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let unprivileged = move || {
        setfsuid(Uid::from_raw(65534));
        work()
    };
    thread::scope(|scope| scope.spawn(unprivileged).join().unwrap())
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_missing_snapshot_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(read(&folder.path().join("x.snap")).unwrap(), None);
    assert_eq!(read(&folder.path().join("no/x.snap")).unwrap(), None);
    assert!(!remove_pending(&folder.path().join("x.snap")).unwrap());
}

#[test]
fn a_pending_snapshot_stands_beside_and_goes_when_outdated() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("snapshots/a.b.snap");
    let pending = write_pending(&path, &snapshot("# pwd\n/")).unwrap();
    assert_eq!(pending, folder.path().join("snapshots/a.b.snap.new"));
    let stored = read(&pending).unwrap().unwrap();
    assert_eq!(
        (stored.snapshot, stored.first_line),
        (snapshot("# pwd\n/"), 4)
    );
    assert_eq!(stored.name, pending.display().to_string());
    assert!(remove_pending(&path).unwrap());
    assert_eq!(names(&folder.path().join("snapshots")), [""; 0]);
}

#[test]
fn what_is_no_file_is_refused_without_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    fs::create_dir(at("folder.snap")).unwrap();
    mkfifo(&at("pipe.snap"), Mode::S_IRWXU).unwrap();
    symlink("/dev/zero", at("device.snap")).unwrap();
    symlink("loop.snap", at("loop.snap")).unwrap();
    File::create(at("huge.snap"))
        .unwrap()
        .set_len(LIMIT + 1)
        .unwrap();
    for (name, message) in [
        ("folder.snap", "one file: move the folder away"),
        ("pipe.snap", "not a regular file"),
        ("device.snap", "not a regular file"),
        ("loop.snap", "cannot read"),
        ("huge.snap", "larger than 16 MiB"),
    ] {
        let error = read(&at(name)).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
        assert!(error.contains(name), "{error}");
    }
}

#[test]
fn a_file_as_large_as_may_be_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.snap");
    File::create(&path).unwrap().set_len(LIMIT).unwrap();
    assert!(matches!(read(&path), Err(SnapshotError::Malformed(_))));
}

#[test]
fn a_pending_snapshot_that_cannot_be_removed_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.snap");
    fs::create_dir(pending_path(&path)).unwrap();
    let error = remove_pending(&path).unwrap_err().to_string();
    assert!(error.contains("x.snap.new: cannot remove"), "{error}");
}

#[test]
fn text_that_is_not_utf8_is_refused_with_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.snap");
    fs::write(&path, b"---\nsource: a\n---\n# cat \xc3\xa9\n \xff\n").unwrap();
    let error = read(&path).unwrap_err().to_string();
    assert!(error.contains("x.snap:5:2"), "{error}");
    assert!(error.contains("not UTF-8"), "{error}");
    let report = read(&path).unwrap_err().report();
    assert_eq!(report.matches("error:").count(), 1, "{report}");
    let report = read(folder.path()).unwrap_err().report();
    assert_eq!(report.matches("error:").count(), 1, "{report}");
}

#[test]
fn without_permission_the_error_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.snap");
    write(&path, &snapshot("old")).unwrap();
    set_mode(folder.path(), 0o755);
    set_mode(&path, 0);
    let error = as_nobody(|| read(&path)).unwrap_err().to_string();
    assert!(error.contains("x.snap: cannot read"), "{error}");
    assert!(error.contains("Permission denied"), "{error}");
    assert!(error.contains("the mode of the file"), "{error}");
    set_mode(folder.path(), 0o555);
    let error = as_nobody(|| write(&path, &snapshot("new"))).unwrap_err();
    assert!(error.to_string().contains("cannot write"), "{error}");
    set_mode(folder.path(), 0o755);
    set_mode(&path, 0o644);
    assert_eq!(read(&path).unwrap().unwrap().snapshot, snapshot("old"));
    assert_eq!(names(folder.path()), ["x.snap"]);
}

#[test]
fn what_could_not_be_read_again_is_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.snap");
    write(&path, &snapshot("old")).unwrap();
    let merge = "<<<<<<< a\n=======\n>>>>>>> b";
    assert!(write(&path, &snapshot(merge)).is_err());
    assert_eq!(read(&path).unwrap().unwrap().snapshot, snapshot("old"));
}

#[test]
fn a_link_to_a_snapshot_stays_a_link() {
    let folder = tempfile::tempdir().unwrap();
    let (path, real) = (folder.path().join("x.snap"), folder.path().join("real"));
    write(&real, &snapshot("old")).unwrap();
    symlink("real", &path).unwrap();
    write(&path, &snapshot("new")).unwrap();
    assert!(fs::symlink_metadata(&path).unwrap().is_symlink());
    assert_eq!(read(&real).unwrap().unwrap().snapshot, snapshot("new"));
}

#[test]
fn a_reader_never_sees_half_a_snapshot() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.snap");
    let both = ["short".to_owned(), "long\n".repeat(50_000)].map(|text| snapshot(&text));
    write(&path, &both[0]).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for round in 0..60 {
                write(&path, &both[round % 2]).unwrap();
            }
            done.store(true, Ordering::Relaxed);
        });
        while !done.load(Ordering::Relaxed) {
            let seen = read(&path).unwrap().unwrap().snapshot;
            assert!(both.contains(&seen), "{} bytes", seen.contents.len());
        }
    });
    assert_eq!(names(folder.path()), ["x.snap"]);
}

/// In a mount namespace of this thread alone, which ends with it.
fn mount_small(folder: &Path) -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_PRIVATE | MsFlags::MS_REC, none)?;
    let flags = MsFlags::empty();
    mount(
        Some("tmpfs"),
        folder,
        Some("tmpfs"),
        flags,
        Some("size=16k"),
    )
}

#[test]
fn a_full_disk_keeps_the_old_snapshot_whole_and_leaves_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.snap");
    let work = || {
        if let Err(error) = mount_small(folder.path()) {
            println!("skipped: no mount namespace: {error}");
            return;
        }
        write(&path, &snapshot("old")).unwrap();
        let error = write(&path, &snapshot(&"x".repeat(100_000))).unwrap_err();
        assert!(error.to_string().contains("make room"), "{error}");
        assert_eq!(read(&path).unwrap().unwrap().snapshot, snapshot("old"));
        assert_eq!(names(folder.path()), ["x.snap"]);
    };
    thread::scope(|scope| scope.spawn(work).join().unwrap());
    assert_eq!(names(folder.path()), [""; 0]);
}
