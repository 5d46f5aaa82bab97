//! The file system that `--scratch` names fills up.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, OFlag, fallocate};
use nix::mount::{MsFlags, mount};
use nix::sys::signal::Signal::SIGINT;
use serde_json::Value;

use super::Test;
use super::arena::{Arena, Running, detach};
use super::kills::Victims;
use super::moments::{Dice, Experiments, rounds};

pub const TESTS: &[Test] = &[
    (
        "a_full_storage_is_told_and_leaves_nothing",
        a_full_storage_is_told_and_leaves_nothing,
    ),
    (
        "each_file_of_a_run_is_once_the_first_without_room",
        each_file_of_a_run_is_once_the_first_without_room,
    ),
    (
        "a_wide_tree_goes_from_a_full_storage",
        a_wide_tree_goes_from_a_full_storage,
    ),
];

/// The experiments that keep files in their scratch directory.
const WRITERS: [&str; 6] = [
    "chroot",
    "device-nodes",
    "overlayfs",
    "overlayfs-removal",
    "overlayfs-shared-layers",
    "subordinate-ids",
];

/// What an experiment has written when it does not notice: programs with their libraries.
const SIZE: usize = 16 << 20;

const PAGE: usize = 4096;

/// How many files there can be.
const INODES: usize = 256;

/// A file system in the place of the arena's storage.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    Tmpfs,
    Ext4,
    /// As in an outer container. A name that is removed may need a whiteout, and a directory an attribute.
    Overlay,
}

const KINDS: [Kind; 3] = [Kind::Tmpfs, Kind::Ext4, Kind::Overlay];

struct Storage {
    /// The file system that has the room.
    room: PathBuf,
    mounts: Vec<PathBuf>,
}

impl Storage {
    /// `None` where there is no such file system, which is said.
    fn mount(arena: &Arena, kind: Kind) -> Option<Self> {
        let storage = arena.storage().to_owned();
        let room = match kind {
            Kind::Tmpfs => {
                let options = format!("size={SIZE},nr_inodes={INODES}");
                mount_as("tmpfs", &storage, &options);
                storage.clone()
            }
            Kind::Ext4 => mount_ext4(arena, &storage)?,
            Kind::Overlay => {
                let disk = mount_ext4(arena, &arena.path("disk"))?;
                let layers = ["lower", "upper", "work"].map(|layer| disk.join(layer));
                layers
                    .iter()
                    .for_each(|layer| fs::create_dir(layer).unwrap());
                let [lower, upper, work] = layers.map(|layer| layer.display().to_string());
                let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
                mount_as("overlay", &storage, &options);
                disk
            }
        };
        let mounts = match room == storage {
            true => vec![storage],
            false => vec![storage, room.clone()],
        };
        Some(Self { room, mounts })
    }

    /// Takes all but this room. Files without a name do, for as long as they are open: here, and in a process that another
    /// test has forked and that executes nothing yet. What was taken before may still be.
    fn leave(&self, room: Room) -> Vec<File> {
        let mut options = OpenOptions::new();
        let options = options.write(true).custom_flags(OFlag::O_TMPFILE.bits());
        let mut taken = Vec::new();
        match room {
            Room::UntilNow => {}
            Room::Pages(count) => {
                let file = options.open(&self.room).unwrap();
                let size = grow(&file).saturating_sub(count * PAGE);
                file.set_len(size as u64).unwrap();
                taken.push(file);
            }
            Room::Files(count) => {
                taken.extend(std::iter::from_fn(|| options.open(&self.room).ok()));
                assert!(taken.len() < 2 * INODES, "{} files", taken.len());
                taken.truncate(taken.len().saturating_sub(count));
            }
        }
        taken
    }
}

impl Drop for Storage {
    fn drop(&mut self) {
        self.mounts.iter().for_each(|mounted| detach(mounted));
    }
}

/// Gives a file all blocks that there are.
fn grow(file: &File) -> usize {
    let (mut size, mut more) = (0, SIZE);
    while more > 0 {
        let range = [size, more].map(|number| i64::try_from(number).unwrap());
        match fallocate(file, FallocateFlags::empty(), range[0], range[1]) {
            Ok(()) => size += more,
            Err(errno) => {
                assert_eq!(errno, Errno::ENOSPC);
                more /= 2;
            }
        }
    }
    size
}

