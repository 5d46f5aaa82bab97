//! Addresses, and the routes that come with them or without.

use std::net::IpAddr;

use super::*;
use crate::sys::test_namespaces::in_own_namespaces;

#[test]
fn addresses_are_as_ip_address_add_makes_them() {
    in_own_namespaces(|| {
        let mut netlink = Netlink::open().unwrap();
        netlink.set_up("lo").unwrap();
        netlink.add_veth("host", "guest", None).unwrap();
        netlink.set_up("guest").unwrap();
        netlink.set_up("host").unwrap();
        netlink
            .add_address("host", ip("fd00::4/64"), Dad::Skip)
            .unwrap();
        netlink
            .add_address("host", ip("1.2.3.4/24"), Dad::Skip)
            .unwrap();
        let addresses = netlink.addresses(Some("host")).unwrap();
        let v4 = &addresses[0];
        assert_eq!(
            (v4.net, v4.broadcast, v4.peer),
            (ip("1.2.3.4/24"), None, None)
        );
        assert_eq!(v4.label.as_deref(), Some("host"));
        assert_eq!(
            (v4.scope, v4.flags),
            (AddressScope::Universe, AddressFlags::Permanent)
        );
        let v6 = addresses
            .iter()
            .find(|a| a.net == ip("fd00::4/64"))
            .unwrap();
        assert!(!v6.is_tentative() && v6.flags.contains(AddressFlags::Nodad));
        let all = netlink.addresses(None).unwrap();
        assert!(
            all.iter()
                .any(|a| a.net == ip("127.0.0.1/8") && a.scope == AddressScope::Host)
        );
        // Also where nothing can be sent yet.
        netlink.set_down("guest").unwrap();
        netlink
            .add_address("guest", ip("fd00::6/64"), Dad::Skip)
            .unwrap();
        netlink
            .add_address("lo", ip("fd00::7/128"), Dad::Skip)
            .unwrap();
        netlink.set_up("guest").unwrap();
        netlink
            .add_address("guest", ip("fd00::5/64"), Dad::Detect)
            .unwrap();
        let guest = netlink.addresses(Some("guest")).unwrap();
        assert!(
            guest
                .iter()
                .find(|a| a.net == ip("fd00::5/64"))
                .unwrap()
                .is_tentative()
        );
        let again = netlink.add_address("host", ip("1.2.3.4/24"), Dad::Skip);
        let again = again.unwrap_err();
        assert_eq!((again.call, again.errno), ("RTM_NEWADDR", Errno::EEXIST));
        assert_eq!(again.object, "1.2.3.4/24 dev host");
    });
}

#[test]
fn routes_tell_who_made_them() {
    in_own_namespaces(|| {
        let mut netlink = Netlink::open().unwrap();
        assert_eq!(netlink.routes().unwrap(), []);
        netlink.add_veth("host", "guest", None).unwrap();
        netlink.set_up("guest").unwrap();
        netlink.set_up("host").unwrap();
        netlink
            .add_address("host", ip("1.2.3.4/24"), Dad::Skip)
            .unwrap();
        let gateway = NextHop {
            via: Some(IpAddr::from([1, 2, 3, 5])),
            dev: None,
        };
        netlink.add_route(IpNet::DEFAULT_V4, gateway).unwrap();
        let link = NextHop {
            via: None,
            dev: Some("host"),
        };
        netlink.add_route(ip("10.0.0.0/8"), link).unwrap();
        netlink.add_route(ip("fd01::/64"), link).unwrap();
        let mut routes = netlink.routes().unwrap();
        routes.retain(|route| route.destination != ip("fe80::/64"));
        let index = Some(netlink.link("host").unwrap().index);
        let seen: Vec<_> = routes
            .iter()
            .map(|r| (r.destination, r.gateway, r.index, r.protocol, r.scope))
            .collect();
        let (boot, kernel) = (RouteProtocol::Boot, RouteProtocol::Kernel);
        let (link_scope, universe) = (RouteScope::Link, RouteScope::Universe);
        assert_eq!(
            seen,
            [
                (IpNet::DEFAULT_V4, gateway.via, index, boot, universe),
                (ip("1.2.3.0/24"), None, index, kernel, link_scope),
                (ip("10.0.0.0/8"), None, index, boot, link_scope),
                (ip("fd01::/64"), None, index, boot, universe),
            ]
        );
        assert_eq!(routes[1].prefsrc, Some(IpAddr::from([1, 2, 3, 4])));
        netlink
            .delete_route(ip("10.0.0.0/8"), NextHop::default())
            .unwrap();
        netlink.delete_route(IpNet::DEFAULT_V4, gateway).unwrap();
        let gone = netlink
            .delete_route(IpNet::DEFAULT_V4, gateway)
            .unwrap_err();
        assert_eq!((gone.call, gone.errno), ("RTM_DELROUTE", Errno::ESRCH));
    });
}

#[test]
fn a_table_larger_than_one_datagram_is_read_whole() {
    in_own_namespaces(|| {
        let mut netlink = Netlink::open().unwrap();
        netlink.set_up("lo").unwrap();
        for number in 0..600_u32 {
            let addr = IpAddr::from((0x0a00_0000 + number).to_be_bytes());
            netlink.add_address("lo", addr.into(), Dad::Skip).unwrap();
        }
        // 127.0.0.1, ::1 where there is IPv6, and those.
        let addresses = netlink.addresses(Some("lo")).unwrap();
        assert_eq!(
            addresses.iter().filter(|a| a.net.addr().is_ipv4()).count(),
            601
        );
    });
}
