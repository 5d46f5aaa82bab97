//! The table of broken hosts: what is broken, and what each experiment must answer then, with the cause that it names.
//!
//! To add a row: say in a few words what is broken, how (`breaks`, `seccomp`), and for experiments that do not pass then
//! what becomes of them. A pattern is a name, or the beginning of one and `*`; the first that fits counts, and what
//! nothing fits must pass. The words are looked for in what verify prints below the experiment.
//!
//! A new spec needs a row that makes it fail, a new need one that makes its experiments skip: the tests
//! `every_experiment_can_fail` and `every_need_can_be_unmet` say which one has none.

use libc::{ENOSYS, EPERM};
use nix::sys::resource::Resource;
use verify::outcome::Outcome;

use super::breaks::{
    Break, all, bind, cover, drop_capability, full, hidepid, limit, no_new_privs, nothing,
    ordinary_user, process_limit, read_only, realtime, unified, unmount, user_namespace,
    user_sysctl,
};
use super::layers::{ext4_without_d_type, lacks_ext4, noexec, ordinary, overlay, ramfs};
use super::seccomp::{refuse, refuse_argument, refuse_namespaces};

/// What is to be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Caller {
    Root,
    User,
}

/// How a host is broken.
pub enum How {
    /// Before verify is executed.
    Broken(Break),
    /// While it runs: limits and weights that are written are read back, and have no effect.
    Decoys,
}

/// A broken host.
pub struct Row {
    pub broken: &'static str,
    pub how: How,
    pub caller: Caller,
    /// The experiments that it is about, each in a run of its own; all of them in one when there are none.
    pub only: &'static [&'static str],
    /// Whether experiments are performed in [`STORAGE`](super::layers::STORAGE).
    pub on_storage: bool,
    /// What this host lacks for it.
    pub lacks: Option<&'static str>,
    pub expected: Vec<Expected>,
}

/// What some experiments must answer.
pub struct Expected {
    pub pattern: &'static str,
    pub outcome: Outcome,
    /// For a skip the need that is not met.
    pub need: Option<&'static str>,
    pub words: &'static str,
}

impl Expected {
    pub fn fits(&self, experiment: &str) -> bool {
        match self.pattern.strip_suffix('*') {
            Some(beginning) => experiment.starts_with(beginning),
            None => experiment == self.pattern,
        }
    }
}

fn row(broken: &'static str, how: Break) -> Row {
    Row {
        broken,
        how: How::Broken(how),
        caller: Caller::Root,
        only: &[],
        on_storage: false,
        lacks: None,
        expected: Vec::new(),
    }
}

impl Row {
    /// What an experiment must answer unless it passes: the first pattern that fits counts.
    pub fn expects(&self, experiment: &str) -> Option<&Expected> {
        let mut expected = self.expected.iter();
        expected.find(|expected| expected.fits(experiment))
    }

    /// As an ordinary user, after what is broken as root.
    fn for_user(mut self) -> Self {
        if let How::Broken(how) = self.how {
            self.how = How::Broken(all([how, ordinary_user()]));
        }
        self.caller = Caller::User;
        self
    }

    fn expect(
        mut self,
        pattern: &'static str,
        outcome: Outcome,
        need: Option<&'static str>,
        words: &'static str,
    ) -> Self {
        self.expected.push(Expected {
            pattern,
            outcome,
            need,
            words,
        });
        self
    }

    fn fail(self, pattern: &'static str, words: &'static str) -> Self {
        self.expect(pattern, Outcome::Fail, None, words)
    }

    fn skip(self, pattern: &'static str, need: &'static str, words: &'static str) -> Self {
        self.expect(pattern, Outcome::Skip, Some(need), words)
    }

    fn no_worker(self, words: &'static str) -> Self {
        self.expect("*", Outcome::Broken, None, words)
    }

