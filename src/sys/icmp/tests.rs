//! Ping on the real kernel, in network namespaces of its own.

use std::os::fd::AsFd;
use std::path::Path;

use super::*;
use crate::sys::netlink::nftables::{BaseChain, Change, Family, Hook, Nftables, Policy, Table};
use crate::sys::netlink::{Dad, IpNet, Link, Netlink};
use crate::sys::netns;
use crate::sys::test_namespaces::{drop_capability, in_own_namespaces};

const CAP_NET_RAW: u32 = 13;

const RUN: &str = "/run";

fn options(count: u16) -> Options {
    Options {
        count,
        timeout: Duration::from_secs(1),
        scope_id: 0,
        ping_group_range: PingGroupRange::Widen,
    }
}

fn net(text: &str) -> IpNet {
    text.parse().unwrap()
}

/// `host` 1.2.3.4 and fd00::4 here, `guest` 1.2.3.5 and fd00::5 in `guestnet`, ready.
fn connected() {
    let deadline = Instant::now() + Duration::from_secs(3);
    netns::add(Path::new(RUN), "guestnet").unwrap();
    let guestnet = netns::open(Path::new(RUN), "guestnet").unwrap();
    let mut here = Netlink::open().unwrap();
    here.add_veth("host", "guest", Some(guestnet.as_fd()))
        .unwrap();
    let home = netns::current().unwrap();
    netns::enter(&guestnet).unwrap();
    let mut there = Netlink::open().unwrap();
    netns::enter(&home).unwrap();
    for (end, name, v4, v6) in [
        (&mut here, "host", "1.2.3.4/24", "fd00::4/64"),
        (&mut there, "guest", "1.2.3.5/24", "fd00::5/64"),
    ] {
        end.set_up(name).unwrap();
        end.add_address(name, net(v4), Dad::Skip).unwrap();
        end.add_address(name, net(v6), Dad::Skip).unwrap();
    }
    here.wait_links(not_ready, deadline).unwrap();
    there.wait_links(not_ready, deadline).unwrap();
}

fn not_ready(links: &[Link]) -> Option<&Link> {
    let mut up = links.iter().filter(|link| link.is_up());
    up.find(|link| !link.is_operational())
}

#[test]
fn the_first_packet_over_a_new_link_is_answered() {
    in_own_namespaces(|| {
        connected();
        let started = Instant::now();
        for target in ["1.2.3.5", "fd00::5"] {
            let ping = ping(target.parse().unwrap(), &options(3)).unwrap();
            assert_eq!((ping.transmitted, ping.received), (3, 3), "{target}");
            assert_eq!(ping.rtts.len(), 3);
        }
        assert!(started.elapsed() < Duration::from_millis(900));
    });
}

#[test]
fn a_packet_filter_of_this_namespace_is_eperm_at_once() {
    in_own_namespaces(|| {
        connected();
        let mut nftables = Nftables::open().unwrap();
        let table = Table {
            family: Family::Inet,
            name: "filter".into(),
        };
        let chain = BaseChain {
            table: table.clone(),
            name: "output".into(),
            hook: Hook::Output,
            priority: 0,
            policy: Policy::Drop,
        };
        let guestnet = netns::open(Path::new(RUN), "guestnet").unwrap();
        let home = netns::current().unwrap();
        netns::enter(&guestnet).unwrap();
        if let Err(error) = nftables.commit(&[Change::AddTable(table), Change::AddChain(chain)]) {
            println!("skipped: {error}");
            return;
        }
        // The socket was opened at home, so the filter is there and not here.
        let short = Options {
            timeout: Duration::from_millis(20),
            ..options(1)
        };
        let from_guest = ping("1.2.3.4".parse().unwrap(), &short).unwrap();
        assert_eq!(from_guest.received, 0, "home cannot answer");
        netns::enter(&home).unwrap();
        for target in ["1.2.3.5", "fd00::5"] {
            let error = ping(target.parse().unwrap(), &options(1)).unwrap_err();
            assert_eq!((error.call, error.errno), ("sendto", Errno::EPERM));
            assert_eq!(error.object, target);
        }
    });
}

#[test]
fn silence_lasts_the_timeout_and_no_route_no_time() {
    in_own_namespaces(|| {
        let error = ping("1.2.3.5".parse().unwrap(), &options(1)).unwrap_err();
        assert_eq!((error.call, error.errno), ("sendto", Errno::ENETUNREACH));
        connected();
        let short = Options {
            timeout: Duration::from_millis(20),
            ..options(2)
        };
        let started = Instant::now();
        let silent = ping("1.2.3.99".parse().unwrap(), &short).unwrap();
        assert_eq!((silent.transmitted, silent.received), (2, 0));
        let elapsed = started.elapsed();
        assert!(elapsed >= Duration::from_millis(40) && elapsed < Duration::from_millis(900));
    });
}

#[test]
fn the_own_request_on_lo_is_no_reply() {
    in_own_namespaces(|| {
        let mut netlink = Netlink::open().unwrap();
        netlink.set_up("lo").unwrap();
        for target in ["127.0.0.1", "::1"] {
            let ping = ping(target.parse().unwrap(), &options(2)).unwrap();
            assert_eq!(ping.received, 2, "{target}");
        }
        // With replies forbidden only the request comes by.
        fs::write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1").unwrap();
        let short = Options {
            timeout: Duration::from_millis(20),
            ..options(1)
        };
        let unanswered = ping("127.0.0.1".parse().unwrap(), &short).unwrap();
        assert_eq!(unanswered.received, 0);
    });
}

#[test]
fn a_datagram_socket_does_where_a_raw_one_is_forbidden() {
    in_own_namespaces(|| {
        connected();
        drop_capability(CAP_NET_RAW);
        let target = "1.2.3.5".parse().unwrap();
        let keep = Options {
            ping_group_range: PingGroupRange::Keep,
            ..options(1)
        };
        let error = ping(target, &keep).unwrap_err();
        assert_eq!(
            (error.object.as_str(), error.errno),
            ("SOCK_RAW", Errno::EPERM)
        );
        assert!(error.message.unwrap().contains("SOCK_DGRAM EACCES"));
        for target in ["1.2.3.5", "fd00::5"] {
            let ping = ping(target.parse().unwrap(), &options(3)).unwrap();
            assert_eq!(ping.received, 3, "{target}");
        }
    });
}

#[test]
fn only_the_reply_to_this_request_counts() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut pinger = Pinger {
        socket: reader.into(),
        kind: SockType::Raw,
        version: Version::V4,
        target: SocketAddr::from(([1, 2, 3, 5], 0)),
        identifier: 7,
        cookie: *b"76543210",
    };
    let echo = Echo {
        identifier: 7,
        sequence: 2,
        cookie: *b"76543210",
    };
    let packet = |echo: Echo| {
        let mut message = echo.request(Version::V4);
        message[0] = 0;
        [vec![0x45; 20], message].concat()
    };
    assert!(pinger.is_reply(&packet(echo), 2));
    assert!(!pinger.is_reply(&packet(echo), 3), "a late one");
    let cookie = *b"76543211";
    assert!(!pinger.is_reply(&packet(Echo { cookie, ..echo }), 2));
    let identifier = 8;
    let other = packet(Echo { identifier, ..echo });
    assert!(!pinger.is_reply(&other, 2));
    // A datagram socket gets no IPv4 header, and an identifier from the kernel.
    pinger.kind = SockType::Datagram;
    assert!(pinger.is_reply(&other[20..], 2));
    assert!(!pinger.is_reply(&other, 2));
}
