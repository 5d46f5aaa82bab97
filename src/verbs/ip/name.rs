//! The names that a spec may give: of links, and of network namespaces.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest name of a link, in bytes: `IFNAMSIZ` of netdevice(7) without the NUL.
const LINK_LENGTH: usize = 15;

/// The longest name of a file, in bytes: `NAME_MAX`, limits.h(0p).
const FILE_LENGTH: usize = 255;

/// What a name cannot be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a link, as `dev_valid_name()` in net/core/dev.c takes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LinkName(String);

impl LinkName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LinkName {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        plain(text, LINK_LENGTH)?;
        if text.contains(|c: char| c.is_whitespace() || c == ':') {
            return Err(Refused("a link's name has no blanks and no `:`".to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

/// The name of a network namespace: that of a file, ip-netns(8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NetnsName(String);

impl NetnsName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for NetnsName {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        plain(text, FILE_LENGTH)?;
        Ok(Self(text.to_owned()))
    }
}

/// One component of a path, which leads nowhere else.
fn plain(text: &str, length: usize) -> Result<(), Refused> {
    let refused = |reason: String| Err(Refused(reason));
    match text {
        "" => refused("an empty name".to_owned()),
        "." | ".." => refused("not a name".to_owned()),
        _ if text.len() > length => refused(format!("longer than {length} bytes")),
        _ if text.contains(['/', '\0']) => refused("a name has no `/`".to_owned()),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_component_and_short() {
        for text in ["", ".", "..", "a/b", "/", "sixteen-bytes-xx"] {
            assert!(text.parse::<LinkName>().is_err(), "{text}");
        }
        for text in ["a b", "a:b", "a\u{a0}b"] {
            assert!(text.parse::<LinkName>().is_err(), "{text}");
            assert!(text.parse::<NetnsName>().is_ok(), "{text}");
        }
        for text in ["lo", "host", "fifteen-bytes-x", "eth0.1"] {
            assert_eq!(text.parse::<LinkName>().unwrap().as_str(), text);
        }
        for text in ["", ".", "..", "a/b", "../x"] {
            assert!(text.parse::<NetnsName>().is_err(), "{text}");
        }
        assert!("x".repeat(256).parse::<NetnsName>().is_err());
    }
}
