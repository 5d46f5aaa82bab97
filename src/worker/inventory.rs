//! What there is on the host that a run might leave: taken before and after it, and compared.
//!
//! Other programs go on meanwhile. What appeared is the run's when it carries the run's name, lies where only workers
//! put things, or has a name that a step mentions.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::slice;

use nix::net::if_::if_nameindex;
use nix::sys::utsname::uname;
use nix::sys::wait::{Id, WaitPidFlag, waitid};

use super::group::run_of;
use super::place;
use super::reap::all_groups;
use super::scratch;
use super::state::{self, RunName};
use crate::host::Cgroups;
use crate::spec::{Step, with_inner};

/// Where ip(8) keeps named network namespaces.
const NAMED_NETWORKS: &str = "/run/netns";

/// Everything that a run might leave on a host, as it is at one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Inventory {
    groups: BTreeSet<PathBuf>,
    runs: BTreeSet<PathBuf>,
    scratch: BTreeSet<PathBuf>,
    children: BTreeSet<(i32, String)>,
    /// /proc/self/mountinfo as it is: it is long on many hosts, and seldom changes.
    mounts: String,
    links: BTreeSet<Link>,
    named_networks: BTreeSet<String>,
    hostname: String,
    domainname: String,
    /// /proc/cgroups as it is.
    controllers: String,
}

/// A link in the host's network namespace.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Link {
    index: u32,
    name: String,
}

/// What tells a run's doings from those of other programs.
#[derive(Debug, Clone)]
pub struct Mine {
    /// The run.
    pub run: RunName,
    /// The words of all steps.
    words: BTreeSet<String>,
}

impl Mine {
    /// That run, performing these steps.
    pub fn new<'a>(run: RunName, steps: impl Iterator<Item = &'a Step>) -> Self {
        let all = steps.flat_map(|step| with_inner(slice::from_ref(step)));
        let words = all.flat_map(|(_, step)| step.text.split_whitespace());
        let words = words.chain([place::HOSTNAME]).map(str::to_owned).collect();
        Self { run, words }
    }

    fn mentions(&self, name: &str) -> bool {
        self.words.contains(name)
    }
}

impl Inventory {
    /// Takes it, with the directories of runs below `states` and `storage`. What cannot be seen is left out, before and
    /// after alike.
    #[must_use]
    pub fn take(states: &[PathBuf], cgroups: &Cgroups, storage: Option<&Path>) -> Self {
        let text = |name: &OsStr| name.to_string_lossy().into_owned();
        let (hostname, domainname) = uname().map_or_else(
            |_| Default::default(),
            |names| (text(names.nodename()), text(names.domainname())),
        );
        Self {
            groups: all_groups(cgroups).into_iter().collect(),
            runs: states.iter().flat_map(|state| state::runs(state)).collect(),
            scratch: storage.into_iter().flat_map(scratch::runs_below).collect(),
            children: children(),
            mounts: fs::read_to_string("/proc/self/mountinfo").unwrap_or_default(),
            links: links(),
            named_networks: named_networks(Path::new(NAMED_NETWORKS)),
            hostname,
            domainname,
            controllers: fs::read_to_string("/proc/cgroups").unwrap_or_default(),
        }
    }

    /// What is different from `before` and was done by this run, each as a sentence.
    ///
    /// What is never empty and is so could not be seen, as where no file can be opened: that says nothing.
    #[must_use]
    pub fn left(&self, before: &Self, mine: &Mine) -> Vec<String> {
        let mut left = self.left_of_run(before, mine);
        left.extend(left_mounts(&before.mounts, &self.mounts, mine));
        left.extend(self.left_networks(before, mine));
        left.extend(self.left_names(before, mine));
        left.extend(left_hierarchies(
            &before.controllers,
            &self.controllers,
            mine,
        ));
        left
    }

    fn left_of_run(&self, before: &Self, mine: &Mine) -> Vec<String> {
        let my_group = |group: &&PathBuf| run_of(group).as_ref() == Some(&mine.run);
        let my_run = |path: &&PathBuf| RunName::of_directory(path).as_ref() == Some(&mine.run);
        let groups = self.groups.difference(&before.groups).filter(my_group);
        let runs = self.runs.difference(&before.runs).filter(my_run);
        let my_scratch = |path: &&PathBuf| scratch::run_of(path).as_ref() == Some(&mine.run);
        let scratch = self.scratch.difference(&before.scratch).filter(my_scratch);
        let directories = runs.chain(scratch);
        let children = self.children.difference(&before.children);
        groups
            .map(|group| format!("cgroup {} is still there", group.display()))
            .chain(directories.map(|path| format!("directory {} is still there", path.display())))
            .chain(children.map(|(pid, name)| format!("process {pid} ({name}) still runs")))
            .collect()
    }

