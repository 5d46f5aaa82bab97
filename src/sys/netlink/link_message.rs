//! What is asked of links, as messages.

use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkExtentMask, LinkFlags, LinkInfo, LinkMessage,
};
use nix::errno::Errno;

use super::channel::Call;
use super::error::NetError;

/// `IFNAMSIZ` of netdevice(7) without the NUL, in bytes.
const NAME_MAX: usize = 15;

/// Refuses a name that a netlink string cannot carry as it is; all else is for the kernel to judge.
pub(super) fn check_name(call: Call, name: &str) -> Result<(), NetError> {
    if (1..=NAME_MAX).contains(&name.len()) && !name.contains('\0') {
        return Ok(());
    }
    let error = NetError::new(call.name, name.escape_default().to_string(), Errno::EINVAL);
    Err(error.because(format!("a link's name has 1 to {NAME_MAX} bytes")))
}

/// The link's name: it says which link is meant, or what the new one is called.
pub(super) fn if_name(name: &str) -> LinkAttribute {
    LinkAttribute::IfName(name.to_owned())
}

/// A request with `attributes` and an empty header.
pub(super) fn with_attributes(attributes: Vec<LinkAttribute>) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.attributes = attributes;
    message
}

/// A request that changes `IFF_UP`, and no other flag, to what `flags` says.
pub(super) fn with_flags(name: &str, flags: LinkFlags) -> LinkMessage {
    let mut message = with_attributes(vec![if_name(name)]);
    message.header.flags = flags;
    message.header.change_mask = LinkFlags::Up;
    message
}

/// A query that leaves out the counters: two thirds of an answer, and never wanted here.
pub(super) fn without_stats(mut attributes: Vec<LinkAttribute>) -> LinkMessage {
    attributes.push(LinkAttribute::ExtMask(vec![LinkExtentMask::SkipStats]));
    with_attributes(attributes)
}
/// A veth pair, its peer in `netns` if that is given.
pub(super) fn veth(name: &str, peer: &str, netns: Option<BorrowedFd<'_>>) -> LinkMessage {
    // The peer cannot be made up at once: IFF_UP in its header is ENOTCONN.
    let mut peer = with_attributes(vec![if_name(peer)]);
    if let Some(netns) = netns {
        let netns = LinkAttribute::NetNsFd(netns.as_raw_fd());
        peer.attributes.push(netns);
    }
    let info = LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]);
    with_attributes(vec![if_name(name), info])
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::Emitable;

    use super::super::attribute::tests::nla;
    use super::*;

    const CALL: Call = Call {
        name: "RTM_NEWLINK",
        number: libc::RTM_NEWLINK,
    };

    fn bytes(message: &LinkMessage) -> Vec<u8> {
        let mut bytes = vec![0; message.buffer_len()];
        message.emit(&mut bytes);
        bytes
    }

    /// A header that selects no device by index and changes nothing.
    fn empty_header() -> Vec<u8> {
        vec![0; 16]
    }

    #[test]
    fn a_veth_pair_is_one_link_with_its_peer_nested() {
        let peer = [empty_header(), nla(3, b"guest\0")].concat();
        let info = [nla(1, b"veth\0"), nla(2, &nla(1, &peer))].concat();
        let expected = [empty_header(), nla(3, b"host\0"), nla(18, &info)].concat();
        // The flag NLA_F_NESTED may be set or not; the kernel takes both.
        assert_eq!(unnested(bytes(&veth("host", "guest", None))), expected);
    }

    /// The same message without the nesting flag, which is the high bit of a type.
    fn unnested(mut bytes: Vec<u8>) -> Vec<u8> {
        for nested in [[18_u8, 0x80], [2, 0x80], [1, 0x80]] {
            while let Some(at) = bytes.windows(2).position(|pair| pair == nested) {
                bytes[at + 1] = 0;
            }
        }
        bytes
    }

    #[test]
    fn up_and_down_change_one_flag_only() {
        let up = bytes(&with_flags("lo", LinkFlags::Up));
        assert_eq!(
            up[8..16],
            [1_u32.to_ne_bytes(), 1_u32.to_ne_bytes()].concat()
        );
        let down = bytes(&with_flags("lo", LinkFlags::empty()));
        assert_eq!(
            down[8..16],
            [0_u32.to_ne_bytes(), 1_u32.to_ne_bytes()].concat()
        );
        assert_eq!(up[16..], nla(3, b"lo\0"));
        assert_eq!(up[..8], [0; 8]);
    }

    #[test]
    fn queries_ask_for_no_counters() {
        let query = bytes(&without_stats(vec![if_name("lo")]));
        let mask = nla(29, &8_u32.to_ne_bytes());
        assert_eq!(query[16..], [nla(3, b"lo\0"), mask].concat());
    }

    #[test]
    fn names_that_would_be_cut_are_refused_before_the_kernel_sees_them() {
        for name in ["", "sixteen-bytes-xx", "a\0b"] {
            let error = check_name(CALL, name).unwrap_err();
            assert_eq!((error.call, error.errno), ("RTM_NEWLINK", Errno::EINVAL));
        }
        let long = "x".repeat(100_000);
        assert!(check_name(CALL, &long).is_err());
        assert!(check_name(CALL, "fifteen-bytes-x").is_ok());
    }
}
