//! `ip link`: links, and the line that shows one.

use serde::{Deserialize, Serialize};

use super::name::{LinkName, NetnsName};
use super::settle;
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::Session;
use crate::sys::netlink::{Link, LinkFlags, Netlink, OperState};
use crate::sys::netns;

/// What to do with links. ip-link(8)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Makes one.
    Add {
        /// What it is called.
        name: LinkName,
        /// What it is.
        kind: Kind,
    },
    /// Sets it up.
    Up(LinkName),
    /// Sets it down.
    Down(LinkName),
    /// Moves it to another network namespace.
    Move {
        /// Which.
        name: LinkName,
        /// Where to.
        netns: NetnsName,
    },
    /// Makes it a port of a bridge.
    Enslave {
        /// Which.
        name: LinkName,
        /// The bridge.
        master: LinkName,
    },
    /// Shows it, or all.
    Show(Option<LinkName>),
    /// Deletes it, with its peer.
    Delete(LinkName),
}

/// What can be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A veth pair, of which this is the other end. veth(4)
    Veth {
        /// What that is called.
        peer: LinkName,
    },
    /// A bridge without ports. ip-link(8), Documentation/networking/bridge.rst
    Bridge,
}

const NAME: &str = "the name of a link";

impl Command {
    pub(super) fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        if words.peek().is_none() {
            return Ok(Self::Show(None));
        }
        match words.keyword(&["add", "set", "show", "list", "ls", "del", "delete"])? {
            "add" => Self::parse_add(words),
            "set" => Self::parse_set(words),
            "del" | "delete" => Ok(Self::Delete(words.value(NAME)?)),
            _ if words.peek().is_none() => Ok(Self::Show(None)),
            _ => Ok(Self::Show(Some(name(words)?))),
        }
    }

    fn parse_add(words: &mut Words<'_>) -> Result<Self, LineError> {
        let name = words.value(NAME)?;
        words.keyword(&["type"])?;
        let kind = match words.keyword(&["veth", "bridge"])? {
            "bridge" => Kind::Bridge,
            _ => {
                words.keyword(&["peer"])?;
                words.keyword(&["name"])?;
                let peer = words.value(NAME)?;
                Kind::Veth { peer }
            }
        };
        Ok(Self::Add { name, kind })
    }

    fn parse_set(words: &mut Words<'_>) -> Result<Self, LineError> {
        let name = name(words)?;
        Ok(match words.keyword(&["up", "down", "master", "netns"])? {
            "up" => Self::Up(name),
            "down" => Self::Down(name),
            "master" => Self::Enslave {
                name,
                master: words.value("the name of a bridge")?,
            },
            _ => Self::Move {
                name,
                netns: words.value("the name of a network namespace")?,
            },
        })
    }

    pub(super) fn prints(&self) -> bool {
        matches!(self, Self::Show(_))
    }

    pub(super) fn perform(&self, session: &Session) -> Result<Output, Failure> {
        let mut netlink = Netlink::open()?;
        match self {
            Self::Add { name, kind } => match kind {
                Kind::Veth { peer } => netlink.add_veth(name.as_str(), peer.as_str(), None)?,
                Kind::Bridge => netlink.add_bridge(name.as_str())?,
            },
            Self::Up(name) => {
                settle::switch_ipv6_on(name.as_str());
                netlink.set_up(name.as_str())?;
            }
            Self::Down(name) => netlink.set_down(name.as_str())?,
            Self::Move { name, netns } => {
                let netns = netns::open(&session.netns, netns.as_str())?;
                netlink.set_netns(name.as_str(), std::os::fd::AsFd::as_fd(&netns))?;
            }
            Self::Enslave { name, master } => {
                netlink.set_master(name.as_str(), Some(master.as_str()))?;
            }
            Self::Delete(name) => netlink.delete(name.as_str())?,
            Self::Show(name) => return show(&mut netlink, name.as_ref()),
        }
        Ok(Output::nothing())
    }
}

fn name(words: &mut Words<'_>) -> Result<LinkName, LineError> {
    words.take("dev");
    words.value(NAME)
}

fn show(netlink: &mut Netlink, name: Option<&LinkName>) -> Result<Output, Failure> {
    let mut output = Output::nothing();
    for link in shown(netlink, name)? {
        print(netlink, &link, &mut output);
    }
    Ok(output)
}

/// The links to show, in the order of their numbers: all but those that modules of the host bring along.
///
/// # Errors
/// `ENODEV` when there is no link called `name`.
pub(super) fn shown(netlink: &mut Netlink, name: Option<&LinkName>) -> Result<Vec<Link>, Failure> {
    let mut links = settle::links(netlink)?;
    if let Some(name) = name {
        let index = netlink.link(name.as_str())?.index;
        links.retain(|link| link.index == index);
    } else {
        links.retain(|link| !link.is_fallback_tunnel());
    }
    Ok(links)
}

