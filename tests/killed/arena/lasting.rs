//! What an arena has outside of its namespaces: it is still there when the test has been killed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use verify::host::Host;
use verify::sys::cgroupfs;

/// How its names begin.
pub const PREFIX: &str = "verify-arena.";

/// Where its storage is: on the disk, where there is one.
const STORAGES: &str = "/var/tmp";

/// How long processes that were killed may take to leave their groups.
const EMPTYING_LIMIT: Duration = Duration::from_secs(2);

/// How much of a second a group's real-time processes get: all groups of a host together may have 950,000.
const REALTIME_USEC: &str = "100000";

/// All of it, until it is dropped.
pub struct Lasting {
    /// A group in each hierarchy, in which every run is.
    pub groups: Vec<PathBuf>,
    /// A directory of the host for `--scratch`: a file system that is slower than memory.
    pub storage: PathBuf,
    /// Held on each, so free when this process is dead.
    _locks: Vec<File>,
}

impl Lasting {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}{}-{count}", std::process::id());
        let groups: Vec<_> = own_groups().iter().map(|own| own.join(&name)).collect();
        let storage = Path::new(STORAGES).join(&name);
        let all = groups.iter().chain([&storage]);
        let _locks = all.map(|path| make_and_lock(path)).collect();
        groups.iter().for_each(|group| prepare(group));
        Self {
            groups,
            storage,
            _locks,
        }
    }
}

impl Drop for Lasting {
    fn drop(&mut self) {
        self.groups.iter().for_each(|group| remove_group(group));
        let _ = fs::remove_dir_all(&self.storage);
    }
}

/// Removes what tests have left that were killed, and kills what is still in it. The locks are held meanwhile, so that who
/// has just made something and waits for its lock sees that it is gone.
pub fn sweep() {
    let below = |parent: PathBuf| cgroupfs::groups_below(&parent).unwrap_or_default();
    for group in own_groups().into_iter().flat_map(below) {
        if let Some(_lock) = lock_of_dead(&group) {
            remove_group(&group);
        }
    }
    let storages = fs::read_dir(STORAGES).into_iter().flatten().flatten();
    for storage in storages.map(|entry| entry.path()) {
        if let Some(_lock) = lock_of_dead(&storage) {
            let _ = fs::remove_dir_all(storage);
        }
    }
}

fn lock_of_dead(path: &Path) -> Option<File> {
    let name = path.file_name()?.to_str()?;
    let lock = name.starts_with(PREFIX).then(|| File::open(path))?.ok()?;
    lock.try_lock().is_ok().then_some(lock)
}

/// Makes a directory, again when other tests that begin have taken it for a dead one's before it was locked.
fn make_and_lock(path: &Path) -> File {
    loop {
        fs::create_dir(path).unwrap();
        if let Ok(lock) = File::open(path)
            && lock.lock().is_ok()
            && path.exists()
        {
            return lock;
        }
    }
}

/// The own group of each hierarchy.
pub fn own_groups() -> Vec<PathBuf> {
    let cgroups = Host::look().cgroups;
    let unified = cgroups.v2.into_iter().map(|v2| v2.lineage[0].path.clone());
    let mut groups: Vec<_> = cgroups.v1.into_values().chain(unified).collect();
    groups.sort();
    // Controllers that share a hierarchy share the group.
    groups.dedup();
    groups
}

/// What a new group of cgroup v1 has not by itself: no process may be in one that has no CPU, nor get SCHED_FIFO in one
/// without time for it (sched-rt-group.rst), and a measurement takes seconds then where others keep the CPU busy.
fn prepare(group: &Path) {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        if let Ok(text) = fs::read(group.with_file_name(file)) {
            let _ = fs::write(group.join(file), text);
        }
    }
    let _ = fs::write(group.join("cpu.rt_runtime_us"), REALTIME_USEC);
}

fn remove_group(group: &Path) {
    let _ = cgroupfs::remove(group, Instant::now() + EMPTYING_LIMIT);
}
