//! What breaks a host for one process: done in a child before it becomes verify, whose binary stays as it is.
//!
//! Everything ends with that process: its mount namespace, its limits, its capabilities, its system call filter, its
//! user namespace with the sysctls in it.

#![allow(unsafe_code)]

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};

/// Breaks the host for the process that calls it.
pub type Break = Arc<dyn Fn() -> io::Result<()> + Send + Sync>;

/// Several breaks, one after the other.
pub fn all<const N: usize>(breaks: [Break; N]) -> Break {
    Arc::new(move || breaks.iter().try_for_each(|one| one()))
}

/// Nothing is broken.
pub fn nothing() -> Break {
    Arc::new(|| Ok(()))
}

/// A user namespace in which the caller is who it was, and has every capability until it executes a program as
/// somebody else than user 0.
pub fn user_namespace() -> Break {
    Arc::new(|| {
        let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
        unshare(CloneFlags::CLONE_NEWUSER)?;
        // user_namespaces(7): one line that maps the own number is all that may be written from within.
        fs::write("/proc/self/setgroups", "deny")?;
        fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
        fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
        // The mounts that came along are locked; ones of its own are not.
        unshare(CloneFlags::CLONE_NEWNS)?;
        Ok(())
    })
}

/// `user.max_KIND_namespaces`, or another sysctl that each user namespace has for itself, in one of its own.
pub fn user_sysctl(name: &'static str, value: &'static str) -> Break {
    all([
        user_namespace(),
        write(format!("/proc/sys/user/{name}"), value),
    ])
}

fn write(path: String, value: &'static str) -> Break {
    Arc::new(move || fs::write(&path, value))
}

/// Becomes an ordinary user.
pub fn ordinary_user() -> Break {
    Arc::new(|| {
        nix::unistd::setgroups(&[])?;
        nix::unistd::setgid(nix::unistd::Gid::from_raw(65534))?;
        nix::unistd::setuid(nix::unistd::Uid::from_raw(65534))?;
        // Who has changed its user does not own its files in /proc until it executes a program. prctl(2)
        prctl(libc::PR_SET_DUMPABLE, 1)
    })
}

/// Takes a capability away for good. The numbers are those of capabilities(7).
pub fn drop_capability(number: u32) -> Break {
    Arc::new(move || {
        prctl(libc::PR_CAPBSET_DROP, number.into())?;
        let status = fs::read_to_string("/proc/self/status")?;
        let permitted = status.lines().find_map(|line| line.strip_prefix("CapPrm:"));
        let permitted = u64::from_str_radix(permitted.unwrap_or_default().trim(), 16);
        set_capabilities(permitted.map_err(io::Error::other)? & !(1 << number))
    })
}

fn set_capabilities(set: u64) -> io::Result<()> {
    // `_LINUX_CAPABILITY_VERSION_3`, the calling process. capset(2)
    let header: [u32; 2] = [0x2008_0522, 0];
    let half = |shift: u32| u32::try_from(set >> shift & u64::from(u32::MAX)).unwrap_or(0);
    let (low, high) = (half(0), half(32));
    let data: [u32; 6] = [low, low, 0, high, high, 0];
    // SAFETY: both arrays have the layout that capset(2) asks for, and outlive the call.
    let result = unsafe { libc::syscall(libc::SYS_capset, header.as_ptr(), data.as_ptr()) };
    nix::errno::Errno::result(result).map(drop)?;
    Ok(())
}

/// No program that it executes gets more than it has: `NoNewPrivs: 1`.
pub fn no_new_privs() -> Break {
    Arc::new(|| prctl(libc::PR_SET_NO_NEW_PRIVS, 1))
}

fn prctl(option: i32, argument: libc::c_ulong) -> io::Result<()> {
    // SAFETY: these options take numbers only.
    let result = unsafe {
        libc::prctl(
            option,
            argument,
            0 as libc::c_ulong,
            0 as libc::c_ulong,
            0 as libc::c_ulong,
        )
    };
    nix::errno::Errno::result(result).map(drop)?;
    Ok(())
}

/// A resource limit.
pub fn limit(resource: Resource, value: u64) -> Break {
    Arc::new(move || Ok(setrlimit(resource, value, value)?))
}

