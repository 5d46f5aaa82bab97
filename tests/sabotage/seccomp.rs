//! System call filters, as an outer container has them: seccomp(2).

#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::sync::Arc;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

use super::breaks::Break;

/// Each of these calls answers with this errno; with 0 it says that all went well, and nothing is done.
pub fn refuse(calls: &[i64], errno: i32) -> Break {
    let rules = calls.iter().map(|call| (*call, Vec::new())).collect();
    install(rules, errno)
}

/// clone(2) with a namespace answers with this errno. A filter cannot look into the arguments of clone3(2), so that one
/// has to be ENOSYS, for a caller to fall back on clone(2): what container runtimes do.
pub fn refuse_namespaces(errno: i32) -> Break {
    let flags = [
        libc::CLONE_NEWNS,
        libc::CLONE_NEWUTS,
        libc::CLONE_NEWIPC,
        libc::CLONE_NEWUSER,
        libc::CLONE_NEWPID,
        libc::CLONE_NEWNET,
        libc::CLONE_NEWCGROUP,
    ];
    let has = |flag: &i32| {
        condition(
            0,
            SeccompCmpOp::MaskedEq(u64::from(flag.cast_unsigned())),
            *flag,
        )
    };
    let rules = BTreeMap::from([(libc::SYS_clone, flags.iter().map(has).collect())]);
    let (clone, clone3) = (
        install(rules, errno),
        refuse(&[libc::SYS_clone3], libc::ENOSYS),
    );
    Arc::new(move || clone3().and_then(|()| clone()))
}

/// The call answers with this errno when its argument of this number, from 0, has this value.
pub fn refuse_argument(call: i64, argument: u8, value: i32, errno: i32) -> Break {
    install(
        BTreeMap::from([(call, vec![condition(argument, SeccompCmpOp::Eq, value)])]),
        errno,
    )
}

fn condition(argument: u8, how: SeccompCmpOp, value: i32) -> SeccompRule {
    let value = u64::from(value.cast_unsigned());
    let condition = SeccompCondition::new(argument, SeccompCmpArgLen::Dword, how, value);
    SeccompRule::new(vec![condition.unwrap()]).unwrap()
}

fn install(rules: BTreeMap<i64, Vec<SeccompRule>>, errno: i32) -> Break {
    let answer = SeccompAction::Errno(errno.cast_unsigned());
    let architecture = std::env::consts::ARCH.try_into().unwrap();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, answer, architecture).unwrap();
    let program: BpfProgram = filter.try_into().unwrap();
    Arc::new(move || {
        let filter = libc::sock_fprog {
            len: u16::try_from(program.len()).unwrap_or(0),
            filter: program.as_ptr().cast::<libc::sock_filter>().cast_mut(),
        };
        // Not by the crate's own function, which also sets no_new_privs: that is a break of its own.
        // SAFETY: the filter is valid, its instructions have the layout of sock_filter, and the kernel copies them.
        let result = unsafe {
            libc::prctl(
                libc::PR_SET_SECCOMP,
                libc::SECCOMP_MODE_FILTER,
                &raw const filter,
            )
        };
        nix::errno::Errno::result(result).map(drop)?;
        Ok(())
    })
}
