//! One worker from its start to its end.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::Instant;

use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::unistd::pipe2;

use super::account::Account;
use super::group::Groups;
use super::message::Order;
use super::run::Run;
use super::scratch::Room;
use super::task::Task;
use super::unstarted::{Unstarted, not_spawned};
use crate::recording::{End, Failure, Recording};
use crate::sys::namespace::flags;
use crate::sys::process;
use crate::sys::spawn::{Program, Spawned, spawn};

/// The most that a worker may say at once, in bytes.
const EVENTS_LIMIT: usize = 32 << 20;

/// A worker as its parent sees it.
pub(super) struct Worker {
    /// The number of its task.
    pub number: usize,
    /// Whether it measures CPU time.
    pub measures_cpu: bool,
    /// Its process.
    pub process: Spawned,
    _lifeline: OwnedFd,
    groups: Groups,
    scratch: Option<Room>,
    started: Instant,
    /// What it says; nothing more comes when this is closed.
    pub events: Option<File>,
    /// What it has said.
    pub account: Account,
}

impl Worker {
    pub fn start(run: &Run, number: usize, task: &Task) -> Result<Self, Unstarted> {
        let assignment = &task.assignment;
        let groups = run.make_groups(assignment).map_err(Unstarted::Groups)?;
        let scratch = run.make_scratch(assignment)?;
        let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(|errno| Failure::errno("pipe2", "", errno));
        let (events, events_writer) = pipe()?;
        let (lifeline_reader, lifeline) = pipe()?;
        nonblocking(&events)?;
        let order = order_file(task, groups.paths(), scratch.as_ref())?;
        let cpu_lock = assignment
            .measures_cpu
            .then(|| run.cpu_lock())
            .transpose()?;
        let mut files = vec![
            events_writer.as_fd(),
            lifeline_reader.as_fd(),
            run.lock(),
            order.as_fd(),
        ];
        files.extend(cpu_lock.as_ref().map(AsFd::as_fd));
        let started = Instant::now();
        let process = spawn(&Program {
            arguments: vec![c"verify".to_owned(), c"__worker".to_owned()],
            files,
            namespaces: flags(&assignment.namespaces),
            subordinate_ids: assignment.subordinate_ids,
        })
        .map_err(|failure| Unstarted::Process(not_spawned(failure, "the worker's namespaces")))?;
        Ok(Self {
            number,
            measures_cpu: assignment.measures_cpu,
            process,
            _lifeline: lifeline,
            groups,
            scratch,
            started,
            events: Some(events.into()),
            account: Account::begin(task),
        })
    }

    /// Ends it with everything that it has started. The first reason counts.
    pub fn end(&mut self, end: End) {
        self.account.end(end);
        let _ = process::signal(self.process.pidfd.as_fd(), Signal::SIGKILL);
        self.groups.thaw();
    }

    pub fn listen(&mut self) {
        let Some(events) = &mut self.events else {
            return;
        };
        let heard = &mut self.account.heard;
        let room = EVENTS_LIMIT.saturating_sub(heard.len()) as u64;
        // EAGAIN, that there is nothing more for now, is all that can go wrong.
        let closed = events.take(room).read_to_end(heard).is_ok();
        if closed {
            self.events = None;
            // It is at its end, which comes when all in its PID namespace have died.
            self.groups.thaw();
        }
        if let Err(error) = self.account.take_heard() {
            self.end(End::Died {
                how: format!("it said what is no event: {error}"),
            });
        }
    }

    /// The worker is dead, and with it everything in its PID namespace.
    pub fn finish(mut self) -> Recording {
        self.listen();
        let status = process::wait(self.process.pid);
        let before_exec = self.process.failed_before_exec();
        let Account {
            mut recording, end, ..
        } = self.account;
        recording.end = end.unwrap_or_else(|| match (before_exec, status) {
            (Some(error), _) => End::NotStarted(Failure::errno(error.call, "", error.errno)),
            (None, Ok(WaitStatus::Exited(_, status))) => End::Died {
                how: format!("exit status {status}"),
            },
            (None, Ok(WaitStatus::Signaled(_, signal, _))) => End::Died {
                how: signal.as_str().to_owned(),
            },
            (None, other) => End::Died {
                how: format!("{other:?}"),
            },
        });
        recording.duration_us =
            u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        recording.leftovers = self.groups.remove();
        let scratch = self.scratch.as_mut().and_then(Room::remove);
        recording.leftovers.extend(scratch);
        recording
    }
}

fn order_file(
    task: &Task,
    cgroups: BTreeMap<String, PathBuf>,
    scratch: Option<&Room>,
) -> Result<OwnedFd, Failure> {
    let order = Order {
        assignment: task.assignment.clone(),
        cgroups,
        scratch: scratch.map(|room| room.named().clone()),
        only_needs: task.only_needs,
    };
    let bytes = serde_json::to_vec(&order)
        .map_err(|error| Failure::unexpected("write", "the order", error.to_string()))?;
    process::memory_file(&bytes).map_err(|errno| Failure::errno("memfd_create", "", errno))
}

fn nonblocking(file: &OwnedFd) -> Result<(), Failure> {
    nix::fcntl::fcntl(file, nix::fcntl::FcntlArg::F_SETFL(OFlag::O_NONBLOCK))
        .map(drop)
        .map_err(|errno| Failure::errno("fcntl", "", errno))
}
