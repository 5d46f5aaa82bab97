//! The messages of one datagram, and what they say about success.
//!
//! Format: netlink(7), and Documentation/userspace-api/netlink/intro.rst for the texts in acknowledgements.

use netlink_packet_core::{
    DecodeError, NLM_F_ACK_TLVS, NLM_F_CAPPED, NLMSG_DONE, NetlinkBuffer, parse_i32,
};
use nix::errno::Errno;

use super::attribute::{attributes, text};
use super::error::NetError;

/// Size of `struct nlmsghdr` in bytes.
pub(super) const HEADER_SIZE: usize = 16;

/// The attribute of an acknowledgement that holds a text for a person.
const NLMSGERR_ATTR_MSG: u16 = 1;

/// One message of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Message<'a> {
    pub message_type: u16,
    pub flags: u16,
    pub sequence: u32,
    pub payload: &'a [u8],
}

/// A request that the kernel did not perform, before it is known by a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The request's sequence number.
    pub sequence: u32,
    errno: Errno,
    message: Option<String>,
}

impl Refusal {
    pub fn new(sequence: u32, errno: Errno) -> Self {
        Self {
            sequence,
            errno,
            message: None,
        }
    }

    pub fn because(mut self, message: &impl ToString) -> Self {
        self.message = Some(message.to_string());
        self
    }

    pub fn into_error(self, call: &'static str, object: &str) -> NetError {
        NetError {
            call,
            object: object.to_owned(),
            errno: self.errno,
            message: self.message,
        }
    }
}

/// The messages of `datagram`, in order. Yields one error and ends where a length is wrong.
pub(super) fn messages(datagram: &[u8]) -> impl Iterator<Item = Result<Message<'_>, DecodeError>> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let message = NetlinkBuffer::new_checked(rest);
        let length = message.as_ref().map_or(rest.len(), |message| {
            usize::try_from(message.length()).unwrap_or(usize::MAX)
        });
        rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
        Some(message.map(|message| Message::from_buffer(&message)))
    })
}

impl<'a> Message<'a> {
    fn from_buffer(buffer: &NetlinkBuffer<&'a [u8]>) -> Self {
        Message {
            message_type: buffer.message_type(),
            flags: buffer.flags(),
            sequence: buffer.sequence_number(),
            payload: buffer.payload(),
        }
    }

    /// What an `NLMSG_ERROR` or `NLMSG_DONE` says: 0 is success, else a negative errno.
    pub fn status(&self) -> Result<(), Refusal> {
        let code = match self.payload.get(..4).map(parse_i32) {
            Some(Ok(code)) => code,
            // An empty NLMSG_DONE is how kernels before 4.12 may end a dump.
            _ if self.message_type == NLMSG_DONE => 0,
            _ => return Err(Refusal::new(self.sequence, Errno::EBADMSG)),
        };
        // Only negative numbers are errors; some dumps end with the number of entries.
        if code >= 0 {
            return Ok(());
        }
        let refusal = Refusal {
            sequence: self.sequence,
            errno: Errno::from_raw(code.saturating_neg()),
            message: self.ext_ack(),
        };
        Err(refusal)
    }

    /// The kernel's text in an acknowledgement.
    fn ext_ack(&self) -> Option<String> {
        if self.flags & NLM_F_ACK_TLVS == 0 {
            return None;
        }
        attributes(self.payload.get(self.ext_ack_offset()?..)?)
            .map_while(Result::ok)
            .find(|(kind, _)| *kind == NLMSGERR_ATTR_MSG)
            .map(|(_, value)| text(value))
    }

    /// Where the attributes of an acknowledgement begin: behind the errno, and in an `NLMSG_ERROR` behind
    /// the header of the request, with the whole request when the kernel did not cut it.
    fn ext_ack_offset(&self) -> Option<usize> {
        const ERRNO_SIZE: usize = 4;
        if self.message_type == NLMSG_DONE {
            return Some(ERRNO_SIZE);
        }
        if self.flags & NLM_F_CAPPED != 0 {
            return Some(ERRNO_SIZE + HEADER_SIZE);
        }
        let header = self.payload.get(ERRNO_SIZE..ERRNO_SIZE + HEADER_SIZE)?;
        let length = usize::try_from(NetlinkBuffer::new(header).length()).ok()?;
        ERRNO_SIZE.checked_add(length.checked_next_multiple_of(4)?)
    }
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::{DefaultNla, NLMSG_ERROR};

