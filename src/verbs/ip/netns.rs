//! `ip netns`: network namespaces with names, and verbs performed in them.

use std::os::fd::AsFd;

use serde::{Deserialize, Serialize};

use super::name::NetnsName;
use super::settle;
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Flow, Inside, Session};
use crate::sys::netlink::{Link, Netlink};
use crate::sys::netns;
use crate::verbs::{Action, nested};

/// What to do with network namespaces. ip-netns(8)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Makes one.
    Add(NetnsName),
    /// Prints the names.
    List,
    /// Performs a verb in it.
    Exec(NetnsName, Box<Action>),
    /// Deletes it, and waits until the other ends of its veth pairs are gone.
    Delete(NetnsName),
}

const NAME: &str = "the name of a network namespace";

impl Command {
    pub(super) fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        if words.peek().is_none() {
            return Ok(Self::List);
        }
        Ok(
            match words.keyword(&["add", "list", "ls", "exec", "del", "delete"])? {
                "add" => Self::Add(words.value(NAME)?),
                "exec" => Self::Exec(words.value(NAME)?, nested(words)?),
                "del" | "delete" => Self::Delete(words.value(NAME)?),
                _ => Self::List,
            },
        )
    }

    pub(super) fn prints(&self) -> bool {
        match self {
            Self::List => true,
            Self::Exec(_, action) => action.prints(),
            Self::Add(_) | Self::Delete(_) => false,
        }
    }

    pub(super) fn nested(&self) -> Option<&Action> {
        match self {
            Self::Exec(_, action) => Some(action),
            _ => None,
        }
    }

    pub(super) fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        match self {
            Self::Add(name) => netns::add(&session.netns, name.as_str())?,
            Self::List => return Ok(Output::lines(netns::list(&session.netns)?)),
            Self::Exec(name, action) => {
                return session.in_child("ip", |session| {
                    enter(session, name)?;
                    action.perform(session)
                });
            }
            Self::Delete(name) => delete(session, name)?,
        }
        Ok(Output::nothing())
    }

    pub(super) fn enter(&self, session: &mut Session, inside: Inside<'_>) -> Result<Flow, Failure> {
        match self {
            Self::Exec(name, action) => session.in_child("ip", |session| {
                enter(session, name)?;
                action.enter(session, inside)
            }),
            _ => self.perform(session).map(|_| Flow::Continue),
        }
    }

    /// As it is, but what a shell has to do must be done inside.
    pub(super) fn by_hand(&self, line: &str) -> String {
        let Self::Exec(_, action) = self else {
            return line.to_owned();
        };
        // ip netns exec NS, then the nested verb's line.
        let Some((at, _)) = line.match_indices(' ').nth(3) else {
            return line.to_owned();
        };
        let (front, nested) = (&line[..at], line[at..].trim_start());
        let typed = action.by_hand(nested);
        if typed == nested || !typed.contains(['&', ';', '|', '<', '>']) {
            format!("{front} {typed}")
        } else {
            format!("{front} sh -c '{}'", typed.replace('\'', r"'\''"))
        }
    }
}

/// From in there the links of this network namespace, which has no name, could not be waited for.
fn enter(session: &Session, name: &NetnsName) -> Result<(), Failure> {
    settle::links(&mut Netlink::open()?)?;
    let netns = netns::open(&session.netns, name.as_str())?;
    Ok(netns::enter(netns)?)
}

/// The kernel deletes the links of a network namespace in the background, and with them their other ends in others.
fn delete(session: &Session, name: &NetnsName) -> Result<(), Failure> {
    let mut netlinks = settle::netlinks(session, Some(name.as_str()))?;
    // Closed before the deletion: it would keep the namespace.
    let netns = netns::open(&session.netns, name.as_str())?;
    let mut awaited = Vec::new();
    for (number, netlink) in netlinks.iter_mut().enumerate() {
        netlink.subscribe_links()?;
        // The links first: to show them is what gives the namespace its number.
        let links = netlink.links()?;
        let id = netlink.netns_id(netns.as_fd())?;
        let other_ends = links.into_iter().filter(|link| is_veth_into(link, id));
        awaited.extend(other_ends.map(|link| (number, link.index)));
    }
    drop(netns);
    netns::delete(&session.netns, name.as_str())?;
    for (number, index) in awaited {
        netlinks[number].wait_deleted(index, settle::deadline())?;
    }
    Ok(())
}

fn is_veth_into(link: &Link, id: Option<i32>) -> bool {
    link.kind.as_deref() == Some("veth") && link.link_netnsid.is_some() && link.link_netnsid == id
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::path::Path;

    use super::super::Ip;
    use super::*;
    use crate::sys::netlink::{LinkFlags, OperState};
    use crate::sys::test_namespaces::in_own_namespaces;
    use crate::verbs::Verb;
    use crate::verbs::tests::{parse, session};

    #[test]
    fn only_a_veth_whose_other_end_is_in_there_goes_with_a_namespace() {
        for (kind, netnsid, id, goes) in [
            ("veth", Some(0), Some(0), true),
            ("veth", Some(1), Some(0), false),
            ("veth", None, Some(0), false),
            // Both ends are here, and the namespace has no number.
            ("veth", None, None, false),
            ("macvlan", Some(0), Some(0), false),
        ] {
            let link = Link {
                index: 2,
                name: "host".to_owned(),
                flags: LinkFlags::empty(),
                state: OperState::Down,
                kind: Some(kind.to_owned()),
                peer_index: Some(2),
                link_netnsid: netnsid,
                master: None,
            };
            assert_eq!(is_veth_into(&link, id), goes, "{kind} {netnsid:?} {id:?}");
        }
    }

    #[test]
    fn the_steps_inside_are_performed_in_the_other_namespace() {
        in_own_namespaces(|| {
            let (_keep, mut session) = session();
            netns::add(&session.netns, "guestnet").unwrap();
            let own = || std::fs::metadata("/proc/thread-self/ns/net").unwrap().ino();
            let (here, there) = (own(), Path::new("/run/guestnet").metadata().unwrap().ino());
            let ip: Ip = parse("netns exec guestnet unshare --uts").unwrap();
            for (namespace, flow) in [(there, Flow::Stop), (here, Flow::Continue)] {
                let mut inside = |_: &mut Session| match own() == namespace {
                    true => Flow::Stop,
                    false => Flow::Continue,
                };
                assert_eq!(ip.enter(&mut session, &mut inside), Ok(flow));
            }
            assert_eq!(own(), here);
        });
    }

    #[test]
    fn a_person_types_what_is_inside_as_the_verb_says() {
        for (line, typed) in [
            ("ip netns add guestnet", "ip netns add guestnet"),
            (
                "ip netns exec guestnet ip link",
                "ip netns exec guestnet ip link",
            ),
            (
                "ip netns exec guestnet ps -e -o nspid",
                "ip netns exec guestnet grep -H NSpid /proc/[0-9]*/status",
            ),
        ] {
            let ip: Ip = parse(line.strip_prefix("ip ").unwrap()).unwrap();
            assert_eq!(ip.by_hand(line), typed);
        }
    }
}
