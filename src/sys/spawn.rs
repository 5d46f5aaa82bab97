//! clone3(2) straight into new namespaces, then execveat(2) of this program again.
//!
//! A worker that is PID 1 of its own namespace takes every process of its experiment with it when it dies. Nothing
//! between clone3 and execve may allocate: a raw clone copies locks that another thread may hold.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sched::CloneFlags;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Pid, Uid, pipe2};

use super::clone::{Cloned, clone};
use super::idmap::{MapError, SubordinateIds};

/// The descriptor that the first of [`Program::files`] gets; the others follow.
pub const FIRST_FILE: i32 = 3;

/// What to start.
pub struct Program<'a> {
    /// The arguments, the program's name first.
    pub arguments: Vec<CString>,
    /// Descriptors to hand over as 3, 4, …; everything else from there on is closed.
    pub files: Vec<BorrowedFd<'a>>,
    /// The namespaces to make for it.
    pub namespaces: CloneFlags,
    /// The ids of its user namespace beside the caller's own, if it gets one.
    pub subordinate_ids: Option<SubordinateIds>,
}

/// A started program.
pub struct Spawned {
    /// Its number here.
    pub pid: Pid,
    /// Readable when it and, as it is PID 1 of its namespace, all that it started are gone.
    pub pidfd: OwnedFd,
    stage: OwnedFd,
}

/// Why no program was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SpawnFailure {
    /// A call failed.
    Call(SpawnError),
    /// The ids of its user namespace could not be mapped.
    Map(MapError),
}

impl From<SpawnError> for SpawnFailure {
    fn from(error: SpawnError) -> Self {
        Self::Call(error)
    }
}

/// A call between clone3 and execve that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SpawnError {
    /// The call: `clone3`, `write uid_map`.
    pub call: &'static str,
    /// What it answered.
    pub errno: Errno,
}

const STAGES: [&str; 7] = [
    "write setgroups",
    "write uid_map",
    "write gid_map",
    "dup",
    "prctl",
    "execveat this program",
    "wait for the maps",
];

impl Spawned {
    /// Why the program was never executed, once it is gone; `None` if it was.
    #[must_use]
    pub fn failed_before_exec(&self) -> Option<SpawnError> {
        let stage = self.stage.try_clone().ok()?;
        let mut report = [0; 2];
        File::from(stage).read_exact(&mut report).ok()?;
        Some(SpawnError {
            call: STAGES.get(usize::from(report[0]))?,
            errno: Errno::from_raw(i32::from(report[1])),
        })
    }
}

/// Starts this program again.
///
/// With `CLONE_NEWUSER` among the namespaces the caller's user and group become root inside, the only ones there but for
/// subordinate ids.
///
/// # Errors
/// Those of [`SubordinateIds::map`].
/// Those of clone(2): `EPERM` without the capability, `ENOSPC` at a limit of `user.max_*_namespaces`.
pub fn spawn(program: &Program<'_>) -> Result<Spawned, SpawnFailure> {
    let fail = |call| move |errno| SpawnError { call, errno };
    let (stage, report) = pipe2(OFlag::O_CLOEXEC).map_err(fail("pipe2"))?;
    let this_program = open_this_program(OFlag::O_PATH).map_err(fail("open this program"))?;
    let (mapped, map) = pipe2(OFlag::O_CLOEXEC).map_err(fail("pipe2"))?;
    let plan = ChildPlan::new(program, &report, &this_program, (&mapped, &map));
    // SAFETY: the child makes system calls only until it executes another program.
    match unsafe { clone(program.namespaces) }? {
        Cloned::Child => plan.run(),
        Cloned::Parent(pid, pidfd) => {
            let spawned = Spawned { pid, pidfd, stage };
            if let Some(ids) = &program.subordinate_ids {
                give_ids(&spawned, ids, &map)?;
            }
            Ok(spawned)
        }
    }
}