    /// What a user namespace does not give.
    fn in_user_namespace(self) -> Self {
        self.skip("device-nodes", "device-nodes", "user namespace")
            .skip("subordinate-ids", "subordinate-ids", "")
    }

    /// The needs for cgroup v2 are not met.
    fn no_unified(self, words: &'static str) -> Self {
        self.skip("cgroup-v2-cpu*", "cgroup-v2 cpu", words)
            .skip("cgroup-v2-memory", "cgroup-v2 memory", words)
            .skip("cgroup-v2-pids", "cgroup-v2 pids", words)
            .skip("cgroup-v2-freeze", "cgroup-v2 cgroup.freeze", words)
            .skip("cgroup-v2-kill", "cgroup-v2 cgroup.kill", words)
            .skip("cgroup-v2-namespace", "cgroup-v2", words)
    }

    /// The needs for cgroup v1 are not met.
    fn no_legacy(self, words: &'static str) -> Self {
        self.skip("cgroup-v1-cpu*", "cgroup-v1 cpu", words)
            .skip("cgroup-v1-memory", "cgroup-v1 memory", words)
            .skip("cgroup-v1-pids", "cgroup-v1 pids", words)
            .skip("cgroup-v1-freezer", "cgroup-v1 freezer", words)
    }

    /// The needs for namespaces are not met, and experiments without one have no worker.
    fn no_namespaces(self, words: &'static str) -> Self {
        self.skip("net-namespace*", "namespace network", words)
            .skip("pid-namespace*", "namespace pid", words)
            .skip("uts-namespace*", "namespace uts", words)
            .skip("user-namespace", "namespace user", words)
            .skip("cgroup-namespace", "namespace cgroup", words)
            .no_worker(words)
    }
}

/// All of it.
pub fn rows() -> Vec<Row> {
    let families = [
        harmless(),
        limits_of_namespaces(),
        privileges(),
        filters(),
        lies(),
        cgroups(),
        mounts(),
        layers(),
        limits(),
    ];
    families.into_iter().flatten().collect()
}

/// What may be so on a healthy host, and must stay green.
fn harmless() -> Vec<Row> {
    vec![
        row("nothing", nothing()),
        row("an ordinary user", nothing()).for_user(),
        row("root of a user namespace only", user_namespace()).in_user_namespace(),
        row(
            "without CAP_SYS_ADMIN: experiments are in a user namespace",
            drop_capability(21),
        )
        .in_user_namespace(),
        row(
            "without CAP_NET_RAW: ping(8) has unprivileged sockets, too",
            drop_capability(13),
        ),
        row("without CAP_SYS_RESOURCE", drop_capability(24)),
        row(
            "without CAP_SYS_NICE: the CPU is sampled with less precision",
            drop_capability(23),
        ),
        row("no_new_privs", no_new_privs()),
        row("scheduled in real time", realtime()),
        row(
            "clone3 answers ENOSYS, as in old containers",
            refuse(&[libc::SYS_clone3], ENOSYS),
        ),
        row(
            "openat2 answers ENOSYS, as in old containers",
            refuse(&[libc::SYS_openat2], ENOSYS),
        ),
        row(
            "openat2 answers EPERM, as in older ones",
            refuse(&[libc::SYS_openat2], EPERM),
        ),
        row("statx answers ENOSYS", refuse(&[libc::SYS_statx], ENOSYS)),
        row(
            "pivot_root answers EPERM",
            refuse(&[libc::SYS_pivot_root], EPERM),
        ),
        row("64 open files", limit(Resource::RLIMIT_NOFILE, 64)),
        row("a read-only root file system", read_only("/".to_owned())),
        row(
            "no room and no inode in /run, /tmp and /dev/shm",
            all([full("/run"), full("/tmp"), full("/dev/shm")]),
        ),
        row("/proc with hidepid=2", hidepid()),
        row("/proc with hidepid=2, an ordinary user", hidepid()).for_user(),
        row(
            "a part of /proc is covered, as in a container",
            cover("/proc/tty"),
        ),
        row(
            "user.max_time_namespaces is 0",
            user_sysctl("max_time_namespaces", "0"),
        )
        .in_user_namespace(),
    ]
}

