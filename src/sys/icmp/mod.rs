//! Reaching another host, as `ping(8)` does, without a program that the host may lack.

mod echo;

use std::fs;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::{IpAddr, SocketAddr, SocketAddrV6};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrStorage, recv, sendto,
    socket,
};
use nix::unistd::getegid;

use super::netlink::NetError;
use super::poll;
use echo::{Echo, Version, without_ipv4_header};

/// Which groups may open an ICMP socket without CAP_NET_RAW, for IPv6 as well: icmp(7).
const PING_GROUP_RANGE: &str = "/proc/sys/net/ipv4/ping_group_range";

/// Whether this program may change `net.ipv4.ping_group_range` where that is needed to ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PingGroupRange {
    /// The network namespace is the host's: its settings stay.
    Keep,
    /// The network namespace is this program's own, and the setting ends with it.
    Widen,
}

/// How to ping.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How many requests to send, each after the reply to the one before or its time limit.
    pub count: u16,
    /// How long to wait for each reply. One that comes later counts as lost.
    pub timeout: Duration,
    /// The link that a link-local IPv6 address is on, by index; 0 for all other addresses.
    pub scope_id: u32,
    /// What may be done to get a socket where raw ones are forbidden.
    pub ping_group_range: PingGroupRange,
}

/// What came back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ping {
    /// How many requests were sent.
    pub transmitted: u16,
    /// How many of them were answered in time.
    pub received: u16,
    /// The time from request to reply, one for each that was received.
    pub rtts: Vec<Duration>,
}

/// Sends echo requests to `target` from the calling thread's network namespace.
///
/// # Errors
/// A lost packet is none. A request that cannot be sent is: `EPERM` when a packet filter of this namespace drops
/// it, `ENETUNREACH` without a route. So is no socket: `EPERM` without CAP_NET_RAW, when the process's group is
/// not in `net.ipv4.ping_group_range` either.
pub fn ping(target: IpAddr, options: &Options) -> Result<Ping, NetError> {
    let mut pinger = Pinger::open(target, options)?;
    let mut ping = Ping {
        transmitted: 0,
        received: 0,
        rtts: Vec::new(),
    };
    for sequence in 1..=options.count {
        let sent = Instant::now();
        pinger.send(sequence)?;
        ping.transmitted += 1;
        if pinger.receive(sequence, sent + options.timeout)? {
            ping.received += 1;
            ping.rtts.push(sent.elapsed());
        }
    }
    Ok(ping)
}

/// An ICMP socket, and what its requests have in common.
#[derive(Debug)]
struct Pinger {
    socket: OwnedFd,
    kind: SockType,
    version: Version,
    target: SocketAddr,
    identifier: u16,
    cookie: [u8; 8],
}

impl Pinger {
    fn open(target: IpAddr, options: &Options) -> Result<Self, NetError> {
        let (version, target) = match target {
            IpAddr::V4(_) => (Version::V4, SocketAddr::new(target, 0)),
            IpAddr::V6(ip) => {
                let target = SocketAddrV6::new(ip, 0, 0, options.scope_id);
                (Version::V6, target.into())
            }
        };
        let (socket, kind) = open_socket(version, options.ping_group_range)?;
        let cookie = RandomState::new().build_hasher().finish().to_be_bytes();
        Ok(Self {
            socket,
            kind,
            version,
            target,
            // A raw socket gets the replies to everybody's requests, and all workers have the same process
            // number in their own PID namespaces: only chance keeps them apart.
            identifier: u16::from_be_bytes([cookie[0], cookie[1]]),
            cookie,
        })
    }

    fn echo(&self, sequence: u16) -> Echo {
        Echo {
            identifier: self.identifier,
            sequence,
            cookie: self.cookie,
        }
    }

    fn send(&self, sequence: u16) -> Result<(), NetError> {
        let request = self.echo(sequence).request(self.version);
        let target = SockaddrStorage::from(self.target);
        loop {
            match sendto(
                self.socket.as_raw_fd(),
                &request,
                &target,
                MsgFlags::empty(),
            ) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(self.failed("sendto", errno)),
            }
        }
    }

    /// Waits for the reply to request number `sequence`; false when it did not come in time.
    fn receive(&mut self, sequence: u16, deadline: Instant) -> Result<bool, NetError> {
        let mut packet = [0; 2048];
        loop {
            let readable = poll::readable(self.socket.as_fd(), deadline);
            if !readable.map_err(|errno| self.failed("ppoll", errno))? {
                return Ok(false);
            }
            match recv(self.socket.as_raw_fd(), &mut packet, MsgFlags::MSG_DONTWAIT) {
                Ok(length) if self.is_reply(&packet[..length], sequence) => return Ok(true),
                Ok(_) => {}
                Err(Errno::EAGAIN | Errno::EINTR) => {}
                Err(errno) => return Err(self.failed("recv", errno)),
            }
            // Packets of others must not keep this loop alive past its time.
            if Instant::now() >= deadline {
                return Ok(false);
            }
        }
    }

    fn is_reply(&self, packet: &[u8], sequence: u16) -> bool {
        let message = match (self.kind, self.version) {
            (SockType::Raw, Version::V4) => without_ipv4_header(packet),
            _ => Some(packet),
        };
        let Some(reply) = message.and_then(|message| Echo::reply(self.version, message)) else {
            return false;
        };
        // The kernel gives a datagram socket an identifier of its own and hands out replies by it.
        let identifier = match self.kind {
            SockType::Raw => self.identifier,
            _ => reply.identifier,
        };
        let expected = Echo {
            identifier,
            ..self.echo(sequence)
        };
        reply == expected
    }

    fn failed(&self, call: &'static str, errno: Errno) -> NetError {
        NetError::new(call, self.target.ip().to_string(), errno)
    }
}

/// A raw socket, else a datagram one.
fn open_socket(version: Version, range: PingGroupRange) -> Result<(OwnedFd, SockType), NetError> {
    let raw = match icmp_socket(version, SockType::Raw) {
        Ok(socket) => return Ok((socket, SockType::Raw)),
        Err(errno) => NetError::new("socket", "SOCK_RAW", errno),
    };
    let mut datagram = icmp_socket(version, SockType::Datagram);
    if matches!(datagram, Err(Errno::EACCES)) && range == PingGroupRange::Widen {
        widen_ping_group_range()?;
        datagram = icmp_socket(version, SockType::Datagram);
    }
    match datagram {
        Ok(socket) => Ok((socket, SockType::Datagram)),
        Err(errno) => Err(raw.because(format!("and with SOCK_DGRAM {errno}"))),
    }
}

fn icmp_socket(version: Version, kind: SockType) -> Result<OwnedFd, Errno> {
    let (family, protocol) = match version {
        Version::V4 => (AddressFamily::Inet, SockProtocol::Icmp),
        Version::V6 => (AddressFamily::Inet6, SockProtocol::IcmpV6),
    };
    socket(family, kind, SockFlag::SOCK_CLOEXEC, protocol)
}

/// Lets this process's group ping. A wider range would name groups that a user namespace does not map,
/// which the kernel refuses with EINVAL.
fn widen_ping_group_range() -> Result<(), NetError> {
    let group = getegid();
    let written = fs::write(PING_GROUP_RANGE, format!("{group} {group}"));
    written.map_err(|error| NetError::from_io("write", PING_GROUP_RANGE, &error))
}

#[cfg(test)]
mod tests;