/// Has the ids mapped, for which the child waits. A child that waits in vain is ended.
fn give_ids(child: &Spawned, ids: &SubordinateIds, map: &OwnedFd) -> Result<(), SpawnFailure> {
    let given = ids
        .map(child.pid)
        .map_err(SpawnFailure::Map)
        .and_then(|()| {
            let fail = |errno| SpawnError {
                call: "write",
                errno,
            };
            Ok(nix::unistd::write(map, b"m").map(drop).map_err(fail)?)
        });
    given.inspect_err(|_| {
        let _ = super::process::signal(child.pidfd.as_fd(), Signal::SIGKILL);
        let _ = super::process::wait(child.pid);
    })
}

/// All that the child needs, made before it exists.
struct ChildPlan<'a> {
    _arguments: &'a [CString],
    argv: Vec<*const libc::c_char>,
    files: Vec<i32>,
    report: i32,
    this_program: i32,
    maps: Maps,
}

/// Where the maps of its user namespace come from.
enum Maps {
    /// It has none of its own.
    None,
    /// It writes them itself: the caller's user, the caller's group.
    Own(Vec<u8>, Vec<u8>),
    /// The parent has them written, and says so on this pipe: the end to read from and the other one.
    Parents(i32, i32),
}

impl<'a> ChildPlan<'a> {
    fn new(
        program: &'a Program<'_>,
        report: &OwnedFd,
        this_program: &OwnedFd,
        (mapped, map_end): (&OwnedFd, &OwnedFd),
    ) -> Self {
        let argv = program.arguments.iter().map(|argument| argument.as_ptr());
        let user = program.namespaces.contains(CloneFlags::CLONE_NEWUSER);
        let map = |id: u32| format!("0 {id} 1").into_bytes();
        Self {
            argv: argv.chain([std::ptr::null()]).collect(),
            _arguments: &program.arguments,
            files: program.files.iter().map(AsRawFd::as_raw_fd).collect(),
            report: report.as_raw_fd(),
            this_program: this_program.as_raw_fd(),
            maps: match (user, program.subordinate_ids) {
                (false, _) => Maps::None,
                (true, Some(_)) => Maps::Parents(mapped.as_raw_fd(), map_end.as_raw_fd()),
                (true, None) => Maps::Own(
                    map(Uid::effective().as_raw()),
                    map(Gid::effective().as_raw()),
                ),
            },
        }
    }

    fn run(mut self) -> ! {
        let (stage, errno) = self.execute();
        let report = [stage, u8::try_from(errno as i32).unwrap_or(u8::MAX)];
        // SAFETY: the buffer is valid; nothing can be done about a failure here.
        unsafe {
            libc::write(self.report, report.as_ptr().cast(), report.len());
            libc::_exit(125)
        }
    }

