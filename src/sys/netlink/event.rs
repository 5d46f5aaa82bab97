//! Waiting for the network: by asking the kernel, then for its events, never by sleeping.

use std::net::IpAddr;
use std::time::Instant;

use libc::{RTM_NEWADDR, RTNLGRP_IPV6_IFADDR, RTNLGRP_LINK};
use nix::errno::Errno;

use super::address_request::GETADDR;
use super::link_request::GETLINK;
use super::{Address, Link, NetError, Netlink};

impl Netlink {
    /// From now on keeps events about links. Call it before a deletion that [`Netlink::wait_deleted`] is to
    /// see: what happened earlier is not told.
    ///
    /// # Errors
    /// Those of `NETLINK_ADD_MEMBERSHIP`, netlink(7).
    pub fn subscribe_links(&mut self) -> Result<(), NetError> {
        self.events.subscribe(RTNLGRP_LINK)
    }

    /// All links of the namespace, by index, as soon as none of them is `unsettled`.
    ///
    /// A link that was set up, and has a carrier, still drops packets until the kernel has worked off the
    /// change: the first ARP request is then lost and repeated a second later. Asking for the link makes
    /// the kernel do that at once (Linux 6.8 or newer), in 0.1 ms; else its event tells. To work off a port's
    /// change may change its bridge, which was asked for before.
    ///
    /// # Errors
    /// `ETIMEDOUT` names the first link that is unsettled at `deadline`, and its state.
    pub fn wait_links(
        &mut self,
        unsettled: fn(&[Link]) -> Option<&Link>,
        deadline: Instant,
    ) -> Result<Vec<Link>, NetError> {
        let links = self.links()?;
        if unsettled(&links).is_none() {
            return Ok(links);
        }
        self.subscribe_links()?;
        loop {
            self.discard_events("")?;
            let links = self.links()?;
            let Some(link) = unsettled(&links) else {
                return Ok(links);
            };
            if !self.wait(&link.name, deadline)? {
                let error = NetError::new(GETLINK.name, &link.name, Errno::ETIMEDOUT);
                return Err(error.because(format!("its state is {}", link.state)));
            }
        }
    }

    /// Waits until the link of that index is gone: deleted, or moved to another network namespace.
    ///
    /// The kernel deletes the links of a network namespace some 16 ms after the namespace has ended, and
    /// with them the veth peers in others.
    ///
    /// # Errors
    /// `ETIMEDOUT` when it is still there at `deadline`.
    pub fn wait_deleted(&mut self, index: u32, deadline: Instant) -> Result<(), NetError> {
        self.subscribe_links()?;
        let object = format!("if{index}");
        loop {
            if self.is_deleted(index)? {
                return Ok(());
            }
            if !self.wait(&object, deadline)? {
                let error = NetError::new("RTM_DELLINK", object, Errno::ETIMEDOUT);
                return Err(error.because("it is still there"));
            }
        }
    }

    /// Whether there is no such link. An event only is the occasion to ask: the link may have gone before the
    /// subscription, and the kernel may have had to drop events.
    fn is_deleted(&mut self, index: u32) -> Result<bool, NetError> {
        self.discard_events(&format!("if{index}"))?;
        Ok(self.find_link(index)?.is_none())
    }

    /// Waits until the link has an IPv6 link-local address, which the kernel makes when the link becomes
    /// operational. It is tentative then.
    ///
    /// # Errors
    /// `ETIMEDOUT` when there is none at `deadline`, as on a host without IPv6.
    pub fn wait_link_local(&mut self, name: &str, deadline: Instant) -> Result<Address, NetError> {
        // The kernel tells of an address only when duplicate address detection is over, more than a second
        // after it appeared; but it makes it just before it tells that the link changed.
        self.subscribe_links()?;
        self.subscribe_addresses()?;
        loop {
            self.discard_events(name)?;
            // Asking for the link lets the kernel work off its changes, and thereby make the address.
            self.link(name)?;
            let addresses = self.addresses(Some(name))?;
            if let Some(address) = addresses.into_iter().find(Address::is_link_local) {
                return Ok(address);
            }
            if !self.wait(name, deadline)? {
                let error = NetError::new(GETADDR.name, name, Errno::ETIMEDOUT);
                return Err(error.because("it has no link-local address"));
            }
        }
    }

    /// From now on keeps events about IPv6 addresses.
    pub(super) fn subscribe_addresses(&mut self) -> Result<(), NetError> {
        self.events.subscribe(RTNLGRP_IPV6_IFADDR)
    }

    /// Waits until an IPv6 address without duplicate address detection can be reached. The kernel joins the
    /// address's multicast group and makes its local route in the background; until then neighbours ask for
    /// it in vain, and ask again after a second. Needs [`Netlink::subscribe_addresses`] before the addition.
    pub(super) fn wait_address_added(
        &mut self,
        index: u32,
        addr: IpAddr,
        deadline: Instant,
    ) -> Result<(), NetError> {
        let object = addr.to_string();
        let mut added = false;
        while !added {
            if !self.wait(&object, deadline)? {
                return Err(NetError::new("RTM_NEWADDR", object, Errno::ETIMEDOUT));
            }
            let drained = self.events.drain(|event| {
                let address = Address::parse(event.payload).ok().flatten();
                let is_it = |a: Address| a.index == index && a.net.addr() == addr;
                added |= event.message_type == RTM_NEWADDR && address.is_some_and(is_it);
            });
            match drained {
                Ok(true) => {}
                // Which events were dropped cannot be known.
                Ok(false) => return Err(NetError::new("recv", object, Errno::ENOBUFS)),
                Err(errno) => return Err(NetError::new("recv", object, errno)),
            }
        }
        // The route is made after the event, under a lock that this question has to wait for.
        self.link_by_index(index).map(|_| ())
    }

    /// Empties the queue of events, so that only what comes after the next look ends the next wait.
    pub(super) fn discard_events(&mut self, object: &str) -> Result<(), NetError> {
        let drained = self.events.drain(|_| {});
        drained.map_err(|errno| NetError::new("recv", object, errno))?;
        Ok(())
    }

    fn wait(&self, object: &str, deadline: Instant) -> Result<bool, NetError> {
        let waited = self.events.wait(deadline);
        waited.map_err(|errno| NetError::new("ppoll", object, errno))
    }
}