    fn left_networks(&self, before: &Self, mine: &Mine) -> Vec<String> {
        let seen = !self.links.is_empty() && !before.links.is_empty();
        let differences = |now: &BTreeSet<Link>, then: &BTreeSet<Link>, how: &str| {
            let links = now
                .difference(then)
                .filter(|link| seen && mine.mentions(&link.name));
            let sentence = |link: &Link| format!("link {} is {how}", link.name);
            links.map(sentence).collect::<Vec<_>>()
        };
        let mut left = differences(&self.links, &before.links, "still there");
        left.extend(differences(&before.links, &self.links, "gone"));
        let named = self.named_networks.difference(&before.named_networks);
        let mentioned = named.filter(|name| mine.mentions(name));
        left.extend(mentioned.map(|name| format!("{NAMED_NETWORKS}/{name} is still there")));
        left
    }

    fn left_names(&self, before: &Self, mine: &Mine) -> Vec<String> {
        let names = [
            ("hostname", &before.hostname, &self.hostname),
            ("domainname", &before.domainname, &self.domainname),
        ];
        let changed = names
            .into_iter()
            .filter(|(_, then, now)| then != now && mine.mentions(now));
        changed
            .map(|(what, then, now)| format!("the {what} was {then} and is now {now}"))
            .collect()
    }
}

/// Processes that this one has started, by number and name.
fn children() -> BTreeSet<(i32, String)> {
    let look = WaitPidFlag::WEXITED | WaitPidFlag::WNOHANG | WaitPidFlag::WNOWAIT;
    // Without any child, as nearly always, this answers ECHILD, and /proc need not be searched.
    if waitid(Id::All, look).is_err() {
        return BTreeSet::new();
    }
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    let all = procfs::process::all_processes().into_iter().flatten();
    let stats = all.flatten().filter_map(|process| process.stat().ok());
    stats
        .filter(|stat| stat.ppid == own)
        .map(|stat| (stat.pid, stat.comm))
        .collect()
}

fn links() -> BTreeSet<Link> {
    let interfaces = if_nameindex();
    let interfaces = interfaces.iter().flatten();
    interfaces
        .map(|interface| Link {
            index: interface.index(),
            name: interface.name().to_string_lossy().into_owned(),
        })
        .collect()
}

fn named_networks(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

/// A line of /proc/self/mountinfo, as far as it tells whose it is. proc_pid_mountinfo(5)
struct Mount<'a> {
    id: &'a str,
    point: &'a str,
    kind: &'a str,
    source: &'a str,
}

impl<'a> Mount<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let (own, file_system) = line.split_once(" - ")?;
        let mut own = own.split(' ');
        let mut file_system = file_system.split(' ');
        Some(Self {
            id: own.next()?,
            point: own.nth(3)?,
            kind: file_system.next()?,
            source: file_system.next()?,
        })
    }

    /// Whether a worker has made it, or made it appear outside of its namespace.
    fn is_made_by(&self, mine: &Mine) -> bool {
        let point = Path::new(self.point);
        let name = point.file_name().and_then(|name| name.to_str());
        self.source == place::SOURCE
            || (self.kind == "proc" && self.point == "/proc")
            || place::holds(point)
            || (point.parent() == Some(Path::new(NAMED_NETWORKS))
                && name.is_some_and(|name| mine.mentions(name)))
    }
}

fn left_mounts(before: &str, after: &str, mine: &Mine) -> Vec<String> {
    if before == after || before.is_empty() || after.is_empty() {
        return Vec::new();
    }
    let mounts = |text| -> BTreeMap<_, _> {
        let parsed = str::lines(text).filter_map(Mount::parse);
        parsed.map(|mount| (mount.id, mount)).collect()
    };
    let (before, after) = (mounts(before), mounts(after));
    let made = after
        .values()
        .filter(|mount| !before.contains_key(mount.id));
    let gone = before
        .values()
        .filter(|mount| !after.contains_key(mount.id));
    let made = made
        .filter(|mount| mount.is_made_by(mine))
        .map(|mount| format!("{} is still mounted on {}", mount.kind, mount.point));
    let gone = gone
        .filter(|mount| mine.mentions(mount.point))
        .map(|mount| format!("{} is no longer mounted on {}", mount.kind, mount.point));
    made.chain(gone).collect()
}

/// Controllers that have got a cgroup v1 hierarchy, or lost it: mounting one for a moment is enough.
fn left_hierarchies(before: &str, after: &str, mine: &Mine) -> Vec<String> {
    let hierarchies = |text: &str| -> BTreeMap<String, String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let columns = lines.filter_map(|line| {
            let mut columns = line.split_whitespace();
            Some((columns.next()?.to_owned(), columns.next()?.to_owned()))
        });
        columns.collect()
    };
    let before = hierarchies(before);
    let changed = hierarchies(after).into_iter().filter_map(|(name, now)| {
        let then = before.get(&name).filter(|then| **then != now)?;
        let sentence = format!("controller {name} was in hierarchy {then} and is now in {now}");
        mine.mentions(&name).then_some(sentence)
    });
    changed.collect()
}

#[cfg(test)]
mod tests;
