//! Where runs keep their directories, and how a run is told from a dead one.
//!
//! Each run has a directory below a state directory and holds a flock(2) lock on it, together with its workers. The lock
//! is free when all of them are dead, however they died. The locks are on the directories themselves, so that the last
//! run can remove all of it: a lock file could not be removed without a race with whoever is about to lock it.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::statfs::{TMPFS_MAGIC, statfs};
use nix::unistd::geteuid;

use crate::recording::Failure;
use crate::sys::beneath::errno_of;

/// A name like `187a5e9d2c3f1b04-1f3a`: nanoseconds since 1970 and the process, so that no two runs share one.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RunName(String);

impl RunName {
    /// A new name.
    pub fn new() -> Self {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let nanoseconds = now.map_or(0, |now| now.as_nanos());
        Self(format!("{nanoseconds:016x}-{:x}", std::process::id()))
    }

    /// The name at the beginning of `text`, and what follows it; `None` where there is none.
    pub fn split(text: &str) -> Option<(Self, &str)> {
        let (time, rest) = text.split_at_checked(16)?;
        let process = rest.strip_prefix('-')?;
        let length = process.bytes().take_while(|byte| is_hex(*byte)).count();
        let whole = time.bytes().all(is_hex) && length > 0;
        whole.then(|| (Self(text[..17 + length].to_owned()), &process[length..]))
    }

    /// The name of a run's directory.
    pub fn of_directory(path: &Path) -> Option<Self> {
        let (name, rest) = Self::split(path.file_name()?.to_str()?)?;
        rest.is_empty().then_some(name)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_hex(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// What [`lock`] found.
pub enum Locked {
    /// The lock, held as long as the file is open somewhere.
    Taken(File),
    /// Somebody else holds it.
    Held,
    /// The directory is not there, or no longer.
    Gone,
}

/// Takes the lock of a directory, if it is free.
///
/// # Errors
/// Those of open(2) and flock(2); `ENOTDIR` or `ELOOP` for a symbolic link.
pub fn lock(path: &Path) -> io::Result<Locked> {
    let directory = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Locked::Gone),
        other => other?,
    };
    lock_opened(directory, path)
}

fn lock_opened(directory: File, path: &Path) -> io::Result<Locked> {
    match directory.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(Locked::Held),
        Err(TryLockError::Error(error)) => return Err(error),
    }
    // Between opening and locking somebody else may have locked and removed it.
    Ok(match is_at(&directory, path)? {
        true => Locked::Taken(directory),
        false => Locked::Gone,
    })
}

fn is_at(directory: &File, path: &Path) -> io::Result<bool> {
    let own = directory.metadata()?;
    let there = std::fs::symlink_metadata(path);
    Ok(there.is_ok_and(|there| (there.dev(), there.ino()) == (own.dev(), own.ino())))
}

/// Takes the lock of a directory, and waits for whoever has it; `None` when it was removed meanwhile.
///
/// # Errors
/// Those of open(2) and flock(2).
pub fn wait_for_lock(path: &Path) -> io::Result<Option<File>> {
    let directory = match open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other?,
    };
    directory.lock()?;
    Ok(is_at(&directory, path)?.then_some(directory))
}

/// Opens a directory, not a symbolic link to one.
///
/// # Errors
/// Those of open(2).
pub fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_DIRECTORY | OFlag::O_NOFOLLOW;
    OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits())
        .open(path)
}

/// Makes a directory that only its owner can enter.
///
/// # Errors
/// Those of mkdir(2).
pub fn make_private(path: &Path) -> Result<(), Errno> {
    let made = DirBuilder::new().mode(0o700).create(path);
    made.map_err(|error| errno_of(&error))
}

/// The places for a state directory, the preferred one first. Not all of them exist everywhere: an empty root has none,
/// a read-only one at best a tmpfs on /dev/shm.
///
/// A tmpfs comes first. It takes microseconds where a busy disk takes milliseconds, and keeps nothing over a reboot.
pub fn candidates() -> Vec<PathBuf> {
    first_in(places(), is_tmpfs)
}

/// The same places, those in folders that `is_preferred` first.
fn first_in(mut places: Vec<PathBuf>, is_preferred: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    places.sort_by_key(|place| !place.parent().is_some_and(&is_preferred));
    places
}

fn is_tmpfs(folder: &Path) -> bool {
    statfs(folder).is_ok_and(|file_system| file_system.filesystem_type() == TMPFS_MAGIC)
}