fn limits_of_namespaces() -> Vec<Row> {
    let zero = |name| user_sysctl(name, "0");
    vec![
        row("user.max_net_namespaces is 0", zero("max_net_namespaces"))
            .skip(
                "net-namespace*",
                "namespace network",
                "user.max_net_namespaces is 0",
            )
            .no_worker("user.max_net_namespaces is 0"),
        row("user.max_pid_namespaces is 0", zero("max_pid_namespaces"))
            .skip(
                "pid-namespace*",
                "namespace pid",
                "user.max_pid_namespaces is 0",
            )
            .no_worker("user.max_pid_namespaces is 0"),
        row("user.max_uts_namespaces is 0", zero("max_uts_namespaces"))
            .skip(
                "uts-namespace*",
                "namespace uts",
                "user.max_uts_namespaces is 0",
            )
            .no_worker("user.max_uts_namespaces is 0"),
        row("user.max_mnt_namespaces is 0", zero("max_mnt_namespaces"))
            .skip(
                "pid-namespace*",
                "namespace mount",
                "user.max_mnt_namespaces is 0",
            )
            .no_worker("user.max_mnt_namespaces is 0"),
        row("user.max_ipc_namespaces is 0", zero("max_ipc_namespaces"))
            .no_worker("user.max_ipc_namespaces is 0"),
        row(
            "user.max_cgroup_namespaces is 0",
            zero("max_cgroup_namespaces"),
        )
        .skip(
            "cgroup-namespace",
            "namespace cgroup",
            "user.max_cgroup_namespaces is 0",
        )
        .no_unified("user.max_cgroup_namespaces is 0")
        .in_user_namespace(),
        Row {
            how: How::Broken(all([
                ordinary_user(),
                user_sysctl("max_user_namespaces", "0"),
            ])),
            caller: Caller::User,
            ..row("user.max_user_namespaces is 0, an ordinary user", nothing())
        }
        .no_namespaces("user.max_user_namespaces is 0"),
    ]
}

fn privileges() -> Vec<Row> {
    vec![
        row(
            "without CAP_SYS_ADMIN, and clone refuses user namespaces",
            all([refuse_namespaces(EPERM), drop_capability(21)]),
        )
        .skip("subordinate-ids", "subordinate-ids", "")
        .no_worker("root without CAP_SYS_ADMIN"),
        row("without CAP_MKNOD", drop_capability(27)).skip(
            "device-nodes",
            "device-nodes",
            "root without CAP_MKNOD",
        ),
        row("without CAP_SETUID", drop_capability(7)).skip(
            "subordinate-ids",
            "subordinate-ids",
            "root without CAP_SETUID",
        ),
        row("without CAP_SETFCAP", drop_capability(31))
            .fail("user-namespace", "root without CAP_SETFCAP"),
        row("without CAP_NET_ADMIN", drop_capability(12))
            .skip(
                "net-namespace-firewall",
                "nftables",
                "root without CAP_NET_ADMIN",
            )
            .fail("net-namespace*", "root without CAP_NET_ADMIN"),
        row("without CAP_SYS_CHROOT", drop_capability(18))
            .fail("chroot", "root without CAP_SYS_CHROOT"),
    ]
}

