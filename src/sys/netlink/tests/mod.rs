//! The network layer on the real kernel, in network namespaces of its own.

mod addresses_and_routes;
mod links;
mod packet_filters;
mod refusals;
mod waits;

use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use super::*;
use crate::sys::netns;

const RUN: &str = "/run";

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(3)
}

/// `host` here and `guest` in the named namespace `guestnet`, as two views of them.
fn pair() -> (Netlink, Netlink) {
    netns::add(Path::new(RUN), "guestnet").unwrap();
    let mut here = Netlink::open().unwrap();
    let netns = netns::open(Path::new(RUN), "guestnet").unwrap();
    here.add_veth("host", "guest", Some(netns.as_fd())).unwrap();
    let home = netns::current().unwrap();
    netns::enter(&netns).unwrap();
    let there = Netlink::open().unwrap();
    netns::enter(&home).unwrap();
    (here, there)
}

/// The first veth that no packets pass.
fn not_ready(links: &[Link]) -> Option<&Link> {
    let mut links = links.iter();
    links.find(|link| link.kind.as_deref() == Some("veth") && !link.is_operational())
}

fn ip(text: &str) -> IpNet {
    text.parse().unwrap()
}
