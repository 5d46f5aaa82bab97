//! An address of a link as the kernel describes it in `RTM_NEWADDR` (rtnetlink(7)).

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::{DecodeError, ErrorContext, parse_ip, parse_u32};
use netlink_packet_route::address::{AddressFlags, AddressHeader, AddressScope};

use super::IpNet;
use super::attribute::{attributes, text};

/// Size of `struct ifaddrmsg` in bytes.
const HEADER_SIZE: usize = 8;

const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;
const IFA_LABEL: u16 = 3;
const IFA_BROADCAST: u16 = 4;
const IFA_FLAGS: u16 = 8;

/// An address of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// The link's index.
    pub index: u32,
    /// The link's own address and the prefix of its network.
    pub net: IpNet,
    /// The address at the other end, when it is another one (point-to-point).
    pub peer: Option<IpAddr>,
    /// The broadcast address, when one was set; there is none by default.
    pub broadcast: Option<Ipv4Addr>,
    /// IPv4 only: the link's name, or `NAME:LABEL`.
    pub label: Option<String>,
    /// How far the address is valid; `Universe` is what `ip-address(8)` calls `global`.
    pub scope: AddressScope,
    /// `IFA_F_*`: permanent, tentative (duplicate address detection still runs), nodad, ...
    pub flags: AddressFlags,
}

impl Address {
    /// Reads the payload of an `RTM_NEWADDR`; `None` for one without an address.
    pub(super) fn parse(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let header = AddressHeader::parse(payload)?;
        let mut raw = Attributes::default();
        for attribute in attributes(payload.get(HEADER_SIZE..).unwrap_or_default()) {
            let (kind, value) = attribute?;
            raw.take(kind, value)
                .with_context(|| format!("IFA attribute {kind}"))?;
        }
        // IFA_ADDRESS is the other end of a point-to-point link; on all others, and without IFA_LOCAL, the
        // link's own address.
        let Some(local) = raw.local.or(raw.address) else {
            return Ok(None);
        };
        let net = IpNet::new(local, header.prefix_len).ok_or("prefix longer than the address")?;
        Ok(Some(Self {
            index: header.index,
            net,
            peer: raw.address.filter(|address| *address != local),
            broadcast: raw.broadcast,
            label: raw.label,
            scope: header.scope,
            flags: raw
                .flags
                .unwrap_or(AddressFlags::from_bits_retain(header.flags.bits().into())),
        }))
    }

    /// Whether it is an IPv6 link-local address, `fe80::/10`.
    pub fn is_link_local(&self) -> bool {
        matches!(self.net.addr(), IpAddr::V6(addr) if addr.is_unicast_link_local())
    }

    /// Whether duplicate address detection still runs: nothing can be sent from it yet.
    pub fn is_tentative(&self) -> bool {
        self.flags.contains(AddressFlags::Tentative)
    }
}

#[derive(Default)]
struct Attributes {
    address: Option<IpAddr>,
    local: Option<IpAddr>,
    broadcast: Option<Ipv4Addr>,
    label: Option<String>,
    flags: Option<AddressFlags>,
}

impl Attributes {
    fn take(&mut self, kind: u16, value: &[u8]) -> Result<(), DecodeError> {
        match kind {
            IFA_ADDRESS => self.address = Some(parse_ip(value)?),
            IFA_LOCAL => self.local = Some(parse_ip(value)?),
            IFA_LABEL => self.label = Some(text(value)),
            IFA_BROADCAST => match parse_ip(value)? {
                IpAddr::V4(broadcast) => self.broadcast = Some(broadcast),
                IpAddr::V6(_) => return Err("an IPv6 address as broadcast".into()),
            },
            IFA_FLAGS => self.flags = Some(AddressFlags::from_bits_retain(parse_u32(value)?)),
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv6Addr;

    use super::super::attribute::tests::nla;
    use super::*;

    fn parse(header: [u8; 4], attributes: &[Vec<u8>]) -> Result<Option<Address>, DecodeError> {
        let index = 2_u32.to_ne_bytes();
        Address::parse(&[&header[..], &index, &attributes.concat()].concat())
    }

    #[test]
    fn reads_an_ipv4_address_with_everything() {
        let attributes = [
            nla(IFA_ADDRESS, &[1, 2, 3, 5]),
            nla(IFA_LOCAL, &[1, 2, 3, 5]),
            nla(IFA_BROADCAST, &[1, 2, 3, 255]),
            nla(IFA_LABEL, b"guest\0"),
            nla(77, b"???"),
            nla(IFA_FLAGS, &0x80_u32.to_ne_bytes()),
        ];
        let address = parse([2, 24, 0, 0], &attributes).unwrap().unwrap();
        assert_eq!(address.net, "1.2.3.5/24".parse().unwrap());
        assert_eq!((address.index, address.peer), (2, None));
        assert_eq!(address.broadcast, Some(Ipv4Addr::new(1, 2, 3, 255)));
        assert_eq!(address.label.as_deref(), Some("guest"));
        assert_eq!(address.scope, AddressScope::Universe);
        assert_eq!(address.flags, AddressFlags::Permanent);
    }

    #[test]
    fn local_is_the_own_end_and_address_the_other() {
        let both = [
            nla(IFA_ADDRESS, &[10, 0, 0, 2]),
            nla(IFA_LOCAL, &[10, 0, 0, 1]),
        ];
        let address = parse([2, 32, 0, 0], &both).unwrap().unwrap();
        assert_eq!(address.net.addr(), IpAddr::from([10, 0, 0, 1]));
        assert_eq!(address.peer, Some(IpAddr::from([10, 0, 0, 2])));
    }

    #[test]
    fn ipv6_has_only_address_and_old_flags_stand_in_the_header() {
        let addr: Ipv6Addr = "fe80::1".parse().unwrap();
        let attributes = [nla(IFA_ADDRESS, &addr.octets())];
        let address = parse([10, 64, 0xc0, 253], &attributes).unwrap().unwrap();
        assert!(address.is_link_local() && address.is_tentative());
        assert_eq!(address.scope, AddressScope::Link);
        let global: Ipv6Addr = "fd00::1".parse().unwrap();
        let global = [nla(IFA_ADDRESS, &global.octets())];
        let global = parse([10, 64, 0, 0], &global).unwrap().unwrap();
        assert!(!global.is_link_local() && !global.is_tentative());
        assert_eq!(parse([10, 64, 0, 0], &[]).unwrap(), None);
    }

    #[test]
    fn malformed_addresses_are_errors() {
        assert!(parse([2, 33, 0, 0], &[nla(IFA_LOCAL, &[1, 2, 3, 4])]).is_err());
        assert!(parse([2, 24, 0, 0], &[nla(IFA_LOCAL, &[1, 2, 3])]).is_err());
        assert!(parse([2, 24, 0, 0], &[nla(IFA_BROADCAST, &[0; 16])]).is_err());
        assert!(Address::parse(&[2, 24, 0]).is_err());
    }
}
