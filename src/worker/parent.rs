//! The parent's side: one thread that waits for workers, their events, time limits and signals at once.

use std::collections::VecDeque;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags};
use nix::sys::signal::Signal;

use super::account::not_performed;
use super::needs::{self, Doubt};
use super::run::Run;
use super::signals::Signals;
use super::supervised::Worker;
use super::unstarted::{MAP_IDS, Unstarted};
use crate::need::Need;
use crate::plan::Assignment;
use crate::recording::{End, Failure, Recording};
use crate::sys::namespace::Kind;
use crate::sys::poll;

/// How long nothing may happen before the watcher is told that time has passed.
const TICK: Duration = Duration::from_secs(1);

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
                    Err(unstarted) => {
                        failed.push((number, not_performed(&task, end_of(&task, unstarted))));
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
        let tasks = self.queue.iter();
        let measure: Vec<_> = tasks
            .map(|(_, task)| task.assignment.measures_cpu)
            .collect();
        self.queue.remove(next_place(&measure, measuring)?)
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

/// Which of the tasks is next, by whether they measure CPU time. A measurement takes longest: the others hide behind it when
/// it goes first.
fn next_place(tasks: &[bool], measuring: bool) -> Option<usize> {
    let place = |measures: bool| tasks.iter().position(|task| *task == measures);
    match measuring {
        true => place(false),
        false => place(true).or_else(|| place(false)),
    }
}

/// A need that only shows when its group or its namespace is made is unmet; everything else is the run's trouble.
fn end_of(task: &Task, unstarted: Unstarted) -> End {
    let mut needs = task.assignment.needs.iter();
    let unmet = match &unstarted {
        Unstarted::Groups(failure) => needs
            .find(|need| matches!(need, Need::CgroupV1(_)) || need.is_unified())
            .filter(|_| ["mkdir", "write"].contains(&failure.call.as_str()))
            .map(|need| (need, failure.clone())),
        Unstarted::Process(failure) => {
            let namespaces = &task.assignment.namespaces;
            needs.find_map(|need| Some((need, refused(need, failure, namespaces)?)))
        }
        Unstarted::Other(_) => None,
    };
    match unmet {
        Some((need, failure)) => End::Unmet {
            need: need.to_string(),
            failure,
        },
        None => End::NotStarted(unstarted.into_failure()),
    }
}

/// Why a process could not be started, if it is for this need.
fn refused(need: &Need, failure: &Failure, namespaces: &[Kind]) -> Option<Failure> {
    match need {
        Need::SubordinateIds => (failure.call == MAP_IDS).then(|| failure.clone()),
        Need::Namespace(_) if failure.call.starts_with("clone") => {
            match needs::probe_outside(need, namespaces) {
                Err(Doubt::Unmet(answer)) => Some(answer),
                Err(Doubt::Untried(_)) | Ok(()) => None,
            }
        }
        _ => None,
    }
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;

    use nix::errno::Errno;
    use nix::unistd::{Gid, Uid, geteuid};

    use super::*;
    use crate::sys::process::{become_user, in_child};

    /// Nothing to do, and nothing that it takes.
    pub fn task() -> Task {
        let assignment = Assignment {
            experiment: "x".to_owned(),
            namespaces: Vec::new(),
            needs: Vec::new(),
            subordinate_ids: None,
            cgroups: BTreeMap::new(),
            vacate: Vec::new(),
            measures_cpu: false,
            timeout: Duration::from_secs(1),
            steps: Vec::new(),
        };
        Task {
            assignment,
            only_needs: false,
        }
    }

    #[test]
    fn only_a_group_that_is_not_made_is_a_need_for_groups_unmet() {
        let failure = |call: &str| Failure::errno(call, "x", Errno::ENOSPC);
        for (unstarted, unmet) in [
            (Unstarted::Groups(failure("mkdir")), Some("cgroup-v1 pids")),
            (Unstarted::Groups(failure("write")), Some("cgroup-v1 pids")),
            (Unstarted::Groups(failure("flock")), None),
            // Of the experiment's directory, where the caller has named a place for it.
            (Unstarted::Other(failure("mkdir")), None),
            (Unstarted::Process(failure("mkdir")), None),
            (
                Unstarted::Process(failure(MAP_IDS)),
                Some("subordinate-ids"),
            ),
            (Unstarted::Groups(failure(MAP_IDS)), None),
        ] {
            let mut task = task();
            task.assignment.needs = vec![Need::CgroupV1("pids".to_owned()), Need::SubordinateIds];
            let end = end_of(&task, unstarted);
            match (&end, unmet) {
                (End::Unmet { need, .. }, Some(unmet)) if need == unmet => {}
                (End::NotStarted(_), None) => {}
                _ => panic!("{end:?}, expected the need {unmet:?}"),
            }
        }
    }

    /// Those of an ordinary user, who may make none.
    #[test]
    fn a_namespace_is_tried_when_it_is_clone_that_failed() {
        let need = Need::Namespace(Kind::Uts);
        let tried = |call: &str| {
            let failure = Failure::errno(call, "x", Errno::EPERM);
            let refused = in_child(|| {
                if geteuid().is_root() {
                    become_user(Uid::from_raw(65534), Gid::from_raw(65534)).unwrap();
                }
                refused(&need, &failure, &[])
            });
            refused.unwrap().map(|failure| failure.call)
        };
        assert_eq!(tried("clone3").as_deref(), Some("unshare"));
        assert_eq!(tried("execveat this program"), None);
    }

    #[test]
    fn one_task_at_a_time_measures_and_goes_first() {
        for (tasks, measuring, next) in [
            (&[false, true, true][..], false, Some(1)),
            (&[true, true, false], true, Some(2)),
            (&[false, false], false, Some(0)),
            (&[true], true, None),
            (&[], false, None),
        ] {
            assert_eq!(next_place(tasks, measuring), next);
        }
    }
}
