//! On groups of the tests' own, and on files that say what a group's would.

use nix::mount::{MsFlags, mount};
use nix::sys::wait::WaitStatus;

use super::super::process::{become_user, exit_now, in_child, split, wait};
use super::*;
use crate::sys::test_namespaces::in_own_namespaces;

/// A group of the unit tests' own, gone after the test however that ends.
struct Group(PathBuf);

impl std::ops::Deref for Group {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = remove(&self.0, soon());
    }
}

/// A group in several hierarchies; none without the rights to it.
fn groups(name: &str) -> Vec<Group> {
    let name = format!("verify-unit-{name}-{}", std::process::id());
    let folders = ["", "freezer", "pids", "cpu", "unified"];
    let parents = folders.map(|folder| Path::new("/sys/fs/cgroup").join(folder));
    let hierarchies = parents
        .iter()
        .filter(|parent| parent.join("cgroup.procs").exists());
    let groups = hierarchies.map(|parent| parent.join(&name));
    let groups: Vec<_> = groups
        .filter(|group| fs::create_dir(group).is_ok())
        .map(Group)
        .collect();
    if groups.is_empty() {
        eprintln!("skipped: no cgroup can be made here");
    }
    groups
}

/// A child that waits for a signal, in `group`.
fn child_in(group: &Path) -> Pid {
    let Some(child) = split().unwrap() else {
        nix::unistd::pause();
        exit_now(0)
    };
    fs::write(group.join("cgroup.procs"), child.to_string()).unwrap();
    child
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(2)
}

#[test]
fn a_group_is_removed_with_those_below_it() {
    for group in groups("nested") {
        assert_eq!(groups_below(&group), Ok(Vec::new()));
        fs::create_dir_all(group.join("a/b")).unwrap();
        fs::create_dir(group.join("c")).unwrap();
        assert_eq!(groups_below(&group).unwrap().len(), 2);
        assert_eq!(remove(&group, Instant::now()), Ok(()));
        assert!(!group.exists());
        assert_eq!(remove(&group, Instant::now()), Ok(()));
    }
}

#[test]
fn what_is_still_in_a_group_is_killed() {
    for group in groups("killed") {
        fs::create_dir(group.join("inner")).unwrap();
        let children = [child_in(&group), child_in(&group.join("inner"))];
        assert_eq!(remove(&group, soon()), Ok(()), "{}", group.display());
        for child in children {
            let killed = WaitStatus::Signaled(child, Signal::SIGKILL, false);
            assert_eq!(wait(child), Ok(killed));
        }
    }
}

#[test]
fn a_frozen_process_is_killed_too() {
    for group in groups("frozen") {
        let child = child_in(&group);
        let frozen = write_existing(&group.join("freezer.state"), "FROZEN")
            || write_existing(&group.join("cgroup.freeze"), "1");
        assert_eq!(
            remove(&group, soon()),
            Ok(()),
            "{} {frozen}",
            group.display()
        );
        wait(child).unwrap();
    }
}

#[test]
fn a_process_that_has_left_the_group_is_spared() {
    for group in groups("spared") {
        let child = child_in(&group);
        assert!(processes(&group).contains(&child));
        let parent = group.parent().unwrap();
        fs::write(parent.join("cgroup.procs"), child.to_string()).unwrap();
        assert!(kill_member(&group, child).is_none());
        assert_eq!(remove(&group, soon()), Ok(()));
        nix::sys::signal::kill(child, Signal::SIGTERM).unwrap();
        let ended = WaitStatus::Signaled(child, Signal::SIGTERM, false);
        assert_eq!(wait(child), Ok(ended));
    }
}

#[test]
fn what_stays_busy_is_told_after_the_deadline() {
    in_own_namespaces(|| {
        let group = tempfile::tempdir().unwrap();
        let (tmpfs, none) = (Some("tmpfs"), None::<&str>);
        mount(tmpfs, group.path(), tmpfs, MsFlags::empty(), none).unwrap();
        assert_eq!(remove(group.path(), Instant::now()), Err(Errno::EBUSY));
    });
}

#[test]
fn what_has_other_files_than_a_group_stays() {
    let group = control_file("file", "");
    assert_eq!(remove(group.path(), soon()), Err(Errno::ENOTEMPTY));
}

/// A directory with one control file in it, as a group would have.
fn control_file(name: &str, text: &str) -> tempfile::TempDir {
    let group = tempfile::tempdir().unwrap();
    fs::write(group.path().join(name), text).unwrap();
    group
}