/// Prints `guest@if[A]: <BROADCAST,MULTICAST,UP,LOWER_UP> master br0 state UP link-netnsid 0`.
pub(super) fn print(netlink: &mut Netlink, link: &Link, output: &mut Output) {
    output.text(&link.name);
    match (link.peer_index, link.link_netnsid) {
        (Some(peer), None) => {
            output.text("@").text(super::link_name(netlink, peer));
        }
        // Kernels before 5.12 leave out a number that is the same at both ends.
        (peer, Some(_)) => {
            let peer = peer.unwrap_or(link.index);
            // With its own name, since links in different namespaces may have the same number.
            output
                .text("@if")
                .identity("if", format!("{}@if{peer}", link.name));
        }
        (None, None) => {}
    }
    output.text(format!(": <{}>", flags(link)));
    if let Some(master) = link.master {
        output
            .text(" master ")
            .text(super::link_name(netlink, master));
    }
    output.text(format!(" state {}", state(link)));
    if let Some(id) = link.link_netnsid {
        output.text(format!(" link-netnsid {id}"));
    }
    output.text("\n");
    output.evidence(format!(
        "{} is link {}, {}",
        link.name, link.index, link.state
    ));
}

/// The flags that ip(8) shows, without those that come and go with the kernel's version.
fn flags(link: &Link) -> String {
    const SHOWN: [(LinkFlags, &str); 6] = [
        (LinkFlags::Loopback, "LOOPBACK"),
        (LinkFlags::Broadcast, "BROADCAST"),
        (LinkFlags::Pointopoint, "POINTOPOINT"),
        (LinkFlags::Multicast, "MULTICAST"),
        (LinkFlags::Up, "UP"),
        (LinkFlags::LowerUp, "LOWER_UP"),
    ];
    let shown = SHOWN.iter().filter(|(flag, _)| link.flags.contains(*flag));
    let names = shown.map(|(_, name)| *name);
    let no_carrier = (link.is_up() && !settle::has_carrier(link)).then_some("NO-CARRIER");
    no_carrier
        .into_iter()
        .chain(names)
        .collect::<Vec<_>>()
        .join(",")
}

/// The state by the flags: without a carrier the kernel says DOWN or LOWERLAYERDOWN according to the numbers that the
/// two ends happen to have (default_operstate() in net/core/link_watch.c).
fn state(link: &Link) -> &'static str {
    match (link.is_up(), settle::has_carrier(link), link.state) {
        (_, true, OperState::Up) => "UP",
        (_, true, _) => "UNKNOWN",
        (true, false, _) if link.kind.as_deref() == Some("veth") => "LOWERLAYERDOWN",
        _ => "DOWN",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn link(flags: LinkFlags, state: OperState, kind: Option<&str>) -> Link {
        Link {
            index: 2,
            name: "guest".to_owned(),
            flags,
            state,
            kind: kind.map(str::to_owned),
            peer_index: None,
            link_netnsid: None,
            master: None,
        }
    }

    #[test]
    fn the_state_goes_by_the_flags() {
        let (up, both) = (LinkFlags::Up, LinkFlags::Up | LinkFlags::LowerUp);
        for (flags, kernel, kind, flags_shown, state_shown) in [
            (
                LinkFlags::Loopback,
                OperState::Unknown,
                None,
                "LOOPBACK",
                "DOWN",
            ),
            (
                LinkFlags::Loopback | both,
                OperState::Unknown,
                None,
                "LOOPBACK,UP,LOWER_UP",
                "UNKNOWN",
            ),
            (
                LinkFlags::Multicast,
                OperState::Down,
                Some("veth"),
                "MULTICAST",
                "DOWN",
            ),
            (
                both | LinkFlags::Running,
                OperState::Up,
                Some("veth"),
                "UP,LOWER_UP",
                "UP",
            ),
            (
                up,
                OperState::LowerLayerDown,
                Some("veth"),
                "NO-CARRIER,UP",
                "LOWERLAYERDOWN",
            ),
            (
                up,
                OperState::Down,
                Some("veth"),
                "NO-CARRIER,UP",
                "LOWERLAYERDOWN",
            ),
            (up, OperState::Down, Some("bridge"), "NO-CARRIER,UP", "DOWN"),
        ] {
            let link = link(flags, kernel, kind);
            assert_eq!(
                (super::flags(&link).as_str(), state(&link)),
                (flags_shown, state_shown)
            );
        }
    }

    #[test]
    fn without_a_command_links_are_shown() {
        let parse = |line: &str| {
            let ip: super::super::Ip = crate::verbs::tests::parse(line).unwrap();
            match ip.object {
                super::super::Object::Link(command) => command,
                _ => panic!("{line}"),
            }
        };
        let name = || "lo".parse().unwrap();
        for line in ["link", "link show", "link list", "link ls"] {
            assert_eq!(parse(line), Command::Show(None), "{line}");
        }
        assert_eq!(parse("link show lo"), Command::Show(Some(name())));
        assert_eq!(parse("link set lo up"), Command::Up(name()));
        assert_eq!(parse("link set lo down"), Command::Down(name()));
        let enslaved = Command::Enslave {
            name: name(),
            master: "br0".parse().unwrap(),
        };
        assert_eq!(parse("link set lo master br0"), enslaved);
        let bridge = Command::Add {
            name: name(),
            kind: Kind::Bridge,
        };
        assert_eq!(parse("link add lo type bridge"), bridge);
        assert_eq!(parse("link del lo"), Command::Delete(name()));
    }
}
