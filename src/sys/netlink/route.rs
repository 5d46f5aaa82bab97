//! A route as the kernel describes it in `RTM_NEWROUTE` (rtnetlink(7)).

use std::net::IpAddr;

use libc::RT_TABLE_MAIN;
use netlink_packet_core::{DecodeError, ErrorContext, parse_ip, parse_u32};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::route::{RouteHeader, RouteProtocol, RouteScope, RouteType};

use super::IpNet;
use super::attribute::attributes;

/// Size of `struct rtmsg` in bytes.
const HEADER_SIZE: usize = 12;

const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_PREFSRC: u16 = 7;

/// A route of the main table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Where it leads; [`IpNet::is_default`] for the default route.
    pub destination: IpNet,
    /// The next hop; none for a network that is on the link itself.
    pub gateway: Option<IpAddr>,
    /// The index of the link; none for a blackhole and its like.
    pub index: Option<u32>,
    /// The source address that packets get by default.
    pub prefsrc: Option<IpAddr>,
    /// Who made it: `Kernel` (along with an address), `Boot` (`ip route add`), `Static`, ...
    pub protocol: RouteProtocol,
    /// How far the destination is: `Link` without, `Universe` with a gateway.
    pub scope: RouteScope,
    /// What happens to packets: `Unicast`, `BlackHole`, `Unreachable`, ...
    pub kind: RouteType,
    /// The metric, lower is better; none is 0.
    pub metric: Option<u32>,
}

impl Route {
    /// `None` for what is no route of the main table to another host: local, broadcast and multicast
    /// addresses, and other tables and families.
    pub(super) fn parse(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let header = RouteHeader::parse(payload)?;
        let any = match header.address_family {
            AddressFamily::Inet => IpNet::DEFAULT_V4,
            AddressFamily::Inet6 => IpNet::DEFAULT_V6,
            _ => return Ok(None),
        };
        let mut destination = any.addr();
        let mut route = Self {
            destination: any,
            gateway: None,
            index: None,
            prefsrc: None,
            protocol: header.protocol,
            scope: header.scope,
            kind: header.kind,
            metric: None,
        };
        for attribute in attributes(payload.get(HEADER_SIZE..).unwrap_or_default()) {
            let (kind, value) = attribute?;
            match kind {
                RTA_DST => parse_ip(value).map(|addr| destination = addr),
                _ => route.take(kind, value),
            }
            .with_context(|| format!("RTA attribute {kind}"))?;
        }
        route.destination = IpNet::new(destination, header.destination_prefix_length)
            .ok_or("prefix longer than the address")?;
        let wanted = header.table == RT_TABLE_MAIN && route.leaves_the_host();
        Ok(wanted.then_some(route))
    }

    fn take(&mut self, kind: u16, value: &[u8]) -> Result<(), DecodeError> {
        match kind {
            RTA_OIF => self.index = Some(parse_u32(value)?),
            RTA_GATEWAY => self.gateway = Some(parse_ip(value)?),
            RTA_PRIORITY => self.metric = Some(parse_u32(value)?),
            RTA_PREFSRC => self.prefsrc = Some(parse_ip(value)?),
            _ => {}
        }
        Ok(())
    }

    /// A kernel without `CONFIG_IPV6_MULTIPLE_TABLES` keeps local addresses in the main table as well.
    fn leaves_the_host(&self) -> bool {
        use RouteType::{Anycast, Broadcast, Local, Multicast};
        !matches!(self.kind, Local | Broadcast | Anycast | Multicast)
    }
}

#[cfg(test)]
mod tests {
    use super::super::attribute::tests::nla;
    use super::*;

    /// `struct rtmsg`: family, prefix, source prefix, TOS, table, protocol, scope, type, flags.
    fn parse(header: [u8; 8], attributes: &[Vec<u8>]) -> Result<Option<Route>, DecodeError> {
        Route::parse(&[&header[..], &[0; 4], &attributes.concat()].concat())
    }

    #[test]
    fn reads_the_route_that_comes_with_an_address() {
        let attributes = [
            nla(RTA_PRIORITY, &600_u32.to_ne_bytes()),
            nla(RTA_DST, &[1, 2, 3, 0]),
            nla(RTA_PREFSRC, &[1, 2, 3, 4]),
            nla(RTA_OIF, &2_u32.to_ne_bytes()),
            nla(88, b"?"),
        ];
        let route = parse([2, 24, 0, 0, 254, 2, 253, 1], &attributes);
        let route = route.unwrap().unwrap();
        assert_eq!(route.destination, "1.2.3.0/24".parse().unwrap());
        assert_eq!(route.prefsrc, Some(IpAddr::from([1, 2, 3, 4])));
        assert_eq!((route.index, route.gateway), (Some(2), None));
        assert_eq!(route.metric, Some(600));
        assert_eq!(route.protocol, RouteProtocol::Kernel);
        assert_eq!(route.scope, RouteScope::Link);
        assert_eq!(route.kind, RouteType::Unicast);
    }

    #[test]
    fn a_default_route_has_no_destination() {
        let gateway = [nla(RTA_GATEWAY, &[1, 2, 3, 1])];
        let route = parse([2, 0, 0, 0, 254, 3, 0, 1], &gateway)
            .unwrap()
            .unwrap();
        assert!(route.destination.is_default());
        assert_eq!(route.gateway, Some(IpAddr::from([1, 2, 3, 1])));
        let six = parse([10, 0, 0, 0, 254, 3, 0, 1], &[]).unwrap().unwrap();
        assert_eq!(six.destination, IpNet::DEFAULT_V6);
    }

    #[test]
    fn only_the_main_table_and_only_routes_that_leave_the_host() {
        assert_eq!(parse([2, 0, 0, 0, 252, 3, 0, 1], &[]).unwrap(), None);
        assert_eq!(parse([2, 0, 0, 0, 255, 2, 254, 2], &[]).unwrap(), None);
        assert_eq!(parse([10, 0, 0, 0, 254, 2, 0, 2], &[]).unwrap(), None);
        assert_eq!(parse([28, 0, 0, 0, 254, 2, 0, 1], &[]).unwrap(), None);
    }

    #[test]
    fn malformed_routes_are_errors() {
        assert!(parse([2, 33, 0, 0, 254, 2, 0, 1], &[]).is_err());
        assert!(parse([2, 24, 0, 0, 254, 2, 0, 1], &[nla(RTA_DST, &[1])]).is_err());
        assert!(Route::parse(&[2; HEADER_SIZE - 1]).is_err());
    }
}
