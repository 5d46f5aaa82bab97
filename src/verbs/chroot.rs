//! `chroot`: another root directory, and a real shell in it.

use std::os::fd::AsFd;
use std::path::{Component, PathBuf};

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Flow, Inside, Session, Shell, WritablePath};
use crate::sys::beneath;

/// Runs a shell with another root directory. chroot(1), chroot(2)
///
/// The shell is the real one that stands in the new root: that it starts there, with the libraries there, is what the
/// experiment shows. The lines inside are typed into it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Chroot {
    #[arg(value_name = "NEWROOT")]
    new_root: WritablePath,
    #[arg(value_name = "SHELL")]
    shell: PathBuf,
}

impl Verb for Chroot {
    const USAGE: &'static str = "chroot NEWROOT SHELL";
    const SUMMARY: &'static str =
        "Run the shell of a new root directory; the lines inside are typed into it";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        let here = words.here();
        let chroot: Self = options(words)?;
        let plain = |part: Component<'_>| matches!(part, Component::RootDir | Component::Normal(_));
        if chroot.shell.is_absolute() && chroot.shell.components().all(plain) {
            return Ok(chroot);
        }
        Err(
            LineError::new(here, "the shell is named by its path in the new root")
                .expected("expected /bin/bash"),
        )
    }

    fn opens(&self) -> bool {
        true
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        self.enter(session, &mut |_| Flow::Continue)?;
        Ok(Output::nothing())
    }

    fn enter(&self, session: &mut Session, inside: Inside<'_>) -> Result<Flow, Failure> {
        session.in_child("chroot", |session| {
            let (root, path) = session.resolve(&self.new_root.0)?;
            let fail =
                |call: &'static str| move |errno| Failure::errno(call, &self.new_root, errno);
            let flags = OFlag::O_PATH | OFlag::O_DIRECTORY;
            let directory =
                beneath::open(root, &path, flags, Mode::empty()).map_err(fail("open"))?;
            nix::unistd::fchdir(directory.as_fd()).map_err(fail("fchdir"))?;
            nix::unistd::chroot(".").map_err(fail("chroot"))?;
            session.shell = Some(Shell::start(&self.shell)?);
            Ok(inside(session))
        })
    }
}

#[cfg(test)]
mod tests {
    use nix::errno::Errno;

    use super::*;
    use crate::verbs::tests::{parse, session};

    #[test]
    fn the_shell_is_named_by_a_path_from_the_new_root_that_does_not_climb() {
        assert!(parse::<Chroot>("a /bin/bash").is_ok());
        for line in ["a bash", "a bin/bash", "a ../bash", "a /bin/../bash"] {
            assert!(parse::<Chroot>(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_new_root_that_is_none_is_told() {
        let (keep, mut session) = session();
        std::fs::write(keep.path().join("file"), "").unwrap();
        for (name, errno) in [("nowhere", Errno::ENOENT), ("file", Errno::ENOTDIR)] {
            let chroot: Chroot = parse(&format!("{name} /bin/bash")).unwrap();
            let failure = Failure::errno("open", name, errno);
            assert_eq!(chroot.perform(&mut session), Err(failure));
        }
    }
}