fn mount_as(kind: &str, place: &Path, options: &str) {
    let none = MsFlags::empty();
    mount(Some("arena"), place, Some(kind), none, Some(options)).unwrap();
}

/// In a file of the arena's storage, which a killed test does not leave.
fn mount_ext4(arena: &Arena, place: &Path) -> Option<PathBuf> {
    let disk = arena.storage().join("disk");
    File::create(&disk).unwrap().set_len(SIZE as u64).unwrap();
    fs::create_dir_all(place).unwrap();
    let inodes = INODES.to_string();
    let mut make = Command::new("mkfs.ext4");
    make.args(["-q", "-m", "0", "-N", &inodes]).arg(&disk);
    let mut mount = Command::new("mount");
    mount.args(["-o", "loop"]).args([&disk, place]);
    for command in [&mut make, &mut mount] {
        if !command.status().is_ok_and(|status| status.success()) {
            eprintln!("skipped: {command:?}");
            return None;
        }
    }
    fs::remove_dir(place.join("lost+found")).unwrap();
    Some(place.to_owned())
}

/// Either from the beginning, so that one of the first blocks or files is the last, or at a random moment.
fn a_full_storage_is_told_and_leaves_nothing() {
    let mut dice = Dice::new();
    for kind in KINDS {
        let mut arena = Arena::new();
        if let Some(storage) = Storage::mount(&arena, kind) {
            arena.look_again();
            is_told_and_leaves_nothing(&arena, &storage, kind, &mut dice);
        }
    }
}

fn is_told_and_leaves_nothing(arena: &Arena, storage: &Storage, kind: Kind, dice: &mut Dice) {
    let options = arena.scratch();
    let experiments = Experiments::look(arena, &options).only(&WRITERS);
    let (mut early, mut late) = (Tally::default(), Tally::default());
    for round in 0..rounds().div_ceil(3) {
        let choice = experiments.choose(dice);
        let words = [&choice.places[..], &options].concat();
        let room = Room::any(dice);
        let mut taken = storage.leave(room);
        let run = start(arena, &words);
        if room == Room::UntilNow {
            dice.wait(&run, choice.whole);
            taken = storage.leave(Room::Pages(0));
            taken.extend(storage.leave(Room::Files(0)));
        }
        let status = run.end();
        let what = format!("{kind:?}, round {round}, {room:?}: {words:?}: {status:?}");
        let noticed = notices(arena, status, &what);
        assert_eq!(arena.left(), Vec::<String>::new(), "{what}");
        drop(taken);
        match room {
            Room::UntilNow => late.add(noticed),
            _ => early.add(noticed),
        }
    }
    eprintln!("{kind:?}: little room: {early}; none after a moment: {late}");
}

/// What room there is. Small numbers are as likely as large ones.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Room {
    Pages(usize),
    Files(usize),
    /// All, until it is taken.
    UntilNow,
}

impl Room {
    fn any(dice: &mut Dice) -> Self {
        let mut below = |bits| {
            let limit = 1 << dice.below(bits);
            dice.below(limit)
        };
        let (pages, files) = (below(12), below(8));
        [Self::Pages(pages), Self::Files(files), Self::UntilNow][dice.below(3)]
    }
}

#[derive(Default)]
struct Tally {
    runs: u32,
    noticed: u32,
}

impl Tally {
    fn add(&mut self, noticed: bool) {
        self.runs += 1;
        self.noticed += u32::from(noticed);
    }
}

impl std::fmt::Display for Tally {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} of {} noticed", self.noticed, self.runs)
    }
}

/// Starts a run of which [`notices`] reads the report.
fn start(arena: &Arena, words: &[String]) -> Running {
    let fixed = ["run", "-r", "json=report.json", "-r", "host=/dev/null"];
    let words = [&fixed.map(str::to_owned)[..], words].concat();
    let said = File::create(arena.path("said")).unwrap();
    Running::start(arena.command(&words).stderr(said))
}

