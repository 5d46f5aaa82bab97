//! File systems that containers may be kept on: experiments are performed there with `--scratch`.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use nix::mount::{MsFlags, mount};

use super::breaks::{Break, all, bind};

/// The directory that is named, in the /run that each run of verify has for itself.
pub const STORAGE: &str = "/run/storage";

fn storage(mounted: Break) -> Break {
    let directory: Break = Arc::new(|| fs::create_dir(STORAGE));
    all([directory, mounted])
}

/// A directory as this host has it.
pub fn ordinary() -> Break {
    storage(bind("/var/tmp", STORAGE))
}

/// An overlay, as the root of a container is one.
pub fn overlay() -> Break {
    storage(Arc::new(|| {
        let folders = ["lower", "upper", "work"].map(|name| Path::new("/run").join(name));
        folders.iter().try_for_each(fs::create_dir)?;
        let [lower, upper, work] = folders.map(|folder| folder.display().to_string());
        let options = format!("lowerdir={lower},upperdir={upper},workdir={work}");
        mounted("overlay", MsFlags::empty(), Some(&options))
    }))
}

/// A file system without extended attributes.
pub fn ramfs() -> Break {
    storage(Arc::new(|| mounted("ramfs", MsFlags::empty(), None)))
}

/// A file system of which no program is executed.
pub fn noexec() -> Break {
    storage(Arc::new(|| mounted("tmpfs", MsFlags::MS_NOEXEC, None)))
}

fn mounted(kind: &str, flags: MsFlags, options: Option<&str>) -> io::Result<()> {
    Ok(mount(
        Some("sabotage"),
        STORAGE,
        Some(kind),
        flags,
        options,
    )?)
}

/// A file system whose directories do not say what kind of file an entry is: `d_type` in readdir(3).
pub fn ext4_without_d_type() -> Break {
    storage(Arc::new(|| {
        let disk = Path::new("/run").join("disk");
        File::create(&disk)?.set_len(64 << 20)?;
        let features = ["-q", "-O", "^filetype,^has_journal"];
        done(Command::new("mkfs.ext4").args(features).arg(&disk))?;
        let mut command = Command::new("mount");
        done(command.args(["-o", "loop"]).arg(&disk).arg(STORAGE))
    }))
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
