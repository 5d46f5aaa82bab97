//! Whether a need is met, found out by doing it in a child that is thrown away.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::{fs, io};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::{Mode, SFlag, mknod};
use nix::unistd::{AccessFlags, Gid, Uid};
use serde::{Deserialize, Serialize};

use super::membership;
use crate::need::Need;
use crate::recording::Failure;
use crate::session::lost_child;
use crate::sys::cgroup::UNIFIED;
use crate::sys::namespace::{Kind, is_in_initial_user_namespace};
use crate::sys::netlink::nftables::{BaseChain, Change, Family, Hook, Nftables, Policy, Table};
use crate::sys::process::{become_user, in_child};
use crate::sys::xattr;

/// Why it is not known that a need is met.
#[derive(Debug, Serialize, Deserialize)]
pub enum Doubt {
    /// The host's answer: it is not.
    Unmet(Failure),
    /// It could not be tried. That says nothing about the need.
    Untried(Failure),
}

impl From<Failure> for Doubt {
    fn from(answer: Failure) -> Self {
        Self::Unmet(answer)
    }
}

/// Tries it. `cgroups` are the experiment's own groups, by controller.
///
/// # Errors
/// What the kernel answered, or what kept it from being asked.
pub fn probe(need: &Need, cgroups: &BTreeMap<String, OwnedFd>) -> Result<(), Doubt> {
    let unified = || {
        let group = cgroups.get(UNIFIED).map(AsFd::as_fd);
        group.ok_or_else(|| Failure::errno("open", "cgroup2", Errno::ENOENT))
    };
    let answer = match need {
        Need::Namespace(kind) => return throw_away(|| namespace(*kind)),
        Need::Filesystem(name) => return throw_away(|| filesystem(name)),
        Need::SubordinateIds => return throw_away(become_last_user),
        Need::Nftables => return throw_away(nftables),
        Need::Xattr => return mark_of_overlayfs(),
        Need::DeviceNodes => return device_nodes(),
        Need::Program(path) => nix::unistd::access(path, AccessFlags::X_OK)
            .map_err(|errno| Failure::errno("access", path.display(), errno)),
        Need::Ipv6 => ipv6(),
        // The parent has made the group already, or there would be no worker.
        Need::CgroupV1(_) | Need::CgroupV2 => Ok(()),
        Need::CgroupV2Controller(controller) => membership::pass_on(unified()?, controller),
        Need::CgroupV2File(file) => membership::has_file(unified()?, file),
    };
    Ok(answer?)
}