/// What an outer container refuses.
fn filters() -> Vec<Row> {
    const FILTER: &str = "a seccomp filter";
    let refused = |name, call: i64, errno| row(name, refuse(&[call], errno));
    let unshare = |name, errno| {
        refused(name, libc::SYS_unshare, errno)
            .skip("overlayfs*", "filesystem overlay", FILTER)
            .skip("device-nodes", "filesystem tmpfs", FILTER)
            .skip("cgroup-namespace", "namespace cgroup", FILTER)
            .skip("user-namespace", "namespace user", FILTER)
            .no_unified(FILTER)
            .skip("net-namespace*", "namespace network", FILTER)
            .skip("pid-namespace*", "namespace pid", FILTER)
            .skip("uts-namespace*", "namespace uts", FILTER)
    };
    vec![
        unshare("seccomp: unshare answers EPERM", EPERM),
        unshare("seccomp: unshare answers ENOSYS", ENOSYS),
        refused("seccomp: setns answers EPERM", libc::SYS_setns, EPERM)
            .fail("net-namespace*", FILTER),
        refused("seccomp: setns answers ENOSYS", libc::SYS_setns, ENOSYS)
            .fail("net-namespace*", FILTER),
        refused("seccomp: mount answers EPERM", libc::SYS_mount, EPERM).no_worker(FILTER),
        refused("seccomp: mount answers ENOSYS", libc::SYS_mount, ENOSYS).no_worker(FILTER),
        refused("seccomp: chroot answers EPERM", libc::SYS_chroot, EPERM).fail("chroot", FILTER),
        refused("seccomp: umount2 answers EPERM", libc::SYS_umount2, EPERM)
            .fail("net-namespace", FILTER)
            .fail("net-namespace-bridge", FILTER),
        refused(
            "seccomp: setdomainname answers EPERM",
            libc::SYS_setdomainname,
            EPERM,
        )
        .fail("uts-namespace-domainname", FILTER),
        refused(
            "seccomp: sethostname answers EPERM",
            libc::SYS_sethostname,
            EPERM,
        )
        .no_worker(FILTER),
        row(
            "seccomp: clone with namespaces answers EPERM",
            refuse_namespaces(EPERM),
        )
        .no_worker(FILTER),
        row(
            "seccomp: clone with namespaces answers ENOSYS",
            refuse_namespaces(ENOSYS),
        )
        .no_worker(FILTER),
        row(
            "seccomp: no raw sockets",
            refuse_argument(libc::SYS_socket, 2, libc::IPPROTO_ICMP, EPERM),
        )
        .fail("net-namespace", FILTER)
        .fail("net-namespace-bridge", FILTER)
        .fail("net-namespace-firewall", FILTER)
        .fail("net-namespace-routes", FILTER),
        row(
            "seccomp: no netlink sockets",
            refuse_argument(libc::SYS_socket, 0, libc::AF_NETLINK, EPERM),
        )
        .skip("net-namespace-firewall", "nftables", FILTER)
        .fail("net-namespace*", FILTER),
        row(
            "no IPv6 sockets",
            refuse_argument(libc::SYS_socket, 0, libc::AF_INET6, libc::EAFNOSUPPORT),
        )
        .skip("net-namespace-ipv6", "ipv6", "EAFNOSUPPORT"),
    ]
}

/// The size of an echo request of verify's: a header of ICMP and a cookie. No message of netlink is so short.
const ECHO_REQUEST: i32 = 16;

/// Calls that say that all went well, and do nothing. Only what is measured or looked at afterwards tells.
fn lies() -> Vec<Row> {
    let lie = |name, call: i64| row(name, refuse(&[call], 0));
    vec![
        lie("unshare does nothing and says 0", libc::SYS_unshare)
            .fail("net-namespace*", "")
            .fail("pid-namespace*", "differs")
            .fail("uts-namespace*", "differs")
            .fail("user-namespace", "")
            .fail("cgroup-namespace", "differs")
            .fail("cgroup-v2-namespace", "differs"),
        lie("sethostname does nothing and says 0", libc::SYS_sethostname)
            .fail("uts-namespace", "differs")
            .fail("user-namespace", ""),
        lie(
            "setdomainname does nothing and says 0",
            libc::SYS_setdomainname,
        )
        .fail("uts-namespace-domainname", "differs"),
        row(
            "echo requests are lost: sendto does nothing and says 0",
            refuse_argument(libc::SYS_sendto, 2, ECHO_REQUEST, 0),
        )
        .fail("net-namespace", "100% packet loss")
        .fail("net-namespace-bridge", "100% packet loss")
        .fail("net-namespace-routes", "100% packet loss")
        .fail("net-namespace-firewall", "100% packet loss"),
        lie("setresuid does nothing and says 0", libc::SYS_setresuid).fail("subordinate-ids", ""),
        lie("chroot does nothing and says 0", libc::SYS_chroot)
            .fail("chroot", "succeeded, but must fail"),
        row(
            "mount without flags does nothing and says 0",
            refuse_argument(libc::SYS_mount, 3, 0, 0),
        )
        .fail("overlayfs*", "")
        .fail("device-nodes", ""),
    ]
}

