//! The worker: PID 1 of its own namespace, one thread. Only it performs.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::message::{CPU_LOCK, EVENTS, Event, LIFELINE, ORDER, Order, RUN_LOCK};
use super::needs::{self, Doubt};
use super::{membership, place};
use crate::need::Need;
use crate::plan::Unmet;
use crate::recording::{Failure, Output};
use crate::session::{Flow, Session};
use crate::spec::Step;
use crate::sys::cgroup::UNIFIED;
use crate::sys::process::{exit_now, hung_up, set_name};
use crate::sys::spawn::inherited;

/// The worker's exit status when its parent is gone before it has begun.
const ORPHANED: i32 = 124;

/// What the hidden subcommand does. It is there so that a worker is this program executed anew, with nothing of the
/// parent's memory, threads and descriptors in it.
pub fn main() -> ! {
    // A program that is executed by its descriptor is named after that number.
    let _ = set_name("verify");
    let mut events = Events(File::from(inherited(EVENTS)));
    // Held to the end: a program that got it could write to the run's directory, which is the host's.
    let _run_lock = inherited(RUN_LOCK);
    // getppid(2) is 0 in a new PID namespace, whether the parent lives or not: its end of a pipe tells.
    if hung_up(&inherited(LIFELINE)) {
        exit_now(ORPHANED);
    }
    let order: Order = match serde_json::from_reader(File::from(inherited(ORDER))) {
        Ok(order) => order,
        Err(error) => {
            events.send(&Event::Unready(Failure::unexpected(
                "read",
                "the order",
                error.to_string(),
            )));
            exit_now(1);
        }
    };
    if let Err(event) = work(&order, &mut events) {
        events.send(&event);
    }
    exit_now(0)
}

fn work(order: &Order, events: &mut Events) -> Result<(), Box<Event>> {
    let cgroups = open_groups(order).map_err(unready)?;
    let wanted = &order.assignment.needs;
    if let (Some(group), Some(need)) = (
        cgroups.get(UNIFIED),
        wanted.iter().find(|need| need.is_unified()),
    ) {
        membership::join(group.as_fd()).map_err(|failure| unmet(need, failure))?;
    }
    let place = place::make(order.scratch.as_ref()).map_err(unready)?;
    for need in wanted {
        needs::probe(need, &cgroups).map_err(|doubt| match doubt {
            Doubt::Unmet(failure) => unmet(need, failure),
            Doubt::Untried(failure) => unready(failure),
        })?;
    }
    let _turn = order.takes_turn().then(|| turn(events)).transpose()?;
    events.send(&Event::Ready);
    if order.only_needs {
        events.send(&Event::Finished(Flow::Continue));
        return Ok(());
    }
    let mut session = Session::new(place.scratch, cgroups, place.netns);
    let flow = perform_all(&order.assignment.steps, &mut session, events);
    events.send(&Event::Finished(flow));
    Ok(())
}

fn unready(failure: Failure) -> Box<Event> {
    Box::new(Event::Unready(failure))
}

fn unmet(need: &Need, failure: Failure) -> Box<Event> {
    let need = need.clone();
    Box::new(Event::Unmet(Unmet { need, failure }))
}

fn open_groups(order: &Order) -> Result<BTreeMap<String, OwnedFd>, Failure> {
    let open = |(controller, path): (&String, &std::path::PathBuf)| {
        let group =
            File::open(path).map_err(|error| Failure::io("open", path.display(), &error))?;
        Ok((controller.clone(), group.into()))
    };
    order.cgroups.iter().map(open).collect()
}

/// Waits until no other run on this host measures.
fn turn(events: &mut Events) -> Result<Flock<OwnedFd>, Box<Event>> {
    let lock = inherited(CPU_LOCK);
    match Flock::lock(lock, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(lock),
        Err((lock, Errno::EWOULDBLOCK)) => {
            events.send(&Event::Waiting);
            Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, errno)| lock_failure(errno))
        }
        Err((_, errno)) => Err(lock_failure(errno)),
    }
}

fn lock_failure(errno: Errno) -> Box<Event> {
    Box::new(Event::Unready(Failure::errno(
        "flock",
        "the CPU lock",
        errno,
    )))
}

/// The pipe to the parent. Children of the worker write to it as well, one process at a time.
struct Events(File);

impl Events {
    fn send(&mut self, event: &Event) {
        let Ok(mut line) = serde_json::to_vec(event) else {
            return;
        };
        line.push(b'\n');
        if self.0.write_all(&line).is_err() {
            exit_now(ORPHANED);
        }
    }
}

fn perform_all(steps: &[Step], session: &mut Session, events: &mut Events) -> Flow {
    for step in steps {
        events.send(&Event::Began { index: step.index });
        let started = Instant::now();
        let (result, flow) = perform(step, session, events);
        let (output, failure) = match result {
            Ok(output) => (output, None),
            Err(failure) => (Output::nothing(), Some(failure)),
        };
        let (failure, as_declared) = judge(step, failure);
        events.send(&Event::Ended {
            index: step.index,
            duration_us: u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX),
            output,
            failure,
            as_declared,
        });
        if flow == Flow::Stop || !as_declared {
            return Flow::Stop;
        }
    }
    Flow::Continue
}

fn perform(
    step: &Step,
    session: &mut Session,
    events: &mut Events,
) -> (Result<Output, Failure>, Flow) {
    if let Some(shell) = &mut session.shell {
        return (shell.type_line(&step.text), Flow::Continue);
    }
    if step.inside.is_empty() {
        return (step.action.perform(session), Flow::Continue);
    }
    let entered = step.action.enter(session, &mut |session| {
        perform_all(&step.inside, session, events)
    });
    match entered {
        Ok(flow) => (Ok(Output::nothing()), flow),
        Err(failure) => (Err(failure), Flow::Stop),
    }
}

/// The failure to show, and whether the step did what its spec says.
fn judge(step: &Step, failure: Option<Failure>) -> (Option<Failure>, bool) {
    match (&step.fails, failure) {
        (None, None) => (None, true),
        (None, Some(failure)) => (Some(failure), false),
        (Some(expected), Some(failure)) => {
            let declared = expected.is(&failure);
            (Some(failure), declared)
        }
        (Some(expected), None) => {
            let message = format!("succeeded, but must fail with {expected}");
            (
                Some(Failure::unexpected("perform", &step.text, message)),
                false,
            )
        }
    }
}
