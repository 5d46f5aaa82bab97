//! One worker from its start to its end: what it says, how long it may take, what it has done.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::unistd::pipe2;

use super::group::Groups;
use super::message::{Event, Order};
use super::parent::Task;
use super::run::Run;
use super::scratch::Room;
use super::unstarted::{Unstarted, not_spawned};
use crate::recording::{End, Failure, Recording, StepRecord};
use crate::session::Flow;
use crate::spec::Step;
use crate::sys::namespace::flags;
use crate::sys::process;
use crate::sys::spawn::{Program, Spawned, spawn};

/// How long a worker may take to make its place and to try its needs.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long a worker may wait for other runs to end their measurements.
const TURN_LIMIT: Duration = Duration::from_secs(120);

/// The most that a worker may say, in bytes.
const EVENTS_LIMIT: usize = 32 << 20;

/// The recording of a task of which no step was begun.
pub(super) fn not_performed(task: &Task, end: End) -> Recording {
    Recording {
        experiment: task.assignment.experiment.clone(),
        steps: Vec::new(),
        planned: count(&task.assignment.steps),
        end,
        duration_us: 0,
        leftovers: Vec::new(),
    }
}

fn count(steps: &[Step]) -> usize {
    steps.iter().map(|step| 1 + count(&step.inside)).sum()
}

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
    steps: Vec<(usize, Step)>,
    timeout: Duration,
    /// What it says; nothing more comes when this is closed.
    pub events: Option<File>,
    heard: Vec<u8>,
    started: Instant,
    waiting: bool,
    ready: Option<Instant>,
    step: Option<(Instant, Duration)>,
    /// What has happened in it so far.
    pub recording: Recording,
    end: Option<End>,
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
        .map_err(|failure| Unstarted::Process(not_spawned(failure)))?;
        Ok(Self {
            number,
            measures_cpu: assignment.measures_cpu,
            process,
            _lifeline: lifeline,
            groups,
            scratch,
            steps: numbered(&assignment.steps),
            timeout: assignment.timeout,
            events: Some(events.into()),
            heard: Vec::new(),
            started,
            waiting: false,
            ready: None,
            step: None,
            recording: not_performed(task, End::Completed),
            end: None,
        })
    }

    /// When it will be ended, unless it already is about to.
    pub fn deadline(&self) -> Option<Instant> {
        if self.end.is_some() {
            return None;
        }
        let (began, limit) = self.current();
        Some(began + limit)
    }

    /// How long what it is doing may take.
    pub fn limit(&self) -> Duration {
        self.current().1
    }

    /// When what it is doing now began, and how long that may take: its step, where that must end before the whole.
    fn current(&self) -> (Instant, Duration) {
        let whole = match (self.ready, self.waiting) {
            (Some(ready), _) => (ready, self.timeout),
            (None, true) => (self.started, TURN_LIMIT),
            (None, false) => (self.started, START_LIMIT),
        };
        match self.step {
            Some((began, limit)) if began + limit < whole.0 + whole.1 => (began, limit),
            _ => whole,
        }
    }

    /// Ends it with everything that it has started. The first reason counts.
    pub fn end(&mut self, end: End) {
        self.end.get_or_insert(end);
        let _ = process::signal(self.process.pidfd.as_fd(), Signal::SIGKILL);
        self.groups.thaw();
    }

    pub fn listen(&mut self) {
        let Some(events) = &mut self.events else {
            return;
        };
        let mut buffer = [0; 1 << 16];
        let closed = loop {
            match events.read(&mut buffer) {
                Ok(0) => break true,
                Ok(length) => self.heard.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break false,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => break true,
            }
            if self.heard.len() > EVENTS_LIMIT {
                break true;
            }
        };
        if closed {
            self.events = None;
            // It is at its end, which comes when all in its PID namespace have died.
            self.groups.thaw();
        }
        while let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            match serde_json::from_slice(&line) {
                Ok(event) => self.take(event),
                Err(error) => self.end(End::Died {
                    how: format!("it said what is no event: {error}"),
                }),
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Waiting => self.waiting = true,
            Event::Ready => self.ready = Some(Instant::now()),
            Event::Unready(failure) => drop(self.end.get_or_insert(End::NotStarted(failure))),
            Event::Unmet(unmet) => {
                self.end.get_or_insert(End::Unmet {
                    need: unmet.need.to_string(),
                    failure: unmet.failure,
                });
            }
            Event::Began { index } => self.began(index),
            Event::Ended {
                index,
                duration_us,
                output,
                failure,
                as_declared,
            } => {
                self.step = None;
                if let Some(record) = self
                    .recording
                    .steps
                    .iter_mut()
                    .find(|record| record.index == index)
                {
                    record.duration_us = duration_us;
                    record.output = output;
                    record.failure = failure;
                    record.as_declared = as_declared;
                    record.ended = true;
                }
            }
            Event::Finished(flow) => {
                self.end.get_or_insert(match flow {
                    Flow::Continue => End::Completed,
                    Flow::Stop => End::Stopped,
                });
            }
        }
    }

    fn began(&mut self, index: usize) {
        let Some((depth, step)) = self.steps.get(index) else {
            return;
        };
        self.step = step.timeout.map(|limit| (Instant::now(), limit));
        self.recording.steps.push(StepRecord {
            index,
            depth: *depth,
            line: step.line,
            text: step.text.clone(),
            duration_us: 0,
            output: crate::recording::Output::nothing(),
            failure: None,
            as_declared: false,
            ended: false,
        });
    }

    /// The worker is dead, and with it everything in its PID namespace.
    pub fn finish(mut self) -> Recording {
        self.listen();
        let status = process::wait(self.process.pid);
        let before_exec = self.process.failed_before_exec();
        let end = self
            .end
            .take()
            .unwrap_or_else(|| match (before_exec, status) {
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
        self.recording.end = end;
        self.recording.duration_us =
            u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.recording.leftovers = self.groups.remove();
        let scratch = self.scratch.as_mut().and_then(Room::remove);
        self.recording.leftovers.extend(scratch);
        self.recording
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

fn numbered(steps: &[Step]) -> Vec<(usize, Step)> {
    fn walk(steps: &[Step], depth: usize, all: &mut Vec<(usize, Step)>) {
        for step in steps {
            let alone = Step {
                inside: Vec::new(),
                ..step.clone()
            };
            all.push((depth, alone));
            walk(&step.inside, depth + 1, all);
        }
    }
    let mut all = Vec::new();
    walk(steps, 0, &mut all);
    all
}
