//! Netlink attributes, read one at a time.
//!
//! A reader takes the few attributes that it wants and steps over the rest. Decoding whole messages
//! would refuse a link because a newer kernel gave another shape to an attribute nobody asked for.

use netlink_packet_core::{DecodeError, NlaBuffer, NlasIterator};

/// The attributes in `bytes`, as pairs of type (without its flag bits) and value.
///
/// Yields one error and ends when a length points outside `bytes`.
pub(super) fn attributes(bytes: &[u8]) -> impl Iterator<Item = Result<(u16, &[u8]), DecodeError>> {
    NlasIterator::new(bytes).map(|attribute| attribute.map(split))
}

fn split(attribute: NlaBuffer<&[u8]>) -> (u16, &[u8]) {
    let kind = attribute.kind();
    let end = usize::from(attribute.length());
    (
        kind,
        &attribute.into_inner()[netlink_packet_core::NLA_HEADER_SIZE..end],
    )
}

/// A string as the kernel sends it: with or without its NUL, and any bytes that a device name may have.
pub(super) fn text(value: &[u8]) -> String {
    let end = value.iter().position(|&byte| byte == 0);
    String::from_utf8_lossy(&value[..end.unwrap_or(value.len())]).into_owned()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// One attribute with its padding, for building messages byte by byte.
    pub(crate) fn nla(kind: u16, value: &[u8]) -> Vec<u8> {
        let length = u16::try_from(4 + value.len()).unwrap();
        let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
        bytes.extend_from_slice(value);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes
    }

    #[test]
    fn steps_from_one_aligned_attribute_to_the_next() {
        let bytes = [nla(3, b"lo\0"), nla(0x8000 | 18, b"")].concat();
        let found: Vec<_> = attributes(&bytes).map(Result::unwrap).collect();
        assert_eq!(found, [(3, &b"lo\0"[..]), (18, &b""[..])]);
    }

    #[test]
    fn a_length_that_points_outside_is_an_error_and_the_end() {
        for bad in [&[9, 0, 3, 0, 1][..], &[3, 0, 1, 0][..], &[1][..]] {
            let mut found = attributes(bad);
            assert!(found.next().unwrap().is_err(), "{bad:?}");
            assert!(found.next().is_none(), "{bad:?}");
        }
    }

    #[test]
    fn text_ends_at_the_first_nul_and_survives_any_byte() {
        assert_eq!(text(b"host\0\0"), "host");
        assert_eq!(text(b"host"), "host");
        assert_eq!(text(b""), "");
        assert_eq!(text(b"h\xff"), "h\u{fffd}");
    }
}
