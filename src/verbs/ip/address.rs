//! `ip address`: the addresses of links.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use super::name::LinkName;
use super::{Family, link, settle};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::sys::netlink::{Address, AddressScope, Dad, IpNet, Link, Netlink};

/// What to do with addresses. ip-address(8)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Command {
    /// Gives a link an address.
    Add {
        /// The address, and how long its network's prefix is.
        net: IpNet,
        /// The link.
        dev: LinkName,
    },
    /// Shows the link with its addresses, or all.
    Show(Option<LinkName>),
}

const NAME: &str = "the name of a link";

impl Command {
    pub(super) fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        if words.peek().is_none() {
            return Ok(Self::Show(None));
        }
        match words.keyword(&["add", "show", "list", "ls"])? {
            "add" => {
                let net = words.value("ADDRESS/PREFIX")?;
                words.keyword(&["dev"])?;
                let dev = words.value(NAME)?;
                Ok(Self::Add { net, dev })
            }
            _ if words.peek().is_none() => Ok(Self::Show(None)),
            _ => {
                words.keyword(&["dev"])?;
                Ok(Self::Show(Some(words.value(NAME)?)))
            }
        }
    }

    pub(super) fn prints(&self) -> bool {
        matches!(self, Self::Show(_))
    }

    pub(super) fn perform(&self, family: Option<Family>) -> Result<Output, Failure> {
        let mut netlink = Netlink::open()?;
        match self {
            Self::Add { net, dev } => {
                // A namespace of its own has nobody in it who could have the address already.
                netlink.add_address(dev.as_str(), *net, Dad::Skip)?;
                Ok(Output::nothing())
            }
            Self::Show(dev) => show(&mut netlink, dev.as_ref(), family),
        }
    }
}

fn show(
    netlink: &mut Netlink,
    dev: Option<&LinkName>,
    family: Option<Family>,
) -> Result<Output, Failure> {
    let links = link::shown(netlink, dev)?;
    if family != Some(Family::V4) {
        settle::link_local(netlink, &links, settle::deadline())?;
    }
    let addresses = netlink.addresses(None)?;
    let mut output = Output::nothing();
    for link in links {
        link::print(netlink, &link, &mut output);
        let own = addresses
            .iter()
            .filter(|address| address.index == link.index);
        for address in own.filter(|address| Family::shows(family, address.net)) {
            print(address, &link, &mut output);
        }
    }
    Ok(output)
}

/// Prints `    inet 1.2.3.5/24 scope global guest`, or `    inet6 fe80::[A]/64 scope link`.
fn print(address: &Address, link: &Link, output: &mut Output) {
    let scope = scope(address.scope);
    match address.net.addr() {
        IpAddr::V4(_) => {
            let label = address.label.as_deref().unwrap_or(&link.name);
            output.text(format!("    inet {} scope {scope} {label}\n", address.net));
        }
        // Its second half comes from the MAC address, which is a random one.
        IpAddr::V6(ip) if address.is_link_local() => {
            let prefix = address.net.prefix_len();
            output.text("    inet6 fe80::").identity("eui64", ip);
            output.text(format!("/{prefix} scope {scope}\n"));
        }
        IpAddr::V6(_) => {
            output.text(format!("    inet6 {} scope {scope}\n", address.net));
        }
    }
}

fn scope(scope: AddressScope) -> String {
    match scope {
        AddressScope::Universe => "global".to_owned(),
        AddressScope::Link => "link".to_owned(),
        AddressScope::Host => "host".to_owned(),
        AddressScope::Site => "site".to_owned(),
        other => u8::from(other).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::Piece;
    use crate::sys::netlink::{LinkFlags, OperState};

    #[test]
    fn only_a_link_local_address_is_shown_without_what_is_random() {
        let link = Link {
            index: 2,
            name: "host".to_owned(),
            flags: LinkFlags::empty(),
            state: OperState::Up,
            kind: None,
            peer_index: None,
            link_netnsid: None,
            master: None,
        };
        let printed = |net: &str, scope| {
            let address = Address {
                index: 2,
                net: net.parse().unwrap(),
                peer: None,
                broadcast: None,
                label: None,
                scope,
                flags: netlink_packet_route::address::AddressFlags::empty(),
            };
            let mut output = Output::nothing();
            print(&address, &link, &mut output);
            let pieces = output.pieces.into_iter().map(|piece| match piece {
                Piece::Text(text) => text,
                Piece::Identity { kind, raw } => format!("[{kind} {raw}]"),
            });
            pieces.collect::<String>()
        };
        for (net, scope, text) in [
            (
                "1.2.3.5/24",
                AddressScope::Universe,
                "inet 1.2.3.5/24 scope global host",
            ),
            (
                "fd00::2/64",
                AddressScope::Universe,
                "inet6 fd00::2/64 scope global",
            ),
            ("::1/128", AddressScope::Host, "inet6 ::1/128 scope host"),
            (
                "fe80::1/64",
                AddressScope::Link,
                "inet6 fe80::[eui64 fe80::1]/64 scope link",
            ),
        ] {
            assert_eq!(printed(net, scope), format!("    {text}\n"));
        }
    }
}
