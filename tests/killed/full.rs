//! File systems that fill up: the scratch file system, that of the run's directory, that of a report.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use nix::mount::{MsFlags, mount, umount};

use super::Test;
use super::arena::{Arena, PLACES, Process};
use super::kills::is_worker;
use super::moments::{Dice, Experiments, rounds};

pub const TESTS: &[Test] = &[
    (
        "a_full_scratch_file_system_leaves_nothing",
        a_full_scratch_file_system_leaves_nothing,
    ),
    (
        "full_places_for_the_directory_leave_nothing",
        full_places_for_the_directory_leave_nothing,
    ),
    (
        "a_report_is_written_whole_or_not_at_all",
        a_report_is_written_whole_or_not_at_all,
    ),
];

fn a_full_scratch_file_system_leaves_nothing() {
    let arena = Arena::new();
    let (mut dice, experiments) = (Dice::new(), Experiments::of(&arena));
    let (mut filled, mut noticed) = (0, 0);
    for round in 0..rounds() {
        let choice = experiments.choose(&mut dice);
        let run = arena.start(&choice.places);
        dice.wait(&run, choice.whole);
        let workers = arena.processes(is_worker);
        filled += workers
            .iter()
            .filter(|worker| fill_scratch(worker).is_some())
            .count();
        let status = run.end();
        let what = format!("round {round}: {:?}: {status:?}", choice.places);
        assert!(matches!(status, Some(0..=3)), "{what}");
        assert_eq!(arena.left(), Vec::<String>::new(), "{what}");
        noticed += u32::from(status != Some(0));
    }
    eprintln!("scratch: {filled} were filled, {noticed} runs noticed");
}

/// Fills what the worker has mounted on /run, if it has done so already.
fn fill_scratch(worker: &Process) -> Option<()> {
    let scratch = File::open(worker.proc("root/run/scratch")).ok()?;
    let path = format!(
        "/proc/thread-self/fd/{}/full",
        std::os::fd::AsRawFd::as_raw_fd(&scratch)
    );
    let mut file = File::create(path).ok()?;
    let block = [0; 1 << 16];
    while file.write_all(&block).is_ok() {}
    Some(())
}

/// Each file that a run makes there is once the first one without room.
fn full_places_for_the_directory_leave_nothing() {
    let mut arena = Arena::new();
    let mut fillers: Vec<_> = PLACES.map(|place| fill_up(Path::new(place))).into();
    for room in 0..12 {
        arena.look_again();
        let status = arena.start(&["group", "specs/cgroup-v1-pids.yaml"]).end();
        let what = format!("room for {room} files: {status:?}");
        assert!(matches!(status, Some(0 | 3)), "{what}");
        assert_eq!(arena.left(), Vec::<String>::new(), "{what}");
        for files in &mut fillers {
            fs::remove_file(files.pop().unwrap()).unwrap();
        }
    }
}

/// Takes every inode that there is.
fn fill_up(place: &Path) -> Vec<PathBuf> {
    let paths = (0..).map(|number| place.join(format!("full-{number}")));
    paths
        .take_while(|path| File::create(path).is_ok())
        .collect()
}

/// With each size of its file system, until there is room for all.
fn a_report_is_written_whole_or_not_at_all() {
    let mut arena = Arena::new();
    let folder = arena.path("out");
    fs::create_dir(&folder).unwrap();
    arena.look_again();
    let words = ["next", "-r", "json=out/new.json", "-r", "html=out/old.html"];
    for pages in 1.. {
        let size = format!("size={}k", 4 * pages);
        let none = MsFlags::empty();
        mount(Some("out"), &folder, Some("tmpfs"), none, Some(&*size)).unwrap();
        fs::write(folder.join("old.html"), "old").unwrap();
        assert_eq!(arena.start(&words).end(), Some(0), "{size}");
        let written = written(&folder);
        umount(&folder).unwrap();
        assert_eq!(arena.left(), Vec::<String>::new(), "{size}");
        if written == ["new.host.json", "new.json", "old.html"] {
            return;
        }
    }
}

/// The files that are new and whole; all are whole.
pub fn written(folder: &Path) -> Vec<String> {
    let whole = |name: &String| {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        let is_old = text == "old";
        let is_new = match name.ends_with(".html") {
            true => text.ends_with("</html>\n") || text.ends_with("</html>"),
            false => serde_json::from_str::<serde_json::Value>(&text).is_ok(),
        };
        assert!(is_old || is_new, "{name}: {text}");
        is_new
    };
    let files = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<_> = files
        .map(|file| file.file_name().into_string().unwrap())
        .filter(whole)
        .collect();
    names.sort();
    names
}
