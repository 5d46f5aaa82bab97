//! Where the layers of an overlay lie when it is not the tmpfs that verify makes for each experiment.
//!
//! That tmpfs keeps what the host stores containers on out of every experiment. So its mount is one that says that all
//! went well and does nothing: the scratch directory then lies on what is mounted on /run, which is broken here.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use nix::mount::{MsFlags, mount};

use super::breaks::{Break, all};
use super::seccomp::refuse_argument;

/// The directory that verify mounts its tmpfs on, where it is there.
const PLACE: &str = "/run";

/// The scratch directory lies on what this mounts on /run. Only the first experiment of a process finds it empty.
pub fn lie_on(mounted: Break) -> Break {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    let flags = i32::try_from(flags.bits()).unwrap();
    all([mounted, refuse_argument(libc::SYS_mount, 3, flags, 0)])
}

/// An overlay, as the root of a container is one.
pub fn overlay() -> Break {
    Arc::new(|| {
        let folders = ["lower", "upper", "work"].map(|name| Path::new(PLACE).join(name));
        folders.iter().try_for_each(fs::create_dir)?;
        let [lower, upper, work] = folders.map(|folder| folder.display().to_string());
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        mounted("overlay", Some(&options))
    })
}

/// A file system without extended attributes.
pub fn ramfs() -> Break {
    Arc::new(|| mounted("ramfs", None))
}

fn mounted(kind: &str, options: Option<&str>) -> io::Result<()> {
    let none = MsFlags::empty();
    Ok(mount(Some("sabotage"), PLACE, Some(kind), none, options)?)
}

/// A file system whose directories do not say what kind of file an entry is: `d_type` in readdir(3).
pub fn ext4_without_d_type() -> Break {
    Arc::new(|| {
        let disk = Path::new(PLACE).join("disk");
        File::create(&disk)?.set_len(4 << 20)?;
        let features = ["-q", "-O", "^filetype,^has_journal"];
        done(Command::new("mkfs.ext4").args(features).arg(&disk))?;
        done(
            Command::new("mount")
                .args(["-o", "loop"])
                .arg(&disk)
                .arg(PLACE),
        )
    })
}

fn done(command: &mut Command) -> io::Result<()> {
    match command.status()?.success() {
        true => Ok(()),
        false => Err(io::Error::other(format!("{command:?}"))),
    }
}

/// What this host lacks for [`ext4_without_d_type`].
pub fn lacks_ext4() -> Option<&'static str> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path);
    let kinds = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    match () {
        () if !folders.any(|folder| folder.join("mkfs.ext4").exists()) => Some("mkfs.ext4"),
        () if !Path::new("/dev/loop-control").exists() => Some("loop devices"),
        () if !kinds.split_whitespace().any(|kind| kind == "ext4") => Some("ext4"),
        () => None,
    }
}
