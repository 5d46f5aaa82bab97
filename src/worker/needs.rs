//! Whether a need is met, found out by doing it in a child that is thrown away.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, mknod};
use nix::unistd::{AccessFlags, Gid, Uid};

use super::membership;
use crate::need::Need;
use crate::recording::{Cause, Failure, errno_name};
use crate::session::lost_child;
use crate::sys::cgroup::UNIFIED;
use crate::sys::namespace::{Kind, is_in_initial_user_namespace};
use crate::sys::netlink::nftables::{BaseChain, Change, Family, Hook, Nftables, Policy, Table};
use crate::sys::process::{become_user, in_child};
use crate::sys::xattr;

/// Tries it. `cgroups` are the experiment's own groups, by controller.
///
/// # Errors
/// What the kernel answered: the need is not met.
pub fn probe(need: &Need, cgroups: &BTreeMap<String, OwnedFd>) -> Result<(), Failure> {
    let unified = || {
        let group = cgroups.get(UNIFIED).map(AsFd::as_fd);
        group.ok_or_else(|| Failure::errno("open", "cgroup2", Errno::ENOENT))
    };
    match need {
        Need::Namespace(kind) => throw_away(|| namespace(*kind)),
        Need::Filesystem(name) => throw_away(|| filesystem(name)),
        Need::Program(path) => nix::unistd::access(path, AccessFlags::X_OK)
            .map_err(|errno| Failure::errno("access", path.display(), errno)),
        Need::SubordinateIds => throw_away(become_last_user),
        Need::Xattr => mark_of_overlayfs(),
        Need::DeviceNodes => device_nodes(),
        Need::Ipv6 => ipv6(),
        Need::Nftables => throw_away(nftables),
        // The parent has made the group already, or there would be no worker.
        Need::CgroupV1(_) | Need::CgroupV2 => Ok(()),
        Need::CgroupV2Controller(controller) => membership::pass_on(unified()?, controller),
        Need::CgroupV2File(file) => membership::has_file(unified()?, file),
    }
}

/// Tries one kind of namespace alone, outside of a worker, when none with all of them can be had.
///
/// # Errors
/// What the kernel answered: the need is not met.
pub fn probe_outside(need: &Need, worker: &[Kind]) -> Result<(), Failure> {
    let Need::Namespace(kind) = need else {
        return Ok(());
    };
    throw_away(|| {
        if worker.contains(&Kind::User) && *kind != Kind::User {
            namespace(Kind::User)?;
        }
        namespace(*kind)
    })
}

/// Whether a failure is the answer to what was tried. That there was no process to try it in, or no room in the scratch
/// directory, says nothing about the need. For other calls ENOSPC is a limit that the host has set.
pub fn was_tried(failure: &Failure) -> bool {
    let is = |errno| failure.cause == Cause::Errno(errno_name(errno));
    match failure.call.as_str() {
        "pipe2" | "fork" | "waitpid" | PROBE => false,
        "mkdir" | "mknod" | "setxattr" => !is(Errno::ENOSPC) && !is(Errno::EDQUOT),
        _ => true,
    }
}

/// What stands for the call when the process that tries is killed.
const PROBE: &str = "probe";

fn throw_away(work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    in_child(work).unwrap_or_else(|lost| Err(lost_child(PROBE, lost)))
}

fn namespace(kind: Kind) -> Result<(), Failure> {
    unshare(kind.flag()).map_err(|errno| Failure::errno("unshare", kind, errno))
}

fn filesystem(name: &str) -> Result<(), Failure> {
    let fail = |call, object| move |errno| Failure::errno(call, object, errno);
    unshare(CloneFlags::CLONE_NEWNS).map_err(fail("unshare", "mount"))?;
    let folders = ["lower", "upper", "work", "merged"].map(|folder| format!("probe-{folder}"));
    if name == "tmpfs" {
        return mount(
            Some("tmpfs"),
            ".",
            Some("tmpfs"),
            MsFlags::empty(),
            None::<&str>,
        )
        .map_err(fail("mount", "tmpfs"));
    }
    // The folders go away with this: the scratch directory must stay as empty as it was.
    mount(
        Some("tmpfs"),
        ".",
        Some("tmpfs"),
        MsFlags::empty(),
        None::<&str>,
    )
    .map_err(fail("mount", "tmpfs"))?;
    let here = std::env::current_dir().map_err(|error| Failure::io("getcwd", "", &error))?;
    nix::unistd::chdir(&here).map_err(fail("chdir", ""))?;
    for folder in &folders {
        std::fs::create_dir(folder).map_err(|error| Failure::io("mkdir", folder, &error))?;
    }
    let options = "lowerdir=probe-lower,upperdir=probe-upper,workdir=probe-work";
    mount(
        Some(name),
        "probe-merged",
        Some(name),
        MsFlags::empty(),
        Some(options),
    )
    .map_err(|errno| Failure::errno("mount", name, errno))
}

