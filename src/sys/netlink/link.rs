//! A network link as the kernel describes it in `RTM_NEWLINK` (rtnetlink(7)).

use netlink_packet_core::{DecodeError, ErrorContext, parse_i32, parse_u8, parse_u32};
use netlink_packet_route::AddressFamily;
use netlink_packet_route::link::{LinkFlags, LinkHeader, State};

use super::attribute::{attributes, text};

/// Size of `struct ifinfomsg` in bytes.
const HEADER_SIZE: usize = 16;

const IFLA_IFNAME: u16 = 3;
const IFLA_LINK: u16 = 5;
const IFLA_MASTER: u16 = 10;
const IFLA_OPERSTATE: u16 = 16;
const IFLA_LINKINFO: u16 = 18;
const IFLA_LINK_NETNSID: u16 = 37;
const IFLA_INFO_KIND: u16 = 1;

/// The devices that tunnel modules put into every new network namespace, as kind and name
/// (`net.core.fb_tunnels_only_for_init_net`, Documentation/admin-guide/sysctl/net.rst).
const FALLBACK_TUNNELS: [(&str, &str); 9] = [
    ("ipip", "tunl0"),
    ("sit", "sit0"),
    ("gre", "gre0"),
    ("gretap", "gretap0"),
    ("erspan", "erspan0"),
    ("vti", "ip_vti0"),
    ("vti6", "ip6_vti0"),
    ("ip6tnl", "ip6tnl0"),
    ("ip6gre", "ip6gre0"),
];

/// A network link, also called a device or an interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its number within its network namespace, from 1.
    pub index: u32,
    /// Its name, at most 15 bytes.
    pub name: String,
    /// `IFF_*` of netdevice(7): up, lower-up (carrier), running, broadcast, loopback, ...
    pub flags: LinkFlags,
    /// The RFC 2863 state (Documentation/networking/operstates.rst); down for a link that is not up.
    pub state: State,
    /// The driver that made it, such as `veth` or `bridge`; none for a device without link operations.
    pub kind: Option<String>,
    /// The index of the link it stands on: the other end of a veth pair. Kernels before 5.12 leave it out
    /// when both ends have the same index in different namespaces.
    pub peer_index: Option<u32>,
    /// Which network namespace `peer_index` belongs to, as a number of this namespace; none for its own.
    pub link_netnsid: Option<i32>,
    /// The index of the bridge that it is a port of.
    pub master: Option<u32>,
}

impl Link {
    /// Reads the payload of an `RTM_NEWLINK` or `RTM_DELLINK`.
    ///
    /// `None` for a message of another family: bridges tell about their ports by the same messages.
    pub(super) fn parse(payload: &[u8]) -> Result<Option<Self>, DecodeError> {
        let header = LinkHeader::parse(payload)?;
        if header.interface_family != AddressFamily::Unspec {
            return Ok(None);
        }
        let mut link = Self {
            index: header.index,
            name: String::new(),
            flags: header.flags,
            state: State::Unknown,
            kind: None,
            peer_index: None,
            link_netnsid: None,
            master: None,
        };
        for attribute in attributes(payload.get(HEADER_SIZE..).unwrap_or_default()) {
            let (kind, value) = attribute?;
            link.take(kind, value)
                .with_context(|| format!("IFLA attribute {kind}"))?;
        }
        Ok(Some(link))
    }

    fn take(&mut self, kind: u16, value: &[u8]) -> Result<(), DecodeError> {
        match kind {
            IFLA_IFNAME => self.name = text(value),
            IFLA_LINK => self.peer_index = Some(parse_u32(value)?),
            IFLA_MASTER => self.master = Some(parse_u32(value)?),
            IFLA_OPERSTATE => self.state = parse_u8(value)?.into(),
            IFLA_LINKINFO => self.kind = info_kind(value)?,
            IFLA_LINK_NETNSID => self.link_netnsid = Some(parse_i32(value)?),
            _ => {}
        }
        Ok(())
    }

    /// Whether it is set up administratively (`IFF_UP`), with or without a carrier.
    pub fn is_up(&self) -> bool {
        self.flags.contains(LinkFlags::Up)
    }

    /// Whether packets pass: its state is UP, or it is up and its driver keeps no state, as `lo` does.
    pub fn is_operational(&self) -> bool {
        match self.state {
            State::Up => true,
            State::Unknown => self.is_up(),
            _ => false,
        }
    }

