//! One netlink socket: a request, and all that the kernel answers to it.
//!
//! The kernel performs a request inside `send(2)`, so its answer is in the queue when that call returns
//! (the next part of a dump is made inside `recv(2)`). Reading therefore never blocks, and a request
//! cannot hang on an answer that never comes.

use std::os::fd::AsFd;
use std::time::Instant;

use netlink_packet_core::{
    Emitable, NLM_F_ACK, NLM_F_DUMP, NLM_F_DUMP_INTR, NLM_F_REQUEST, NLMSG_DONE, NLMSG_ERROR,
    NLMSG_NOOP, NLMSG_OVERRUN, NetlinkBuffer,
};
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;

use super::error::{NetError, errno_of};
use super::message::{Message, Refusal, messages};
use crate::sys::poll;

/// Room for one datagram. The kernel fills at most 32 KiB of it with a dump, and answers with one link or
/// route in a few hundred bytes.
const DATAGRAM_SIZE: usize = 64 * 1024;

/// How often a dump starts again because the table changed while the kernel walked it.
const DUMP_LIMIT: usize = 16;

/// A kind of netlink message: its number and its name in errors.
#[derive(Debug, Clone, Copy)]
pub(super) struct Call {
    pub name: &'static str,
    pub number: u16,
}

/// What the kernel sent back: the payloads, and whether the table changed meanwhile.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub payloads: Vec<Vec<u8>>,
    interrupted: bool,
}

/// A netlink socket in the network namespace in which it was opened.
#[derive(Debug)]
pub(super) struct Channel {
    socket: Socket,
    sequence: u32,
    datagram: Vec<u8>,
}

impl Channel {
    /// Opens a socket of `protocol`, close-on-exec, in the calling thread's network namespace.
    pub fn open(protocol: isize) -> Result<Self, NetError> {
        let failed = |call| move |error| NetError::from_io(call, "AF_NETLINK", &error);
        let mut socket = Socket::new(protocol).map_err(failed("socket"))?;
        socket
            .bind(&SocketAddr::new(0, 0))
            .map_err(failed("bind"))?;
        // These refine what the kernel says and nothing depends on them: CAP_ACK came with Linux 4.2,
        // EXT_ACK with 4.12, GET_STRICT_CHK with 4.20.
        let _ = socket.set_cap_ack(true);
        let _ = socket.set_ext_ack(true);
        let _ = socket.set_netlink_get_strict_chk(true);
        Ok(Self {
            socket,
            sequence: 0,
            datagram: vec![0; DATAGRAM_SIZE],
        })
    }

    /// Also receives the events of multicast `group` (`RTNLGRP_*`, rtnetlink(7)) from now on.
    pub fn subscribe(&self, group: u32) -> Result<(), NetError> {
        let failed = |error| NetError::from_io("setsockopt", "NETLINK_ADD_MEMBERSHIP", &error);
        self.socket.add_membership(group).map_err(failed)
    }

    /// Sends one request about `object` and returns what comes before its acknowledgement.
    pub fn request(
        &mut self,
        call: Call,
        flags: u16,
        object: &str,
        body: &impl Emitable,
    ) -> Result<Vec<Vec<u8>>, NetError> {
        let answer = self.send(call, NLM_F_REQUEST | NLM_F_ACK | flags, body);
        answer
            .map(|answer| answer.payloads)
            .map_err(|refusal| refusal.into_error(call.name, object))
    }

    /// Reads a whole table, again when it changed while the kernel walked it (`NLM_F_DUMP_INTR`).
    pub fn dump(&mut self, call: Call, body: &impl Emitable) -> Result<Vec<Vec<u8>>, NetError> {
        for _ in 0..DUMP_LIMIT {
            let answer = self
                .send(call, NLM_F_REQUEST | NLM_F_DUMP, body)
                .map_err(|refusal| refusal.into_error(call.name, ""))?;
            if !answer.interrupted {
                return Ok(answer.payloads);
            }
        }
        let error = NetError::new(call.name, "", Errno::EINTR);
        Err(error.because("the table kept changing while it was read"))
    }

