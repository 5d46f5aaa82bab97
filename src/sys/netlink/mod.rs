//! Links, addresses, routes and packet filters of one network namespace, by netlink(7).
//!
//! Packets are built by the rust-netlink crates. Answers are read attribute by attribute, so that only what
//! is asked for must be understood. Everything is synchronous: the kernel works inside the call.

mod address;
mod address_request;
mod attribute;
mod channel;
mod error;
mod event;
mod ip_net;
mod link;
mod link_message;
mod link_request;
mod message;
mod netns_id;
pub mod nftables;
mod route;
mod route_request;

use netlink_packet_core::DecodeError;
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;

pub use address::Address;
pub use address_request::Dad;
use channel::{Call, Channel};
pub use error::NetError;
pub use ip_net::{IpNet, ParseIpNetError};
pub use link::Link;
pub use netlink_packet_route::address::{AddressFlags, AddressScope};
pub use netlink_packet_route::link::{LinkFlags, State as OperState};
pub use netlink_packet_route::route::{RouteProtocol, RouteScope, RouteType};
pub use route::Route;
pub use route_request::NextHop;

/// A view of one network namespace: the calling thread's when it was opened, also after `setns(2)`.
#[derive(Debug)]
pub struct Netlink {
    requests: Channel,
    /// A socket of its own, so that events never stand between a request and its answer.
    events: Channel,
}

impl Netlink {
    /// Opens rtnetlink(7) sockets, close-on-exec, in the calling thread's network namespace.
    ///
    /// # Errors
    /// Those of socket(2): `EMFILE`, `EPERM` from a seccomp filter.
    pub fn open() -> Result<Self, NetError> {
        Ok(Self {
            requests: Channel::open(NETLINK_ROUTE)?,
            events: Channel::open(NETLINK_ROUTE)?,
        })
    }
}

/// What was read of an answer; a malformed one is `EBADMSG`.
fn decoded<T>(call: Call, object: &str, read: Result<T, DecodeError>) -> Result<T, NetError> {
    read.map_err(|error| {
        NetError::new(call.name, object, Errno::EBADMSG).because(error.to_string())
    })
}

#[cfg(test)]
mod tests;