    use super::super::attribute::tests::nla;
    use super::super::channel::encode;
    use super::*;

    /// An acknowledgement: errno, the header of a request of `length` bytes, then `tail`.
    fn ack(flags: u16, errno: i32, length: u32, tail: &[u8]) -> Message<'static> {
        let mut payload = errno.to_ne_bytes().to_vec();
        payload.extend_from_slice(&length.to_ne_bytes());
        payload.resize(4 + HEADER_SIZE, 0);
        payload.extend_from_slice(tail);
        Message {
            message_type: NLMSG_ERROR,
            flags,
            sequence: 7,
            payload: payload.leak(),
        }
    }

    fn text_of(message: Message<'_>) -> Option<String> {
        message.status().unwrap_err().message
    }

    #[test]
    fn splits_a_datagram_at_aligned_lengths() {
        let odd = DefaultNla::new(3, b"lo\0".to_vec());
        let mut datagram = encode(16, 0x301, 5, &odd);
        datagram.extend(encode(2, 0, 6, &(&[] as &[DefaultNla])));
        let found: Vec<_> = messages(&datagram).map(Result::unwrap).collect();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].message_type, found[0].flags), (16, 0x301));
        assert_eq!(found[0].payload, nla(3, b"lo\0"));
        assert_eq!((found[1].sequence, found[1].payload), (6, &[][..]));
    }

    #[test]
    fn a_wrong_length_is_one_error_and_the_end() {
        for length in [0_u32, 15, 17, u32::MAX] {
            let mut datagram = length.to_ne_bytes().to_vec();
            datagram.resize(HEADER_SIZE, 0);
            let mut found = messages(&datagram);
            assert!(found.next().unwrap().is_err(), "{length}");
            assert!(found.next().is_none(), "{length}");
        }
    }

    #[test]
    fn zero_and_positive_codes_are_success() {
        assert_eq!(ack(0, 0, 32, &[]).status(), Ok(()));
        assert_eq!(ack(0, 3, 32, &[]).status(), Ok(()));
        let done = Message {
            message_type: NLMSG_DONE,
            ..ack(0, 0, 0, &[])
        };
        assert_eq!(
            Message {
                payload: &[],
                ..done
            }
            .status(),
            Ok(())
        );
    }

    #[test]
    fn a_negative_code_is_the_errno() {
        let refusal = ack(0, -libc::ENODEV, 32, &[]).status().unwrap_err();
        assert_eq!(refusal, Refusal::new(7, Errno::ENODEV));
        let cut = Message {
            payload: &[],
            ..ack(0, 0, 0, &[])
        };
        assert_eq!(cut.status(), Err(Refusal::new(7, Errno::EBADMSG)));
        assert!(ack(0, i32::MIN, 0, &[]).status().is_err());
    }

    #[test]
    fn finds_the_kernels_text_behind_a_cut_and_an_uncut_request() {
        let text = nla(NLMSGERR_ATTR_MSG, b"no such link\0");
        let capped = NLM_F_CAPPED | NLM_F_ACK_TLVS;
        let expected = Some("no such link".to_owned());
        assert_eq!(text_of(ack(capped, -19, 500, &text)), expected);
        let uncut = [vec![0xff; 8], text.clone()].concat();
        assert_eq!(text_of(ack(NLM_F_ACK_TLVS, -19, 23, &uncut)), expected);
        assert_eq!(text_of(ack(NLM_F_CAPPED, -19, 500, &text)), None);
        assert_eq!(text_of(ack(NLM_F_ACK_TLVS, -19, u32::MAX, &text)), None);
    }
}