fn cgroups() -> Vec<Row> {
    let path = |controller: &str| format!("/sys/fs/cgroup/{controller}");
    vec![
        row("/sys/fs/cgroup is covered", cover("/sys/fs/cgroup"))
            .no_legacy("")
            .no_unified(""),
        row("cgroup v2 is not mounted", unmount(unified())).no_unified("cgroup v2 is not mounted"),
        row("the cpu hierarchy is not mounted", unmount(path("cpu"))).skip(
            "cgroup-v1-cpu*",
            "cgroup-v1 cpu",
            "is not mounted where verify runs",
        ),
        row(
            "the memory hierarchy is not mounted",
            unmount(path("memory")),
        )
        .skip(
            "cgroup-v1-memory",
            "cgroup-v1 memory",
            "is not mounted where verify runs",
        ),
        row("the pids hierarchy is not mounted", unmount(path("pids"))).skip(
            "cgroup-v1-pids",
            "cgroup-v1 pids",
            "is not mounted where verify runs",
        ),
        row("the cpu hierarchy is read-only", read_only(path("cpu"))).skip(
            "cgroup-v1-cpu*",
            "cgroup-v1 cpu",
            "is mounted read-only",
        ),
        row(
            "the memory hierarchy is read-only",
            read_only(path("memory")),
        )
        .skip(
            "cgroup-v1-memory",
            "cgroup-v1 memory",
            "is mounted read-only",
        ),
        row("the pids hierarchy is read-only", read_only(path("pids"))).skip(
            "cgroup-v1-pids",
            "cgroup-v1 pids",
            "is mounted read-only",
        ),
        row("cgroup v2 is read-only", read_only(unified())).no_unified("is mounted read-only"),
        Row {
            how: How::Decoys,
            ..row(
                "limits and weights of cgroups are written and read back, and have no effect",
                nothing(),
            )
        }
        .fail("cgroup-v1-cpu*", "outside of")
        .fail("cgroup-v2-cpu*", "outside of")
        .fail("cgroup-v1-freezer", "outside of")
        .fail("cgroup-v2-freeze", "")
        .fail("cgroup-v2-kill", "")
        .fail("cgroup-v2-memory", "succeeded, but must fail with SIGKILL")
        .fail("cgroup-v2-pids", "succeeded, but must fail with EAGAIN")
        .fail("cgroup-v1-memory", "succeeded, but must fail with SIGKILL")
        .fail("cgroup-v1-pids", "succeeded, but must fail with EAGAIN"),
        row(
            "processes cannot be pinned to a CPU",
            refuse(&[libc::SYS_sched_setaffinity], EPERM),
        )
        .fail("cgroup-v1-cpu*", "a seccomp filter")
        .fail("cgroup-v1-freezer", "a seccomp filter")
        .fail("cgroup-v2-cpu*", "a seccomp filter")
        .fail("cgroup-v2-freeze", "a seccomp filter")
        .fail("cgroup-v2-kill", "a seccomp filter"),
    ]
}

