//! Waiting by the kernel's word.

use super::*;
use crate::sys::test_namespaces::in_own_namespaces;

#[test]
fn both_ends_are_ready_without_waiting_for_a_second() {
    in_own_namespaces(|| {
        let (mut here, mut there) = pair();
        // Born with the same index on both sides: the case in which the kernel is in no hurry.
        let (host, guest) = (here.link("host").unwrap(), there.link("guest").unwrap());
        assert_eq!(host.index, guest.index);
        here.set_up("host").unwrap();
        let early = here.wait_links(not_ready, Instant::now());
        let early = early.unwrap_err();
        assert_eq!(
            (early.errno, early.object.as_str()),
            (Errno::ETIMEDOUT, "host")
        );
        assert_eq!(early.message.as_deref(), Some("its state is DOWN"));
        there.set_up("guest").unwrap();
        let started = Instant::now();
        there.wait_links(not_ready, soon()).unwrap();
        let links = here.wait_links(not_ready, soon()).unwrap();
        let ready = started.elapsed();
        assert!(ready < Duration::from_millis(500), "{ready:?}");
        let host = links.iter().find(|link| link.name == "host").unwrap();
        assert_eq!(host.state, OperState::Up);
    });
}

fn bridge_is_not_up(links: &[Link]) -> Option<&Link> {
    let mut links = links.iter();
    links.find(|link| link.name == "br0" && link.state != OperState::Up)
}

fn bridge_is_up(links: &[Link]) -> Option<&Link> {
    let mut links = links.iter();
    links.find(|link| link.name == "br0" && link.state == OperState::Up)
}

#[test]
fn a_bridge_follows_its_port() {
    in_own_namespaces(|| {
        let (mut here, mut there) = pair();
        here.add_bridge("br0").unwrap();
        here.set_master("host", Some("br0")).unwrap();
        here.set_up("br0").unwrap();
        here.set_up("host").unwrap();
        let early = here.wait_links(bridge_is_not_up, Instant::now());
        let early = early.unwrap_err();
        assert_eq!((early.errno, &*early.object), (Errno::ETIMEDOUT, "br0"));
        there.set_up("guest").unwrap();
        here.wait_links(bridge_is_not_up, soon()).unwrap();
        there.set_down("guest").unwrap();
        here.wait_links(bridge_is_up, soon()).unwrap();
    });
}

#[test]
fn a_link_local_address_is_seen_while_it_is_still_tentative() {
    in_own_namespaces(|| {
        let (mut here, mut there) = pair();
        there.set_up("guest").unwrap();
        // Of the first one nothing is told meanwhile.
        for link in ["lo", "guest"] {
            let none = there.wait_link_local(link, Instant::now());
            assert_eq!(none.unwrap_err().errno, Errno::ETIMEDOUT);
        }
        here.set_up("host").unwrap();
        let guest = there.wait_link_local("guest", soon()).unwrap();
        assert!(guest.is_link_local() && guest.is_tentative());
        assert_eq!(
            (guest.scope, guest.net.prefix_len()),
            (AddressScope::Link, 64)
        );
    });
}

#[test]
fn an_address_is_added_when_an_event_tells_of_that_one() {
    in_own_namespaces(|| {
        let (mut here, mut there) = pair();
        here.set_up("lo").unwrap();
        here.set_up("host").unwrap();
        there.set_up("guest").unwrap();
        here.wait_links(not_ready, soon()).unwrap();
        let lo = here.link("lo").unwrap().index;
        here.subscribe_addresses().unwrap();
        let mut other = Netlink::open().unwrap();
        let awaited = ip("fd00::2/128");
        for (dev, net, told) in [
            ("lo", awaited, true),
            ("lo", ip("fd00::3/128"), false),
            ("host", awaited, false),
        ] {
            other.add_address(dev, net, Dad::Skip).unwrap();
            let waited = here.wait_address_added(lo, awaited.addr(), Instant::now());
            assert_eq!(waited.is_ok(), told, "{net} dev {dev}");
        }
    });
}

#[test]
fn an_address_without_detection_is_added_when_the_call_returns() {
    in_own_namespaces(|| {
        let mut netlink = Netlink::open().unwrap();
        netlink.set_up("lo").unwrap();
        let lo = netlink.link("lo").unwrap().index;
        netlink.subscribe_addresses().unwrap();
        let address = ip("fd00::2/128");
        netlink.add_address("lo", address, Dad::Skip).unwrap();
        let told = Instant::now() + Duration::from_millis(100);
        let again = netlink.wait_address_added(lo, address.addr(), told);
        assert_eq!(again.unwrap_err().errno, Errno::ETIMEDOUT, "it was told");
    });
}

#[test]
fn the_peer_is_gone_after_its_namespace() {
    in_own_namespaces(|| {
        let (mut here, there) = pair();
        let index = here.link("host").unwrap().index;
        here.subscribe_links().unwrap();
        let error = here.wait_deleted(index, Instant::now()).unwrap_err();
        assert_eq!(error.errno, Errno::ETIMEDOUT);
        drop(there);
        netns::delete(Path::new(RUN), "guestnet").unwrap();
        here.wait_deleted(index, soon()).unwrap();
        assert_eq!(here.link("host").unwrap_err().errno, Errno::ENODEV);
        // Late, without an event: by asking.
        here.wait_deleted(index, Instant::now()).unwrap();
        // No link has this index, and the kernel does not say ENODEV.
        let error = here.wait_deleted(0, Instant::now()).unwrap_err();
        assert_eq!(error.errno, Errno::EINVAL);
    });
}

#[test]
fn the_number_of_a_namespace_is_that_of_the_links_into_it() {
    in_own_namespaces(|| {
        let (mut here, _there) = pair();
        netns::add(Path::new(RUN), "unknown").unwrap();
        let id = |here: &mut Netlink, name| {
            let netns = netns::open(Path::new(RUN), name).unwrap();
            here.netns_id(std::os::fd::AsFd::as_fd(&netns)).unwrap()
        };
        assert_eq!(id(&mut here, "unknown"), None);
        let host = here.link("host").unwrap();
        assert!(host.link_netnsid.is_some());
        assert_eq!(id(&mut here, "guestnet"), host.link_netnsid);
        let no_netns = std::fs::File::open("/").unwrap();
        let error = here.netns_id(std::os::fd::AsFd::as_fd(&no_netns));
        assert_eq!(error.unwrap_err().errno, Errno::EINVAL);
    });
}
