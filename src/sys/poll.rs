//! Waiting for a file descriptor until a moment, see `ppoll(2)`.

use std::os::fd::BorrowedFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

/// The moment that is this far from now.
pub(crate) fn from_now(time: Duration) -> Instant {
    Instant::now() + time
}

/// Waits until `fd` has something to read or to report; false when `deadline` came first.
///
/// A signal does not end the wait. A deadline in the past still looks once.
pub(crate) fn readable(fd: BorrowedFd<'_>, deadline: Instant) -> Result<bool, Errno> {
    ready(&mut [PollFd::new(fd, PollFlags::POLLIN)], deadline)
}

/// Waits until one of `fds` has what it is asked for; false when `deadline` came first.
///
/// A signal does not end the wait. A deadline in the past still looks once.
pub(crate) fn ready(fds: &mut [PollFd<'_>], deadline: Instant) -> Result<bool, Errno> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match ppoll(fds, Some(TimeSpec::from_duration(left)), None) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn what_is_far_from_now_is_ahead() {
        let before = Instant::now();
        let hour = Duration::from_secs(3600);
        assert!(from_now(hour) >= before + hour);
    }

    #[test]
    fn tells_data_from_the_deadline() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let soon = Instant::now() + Duration::from_millis(2);
        assert_eq!(readable(reader.as_fd(), soon), Ok(false));
        assert!(Instant::now() >= soon);
        writer.write_all(b"x").unwrap();
        assert_eq!(readable(reader.as_fd(), soon), Ok(true));
    }
}