fn places() -> Vec<PathBuf> {
    let user = geteuid();
    if user.is_root() {
        return ["/run", "/tmp", "/dev/shm"]
            .map(|folder| Path::new(folder).join("verify"))
            .to_vec();
    }
    let runtime = std::env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from);
    let own = runtime
        .filter(|folder| folder.is_absolute())
        .map(|folder| folder.join("verify"));
    let shared =
        ["/tmp", "/dev/shm"].map(|folder| Path::new(folder).join(format!("verify-{user}")));
    own.into_iter().chain(shared).collect()
}

/// Removes the directory of a run when there is nothing in it, and the state directory after the last run.
pub fn remove_empty(run: &Path) {
    let _ = std::fs::remove_dir(run);
    let _ = run.parent().map(std::fs::remove_dir);
}

/// Removes a state directory that may be used and has nothing in it: a run was killed before it had its own directory
/// there, and the next one may have it in another place. Not while somebody has its lock.
pub fn remove_unused(state: &Path) {
    if matches!(look(state), Found::Own)
        && let Ok(Locked::Taken(_lock)) = lock(state)
    {
        let _ = std::fs::remove_dir(state);
    }
}

/// The sentence for a directory that could not be removed.
pub fn still_there(path: &Path, why: impl std::fmt::Display) -> String {
    format!("directory {} could not be removed ({why})", path.display())
}

/// Takes other users' rights to a directory away: whoever may open it may hold its lock, too.
pub fn close_to_others(path: &Path) {
    // One that somebody made by hand; where it fails, that somebody can do so is all there is to fear.
    let _ = std::fs::set_permissions(path, Permissions::from_mode(0o700));
}

/// What [`look`] found where a state directory may be.
pub enum Found {
    /// A directory of the caller's own.
    Own,
    /// Nothing.
    Absent,
    /// Something that may not be used, and why.
    Unusable(Failure),
}

/// Looks whether a state directory is there and may be used: /tmp is writable for everybody, who could have made the
/// directory, or a link of its name, before us.
pub fn look(path: &Path) -> Found {
    let refuse = |why: String| Found::Unusable(Failure::unexpected("open", path.display(), why));
    let metadata = match open(path).and_then(|directory| directory.metadata()) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Found::Absent,
        Err(error) if is_link(&error) => return refuse("it is not a directory".to_owned()),
        Err(error) => return Found::Unusable(Failure::io("open", path.display(), &error)),
    };
    let (owner, mode) = (metadata.uid(), metadata.mode() & 0o7777);
    if owner != geteuid().as_raw() {
        return refuse(format!("it belongs to user {owner}"));
    }
    if mode & 0o022 != 0 {
        return refuse(format!("others may write to it (mode {mode:04o})"));
    }
    Found::Own
}

fn is_link(error: &io::Error) -> bool {
    matches!(errno_of(error), Errno::ELOOP | Errno::ENOTDIR)
}

/// The directories of runs below a state directory that may be used; none where there is no such directory.
pub fn runs(state: &Path) -> Vec<PathBuf> {
    let Found::Own = look(state) else {
        return Vec::new();
    };
    let entries = std::fs::read_dir(state).into_iter().flatten().flatten();
    let paths = entries.map(|entry| entry.path());
    paths
        .filter(|path| RunName::of_directory(path).is_some())
        .collect()
}

#[cfg(test)]
pub mod tests {
    use std::fs::{create_dir, set_permissions};
    use std::os::unix::fs::{chown, symlink};

    use super::*;
    use crate::sys::test_namespaces::in_own_namespaces;

    #[test]
    fn only_whole_names_are_names_of_runs() {
        let name = RunName::new();
        assert_eq!(RunName::split(name.as_str()), Some((name.clone(), "")));
        let directory = Path::new("/run/verify").join(name.as_str());
        assert_eq!(RunName::of_directory(&directory), Some(name));
        let (run, rest) = RunName::split("187a5e9d2c3f1b04-1f3a-overlayfs").unwrap();
        assert_eq!(
            (run.as_str(), rest),
            ("187a5e9d2c3f1b04-1f3a", "-overlayfs")
        );
        for other in [
            "",
            "trial-7607-17",
            "187a5e9d2c3f1b04",
            "187a5e9d2c3f1b04-",
            "187A5e9d2c3f1b04-1f3a",
            "é87a5e9d2c3f1b04-1",
        ] {
            assert_eq!(RunName::split(other), None, "{other}");
        }
        assert_eq!(
            RunName::of_directory(Path::new("/run/verify/187a5e9d2c3f1b04-1f3a.old")),
            None
        );
    }