/// Its processes are scheduled round robin in real time, before all ordinary ones.
pub fn realtime() -> Break {
    Arc::new(|| {
        let priority = libc::sched_param { sched_priority: 1 };
        // SAFETY: the parameter is valid; 0 is the calling process.
        let result = unsafe {
            libc::syscall(
                libc::SYS_sched_setscheduler,
                0,
                libc::SCHED_RR,
                &raw const priority,
            )
        };
        nix::errno::Errno::result(result).map(drop)?;
        Ok(())
    })
}

/// An empty tmpfs over a directory.
pub fn cover(path: &'static str) -> Break {
    Arc::new(move || {
        Ok(mount(
            Some("sabotage"),
            path,
            Some("tmpfs"),
            MsFlags::empty(),
            None::<&str>,
        )?)
    })
}

/// A plain file, or directory, over another one.
pub fn bind(source: &'static str, target: &'static str) -> Break {
    Arc::new(move || {
        Ok(mount(
            Some(source),
            target,
            None::<&str>,
            MsFlags::MS_BIND,
            None::<&str>,
        )?)
    })
}

/// A tmpfs that is full over a directory.
pub fn full(path: &'static str) -> Break {
    Arc::new(move || {
        mount(
            Some("sabotage"),
            path,
            Some("tmpfs"),
            MsFlags::empty(),
            Some("size=4k,nr_inodes=2"),
        )?;
        fs::write(Path::new(path).join("full"), [0; 4096])
    })
}

/// What is mounted there can be read only. Where nothing is mounted there is nothing to break.
pub fn read_only(path: String) -> Break {
    Arc::new(move || {
        let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        let none = None::<&str>;
        absent_is_fine(mount(none, path.as_str(), none, flags, none))
    })
}

/// Takes what is mounted there away. Where nothing is mounted there is nothing to break.
pub fn unmount(path: String) -> Break {
    Arc::new(move || absent_is_fine(umount2(path.as_str(), MntFlags::MNT_DETACH)))
}

fn absent_is_fine(result: nix::Result<()>) -> io::Result<()> {
    match result {
        Err(Errno::ENOENT | Errno::EINVAL) => Ok(()),
        result => Ok(result?),
    }
}

/// Where cgroup v2 is mounted.
pub fn unified() -> String {
    let mounts = procfs::process::Process::myself()
        .and_then(|own| own.mountinfo())
        .unwrap();
    let found = mounts.into_iter().find(|mount| mount.fs_type == "cgroup2");
    let point = found.map_or("/absent".into(), |mount| mount.mount_point);
    point.to_string_lossy().into_owned()
}

/// /proc shows a user only its own processes. proc(5)
pub fn hidepid() -> Break {
    Arc::new(|| {
        let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
        Ok(mount(
            Some("proc"),
            "/proc",
            Some("proc"),
            flags,
            Some("hidepid=2"),
        )?)
    })
}

/// A cgroup in which there may be so many processes. The run's end does not remove it: [`remove_group`] does.
pub fn process_limit(count: &'static str) -> Break {
    let group = group();
    Arc::new(move || {
        let group = group.as_ref().ok_or(io::ErrorKind::Unsupported)?;
        fs::create_dir(group)?;
        fs::write(group.join("pids.max"), count)?;
        fs::write(group.join("cgroup.procs"), "0")
    })
}

/// The group of [`process_limit`], where the pids controller is: in cgroup v1 below the own one.
fn group() -> Option<PathBuf> {
    let cgroups = verify::host::Host::look().cgroups;
    let unified = || cgroups.v2.as_ref()?.parent_for(&["pids".to_owned()]);
    let parent = cgroups.v1.get("pids").cloned();
    let parent = parent.or_else(|| Some(unified()?.path))?;
    Some(parent.join(format!("verify-sabotage-{}", std::process::id())))
}

/// Removes the group of [`process_limit`], when its process is dead.
pub fn remove_group() {
    let deadline = Instant::now() + Duration::from_secs(5);
    if let Some(group) = group() {
        verify::sys::cgroupfs::remove(&group, deadline).unwrap();
    }
}
