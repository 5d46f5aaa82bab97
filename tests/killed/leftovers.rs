//! What cannot be cleaned up, what nobody may clean up, and that each kind of it is found.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal::{SIGINT, SIGKILL};
use verify::sys::netlink::Netlink;

use super::Test;
use super::arena::{Arena, PLACES, Process, Running, STORED, WORD, detach, sweep};
use super::kills::{Victims, is_worker};

pub const TESTS: &[Test] = &[
    (
        "what_a_killed_test_has_left_goes_at_the_next_start",
        what_a_killed_test_has_left_goes_at_the_next_start,
    ),
    (
        "the_inventory_finds_one_of_each_kind",
        the_inventory_finds_one_of_each_kind,
    ),
    (
        "what_a_run_has_left_is_named_with_exit_4",
        what_a_run_has_left_is_named_with_exit_4,
    ),
    (
        "what_cannot_be_removed_is_named_with_exit_4",
        what_cannot_be_removed_is_named_with_exit_4,
    ),
    (
        "what_is_mounted_on_the_storage_stays_and_is_named_with_exit_4",
        what_is_mounted_on_the_storage_stays_and_is_named_with_exit_4,
    ),
    (
        "what_is_on_the_storage_goes_without_a_next_start",
        what_is_on_the_storage_goes_without_a_next_start,
    ),
    (
        "without_any_place_for_it_a_run_is_found_by_its_groups",
        without_any_place_for_it_a_run_is_found_by_its_groups,
    ),
    (
        "the_janitor_holds_nothing_of_the_terminal",
        the_janitor_holds_nothing_of_the_terminal,
    ),
];

fn what_a_killed_test_has_left_goes_at_the_next_start() {
    let arena = Arena::new();
    let of_dead = |path: &Path| {
        let name = path.file_name().unwrap().to_string_lossy();
        let dead = path.with_file_name(format!("{name}-dead"));
        fs::create_dir(&dead).unwrap();
        let lock = fs::File::open(&dead).unwrap();
        lock.lock().unwrap();
        (dead, lock)
    };
    let (group, group_lock) = of_dead(&arena.groups()[0]);
    let (storage, storage_lock) = of_dead(arena.storage());
    let mut process = Command::new("sleep").arg("600").spawn().unwrap();
    enter(&group, process.id());
    fs::write(storage.join("file"), "").unwrap();
    sweep();
    assert!(group.exists() && storage.exists());
    // What SIGKILL does.
    group_lock.unlock().unwrap();
    storage_lock.unlock().unwrap();
    sweep();
    assert!(!group.exists() && !storage.exists());
    assert_eq!(process.wait().unwrap().signal(), Some(SIGKILL as i32));
    assert!(arena.groups().iter().all(|group| group.is_dir()) && arena.storage().is_dir());
}

/// Each is left on purpose, found, and taken away again.
fn the_inventory_finds_one_of_each_kind() {
    let arena = Arena::new();
    for group in arena.groups() {
        let inner = group.join("left");
        found(&arena, "group", || fs::create_dir(&inner).unwrap());
        fs::remove_dir(&inner).unwrap();
    }
    let mut process = Command::new("sleep").arg("600").spawn().unwrap();
    found(&arena, "process", || {
        enter(&arena.groups()[0], process.id())
    });
    process.kill().unwrap();
    process.wait().unwrap();
    mounts_are_found(&arena);
    names_are_found(&arena);
    let forwarding = "/proc/sys/net/ipv4/ip_forward";
    let before = fs::read(forwarding).unwrap();
    let other = if before == b"0\n" { "1" } else { "0" };
    found(&arena, "sysctl", || fs::write(forwarding, other).unwrap());
    fs::write(forwarding, before).unwrap();
    for place in PLACES {
        let file = Path::new(place).join("left");
        found(&arena, "file", || fs::write(&file, "").unwrap());
        fs::remove_file(file).unwrap();
    }
    let file = arena.storage().join("left");
    found(&arena, STORED, || fs::write(&file, "").unwrap());
    fs::remove_file(file).unwrap();
    assert_eq!(arena.left(), Vec::<String>::new());
}

fn found(arena: &Arena, kind: &str, leave: impl FnOnce()) {
    assert_eq!(arena.left(), Vec::<String>::new(), "before {kind}");
    leave();
    let left = arena.left();
    assert!(
        left.iter().any(|what| what.starts_with(kind)),
        "{kind}: {left:?}"
    );
}

fn enter(group: &Path, process: u32) {
    fs::write(group.join("cgroup.procs"), process.to_string()).unwrap();
}

