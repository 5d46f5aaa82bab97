//! Extended attributes of files. See xattr(7).

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use nix::errno::Errno;

/// The longest value that is read, in bytes; the kernel's own limit is 64 KiB.
const VALUE_LIMIT: usize = 256;

/// The value of a file's extended attribute.
///
/// # Errors
/// Those of getxattr(2): `ENODATA` when there is none of this name, `ERANGE` for one longer than 256 bytes.
pub fn read(path: &Path, name: &str) -> Result<Vec<u8>, Errno> {
    let (path, name) = texts(path, name)?;
    let mut value = vec![0; VALUE_LIMIT];
    // SAFETY: both texts end with NUL; the buffer is as long as is said.
    let length = unsafe {
        libc::getxattr(
            path.as_ptr(),
            name.as_ptr(),
            value.as_mut_ptr().cast(),
            value.len(),
        )
    };
    let length = Errno::result(length)?;
    value.truncate(usize::try_from(length).unwrap_or(0));
    Ok(value)
}

/// Sets a file's extended attribute.
///
/// # Errors
/// Those of setxattr(2): `EOPNOTSUPP` where the file system has none of this kind, `EPERM` without the right to it.
pub fn write(path: &Path, name: &str, value: &[u8]) -> Result<(), Errno> {
    let (path, name) = texts(path, name)?;
    // SAFETY: both texts end with NUL; the value is as long as is said.
    let result = unsafe {
        libc::setxattr(
            path.as_ptr(),
            name.as_ptr(),
            value.as_ptr().cast(),
            value.len(),
            0,
        )
    };
    Errno::result(result).map(drop)
}

fn texts(path: &Path, name: &str) -> Result<(CString, CString), Errno> {
    let text = |bytes: &[u8]| CString::new(bytes).map_err(|_| Errno::EINVAL);
    Ok((text(path.as_os_str().as_bytes())?, text(name.as_bytes())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_an_error() {
        let absent = read(Path::new("/absent"), "user.delegate");
        assert_eq!(absent, Err(Errno::ENOENT));
        let folder = tempfile::tempdir().unwrap();
        let none = read(folder.path(), "user.delegate").unwrap_err();
        assert!(matches!(none, Errno::ENODATA | Errno::EOPNOTSUPP), "{none}");
        assert_eq!(read(folder.path(), "user.a\0b"), Err(Errno::EINVAL));
    }
}