    fn send(&mut self, call: Call, flags: u16, body: &impl Emitable) -> Result<Answer, Refusal> {
        let sequence = self.next_sequence();
        let datagram = encode(call.number, flags, sequence, body);
        self.exchange(&datagram, sequence, 1)
    }

    /// The number for the next message; never 0, which is what events carry.
    pub fn next_sequence(&mut self) -> u32 {
        self.sequence = self.sequence.wrapping_add(1).max(1);
        self.sequence
    }

    /// Sends `datagram` and gathers answers to its messages, `first` and later, until the kernel has closed
    /// `requests` of them.
    pub fn exchange(
        &mut self,
        datagram: &[u8],
        first: u32,
        requests: usize,
    ) -> Result<Answer, Refusal> {
        let refused = |errno| Refusal::new(first, errno);
        let sent = self.socket.send_to(datagram, &SocketAddr::new(0, 0), 0);
        sent.map_err(|error| refused(errno_of(&error)))?;
        let mut answer = Answer::default();
        let mut closed = 0;
        while closed < requests {
            let Some(length) = self.receive().map_err(refused)? else {
                return Err(refused(Errno::EPROTO).because(&"the kernel did not answer"));
            };
            for message in messages(&self.datagram[..length]) {
                let message = message.map_err(|error| refused(Errno::EBADMSG).because(&error))?;
                let ours = message.sequence >= first && message.sequence <= self.sequence;
                if ours && answer.take(&message)? {
                    closed += 1;
                }
            }
        }
        Ok(answer)
    }

    /// Hands every event that waits to `take`. False when the kernel had to drop some (`ENOBUFS`), so that the
    /// one waited for may never come.
    pub fn drain(&mut self, mut take: impl FnMut(&Message<'_>)) -> Result<bool, Errno> {
        let mut complete = true;
        loop {
            match self.receive() {
                Ok(None) => return Ok(complete),
                Ok(Some(length)) => messages(&self.datagram[..length])
                    .filter_map(Result::ok)
                    .for_each(|message| take(&message)),
                Err(Errno::ENOBUFS) => complete = false,
                Err(errno) => return Err(errno),
            }
        }
    }

    /// Waits for an event; false when `deadline` came first.
    pub fn wait(&self, deadline: Instant) -> Result<bool, Errno> {
        poll::readable(self.socket.as_fd(), deadline)
    }

    /// The length of the next datagram in `self.datagram`, `None` when the queue is empty.
    fn receive(&mut self) -> Result<Option<usize>, Errno> {
        loop {
            let flags = libc::MSG_DONTWAIT | libc::MSG_TRUNC;
            let received = self.socket.recv_from(&mut &mut self.datagram[..], flags);
            match received {
                // Other processes may write to this socket as well; only the kernel is port 0.
                Ok((_, sender)) if sender.port_number() != 0 => {}
                Ok((length, _)) if length > self.datagram.len() => return Err(Errno::EMSGSIZE),
                Ok((length, _)) => return Ok(Some(length)),
                Err(error) => match errno_of(&error) {
                    Errno::EINTR => {}
                    Errno::EAGAIN => return Ok(None),
                    errno => return Err(errno),
                },
            }
        }
    }
}

impl Answer {
    /// Takes one message in; true when it closes its request.
    fn take(&mut self, message: &Message<'_>) -> Result<bool, Refusal> {
        self.interrupted |= message.flags & NLM_F_DUMP_INTR != 0;
        match message.message_type {
            NLMSG_ERROR | NLMSG_DONE => message.status().map(|()| true),
            NLMSG_NOOP => Ok(false),
            NLMSG_OVERRUN => Err(Refusal::new(message.sequence, Errno::ENOBUFS)),
            _ => {
                self.payloads.push(message.payload.to_vec());
                Ok(false)
            }
        }
    }
}

/// One message as bytes, padded so that another may follow.
pub(super) fn encode(
    message_type: u16,
    flags: u16,
    sequence: u32,
    body: &impl Emitable,
) -> Vec<u8> {
    let length = super::message::HEADER_SIZE + body.buffer_len();
    let mut bytes = vec![0; length.next_multiple_of(4)];
    let mut buffer = NetlinkBuffer::new(&mut bytes[..]);
    // A body is at most a few names and addresses long, each of them checked before.
    buffer.set_length(u32::try_from(length).unwrap_or(u32::MAX));
    buffer.set_message_type(message_type);
    buffer.set_flags(flags);
    buffer.set_sequence_number(sequence);
    body.emit(&mut bytes[super::message::HEADER_SIZE..length]);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(message_type: u16, flags: u16) -> Message<'static> {
        Message {
            message_type,
            flags,
            sequence: 1,
            payload: &[0; 4],
        }
    }

