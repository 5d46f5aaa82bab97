//! Control files of cgroups that take what is written and give it back, and have no effect: a supervisor answers the
//! opening of one with a plain file. seccomp_unotify(2)

#![allow(unsafe_code)]

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use tempfile::TempDir;

use super::breaks::Break;

/// The descriptor that verify has of the listener, for the supervisor to take.
const LISTENER: i32 = 100;

nix::ioctl_readwrite!(receive, b'!', 0, libc::seccomp_notif);
nix::ioctl_readwrite!(respond, b'!', 1, libc::seccomp_notif_resp);
nix::ioctl_write_ptr!(add_file, b'!', 3, libc::seccomp_notif_addfd);

/// Reports each openat2(2) to a supervisor.
pub fn watch() -> Break {
    let statement = |code: u32, k: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt: 0,
        jf: 0,
        k,
    };
    let call = u32::try_from(libc::SYS_openat2).unwrap();
    let program = [
        statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0),
        libc::sock_filter {
            jf: 1,
            ..statement(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, call)
        },
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_USER_NOTIF),
        statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW),
    ];
    std::sync::Arc::new(move || {
        let filter = libc::sock_fprog {
            len: 4,
            filter: program.as_ptr().cast_mut(),
        };
        let listener = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
        // SAFETY: the filter is valid, and the kernel copies it.
        let listener = unsafe {
            libc::syscall(
                libc::SYS_seccomp,
                libc::SECCOMP_SET_MODE_FILTER,
                listener,
                &raw const filter,
            )
        };
        let listener = i32::try_from(Errno::result(listener)?).map_err(io::Error::other)?;
        // SAFETY: both are numbers.
        Errno::result(unsafe { libc::dup2(listener, LISTENER) }).map(drop)?;
        Ok(())
    })
}

/// Answers a process that watches itself, until it and all its children are gone.
pub struct Supervisor {
    listener: OwnedFd,
    folder: TempDir,
}

impl Supervisor {
    /// Takes the listener of a process that was just started.
    pub fn of(process: u32) -> Self {
        // SAFETY: these take numbers only, and the descriptors that they give are nobody else's.
        let listener = unsafe {
            let pidfd = Errno::result(libc::syscall(libc::SYS_pidfd_open, process, 0)).unwrap();
            let pidfd = OwnedFd::from_raw_fd(i32::try_from(pidfd).unwrap());
            let listener = libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), LISTENER, 0);
            OwnedFd::from_raw_fd(i32::try_from(Errno::result(listener).unwrap()).unwrap())
        };
        Self {
            listener,
            folder: tempfile::tempdir().unwrap(),
        }
    }

    /// Answers; returns when nobody is left to ask.
    pub fn serve(&self) {
        while self.somebody_asks() {
            // SAFETY: zero is valid for every field.
            let mut asked: libc::seccomp_notif = unsafe { std::mem::zeroed() };
            // SAFETY: the descriptor is a listener, and the structure is valid and zero, as the kernel wants it.
            match unsafe { receive(self.listener.as_raw_fd(), &raw mut asked) } {
                Ok(_) => self.answer(&asked),
                // Killed meanwhile.
                Err(Errno::ENOENT | Errno::EINTR) => {}
                Err(errno) => panic!("{errno}"),
            }
        }
    }

    fn somebody_asks(&self) -> bool {
        let mut file = libc::pollfd {
            fd: self.listener.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one valid structure.
        Errno::result(unsafe { libc::poll(&raw mut file, 1, -1) }).unwrap();
        file.revents & libc::POLLIN != 0
    }

    fn answer(&self, asked: &libc::seccomp_notif) {
        let file = decoyed(asked).and_then(|path| self.decoy(asked, &path));
        match file {
            Some(file) => self.hand_over(asked, &file),
            None => self.let_it(asked),
        }
    }

    /// The plain file that stands for a control file, with what the real one says until it is written to.
    fn decoy(&self, asked: &libc::seccomp_notif, path: &Path) -> Option<File> {
        let real =
            PathBuf::from(format!("/proc/{}/fd/{}", asked.pid, asked.data.args[0])).join(path);
        let stand_in = self.folder.path().join(path.file_name()?);
        if !stand_in.exists() {
            // One that can be written only has nothing to say.
            fs::write(&stand_in, fs::read(real).unwrap_or_default()).unwrap();
        }
        let writes = how(asked)? & u64::from(libc::O_TRUNC.cast_unsigned()) != 0;
        Some(
            OpenOptions::new()
                .read(true)
                .write(true)
                .truncate(writes)
                .open(stand_in)
                .unwrap(),
        )
    }

    fn hand_over(&self, asked: &libc::seccomp_notif, file: &File) {
        // SAFETY: zero is valid for every field.
        let mut given: libc::seccomp_notif_addfd = unsafe { std::mem::zeroed() };
        given.id = asked.id;
        given.flags = u32::try_from(libc::SECCOMP_ADDFD_FLAG_SEND).unwrap();
        given.srcfd = file.as_raw_fd().cast_unsigned();
        given.newfd_flags = libc::O_CLOEXEC.cast_unsigned();
        // SAFETY: the structure is valid; that the asking process was killed meanwhile is no matter.
        let _ = unsafe { add_file(self.listener.as_raw_fd(), &raw const given) };
    }

    fn let_it(&self, asked: &libc::seccomp_notif) {
        // SAFETY: zero is valid for every field.
        let mut answer: libc::seccomp_notif_resp = unsafe { std::mem::zeroed() };
        answer.id = asked.id;
        answer.flags = u32::try_from(libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE).unwrap();
        // SAFETY: the structure is valid; that the asking process was killed meanwhile is no matter.
        let _ = unsafe { respond(self.listener.as_raw_fd(), &raw mut answer) };
    }
}

/// The path, if it is that of a control file in a group that a spec has made.
fn decoyed(asked: &libc::seccomp_notif) -> Option<PathBuf> {
    const GROUPS: [&str; 3] = ["limit", "frozen", "doomed"];
    const FILES: [&str; 12] = [
        "cgroup.freeze",
        "cgroup.kill",
        "cpu.cfs_period_us",
        "cpu.cfs_quota_us",
        "cpu.max",
        "cpu.shares",
        "cpu.weight",
        "freezer.state",
        "memory.high",
        "memory.limit_in_bytes",
        "memory.max",
        "pids.max",
    ];
    let bytes = memory(asked.pid, asked.data.args[1], 256)?;
    let path = bytes.split(|byte| *byte == 0).next()?;
    let path = Path::new(std::str::from_utf8(path).ok()?).to_owned();
    let group = path.parent()?.to_str()?;
    let is_made = GROUPS.iter().any(|name| group.starts_with(name));
    (is_made && FILES.contains(&path.file_name()?.to_str()?)).then_some(path)
}

/// The flags of a `struct open_how`, its first field.
fn how(asked: &libc::seccomp_notif) -> Option<u64> {
    let bytes = memory(asked.pid, asked.data.args[2], 8)?;
    Some(u64::from_ne_bytes(bytes.try_into().ok()?))
}

fn memory(process: u32, address: u64, length: usize) -> Option<Vec<u8>> {
    let memory = File::open(format!("/proc/{process}/mem")).ok()?;
    let mut bytes = vec![0; length];
    // A string near the end of a mapping is shorter than what is asked for.
    let read = memory.read_at(&mut bytes, address).ok()?;
    bytes.truncate(read);
    Some(bytes)
}
