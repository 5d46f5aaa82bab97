//! What a run must leave as it was: everything on a host that it could change, but for cgroups and processes.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Everything that is compared, each with its kind in front: `mount …`, `link veth0`.
pub type Seen = BTreeSet<String>;

/// The number of the last process: it changes by itself.
const RESTLESS: &str = "/proc/sys/kernel/ns_last_pid";

/// Folders in which a run may have its directory. They are the arena's own.
pub const PLACES: [&str; 3] = ["/run", "/tmp", "/dev/shm"];

/// Looks at what is not in a cgroup: nobody else can change it, but for the sysctls of the whole host.
pub fn look() -> Seen {
    let mut seen = Seen::new();
    let mut add = |kind: &str, items: Vec<String>| {
        seen.extend(items.into_iter().map(|item| format!("{kind} {item}")));
    };
    // A namespace that is kept by a file is a mount, of a file system named nsfs.
    add("mount", lines("/proc/thread-self/mountinfo"));
    add("link", links());
    add("host name", lines("/proc/sys/kernel/hostname"));
    add("domain name", lines("/proc/sys/kernel/domainname"));
    add("hierarchy", columns("/proc/cgroups", '\t', 2));
    add("hierarchy", columns("/proc/thread-self/cgroup", ':', 2));
    add("sysctl", sysctls());
    add(
        "file",
        PLACES
            .iter()
            .flat_map(|place| files(Path::new(place)))
            .collect(),
    );
    seen
}

/// What is in one and not in the other.
pub fn differences(before: &Seen, now: &Seen) -> Vec<String> {
    let gone = before.difference(now).map(|what| format!("no {what}"));
    now.difference(before).cloned().chain(gone).collect()
}

fn lines(path: &str) -> Vec<String> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// The first columns of each line.
fn columns(path: &str, separator: char, count: usize) -> Vec<String> {
    let first = |line: String| {
        let columns: Vec<_> = line.split(separator).take(count).collect();
        columns.join(" ")
    };
    lines(path).into_iter().map(first).collect()
}

fn links() -> Vec<String> {
    let lines = lines("/proc/thread-self/net/dev").into_iter();
    let name = |line: String| Some(line.split_once(':')?.0.trim().to_owned());
    lines.filter_map(name).collect()
}

/// Every sysctl that can be written, of the host and of the network namespace.
fn sysctls() -> Vec<String> {
    let files = walkdir::WalkDir::new("/proc/sys").into_iter().flatten();
    let setting = |file: walkdir::DirEntry| {
        let writable = file.file_type().is_file() && is_writable(file.path());
        let value = fs::read(file.path()).ok().filter(|_| writable)?;
        let value = String::from_utf8_lossy(&value).into_owned();
        Some(format!("{} {value:?}", file.path().display()))
    };
    files
        .filter(|file| file.path() != Path::new(RESTLESS))
        .filter_map(setting)
        .collect()
}

fn is_writable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o222 != 0)
}

/// Everything below a folder.
pub fn files(folder: &Path) -> Vec<String> {
    let files = walkdir::WalkDir::new(folder).min_depth(1);
    let paths = files.into_iter().flatten();
    paths
        .map(|file| file.path().display().to_string())
        .collect()
}
