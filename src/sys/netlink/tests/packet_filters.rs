//! nf_tables.

use super::super::nftables::{BaseChain, Change, Family, Hook, Nftables, Policy, Table};
use super::*;
use crate::sys::test_namespaces::{drop_capability, in_own_namespaces};

const CAP_NET_ADMIN: u32 = 12;

#[test]
fn packet_filters_are_added_at_once_or_not_at_all() {
    in_own_namespaces(|| {
        let mut nftables = Nftables::open().unwrap();
        if let Err(error) = nftables.tables() {
            println!("skipped: {error}");
            return;
        }
        assert_eq!(nftables.tables().unwrap(), []);
        let table = Table {
            family: Family::Inet,
            name: "filter".into(),
        };
        let chain = BaseChain {
            table: table.clone(),
            name: "output".into(),
            hook: Hook::Output,
            priority: -5,
            policy: Policy::Drop,
        };
        let orphan = BaseChain {
            table: Table {
                family: Family::Ip,
                name: "none".into(),
            },
            ..chain.clone()
        };
        let add_table = Change::AddTable(table.clone());
        let orphan = Change::AddChain(orphan);
        let failed = nftables.commit(&[add_table.clone(), orphan.clone(), orphan]);
        let failed = failed.unwrap_err();
        assert_eq!(
            (failed.call, failed.errno),
            ("NFT_MSG_NEWCHAIN", Errno::ENOENT)
        );
        assert_eq!(failed.object, "output");
        // The second refusal still waits; it is no answer to the next question.
        assert_eq!(nftables.tables().unwrap(), []);

        let changes = [add_table, Change::AddChain(chain.clone())];
        nftables.commit(&changes).unwrap();
        nftables.commit(&changes).unwrap();
        assert_eq!(nftables.tables().unwrap(), [table]);
        assert_eq!(nftables.base_chains().unwrap(), vec![chain.clone()]);
        nftables.commit(&[]).unwrap();

        let moved = BaseChain {
            hook: Hook::Input,
            ..chain
        };
        let refused = nftables.commit(&[Change::AddChain(moved)]).unwrap_err();
        // Older kernels say EEXIST.
        assert!([Errno::EOPNOTSUPP, Errno::EEXIST].contains(&refused.errno));
    });
}

#[test]
fn a_name_that_netlink_cannot_carry_is_refused() {
    let mut nftables = Nftables::open().unwrap();
    let table = |name: &str| Table {
        family: Family::Inet,
        name: name.into(),
    };
    let chain = |of: &str, name: &str| BaseChain {
        table: table(of),
        name: name.into(),
        hook: Hook::Output,
        priority: 0,
        policy: Policy::Accept,
    };
    for wrong in ["", "a\0b", &"x".repeat(256)] {
        for change in [
            Change::AddTable(table(wrong)),
            Change::AddChain(chain(wrong, "output")),
            Change::AddChain(chain("filter", wrong)),
        ] {
            let refused = nftables.commit(&[change]).unwrap_err();
            assert_eq!(refused.errno, Errno::EINVAL);
            let message = refused.message.unwrap();
            assert_eq!(message, "a name has 1 to 255 bytes");
        }
    }
}

#[test]
fn without_cap_net_admin_a_batch_is_refused_as_a_whole() {
    in_own_namespaces(|| {
        drop_capability(CAP_NET_ADMIN);
        let table = Table {
            family: Family::Ip,
            name: "filter".into(),
        };
        let mut nftables = Nftables::open().unwrap();
        let error = nftables.commit(&[Change::AddTable(table)]).unwrap_err();
        assert_eq!(
            (error.call, error.errno),
            ("NFNL_MSG_BATCH_BEGIN", Errno::EPERM)
        );
    });
}
