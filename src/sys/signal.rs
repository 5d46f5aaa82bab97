//! What this process does about signals. signal(7), sigaction(2)

use nix::sys::signal::{SigHandler, SigSet, SigmaskHow, Signal, signal, sigprocmask};

/// Whether a signal is ignored. At the beginning of a program that is what its caller wants: nohup(1) has SIGHUP ignored, a
/// shell without job control SIGINT in what it runs in the background.
#[must_use]
pub fn is_ignored(signal: Signal) -> bool {
    // SAFETY: zero is valid for every field.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: no action is given, and the one that is there is written to a valid structure.
    let asked = unsafe { libc::sigaction(signal as i32, std::ptr::null(), &raw mut action) };
    asked == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Has a signal ignored.
pub fn ignore(number: Signal) {
    // SAFETY: no handler of ours.
    let _ = unsafe { signal(number, SigHandler::SigIgn) };
}

/// Gives every signal its default action, and blocks none. Both would pass through fork(2) and execve(2).
pub fn forget_all() {
    for number in Signal::iterator() {
        // SAFETY: the default action is no handler of ours.
        let _ = unsafe { signal(number, SigHandler::SigDfl) };
    }
    let _ = sigprocmask(SigmaskHow::SIG_SETMASK, Some(&SigSet::empty()), None);
}

#[cfg(test)]
mod tests {
    use super::super::process::in_child;
    use super::*;

    #[test]
    fn what_is_ignored_or_blocked_is_forgotten() {
        let seen = in_child(|| {
            ignore(Signal::SIGHUP);
            SigSet::all().thread_block().unwrap();
            let before = [Signal::SIGHUP, Signal::SIGTERM].map(is_ignored);
            forget_all();
            let blocked = SigSet::thread_get_mask().unwrap();
            let after = [Signal::SIGHUP, Signal::SIGTERM].map(is_ignored);
            (before, after, blocked == SigSet::empty())
        });
        assert_eq!(seen, Ok(([true, false], [false, false], true)));
    }
}
