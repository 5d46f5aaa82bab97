//! The parent's side: one thread that waits for workers, their events, time limits and signals at once.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::Signal;

use super::account::not_performed;
use super::run::Run;
use super::signals::Signals;
use super::supervised::Worker;
use super::task::{Queue, Task};
use crate::recording::{End, Failure, Recording};
use crate::sys::poll;

/// How long nothing may happen before the watcher is told that time has passed.
const TICK: Duration = Duration::from_secs(1);

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
        queue: Queue::new(tasks),
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
    queue: Queue,
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
                    Err(unstarted) => {
                        failed.push((number, not_performed(&task, unstarted.end(&task))));
                    }
                },
            }
        }
        failed
    }

    fn next_task(&mut self, any: bool) -> Option<(usize, Task)> {
        if any {
            return self.queue.take_any();
        }
        if self.working.len() >= self.jobs {
            return None;
        }
        let measuring = self.working.iter().any(|worker| worker.measures_cpu);
        self.queue.take(measuring)
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
        let current = self
            .working
            .iter()
            .filter_map(|worker| worker.account.current());
        let deadlines = current.map(|current| current.deadline());
        let first = deadlines.fold(poll::from_now(TICK), Instant::min);
        poll::ready(&mut fds, first).map_err(|errno| Failure::errno("poll", "", errno))?;
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

    fn listen(&mut self, place: usize, watch: &mut dyn FnMut(Progress<'_>)) {
        let worker = &mut self.working[place];
        let begun = worker.account.recording.steps.len();
        worker.listen();
        for step in &worker.account.recording.steps[begun..] {
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
            let current = worker.account.current();
            if let Some(current) = current.filter(|current| current.deadline() <= now) {
                worker.end(End::TimedOut {
                    limit_ms: u64::try_from(current.limit.as_millis()).unwrap_or(u64::MAX),
                });
            }
        }
    }
}