    #[test]
    fn an_answer_ends_with_its_acknowledgement_and_remembers_an_interruption() {
        let mut answer = Answer::default();
        assert_eq!(answer.take(&message(16, NLM_F_DUMP_INTR)), Ok(false));
        assert_eq!(answer.take(&message(NLMSG_NOOP, 0)), Ok(false));
        assert_eq!(answer.take(&message(NLMSG_DONE, 0)), Ok(true));
        assert_eq!(answer.payloads, [[0; 4]]);
        assert!(answer.interrupted);
        let lost = answer.take(&message(NLMSG_OVERRUN, 0));
        assert_eq!(lost, Err(Refusal::new(1, Errno::ENOBUFS)));
    }

    #[test]
    fn sequence_numbers_are_never_those_of_events() {
        let mut channel = Channel::open(netlink_sys::protocols::NETLINK_ROUTE).unwrap();
        channel.sequence = u32::MAX;
        assert_eq!(channel.next_sequence(), 1);
        assert_eq!(channel.next_sequence(), 2);
    }

    const ROUTE: isize = netlink_sys::protocols::NETLINK_ROUTE;
    const GETLINK: Call = Call {
        name: "RTM_GETLINK",
        number: libc::RTM_GETLINK,
    };

    fn lo() -> netlink_packet_route::link::LinkMessage {
        let mut message = netlink_packet_route::link::LinkMessage::default();
        message.header.index = 1;
        message
    }

    #[test]
    fn a_datagram_that_was_cut_off_is_an_error() {
        let mut channel = Channel::open(ROUTE).unwrap();
        let answer = channel.request(GETLINK, 0, "lo", &lo()).unwrap();
        let length = super::super::message::HEADER_SIZE + answer[0].len();
        for (room, answered) in [(length, Ok(1)), (length - 1, Err(Errno::EMSGSIZE))] {
            let mut channel = Channel::open(ROUTE).unwrap();
            channel.datagram.truncate(room);
            let answer = channel.request(GETLINK, 0, "lo", &lo());
            let answer = answer.map(|payloads| payloads.len());
            assert_eq!(answer.map_err(|error| error.errno), answered, "{room}");
        }
    }

    #[test]
    fn what_another_process_sends_is_not_the_kernels() {
        crate::sys::test_namespaces::in_own_namespaces(|| {
            let mut channel = Channel::open(ROUTE).unwrap();
            let mut port = SocketAddr::new(0, 0);
            channel.socket.get_address(&mut port).unwrap();
            let other = Socket::new(ROUTE).unwrap();
            let event = encode(libc::RTM_NEWLINK, 0, 0, &lo());
            assert_eq!(other.send_to(&event, &port, 0).unwrap(), event.len());
            let mut events = 0;
            assert_eq!(channel.drain(|_| events += 1), Ok(true));
            assert_eq!(events, 0);
        });
    }
}
