//! What there is to be seen of a host, read from its files.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use procfs::process::MountInfo;

use super::log;
use crate::host::ScratchPlace;

/// The files whose first line is a fact as it stands.
const VALUES: [&str; 17] = [
    "proc/cmdline",
    "proc/self/attr/apparmor/current",
    "proc/self/attr/current",
    "proc/self/uid_map",
    "proc/sys/kernel/apparmor_restrict_unprivileged_userns",
    "proc/sys/kernel/osrelease",
    "proc/sys/kernel/unprivileged_userns_clone",
    "proc/sys/user/max_cgroup_namespaces",
    "proc/sys/user/max_ipc_namespaces",
    "proc/sys/user/max_mnt_namespaces",
    "proc/sys/user/max_net_namespaces",
    "proc/sys/user/max_pid_namespaces",
    "proc/sys/user/max_time_namespaces",
    "proc/sys/user/max_user_namespaces",
    "proc/sys/user/max_uts_namespaces",
    "sys/fs/selinux/enforce",
    "sys/kernel/security/lsm",
];

/// What there is to be seen of a host.
#[derive(Debug, Clone, Default)]
pub struct Facts {
    /// The first lines of [`VALUES`], without those that cannot be read.
    values: BTreeMap<&'static str, String>,
    /// The lines of /proc/self/status, by their names.
    status: BTreeMap<String, String>,
    /// /proc/self/cgroup as it is.
    pub own_groups: String,
    /// /proc/cgroups as it is.
    pub controllers: String,
    /// /proc/self/mountinfo, in its order: what is mounted later covers what is mounted before.
    pub mounts: Vec<MountInfo>,
    /// Where experiments are performed on a file system of the host; else each has a tmpfs of its own.
    scratch: Option<ScratchPlace>,
    /// The lines of /proc/self/limits.
    limits: Vec<String>,
    /// The last words of the lines of /proc/filesystems; `None` where that cannot be read.
    filesystems: Option<Vec<String>>,
    /// The kernel's configuration, and the file that it was read from.
    configuration: Option<(String, String)>,
    /// The kernels that /lib/modules has modules of.
    pub modules: Vec<String>,
    /// What modprobe(8) is told, as pairs of a file and a line of it: modprobe.d(5).
    pub modprobe: Vec<(String, String)>,
    /// The root directory that all this was found in.
    root: PathBuf,
}

impl Facts {
    /// Looks at the host whose root directory this is. What cannot be read is no fact.
    #[must_use]
    pub fn look(root: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(root.join(path)).ok();
        let first_line = |path| {
            let text = read(path)?;
            let line = text.lines().next().unwrap_or_default();
            Some((path, line.trim_matches(['\0', ' ']).replace('\t', " ")))
        };
        let values: BTreeMap<_, _> = VALUES.into_iter().filter_map(first_line).collect();
        let release = values.get("proc/sys/kernel/osrelease");
        Self {
            status: fields(&read("proc/self/status").unwrap_or_default()),
            own_groups: read("proc/self/cgroup").unwrap_or_default(),
            controllers: read("proc/cgroups").unwrap_or_default(),
            mounts: mounts(&read("proc/self/mountinfo").unwrap_or_default()),
            scratch: None,
            limits: lines(&read("proc/self/limits").unwrap_or_default()),
            filesystems: read("proc/filesystems").map(|text| last_words(&text)),
            configuration: release.and_then(|release| configuration(root, release)),
            modules: names(&root.join("lib/modules")),
            modprobe: modprobe(root),
            values,
            root: root.to_owned(),
        }
    }

    /// The first line of a file, by its absolute path.
    #[must_use]
    pub fn value(&self, path: &str) -> Option<&str> {
        let path = path.trim_start_matches('/');
        self.values.get(path).map(String::as_str)
    }

    /// The fact as evidence: `/proc/sys/user/max_net_namespaces: 0`.
    #[must_use]
    pub fn quote(&self, path: &str) -> Option<String> {
        self.value(path).map(|value| format!("{path}: {value}"))
    }

    /// A field of /proc/self/status.
    #[must_use]
    pub fn status(&self, name: &str) -> Option<&str> {
        self.status.get(name).map(String::as_str)
    }

    /// Fields of /proc/self/status as evidence, on one line.
    #[must_use]
    pub fn quote_status(&self, names: &[&str]) -> Vec<String> {
        let field = |name: &&str| Some(format!("{name}: {}", self.status(name)?));
        let fields: Vec<_> = names.iter().filter_map(field).collect();
        vec![format!("/proc/self/status: {}", fields.join(", "))]
    }

