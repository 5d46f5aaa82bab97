//! A part of the host of a test's own, in which nobody else changes anything.

mod process;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns, unshare};
use tempfile::TempDir;
use verify::host::Host;

pub use process::{Process, Running};

/// Enters the groups given before `--`, so that everything that comes of it is in them, and becomes the command after.
const ENTER: &str =
    "while [ $1 != -- ]; do echo $$ > $1/cgroup.procs; shift; done; shift; exec \"$@\"";

/// The place, until it is dropped.
pub struct Arena {
    folder: TempDir,
    /// A group in each hierarchy that the specs use, in which every run is.
    groups: Vec<PathBuf>,
    before: Seen,
    outside: [fs::File; 3],
}

/// What must be the same before and after, exactly: nobody else can change it.
#[derive(Debug, Clone, PartialEq)]
struct Seen {
    mounts: String,
    links: String,
    hostname: String,
    /// Some that a careless experiment would change, of the network namespace and of the whole host.
    settings: Vec<String>,
    /// Which controller is in which cgroup v1 hierarchy.
    hierarchies: Vec<String>,
}

const SETTINGS: [&str; 6] = [
    "kernel/core_pattern",
    "net/ipv4/ip_forward",
    "net/ipv4/ping_group_range",
    "net/ipv6/conf/all/disable_ipv6",
    "user/max_net_namespaces",
    "vm/swappiness",
];

impl Seen {
    fn look() -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap();
        let links = read("/proc/thread-self/net/dev");
        let setting =
            |name: &str| fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default();
        let controllers = read("/proc/cgroups");
        let columns = |line: &str| {
            line.split_whitespace()
                .take(2)
                .collect::<Vec<_>>()
                .join(" ")
        };
        let names = links.lines().filter_map(|line| line.split_once(':'));
        Self {
            mounts: read("/proc/thread-self/mountinfo"),
            links: names.map(|(name, _)| name).collect(),
            hostname: nix::unistd::gethostname().unwrap().into_string().unwrap(),
            settings: SETTINGS.map(setting).to_vec(),
            hierarchies: controllers.lines().map(columns).collect(),
        }
    }
}

impl Arena {
    /// Why there can be none here.
    pub fn unfit() -> Option<String> {
        if !nix::unistd::geteuid().is_root() {
            return Some("runs are killed as root only".to_owned());
        }
        let group = parents()
            .into_iter()
            .next()
            .map(|(_, parent)| parent.join("verify-arena"));
        match group {
            None => Some("there is no cgroup controller here".to_owned()),
            Some(group) => match fs::create_dir(&group).and_then(|()| fs::remove_dir(&group)) {
                Ok(()) => None,
                Err(error) => Some(format!("no cgroup can be made here: {error}")),
            },
        }
    }

