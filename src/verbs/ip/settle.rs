//! Waiting until the network is as it will stay, so that what is shown is the same every time.

use std::time::{Duration, Instant};

use crate::recording::Failure;
use crate::session::Session;
use crate::sys::netlink::{Link, LinkFlags, NetError, Netlink, OperState};
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
/// A link has its carrier when the call that set up its other end returns; that packets pass comes later, and that the
/// bridge which it is a port of has noticed comes after that.
///
/// # Errors
/// `ETIMEDOUT` names the first link that is not ready in time.
pub fn links(netlink: &mut Netlink) -> Result<Vec<Link>, Failure> {
    Ok(netlink.wait_links(unsettled, deadline())?)
}

/// The first link that is up and not yet as it will stay.
fn unsettled(links: &[Link]) -> Option<&Link> {
    let mut up = links.iter().filter(|link| link.is_up());
    up.find(|link| match ports_have_carrier(link, links) {
        // Its first state is UNKNOWN, which stays as long as it has no port.
        Some(carrier) => has_carrier(link) != carrier || (link.state == OperState::Up) != carrier,
        None => has_carrier(link) && !link.is_operational(),
    })
}

/// Whether one of the bridge's ports has a carrier, and so the bridge (br_port_state_selection() in
/// net/bridge/br_stp.c); `None` for a link without ports.
fn ports_have_carrier(bridge: &Link, links: &[Link]) -> Option<bool> {
    let is_port = |link: &&Link| link.master == Some(bridge.index);
    let carriers = links.iter().filter(is_port).map(has_carrier);
    carriers.reduce(|one, other| one | other)
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
/// `ETIMEDOUT` names the first link that has none at `deadline`.
pub fn link_local(
    netlink: &mut Netlink,
    links: &[Link],
    deadline: Instant,
) -> Result<(), NetError> {
    let ethernet = |link: &&Link| link.flags.contains(LinkFlags::Broadcast) && has_carrier(link);
    for link in links.iter().filter(ethernet) {
        if ipv6_is_on(&link.name) {
            netlink.wait_link_local(&link.name, deadline)?;
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

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::super::Ip;
    use super::*;
    use crate::sys::test_namespaces::in_own_namespaces;
    use crate::verbs::Verb;
    use crate::verbs::tests::{parse, session};

    /// A link that is up: a bridge of this index, or a port of the bridge 2.
    fn link(index: u32, carrier: bool, state: OperState) -> Link {
        Link {
            index,
            name: format!("link{index}"),
            flags: match carrier {
                true => LinkFlags::Up | LinkFlags::LowerUp,
                false => LinkFlags::Up,
            },
            state,
            kind: None,
            peer_index: None,
            link_netnsid: None,
            master: (index > 2).then_some(2),
        }
    }

    #[test]
    fn a_bridge_is_settled_when_it_is_up_as_its_ports_are() {
        use OperState::{Down, LowerLayerDown, Unknown, Up};
        let (none, live) = (link(3, false, LowerLayerDown), link(4, true, Up));
        let settled = |bridge: (bool, OperState), ports: &[&Link]| {
            let bridge = link(2, bridge.0, bridge.1);
            let ports = ports.iter().map(|port| (*port).clone());
            let links: Vec<_> = [bridge].into_iter().chain(ports).collect();
            unsettled(&links).is_none()
        };
        for (bridge, ports, expected) in [
            // Without ports it has a carrier, until it has had one.
            ((true, Unknown), &[][..], true),
            ((false, Down), &[], true),
            ((false, Unknown), &[&none], true),
            ((false, Down), &[&none], true),
            ((true, Up), &[&none, &live], true),
            // The kernel has yet to work off that a port has its carrier, or none any more.
            ((false, Unknown), &[&none, &live], false),
            ((true, Unknown), &[&live], false),
            ((true, Down), &[&live], false),
            ((true, Up), &[&none], false),
            ((false, Up), &[&none], false),
        ] {
            assert_eq!(settled(bridge, ports), expected, "{bridge:?}, {ports:?}");
        }
    }

    #[test]
    fn another_link_is_settled_when_packets_pass_or_it_has_no_carrier() {
        for (carrier, state, expected) in [
            (true, OperState::Up, true),
            (true, OperState::Unknown, true),
            (true, OperState::Down, false),
            (false, OperState::Up, true),
            (false, OperState::Down, true),
        ] {
            let links = [link(1, carrier, state)];
            assert_eq!(unsettled(&links).is_none(), expected, "{carrier} {state}");
        }
        let mut down = link(1, true, OperState::Down);
        down.flags = LinkFlags::LowerUp;
        assert_eq!(unsettled(&[down]), None);
    }

    #[test]
    fn what_has_a_name_and_is_no_namespace_is_told() {
        in_own_namespaces(|| {
            let (_keep, session) = session();
            netns::add(&session.netns, "guestnet").unwrap();
            assert_eq!(everywhere(&session), Ok(()));
            std::fs::write(session.netns.join("none"), "").unwrap();
            let failure = everywhere(&session).unwrap_err();
            assert_eq!(failure.cause.errno(), Some("EINVAL"));
        });
    }

    /// Two links that are up and connected, where there is IPv6.
    fn pair() -> Option<Netlink> {
        let mut netlink = Netlink::open().unwrap();
        netlink.add_veth("host", "guest", None).unwrap();
        if !std::fs::exists("/proc/sys/net/ipv6").unwrap() {
            eprintln!("skipped: there is no IPv6");
            return None;
        }
        Some(netlink)
    }

    fn set(link: &str, settings: [&str; 2]) {
        for (setting, value) in IPV6_SETTINGS.iter().zip(settings) {
            std::fs::write(ipv6_setting(link, setting), value).unwrap();
        }
    }

    #[test]
    fn a_link_gets_the_settings_of_a_new_namespace() {
        in_own_namespaces(|| {
            let Some(_pair) = pair() else { return };
            set("host", ["1", "1"]);
            assert!(!ipv6_is_on("host") && !ipv6_is_on("absent"));
            switch_ipv6_on("host");
            assert!(ipv6_is_on("host"));
            let settings = IPV6_SETTINGS.map(|setting| ipv6_setting("host", setting));
            let settings = settings.map(|path| std::fs::read_to_string(path).unwrap());
            assert_eq!(settings, ["0\n", "0\n"]);
        });
    }

    #[test]
    fn a_link_that_gets_a_link_local_address_is_waited_for() {
        in_own_namespaces(|| {
            let Some(mut netlink) = pair() else { return };
            let mut waited = || {
                let links = netlink.links().unwrap();
                let waited = link_local(&mut netlink, &links, Instant::now());
                waited.map_err(|error| (error.errno, error.object))
            };
            // They have no carrier.
            set("host", ["0", "1"]);
            set("guest", ["1", "1"]);
            assert_eq!(waited(), Ok(()));
            let mut up = Netlink::open().unwrap();
            for link in ["lo", "host", "guest"] {
                up.set_up(link).unwrap();
            }
            // With this way to make it there never is one.
            assert_eq!(waited(), Err((Errno::ETIMEDOUT, "host".to_owned())));
            set("host", ["1", "1"]);
            assert_eq!(waited(), Ok(()));
        });
    }

    #[test]
    fn an_ipv6_address_is_waited_for_only_where_it_is_shown() {
        in_own_namespaces(|| {
            let Some(mut netlink) = pair() else { return };
            for link in ["host", "guest"] {
                set(link, ["0", "1"]);
                netlink.set_up(link).unwrap();
            }
            let (_keep, mut session) = session();
            let shown = parse::<Ip>("-4 address show")
                .unwrap()
                .perform(&mut session);
            assert!(shown.is_ok(), "{shown:?}");
        });
    }
}
