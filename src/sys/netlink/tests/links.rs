//! Making, moving, changing and deleting links.

use super::*;
use crate::sys::test_namespaces::in_own_namespaces;

#[test]
fn a_new_namespace_has_only_lo_and_it_is_down() {
    in_own_namespaces(|| {
        let mut netlink = Netlink::open().unwrap();
        let mut links = netlink.links().unwrap();
        links.retain(|link| !link.is_fallback_tunnel());
        assert_eq!(links.len(), 1, "{links:?}");
        let lo = &links[0];
        assert_eq!((lo.index, lo.name.as_str()), (1, "lo"));
        assert_eq!(lo.flags, LinkFlags::Loopback);
        assert_eq!((lo.state, lo.kind.as_deref()), (OperState::Down, None));

        netlink.set_up("lo").unwrap();
        let lo = netlink.link("lo").unwrap();
        let up = LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Running | LinkFlags::Loopback;
        assert_eq!((lo.flags, lo.state), (up, OperState::Unknown));
        netlink.set_down("lo").unwrap();
        assert!(!netlink.link("lo").unwrap().is_up());
    });
}

#[test]
fn a_veth_pair_points_at_each_other_and_moves_apart() {
    in_own_namespaces(|| {
        netns::add(Path::new(RUN), "guestnet").unwrap();
        let guestnet = netns::open(Path::new(RUN), "guestnet").unwrap();
        let mut here = Netlink::open().unwrap();
        here.add_veth("host", "guest", None).unwrap();
        let (host, guest) = (here.link("host").unwrap(), here.link("guest").unwrap());
        assert_eq!(host.peer_index, Some(guest.index));
        assert_eq!(guest.peer_index, Some(host.index));
        assert_eq!(
            (host.kind.as_deref(), host.link_netnsid),
            (Some("veth"), None)
        );
        assert!(
            host.flags
                .contains(LinkFlags::Broadcast | LinkFlags::Multicast)
        );
        assert_eq!(host.state, OperState::Down);

        here.set_netns("guest", guestnet.as_fd()).unwrap();
        assert_eq!(here.link("guest").unwrap_err().errno, Errno::ENODEV);
        assert_eq!(here.link("host").unwrap().link_netnsid, Some(0));
        let home = netns::current().unwrap();
        netns::enter(&guestnet).unwrap();
        let names: Vec<_> = Netlink::open().unwrap().links().unwrap();
        let there = names.iter().find(|link| link.name == "guest").unwrap();
        assert_eq!(there.peer_index, Some(host.index));
        netns::enter(&home).unwrap();
        // A view stays in its namespace, wherever the thread goes.
        assert!(here.link("host").is_ok());
        here.delete("host").unwrap();
        assert_eq!(here.link("host").unwrap_err().errno, Errno::ENODEV);
    });
}

#[test]
fn leaving_a_bridge_is_no_deletion() {
    in_own_namespaces(|| {
        let mut netlink = Netlink::open().unwrap();
        netlink.add_bridge("br0").unwrap();
        netlink.add_veth("host", "guest", None).unwrap();
        let bridge = netlink.link("br0").unwrap();
        assert_eq!(bridge.kind.as_deref(), Some("bridge"));
        netlink.set_master("host", Some("br0")).unwrap();
        let host = netlink.link("host").unwrap();
        assert_eq!(host.master, Some(bridge.index));
        netlink.subscribe_links().unwrap();
        netlink.set_master("host", None).unwrap();
        assert_eq!(netlink.link("host").unwrap().master, None);
        let waited = netlink.wait_deleted(host.index, Instant::now());
        assert_eq!(waited.unwrap_err().errno, Errno::ETIMEDOUT);
    });
}