    /// Returns the stage that failed; does not return when all goes well.
    fn execute(&mut self) -> (u8, Errno) {
        if let Maps::Parents(reader, writer) = self.maps
            && let Err(errno) = wait_for_a_byte((reader, writer))
        {
            return (6, errno);
        }
        if let Maps::Own(uid_map, gid_map) = &self.maps {
            // setgroups first: an unprivileged process may not write gid_map before (user_namespaces(7)).
            let writes: [(&CStr, &[u8]); 3] = [
                (c"/proc/self/setgroups", b"deny"),
                (c"/proc/self/uid_map", uid_map),
                (c"/proc/self/gid_map", gid_map),
            ];
            for (stage, (path, bytes)) in writes.into_iter().enumerate() {
                if let Err(errno) = write_file(path, bytes) {
                    return (u8::try_from(stage).unwrap_or(0), errno);
                }
            }
        }
        if let Err(errno) = self.place_files() {
            return (3, errno);
        }
        // SAFETY: no memory is passed.
        if unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) } != 0 {
            return (4, Errno::last());
        }
        let environment: [*const libc::c_char; 1] = [std::ptr::null()];
        // SAFETY: both arrays end with a null pointer and outlive the call; the path is empty and ends with NUL.
        unsafe {
            libc::syscall(
                libc::SYS_execveat,
                self.this_program,
                c"".as_ptr(),
                self.argv.as_ptr(),
                environment.as_ptr(),
                libc::AT_EMPTY_PATH,
            )
        };
        (5, Errno::last())
    }

    /// Moves the files to 3, 4, … and what is for itself behind them, by way of numbers that none of them can have yet.
    fn place_files(&mut self) -> Result<(), Errno> {
        let count = i32::try_from(self.descriptors().count()).unwrap_or(0);
        let first_free = FIRST_FILE + count;
        // SAFETY: fcntl, dup3 and close_range take numbers only.
        unsafe {
            for (descriptor, _) in self.descriptors() {
                *descriptor = Errno::result(libc::fcntl(*descriptor, libc::F_DUPFD, first_free))?;
            }
            for (number, (descriptor, flags)) in (FIRST_FILE..).zip(self.descriptors()) {
                *descriptor = Errno::result(libc::dup3(*descriptor, number, flags))?;
            }
            libc::syscall(libc::SYS_close_range, first_free, u32::MAX, 0);
        }
        Ok(())
    }

    /// All that it needs from here on, and how: execve(2) closes what is for itself.
    fn descriptors(&mut self) -> impl Iterator<Item = (&mut i32, i32)> {
        let handed_over = self.files.iter_mut().map(|file| (file, 0));
        let own = [&mut self.report, &mut self.this_program];
        handed_over.chain(own.map(|descriptor| (descriptor, libc::O_CLOEXEC)))
    }
}

/// Opens this program's file for `access`: by /proc, or by the name that it was executed under where there is no /proc
/// (AT_EXECFN in getauxval(3)).
///
/// # Errors
/// Those of open(2).
pub fn open_this_program(access: OFlag) -> Result<OwnedFd, Errno> {
    let flags = access | OFlag::O_CLOEXEC;
    nix::fcntl::open(c"/proc/self/exe", flags, Mode::empty()).or_else(|errno| {
        // SAFETY: the kernel has put a string that ends with NUL there, for the life of the process.
        let name = unsafe {
            let name = libc::getauxval(libc::AT_EXECFN) as *const libc::c_char;
            (!name.is_null()).then(|| CStr::from_ptr(name))
        };
        name.map_or(Err(errno), |name| {
            nix::fcntl::open(name, flags, Mode::empty())
        })
    })
}

/// The own copy of the pipe's other end is closed first, so that the death of the parent ends the wait.
fn wait_for_a_byte((reader, writer): (i32, i32)) -> Result<(), Errno> {
    let mut byte = 0_u8;
    // SAFETY: the buffer is one byte long, as is said.
    let length = unsafe {
        libc::close(writer);
        libc::read(reader, (&raw mut byte).cast(), 1)
    };
    match Errno::result(length)? {
        1 => Ok(()),
        _ => Err(Errno::EPIPE),
    }
}

fn write_file(path: &CStr, bytes: &[u8]) -> Result<(), Errno> {
    // SAFETY: the path ends with NUL and the buffer is valid; the descriptor is closed here.
    unsafe {
        let file = Errno::result(libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC))?;
        let result = Errno::result(libc::write(file, bytes.as_ptr().cast(), bytes.len()));
        libc::close(file);
        result.map(drop)
    }
}

/// Takes over a descriptor that [`spawn`] has handed to this program. Each may be taken once.
#[must_use]
pub fn inherited(number: i32) -> OwnedFd {
    // SAFETY: spawn has placed it there for this program alone.
    let file = unsafe { OwnedFd::from_raw_fd(number) };
    // execve(2) has kept it open; the programs of an experiment must not get it.
    let _ = nix::fcntl::fcntl(
        &file,
        nix::fcntl::FcntlArg::F_SETFD(nix::fcntl::FdFlag::FD_CLOEXEC),
    );
    file
}

#[cfg(test)]
mod tests;
