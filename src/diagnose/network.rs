//! Links and protocols that are not there.

use super::modules::{Part, missing};
use super::{Diagnosis, Facts, Symptom};

/// Kinds of links, as a step names them, with their modules and options.
const LINKS: [(&str, &str, &str); 5] = [
    ("veth", "veth", "CONFIG_VETH"),
    ("bridge", "bridge", "CONFIG_BRIDGE"),
    ("vxlan", "vxlan", "CONFIG_VXLAN"),
    ("macvlan", "macvlan", "CONFIG_MACVLAN"),
    ("dummy", "dummy", "CONFIG_DUMMY"),
];

const NF_TABLES: Part<'_> = Part {
    what: "the packet filter nf_tables",
    module: "nf_tables",
    option: "CONFIG_NF_TABLES",
};

const IPV6: Part<'_> = Part {
    what: "IPv6",
    module: "ipv6",
    option: "CONFIG_IPV6",
};

pub fn diagnose(symptom: &Symptom<'_>, facts: &Facts) -> Option<Diagnosis> {
    if symptom.calls(&["RTM_NEWLINK"]) && symptom.is(&["EOPNOTSUPP", "ENODEV", "ENOTSUP"]) {
        let asked = kind(symptom.line)?;
        let (kind, module, option) = LINKS.iter().find(|(kind, ..)| *kind == asked)?;
        let what = &format!("the link type {kind}");
        return Some(missing(
            Part {
                what,
                module,
                option,
            },
            facts,
        ));
    }
    if symptom.line == "nftables"
        && symptom.is(&["EOPNOTSUPP", "ENOENT", "EPROTONOSUPPORT", "EINVAL"])
    {
        return Some(missing(NF_TABLES, facts));
    }
    if symptom.line == "ipv6" && symptom.is(&["EAFNOSUPPORT"]) {
        return Some(no_ipv6(facts));
    }
    None
}

/// What a line asks for: a link may have the name of another kind.
fn kind(line: &str) -> Option<&str> {
    line.split_once(" type ")?.1.split(' ').next()
}

fn no_ipv6(facts: &Facts) -> Diagnosis {
    let command_line = facts.value("/proc/cmdline").unwrap_or_default();
    if command_line
        .split_whitespace()
        .any(|word| word == "ipv6.disable=1")
    {
        return Diagnosis::new(
            "IPv6 was switched off when the kernel was started",
            vec!["/proc/cmdline: ipv6.disable=1".to_owned()],
            "take ipv6.disable=1 from the kernel's command line and start it anew",
        );
    }
    missing(IPV6, facts)
}
