//! A part of the host of a test's own, in which nobody else changes anything.

mod lasting;
mod process;
mod seen;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, setns, unshare};
use verify::host::Host;
use verify::sys::cgroupfs;

pub use lasting::sweep;
use lasting::{Lasting, PREFIX, own_groups};
pub use process::{Process, Running};
pub use seen::PLACES;
use seen::Seen;

/// Enters the groups given before `--`, so that everything that comes of it is in them, and becomes the command after.
const ENTER: &str = "while [ $1 != -- ]; do echo $$ > $1/cgroup.procs; shift; done; shift; ulimit -c 0; $LIMIT; exec \"$@\"";

/// Where everything is that a test has on the host, in the arena's own /run.
const FOLDER: &str = "/run/arena";

/// The program, wherever it was built: a mount of the arena may cover that place.
const BINARY: &str = "/run/arena/verify";

/// A name that steps of the arena's own specs mention.
pub const WORD: &str = "left0";

/// What [`Arena::left`] calls something in the directory for `--scratch`.
pub const STORED: &str = "stored";

/// The place, until it is dropped.
pub struct Arena {
    lasting: Lasting,
    before: Seen,
    outside: [fs::File; 3],
}

impl Arena {
    /// Why there can be none here.
    pub fn unfit() -> Option<String> {
        if !nix::unistd::geteuid().is_root() {
            return Some("runs are killed as root only".to_owned());
        }
        if need().is_none() {
            return Some("there is no cgroup controller here".to_owned());
        }
        let name = format!("{PREFIX}{}", std::process::id());
        let group = own_groups().swap_remove(0).join(name);
        let made = fs::create_dir(&group).and_then(|()| fs::remove_dir(&group));
        made.err()
            .map(|error| format!("no cgroup can be made here: {error}"))
    }

    pub fn new() -> Self {
        let namespace = |kind: &str| fs::File::open(format!("/proc/thread-self/ns/{kind}"));
        let outside = ["mnt", "net", "uts"].map(|kind| namespace(kind).unwrap());
        let flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS;
        unshare(flags).unwrap();
        make_places();
        let mut arena = Self {
            lasting: Lasting::new(),
            before: Seen::new(),
            outside,
        };
        arena.accept();
        arena.look_again();
        arena
    }

    /// Takes what is there now for what was there before.
    pub fn look_again(&mut self) {
        self.before = seen::look();
    }