    /// Whether a tunnel module of the host made it by itself. A new network namespace holds `lo` and any
    /// number of these, according to which modules happen to be loaded.
    pub fn is_fallback_tunnel(&self) -> bool {
        let kind = self.kind.as_deref().unwrap_or_default();
        FALLBACK_TUNNELS.contains(&(kind, self.name.as_str()))
    }
}

fn info_kind(link_info: &[u8]) -> Result<Option<String>, DecodeError> {
    for attribute in attributes(link_info) {
        let (kind, value) = attribute?;
        if kind == IFLA_INFO_KIND {
            return Ok(Some(text(value)));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::super::attribute::tests::nla;
    use super::*;

    /// `struct ifinfomsg` of an Ethernet device.
    fn header(family: u8, index: u32, flags: u32) -> Vec<u8> {
        let words = [index.to_ne_bytes(), flags.to_ne_bytes(), [0; 4]].concat();
        [&[family, 0], &1_u16.to_ne_bytes()[..], &words].concat()
    }

    fn parse(attributes: &[Vec<u8>]) -> Result<Option<Link>, DecodeError> {
        Link::parse(&[header(0, 4, 0x11043), attributes.concat()].concat())
    }

    fn named(kind: &str, name: &str) -> Link {
        let info = nla(IFLA_LINKINFO, &nla(IFLA_INFO_KIND, kind.as_bytes()));
        parse(&[nla(IFLA_IFNAME, name.as_bytes()), info])
            .unwrap()
            .unwrap()
    }

    #[test]
    fn reads_one_end_of_a_veth_pair_and_steps_over_what_it_does_not_know() {
        let link = parse(&[
            nla(IFLA_IFNAME, b"host\0"),
            nla(IFLA_LINK, &3_u32.to_ne_bytes()),
            nla(999, b"odd"),
            nla(IFLA_OPERSTATE, &[6]),
            nla(IFLA_LINK_NETNSID, &0_i32.to_ne_bytes()),
            nla(IFLA_MASTER, &9_u32.to_ne_bytes()),
            nla(IFLA_LINKINFO, &[nla(7, b""), nla(1, b"veth\0")].concat()),
        ]);
        let link = link.unwrap().unwrap();
        assert_eq!((link.index, link.name.as_str()), (4, "host"));
        assert_eq!(link.flags.bits(), 0x11043);
        assert!(link.flags.contains(LinkFlags::LowerUp | LinkFlags::Running));
        assert_eq!(link.state, State::Up);
        assert_eq!(link.kind.as_deref(), Some("veth"));
        assert_eq!((link.peer_index, link.link_netnsid), (Some(3), Some(0)));
        assert_eq!(link.master, Some(9));
        assert!(link.is_up() && link.is_operational());
    }

    #[test]
    fn an_attribute_of_a_wrong_size_is_named_in_the_error() {
        let error = parse(&[nla(IFLA_LINK, &[1, 2])]).unwrap_err();
        assert!(error.to_string().contains("IFLA attribute 5"), "{error}");
        assert!(Link::parse(&[0; HEADER_SIZE - 1]).is_err());
        assert!(Link::parse(&[header(0, 1, 0), vec![9, 0, 3, 0]].concat()).is_err());
    }

    #[test]
    fn a_bridges_message_about_its_port_is_not_about_the_link() {
        let payload = [header(7, 4, 0), nla(IFLA_IFNAME, b"host\0")].concat();
        assert_eq!(Link::parse(&payload).unwrap(), None);
    }

    #[test]
    fn unknown_state_is_operational_only_when_up() {
        let mut lo = named("", "lo");
        assert_eq!(lo.state, State::Unknown);
        assert!(lo.is_operational());
        lo.flags = LinkFlags::Loopback;
        assert!(!lo.is_operational());
        lo.flags = LinkFlags::Up;
        lo.state = State::LowerLayerDown;
        assert!(!lo.is_operational());
    }

    #[test]
    fn knows_fallback_tunnels_by_kind_and_name() {
        assert!(named("ipip", "tunl0").is_fallback_tunnel());
        assert!(named("ip6gre", "ip6gre0").is_fallback_tunnel());
        assert!(!named("ipip", "tunl1").is_fallback_tunnel());
        assert!(!named("veth", "tunl0").is_fallback_tunnel());
        assert!(!named("", "lo").is_fallback_tunnel());
    }
}