    pub fn new() -> Self {
        let namespace = |kind: &str| fs::File::open(format!("/proc/thread-self/ns/{kind}"));
        let outside = ["mnt", "net", "uts"].map(|kind| namespace(kind).unwrap());
        let flags = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWUTS;
        unshare(flags).unwrap();
        let none = None::<&str>;
        mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).unwrap();
        mount(Some("arena"), "/run", Some("tmpfs"), MsFlags::empty(), none).unwrap();
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("verify-arena-{}-{count}", std::process::id());
        let groups = parents().into_iter().map(|(_, parent)| parent.join(&name));
        let groups: Vec<_> = groups
            .inspect(|group| fs::create_dir(group).unwrap())
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let arena = Self {
            folder,
            groups,
            before: Seen::look(),
            outside,
        };
        arena.write_specs();
        arena
    }

    /// Leaves no place in which a run could have its directory.
    pub fn make_places_read_only(&mut self) {
        let none = None::<&str>;
        for place in ["/run", "/tmp", "/dev/shm"] {
            let bind = MsFlags::MS_BIND | MsFlags::MS_REC;
            mount(Some(place), place, none, bind, none).unwrap();
            let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
            mount(none, place, none, read_only, none).unwrap();
        }
        self.before = Seen::look();
    }

    /// Specs with their reviewed snapshots: one whose worker sits in a group with a process that outlives its step, one
    /// without any group, and for the next start one that is short.
    fn write_specs(&self) {
        let (need, _) = parents().swap_remove(0);
        let (_, controller) = need.split_once(' ').unwrap();
        let group = match need.starts_with("cgroup-v1") {
            true => format!("/sys/fs/cgroup/{controller}"),
            false => "/sys/fs/cgroup".to_owned(),
        };
        let inside = |name: &str, seconds: &str| {
            format!(
                "experiment: {name}\ntitle: t\nneeds: [{need}]\nsteps:\n  - mkdir: {group}/inner\n  \
                 - echo: 0 > {group}/inner/cgroup.procs\n  - echo: '\"setsid sleep 100 >/dev/null 2>&1 &\" > f'\n  \
                 - run: /bin/sh f\n  - run: /bin/sleep {seconds}\n  - uname: -n\n"
            )
        };
        let specs = [
            ("specs/group.yaml", inside("group", "0.02")),
            (
                "specs/plain.yaml",
                "experiment: plain\ntitle: t\nsteps:\n  - mkdir: a\n  - tree: .\n".to_owned(),
            ),
            (
                "next/next.yaml",
                "experiment: next\ntitle: t\nsteps:\n  - uname: -n\n".to_owned(),
            ),
            ("long/long.yaml", inside("long", "60")),
        ];
        for (path, text) in specs {
            let path = self.folder.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        for folder in ["specs", "next"] {
            assert_eq!(
                self.start(folder).end(),
                Some(3),
                "a session without a snapshot"
            );
            let accepted = self.command(&["accept", folder]).status().unwrap();
            assert!(accepted.success());
        }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", ENTER, "sh"]).args(&self.groups);
        command
            .args(["--", env!("CARGO_BIN_EXE_verify")])
            .args(arguments);
        command
            .current_dir(self.folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Starts a run of the specs in this folder.
    pub fn start(&self, specs: &str) -> Running {
        Running::start(self.command(&["run", specs]).env_remove("CI"))
    }

    /// Runs the specs in this folder in a PID namespace of its own, which shows nobody else's processes. Gives the exit code
    /// and what was said.
    pub fn answer_in_pid_namespace(&self, specs: &str) -> (Option<i32>, String) {
        let mut command = Command::new("unshare");
        command.args([
            "--pid",
            "--fork",
            "--mount-proc",
            env!("CARGO_BIN_EXE_verify"),
            "run",
            specs,
        ]);
        let output = command.current_dir(self.folder.path()).output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    }

    /// The groups that are in it now.
    pub fn made_groups(&self) -> Vec<PathBuf> {
        let inside = self
            .groups
            .iter()
            .flat_map(|group| walkdir::WalkDir::new(group).min_depth(1));
        let folders = inside.flatten().filter(|entry| entry.file_type().is_dir());
        folders.map(walkdir::DirEntry::into_path).collect()
    }

    /// The processes in it whose name, or command line, is asked for.
    pub fn processes(&self, wanted: impl Fn(&str) -> bool) -> Vec<Process> {
        let groups = self.groups.iter().flat_map(walkdir::WalkDir::new);
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
        let name = self.groups[0].file_name().unwrap().to_str().unwrap();
        let processes = pids.into_iter().filter_map(Process::open);
        // The number may have gone to another process since it was read.
        let processes = processes.filter(|process| process.groups().contains(name));
        processes
            .filter(|process| wanted(&process.command()))
            .collect()
    }

    /// Waits until nobody is in it any more.
    pub fn settle(&self) {
        loop {
            let processes = self.processes(|_| true);
            if processes.is_empty() {
                return;
            }
            processes.iter().for_each(Process::wait);
        }
    }

    /// What is there that was not there before.
    pub fn left(&self) -> Vec<String> {
        let mut left = Vec::new();
        for group in self
            .groups
            .iter()
            .flat_map(|group| walkdir::WalkDir::new(group).min_depth(1))
            .flatten()
        {
            if group.file_type().is_dir() {
                left.push(format!("group {}", group.path().display()));
            }
        }
        left.extend(
            self.processes(|_| true)
                .iter()
                .map(|process| format!("process {} {}", process.pid(), process.command())),
        );
        for path in walkdir::WalkDir::new("/run")
            .min_depth(1)
            .into_iter()
            .flatten()
        {
            left.push(format!("file {}", path.path().display()));
        }
        let seen = Seen::look();
        if seen != self.before {
            left.push(format!("{:?} was {seen:?}", self.before));
        }
        left
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        self.processes(|_| true).iter().for_each(Process::kill);
        for group in &self.groups {
            let deadline = std::time::Instant::now() + std::time::Duration::from_secs(2);
            let _ = verify::sys::cgroupfs::remove(group, deadline);
        }
        // The thread is a test runner's, which goes on with another test.
        for namespace in &self.outside {
            setns(namespace, CloneFlags::empty()).unwrap();
        }
    }
}

/// A need for a group that this host can give, and the group below which it is made: of some controllers.
fn parents() -> Vec<(String, PathBuf)> {
    let cgroups = Host::look().cgroups;
    let v1 = ["pids", "cpu"].into_iter().filter_map(|controller| {
        let parent = cgroups.v1.get(controller)?.clone();
        Some((format!("cgroup-v1 {controller}"), parent))
    });
    let unified = cgroups
        .v2
        .as_ref()
        .and_then(|unified| unified.parent_for(&[]));
    let v2 = unified.map(|parent| ("cgroup-v2".to_owned(), parent.path));
    v1.chain(v2).collect()
}
