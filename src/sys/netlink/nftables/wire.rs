//! Tables and chains as bytes: `struct nfgenmsg` and the attributes of nf_tables.h, numbers in network order.

use netlink_packet_core::{DecodeError, DefaultNla, Emitable, NLA_F_NESTED, parse_u32_be};

use super::super::attribute::{attributes, text};
use super::{BaseChain, Family, Hook, Policy, Table};

const NFTA_TABLE_NAME: u16 = 1;
const NFTA_CHAIN_TABLE: u16 = 1;
const NFTA_CHAIN_NAME: u16 = 3;
const NFTA_CHAIN_HOOK: u16 = 4;
const NFTA_CHAIN_POLICY: u16 = 5;
const NFTA_CHAIN_TYPE: u16 = 7;
const NFTA_HOOK_HOOKNUM: u16 = 1;
const NFTA_HOOK_PRIORITY: u16 = 2;

/// Size of `struct nfgenmsg` in bytes.
const HEADER_SIZE: usize = 4;

/// The type of the only chains that are made and listed here.
const FILTER: &str = "filter";

/// A message of nfnetlink: family, version 0, a resource number, then attributes.
pub(super) struct Body {
    header: [u8; HEADER_SIZE],
    attributes: Vec<DefaultNla>,
}

impl Body {
    fn new(family: Family, attributes: Vec<DefaultNla>) -> Self {
        let header = [family.number(), 0, 0, 0];
        Self { header, attributes }
    }

    /// Begins and ends a batch for `subsystem`.
    pub fn batch(subsystem: u8) -> Self {
        Self {
            header: [0, 0, 0, subsystem],
            attributes: Vec::new(),
        }
    }

    /// Asks for the entries of all families.
    pub fn everything() -> Self {
        Self::batch(0)
    }
}

impl Emitable for Body {
    fn buffer_len(&self) -> usize {
        HEADER_SIZE + self.attributes.as_slice().buffer_len()
    }

    fn emit(&self, buffer: &mut [u8]) {
        let (header, attributes) = buffer.split_at_mut(HEADER_SIZE);
        header.copy_from_slice(&self.header);
        self.attributes.as_slice().emit(attributes);
    }
}

/// What makes a table.
pub(super) fn table(table: &Table) -> Body {
    Body::new(table.family, vec![string(NFTA_TABLE_NAME, &table.name)])
}

/// What makes a chain at a hook.
pub(super) fn chain(chain: &BaseChain) -> Body {
    let hook = [
        number(NFTA_HOOK_HOOKNUM, chain.hook.number()),
        DefaultNla::new(NFTA_HOOK_PRIORITY, chain.priority.to_be_bytes().into()),
    ];
    let mut nested = vec![0; hook.as_slice().buffer_len()];
    hook.as_slice().emit(&mut nested);
    let attributes = vec![
        string(NFTA_CHAIN_TABLE, &chain.table.name),
        string(NFTA_CHAIN_NAME, &chain.name),
        DefaultNla::new(NFTA_CHAIN_HOOK | NLA_F_NESTED, nested),
        number(NFTA_CHAIN_POLICY, chain.policy.number()),
        string(NFTA_CHAIN_TYPE, FILTER),
    ];
    Body::new(chain.table.family, attributes)
}

fn string(kind: u16, value: &str) -> DefaultNla {
    DefaultNla::new(kind, [value.as_bytes(), &[0]].concat())
}

fn number(kind: u16, value: u32) -> DefaultNla {
    DefaultNla::new(kind, value.to_be_bytes().into())
}

/// Reads an `NFT_MSG_NEWTABLE`; `None` for a table of another family.
pub(super) fn parse_table(payload: &[u8]) -> Result<Option<Table>, DecodeError> {
    let (family, rest) = split_header(payload)?;
    let mut name = String::new();
    for attribute in attributes(rest) {
        let (kind, value) = attribute?;
        if kind == NFTA_TABLE_NAME {
            name = text(value);
        }
    }
    Ok(family.map(|family| Table { family, name }))
}