/// Where the kernel has them as modules, the first change is what loads them.
fn nftables() -> Result<(), Failure> {
    namespace(Kind::Network)?;
    let table = Table {
        family: Family::Ip,
        name: "probe".to_owned(),
    };
    let chain = BaseChain {
        table: table.clone(),
        name: "probe".to_owned(),
        hook: Hook::Output,
        priority: 0,
        policy: Policy::Drop,
    };
    let changes = [Change::AddTable(table), Change::AddChain(chain)];
    Ok(Nftables::open()?.commit(&changes)?)
}

/// The user that the kernel shows for ids without a name here: images have files of its.
const LAST_USER: u32 = 65_534;

fn become_last_user() -> Result<(), Failure> {
    become_user(Uid::from_raw(LAST_USER), Gid::from_raw(LAST_USER))
        .map_err(|(call, errno)| Failure::errno(call, LAST_USER, errno))
}

/// The mark of an opaque directory in overlayfs.rst. tmpfs takes one of an ordinary user since Linux 6.6.
fn mark_of_overlayfs() -> Result<(), Failure> {
    let name = match is_in_initial_user_namespace() {
        true => "trusted.overlay.opaque",
        false => "user.overlay.opaque",
    };
    const PROBE: &str = "probe-xattr";
    std::fs::create_dir(PROBE).map_err(|error| Failure::io("mkdir", PROBE, &error))?;
    let set = xattr::write(Path::new(PROBE), name, b"y");
    std::fs::remove_dir(PROBE).map_err(|error| Failure::io("rmdir", PROBE, &error))?;
    set.map_err(|errno| Failure::errno("setxattr", name, errno))
}

/// In a user namespace no CAP_MKNOD is enough: a device node would give access to the device (mknod(2)).
fn device_nodes() -> Result<(), Failure> {
    const PROBE: &str = "probe-device";
    let null = nix::sys::stat::makedev(1, 3);
    mknod(PROBE, SFlag::S_IFCHR, Mode::S_IRUSR, null).map_err(|errno| {
        let mut failure = Failure::errno("mknod", "c 1 3", errno);
        if errno == Errno::EPERM {
            failure.message += " (CAP_MKNOD of the initial user namespace is missing)";
        }
        failure
    })?;
    nix::unistd::unlink(PROBE).map_err(|errno| Failure::errno("unlink", PROBE, errno))
}

fn ipv6() -> Result<(), Failure> {
    use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
    socket(
        AddressFamily::Inet6,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC,
        None,
    )
    .map(drop)
    .map_err(|errno: Errno| Failure::errno("socket", "AF_INET6", errno))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_was_no_process_for_was_not_tried() {
        for (call, tried) in [
            ("unshare", true),
            ("mkdir", true),
            ("fork", false),
            (PROBE, false),
        ] {
            let failure = Failure::errno(call, "", Errno::EAGAIN);
            assert_eq!(was_tried(&failure), tried, "{call}");
        }
    }

    #[test]
    fn what_there_was_no_room_for_was_not_tried() {
        for (call, errno, tried) in [
            ("unshare", Errno::ENOSPC, true),
            ("mkdir", Errno::EACCES, true),
            ("mkdir", Errno::ENOSPC, false),
            ("mknod", Errno::EPERM, true),
            ("mknod", Errno::EDQUOT, false),
            ("setxattr", Errno::EOPNOTSUPP, true),
            ("setxattr", Errno::ENOSPC, false),
        ] {
            let failure = Failure::errno(call, "", errno);
            assert_eq!(was_tried(&failure), tried, "{call}: {errno}");
        }
    }
}
