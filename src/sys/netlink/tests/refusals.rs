//! What the kernel refuses, and with which errno.

use std::fs::{self, File};
use std::net::IpAddr;

use super::*;
use crate::sys::test_namespaces::{drop_capability, in_own_namespaces};

const CAP_NET_ADMIN: u32 = 12;

#[test]
fn refusals_carry_the_kernels_own_words() {
    in_own_namespaces(|| {
        let mut netlink = Netlink::open().unwrap();
        netlink.add_veth("host", "guest", None).unwrap();
        let error = netlink.add_veth("host", "guest2", None).unwrap_err();
        assert_eq!(error.to_string(), "RTM_NEWLINK host: EEXIST: File exists");
        let nowhere = NextHop {
            via: Some(IpAddr::from([9, 9, 9, 9])),
            dev: None,
        };
        let error = netlink.add_route(IpNet::DEFAULT_V4, nowhere).unwrap_err();
        assert_eq!(error.errno, Errno::ENETUNREACH);
        assert_eq!(
            error.message.as_deref(),
            Some("Nexthop has invalid gateway")
        );
        assert_eq!(netlink.set_up("none").unwrap_err().errno, Errno::ENODEV);
        assert_eq!(netlink.delete("none").unwrap_err().errno, Errno::ENODEV);
        let no_netns = File::open("/proc/self/exe").unwrap();
        let moved = netlink.set_netns("guest", no_netns.as_fd());
        assert_eq!(moved.unwrap_err().errno, Errno::EINVAL);
        // An error leaves nothing behind that the next answer could be taken for.
        assert_eq!(netlink.link("guest").unwrap().name, "guest");
    });
}

#[test]
fn every_refusal_has_the_errno_that_is_documented() {
    in_own_namespaces(|| {
        let mut netlink = Netlink::open().unwrap();
        netlink.add_veth("host", "guest", None).unwrap();
        netns::add(Path::new(RUN), "guestnet").unwrap();
        let guestnet = netns::open(Path::new(RUN), "guestnet").unwrap();
        fs::write("/proc/sys/net/ipv6/conf/guest/disable_ipv6", "1").unwrap();
        let over = |dev| NextHop { via: None, dev };
        let host = over(Some("host"));
        let refusals = [
            (netlink.set_netns("lo", guestnet.as_fd()), Errno::EINVAL),
            (netlink.delete("lo"), Errno::EOPNOTSUPP),
            (netlink.set_master("host", Some("guest")), Errno::EOPNOTSUPP),
            (netlink.set_master("host", Some("none")), Errno::ENODEV),
            (netlink.add_bridge("host"), Errno::EEXIST),
            (
                netlink.add_address("guest", ip("fd00::1/64"), Dad::Skip),
                Errno::EACCES,
            ),
            (
                netlink.add_address("none", ip("1.2.3.4/24"), Dad::Skip),
                Errno::ENODEV,
            ),
            (netlink.add_route(ip("10.0.0.0/8"), host), Errno::ENETDOWN),
            (netlink.add_route(ip("10.0.0.1/8"), host), Errno::EINVAL),
            (
                netlink.add_route(ip("10.0.0.0/8"), over(None)),
                Errno::ENODEV,
            ),
        ];
        for (refusal, errno) in refusals {
            let error = refusal.unwrap_err();
            assert_eq!(error.errno, errno, "{error}");
        }
    });
}

#[test]
fn without_cap_net_admin_changes_are_eperm_and_questions_are_answered() {
    in_own_namespaces(|| {
        drop_capability(CAP_NET_ADMIN);
        let mut netlink = Netlink::open().unwrap();
        assert!(netlink.link("lo").is_ok());
        let error = netlink.set_up("lo").unwrap_err();
        assert_eq!((error.call, error.errno), ("RTM_SETLINK", Errno::EPERM));
    });
}
