//! `umount`: a mount away again.

use std::path::Path;

use nix::mount::{MntFlags, umount2};
use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, WritablePath};

/// Takes a mount away. umount(8), umount(2)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Umount {
    #[arg(value_name = "DIRECTORY")]
    directory: WritablePath,
}

impl Verb for Umount {
    const USAGE: &'static str = "umount DIRECTORY";
    const SUMMARY: &'static str = "Take a mount away";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn perform(&self, _session: &mut Session) -> Result<Output, Failure> {
        let target = Path::new(&self.directory.0.relative);
        umount2(target, MntFlags::UMOUNT_NOFOLLOW)
            .map(|()| Output::nothing())
            .map_err(|errno| Failure::errno("umount", &self.directory, errno))
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;
    use crate::sys::test_namespaces::in_own_namespaces;
    use crate::verbs::mount::Mount;
    use crate::verbs::tests::{parse, session_in_a_mount};

    #[test]
    fn a_mount_goes_and_a_link_to_one_is_none() {
        in_own_namespaces(|| {
            let mut session = session_in_a_mount();
            std::fs::create_dir("a").unwrap();
            std::os::unix::fs::symlink("a", "link").unwrap();
            let mount: Mount = parse("-t tmpfs none a").unwrap();
            mount.perform(&mut session).unwrap();
            std::fs::write("a/file", "").unwrap();
            let mut umount = |directory| parse::<Umount>(directory).unwrap().perform(&mut session);
            let none = |name| Err(Failure::errno("umount", name, Errno::EINVAL));
            assert_eq!(umount("link"), none("link"));
            assert_eq!(umount("a"), Ok(Output::nothing()));
            assert!(!Path::new("a/file").exists());
            assert_eq!(umount("a"), none("a"));
        });
    }
}