/// Reads an `NFT_MSG_NEWCHAIN`; `None` for a chain of another family, hook or type, or of no hook.
pub(super) fn parse_chain(payload: &[u8]) -> Result<Option<BaseChain>, DecodeError> {
    let (family, rest) = split_header(payload)?;
    let (mut table, mut name) = (String::new(), String::new());
    let (mut hook, mut policy, mut is_filter) = (None, None, false);
    for attribute in attributes(rest) {
        let (kind, value) = attribute?;
        match kind {
            NFTA_CHAIN_TABLE => table = text(value),
            NFTA_CHAIN_NAME => name = text(value),
            NFTA_CHAIN_HOOK => hook = parse_hook(value)?,
            NFTA_CHAIN_POLICY => policy = Policy::of(parse_u32_be(value)?),
            NFTA_CHAIN_TYPE => is_filter = text(value) == FILTER,
            _ => {}
        }
    }
    let (Some(family), Some((hook, priority)), Some(policy), true) =
        (family, hook, policy, is_filter)
    else {
        return Ok(None);
    };
    let table = Table {
        family,
        name: table,
    };
    Ok(Some(BaseChain {
        table,
        name,
        hook,
        priority,
        policy,
    }))
}

fn split_header(payload: &[u8]) -> Result<(Option<Family>, &[u8]), DecodeError> {
    let short = || DecodeError::buffer_too_small(payload.len(), HEADER_SIZE);
    let (header, rest) = payload.split_at_checked(HEADER_SIZE).ok_or_else(short)?;
    Ok((Family::of(header[0]), rest))
}

fn parse_hook(nested: &[u8]) -> Result<Option<(Hook, i32)>, DecodeError> {
    let (mut hook, mut priority) = (None, 0);
    for attribute in attributes(nested) {
        let (kind, value) = attribute?;
        match kind {
            NFTA_HOOK_HOOKNUM => hook = Hook::of(parse_u32_be(value)?),
            NFTA_HOOK_PRIORITY => priority = parse_u32_be(value)?.cast_signed(),
            _ => {}
        }
    }
    Ok(hook.map(|hook| (hook, priority)))
}

#[cfg(test)]
mod tests {
    use super::super::super::attribute::tests::nla;
    use super::*;

    fn bytes(body: &Body) -> Vec<u8> {
        let mut bytes = vec![0; body.buffer_len()];
        body.emit(&mut bytes);
        bytes
    }

    fn output() -> BaseChain {
        BaseChain {
            table: Table {
                family: Family::Inet,
                name: "filter".into(),
            },
            name: "output".into(),
            hook: Hook::Output,
            priority: -150,
            policy: Policy::Drop,
        }
    }

    #[test]
    fn builds_a_table_and_a_chain_as_nft_does() {
        let expected = [&[1, 0, 0, 0][..], &nla(1, b"filter\0")].concat();
        assert_eq!(bytes(&table(&output().table)), expected);
        let hook = [nla(1, &[0, 0, 0, 3]), nla(2, &[0xff, 0xff, 0xff, 0x6a])].concat();
        let expected = [
            &[1, 0, 0, 0][..],
            &nla(1, b"filter\0"),
            &nla(3, b"output\0"),
            &nla(4 | NLA_F_NESTED, &hook),
            &nla(5, &[0, 0, 0, 0]),
            &nla(7, b"filter\0"),
        ];
        assert_eq!(bytes(&chain(&output())), expected.concat());
        assert_eq!(bytes(&Body::batch(10)), [0, 0, 0, 10]);
    }

    #[test]
    fn reads_what_it_builds() {
        let table_bytes = bytes(&table(&output().table));
        assert_eq!(parse_table(&table_bytes).unwrap(), Some(output().table));
        assert_eq!(
            parse_chain(&bytes(&chain(&output()))).unwrap(),
            Some(output())
        );
    }

    #[test]
    fn leaves_out_what_it_has_no_words_for() {
        let mut other = bytes(&chain(&output()));
        other[0] = 7;
        assert_eq!(parse_chain(&other).unwrap(), None);
        let regular = [&[1, 0, 0, 0][..], &nla(3, b"mine\0")].concat();
        assert_eq!(parse_chain(&regular).unwrap(), None);
        let table = [&[3, 0, 0, 0][..], &nla(1, b"arp\0")].concat();
        assert_eq!(parse_table(&table).unwrap(), None);
    }

    #[test]
    fn malformed_answers_are_errors() {
        assert!(parse_table(&[1, 0, 0]).is_err());
        assert!(parse_chain(&[&[1, 0, 0, 0][..], &nla(5, &[1])].concat()).is_err());
        assert!(parse_chain(&[1, 0, 0, 0, 9, 0, 3, 0]).is_err());
    }
}
