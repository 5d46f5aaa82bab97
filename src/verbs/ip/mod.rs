//! `ip`: links, addresses, routes and named network namespaces.

mod address;
mod link;
mod name;
mod netns;
mod route;
pub(super) mod settle;

use serde::{Deserialize, Serialize};

use super::Verb;
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Flow, Inside, Session};
use crate::sys::netlink::{IpNet, Netlink};

/// Looks at and changes the network of the namespace that the step is performed in. ip(8)
///
/// What it prints are the lines of ip(8) without what another host or another run would not get again: numbers of
/// links, MAC addresses, MTUs, queues, lifetimes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ip {
    family: Option<Family>,
    object: Object,
}

/// `-4` or `-6`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Family {
    V4,
    V6,
}

impl Family {
    /// Whether `net` is shown when `family` is asked for.
    fn shows(family: Option<Self>, net: IpNet) -> bool {
        family.is_none_or(|family| family == Self::of(net))
    }

    fn of(net: IpNet) -> Self {
        if net.addr().is_ipv4() {
            Self::V4
        } else {
            Self::V6
        }
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Object {
    Link(link::Command),
    Address(address::Command),
    Route(route::Command),
    Netns(netns::Command),
}

impl Verb for Ip {
    const USAGE: &'static str = "ip [-4 | -6] \
        link [add NAME type bridge | add NAME type veth peer name PEER \
        | set NAME up|down|master BRIDGE|netns NS | show [NAME] | del NAME] \
        | address [add ADDRESS/PREFIX dev NAME | show [dev NAME]] \
        | route [add DESTINATION [via GATEWAY] [dev NAME] | show] \
        | netns [add NS | list | exec NS VERB… | del NS]";
    const SUMMARY: &'static str = "Show and change links, addresses, routes and network namespaces";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        let family = if words.take("-4") {
            Some(Family::V4)
        } else {
            words.take("-6").then_some(Family::V6)
        };
        let objects = ["link", "address", "addr", "route", "netns"];
        let object = match words.keyword(&objects)? {
            "link" => Object::Link(link::Command::parse(words)?),
            "route" => Object::Route(route::Command::parse(words, family)?),
            "netns" => Object::Netns(netns::Command::parse(words)?),
            _ => Object::Address(address::Command::parse(words)?),
        };
        Ok(Self { family, object })
    }

    fn prints(&self) -> bool {
        match &self.object {
            Object::Link(command) => command.prints(),
            Object::Address(command) => command.prints(),
            Object::Route(command) => command.prints(),
            Object::Netns(command) => command.prints(),
        }
    }

    fn measures_cpu(&self) -> bool {
        self.nested().is_some_and(super::Action::measures_cpu)
    }

    fn opens(&self) -> bool {
        self.nested().is_some_and(super::Action::opens)
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        match &self.object {
            Object::Link(command) => command.perform(session),
            Object::Address(command) => command.perform(self.family),
            Object::Route(command) => command.perform(self.family),
            Object::Netns(command) => command.perform(session),
        }
    }

    fn enter(&self, session: &mut Session, inside: Inside<'_>) -> Result<Flow, Failure> {
        match &self.object {
            Object::Netns(command) => command.enter(session, inside),
            _ => self.perform(session).map(|_| Flow::Continue),
        }
    }

    fn by_hand(&self, line: &str) -> String {
        match &self.object {
            Object::Netns(command) => command.by_hand(line),
            _ => line.to_owned(),
        }
    }
}

impl Ip {
    /// The verb that it runs in another network namespace.
    fn nested(&self) -> Option<&super::Action> {
        match &self.object {
            Object::Netns(command) => command.nested(),
            _ => None,
        }
    }
}

/// The name of the link of that index, `if7` when it is gone.
fn link_name(netlink: &mut Netlink, index: u32) -> String {
    netlink
        .link_by_index(index)
        .map_or_else(|_| format!("if{index}"), |link| link.name)
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn takes_the_lines_of_the_tutorial() {
        for (line, prints) in [
            ("addr", true),
            ("netns add guestnet", false),
            ("netns ls", true),
            ("netns exec guestnet ip link", true),
            ("netns exec guestnet ip link set lo up", false),
            ("link add host type veth peer name guest", false),
            ("link", true),
            ("link set guest netns guestnet", false),
            ("link add br0 type bridge", false),
            ("link set host master br0", false),
            ("address add 1.2.3.4/24 dev host", false),
            ("netns exec guestnet ip -4 address show dev guest", true),
            ("-6 address show", true),
            ("link show host", true),
            ("link del host", false),
            ("route add default via 1.2.3.5", false),
            ("route add 10.0.0.0/8 via 1.2.3.5 dev host", false),
            ("route add 10.0.0.0/8 dev host", false),
            ("route", true),
            ("netns del guestnet", false),
        ] {
            let ip: Ip = parse(line).unwrap_or_else(|error| panic!("{line}: {error:?}"));
            assert_eq!(ip.prints(), prints, "{line}");
            let json = serde_json::to_string(&ip).unwrap();
            assert_eq!(serde_json::from_str::<Ip>(&json).unwrap(), ip, "{line}");
        }
    }

    #[test]
    fn points_at_the_word_that_is_wrong() {
        for (line, word) in [
            ("lnk", "lnk"),
            ("link add a/b type veth peer name guest", "a/b"),
            (
                "link add host type veth peer name sixteen-bytes-xx",
                "sixteen-bytes-xx",
            ),
            ("link add host type bond", "bond"),
            ("link add br0 type bridge peer", "peer"),
            ("link set host master a/b", "a/b"),
            ("link set host upp", "upp"),
            ("link set guest netns ../x", "../x"),
            ("link show host up", "up"),
            ("address add 1.2.3.4/33 dev host", "1.2.3.4/33"),
            ("address add 1.2.3.4/24 host", "host"),
            ("route add 1.2.3.4/24 dev host", "1.2.3.4/24"),
            ("route add default via fe80::x", "fe80::x"),
            ("route add 10.0.0.0/8 via fe80::1", "fe80::1"),
            ("netns add ..", ".."),
            ("netns exec guestnet pong 1.2.3.4", "pong"),
            ("netns exec guestnet ip link set lo upp", "upp"),
        ] {
            let error = parse::<Ip>(line).unwrap_err();
            assert_eq!(&line[error.span.clone()], word, "{line}: {error:?}");
        }
    }

    #[test]
    fn says_what_is_missing() {
        for line in [
            "",
            "-4",
            "link add",
            "link set host",
            "link add br0 type",
            "link set host master",
            "address add 1.2.3.4/24",
            "route add default",
            "netns exec guestnet",
        ] {
            let error = parse::<Ip>(line).unwrap_err();
            assert!(error.span.start >= line.len(), "{line}: {error:?}");
        }
    }
}
