//! An address and the length of its network's prefix: `1.2.3.4/24`.

use std::fmt;
use std::net::{AddrParseError, IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::ParseIntError;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// An IP address with a prefix length, as `ip-address(8)` and `ip-route(8)` write it.
///
/// Host bits are kept: `1.2.3.4/24` is an interface's address, `1.2.3.0/24` a route's destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct IpNet {
    addr: IpAddr,
    prefix_len: u8,
}

impl IpNet {
    /// All IPv4 addresses: `0.0.0.0/0`, the destination of a default route.
    pub const DEFAULT_V4: Self = Self {
        addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        prefix_len: 0,
    };

    /// All IPv6 addresses: `::/0`.
    pub const DEFAULT_V6: Self = Self {
        addr: IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        prefix_len: 0,
    };

    /// `None` when the prefix is longer than the address: 32 bits, or 128.
    pub fn new(addr: IpAddr, prefix_len: u8) -> Option<Self> {
        (prefix_len <= max_prefix_len(addr)).then_some(Self { addr, prefix_len })
    }

    /// The address, host bits included.
    pub fn addr(&self) -> IpAddr {
        self.addr
    }

    /// The length of the network part in bits.
    pub fn prefix_len(&self) -> u8 {
        self.prefix_len
    }

    /// Whether it stands for every address, as in a default route.
    pub fn is_default(&self) -> bool {
        self.prefix_len == 0 && self.addr.is_unspecified()
    }
}

fn max_prefix_len(addr: IpAddr) -> u8 {
    if addr.is_ipv4() { 32 } else { 128 }
}

impl From<IpAddr> for IpNet {
    /// A single host: `/32`, or `/128`.
    fn from(addr: IpAddr) -> Self {
        let prefix_len = max_prefix_len(addr);
        Self { addr, prefix_len }
    }
}

impl From<IpNet> for String {
    fn from(net: IpNet) -> Self {
        net.to_string()
    }
}

impl TryFrom<String> for IpNet {
    type Error = ParseIpNetError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for IpNet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.addr, self.prefix_len)
    }
}

/// Why a text is no address with a prefix.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ParseIpNetError {
    /// The part before the slash is no IPv4 or IPv6 address.
    Address(AddrParseError),
    /// The part behind the slash is no small number.
    Prefix(ParseIntError),
    /// The prefix is longer than this many bits, the length of the address.
    TooLong(u8),
}

impl fmt::Display for ParseIpNetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(error) => error.fmt(f),
            Self::Prefix(error) => write!(f, "invalid prefix length: {error}"),
            Self::TooLong(max) => write!(f, "a prefix has at most {max} bits"),
        }
    }
}

impl std::error::Error for ParseIpNetError {}

impl FromStr for IpNet {
    type Err = ParseIpNetError;

    /// `ADDRESS/PREFIX`, or an address alone for a single host.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let Some((addr, prefix_len)) = text.split_once('/') else {
            let addr: IpAddr = text.parse().map_err(ParseIpNetError::Address)?;
            return Ok(addr.into());
        };
        let addr: IpAddr = addr.parse().map_err(ParseIpNetError::Address)?;
        let prefix_len = prefix_len.parse().map_err(ParseIpNetError::Prefix)?;
        Self::new(addr, prefix_len).ok_or(ParseIpNetError::TooLong(max_prefix_len(addr)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        for text in ["1.2.3.4/24", "0.0.0.0/0", "fe80::1/64", "::/0", "::1/128"] {
            assert_eq!(text.parse::<IpNet>().unwrap().to_string(), text);
        }
        assert_eq!("1.2.3.4".parse::<IpNet>().unwrap().prefix_len(), 32);
        assert_eq!("::1".parse::<IpNet>().unwrap().prefix_len(), 128);
        assert!("::/0".parse::<IpNet>().unwrap().is_default());
        assert!(!"1.2.3.4/0".parse::<IpNet>().unwrap().is_default());
    }

    #[test]
    fn refuses_with_the_part_that_is_wrong() {
        let refused = |text: &str| text.parse::<IpNet>().unwrap_err();
        assert_eq!(refused("1.2.3.4/33"), ParseIpNetError::TooLong(32));
        assert_eq!(refused("::1/129"), ParseIpNetError::TooLong(128));
        for text in ["", "1.2.3", "/24", "1.2.3.4.5/8", "host/24"] {
            assert!(
                matches!(refused(text), ParseIpNetError::Address(_)),
                "{text}"
            );
        }
        for text in ["1.2.3.4/", "1.2.3.4/-1", "1.2.3.4/256", "1.2.3.4/24/24"] {
            assert!(
                matches!(refused(text), ParseIpNetError::Prefix(_)),
                "{text}"
            );
        }
    }
}
