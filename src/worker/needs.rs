//! Whether a need is met, found out by doing it in a child that is thrown away.

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::AccessFlags;

use crate::need::Need;
use crate::recording::Failure;
use crate::session::lost_child;
use crate::sys::namespace::Kind;
use crate::sys::netlink::nftables::{BaseChain, Change, Family, Hook, Nftables, Policy, Table};
use crate::sys::process::in_child;

/// Tries it.
///
/// # Errors
/// What the kernel answered: the need is not met.
pub fn probe(need: &Need) -> Result<(), Failure> {
    match need {
        Need::Namespace(kind) => throw_away(|| namespace(*kind)),
        Need::Filesystem(name) => throw_away(|| filesystem(name)),
        Need::Program(path) => nix::unistd::access(path, AccessFlags::X_OK)
            .map_err(|errno| Failure::errno("access", path.display(), errno)),
        Need::Ipv6 => ipv6(),
        Need::Nftables => throw_away(nftables),
        // The parent has made the group already, or there would be no worker.
        Need::CgroupV1(_) | Need::CgroupV2(_) => Ok(()),
    }
}

fn throw_away(work: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    in_child(work).unwrap_or_else(|lost| Err(lost_child("probe", lost)))
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
