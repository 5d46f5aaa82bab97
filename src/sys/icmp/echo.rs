//! Echo requests and replies as bytes: RFC 792 for IPv4, RFC 4443 section 4 for IPv6.

/// Size of the header in bytes: type, code, checksum, identifier, sequence number.
const HEADER_SIZE: usize = 8;

/// The protocol whose echo messages these are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    V4,
    V6,
}

impl Version {
    /// The types of request and reply.
    fn types(self) -> (u8, u8) {
        match self {
            Self::V4 => (8, 0),
            Self::V6 => (128, 129),
        }
    }
}

/// What a reply repeats of its request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Echo {
    /// Names the sender; a `SOCK_DGRAM` socket replaces it by its own.
    pub identifier: u16,
    /// Counts the requests.
    pub sequence: u16,
    /// Tells this program's replies from those to any other.
    pub cookie: [u8; 8],
}

impl Echo {
    /// The request as bytes, with its checksum; for IPv6 the kernel computes that, over addresses too.
    pub fn request(&self, version: Version) -> Vec<u8> {
        let mut bytes = vec![version.types().0, 0, 0, 0];
        bytes.extend(self.identifier.to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.cookie);
        if version == Version::V4 {
            let sum = checksum(&bytes).to_be_bytes();
            bytes[2..4].copy_from_slice(&sum);
        }
        bytes
    }

    /// Reads an ICMP message; `None` when it is no echo reply, or one to a request of another shape.
    pub fn reply(version: Version, message: &[u8]) -> Option<Self> {
        let (header, data) = message.split_at_checked(HEADER_SIZE)?;
        if header[0] != version.types().1 || header[1] != 0 {
            return None;
        }
        Some(Self {
            identifier: u16::from_be_bytes([header[4], header[5]]),
            sequence: u16::from_be_bytes([header[6], header[7]]),
            cookie: data.try_into().ok()?,
        })
    }
}

/// What follows the IPv4 header, which a raw socket receives as well (raw(7)).
pub(super) fn without_ipv4_header(packet: &[u8]) -> Option<&[u8]> {
    let words = usize::from(packet.first()? & 0x0f);
    packet.get(words * 4..)
}

/// The Internet checksum of RFC 1071.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [high, low] => u16::from_be_bytes([*high, *low]),
        [high] => u16::from_be_bytes([*high, 0]),
        _ => 0,
    });
    // Ones' complement: a carry out of the high bit comes back at the low one.
    !words.fold(0_u16, |sum, word| {
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const ECHO: Echo = Echo {
        identifier: 0x1234,
        sequence: 2,
        cookie: *b"01234567",
    };

    #[test]
    fn the_checksum_of_a_message_with_its_checksum_is_zero() {
        // The example of RFC 1071, section 3.
        let example = [0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7];
        assert_eq!(checksum(&example), !0xddf2);
        assert_eq!(checksum(&ECHO.request(Version::V4)), 0);
        assert_eq!(checksum(&[0xff]), 0x00ff);
    }

    #[test]
    fn a_reply_repeats_the_request() {
        for (version, reply) in [(Version::V4, 0), (Version::V6, 129)] {
            let mut message = ECHO.request(version);
            assert_eq!(
                Echo::reply(version, &message),
                None,
                "a request is no reply"
            );
            message[0] = reply;
            assert_eq!(Echo::reply(version, &message), Some(ECHO));
        }
        assert_eq!(ECHO.request(Version::V6)[2..4], [0, 0]);
    }

    #[test]
    fn other_messages_are_no_replies() {
        let mut message = ECHO.request(Version::V4);
        message[0] = 0;
        assert_eq!(Echo::reply(Version::V4, &message[..7]), None);
        assert_eq!(Echo::reply(Version::V4, &message[..15]), None);
        message.push(0);
        assert_eq!(Echo::reply(Version::V4, &message), None);
        message[0] = 3;
        assert_eq!(Echo::reply(Version::V4, &message[..16]), None);
        assert_eq!(Echo::reply(Version::V4, &[]), None);
    }

    #[test]
    fn skips_an_ipv4_header_with_options() {
        let packet = [&[0x46; 24][..], b"icmp"].concat();
        assert_eq!(without_ipv4_header(&packet), Some(&b"icmp"[..]));
        assert_eq!(without_ipv4_header(&[0x45; 19]), None);
        assert_eq!(without_ipv4_header(&[]), None);
    }
}