    /// Leaves no place in which a run could have its directory.
    pub fn make_places_read_only(&mut self) {
        let none = None::<&str>;
        for place in PLACES {
            let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some(place), place, none, bind, none).unwrap();
            let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
            mount(none, place, none, read_only, none).unwrap();
        }
        self.look_again();
    }

    /// Makes the reviewed snapshots of the arena's own specs.
    fn accept(&self) {
        for folder in ["group", "next"] {
            let run = self.command(&["run", folder]).env_remove("CI").status();
            assert_eq!(run.unwrap().code(), Some(3), "a session without a snapshot");
            let accepted = self.command(&["accept", folder]).status().unwrap();
            assert!(accepted.success());
        }
    }

    /// The program with these arguments, in the arena.
    pub fn command<W: AsRef<str>>(&self, arguments: &[W]) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", ENTER, "sh"]).args(self.groups());
        command.args(["--", BINARY]);
        command.args(arguments.iter().map(AsRef::as_ref));
        command
            .current_dir(FOLDER)
            .env("CI", "1")
            .env("LIMIT", ":")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Starts a run of the specs in these places.
    pub fn start<W: AsRef<str>>(&self, places: &[W]) -> Running {
        let places = places.iter().map(AsRef::as_ref);
        let arguments: Vec<_> = ["run"].into_iter().chain(places).collect();
        Running::start(&mut self.command(&arguments))
    }

    /// The next start after something has happened, which must find nothing amiss, and that nothing is left then.
    pub fn start_next(&self, after: &str) {
        assert_eq!(
            self.start(&["next"]).end(),
            Some(0),
            "the start after {after}"
        );
        assert_eq!(
            self.left(),
            Vec::<String>::new(),
            "{after} and the next start"
        );
    }

    /// Runs the specs in this folder in a PID namespace of its own, which shows nobody else's processes. Gives the exit code
    /// and what was said.
    pub fn answer_in_pid_namespace(&self, specs: &str) -> (Option<i32>, String) {
        let mut command = Command::new("unshare");
        command.args(["--pid", "--fork", "--mount-proc", BINARY, "run", specs]);
        let output = command.current_dir(FOLDER).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        (output.status.code(), said)
    }

    /// A path of a test's own, of which what is left is found.
    pub fn path(&self, name: &str) -> PathBuf {
        Path::new(FOLDER).join(name)
    }

    /// What makes a run perform its experiments in a directory of which everything that is left is found.
    pub fn scratch(&self) -> [String; 2] {
        ["--scratch".to_owned(), self.storage().display().to_string()]
    }

    /// That directory.
    pub fn storage(&self) -> &Path {
        &self.lasting.storage
    }

    /// Its group in each hierarchy.
    pub fn groups(&self) -> &[PathBuf] {
        &self.lasting.groups
    }

    /// The arena's group in the hierarchy of cgroup v1 with this controller, which must be one.
    pub fn group(&self, controller: &str) -> &Path {
        let own = &Host::look().cgroups.v1[controller];
        let found = self
            .groups()
            .iter()
            .find(|group| group.parent() == Some(own.as_path()));
        found.unwrap()
    }

    /// Its group of cgroup v2.
    pub fn unified(&self) -> Option<&Path> {
        let own = Host::look().cgroups.v2?.lineage.swap_remove(0).path;
        let mut groups = self.groups().iter().map(PathBuf::as_path);
        groups.find(|group| group.parent() == Some(&own))
    }

    /// The groups that are in it now.
    pub fn made_groups(&self) -> Vec<PathBuf> {
        let inside = self
            .groups()
            .iter()
            .flat_map(|group| walkdir::WalkDir::new(group).min_depth(1));
        let folders = inside.flatten().filter(|entry| entry.file_type().is_dir());
        folders.map(walkdir::DirEntry::into_path).collect()
    }

    /// The processes in it whose name, or command line, is asked for.
    pub fn processes(&self, wanted: impl Fn(&str) -> bool) -> Vec<Process> {
        let groups = self.groups().iter().flat_map(walkdir::WalkDir::new);
        let groups = groups
            .flatten()
            .filter(|entry| entry.file_name() == "cgroup.procs");
        let texts = groups.filter_map(|entry| fs::read_to_string(entry.path()).ok());
        let mut pids: Vec<i32> = Vec::new();
        for text in texts {
            pids.extend(text.lines().map(|line| line.parse::<i32>().unwrap()));
        }
        pids.sort_unstable();
        pids.dedup();
        let name = self.groups()[0].file_name().unwrap().to_str().unwrap();
        let processes = pids.into_iter().filter_map(Process::open);
        // The number may have gone to another process since it was read.
        let processes = processes.filter(|process| process.groups().contains(name));
        processes
            .filter(|process| wanted(&process.command()))
            .collect()
    }

    /// The processes that a run has started itself, its janitor and its workers: all others end with those.
    pub fn processes_of(&self, run: &Running, wanted: impl Fn(&str) -> bool) -> Vec<Process> {
        let mut processes = self.processes(wanted);
        processes.retain(|process| process.parent() == run.pid());
        processes
    }

    /// Waits until nobody in it does anything any more.
    pub fn settle(&self) {
        loop {
            let mut processes = self.processes(|_| true);
            processes.retain(|process| !process.files().is_empty());
            if processes.is_empty() {
                break;
            }
            processes.iter().for_each(Process::wait);
        }
        // A process that dies has no files a moment before it lets go of their locks: do_exit() puts off the last fput().
        let runs = fs::read_dir("/run/verify").into_iter().flatten().flatten();
        for run in runs.filter_map(|run| fs::File::open(run.path()).ok()) {
            run.lock().unwrap();
        }
    }

    /// What is there that was not there before, and what is not that was.
    pub fn left(&self) -> Vec<String> {
        let groups = self.made_groups().into_iter();
        let groups = groups.map(|group| format!("group {}", group.display()));
        let mut processes = self.processes(|_| true);
        processes.retain(|process| !process.was_dying());
        let processes = processes.into_iter();
        let processes =
            processes.map(|process| format!("process {} {}", process.pid(), process.command()));
        let stored = seen::files(self.storage()).into_iter();
        let passing_on = self.groups().iter().filter_map(|group| passing_on(group));
        groups
            .chain(processes)
            .chain(passing_on)
            .chain(stored.map(|path| format!("{STORED} {path}")))
            .chain(seen::differences(&self.before, &seen::look()))
            .collect()
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.processes(|_| true).iter().for_each(Process::kill);
        // The thread is a test runner's, which goes on with another test. The mounts end with their namespace.
        for namespace in &self.outside {
            setns(namespace, CloneFlags::empty()).unwrap();
        }
    }
}

