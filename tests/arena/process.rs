//! Runs and other processes, watched from outside.

use std::cell::Cell;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use verify::sys::process::{pidfd_open, signal};

/// A run that was started.
pub struct Running {
    pidfd: OwnedFd,
    child: Cell<Option<Child>>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let child = command.spawn().unwrap();
        let pid = Pid::from_raw(i32::try_from(child.id()).unwrap());
        Self {
            pidfd: pidfd_open(pid).unwrap(),
            child: Cell::new(Some(child)),
        }
    }

    pub fn is_alive(&self) -> bool {
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 0
    }

    pub fn signal(&self, what: Signal) {
        let _ = signal(self.pidfd.as_fd(), what);
    }

    /// Waits for its end. Gives its exit code, `None` when a signal has ended it.
    pub fn end(&self) -> Option<i32> {
        let status = self.child.take().unwrap().wait().unwrap();
        assert!(status.code().is_some() || status.signal().is_some());
        status.code()
    }
}

/// A process in the arena.
pub struct Process {
    pid: i32,
    pidfd: OwnedFd,
}

impl Process {
    /// `None` when it has ended.
    pub fn open(pid: i32) -> Option<Self> {
        let pidfd = pidfd_open(Pid::from_raw(pid)).ok()?;
        Some(Self { pid, pidfd })
    }

    /// Waits for its end, at most ten seconds.
    pub fn wait(&self) {
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        let ended = poll(&mut fds, PollTimeout::from(10_000_u16)).unwrap();
        assert!(ended == 1, "{} is still there", self.command());
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    pub fn kill(&self) {
        let _ = signal(self.pidfd.as_fd(), Signal::SIGKILL);
    }

    fn proc(&self, name: &str) -> PathBuf {
        Path::new("/proc").join(self.pid.to_string()).join(name)
    }

    fn read(&self, name: &str) -> String {
        fs::read(self.proc(name))
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default()
    }

    /// The groups that it is in.
    pub fn groups(&self) -> String {
        self.read("cgroup")
    }

    /// Its name and its command line.
    pub fn command(&self) -> String {
        format!(
            "{} {}",
            self.read("comm").trim(),
            self.read("cmdline").replace('\0', " ")
        )
    }

    pub fn waits_in_poll(&self) -> bool {
        let call = self.read("syscall");
        let number = call
            .split(' ')
            .next()
            .and_then(|number| number.parse().ok());
        [Some(libc::SYS_poll), Some(libc::SYS_ppoll)].contains(&number)
    }

    pub fn files(&self) -> Vec<String> {
        let files = fs::read_dir(self.proc("fd")).unwrap().flatten();
        let names = files.filter_map(|file| fs::read_link(file.path()).ok());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }

    pub fn session(&self) -> i32 {
        let stat = self.read("stat");
        stat.rsplit(')')
            .next()
            .unwrap()
            .split_whitespace()
            .nth(3)
            .unwrap()
            .parse()
            .unwrap()
    }
}
