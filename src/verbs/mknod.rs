//! `mknod`: device nodes.

use nix::sys::stat::makedev;
use serde::{Deserialize, Serialize};

use super::Verb;
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, WritablePath};
use crate::sys::beneath;

/// Makes a node of a device that every container gets, which none can do harm with. mknod(1), mknod(2), null(4)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mknod {
    file: WritablePath,
    minor: u64,
}

/// The major number of the memory devices in the kernel's devices.txt.
const MEMORY: u64 = 1;

impl Verb for Mknod {
    const USAGE: &'static str = "mknod FILE c 1 3|5|7|8|9";
    const SUMMARY: &'static str = "Make a device node: null, zero, full, random or urandom";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        let file = words.value("a file of the scratch directory")?;
        words.keyword(&["c"])?;
        words.keyword(&["1"])?;
        let minor = words.keyword(&["3", "5", "7", "8", "9"])?;
        Ok(Self {
            file,
            minor: minor.parse().unwrap_or(3),
        })
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        let (root, path) = session.resolve(&self.file.0)?;
        beneath::mknod(root, &path, makedev(MEMORY, self.minor))
            .map_err(|errno| Failure::errno("mknod", &self.file, errno))?;
        Ok(Output::nothing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::tests::parse;

    #[test]
    fn only_harmless_devices_can_be_made() {
        assert_eq!(parse::<Mknod>("dev/null c 1 3").unwrap().minor, 3);
        for line in [
            "disk b 8 0",
            "mem c 1 1",
            "tty c 5 0",
            "/dev/null c 1 3",
            "null",
        ] {
            assert!(parse::<Mknod>(line).is_err(), "{line}");
        }
    }
}