    /// Whether the caller has a capability, by its number in capabilities(7). `None` where that cannot be seen.
    #[must_use]
    pub fn has_capability(&self, number: u32) -> Option<bool> {
        let set = u64::from_str_radix(self.status("CapEff")?, 16).ok()?;
        Some(set & (1 << number) != 0)
    }

    /// Whether the caller is user 0.
    #[must_use]
    pub fn is_root(&self) -> bool {
        let users = self.status("Uid").unwrap_or_default();
        users.split_whitespace().nth(1) == Some("0")
    }

    /// Whether the caller's user namespace is the first one: all ids are mapped to themselves. user_namespaces(7)
    #[must_use]
    pub fn is_in_initial_user_namespace(&self) -> bool {
        let map = self.value("/proc/self/uid_map").unwrap_or_default();
        map.split_whitespace().eq(["0", "0", "4294967295"])
    }

    /// Whether the permissions of a file do not keep the caller from it, whosever it is: CAP_DAC_OVERRIDE of the first user
    /// namespace. capabilities(7)
    #[must_use]
    pub fn overrides_permissions(&self) -> bool {
        self.has_capability(1) == Some(true) && self.is_in_initial_user_namespace()
    }

    /// Whether a system call filter is installed: `Seccomp: 2` (proc_pid_status(5)).
    #[must_use]
    pub fn is_filtered(&self) -> bool {
        self.status("Seccomp") == Some("2")
    }

    /// A line of /proc/self/limits, by how it begins.
    #[must_use]
    pub fn limit(&self, name: &str) -> Option<&str> {
        let found = self.limits.iter().find(|line| line.starts_with(name));
        found.map(String::as_str)
    }

    /// Whether the kernel has a type of file system now. `None` where that cannot be seen.
    #[must_use]
    pub fn has_filesystem(&self, name: &str) -> Option<bool> {
        let all = self.filesystems.as_ref()?;
        Some(all.iter().any(|known| known == name))
    }

    /// What the kernel's configuration says about an option, as evidence: `/proc/config.gz: # CONFIG_VETH is not set`.
    #[must_use]
    pub fn quote_configuration(&self, option: &str) -> Option<String> {
        let (file, _) = self.configuration.as_ref()?;
        let line = self.configured(option);
        let absent = || format!("no line with {option}");
        Some(format!(
            "{file}: {}",
            line.map_or_else(absent, str::to_owned)
        ))
    }

    /// Whether the kernel's configuration, where there is one, leaves an option out. One whose menu is off has no line.
    #[must_use]
    pub fn is_left_out(&self, option: &str) -> bool {
        let line = self.configured(option);
        self.configuration.is_some() && line.is_none_or(|line| line.starts_with('#'))
    }

    fn configured(&self, option: &str) -> Option<&str> {
        let (_, text) = self.configuration.as_ref()?;
        let (set, unset) = (format!("{option}="), format!("# {option} is not set"));
        text.lines()
            .find(|line| line.starts_with(&set) || **line == unset)
    }

    /// The running kernel's release.
    #[must_use]
    pub fn release(&self) -> &str {
        self.value("/proc/sys/kernel/osrelease").unwrap_or_default()
    }

    /// The mount that is to be seen at a path: the last one of several.
    #[must_use]
    pub fn mount_on(&self, path: &Path) -> Option<&MountInfo> {
        let mut mounts = self.mounts.iter().rev();
        mounts.find(|mount| mount.mount_point == path)
    }

    /// A file of the host as it is now, one line.
    #[must_use]
    pub fn read(&self, path: &Path) -> Option<String> {
        let below = path.strip_prefix("/").unwrap_or(path);
        let text = fs::read_to_string(self.root.join(below)).ok()?;
        Some(text.trim().to_owned())
    }

    /// Whether there is a file of the host.
    #[must_use]
    pub fn exists(&self, path: &Path) -> bool {
        let below = path.strip_prefix("/").unwrap_or(path);
        self.root.join(below).exists()
    }

    /// What the kernel has said last in messages that begin so, as evidence. Read now: what fails later in a run makes it
    /// say more.
    #[must_use]
    pub fn logged(&self, beginning: &str) -> Vec<String> {
        log::latest(&log::read(&self.root), beginning)
    }

