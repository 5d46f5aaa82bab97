//! Waiting until the network is as it will stay, so that what is shown is the same every time.

use std::time::{Duration, Instant};

use crate::recording::Failure;
use crate::session::Session;
use crate::sys::netlink::{Link, LinkFlags, NetError, Netlink};
use crate::sys::netns;

/// How long the kernel may take to work off a change. It takes a millisecond, up to one second where it is in no
/// hurry (net/core/link_watch.c before Linux 6.8).
const LIMIT: Duration = Duration::from_secs(5);

/// When a wait that begins now has to be over.
pub fn deadline() -> Instant {
    Instant::now() + LIMIT
}

/// Waits until packets pass every link that is up and has a carrier, and gives the links as they are then.
///
/// A link has its carrier when the call that set up its other end returns; that packets pass comes later.
///
/// # Errors
/// `ETIMEDOUT` names the first link that is not ready in time.
pub fn links(netlink: &mut Netlink) -> Result<Vec<Link>, Failure> {
    let links = netlink.links()?;
    let awaited: Vec<_> = links
        .iter()
        .filter(|link| has_carrier(link) && !link.is_operational())
        .map(|link| link.name.as_str())
        .collect();
    if awaited.is_empty() {
        return Ok(links);
    }
    netlink.wait_operstate_up(&awaited, deadline())?;
    Ok(netlink.links()?)
}

/// Does so in this network namespace and in all that have names, before something is sent: an answer over a link
/// that is not ready is lost as well, and the next question is a second away.
///
/// # Errors
/// As for [`links`], and those of setns(2).
pub fn everywhere(session: &Session) -> Result<(), Failure> {
    for mut netlink in netlinks(session, None)? {
        links(&mut netlink)?;
    }
    Ok(())
}

/// Views of this network namespace and of all that have names, but for that called `except`.
///
/// # Errors
/// Those of setns(2).
pub fn netlinks(session: &Session, except: Option<&str>) -> Result<Vec<Netlink>, NetError> {
    let mut netlinks = vec![Netlink::open()?];
    let names = netns::list(&session.netns)?;
    for name in names.iter().filter(|name| except != Some(name)) {
        let there = netns::open(&session.netns, name)?;
        let here = netns::current()?;
        netns::enter(there)?;
        // Its sockets stay in the namespace that they were opened in.
        let netlink = Netlink::open();
        netns::enter(here)?;
        netlinks.push(netlink?);
    }
    Ok(netlinks)
}

/// Whether it is up and connected.
pub fn has_carrier(link: &Link) -> bool {
    link.flags.contains(LinkFlags::Up | LinkFlags::LowerUp)
}

/// Waits until those of the links that get an IPv6 link-local address have it; not at all on a host without IPv6.
///
/// # Errors
/// `ETIMEDOUT` names the first link that has none in time.
pub fn link_local(netlink: &mut Netlink, links: &[Link]) -> Result<(), NetError> {
    let ethernet = |link: &&Link| link.flags.contains(LinkFlags::Broadcast) && has_carrier(link);
    for link in links.iter().filter(ethernet) {
        if ipv6_is_on(&link.name) {
            netlink.wait_link_local(&link.name, deadline())?;
        }
    }
    Ok(())
}

/// The settings that a link of an ordinary host has in a new network namespace, where nobody has changed what such a
/// namespace starts with (Documentation/networking/ip-sysctl.rst, `net.core.devconf_inherit_init_net`).
const IPV6_SETTINGS: [&str; 2] = ["disable_ipv6", "addr_gen_mode"];

/// Gives the link in this network namespace, a namespace of this program's own, IPv6 as the kernel has it by default.
///
/// A host without IPv6 is a healthy one: it stays without.
pub fn switch_ipv6_on(link: &str) {
    for setting in IPV6_SETTINGS {
        let path = ipv6_setting(link, setting);
        if std::fs::read(&path).is_ok_and(|value| value.trim_ascii() != b"0") {
            // Where it cannot be written, the address that is not there will tell.
            let _ = std::fs::write(&path, "0");
        }
    }
}

fn ipv6_is_on(link: &str) -> bool {
    let disabled = std::fs::read(ipv6_setting(link, IPV6_SETTINGS[0]));
    disabled.is_ok_and(|value| value.trim_ascii() == b"0")
}

/// Below /proc/sys/net every process sees the settings of its own network namespace: proc_sys_net(5).
fn ipv6_setting(link: &str, setting: &str) -> String {
    format!("/proc/sys/net/ipv6/conf/{link}/{setting}")
}
