//! Packet filters by nf_tables, as far as it takes to show that every network namespace has its own.
//!
//! Protocol: linux/netfilter/nfnetlink.h and nf_tables.h, and Documentation/netlink/specs/nftables.yaml.
//! Needs neither the `nft` program nor a lock file.

mod ruleset;
mod wire;

use netlink_packet_core::{DecodeError, NLM_F_ACK, NLM_F_CREATE, NLM_F_REQUEST};
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;

use super::channel::{Call, Channel, encode};
use super::decoded;
use super::error::NetError;
use super::message::Refusal;
pub use ruleset::{BaseChain, Family, Hook, Policy, Table};
use wire::Body;

const SUBSYSTEM: u8 = 10;
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;

const NEWTABLE: Call = call("NFT_MSG_NEWTABLE", 0);
const GETTABLE: Call = call("NFT_MSG_GETTABLE", 1);
const NEWCHAIN: Call = call("NFT_MSG_NEWCHAIN", 3);
const GETCHAIN: Call = call("NFT_MSG_GETCHAIN", 4);

/// `NFT_NAME_MAXLEN` without the NUL, in bytes.
const NAME_MAX: usize = 255;

const fn call(name: &'static str, message: u8) -> Call {
    let number = u16::from_be_bytes([SUBSYSTEM, message]);
    Call { name, number }
}

/// One change of the rule set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// `add table`: nothing happens when it exists.
    AddTable(Table),
    /// `add chain`: when it exists, only its policy changes.
    AddChain(BaseChain),
}

/// The packet filters of one network namespace: the calling thread's when it was opened.
#[derive(Debug)]
pub struct Nftables {
    channel: Channel,
}

impl Nftables {
    /// Opens a socket, close-on-exec, in the calling thread's network namespace.
    ///
    /// # Errors
    /// `EPROTONOSUPPORT` when the kernel has no nfnetlink.
    pub fn open() -> Result<Self, NetError> {
        let channel = Channel::open(NETLINK_NETFILTER)?;
        Ok(Self { channel })
    }

    /// Makes all the changes, or none of them.
    ///
    /// # Errors
    /// They name the change at fault: `ENOENT` for a table that is not there, `EOPNOTSUPP` (`EEXIST` from older
    /// kernels) for a chain that is there at another hook or priority. `EOPNOTSUPP` for the batch as a whole when
    /// the kernel has no nf_tables; `EPERM` without CAP_NET_ADMIN.
    pub fn commit(&mut self, changes: &[Change]) -> Result<(), NetError> {
        changes.iter().try_for_each(Change::check)?;
        let (first, batch) = self.batch(changes);
        match self.channel.exchange(&batch, first, changes.len()) {
            Ok(_) => Ok(()),
            Err(refusal) => Err(blame(changes, first, refusal)),
        }
    }

    /// The changes between the two messages that make a transaction of them, and the number of the first one.
    fn batch(&mut self, changes: &[Change]) -> (u32, Vec<u8>) {
        let subsystem = Body::batch(SUBSYSTEM);
        let first = self.channel.next_sequence();
        let mut batch = encode(BATCH_BEGIN, NLM_F_REQUEST, first, &subsystem);
        for change in changes {
            let flags = NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE;
            let sequence = self.channel.next_sequence();
            let message = encode(change.call().number, flags, sequence, &change.body());
            batch.extend(message);
        }
        let last = self.channel.next_sequence();
        batch.extend(encode(BATCH_END, NLM_F_REQUEST, last, &subsystem));
        (first, batch)
    }

    /// The tables of families ip, ip6 and inet, by family and name.
    ///
    /// # Errors
    /// As for [`Nftables::commit`].
    pub fn tables(&mut self) -> Result<Vec<Table>, NetError> {
        let mut tables = self.dump(GETTABLE, wire::parse_table)?;
        tables.sort();
        Ok(tables)
    }

    /// The filter chains at a [`Hook`] in those tables, by table, hook and priority.
    ///
    /// # Errors
    /// As for [`Nftables::commit`].
    pub fn base_chains(&mut self) -> Result<Vec<BaseChain>, NetError> {
        let mut chains = self.dump(GETCHAIN, wire::parse_chain)?;
        chains.sort_by_key(|c| (c.table.clone(), c.hook, c.priority, c.name.clone()));
        Ok(chains)
    }

    fn dump<T>(&mut self, call: Call, parse: Parse<T>) -> Result<Vec<T>, NetError> {
        let payloads = self.channel.dump(call, &Body::everything())?;
        let parsed = payloads
            .iter()
            .map(|payload| decoded(call, "", parse(payload)));
        parsed.filter_map(Result::transpose).collect()
    }
}

/// Names the change that was refused. What is wrong with the batch as a whole, the kernel says under the number
/// of its beginning.
fn blame(changes: &[Change], first: u32, refusal: Refusal) -> NetError {
    let index = refusal.sequence.wrapping_sub(first).wrapping_sub(1);
    let change = usize::try_from(index).ok().and_then(|i| changes.get(i));
    match change {
        Some(change) => refusal.into_error(change.call().name, change.name()),
        None => refusal.into_error("NFNL_MSG_BATCH_BEGIN", "nftables"),
    }
}

type Parse<T> = fn(&[u8]) -> Result<Option<T>, DecodeError>;

impl Change {
    fn call(&self) -> Call {
        match self {
            Self::AddTable(_) => NEWTABLE,
            Self::AddChain(_) => NEWCHAIN,
        }
    }

    fn name(&self) -> &str {
        match self {
            Self::AddTable(table) => &table.name,
            Self::AddChain(chain) => &chain.name,
        }
    }

    /// Refuses a name that a netlink string cannot carry as it is.
    fn check(&self) -> Result<(), NetError> {
        let table = match self {
            Self::AddTable(table) => table,
            Self::AddChain(chain) => &chain.table,
        };
        for name in [&table.name, self.name()] {
            if !(1..=NAME_MAX).contains(&name.len()) || name.contains('\0') {
                let object = name.escape_default().to_string();
                let error = NetError::new(self.call().name, object, Errno::EINVAL);
                return Err(error.because(format!("a name has 1 to {NAME_MAX} bytes")));
            }
        }
        Ok(())
    }

    fn body(&self) -> Body {
        match self {
            Self::AddTable(table) => wire::table(table),
            Self::AddChain(chain) => wire::chain(chain),
        }
    }
}
