//! Where experiments lie on a file system of the host.

use std::fmt;
use std::io;
use std::os::fd::AsFd;
use std::path::Path;

use nix::fcntl::AtFlags;
use nix::unistd::{AccessFlags, faccessat};
use serde::{Deserialize, Serialize};

use crate::sys::{mount_of, open_directory};

/// A directory of the host below which experiments are performed, as on the storage of a container engine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct ScratchPlace {
    /// Its absolute path, without symbolic links.
    pub path: String,
    /// The type of its file system: `ext4`; `unknown` where /proc does not tell.
    pub file_system: String,
}

impl ScratchPlace {
    /// Looks at the directory that the caller names.
    ///
    /// # Errors
    /// `ENOTDIR` when it is no directory, `EACCES` when the caller may not write to it, `EROFS` when nobody may; those of
    /// realpath(3). A path that is not UTF-8, which results could not hold.
    pub fn look(named: &Path) -> io::Result<Self> {
        let path = named.canonicalize()?;
        let directory = open_directory(&path)?;
        let access = AccessFlags::W_OK | AccessFlags::X_OK;
        faccessat(&directory, ".", access, AtFlags::AT_EACCESS)?;
        let not_text = || io::Error::other("its path is not UTF-8");
        Ok(Self {
            path: path.to_str().ok_or_else(not_text)?.to_owned(),
            file_system: mount_of(directory.as_fd())
                .map_or_else(|_| "unknown".to_owned(), |mount| mount.fs_type),
        })
    }
}

/// `ext4 at /var/lib/containers`
impl fmt::Display for ScratchPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} at {}", self.file_system, self.path)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use nix::errno::Errno;

    use super::*;

    #[test]
    fn a_directory_is_known_by_its_real_path_and_file_system() {
        let keep = tempfile::tempdir().unwrap();
        let real = keep.path().canonicalize().unwrap();
        symlink(&real, keep.path().join("link")).unwrap();
        let place = ScratchPlace::look(&keep.path().join("link")).unwrap();
        assert_eq!(place.path, real.to_str().unwrap());
        assert_ne!(place.file_system, "unknown");
    }

    #[test]
    fn what_is_no_directory_to_write_to_is_refused() {
        let keep = tempfile::tempdir().unwrap();
        let file = keep.path().join("file");
        std::fs::write(&file, "").unwrap();
        let answer = |path: &Path| ScratchPlace::look(path).unwrap_err().raw_os_error();
        assert_eq!(answer(&file), Some(Errno::ENOTDIR as i32));
        assert_eq!(
            answer(&keep.path().join("absent")),
            Some(Errno::ENOENT as i32)
        );
    }
}
