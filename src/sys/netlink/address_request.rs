//! Adding and listing addresses, as `ip-address(8)` does.

use std::net::IpAddr;
use std::time::Duration;

use libc::{RTM_GETADDR, RTM_NEWADDR};
use netlink_packet_core::NLM_F_EXCL;
use netlink_packet_route::AddressFamily;
use netlink_packet_route::address::{
    AddressAttribute, AddressHeader, AddressHeaderFlags, AddressMessage, AddressScope,
};

use super::channel::Call;
use super::error::NetError;
use super::{Address, IpNet, Netlink, decoded};
use crate::sys::poll::from_now;

/// How long the kernel may take for work that it does in the background but at once. It took 0.1 ms, and
/// tens of them while other processes made and deleted network namespaces.
const BACKGROUND_LIMIT: Duration = Duration::from_secs(5);

pub(super) const GETADDR: Call = Call {
    name: "RTM_GETADDR",
    number: RTM_GETADDR,
};
const NEWADDR: Call = Call {
    name: "RTM_NEWADDR",
    number: RTM_NEWADDR,
};

/// Whether the kernel first asks the link if somebody has the IPv6 address already (RFC 4862).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dad {
    /// It asks; the address is tentative, of no use for more than a second.
    Detect,
    /// `nodad` of `ip-address(8)`: of use when the call returns.
    Skip,
}

impl Netlink {
    /// The addresses of the link called `dev`, or of all links: IPv4 before IPv6, else in the kernel's order.
    ///
    /// # Errors
    /// `ENODEV` when there is no such link; `EBADMSG` for an answer that cannot be read.
    pub fn addresses(&mut self, dev: Option<&str>) -> Result<Vec<Address>, NetError> {
        let index = dev
            .map(|dev| self.link(dev))
            .transpose()?
            .map(|link| link.index);
        let payloads = self.requests.dump(GETADDR, &AddressMessage::default())?;
        let mut addresses = Vec::new();
        for payload in payloads {
            let address = decoded(GETADDR, dev.unwrap_or_default(), Address::parse(&payload))?;
            // Asking for one link's addresses only would need NETLINK_GET_STRICT_CHK (Linux 4.20).
            addresses.extend(address.filter(|address| index.is_none_or(|i| i == address.index)));
        }
        addresses.sort_by_key(|address| address.net.addr().is_ipv6());
        Ok(addresses)
    }

    /// Gives the link an address, without a broadcast address, as `ip address add` does. `dad` is for IPv6; IPv4
    /// has no such detection.
    ///
    /// # Errors
    /// `EEXIST` when it has that address already; `ENODEV` when there is no such link; `EACCES` for an IPv6 address
    /// where IPv6 is disabled; `EPERM` without CAP_NET_ADMIN.
    pub fn add_address(&mut self, dev: &str, net: IpNet, dad: Dad) -> Result<(), NetError> {
        let index = self.link(dev)?.index;
        let waits = dad == Dad::Skip && net.addr().is_ipv6();
        if waits {
            self.subscribe_addresses()?;
            // An event about the same address on another occasion would end the wait early.
            self.discard_events(dev)?;
        }
        let message = new_address(index, net, dad);
        let object = format!("{net} dev {dev}");
        self.requests
            .request(NEWADDR, NLM_F_EXCL, &object, &message)?;
        if waits {
            let deadline = from_now(BACKGROUND_LIMIT);
            self.wait_address_added(index, net.addr(), deadline)?;
        }
        Ok(())
    }
}

fn new_address(index: u32, net: IpNet, dad: Dad) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header = AddressHeader {
        family: family(net.addr()),
        prefix_len: net.prefix_len(),
        flags: match dad {
            Dad::Skip if net.addr().is_ipv6() => AddressHeaderFlags::Nodad,
            _ => AddressHeaderFlags::empty(),
        },
        scope: scope(net.addr()),
        index,
    };
    message.attributes = vec![
        AddressAttribute::Local(net.addr()),
        AddressAttribute::Address(net.addr()),
    ];
    message
}

pub(super) fn family(addr: IpAddr) -> AddressFamily {
    match addr {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    }
}

/// The scope that `ip address add` gives: the kernel derives it for IPv6 only.
fn scope(addr: IpAddr) -> AddressScope {
    match addr {
        IpAddr::V4(addr) if addr.is_loopback() => AddressScope::Host,
        _ => AddressScope::Universe,
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;

    use super::super::attribute::tests::nla;
    use super::*;

    #[test]
    fn a_new_address_has_no_broadcast_and_detection_only_where_there_is_some() {
        let bytes = |net: &str, dad| {
            let message = new_address(4, net.parse().unwrap(), dad);
            let mut bytes = vec![0; message.buffer_len()];
            message.emit(&mut bytes);
            bytes
        };
        let expected = [
            &[2, 24, 0, 0][..],
            &4_u32.to_ne_bytes(),
            &nla(2, &[1, 2, 3, 4]),
            &nla(1, &[1, 2, 3, 4]),
        ];
        assert_eq!(bytes("1.2.3.4/24", Dad::Skip), expected.concat());
        assert_eq!(bytes("fd00::1/64", Dad::Skip)[..4], [10, 64, 2, 0]);
        assert_eq!(bytes("fd00::1/64", Dad::Detect)[..4], [10, 64, 0, 0]);
        assert_eq!(bytes("127.0.0.2/8", Dad::Skip)[..4], [2, 8, 0, 254]);
    }
}
