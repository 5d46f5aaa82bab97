//! What an experiment needs from the host, as its spec declares it.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::line::{LineError, Words};
use crate::sys::cgroup::{V1_CONTROLLERS, V2_CONTROLLERS, V2_FILES};
use crate::sys::namespace::Kind;

/// A need. Whether it is met is found out by doing, where the experiment would run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// A kind of namespace can be made.
    Namespace(Kind),
    /// A file system of this type can be mounted.
    Filesystem(String),
    /// A group can be made in the cgroup v1 hierarchy of this controller.
    CgroupV1(String),
    /// A group can be made in the cgroup v2 hierarchy.
    CgroupV2,
    /// A group that passes this controller on can be made in the cgroup v2 hierarchy.
    CgroupV2Controller(String),
    /// A group of the cgroup v2 hierarchy has this file.
    CgroupV2File(String),
    /// A program is there and can be executed.
    Program(PathBuf),
    /// There are users 0 to 65534, and a process may become each of them.
    SubordinateIds,
    /// overlayfs can keep its marks in extended attributes here.
    Xattr,
    /// A device node can be made.
    DeviceNodes,
    /// IPv6 is there.
    Ipv6,
    /// The kernel takes nf_tables rules.
    Nftables,
}

const KINDS: [&str; 10] = [
    "namespace",
    "filesystem",
    "cgroup-v1",
    "cgroup-v2",
    "program",
    "subordinate-ids",
    "xattr",
    "device-nodes",
    "ipv6",
    "nftables",
];

/// The file systems that [`Need::Filesystem`] knows how to try.
const FILESYSTEMS: [&str; 2] = ["overlay", "tmpfs"];

impl Need {
    /// Whether it is about the cgroup v2 hierarchy.
    #[must_use]
    pub fn is_unified(&self) -> bool {
        matches!(
            self,
            Self::CgroupV2 | Self::CgroupV2Controller(_) | Self::CgroupV2File(_)
        )
    }

    /// Reads a need such as `namespace pid`.
    ///
    /// # Errors
    /// There is no such need.
    pub fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        let need = match words.keyword(&KINDS)? {
            "namespace" => Self::Namespace(
                known(words, &Kind::ALL.map(Kind::name))?
                    .parse()
                    .unwrap_or(Kind::Mount),
            ),
            "filesystem" => Self::Filesystem(known(words, &FILESYSTEMS)?),
            "cgroup-v1" => Self::CgroupV1(known(words, &V1_CONTROLLERS)?),
            "cgroup-v2" => cgroup_v2(words)?,
            "program" => Self::Program(words.value("the path of a program")?),
            "subordinate-ids" => Self::SubordinateIds,
            "xattr" => Self::Xattr,
            "device-nodes" => Self::DeviceNodes,
            "ipv6" => Self::Ipv6,
            _ => Self::Nftables,
        };
        words.end()?;
        Ok(need)
    }
}

fn cgroup_v2(words: &mut Words<'_>) -> Result<Need, LineError> {
    if words.peek().is_none() {
        return Ok(Need::CgroupV2);
    }
    let names: Vec<_> = V2_CONTROLLERS.into_iter().chain(V2_FILES).collect();
    let name = known(words, &names)?;
    Ok(match name.contains('.') {
        true => Need::CgroupV2File(name),
        false => Need::CgroupV2Controller(name),
    })
}

fn known(words: &mut Words<'_>, names: &[&'static str]) -> Result<String, LineError> {
    words.keyword(names).map(str::to_owned)
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Namespace(kind) => write!(f, "namespace {kind}"),
            Self::Filesystem(name) => write!(f, "filesystem {name}"),
            Self::CgroupV1(controller) => write!(f, "cgroup-v1 {controller}"),
            Self::CgroupV2 => f.write_str("cgroup-v2"),
            Self::CgroupV2Controller(name) | Self::CgroupV2File(name) => {
                write!(f, "cgroup-v2 {name}")
            }
            Self::Program(path) => write!(f, "program {}", path.display()),
            Self::SubordinateIds => f.write_str("subordinate-ids"),
            Self::Xattr => f.write_str("xattr"),
            Self::DeviceNodes => f.write_str("device-nodes"),
            Self::Ipv6 => f.write_str("ipv6"),
            Self::Nftables => f.write_str("nftables"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::split;

    fn parse(text: &str) -> Result<Need, LineError> {
        let words = split(text).unwrap();
        Need::parse(&mut Words::new(&words, text.len()))
    }

    #[test]
    fn every_need_is_shown_as_it_was_written() {
        for text in [
            "namespace network",
            "filesystem overlay",
            "cgroup-v1 cpu",
            "cgroup-v2",
            "cgroup-v2 memory",
            "cgroup-v2 cgroup.kill",
            "program /bin/sh",
            "subordinate-ids",
            "xattr",
            "device-nodes",
            "ipv6",
            "nftables",
        ] {
            assert_eq!(parse(text).unwrap().to_string(), text);
        }
    }

    #[test]
    fn an_unknown_need_is_an_error_with_the_nearest_one() {
        assert_eq!(
            parse("namespce pid").unwrap_err().nearest.as_deref(),
            Some("namespace")
        );
        assert_eq!(parse("namespace net").unwrap_err().nearest.as_deref(), None);
        assert_eq!(
            parse("namespace netwrk").unwrap_err().nearest.as_deref(),
            Some("network")
        );
        assert!(parse("ipv6 x").is_err());
    }

    #[test]
    fn only_needs_of_cgroup_v2_are_about_its_hierarchy() {
        for (text, unified) in [
            ("cgroup-v2", true),
            ("cgroup-v2 memory", true),
            ("cgroup-v2 cgroup.kill", true),
            ("cgroup-v1 cpu", false),
            ("namespace cgroup", false),
            ("ipv6", false),
        ] {
            assert_eq!(parse(text).unwrap().is_unified(), unified, "{text}");
        }
    }
}
