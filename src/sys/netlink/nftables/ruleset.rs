//! What a rule set consists of, in the words of nft(8).

use serde::{Deserialize, Serialize};

/// Which packets a table sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Family {
    /// IPv4.
    Ip,
    /// IPv6.
    Ip6,
    /// Both.
    Inet,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 3] = [Self::Ip, Self::Ip6, Self::Inet];

    /// Its name in nft(8).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ip => "ip",
            Self::Ip6 => "ip6",
            Self::Inet => "inet",
        }
    }

    /// `NFPROTO_*`.
    pub(super) fn number(self) -> u8 {
        match self {
            Self::Inet => 1,
            Self::Ip => 2,
            Self::Ip6 => 10,
        }
    }

    /// The one of that number.
    pub(super) fn of(number: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.number() == number)
    }
}

/// Where on its way through the kernel a packet meets a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Hook {
    /// Packets for this host.
    Input,
    /// Packets on their way through it.
    Forward,
    /// Packets that a process of it sends.
    Output,
}

impl Hook {
    /// Every hook.
    pub const ALL: [Self; 3] = [Self::Input, Self::Forward, Self::Output];

    /// Its name in nft(8).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Input => "input",
            Self::Forward => "forward",
            Self::Output => "output",
        }
    }

    /// `NF_INET_*`.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Input => 1,
            Self::Forward => 2,
            Self::Output => 3,
        }
    }

    /// The one of that number.
    pub(super) fn of(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.number() == number)
    }
}

/// What happens to a packet that no rule decides about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// It goes on.
    Accept,
    /// It is dropped; a process that sends it gets `EPERM`.
    Drop,
}

impl Policy {
    /// Every policy.
    pub const ALL: [Self; 2] = [Self::Accept, Self::Drop];

    /// Its name in nft(8).
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Accept => "accept",
            Self::Drop => "drop",
        }
    }

    /// `NF_DROP` and `NF_ACCEPT`.
    pub(super) fn number(self) -> u32 {
        match self {
            Self::Drop => 0,
            Self::Accept => 1,
        }
    }

    /// The one of that number.
    pub(super) fn of(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.number() == number)
    }
}

/// A container of chains.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Table {
    /// Which packets its chains see.
    pub family: Family,
    /// Its name, unique in its family and network namespace.
    pub name: String,
}

/// A chain of type filter at a hook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaseChain {
    /// The table that it is in.
    pub table: Table,
    /// Its name, unique in its table.
    pub name: String,
    /// Where packets meet it.
    pub hook: Hook,
    /// Its place among the chains of a hook, lowest first; 0 is nft's `filter`.
    pub priority: i32,
    /// What happens to the packets that reach its end.
    pub policy: Policy,
}