/// Also of a namespace that is kept by a file. A hierarchy of cgroup v1 may stay for good when it was mounted for a moment:
/// the list of them is doctored.
fn mounts_are_found(arena: &Arena) {
    let (file, list) = (arena.path("next/next.yaml"), arena.path("group/group.yaml"));
    let bind = |source: &Path, target: &Path| {
        mount(
            Some(source),
            target,
            None::<&str>,
            MsFlags::MS_BIND,
            None::<&str>,
        )
        .unwrap();
    };
    let namespace = Path::new("/proc/thread-self/ns/uts");
    found(arena, "mount", || bind(namespace, &file));
    detach(&file);
    let (before, hierarchies) = (fs::read(&list).unwrap(), Path::new("/proc/cgroups"));
    let text = fs::read_to_string(hierarchies).unwrap();
    fs::write(&list, text.replace("\t0\t", "\t99\t")).unwrap();
    found(arena, "hierarchy", || bind(&list, hierarchies));
    detach(hierarchies);
    fs::write(&list, before).unwrap();
}

fn names_are_found(arena: &Arena) {
    let mut netlink = Netlink::open().unwrap();
    found(arena, "link", || netlink.add_bridge("left").unwrap());
    netlink.delete("left").unwrap();
    for (kind, file) in [("host name", "hostname"), ("domain name", "domainname")] {
        let file = Path::new("/proc/sys/kernel").join(file);
        let before = fs::read(&file).unwrap();
        found(arena, kind, || fs::write(&file, "left").unwrap());
        fs::write(&file, before).unwrap();
    }
}

/// As if a worker had done all that on the host.
fn what_a_run_has_left_is_named_with_exit_4() {
    let mut arena = Arena::new();
    fs::create_dir("/run/netns").unwrap();
    arena.look_again();
    let said = arena.path("said");
    let mut command = arena.command(&["run", "long"]);
    let run = Running::start(command.stdout(fs::File::create(&said).unwrap()));
    let directory = a_directory(&run);
    fs::write(directory.join("left"), "").unwrap();
    mount(
        Some("verify"),
        "/dev/shm",
        Some("tmpfs"),
        MsFlags::empty(),
        None::<&str>,
    )
    .unwrap();
    fs::write(Path::new("/run/netns").join(WORD), "").unwrap();
    nix::unistd::sethostname(WORD).unwrap();
    verify::sys::namespace::set_domain_name(WORD).unwrap();
    Netlink::open().unwrap().add_bridge(WORD).unwrap();
    run.signal(SIGINT);
    assert_eq!(run.end(), Some(4));
    let said = fs::read_to_string(said).unwrap();
    for sentence in [
        &format!("directory {} is still there", directory.display()),
        "tmpfs is still mounted on /dev/shm",
        "/run/netns/left0 is still there",
        "link left0 is still there",
        "the hostname was",
        "the domainname was",
    ] {
        assert!(said.contains(sentence), "{sentence}: {said}");
    }
}

/// That of a run that has got as far as to make a group.
fn a_directory(run: &Running) -> std::path::PathBuf {
    loop {
        let runs = fs::read_dir("/run/verify").into_iter().flatten().flatten();
        let mut paths = runs.map(|run| run.path());
        let recorded = |run: &std::path::PathBuf| {
            fs::read_dir(run).is_ok_and(|mut records| records.next().is_some())
        };
        match paths.find(recorded) {
            Some(path) => return path,
            None => assert!(run.is_alive()),
        }
    }
}

fn the_janitor_holds_nothing_of_the_terminal() {
    let arena = Arena::new();
    let run = arena.start(&["long"]);
    let deadline = Instant::now() + Duration::from_secs(10);
    let janitor = loop {
        let found = arena.processes(|command| command.starts_with("verify-janitor"));
        // Once it waits, it has let go of what it does not need.
        if let Some(janitor) = found.into_iter().find(Process::waits_in_poll) {
            break janitor;
        }
        assert!(Instant::now() < deadline, "there is no janitor");
        std::thread::yield_now();
    };
    let files = janitor.files();
    let own = |file: &String| file.starts_with("pipe:") || file.starts_with("/run/verify/");
    assert!(files.iter().all(own), "{files:?}");
    let pipes = files.iter().filter(|file| file.starts_with("pipe:"));
    assert_eq!(pipes.count(), 1, "{files:?}");
    assert_eq!(janitor.session(), janitor.pid());
    run.signal(SIGINT);
    run.end();
    assert_eq!(arena.left(), Vec::<String>::new());
}