/// Tries one kind of namespace alone, outside of a worker, when none with all of them can be had.
///
/// # Errors
/// What the kernel answered, or what kept it from being asked.
pub fn probe_outside(need: &Need, worker: &[Kind]) -> Result<(), Doubt> {
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

/// What stands for the call when the process that tries is killed.
const PROBE: &str = "probe";

fn throw_away(work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Doubt> {
    match in_child(work) {
        Ok(answer) => Ok(answer?),
        Err(lost) => Err(Doubt::Untried(lost_child(PROBE, lost))),
    }
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
        fs::create_dir(folder).map_err(|error| Failure::io("mkdir", folder, &error))?;
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
fn mark_of_overlayfs() -> Result<(), Doubt> {
    const PROBE: &str = "probe-xattr";
    let name = match is_in_initial_user_namespace() {
        true => "trusted.overlay.opaque",
        false => "user.overlay.opaque",
    };
    let untried = |call| move |error: io::Error| Doubt::Untried(Failure::io(call, PROBE, &error));
    fs::create_dir(PROBE).map_err(untried("mkdir"))?;
    let set = xattr::write(Path::new(PROBE), name, b"y");
    fs::remove_dir(PROBE).map_err(untried("rmdir"))?;
    set.map_err(|errno| answered_by_storage(Failure::errno("setxattr", name, errno), errno))
}

/// In a user namespace no CAP_MKNOD is enough: a device node would give access to the device (mknod(2)).
fn device_nodes() -> Result<(), Doubt> {
    const PROBE: &str = "probe-device";
    let null = nix::sys::stat::makedev(1, 3);
    mknod(PROBE, SFlag::S_IFCHR, Mode::S_IRUSR, null).map_err(|errno| {
        let mut failure = Failure::errno("mknod", "c 1 3", errno);
        if errno == Errno::EPERM {
            failure.message += " (CAP_MKNOD of the initial user namespace is missing)";
        }
        answered_by_storage(failure, errno)
    })?;
    nix::unistd::unlink(PROBE)
        .map_err(|errno| Doubt::Untried(Failure::errno("unlink", PROBE, errno)))
}

/// A scratch directory without room says nothing about what it can hold.
fn answered_by_storage(failure: Failure, errno: Errno) -> Doubt {
    match errno {
        Errno::ENOSPC | Errno::EDQUOT => Doubt::Untried(failure),
        _ => Doubt::Unmet(failure),
    }
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
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use nix::sys::resource::{Resource, setrlimit};
    use nix::unistd::geteuid;

    use super::*;
    use crate::recording::{Cause, errno_name};
    use crate::sys::process::exit_now;
    use crate::sys::test_namespaces::in_own_namespaces;

    #[test]
    fn what_there_was_no_process_for_was_not_tried() {
        let lost = throw_away(|| exit_now(1));
        assert!(matches!(lost, Err(Doubt::Untried(_))), "{lost:?}");
        let answered = throw_away(|| Err(Failure::errno("unshare", "pid", Errno::ENOSPC)));
        assert!(matches!(answered, Err(Doubt::Unmet(_))), "{answered:?}");
    }

    #[test]
    fn what_there_was_no_room_for_was_not_tried() {
        for (errno, tried) in [
            (Errno::EPERM, true),
            (Errno::EOPNOTSUPP, true),
            (Errno::ENOSPC, false),
            (Errno::EDQUOT, false),
        ] {
            let doubt = answered_by_storage(Failure::errno("mknod", "", errno), errno);
            assert_eq!(matches!(doubt, Doubt::Unmet(_)), tried, "{errno}");
        }
    }

    fn unmet(doubt: Doubt) -> Failure {
        match doubt {
            Doubt::Unmet(failure) => failure,
            Doubt::Untried(failure) => panic!("not tried: {failure}"),
        }
    }

    /// The kernel's answer to an ordinary user, who may do nothing of this; for a socket to one who may open nothing.
    fn refused(need: &Need) -> Failure {
        let keep = tempfile::tempdir().unwrap();
        let open_to_all = Permissions::from_mode(0o777);
        fs::set_permissions(keep.path(), open_to_all).unwrap();
        let probed = in_child(|| {
            std::env::set_current_dir(keep.path()).unwrap();
            if geteuid().is_root() {
                become_last_user()?;
            }
            if *need == Need::Ipv6 {
                setrlimit(Resource::RLIMIT_NOFILE, 0, 0).unwrap();
            }
            probe(need, &BTreeMap::new())
        });
        unmet(probed.unwrap().unwrap_err())
    }

    #[test]
    fn what_the_kernel_refuses_is_not_met() {
        for (need, call, errno) in [
            (Need::Namespace(Kind::Uts), "unshare", Errno::EPERM),
            (
                Need::Filesystem("tmpfs".to_owned()),
                "unshare",
                Errno::EPERM,
            ),
            (Need::SubordinateIds, "setgroups", Errno::EPERM),
            (Need::DeviceNodes, "mknod", Errno::EPERM),
            (Need::Nftables, "unshare", Errno::EPERM),
            (Need::Ipv6, "socket", Errno::EMFILE),
            (Need::CgroupV2File("x".to_owned()), "open", Errno::ENOENT),
        ] {
            let failure = refused(&need);
            let found = (failure.call.as_str(), &failure.cause);
            assert_eq!(found, (call, &Cause::Errno(errno_name(errno))), "{need}");
            let named = failure.message.contains("CAP_MKNOD");
            assert_eq!(named, need == Need::DeviceNodes, "{failure}");
        }
    }

    #[test]
    fn an_ordinary_user_has_other_namespaces_in_one_of_its_users() {
        let tried = in_child(|| {
            if geteuid().is_root() {
                become_last_user().ok()?;
            }
            let both = CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS;
            in_child(|| unshare(both).is_ok()).ok().filter(|can| *can)?;
            let need = Need::Namespace(Kind::Uts);
            Some([&[Kind::User][..], &[]].map(|worker| probe_outside(&need, worker).is_ok()))
        });
        match tried.unwrap() {
            None => eprintln!("skipped: no user namespace can be made here"),
            tried => assert_eq!(tried, Some([true, false])),
        }
    }

    #[test]
    fn a_mark_on_nothing_is_not_tried() {
        let marked = in_child(|| {
            std::env::set_current_dir("/proc").unwrap();
            mark_of_overlayfs()
        });
        match marked.unwrap() {
            Err(Doubt::Untried(failure)) => assert_eq!(failure.call, "mkdir"),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_device_node_is_refused_for_other_reasons_than_a_capability() {
        let made = in_child(|| {
            std::env::set_current_dir("/proc").unwrap();
            device_nodes()
        });
        let failure = unmet(made.unwrap().unwrap_err());
        assert!(!failure.message.contains("CAP_MKNOD"), "{failure}");
    }

    #[test]
    fn a_file_system_is_there_when_it_can_be_mounted() {
        in_own_namespaces(|| {
            let keep = tempfile::tempdir().unwrap();
            std::env::set_current_dir(keep.path()).unwrap();
            let probe = |name: &str| {
                let need = Need::Filesystem(name.to_owned());
                probe(&need, &BTreeMap::new()).map_err(|doubt| unmet(doubt).cause)
            };
            assert_eq!(probe("tmpfs"), Ok(()));
            let absent = Cause::Errno(errno_name(Errno::ENODEV));
            assert_eq!(probe("absent"), Err(absent));
            assert_eq!(fs::read_dir(keep.path()).unwrap().count(), 0);
        });
    }
}
