//! Files that are replaced in one step.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};

use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::linkat;

/// Replaces the file at `path`, or makes it: afterwards there is the old one or the new one, whole, whatever happens
/// between. A symbolic link is replaced, not followed.
///
/// # Errors
/// It cannot be written; nothing has changed then.
pub fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // Not every file system makes files without a name, and not every host has a /proc. What else is wrong is so again.
    replace_unnamed(path, bytes).or_else(|_| replace_named(path, bytes))
}

/// By a file that has no name before it is whole, so that SIGKILL leaves nothing of it. `O_TMPFILE` in open(2)
fn replace_unnamed(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = unnamed_in(folder_of(path))?;
    write(&mut file, bytes)?;
    match name(&file, path) {
        Err(Errno::EEXIST) => {}
        named => return Ok(named?),
    }
    // Only rename(2) replaces, and it takes a name. One that is there was left by a SIGKILL between these calls.
    let temporary = temporary_of(path);
    let _ = fs::remove_file(&temporary);
    name(&file, &temporary)?;
    rename(&temporary, path)
}

fn unnamed_in(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_TMPFILE);
    options.open(folder)
}

fn folder_of(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    parent.unwrap_or(Path::new("."))
}

fn write(file: &mut File, bytes: &[u8]) -> io::Result<()> {
    // Without the sync a power cut may leave the new name on an empty file.
    file.write_all(bytes).and_then(|()| file.sync_all())
}

/// Gives a file without a name one that is free.
fn name(file: &File, path: &Path) -> Result<(), Errno> {
    // Without the way through /proc, linkat(2) takes CAP_DAC_READ_SEARCH for this.
    let unnamed = format!("/proc/self/fd/{}", file.as_raw_fd());
    let flags = AtFlags::AT_SYMLINK_FOLLOW;
    linkat(AT_FDCWD, unnamed.as_str(), AT_FDCWD, path, flags)
}

/// The same name each time, so that the next one to replace `path` finds what is left.
fn temporary_of(path: &Path) -> PathBuf {
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(".verify");
    path.with_file_name(name)
}

fn rename(temporary: &Path, path: &Path) -> io::Result<()> {
    fs::rename(temporary, path).inspect_err(|_| drop(fs::remove_file(temporary)))
}

/// By a file of another name.
fn replace_named(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let (temporary, mut file) = create_in(folder_of(path))?;
    let written = write(&mut file, bytes).inspect_err(|_| drop(fs::remove_file(&temporary)));
    written.and_then(|()| rename(&temporary, path))
}

/// A new file whose name nobody looks for.
fn create_in(folder: &Path) -> io::Result<(PathBuf, File)> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!(".verify-{}-{number}.tmp", process::id()));
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            result => return result.map(|file| (path, file)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    type Way = fn(&Path, &[u8]) -> io::Result<()>;

    /// Whether there are files without a name where tests have theirs.
    fn makes_unnamed() -> bool {
        let made = unnamed_in(&std::env::temp_dir());
        if let Err(error) = &made {
            eprintln!(
                "skipped: files without a name, which this file system does not make: {error}"
            );
        }
        made.is_ok()
    }

    /// The ways that there are.
    fn ways() -> Vec<Way> {
        let all: [Way; 3] = [replace, replace_named, replace_unnamed];
        all[..2 + usize::from(makes_unnamed())].to_vec()
    }

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap().flatten();
        let names = entries.map(|entry| entry.file_name().into_string().unwrap());
        names.collect()
    }

    #[test]
    fn a_file_is_made_and_replaced_each_way() {
        for way in ways() {
            let keep = tempfile::tempdir().unwrap();
            let path = keep.path().join("report");
            for text in ["a long first one", "short", ""] {
                way(&path, text.as_bytes()).unwrap();
                assert_eq!(fs::read_to_string(&path).unwrap(), text);
                assert_eq!(names(keep.path()), ["report"]);
            }
        }
    }

    #[test]
    fn a_link_is_replaced_and_not_followed() {
        for way in ways() {
            let keep = tempfile::tempdir().unwrap();
            let (path, precious) = (keep.path().join("report"), keep.path().join("precious"));
            fs::write(&precious, "old").unwrap();
            symlink(&precious, &path).unwrap();
            way(&path, b"new").unwrap();
            assert!(fs::symlink_metadata(&path).unwrap().is_file());
            assert_eq!(fs::read_to_string(precious).unwrap(), "old");
        }
    }

    #[test]
    fn what_cannot_be_replaced_leaves_nothing() {
        for way in ways() {
            let keep = tempfile::tempdir().unwrap();
            fs::create_dir(keep.path().join("folder")).unwrap();
            assert!(way(&keep.path().join("folder"), b"new").is_err());
            assert!(way(&keep.path().join("absent/report"), b"new").is_err());
            assert_eq!(names(keep.path()), ["folder"]);
        }
    }

    #[test]
    fn what_a_killed_one_has_left_goes_with_the_next() {
        let keep = tempfile::tempdir().unwrap();
        let path = keep.path().join("report");
        fs::write(&path, "old").unwrap();
        fs::write(temporary_of(&path), "left").unwrap();
        if !makes_unnamed() {
            return;
        }
        replace(&path, b"new").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(names(keep.path()), ["report"]);
    }

    /// A container's processes have the numbers of the one before it.
    #[test]
    fn names_that_a_killed_process_of_this_number_has_left_are_passed_over() {
        let keep = tempfile::tempdir().unwrap();
        for number in 0..1_000 {
            let left = format!(".verify-{}-{number}.tmp", process::id());
            fs::write(keep.path().join(left), "left").unwrap();
        }
        replace_named(&keep.path().join("report"), b"new").unwrap();
        assert_eq!(names(keep.path()).len(), 1_001);
    }

    #[test]
    fn of_those_that_replace_it_at_once_each_is_whole() {
        let keep = tempfile::tempdir().unwrap();
        let path = keep.path().join("report");
        let texts = ["a", "b", "c"].map(|letter| letter.repeat(10_000));
        std::thread::scope(|scope| {
            for text in &texts {
                scope.spawn(|| {
                    for _ in 0..100 {
                        replace(&path, text.as_bytes()).unwrap();
                        assert!(texts.contains(&fs::read_to_string(&path).unwrap()));
                    }
                });
            }
        });
        assert_eq!(names(keep.path()), ["report"]);
    }
}
