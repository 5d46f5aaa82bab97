//! What is told apart, from constructed inventories.

use super::*;

const RUN: &str = "187a5e9d2c3f1b04-1f3a";

fn mine(words: &[&str]) -> Mine {
    Mine {
        run: RunName::split(RUN).unwrap().0,
        words: words.iter().map(ToString::to_string).collect(),
    }
}

fn left(words: &[&str], change: impl FnOnce(&mut Inventory)) -> Vec<String> {
    let before = Inventory {
        links: BTreeSet::from([link(1, "lo"), link(2, "eth0")]),
        mounts: MOUNTS.to_owned(),
        hostname: "node7".to_owned(),
        controllers: "#subsys_name\thierarchy\ncpu\t1\t4\t1\nnet_cls\t0\t1\t1\n".to_owned(),
        ..Inventory::default()
    };
    let mut after = before.clone();
    change(&mut after);
    after.left(&before, &mine(words))
}

const MOUNTS: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw,discard
31 27 0:28 / /mnt/with\\040blank rw,relatime shared:1 master:2 - tmpfs tmpfs rw
";

fn link(index: u32, name: &str) -> Link {
    let name = name.to_owned();
    Link { index, name }
}

#[test]
fn a_clean_run_has_left_nothing() {
    assert_eq!(left(&["host", "guest"], |_| {}), Vec::<String>::new());
}

#[test]
fn what_could_not_be_seen_is_not_taken_for_gone() {
    let words = ["eth0", "/mnt/with\\040blank", "net_cls"];
    let unseen = left(&words, |now| {
        now.links = BTreeSet::new();
        now.mounts = String::new();
        now.controllers = String::new();
    });
    assert_eq!(unseen, Vec::<String>::new());
}

#[test]
fn what_carries_the_name_of_the_run_is_named() {
    let group = format!("/sys/fs/cgroup/cpu/verify-{RUN}-shares");
    let run = format!("/run/verify/{RUN}");
    let scratch = format!("/var/lib/containers/verify-{RUN}");
    let left = left(&[], |now| {
        now.groups = BTreeSet::from([group.clone().into()]);
        now.runs = BTreeSet::from([run.clone().into()]);
        now.scratch = BTreeSet::from([scratch.clone().into()]);
        now.children = BTreeSet::from([(71, "a.out".to_owned())]);
    });
    assert_eq!(
        left,
        [
            format!("cgroup {group} is still there"),
            format!("directory {run} is still there"),
            format!("directory {scratch} is still there"),
            "process 71 (a.out) still runs".to_owned(),
        ]
    );
}

#[test]
fn another_run_that_goes_on_is_not_this_ones() {
    let other = "187a5e9d2c3f1b05-1f3b";
    let left = left(&[], |now| {
        let group = format!("/sys/fs/cgroup/cpu/verify-{other}-shares");
        now.groups = BTreeSet::from([group.into()]);
        now.runs = BTreeSet::from([format!("/run/verify/{other}").into()]);
        now.scratch = BTreeSet::from([format!("/var/lib/containers/verify-{other}").into()]);
    });
    assert_eq!(left, Vec::<String>::new());
}

#[test]
fn mounts_are_known_by_their_place_and_source() {
    let mounted = |line: &str, words: &[&str]| left(words, |now| now.mounts.push_str(line));
    let cases = [
        (
            "40 27 0:40 / /run rw - tmpfs verify rw\n",
            "tmpfs is still mounted on /run",
        ),
        (
            "40 27 0:40 / /run/scratch/merge rw - overlay overlay rw\n",
            "overlay is still mounted on /run/scratch/merge",
        ),
        (
            "40 27 0:40 / /run/netns/guestnet rw shared:7 - nsfs nsfs rw\n",
            "nsfs is still mounted on /run/netns/guestnet",
        ),
        (
            "40 27 0:40 / /proc rw - proc proc rw\n",
            "proc is still mounted on /proc",
        ),
    ];
    for (line, sentence) in cases {
        assert_eq!(mounted(line, &["guestnet"]), [sentence]);
    }
    for line in [
        "40 27 0:40 / /run rw - tmpfs tmpfs rw\n",
        "40 27 0:40 / /var/lib/docker/overlay2/c0ffee/merge rw - overlay overlay rw\n",
        "40 27 0:40 / /run/netns/guest2 rw - nsfs nsfs rw\n",
        "40 27 0:40 / /mnt/guestnet rw - nsfs nsfs rw\n",
        "40 27 0:40 / /mnt/proc rw - proc proc rw\n",
        "40 27 0:40 / /proc rw - tmpfs tmpfs rw\n",
        "40 27 nonsense\n",
    ] {
        assert_eq!(
            mounted(line, &["guestnet", "merge"]),
            Vec::<String>::new(),
            "{line}"
        );
    }
}

