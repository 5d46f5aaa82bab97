//! How the kernel refused a request to its network stack.

use std::fmt;
use std::io;

use nix::errno::Errno;

/// A request to the network stack that failed: which call, on what, with which errno.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetError {
    /// The system call, or the netlink message (`RTM_NEWLINK`), as its manual page names it.
    pub call: &'static str,
    /// What it was about: a link, an address, a path. Empty when the call has no object.
    pub object: String,
    /// The kernel's answer.
    pub errno: Errno,
    /// What the kernel, or this program, adds to the errno: the text of `NLMSGERR_ATTR_MSG`
    /// (Documentation/userspace-api/netlink/intro.rst, "Ext ACKs").
    pub message: Option<String>,
}

impl NetError {
    /// An error without further text.
    pub(crate) fn new(call: &'static str, object: impl Into<String>, errno: Errno) -> Self {
        let object = object.into();
        Self {
            call,
            object,
            errno,
            message: None,
        }
    }

    /// The same error with a text that explains the errno.
    pub(crate) fn because(mut self, message: impl Into<String>) -> Self {
        self.message = Some(message.into());
        self
    }

    /// From an error of the standard library; one without an errno becomes `EIO`.
    pub(crate) fn from_io(
        call: &'static str,
        object: impl Into<String>,
        error: &io::Error,
    ) -> Self {
        Self::new(call, object, errno_of(error))
    }
}

/// The errno inside `error`, `EIO` when there is none.
pub(crate) fn errno_of(error: &io::Error) -> Errno {
    error.raw_os_error().map_or(Errno::EIO, Errno::from_raw)
}

impl fmt::Display for NetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.call)?;
        if !self.object.is_empty() {
            write!(f, " {}", self.object)?;
        }
        write!(f, ": {}", self.errno)?;
        match &self.message {
            Some(message) => write!(f, " ({message})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for NetError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_call_object_errno_and_the_kernels_text() {
        let error = NetError::new("RTM_NEWLINK", "host", Errno::EEXIST);
        assert_eq!(error.to_string(), "RTM_NEWLINK host: EEXIST: File exists");
        let error = NetError::new("socket", "", Errno::EPERM).because("no CAP_NET_RAW");
        assert_eq!(
            error.to_string(),
            "socket: EPERM: Operation not permitted (no CAP_NET_RAW)"
        );
    }
}
