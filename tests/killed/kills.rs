//! Signals: SIGKILL to verify, its workers, its janitor; what asks it to end; one of two runs.

use nix::sys::signal::Signal::{self, SIGHUP, SIGINT, SIGKILL, SIGTERM};

use super::Test;
use super::arena::{Arena, Running, STORED};
use super::moments::{Dice, Experiments, rounds};

pub const TESTS: &[Test] = &[
    ("a_killed_run_leaves_nothing", a_killed_run_leaves_nothing),
    (
        "a_run_that_is_asked_to_end_leaves_nothing",
        a_run_that_is_asked_to_end_leaves_nothing,
    ),
    (
        "a_killed_worker_leaves_nothing",
        a_killed_worker_leaves_nothing,
    ),
    (
        "two_runs_do_not_disturb_each_other",
        two_runs_do_not_disturb_each_other,
    ),
];

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Victims {
    Parent,
    ParentAndWorkers,
    Everybody,
}

const ALL: [Victims; 3] = [
    Victims::Parent,
    Victims::ParentAndWorkers,
    Victims::Everybody,
];

impl Victims {
    pub fn any(dice: &mut Dice) -> Self {
        ALL[dice.below(ALL.len())]
    }

    pub fn kill(self, arena: &Arena, run: &Running) {
        let others = arena.processes_of(run, |command| match self {
            Self::Parent => false,
            Self::ParentAndWorkers => is_worker(command),
            Self::Everybody => true,
        });
        run.signal(SIGKILL);
        others.iter().for_each(super::arena::Process::kill);
    }
}

pub fn is_worker(command: &str) -> bool {
    command.contains("__worker")
}

/// What became of the runs whose victims were the same.
#[derive(Default, Clone, Copy)]
struct Tally {
    alive: u32,
    left: u32,
}

fn a_killed_run_leaves_nothing() {
    let arena = Arena::new();
    let (mut dice, experiments) = (Dice::new(), Experiments::of(&arena));
    let mut tally = [Tally::default(); 3];
    for kill in 0..rounds() {
        let (victims, choice) = (Victims::any(&mut dice), experiments.choose(&mut dice));
        let words = choice.words(&arena, &mut dice);
        let what = format!("kill {kill} of {victims:?} while {words:?}");
        let run = arena.start(&words);
        let alive = dice.wait(&run, choice.whole);
        victims.kill(&arena, &run);
        run.end();
        arena.settle();
        let left = arena.left();
        tally[victims as usize].alive += u32::from(alive);
        tally[victims as usize].left += u32::from(!left.is_empty());
        let outlive = |what: &String| what.starts_with("group") || what.starts_with(STORED);
        assert!(
            victims == Victims::Everybody || !left.iter().any(outlive),
            "{what} left {left:?}"
        );
        arena.start_next(&what);
    }
    for (victims, Tally { alive, left }) in ALL.into_iter().zip(tally) {
        eprintln!(
            "{victims:?}: {alive} were killed alive, {left} left something for the next start"
        );
    }
}

fn a_run_that_is_asked_to_end_leaves_nothing() {
    let arena = Arena::new();
    let (mut dice, experiments) = (Dice::new(), Experiments::of(&arena));
    let mut interrupted = 0;
    for round in 0..rounds() {
        let signal: Signal = [SIGINT, SIGTERM, SIGHUP][dice.below(3)];
        let choice = experiments.choose(&mut dice);
        let words = choice.words(&arena, &mut dice);
        let run = arena.start(&words);
        dice.wait(&run, choice.whole);
        run.signal(signal);
        let status = run.end();
        let what = format!("round {round}: {signal} while {words:?}: {status:?}");
        assert_ne!(status, Some(4), "{what}");
        assert_eq!(arena.left(), Vec::<String>::new(), "{what}");
        interrupted += u32::from(status == Some(128 + signal as i32));
    }
    eprintln!("asked to end: {interrupted} were interrupted while they performed");
}

fn a_killed_worker_leaves_nothing() {
    let arena = Arena::new();
    let (mut dice, experiments) = (Dice::new(), Experiments::of(&arena));
    let mut killed = 0;
    for round in 0..rounds() {
        let choice = experiments.choose(&mut dice);
        let words = choice.words(&arena, &mut dice);
        let run = arena.start(&words);
        dice.wait(&run, choice.whole);
        let workers = arena.processes(is_worker);
        if !workers.is_empty() {
            workers[dice.below(workers.len())].kill();
            killed += 1;
        }
        let status = run.end();
        let what = format!("round {round}: {words:?}: {status:?}");
        assert!(matches!(status, Some(0..=3)), "{what}");
        assert_eq!(arena.left(), Vec::<String>::new(), "{what}");
    }
    eprintln!("workers: {killed} were killed alive");
}

/// In every second round one of them is killed, in the others none.
fn two_runs_do_not_disturb_each_other() {
    let arena = Arena::new();
    let (mut dice, experiments) = (Dice::new(), Experiments::of(&arena));
    let mut killed = [0; 2];
    for round in 0..rounds() {
        let (victims, choice) = (Victims::any(&mut dice), experiments.choose(&mut dice));
        let words = [(); 2].map(|()| choice.words(&arena, &mut dice));
        let runs = words.each_ref().map(|words| arena.start(words));
        let victim = (round % 2 == 0).then(|| dice.below(2));
        if let Some(victim) = victim {
            killed[victim] += u32::from(dice.wait(&runs[victim], choice.whole));
            victims.kill(&arena, &runs[victim]);
        }
        let ends = runs.each_ref().map(Running::end);
        let what = format!("round {round}: {victim:?}, {victims:?}, {words:?}: {ends:?}");
        for (number, end) in ends.into_iter().enumerate() {
            let may_die = victim == Some(number) && end.is_none();
            assert!(end == Some(0) || may_die, "{what}");
        }
        arena.settle();
        arena.start_next(&what);
    }
    eprintln!("two runs: {killed:?} times the first and the second were killed alive");
}