fn without_any_place_for_it_a_run_is_found_by_its_groups() {
    let mut arena = Arena::new();
    arena.make_places_read_only();
    let run = arena.start(&["long"]);
    // A live run without a directory is not taken for a dead one.
    let group = inner_group(&arena, &run);
    assert_eq!(arena.start(&["next"]).end(), Some(0));
    assert!(run.is_alive() && arena.made_groups().contains(&group));
    run.signal(SIGKILL);
    run.end();
    arena.settle();
    assert!(arena.made_groups().contains(&group));
    arena.start_next("a run without a directory");
}

/// The group that the session makes, once it is there.
fn inner_group(arena: &Arena, run: &Running) -> std::path::PathBuf {
    loop {
        let mut found = arena.made_groups().into_iter();
        match found.find(|group| group.ends_with("inner")) {
            Some(group) => return group,
            None => assert!(run.is_alive()),
        }
    }
}

/// A group with a process that verify cannot see, let alone kill: one of an outer PID namespace.
fn what_cannot_be_removed_is_named_with_exit_4() {
    let arena = Arena::new();
    let run = arena.start(&["long"]);
    let group = inner_group(&arena, &run);
    // The janitor first: it begins when the run is dead.
    let janitor = arena.processes_of(&run, |command| !is_worker(command));
    janitor.iter().for_each(Process::kill);
    Victims::Everybody.kill(&arena, &run);
    run.end();
    arena.settle();
    let mut guest = Command::new("sleep").arg("600").spawn().unwrap();
    enter(&group, guest.id());
    let (code, said) = arena.answer_in_pid_namespace("next");
    guest.kill().unwrap();
    guest.wait().unwrap();
    let mut lines = said.lines();
    let named = lines.find(|line| line.starts_with("left behind"));
    let outer = group.parent().unwrap().display().to_string();
    let named = named.is_some_and(|line| line.contains(&outer) && line.contains("EBUSY"));
    assert!(code == Some(4) && named, "{code:?}: {said}");
    arena.start_next("a group that could not be removed");
}

/// Somebody has mounted a file system there while the experiment went on, and has not taken it away.
fn what_is_mounted_on_the_storage_stays_and_is_named_with_exit_4() {
    let arena = Arena::new();
    let said = arena.path("said");
    let [option, storage] = arena.scratch();
    let mut command = arena.command(&["run", "long", &option, &storage]);
    let run = Running::start(command.stdout(fs::File::create(&said).unwrap()));
    inner_group(&arena, &run);
    let own = fs::read_dir(&storage).unwrap().next().unwrap().unwrap();
    let mounted = own.path().join("long/mounted");
    fs::create_dir(&mounted).unwrap();
    let none = MsFlags::empty();
    mount(Some("arena"), &mounted, Some("tmpfs"), none, None::<&str>).unwrap();
    fs::write(mounted.join("precious"), "").unwrap();
    run.signal(SIGINT);
    assert_eq!(run.end(), Some(4));
    let said = fs::read_to_string(said).unwrap();
    let own = own.path().display().to_string();
    for words in [
        format!("directory {own}/long could not be removed"),
        format!("directory {own} is still there"),
    ] {
        assert!(said.contains(&words), "{words}: {said}");
    }
    let next = arena.start(&["next"]);
    assert_eq!(next.end(), Some(4), "as long as it is mounted");
    assert!(mounted.join("precious").exists());
    detach(&mounted);
    fs::remove_file(arena.path("said")).unwrap();
    arena.start_next("a mount on the storage");
}

/// Also of a run that makes no group, which it would have a janitor for as well.
fn what_is_on_the_storage_goes_without_a_next_start() {
    let mut arena = Arena::new();
    let spec = "experiment: slow\ntitle: t\nsteps:\n  - mkdir: -p a/b\n  - run: /bin/sleep 60\n";
    fs::create_dir(arena.path("slow")).unwrap();
    fs::write(arena.path("slow/slow.yaml"), spec).unwrap();
    arena.look_again();
    let [option, storage] = arena.scratch();
    let run = arena.start(&["slow", &option, &storage]);
    let made = || {
        let mut runs = fs::read_dir(arena.storage()).unwrap().flatten();
        runs.any(|own| own.path().join("slow/a/b").exists())
    };
    while !made() {
        assert!(run.is_alive());
    }
    run.signal(SIGKILL);
    run.end();
    arena.settle();
    assert_eq!(arena.left(), Vec::<String>::new());
}
