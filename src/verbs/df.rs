//! `df`: which file system a path is on.

use std::os::fd::AsFd;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use procfs::process::{MountInfo, Process};
use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, SpecPath};
use crate::sys::{beneath, mount_id};

/// Prints the file system that a path is on, and where that is mounted. df(1)
///
/// Sizes differ from host to host, so they are evidence only.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Df {
    #[arg(value_name = "FILE")]
    file: SpecPath,
}

impl Verb for Df {
    const USAGE: &'static str = "df FILE";
    const SUMMARY: &'static str =
        "Print the file system that a path is on, and where it is mounted";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        let (root, path) = session.resolve(&self.file)?;
        let file = beneath::open(root, &path, OFlag::O_PATH, Mode::empty())
            .map_err(|errno| Failure::errno("open", &self.file, errno))?;
        let id =
            mount_id(file.as_fd()).map_err(|errno| Failure::errno("statx", &self.file, errno))?;
        let scratch = std::fs::read_link(beneath::fd_path(&session.scratch()))
            .map_err(|error| Failure::io("readlink", "/proc/self/fd", &error))?;
        let mounts = Process::myself()
            .and_then(|process| process.mountinfo())
            .map_err(|error| {
                Failure::unexpected("read", "/proc/self/mountinfo", error.to_string())
            })?;
        let mount = mounts
            .0
            .into_iter()
            .find(|mount| u64::try_from(mount.mnt_id) == Ok(id));
        let mount = mount.ok_or_else(|| {
            Failure::unexpected("find", &self.file, "its mount is not in mountinfo")
        })?;
        let mut output =
            Output::lines(["Filesystem  Mounted on".to_owned(), row(&mount, &scratch)]);
        output.evidence(format!(
            "{} {:?}",
            mount.mount_point.display(),
            mount.super_options
        ));
        Ok(output)
    }
}

fn row(mount: &MountInfo, scratch: &Path) -> String {
    let source = mount.mount_source.as_deref().unwrap_or("none");
    let below = mount.mount_point.strip_prefix(scratch).ok();
    // The scratch directory is on a file system of verify's own: where that is mounted is no fact of the host.
    let at = below.map_or_else(
        || "/root".to_owned(),
        |path| format!("/root/{}", path.display()),
    );
    format!("{source:10}  {at}")
}
