//! The signals that ask a run to end, as a descriptor.

use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::recording::Failure;
use crate::sys::signal::is_ignored;

/// SIGINT, SIGTERM and SIGHUP as a descriptor, until this is dropped. They do not end the process before. One that the
/// caller has ignored, as nohup(1) does with SIGHUP, stays ignored.
pub struct Signals {
    file: SignalFd,
    before: SigSet,
}

impl Signals {
    /// Takes them for the calling thread and those that it starts.
    ///
    /// # Errors
    /// Those of sigprocmask(2) and signalfd(2).
    pub fn take() -> Result<Self, Failure> {
        let fail = |call: &'static str| move |errno| Failure::errno(call, "", errno);
        let set: SigSet = [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP]
            .into_iter()
            .filter(|signal| !is_ignored(*signal))
            .collect();
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        let file = SignalFd::with_flags(&set, flags).map_err(fail("signalfd"))?;
        let before = set
            .thread_swap_mask(SigmaskHow::SIG_BLOCK)
            .map_err(fail("sigprocmask"))?;
        Ok(Self { file, before })
    }

    /// The next one that has come.
    #[must_use]
    pub fn read(&self) -> Option<Signal> {
        let information = self.file.read_signal().ok()??;
        Signal::try_from(i32::try_from(information.ssi_signo).ok()?).ok()
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        // A second Ctrl-C must not end the process before it has reported the first.
        while self.read().is_some() {}
        let _ = self.before.thread_set_mask();
    }
}

#[cfg(test)]
mod tests {
    use nix::sys::signal::raise;

    use super::*;
    use crate::sys::process::in_child;
    use crate::sys::signal::{forget_all, ignore};

    #[test]
    fn a_signal_is_read_unless_the_caller_has_it_ignored() {
        let read = |ignored: Option<Signal>| {
            in_child(|| {
                forget_all();
                ignored.into_iter().for_each(ignore);
                let signals = Signals::take().unwrap();
                raise(Signal::SIGHUP).unwrap();
                signals.read().map(|signal| signal as i32)
            })
        };
        assert_eq!(read(None), Ok(Some(libc::SIGHUP)));
        assert_eq!(read(Some(Signal::SIGTERM)), Ok(Some(libc::SIGHUP)));
        assert_eq!(read(Some(Signal::SIGHUP)), Ok(None));
    }

    #[test]
    fn those_that_nobody_has_read_are_gone_when_it_is_dropped() {
        let blocked = in_child(|| {
            forget_all();
            SigSet::from(Signal::SIGUSR1).thread_block().unwrap();
            let signals = Signals::take().unwrap();
            raise(Signal::SIGTERM).unwrap();
            raise(Signal::SIGHUP).unwrap();
            drop(signals);
            let blocked = SigSet::thread_get_mask().unwrap();
            blocked
                .iter()
                .map(|signal| signal as i32)
                .collect::<Vec<_>>()
        });
        assert_eq!(blocked, Ok(vec![libc::SIGUSR1]));
    }
}