/// Takes a mount away. Not by umount(2): a child that another test has forked just now may have a file open in it, and that
/// is EBUSY.
pub fn detach(mounted: &Path) {
    umount2(mounted, MntFlags::MNT_DETACH).unwrap();
}

/// That a group of cgroup v2 passes controllers on, which the arena's own did not before.
fn passing_on(group: &Path) -> Option<String> {
    let controllers = cgroupfs::controllers(group, "cgroup.subtree_control");
    (!controllers.is_empty()).then(|| format!("passed on {}: {controllers:?}", group.display()))
}

/// Makes the places in which a run may have its directory, with the specs and the program in one of them.
fn make_places() {
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
    let few = Some("nr_inodes=300");
    let cover = |place| mount(Some("arena"), place, Some("tmpfs"), MsFlags::empty(), few).unwrap();
    cover(PLACES[0]);
    fs::create_dir(FOLDER).unwrap();
    write_specs(Path::new(FOLDER));
    fs::write(BINARY, "").unwrap();
    let built = env!("CARGO_BIN_EXE_verify");
    mount(Some(built), BINARY, none, MsFlags::MS_BIND, none).unwrap();
    PLACES[1..].iter().for_each(|place| cover(place));
}

/// All experiments with their snapshots, and specs of the arena's own: one whose worker sits in a group with a process that
/// outlives its step, one like it that takes long, and for the next start one that is short.
fn write_specs(folder: &Path) {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    for part in ["specs", "snapshots"] {
        fs::create_dir(folder.join(part)).unwrap();
        for file in fs::read_dir(project.join(part)).unwrap().flatten() {
            fs::copy(file.path(), folder.join(part).join(file.file_name())).unwrap();
        }
    }
    let next = "experiment: next\ntitle: t\nsteps:\n  - uname: -n\n";
    for (name, text) in [
        ("group", &*inside("group", "0.02")),
        ("long", &*inside("long", "60")),
        ("next", next),
    ] {
        fs::create_dir(folder.join(name)).unwrap();
        fs::write(folder.join(name).join(name).with_extension("yaml"), text).unwrap();
    }
}

fn inside(name: &str, seconds: &str) -> String {
    let (need, group) = need().unwrap();
    format!(
        "experiment: {name}\ntitle: t\nneeds: [{need}]\nsteps:\n  - mkdir: {group}/inner\n  \
         - echo: 0 > {group}/inner/cgroup.procs\n  - echo: '\"setsid sleep 100 >/dev/null 2>&1 &\" > f'\n  \
         - run: /bin/sh f\n  - run: /bin/sleep {seconds}\n  \
         - hostname: {WORD}\n  - uname: -n\n"
    )
}

/// A need for a group that this host can give, and what the session knows the group as.
fn need() -> Option<(String, String)> {
    let cgroups = Host::look().cgroups;
    let v1 = ["pids", "cpu"];
    let v1 = v1.into_iter().find(|name| cgroups.v1.contains_key(*name));
    let v2 = || Some(("cgroup-v2".to_owned(), "/sys/fs/cgroup".to_owned()));
    match v1 {
        Some(name) => Some((
            format!("cgroup-v1 {name}"),
            format!("/sys/fs/cgroup/{name}"),
        )),
        None => v2().filter(|_| cgroups.v2.is_some()),
    }
}
