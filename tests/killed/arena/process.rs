//! Runs and other processes, watched from outside.

use std::cell::Cell;
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use verify::sys::process::{pidfd_open, signal};

/// A run that was started.
pub struct Running {
    pid: i32,
    pidfd: OwnedFd,
    child: Cell<Option<Child>>,
}

impl Running {
    pub fn start(command: &mut Command) -> Self {
        let child = command.spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        Self {
            pid,
            pidfd: pidfd_open(Pid::from_raw(pid)).unwrap(),
            child: Cell::new(Some(child)),
        }
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    pub fn is_alive(&self) -> bool {
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).unwrap() == 0
    }

    /// Its standard output and standard error, where they are pipes.
    pub fn readers(&self) -> (Option<ChildStdout>, Option<ChildStderr>) {
        let mut child = self.child.take().unwrap();
        let readers = (child.stdout.take(), child.stderr.take());
        self.child.set(Some(child));
        readers
    }

    pub fn signal(&self, what: Signal) {
        let _ = signal(self.pidfd.as_fd(), what);
    }

    /// Waits for its end, but leaves its status to [`Running::end`].
    pub fn wait(&self) {
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        assert_eq!(poll(&mut fds, PollTimeout::NONE), Ok(1));
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

    /// Waits, at most ten seconds, until it has ended or has let go of its files. One of a frozen group of cgroup v1 dies
    /// when that is thawed, and the first process of a namespace waits for it, but holds no lock any more.
    pub fn wait(&self) {
        for _ in 0..1000 {
            let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
            if poll(&mut fds, PollTimeout::from(10_u8)) == Ok(1) || self.files().is_empty() {
                return;
            }
        }
        panic!("{} is still there", self.command());
    }

    /// Waits, at most ten seconds, until it has ended, if it has no memory any more: it was dying already, do_exit(), and
    /// nobody needs to do anything about it. One of a frozen group of cgroup v1 has its memory still.
    pub fn was_dying(&self) -> bool {
        let mut fds = [PollFd::new(self.pidfd.as_fd(), PollFlags::POLLIN)];
        self.read("cmdline").is_empty() && poll(&mut fds, PollTimeout::from(10_000_u16)) == Ok(1)
    }

    pub fn pid(&self) -> i32 {
        self.pid
    }

    pub fn kill(&self) {
        let _ = signal(self.pidfd.as_fd(), Signal::SIGKILL);
    }

    /// A file that the kernel gives of it, or a path in its root directory.
    pub fn proc(&self, name: &str) -> PathBuf {
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
        let files = fs::read_dir(self.proc("fd"))
            .into_iter()
            .flatten()
            .flatten();
        let names = files.filter_map(|file| fs::read_link(file.path()).ok());
        names
            .map(|name| name.to_string_lossy().into_owned())
            .collect()
    }

    pub fn session(&self) -> i32 {
        self.stat(3)
    }

    pub fn parent(&self) -> i32 {
        self.stat(1)
    }

    /// What stands there in its proc_pid_stat(5), counted from its state.
    fn stat(&self, column: usize) -> i32 {
        let stat = self.read("stat");
        let after_name = stat.rsplit(')').next().unwrap();
        let number = after_name.split_whitespace().nth(column);
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }
}