#[test]
fn a_mount_that_is_gone_is_missed_when_a_step_names_it() {
    let unmounted = |words: &[&str]| {
        left(words, |now| {
            now.mounts = MOUNTS
                .lines()
                .skip(1)
                .map(|line| format!("{line}\n"))
                .collect();
        })
    };
    assert_eq!(
        unmounted(&["/proc"]),
        ["proc is no longer mounted on /proc"]
    );
    assert_eq!(unmounted(&["proc"]), Vec::<String>::new());
}

#[test]
fn links_and_named_networks_are_known_by_the_steps_words() {
    let change = |now: &mut Inventory| {
        now.links = BTreeSet::from([link(1, "lo"), link(9, "host")]);
        now.named_networks = BTreeSet::from(["guestnet".to_owned()]);
    };
    assert_eq!(left(&["unshare", "wlan0"], change), Vec::<String>::new());
    assert_eq!(
        left(&["host", "eth0", "guestnet"], change),
        [
            "link host is still there",
            "link eth0 is gone",
            "/run/netns/guestnet is still there"
        ]
    );
}

#[test]
fn names_and_hierarchies_are_known_by_the_steps_words() {
    let change = |now: &mut Inventory| {
        now.hostname = "docker2".to_owned();
        now.controllers = now.controllers.replace("net_cls\t0", "net_cls\t12");
    };
    assert_eq!(left(&["docker1"], change), Vec::<String>::new());
    assert_eq!(
        left(&["docker2", "net_cls"], change),
        [
            "the hostname was node7 and is now docker2",
            "controller net_cls was in hierarchy 0 and is now in 12"
        ]
    );
}

#[test]
fn this_host_does_not_change_by_being_looked_at() {
    let cgroups = crate::host::Host::look().cgroups;
    let before = Inventory::take(&state::candidates(), &cgroups, None);
    assert!(before.links.iter().any(|link| link.name == "lo"));
    assert!(!before.mounts.is_empty() && !before.hostname.is_empty());
    assert_eq!(
        Inventory::take(&state::candidates(), &cgroups, None).left(&before, &mine(&[])),
        Vec::<String>::new()
    );
}

#[test]
fn what_was_not_seen_before_is_nothing_new() {
    let line = "40 27 0:40 / /run rw - tmpfs verify rw\n";
    let mine = mine(&[]);
    assert_eq!(left_mounts("", line, &mine), Vec::<String>::new());
    assert_eq!(left_mounts(MOUNTS, line, &mine).len(), 1);
}

#[test]
fn a_child_is_seen() {
    use crate::sys::process::{exit_now, split, wait};
    let Some(child) = split().unwrap() else {
        nix::unistd::pause();
        exit_now(0)
    };
    let seen = children();
    nix::sys::signal::kill(child, nix::sys::signal::Signal::SIGKILL).unwrap();
    wait(child).unwrap();
    assert!(seen.iter().any(|(pid, _)| *pid == child.as_raw()));
    assert!(!children().iter().any(|(pid, _)| *pid == child.as_raw()));
}

#[test]
fn named_networks_are_the_files_of_their_folder() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(named_networks(folder.path()), BTreeSet::new());
    fs::write(folder.path().join("guestnet"), "").unwrap();
    assert_eq!(
        named_networks(folder.path()),
        BTreeSet::from(["guestnet".to_owned()])
    );
    assert_eq!(
        named_networks(&folder.path().join("absent")),
        BTreeSet::new()
    );
}

#[test]
fn the_words_of_steps_inside_count_as_well() {
    let catalog = crate::spec::Catalog::built_in().unwrap();
    let named = |entry: &&crate::spec::Entry| entry.spec.experiment == "uts-namespace";
    let entry = catalog.entries.iter().find(named).unwrap();
    let mine = Mine::new(mine(&[]).run, entry.spec.steps.iter());
    assert!(mine.mentions(place::HOSTNAME) && mine.mentions("happy.life.com"));
    assert!(!mine.mentions("node7"));
}
