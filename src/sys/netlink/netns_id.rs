//! The numbers that network namespaces have for each other (`RTM_GETNSID`, linux/net_namespace.h).

use std::os::fd::{AsRawFd, BorrowedFd};

use libc::RTM_GETNSID;
use netlink_packet_core::Parseable;
use netlink_packet_route::nsid::{NsidAttribute, NsidMessage};

use super::channel::Call;
use super::error::NetError;
use super::{Netlink, decoded};

const GETNSID: Call = Call {
    name: "RTM_GETNSID",
    number: RTM_GETNSID,
};

impl Netlink {
    /// The number that this namespace has for `netns`: the `link_netnsid` of the links whose other end is there.
    /// `None` when it has no number for it. The kernel gives one when it first shows such a link.
    ///
    /// # Errors
    /// `EINVAL` when `netns` is no network namespace; `EBADMSG` for an answer that cannot be read.
    pub fn netns_id(&mut self, netns: BorrowedFd<'_>) -> Result<Option<i32>, NetError> {
        let mut message = NsidMessage::default();
        // A descriptor is never negative.
        message.attributes = vec![NsidAttribute::Fd(netns.as_raw_fd().cast_unsigned())];
        for payload in self.requests.request(GETNSID, 0, "netns", &message)? {
            let answer = decoded(GETNSID, "netns", NsidMessage::parse(&payload))?;
            let id = answer
                .attributes
                .iter()
                .find_map(|attribute| match attribute {
                    NsidAttribute::Id(id) => Some(*id),
                    _ => None,
                });
            if let Some(id) = id {
                return Ok((id >= 0).then_some(id));
            }
        }
        Ok(None)
    }
}