#[test]
fn a_process_outside_of_this_pid_namespace_has_no_number() {
    let group = control_file("cgroup.procs", "0\n7\n0\n9\n");
    assert_eq!(processes(group.path()), [7, 9].map(Pid::from_raw));
}

#[test]
fn who_is_alone_in_a_group_is_its_only_process() {
    let own = nix::unistd::getpid();
    for (text, alone) in [
        (format!("{own}\n"), true),
        (format!("{own}\n{own}\n"), false),
        (format!("0\n{own}\n"), true),
        ("1\n".to_owned(), false),
        (String::new(), false),
    ] {
        let group = control_file("cgroup.procs", &text);
        assert_eq!(is_alone_in(group.path()), alone, "{text}");
    }
}

#[test]
fn what_a_control_file_says_is_one_of_its_lines() {
    let group = control_file("cgroup.events", "populated 1\nfrozen 0\n");
    let file = File::open(group.path().join("cgroup.events")).unwrap();
    let now = Instant::now();
    for (line, said) in [
        ("populated 1", true),
        ("frozen 0", true),
        ("populated 0", false),
        ("populated", false),
    ] {
        assert_eq!(wait_for_event(&file, line, now), Ok(said), "{line}");
        assert_eq!(wait_for_state(&file, line, now), Ok(said), "{line}");
    }
}

/// Far enough away that who waits for it does not end.
fn never() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

#[test]
fn a_group_is_waited_for_until_it_says_that_it_is_empty() {
    let (populated, empty) = (
        control_file(
            "cgroup.events",
            "populated 1
",
        ),
        control_file(
            "cgroup.events",
            "populated 0
",
        ),
    );
    let deadline = Instant::now() + 20 * BUSY_PAUSE;
    wait_empty(populated.path(), &[], deadline);
    assert!(Instant::now() >= deadline);
    wait_empty(empty.path(), &[], never());
}

#[test]
fn a_group_that_does_not_say_it_is_waited_for_until_its_processes_have_ended() {
    let group = tempfile::tempdir().unwrap();
    let (process, end) = std::io::pipe().unwrap();
    let dying = [OwnedFd::from(process)];
    let deadline = Instant::now() + 20 * BUSY_PAUSE;
    wait_empty(group.path(), &dying, deadline);
    assert!(Instant::now() >= deadline);
    drop(end);
    wait_empty(group.path(), &dying, never());
}

#[test]
fn the_kernel_has_a_moment_to_let_go_of_a_group() {
    let before = Instant::now();
    pause().unwrap();
    assert!(Instant::now() >= before + BUSY_PAUSE);
}

#[test]
fn controllers_and_counts_are_read_from_files() {
    let group = control_file("cgroup.controllers", "cpu memory\n");
    let named = controllers(group.path(), "cgroup.controllers");
    assert_eq!(named, ["cpu", "memory"]);
    let none = controllers(group.path(), "cgroup.subtree_control");
    assert_eq!(none, [""; 0]);
    for (text, count) in [
        ("nr_periods 4\nnr_throttled 3\n", Ok(3)),
        ("nr_throttled many\n", Err(Errno::ENODATA)),
        ("usage_usec 12\n", Err(Errno::ENODATA)),
    ] {
        let group = control_file("cpu.stat", text);
        let stat = File::open(group.path().join("cpu.stat")).unwrap();
        assert_eq!(nr_throttled(&stat), count, "{text}");
    }
}

#[test]
fn a_group_is_delegated_by_its_mark_or_to_an_ordinary_user() {
    let group = tempfile::tempdir().unwrap();
    let group = group.path();
    let user = nix::unistd::geteuid();
    assert_eq!(is_delegated(group), !user.is_root());
    for (mark, delegated) in [("0", !user.is_root()), ("1", true)] {
        match super::super::xattr::write(group, "user.delegate", mark.as_bytes()) {
            Err(errno) => eprintln!("skipped: user attributes: {errno}"),
            Ok(()) => assert_eq!(is_delegated(group), delegated, "{mark}"),
        }
    }
}

#[test]
fn a_group_that_root_has_given_away_is_delegated() {
    use nix::unistd::{Gid, Uid};
    let (given, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (user, group) = (Uid::from_raw(1000), Gid::from_raw(1000));
    if let Err(errno) = nix::unistd::chown(given.path(), Some(user), Some(group)) {
        return eprintln!("skipped: chown: {errno}");
    }
    let seen = in_child(|| {
        become_user(user, group)
            .map(|()| [given.path(), kept.path()].map(is_delegated))
            .ok()
    });
    assert_eq!(seen, Ok(Some([true, false])));
    assert!(!is_delegated(given.path()), "to root it is not");
}
