//! Making, changing, listing and deleting links, as `ip-link(8)` does.

use std::os::fd::{AsRawFd, BorrowedFd};

use libc::{RTM_DELLINK, RTM_GETLINK, RTM_NEWLINK, RTM_SETLINK};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkMessage};
use nix::errno::Errno;

use super::channel::Call;
use super::error::NetError;
use super::link::Link;
use super::link_message::{check_name, if_name, veth, with_attributes, with_flags, without_stats};
use super::{Netlink, decoded};

pub(super) const GETLINK: Call = Call {
    name: "RTM_GETLINK",
    number: RTM_GETLINK,
};
const NEWLINK: Call = Call {
    name: "RTM_NEWLINK",
    number: RTM_NEWLINK,
};
const SETLINK: Call = Call {
    name: "RTM_SETLINK",
    number: RTM_SETLINK,
};
const DELLINK: Call = Call {
    name: "RTM_DELLINK",
    number: RTM_DELLINK,
};

impl Netlink {
    /// All links of the namespace, by index, with their states as fresh as from [`Netlink::link`].
    ///
    /// # Errors
    /// Those of netlink(7); `EBADMSG` for an answer that cannot be read.
    pub fn links(&mut self) -> Result<Vec<Link>, NetError> {
        let payloads = self.requests.dump(GETLINK, &without_stats(Vec::new()))?;
        let mut links = Vec::new();
        for payload in payloads {
            if let Some(link) = decoded(GETLINK, "", Link::parse(&payload))? {
                // A dump shows the state before the changes that the kernel has yet to work off.
                links.extend(self.find_link(link.index)?);
            }
        }
        links.sort_by_key(|link| link.index);
        Ok(links)
    }

    /// The link of that index, if there is one.
    pub(super) fn find_link(&mut self, index: u32) -> Result<Option<Link>, NetError> {
        match self.link_by_index(index) {
            Ok(link) => Ok(Some(link)),
            Err(error) if error.errno == Errno::ENODEV => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The link of that name. From Linux 6.8 on the kernel first works off what is pending for its state.
    ///
    /// # Errors
    /// `ENODEV` when there is none; `EINVAL` for what can be no name, here and below.
    pub fn link(&mut self, name: &str) -> Result<Link, NetError> {
        check_name(GETLINK, name)?;
        self.get_link(name, &without_stats(vec![if_name(name)]))
    }

    /// The link of that index.
    ///
    /// # Errors
    /// `ENODEV` when there is none.
    pub fn link_by_index(&mut self, index: u32) -> Result<Link, NetError> {
        let mut message = without_stats(Vec::new());
        message.header.index = index;
        self.get_link(&format!("if{index}"), &message)
    }

    fn get_link(&mut self, object: &str, message: &LinkMessage) -> Result<Link, NetError> {
        let payloads = self.requests.request(GETLINK, 0, object, message)?;
        for payload in payloads {
            if let Some(link) = decoded(GETLINK, object, Link::parse(&payload))? {
                return Ok(link);
            }
        }
        Err(NetError::new(GETLINK.name, object, Errno::ENODEV))
    }

    /// Makes a pair of connected Ethernet devices, veth(4), both down. With `netns` the peer is born in that
    /// network namespace, which saves the 14 to 30 ms that moving it there takes the kernel.
    ///
    /// # Errors
    /// `EEXIST` when a name is taken; `EPERM` without CAP_NET_ADMIN, also there; `EOPNOTSUPP` when the kernel has
    /// no veth.
    pub fn add_veth(
        &mut self,
        name: &str,
        peer: &str,
        netns: Option<BorrowedFd<'_>>,
    ) -> Result<(), NetError> {
        check_name(NEWLINK, name)?;
        check_name(NEWLINK, peer)?;
        let create = NLM_F_CREATE | NLM_F_EXCL;
        let message = veth(name, peer, netns);
        self.requests.request(NEWLINK, create, name, &message)?;
        Ok(())
    }

    /// Makes a bridge without ports, down.
    ///
    /// # Errors
    /// `EEXIST` when the name is taken; `EPERM` without CAP_NET_ADMIN; `EOPNOTSUPP` when the kernel has no bridge.
    pub fn add_bridge(&mut self, name: &str) -> Result<(), NetError> {
        check_name(NEWLINK, name)?;
        let kind = LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]);
        let create = NLM_F_CREATE | NLM_F_EXCL;
        let message = with_attributes(vec![if_name(name), kind]);
        self.requests.request(NEWLINK, create, name, &message)?;
        Ok(())
    }

    /// Sets the link up; whether packets pass then is for [`Netlink::wait_links`] to say.
    ///
    /// # Errors
    /// `ENODEV` when there is no such link; `EPERM` without CAP_NET_ADMIN.
    pub fn set_up(&mut self, name: &str) -> Result<(), NetError> {
        self.set_link(name, &with_flags(name, LinkFlags::Up))
    }

    /// Sets the link down. Its IPv4 addresses stay, its routes go.
    ///
    /// # Errors
    /// As for [`Netlink::set_up`].
    pub fn set_down(&mut self, name: &str) -> Result<(), NetError> {
        self.set_link(name, &with_flags(name, LinkFlags::empty()))
    }

    /// Makes the link a port of the bridge `master`, or with `None` of no bridge.
    ///
    /// # Errors
    /// `ENODEV` when one of them does not exist; `EOPNOTSUPP` when `master` is no bridge.
    pub fn set_master(&mut self, name: &str, master: Option<&str>) -> Result<(), NetError> {
        let index = match master {
            Some(master) => self.link(master)?.index,
            None => 0,
        };
        let controller = LinkAttribute::Controller(index);
        self.set_link(name, &with_attributes(vec![if_name(name), controller]))
    }

    /// Moves the link to another network namespace, where it is down and without addresses.
    /// The kernel waits for a grace period inside the call: 14 to 30 ms.
    ///
    /// # Errors
    /// `EINVAL` when `netns` is no network namespace, or the link is tied to its own, as `lo` is; `EEXIST` when the
    /// name is taken there; `EPERM` without CAP_NET_ADMIN in both.
    pub fn set_netns(&mut self, name: &str, netns: BorrowedFd<'_>) -> Result<(), NetError> {
        let netns = LinkAttribute::NetNsFd(netns.as_raw_fd());
        self.set_link(name, &with_attributes(vec![if_name(name), netns]))
    }

    fn set_link(&mut self, name: &str, message: &LinkMessage) -> Result<(), NetError> {
        check_name(SETLINK, name)?;
        self.requests.request(SETLINK, 0, name, message)?;
        Ok(())
    }

    /// Deletes the link, with its peer when it is one end of a pair. It is gone when the call returns.
    ///
    /// # Errors
    /// `ENODEV` when there is no such link; `EOPNOTSUPP` when it cannot be deleted, as `lo`.
    pub fn delete(&mut self, name: &str) -> Result<(), NetError> {
        check_name(DELLINK, name)?;
        let message = with_attributes(vec![if_name(name)]);
        self.requests.request(DELLINK, 0, name, &message)?;
        Ok(())
    }
}
