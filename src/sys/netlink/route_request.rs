//! Adding, deleting and listing routes of the main table, as `ip-route(8)` does.

use std::net::IpAddr;

use libc::{RT_TABLE_MAIN, RTM_DELROUTE, RTM_GETROUTE, RTM_NEWROUTE};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::route::{
    RouteAttribute, RouteMessage, RouteProtocol, RouteScope, RouteType,
};

use super::address_request::family;
use super::channel::Call;
use super::error::NetError;
use super::{IpNet, Netlink, Route, decoded};

const GETROUTE: Call = Call {
    name: "RTM_GETROUTE",
    number: RTM_GETROUTE,
};
const NEWROUTE: Call = Call {
    name: "RTM_NEWROUTE",
    number: RTM_NEWROUTE,
};
const DELROUTE: Call = Call {
    name: "RTM_DELROUTE",
    number: RTM_DELROUTE,
};

/// Where a route leads its packets. Both empty is an error of the kernel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct NextHop<'a> {
    /// The gateway's address, `via`.
    pub via: Option<IpAddr>,
    /// The link's name, `dev`; the kernel finds it by the gateway when it is left out.
    pub dev: Option<&'a str>,
}

impl Netlink {
    /// The routes of the main table: IPv4 before IPv6, then by destination, prefix and metric.
    ///
    /// # Errors
    /// Those of netlink(7); `EBADMSG` for an answer that cannot be read.
    pub fn routes(&mut self) -> Result<Vec<Route>, NetError> {
        let payloads = self.requests.dump(GETROUTE, &RouteMessage::default())?;
        let mut routes = Vec::new();
        for payload in payloads {
            // The kernel could select the table, but answers ENOENT when a new namespace has no main table yet.
            routes.extend(decoded(GETROUTE, "", Route::parse(&payload))?);
        }
        routes.sort_by_key(|route: &Route| (route.destination, route.metric, route.index));
        Ok(routes)
    }

    /// Adds a unicast route of protocol boot, as `ip route add` does.
    ///
    /// # Errors
    /// `EEXIST` when there is one to the same destination; `ENETUNREACH` when the gateway is on no link; `ENETDOWN`
    /// when the link is down; `EINVAL` when the destination has host bits; `EPERM` without CAP_NET_ADMIN.
    pub fn add_route(&mut self, destination: IpNet, hop: NextHop<'_>) -> Result<(), NetError> {
        let mut message = self.route_message(destination, hop)?;
        message.header.protocol = RouteProtocol::Boot;
        message.header.kind = RouteType::Unicast;
        message.header.scope = match hop.via {
            Some(_) => RouteScope::Universe,
            None => RouteScope::Link,
        };
        let create = NLM_F_CREATE | NLM_F_EXCL;
        let object = destination.to_string();
        self.requests.request(NEWROUTE, create, &object, &message)?;
        Ok(())
    }

    /// Deletes the route to `destination` that goes over `hop`, or any when `hop` is empty.
    ///
    /// # Errors
    /// `ESRCH` when there is none.
    pub fn delete_route(&mut self, destination: IpNet, hop: NextHop<'_>) -> Result<(), NetError> {
        let mut message = self.route_message(destination, hop)?;
        // The wildcard: with any other scope only routes of that scope match.
        message.header.scope = RouteScope::NoWhere;
        let object = destination.to_string();
        self.requests.request(DELROUTE, 0, &object, &message)?;
        Ok(())
    }

    fn route_message(
        &mut self,
        destination: IpNet,
        hop: NextHop<'_>,
    ) -> Result<RouteMessage, NetError> {
        let index = hop
            .dev
            .map(|dev| self.link(dev))
            .transpose()?
            .map(|link| link.index);
        Ok(main_route(destination, hop.via, index))
    }
}

fn main_route(destination: IpNet, via: Option<IpAddr>, index: Option<u32>) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = family(destination.addr());
    message.header.table = RT_TABLE_MAIN;
    message.header.destination_prefix_length = destination.prefix_len();
    if destination.prefix_len() > 0 {
        let destination = destination.addr().into();
        message
            .attributes
            .push(RouteAttribute::Destination(destination));
    }
    let via = via.map(|via| RouteAttribute::Gateway(via.into()));
    message.attributes.extend(via);
    message.attributes.extend(index.map(RouteAttribute::Oif));
    message
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;

    use super::super::attribute::tests::nla;
    use super::*;

    #[test]
    fn builds_what_ip_route_add_sends() {
        let message = main_route(
            "10.0.0.0/8".parse().unwrap(),
            Some(IpAddr::from([1, 2, 3, 5])),
            Some(4),
        );
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        let attributes = [
            nla(1, &[10, 0, 0, 0]),
            nla(5, &[1, 2, 3, 5]),
            nla(4, &4_u32.to_ne_bytes()),
        ];
        assert_eq!(bytes[..8], [2, 8, 0, 0, 254, 0, 0, 0]);
        assert_eq!(bytes[12..], attributes.concat());
        assert!(
            main_route(IpNet::DEFAULT_V4, None, None)
                .attributes
                .is_empty()
        );
    }
}
