//! `df`: which file system a path is on.

use std::os::fd::AsFd;
use std::path::Path;

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use procfs::process::MountInfo;
use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, SpecPath};
use crate::sys::{beneath, mount_of};

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
        let mount = mount_of(file.as_fd())
            .map_err(|errno| Failure::errno("find the mount of", &self.file, errno))?;
        let scratch = std::fs::read_link(beneath::fd_path(&session.scratch()))
            .map_err(|error| Failure::io("readlink", "/proc/self/fd", &error))?;
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

/// Where the scratch directory lies is no answer of the kernel, and nothing that every host has alike.
fn row(mount: &MountInfo, scratch: &Path) -> String {
    let below = mount.mount_point.strip_prefix(scratch).ok();
    let mounted = below.filter(|path| !path.as_os_str().is_empty());
    let (source, at) = match mounted {
        None => ("verify", "/root".to_owned()),
        Some(path) => (
            mount.mount_source.as_deref().unwrap_or("none"),
            format!("/root/{}", path.display()),
        ),
    };
    format!("{source:10}  {at}")
}