    /// The last of the kernel's messages that has all these words, as evidence. Read now, as well.
    #[must_use]
    pub fn logged_with(&self, words: &[&str]) -> Option<String> {
        log::last(&log::read(&self.root), words)
    }

    /// These facts, where experiments are performed in this place.
    #[must_use]
    pub fn performed_in(self, scratch: Option<&ScratchPlace>) -> Self {
        let scratch = scratch.cloned();
        Self { scratch, ..self }
    }

    /// The type of the file system of the host that experiments are performed on.
    #[must_use]
    pub fn storage(&self) -> Option<&str> {
        self.scratch
            .as_ref()
            .map(|place| place.file_system.as_str())
    }

    /// Where experiments are performed, as evidence: `the scratch directory: ext4 at /var/lib/containers`.
    #[must_use]
    pub fn quote_scratch(&self) -> Option<String> {
        let place = self.scratch.as_ref()?;
        Some(format!("the scratch directory: {place}"))
    }

    /// What could be read, for when nothing in it explains anything.
    #[must_use]
    pub fn seen(&self) -> String {
        let capabilities = self
            .status("CapEff")
            .map(|set| format!("capabilities {set}"));
        let filter = self
            .status("Seccomp")
            .map(|mode| format!("seccomp mode {mode}"));
        let lsm = self
            .value("/sys/kernel/security/lsm")
            .map(|names| format!("LSMs {names}"));
        let configuration = self.configuration.as_ref().map(|(file, _)| file.clone());
        let parts = [capabilities, filter, lsm, configuration];
        let mut parts: Vec<_> = parts.into_iter().flatten().collect();
        parts.push(format!(
            "{} sysctls and other values, {} mounts",
            self.values.len(),
            self.mounts.len()
        ));
        parts.join(", ")
    }
}

/// A mount as it stands in /proc/self/mountinfo, as far as it is evidence.
#[must_use]
pub fn quote_mount(mount: &MountInfo) -> String {
    let mut options: Vec<_> = mount.mount_options.keys().map(String::as_str).collect();
    options.sort_unstable();
    let (point, kind) = (mount.mount_point.display(), &mount.fs_type);
    format!(
        "/proc/self/mountinfo: {kind} on {point} ({})",
        options.join(",")
    )
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

fn fields(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    pairs
        .map(|(name, value)| (name.to_owned(), value.trim().replace('\t', " ")))
        .collect()
}

fn last_words(text: &str) -> Vec<String> {
    let words = text
        .lines()
        .filter_map(|line| line.split_whitespace().last());
    words.map(str::to_owned).collect()
}

fn mounts(text: &str) -> Vec<MountInfo> {
    // Line by line: one that this parser does not know must not hide the others.
    text.lines()
        .filter_map(|line| MountInfo::from_line(line).ok())
        .collect()
}

fn names(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn modprobe(root: &Path) -> Vec<(String, String)> {
    let folders = [
        "/etc/modprobe.d",
        "/run/modprobe.d",
        "/usr/lib/modprobe.d",
        "/lib/modprobe.d",
    ];
    let files = folders.iter().flat_map(|folder| {
        let names = names(&root.join(folder.trim_start_matches('/')));
        names
            .into_iter()
            .map(move |name| format!("{folder}/{name}"))
    });
    let lines_of = |file: String| {
        let text = fs::read_to_string(root.join(file.trim_start_matches('/'))).unwrap_or_default();
        lines(&text)
            .into_iter()
            .map(move |line| (file.clone(), line))
    };
    files.flat_map(lines_of).collect()
}

/// The configuration of the running kernel, where a distribution or the kernel itself keeps it.
fn configuration(root: &Path, release: &str) -> Option<(String, String)> {
    let plain = [
        format!("/boot/config-{release}"),
        format!("/lib/modules/{release}/config"),
    ];
    let read = |path: String| {
        let text = fs::read_to_string(root.join(path.trim_start_matches('/'))).ok()?;
        Some((path, text))
    };
    unpacked(root).or_else(|| plain.into_iter().find_map(read))
}

fn unpacked(root: &Path) -> Option<(String, String)> {
    let packed = fs::File::open(root.join("proc/config.gz")).ok()?;
    let mut text = String::new();
    flate2::read::GzDecoder::new(packed)
        .read_to_string(&mut text)
        .ok()?;
    Some(("/proc/config.gz".to_owned(), text))
}
