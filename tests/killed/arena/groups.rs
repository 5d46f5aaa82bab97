//! The groups of arenas: one in each hierarchy, locked as long as the test lives.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use verify::host::Host;
use verify::sys::cgroupfs;

/// How the names of arenas' groups begin.
pub const PREFIX: &str = "verify-arena.";

/// How long processes that were killed may take to leave their groups.
const EMPTYING_LIMIT: Duration = Duration::from_secs(2);

/// How much of a second a group's real-time processes get: all groups of a host together may have 950,000.
const REALTIME_USEC: &str = "100000";

/// Removes the groups of tests that were killed, and kills what is still in them. Their locks are held meanwhile, so that
/// who has just made one of these and waits for its lock sees that it is gone.
pub fn sweep() {
    let below = |parent: PathBuf| cgroupfs::groups_below(&parent).unwrap_or_default();
    for group in own_groups().into_iter().flat_map(below) {
        let name = group.file_name().unwrap().to_string_lossy();
        if name.starts_with(PREFIX)
            && let Ok(lock) = File::open(&group)
            && lock.try_lock().is_ok()
        {
            remove(&group);
        }
    }
}

/// Removes a group, and kills what is still in it.
pub fn remove(group: &Path) {
    let _ = cgroupfs::remove(group, Instant::now() + EMPTYING_LIMIT);
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

/// Makes an arena's group in each hierarchy. Gives it with its lock, which is free when this process is dead.
pub fn make_groups() -> Vec<(PathBuf, File)> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = format!("{PREFIX}{}-{count}", std::process::id());
    let make = |parent: PathBuf| {
        let group = parent.join(&name);
        let lock = make_and_lock(&group);
        // Of cgroup v1: no process may be in a group that has no CPU.
        for file in ["cpuset.cpus", "cpuset.mems"] {
            if let Ok(text) = fs::read(parent.join(file)) {
                let _ = fs::write(group.join(file), text);
            }
        }
        // Nor does it get SCHED_FIFO in a group without time for it (sched-rt-group.rst), and a measurement takes seconds
        // then where others keep the CPU busy.
        let _ = fs::write(group.join("cpu.rt_runtime_us"), REALTIME_USEC);
        (group, lock)
    };
    own_groups().into_iter().map(make).collect()
}

/// Makes a group, again when other tests that begin have taken it for a dead one's before it was locked.
fn make_and_lock(group: &Path) -> File {
    loop {
        fs::create_dir(group).unwrap();
        if let Ok(lock) = File::open(group)
            && lock.lock().is_ok()
            && group.exists()
        {
            return lock;
        }
    }
}
