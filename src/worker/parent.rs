//! The parent's side: one thread that waits for workers, their events, time limits and signals at once.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::sys::wait::WaitStatus;
use nix::unistd::pipe2;

use super::group::Groups;
use super::message::{Event, Order};
use super::run::Run;
use super::signals::Signals;
use crate::plan::Assignment;
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

/// An experiment to perform.
pub struct Task {
    /// What is performed.
    pub assignment: Assignment,
    /// Only try its needs.
    pub only_needs: bool,
}

/// What became of all tasks.
pub struct Performed {
    /// One recording for each task, in their order.
    pub recordings: Vec<Recording>,
    /// The signal that ended the run early.
    pub interrupted: Option<Signal>,
}

/// What happens while tasks are performed.
pub enum Progress<'a> {
    /// This task, by its number, has begun a step.
    Step(usize, &'a str),
    /// A second has passed.
    Tick,
    /// This task, by its number, has ended.
    Ended(usize, &'a Recording),
}

/// Performs tasks, at most `jobs` at a time and one at a time of those that measure CPU time.
///
/// SIGINT, SIGTERM and SIGHUP end it: every worker is killed, what happened so far is given.
///
/// # Errors
/// Signals or polling do not work here.
pub fn perform(
    run: &Run,
    tasks: Vec<Task>,
    jobs: usize,
    watch: &mut dyn FnMut(Progress<'_>),
) -> Result<Performed, Failure> {
    let signals = run.signals();
    let mut recordings: Vec<Option<Recording>> = tasks.iter().map(|_| None).collect();
    let mut fleet = Fleet {
        run,
        queue: tasks.into_iter().enumerate().collect(),
        working: Vec::new(),
        jobs: jobs.max(1),
    };
    let mut interrupted = None;
    let mut record = |number: usize, recording: Recording, watch: &mut dyn FnMut(Progress<'_>)| {
        watch(Progress::Ended(number, &recording));
        recordings[number] = Some(recording);
    };
    loop {
        for (number, recording) in fleet.start(interrupted.is_some()) {
            record(number, recording, watch);
        }
        if fleet.working.is_empty() {
            break;
        }
        let ready = fleet.wait(signals)?;
        if ready.signal && interrupted.is_none() {
            interrupted = signals.read();
            fleet
                .working
                .iter_mut()
                .for_each(|worker| worker.end(End::Interrupted));
        }
        for &number in &ready.events {
            fleet.listen(number, watch);
        }
        for (number, recording) in fleet.collect(&ready.dead) {
            record(number, recording, watch);
        }
        fleet.enforce_limits();
        watch(Progress::Tick);
    }
    Ok(Performed {
        recordings: recordings.into_iter().flatten().collect(),
        interrupted,
    })
}

struct Fleet<'r> {
    run: &'r Run,
    queue: VecDeque<(usize, Task)>,
    working: Vec<Worker>,
    jobs: usize,
}

/// What there is to do, by the workers' places in the fleet.
#[derive(Default)]
struct Ready {
    signal: bool,
    events: Vec<usize>,
    dead: Vec<usize>,
}

impl Fleet<'_> {
    /// Starts what may run now. Gives the recordings of those that could not be started.
    fn start(&mut self, interrupted: bool) -> Vec<(usize, Recording)> {
        let mut failed = Vec::new();
        while let Some((number, task)) = self.next_task(interrupted) {
            match interrupted {
                true => failed.push((number, not_performed(&task, End::Interrupted))),
                false => match Worker::start(self.run, number, &task) {
                    Ok(worker) => self.working.push(worker),
                    Err(failure) => {
                        failed.push((number, not_performed(&task, unstarted(&task, failure))));
                    }
                },
            }
        }
        failed
    }

    fn next_task(&mut self, any: bool) -> Option<(usize, Task)> {
        if any {
            return self.queue.pop_front();
        }
        if self.working.len() >= self.jobs {
            return None;
        }
        let measuring = self.working.iter().any(|worker| worker.measures_cpu);
        // A measurement takes longest: the others hide behind it when it goes first.
        let wanted = |task: &Task| task.assignment.measures_cpu;
        let first = (!measuring)
            .then(|| self.queue.iter().position(|(_, task)| wanted(task)))
            .flatten();
        let other = || self.queue.iter().position(|(_, task)| !wanted(task));
        self.queue.remove(first.or_else(other)?)
    }

    fn wait(&self, signals: &Signals) -> Result<Ready, Failure> {
        let mut fds = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        for worker in &self.working {
            // A negative descriptor would do for a closed pipe, but PollFd has none: the pidfd stands in.
            let events = worker
                .events
                .as_ref()
                .map_or(worker.process.pidfd.as_fd(), AsFd::as_fd);
            fds.push(PollFd::new(worker.process.pidfd.as_fd(), PollFlags::POLLIN));
            fds.push(PollFd::new(events, PollFlags::POLLIN));
        }
        match poll(&mut fds, self.timeout()) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(Failure::errno("poll", "", errno)),
        }
        let ready = |place: usize| {
            fds[place]
                .revents()
                .is_some_and(|events| !events.is_empty())
        };
        let workers = 0..self.working.len();
        Ok(Ready {
            signal: ready(0),
            dead: workers
                .clone()
                .filter(|number| ready(1 + 2 * number))
                .collect(),
            events: workers.filter(|number| ready(2 + 2 * number)).collect(),
        })
    }

    fn timeout(&self) -> PollTimeout {
        let next = self.working.iter().filter_map(Worker::deadline).min();
        let left = next.map_or(Duration::from_secs(1), |next| {
            next.saturating_duration_since(Instant::now())
        });
        let milliseconds = left.min(Duration::from_secs(1)).as_millis() + 1;
        PollTimeout::try_from(i32::try_from(milliseconds).unwrap_or(1000))
            .unwrap_or(PollTimeout::ZERO)
    }

    fn listen(&mut self, place: usize, watch: &mut dyn FnMut(Progress<'_>)) {
        let worker = &mut self.working[place];
        let begun = worker.recording.steps.len();
        worker.listen();
        if worker.recording.steps.len() > begun
            && let Some(step) = worker.recording.last_step()
        {
            watch(Progress::Step(worker.number, &step.text));
        }
    }

    fn collect(&mut self, dead: &[usize]) -> Vec<(usize, Recording)> {
        let ended = dead.iter().rev().map(|place| self.working.remove(*place));
        ended
            .map(|worker| (worker.number, worker.finish()))
            .collect()
    }

    fn enforce_limits(&mut self) {
        let now = Instant::now();
        for worker in &mut self.working {
            if worker.deadline().is_some_and(|deadline| deadline <= now) {
                let limit = worker.limit();
                worker.end(End::TimedOut {
                    limit_ms: u64::try_from(limit.as_millis()).unwrap_or(u64::MAX),
                });
            }
        }
    }
}