/// Whether something could not be performed. Then it must be told that there was no room, and the exit code says what
/// became of the experiments.
fn notices(arena: &Arena, status: Option<i32>, what: &str) -> bool {
    let take = |name| {
        let text = fs::read_to_string(arena.path(name)).ok();
        let _ = fs::remove_file(arena.path(name));
        text
    };
    let (report, said) = (take("report.json"), take("said").unwrap());
    let Some(report) = report else {
        let is_told = said.starts_with("error: cannot perform anything here: mkdir");
        assert!(
            status == Some(3) && is_told && is_no_room(&said),
            "{what}: {said}"
        );
        return true;
    };
    let report: Value = serde_json::from_str(&report).unwrap();
    let mut expected = 0;
    for experiment in report["experiments"].as_array().unwrap() {
        let text = experiment.to_string();
        let outcome = experiment["outcome"].as_str().unwrap();
        assert!(outcome == "pass" || is_no_room(&text), "{what}: {text}");
        expected = match (outcome, expected) {
            ("pass", _) => expected,
            ("fail", _) | (_, 1) => 1,
            ("broken", _) => 3,
            _ => panic!("{what}: {text}"),
        };
    }
    assert_eq!(status, Some(expected), "{what}");
    expected != 0
}

/// As verify, other programs and the kernel's log say it: an overlay without room for its work directory is mounted read-only.
fn is_no_room(text: &str) -> bool {
    let words = [
        "ENOSPC",
        "No space left on device",
        "(errno: 28); mounting read-only",
    ];
    words.iter().any(|words| text.contains(words))
}

/// Of probes of needs, too.
fn each_file_of_a_run_is_once_the_first_without_room() {
    let mut arena = Arena::new();
    let storage = Storage::mount(&arena, Kind::Tmpfs).unwrap();
    arena.look_again();
    let places = ["device-nodes", "overlayfs-removal"].map(|name| format!("specs/{name}.yaml"));
    let one_by_one = ["group", "-j", "1"].map(str::to_owned);
    let words = [&one_by_one[..], &places, &arena.scratch()].concat();
    let mut taken = storage.leave(Room::Files(0));
    for files in 0..INODES / 2 {
        let status = start(&arena, &words).end();
        let what = format!("room for {files} files: {status:?}");
        let noticed = notices(&arena, status, &what);
        assert_eq!(arena.left(), Vec::<String>::new(), "{what}");
        if !noticed {
            return assert!(files > 5, "{what}");
        }
        taken.pop();
    }
    panic!("there is never room");
}

/// How many directories are in one. The block that is enough for a few of their names must not be enough for all.
const WIDTH: usize = 100;

/// To take them up takes a block more. It is there for nobody who cleans up: the run, its janitor, the next start.
fn a_wide_tree_goes_from_a_full_storage() {
    for kind in KINDS {
        let mut arena = Arena::new();
        write_wide(&arena);
        if let Some(_storage) = Storage::mount(&arena, kind) {
            arena.look_again();
            a_wide_tree_goes(&arena, kind);
        }
    }
}

fn write_wide(arena: &Arena) {
    let names: Vec<_> = (0..WIDTH).map(|number| number.to_string()).collect();
    let text = format!(
        "experiment: wide\ntitle: t\nsteps:\n  - mkdir: -p tree/{{{}}}/inner\n  \
         - run: dd if=/dev/zero of=zero bs=1024\n    fails: 1\n  - run: sleep 60\n",
        names.join(",")
    );
    fs::create_dir(arena.path("wide")).unwrap();
    fs::write(arena.path("wide/wide.yaml"), text).unwrap();
}

fn a_wide_tree_goes(arena: &Arena, kind: Kind) {
    let words = [&["wide".to_owned()][..], &arena.scratch()].concat();
    for victims in [None, Some(Victims::Parent), Some(Victims::Everybody)] {
        let run = arena.start(&words);
        while arena
            .processes(|command| command.starts_with("sleep"))
            .is_empty()
        {
            assert!(run.is_alive(), "{kind:?}");
        }
        match victims {
            None => run.signal(SIGINT),
            Some(victims) => victims.kill(arena, &run),
        }
        let status = run.end();
        arena.settle();
        let what = format!("{kind:?}, {victims:?}: {status:?}");
        assert_eq!(
            status,
            victims.is_none().then_some(128 + SIGINT as i32),
            "{what}"
        );
        match victims {
            Some(Victims::Everybody) => arena.start_next(&what),
            _ => assert_eq!(arena.left(), Vec::<String>::new(), "{what}"),
        }
    }
}