fn mounts() -> Vec<Row> {
    const COVERED: &str = "parts of /proc are covered";
    vec![
        row("a part of /proc is covered, an ordinary user", cover("/proc/tty")).for_user().fail("pid-namespace*", COVERED),
        row("a part of /proc is covered, root of a user namespace", all([cover("/proc/tty"), user_namespace()]))
            .in_user_namespace()
        .fail("pid-namespace*", COVERED),
        row(
            "no extended attributes",
            refuse(&[libc::SYS_setxattr, libc::SYS_lsetxattr, libc::SYS_fsetxattr], libc::EOPNOTSUPP),
        )
        .skip("overlayfs-removal", "xattr", "EOPNOTSUPP"),
        row("/bin/sh cannot be executed", bind("/dev/null", "/bin/sh")).skip("chroot", "program /bin/sh", ""),
        row("/bin/ls cannot be executed", bind("/dev/null", "/bin/ls")).skip("chroot", "program /bin/ls", ""),
        row(
            "a container in a container: user namespace, /proc covered, cgroups read-only, seccomp without setns",
            all([
                cover("/proc/tty"),
                read_only(path_of("cpu")),
                read_only(path_of("memory")),
                read_only(path_of("pids")),
                read_only(unified()),
                user_namespace(),
                refuse(&[libc::SYS_setns], EPERM),
            ]),
        )
        .skip("cgroup-v1-cpu*", "cgroup-v1 cpu", "is mounted read-only")
        .skip("cgroup-v1-memory", "cgroup-v1 memory", "is mounted read-only")
        .skip("cgroup-v1-pids", "cgroup-v1 pids", "is mounted read-only")
        .no_unified("is mounted read-only")
        .in_user_namespace()
        .fail("pid-namespace*", COVERED)
        .fail("net-namespace*", "a seccomp filter"),
    ]
}

/// What experiments are performed on. See "Upper and lower" and "whiteouts and opaque directories" in overlayfs.rst.
fn layers() -> Vec<Row> {
    let on = |broken, mounted| Row {
        on_storage: true,
        ..row(broken, mounted)
    };
    vec![
        on("--scratch /var/tmp", ordinary()),
        on("--scratch /var/tmp, an ordinary user", ordinary()).for_user(),
        on("--scratch on an overlay, as in a container", overlay())
            .fail("overlayfs*", "takes no overlay on overlay"),
        on("--scratch on ramfs, which has no attributes", ramfs()).skip(
            "overlayfs-removal",
            "xattr",
            "keeps no extended attributes",
        ),
        Row {
            lacks: lacks_ext4(),
            ..on("--scratch on ext4 without d_type", ext4_without_d_type())
        }
        .fail("overlayfs-removal", "do not say what kind"),
        on("--scratch where no program may be executed", noexec()).fail("chroot", "EACCES"),
    ]
}

fn path_of(controller: &str) -> String {
    format!("/sys/fs/cgroup/{controller}")
}

fn limits() -> Vec<Row> {
    vec![
        row("8 open files", limit(Resource::RLIMIT_NOFILE, 8)).no_worker("RLIMIT_NOFILE"),
        row("one process in the cgroup (pids.max)", process_limit("1")).no_worker("pids.max"),
        Row {
            only: &["pid-namespace-twins"],
            ..row(
                "three processes in the cgroup: enough for the worker and its needs",
                process_limit("3"),
            )
        }
        .expect(
            "pid-namespace-twins",
            Outcome::Broken,
            None,
            "no process for `unshare --pid",
        ),
        row(
            "one process for this user (RLIMIT_NPROC)",
            limit(Resource::RLIMIT_NPROC, 1),
        )
        .for_user()
        .no_worker("RLIMIT_NPROC"),
        row(
            "64 MiB of memory for each process (RLIMIT_AS)",
            limit(Resource::RLIMIT_AS, 64 << 20),
        )
        .fail("cgroup-v1-memory", ""),
    ]
}