/// A need that only shows when its group is made is unmet; everything else is the run's trouble.
fn unstarted(task: &Task, failure: Failure) -> End {
    let need = task.assignment.needs.iter().find(|need| {
        use crate::need::Need;
        failure.call == "mkdir" && matches!(need, Need::CgroupV1(_) | Need::CgroupV2(_))
    });
    match need {
        Some(need) => End::Unmet {
            need: need.to_string(),
            failure,
        },
        None => End::NotStarted(failure),
    }
}

fn not_performed(task: &Task, end: End) -> Recording {
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

struct Worker {
    number: usize,
    measures_cpu: bool,
    process: Spawned,
    _lifeline: OwnedFd,
    groups: Groups,
    steps: Vec<(usize, Step)>,
    timeout: Duration,
    events: Option<File>,
    heard: Vec<u8>,
    started: Instant,
    waiting: bool,
    ready: Option<Instant>,
    step: Option<(Instant, Duration)>,
    recording: Recording,
    end: Option<End>,
}

impl Worker {
    fn start(run: &Run, number: usize, task: &Task) -> Result<Self, Failure> {
        let assignment = &task.assignment;
        let groups = run.make_groups(assignment)?;
        let pipe = || pipe2(OFlag::O_CLOEXEC).map_err(|errno| Failure::errno("pipe2", "", errno));
        let (events, events_writer) = pipe()?;
        let (lifeline_reader, lifeline) = pipe()?;
        nonblocking(&events)?;
        let order = order_file(task, groups.paths())?;
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
        })
        .map_err(|error| Failure::errno(error.call, "the worker's namespaces", error.errno))?;
        Ok(Self {
            number,
            measures_cpu: assignment.measures_cpu,
            process,
            _lifeline: lifeline,
            groups,
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
    fn deadline(&self) -> Option<Instant> {
        if self.end.is_some() {
            return None;
        }
        let whole = match (self.ready, self.waiting) {
            (Some(ready), _) => ready + self.timeout,
            (None, true) => self.started + TURN_LIMIT,
            (None, false) => self.started + START_LIMIT,
        };
        let step = self.step.map(|(began, limit)| began + limit);
        Some(step.map_or(whole, |step| step.min(whole)))
    }

    fn limit(&self) -> Duration {
        match (self.step, self.ready) {
            (Some((began, limit)), Some(ready)) if began + limit < ready + self.timeout => limit,
            (_, Some(_)) => self.timeout,
            (_, None) => START_LIMIT,
        }
    }

    /// Ends it with everything that it has started. The first reason counts.
    fn end(&mut self, end: End) {
        self.end.get_or_insert(end);
        let _ = process::signal(self.process.pidfd.as_fd(), Signal::SIGKILL);
    }

    fn listen(&mut self) {
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
    fn finish(mut self) -> Recording {
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
        self.recording
    }
}

fn order_file(task: &Task, cgroups: BTreeMap<String, PathBuf>) -> Result<OwnedFd, Failure> {
    let order = Order {
        assignment: task.assignment.clone(),
        cgroups,
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
