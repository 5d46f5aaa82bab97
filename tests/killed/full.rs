//! File systems that fill up: that of the run's directory, that of a report, that of snapshots.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use nix::mount::{MsFlags, mount};

use super::Test;
use super::arena::{Arena, PLACES, detach};

pub const TESTS: &[Test] = &[
    (
        "full_places_for_the_directory_leave_nothing",
        full_places_for_the_directory_leave_nothing,
    ),
    (
        "a_report_is_written_whole_or_not_at_all",
        a_report_is_written_whole_or_not_at_all,
    ),
    (
        "a_snapshot_is_written_whole_or_not_at_all",
        a_snapshot_is_written_whole_or_not_at_all,
    ),
];

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
        detach(&folder);
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

/// How many lines a session has: some pages.
const LINES: usize = 200;

/// What stands in its file; `None` where there is no such file.
fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

/// A file system of snapshots with a reviewed session that differs, and an older one that waits for a review.
struct Snapshots {
    folder: PathBuf,
    reviewed: PathBuf,
    pending: PathBuf,
}

impl Snapshots {
    const OLD: &str = "---\nsource: wide/wide.yaml\ndescription: t\n---\n# echo old > a\n";

    /// Writes the spec, too.
    fn of(arena: &Arena) -> Self {
        let lines =
            (0..LINES).map(|number| format!("  - echo: {} > a\n", number.to_string().repeat(20)));
        let spec = format!(
            "experiment: wide\ntitle: t\nsteps:\n{}  - cat: a\n",
            lines.collect::<String>()
        );
        let folder = arena.path("wide/snapshots");
        fs::create_dir_all(&folder).unwrap();
        fs::write(arena.path("wide/wide.yaml"), spec).unwrap();
        Self {
            reviewed: folder.join("wide.snap"),
            pending: folder.join("wide.snap.new"),
            folder,
        }
    }

    fn mount(&self, options: &str) {
        let (none, kind) = (MsFlags::empty(), Some("tmpfs"));
        mount(Some("snapshots"), &self.folder, kind, none, Some(options)).unwrap();
        fs::write(&self.reviewed, Self::OLD).unwrap();
        fs::write(&self.pending, Self::OLD).unwrap();
    }

    /// The session that waits when there is room. A file beside these two would be a part of one.
    fn waiting(&self) -> String {
        assert_eq!(fs::read_dir(&self.folder).unwrap().count(), 2);
        text(&self.pending).unwrap()
    }
}

/// What a run, or another command about the snapshots, says, and its exit code.
fn said(arena: &Arena, words: &[&str]) -> (Option<i32>, String) {
    let mut command = arena.command(words);
    let output = command
        .env_remove("CI")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .output();
    let output = output.unwrap();
    let text = [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (output.status.code(), text.concat())
}

/// With each size of their file system, until there is room; then once more when the reviewed one is to be replaced.
fn a_snapshot_is_written_whole_or_not_at_all() {
    let mut arena = Arena::new();
    let snapshots = Snapshots::of(&arena);
    arena.look_again();
    let sizes = (3..).map(|pages| format!("size={}k", 4 * pages));
    let all = ["nr_inodes=3".to_owned()].into_iter().chain(sizes);
    for (short, options) in all.enumerate() {
        snapshots.mount(&options);
        let (code, said) = said(&arena, &["run", "wide"]);
        let waiting = snapshots.waiting();
        assert_eq!(code, Some(1), "{options}: {said}");
        assert_eq!(
            text(&snapshots.reviewed).as_deref(),
            Some(Snapshots::OLD),
            "{options}"
        );
        let is_told =
            said.contains("wide.snap.new: cannot write this snapshot: No space left on device");
        assert_eq!(is_told, waiting == Snapshots::OLD, "{options}: {said}");
        if waiting != Snapshots::OLD {
            assert!(
                short > 1 && waiting.lines().count() == 4 + LINES + 2,
                "{options}: {waiting}"
            );
            break;
        }
        detach(&snapshots.folder);
    }
    accepts_whole_or_not_at_all(&arena, &snapshots);
    detach(&snapshots.folder);
    assert_eq!(arena.left(), Vec::<String>::new());
}

/// As long as there is no room for another copy, the reviewed session stays, and the other one waits.
fn accepts_whole_or_not_at_all(arena: &Arena, snapshots: &Snapshots) {
    let (waiting, full) = (snapshots.waiting(), snapshots.folder.join("full"));
    let mut file = File::create(&full).unwrap();
    while file.write_all(&[0]).is_ok() {}
    let (code, text) = said(arena, &["accept", "wide"]);
    assert!(
        code == Some(2) && text.contains("No space left on device"),
        "{code:?}: {text}"
    );
    fs::remove_file(full).unwrap();
    assert_eq!(snapshots.waiting(), waiting);
    assert_eq!(
        fs::read_to_string(&snapshots.reviewed).unwrap(),
        Snapshots::OLD
    );
}