    #[test]
    fn a_lock_is_free_when_nobody_has_it_open() {
        let keep = tempfile::tempdir().unwrap();
        let path = keep.path().join("run");
        assert!(matches!(lock(&path), Ok(Locked::Gone)));
        create_dir(&path).unwrap();
        let Ok(Locked::Taken(first)) = lock(&path) else {
            panic!("nobody has it")
        };
        assert!(matches!(lock(&path), Ok(Locked::Held)));
        let inherited = first.try_clone().unwrap();
        drop(first);
        assert!(matches!(lock(&path), Ok(Locked::Held)));
        // Not only dropped: a child that another test has forked just now may have it open, too.
        inherited.unlock().unwrap();
        assert!(matches!(lock(&path), Ok(Locked::Taken(_))));
        symlink(&path, keep.path().join("link")).unwrap();
        assert!(lock(&keep.path().join("link")).is_err());
    }

    #[test]
    fn the_lock_of_a_directory_that_was_removed_meanwhile_is_none() {
        let keep = tempfile::tempdir().unwrap();
        let path = keep.path().join("run");
        create_dir(&path).unwrap();
        let opened = open(&path).unwrap();
        std::fs::remove_dir(&path).unwrap();
        let again = opened.try_clone().unwrap();
        assert!(matches!(lock_opened(again, &path), Ok(Locked::Gone)));
        create_dir(&path).unwrap();
        assert!(matches!(lock_opened(opened, &path), Ok(Locked::Gone)));
    }

    fn unusable(path: &Path) -> String {
        match look(path) {
            Found::Unusable(failure) => failure.to_string(),
            Found::Own => panic!("it may be used"),
            Found::Absent => panic!("it is there"),
        }
    }

    #[test]
    fn what_others_may_have_made_is_not_used() {
        let keep = tempfile::tempdir().unwrap();
        let path = |name: &str| keep.path().join(name);
        assert!(matches!(look(&path("absent")), Found::Absent));
        make_private(&path("own")).unwrap();
        assert!(matches!(look(&path("own")), Found::Own));
        symlink(path("own"), path("link")).unwrap();
        assert!(unusable(&path("link")).ends_with("link: it is not a directory"));
        std::fs::write(path("file"), "").unwrap();
        assert!(unusable(&path("file")).ends_with("file: it is not a directory"));
        set_permissions(path("own"), PermissionsExt::from_mode(0o1777)).unwrap();
        assert!(unusable(&path("own")).ends_with("others may write to it (mode 1777)"));
        assert!(runs(&path("own")).is_empty());
    }

    /// A directory that belongs to user 65534; none where the caller can give none away.
    pub fn given_away() -> Option<tempfile::TempDir> {
        let keep = tempfile::tempdir().unwrap();
        match chown(keep.path(), Some(65534), None) {
            Ok(()) => Some(keep),
            Err(error) => {
                eprintln!("skipped: chown: {error}");
                None
            }
        }
    }

    #[test]
    fn others_may_not_enter_what_is_closed_to_them() {
        let keep = tempfile::tempdir().unwrap();
        set_permissions(keep.path(), Permissions::from_mode(0o755)).unwrap();
        close_to_others(keep.path());
        assert_eq!(keep.path().metadata().unwrap().mode() & 0o7777, 0o700);
    }

    #[test]
    fn a_tmpfs_comes_first() {
        let places = ["/run/verify", "/tmp/verify", "/dev/shm/verify"].map(PathBuf::from);
        let first = first_in(places.into(), |folder| folder == Path::new("/tmp"));
        let sorted = ["/tmp/verify", "/run/verify", "/dev/shm/verify"].map(PathBuf::from);
        assert_eq!(first, sorted);
        assert!(!is_tmpfs(Path::new("/proc")));
        // With a /run that is one.
        in_own_namespaces(|| assert!(is_tmpfs(Path::new("/run"))));
    }

    #[test]
    fn what_somebody_else_owns_is_not_used() {
        let Some(keep) = given_away() else { return };
        assert!(unusable(keep.path()).ends_with("it belongs to user 65534"));
    }

    #[test]
    fn what_is_not_there_has_no_lock_and_what_is_no_directory_is_an_error() {
        let keep = tempfile::tempdir().unwrap();
        let path = keep.path().join("x");
        assert!(wait_for_lock(&path).unwrap().is_none());
        std::fs::write(&path, "").unwrap();
        assert!(wait_for_lock(&path).is_err());
    }

    #[test]
    fn a_state_directory_that_cannot_be_used_says_why() {
        let keep = tempfile::tempdir().unwrap();
        symlink("/", keep.path().join("link")).unwrap();
        for (name, why) in [
            ("link", "it is not a directory"),
            (&"x".repeat(256), "ENAMETOOLONG"),
        ] {
            match look(&keep.path().join(name)) {
                Found::Unusable(failure) => {
                    assert!(failure.to_string().contains(why), "{failure}");
                }
                _ => panic!("{name} may be used"),
            }
        }
    }
}
