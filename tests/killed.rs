//! Runs that are killed at random moments leave nothing: neither at once, where somebody is left to clean up, nor after
//! the next start.
//!
//! `VERIFY_KILLS` is how many times (40), `VERIFY_SEED` where the moments come from. Each test has an arena: mounts, links
//! and names of its own, and a cgroup in which all its runs are, so that everything that is left in it is theirs.

#![allow(clippy::unwrap_used)]

mod arena;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use arena::{Arena, Running};
use libtest_mimic::{Arguments, Trial};
use nix::sys::signal::Signal::{self, SIGHUP, SIGINT, SIGKILL, SIGTERM};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let unfit = Arena::unfit();
    if let Some(why) = &unfit {
        eprintln!("skipped: {why}");
    }
    let tests: [(&str, fn()); 7] = [
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
        (
            "without_any_place_for_it_a_run_is_found_by_its_groups",
            without_any_place_for_it_a_run_is_found_by_its_groups,
        ),
        (
            "what_cannot_be_removed_is_named_with_exit_4",
            what_cannot_be_removed_is_named_with_exit_4,
        ),
        (
            "the_janitor_holds_nothing_of_the_terminal",
            the_janitor_holds_nothing_of_the_terminal,
        ),
    ];
    let trials = tests.into_iter().map(|(name, test)| {
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(unfit.is_some())
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// Moments and choices that are the same for the same seed.
struct Dice(u64);

impl Dice {
    fn new() -> Self {
        Self(number("VERIFY_SEED", 0x9e37_79b9))
    }

    /// A number below `limit`, by xorshift64.
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit as u64).unwrap()
    }

    /// Lets a part of `whole` pass.
    fn wait(&mut self, whole: Duration) {
        std::thread::sleep(whole * u32::try_from(self.below(1000)).unwrap() / 1000);
    }
}

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().unwrap())
}

fn kills() -> u64 {
    number("VERIFY_KILLS", 40)
}

/// How long a run takes when it is left alone, and that it leaves nothing then.
fn undisturbed(arena: &Arena) -> Duration {
    let started = Instant::now();
    assert_eq!(arena.start("specs").end(), Some(0));
    assert_eq!(arena.left(), Vec::<String>::new());
    started.elapsed()
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Victims {
    Parent,
    ParentAndWorkers,
    Everybody,
}

fn a_killed_run_leaves_nothing() {
    let arena = Arena::new();
    let (mut dice, whole) = (Dice::new(), undisturbed(&arena));
    let all = [
        Victims::Parent,
        Victims::ParentAndWorkers,
        Victims::Everybody,
    ];
    let mut tally = [(0, 0); 3];
    for kill in 0..kills() {
        let choice = dice.below(all.len());
        let victims = all[choice];
        let run = arena.start("specs");
        dice.wait(whole);
        let alive = run.is_alive();
        kill_victims(&arena, &run, victims);
        run.end();
        arena.settle();
        let left = arena.left();
        tally[choice].0 += u32::from(alive);
        tally[choice].1 += u32::from(!left.is_empty());
        let groups = left.iter().any(|what| what.starts_with("group"));
        assert!(
            victims == Victims::Everybody || !groups,
            "kill {kill} of {victims:?} left {left:?}"
        );
        assert_eq!(
            arena.start("next").end(),
            Some(0),
            "the start after kill {kill} of {victims:?}"
        );
        assert_eq!(
            arena.left(),
            Vec::<String>::new(),
            "after kill {kill} of {victims:?} and the next start"
        );
    }
    for (victims, (alive, left)) in all.into_iter().zip(tally) {
        eprintln!(
            "{victims:?}: {alive} were killed alive, {left} left something for the next start"
        );
    }
}

fn kill_victims(arena: &Arena, run: &Running, victims: Victims) {
    if victims == Victims::Everybody {
        arena
            .processes(|_| true)
            .into_iter()
            .for_each(|process| process.kill());
    }
    run.signal(SIGKILL);
    if victims == Victims::ParentAndWorkers {
        arena
            .processes(is_worker)
            .into_iter()
            .for_each(|process| process.kill());
    }
}

fn is_worker(command: &str) -> bool {
    command.contains("__worker")
}

fn a_run_that_is_asked_to_end_leaves_nothing() {
    let arena = Arena::new();
    let (mut dice, whole) = (Dice::new(), undisturbed(&arena));
    for round in 0..kills() {
        let signal: Signal = [SIGINT, SIGTERM, SIGHUP][dice.below(3)];
        let run = arena.start("specs");
        dice.wait(whole);
        run.signal(signal);
        let status = run.end();
        assert_ne!(
            status,
            Some(4),
            "round {round}: {signal} left the host dirty"
        );
        assert_eq!(
            arena.left(),
            Vec::<String>::new(),
            "round {round}: {signal}, {status:?}"
        );
    }
}

fn a_killed_worker_leaves_nothing() {
    let arena = Arena::new();
    let (mut dice, whole) = (Dice::new(), undisturbed(&arena));
    for round in 0..kills() {
        let run = arena.start("specs");
        dice.wait(whole);
        let workers = arena.processes(is_worker);
        if !workers.is_empty() {
            workers[dice.below(workers.len())].kill();
        }
        let status = run.end();
        assert!(matches!(status, Some(0..=3)), "round {round}: {status:?}");
        assert_eq!(
            arena.left(),
            Vec::<String>::new(),
            "round {round}: {status:?}"
        );
    }
}

fn two_runs_do_not_disturb_each_other() {
    let arena = Arena::new();
    let (mut dice, whole) = (Dice::new(), undisturbed(&arena));
    for round in 0..kills() / 2 {
        let (first, second) = (arena.start("specs"), arena.start("specs"));
        if round % 2 == 0 {
            dice.wait(whole);
            second.signal(SIGKILL);
        }
        assert_eq!(first.end(), Some(0), "round {round}");
        let status = second.end();
        assert!(
            matches!(status, None | Some(0)),
            "round {round}: {status:?}"
        );
        arena.settle();
        assert_eq!(arena.start("next").end(), Some(0), "round {round}");
        assert_eq!(arena.left(), Vec::<String>::new(), "round {round}");
    }
}

fn the_janitor_holds_nothing_of_the_terminal() {
    let arena = Arena::new();
    let run = arena.start("long");
    let deadline = Instant::now() + Duration::from_secs(10);
    let janitor = loop {
        let found = arena.processes(|command| command.starts_with("verify-janitor"));
        // Once it waits, it has let go of what it does not need.
        if let Some(janitor) = found.into_iter().find(arena::Process::waits_in_poll) {
            break janitor;
        }
        assert!(Instant::now() < deadline, "there is no janitor");
        std::thread::yield_now();
    };
    let files = janitor.files();
    let own = |file: &String| file.starts_with("pipe:") || file.starts_with("/run/verify/");
    assert!(files.iter().all(own), "{files:?}");
    assert_eq!(
        files
            .iter()
            .filter(|file| file.starts_with("pipe:"))
            .count(),
        1,
        "{files:?}"
    );
    assert_eq!(janitor.session(), janitor.pid());
    run.signal(SIGINT);
    run.end();
    assert_eq!(arena.left(), Vec::<String>::new());
}

fn without_any_place_for_it_a_run_is_found_by_its_groups() {
    let mut arena = Arena::new();
    arena.make_places_read_only();
    let run = arena.start("long");
    // A live run without a directory is not taken for a dead one.
    let group = loop {
        let found = arena
            .left()
            .into_iter()
            .find(|left| left.ends_with("/inner"));
        match found {
            Some(group) => break group,
            None => assert!(run.is_alive()),
        }
    };
    assert_eq!(arena.start("next").end(), Some(0));
    assert!(run.is_alive() && arena.left().contains(&group));
    run.signal(SIGKILL);
    run.end();
    arena.settle();
    assert!(arena.left().contains(&group));
    assert_eq!(arena.start("next").end(), Some(0));
    assert_eq!(arena.left(), Vec::<String>::new());
}

/// A group with a process that verify cannot see, let alone kill: one of an outer PID namespace.
fn what_cannot_be_removed_is_named_with_exit_4() {
    let arena = Arena::new();
    let run = arena.start("long");
    let group = loop {
        let mut found = arena.made_groups().into_iter();
        match found.find(|group| group.ends_with("inner")) {
            Some(group) => break group,
            None => assert!(run.is_alive()),
        }
    };
    kill_victims(&arena, &run, Victims::Everybody);
    run.end();
    arena.settle();
    let mut guest = std::process::Command::new("sleep")
        .arg("600")
        .spawn()
        .unwrap();
    std::fs::write(group.join("cgroup.procs"), guest.id().to_string()).unwrap();
    let (code, said) = arena.answer_in_pid_namespace("next");
    guest.kill().unwrap();
    guest.wait().unwrap();
    let named = said
        .lines()
        .find(|line| line.starts_with("left behind"))
        .unwrap_or_default();
    let outer = group.parent().unwrap().display().to_string();
    assert!(
        code == Some(4) && named.contains(&outer) && named.contains("EBUSY"),
        "{code:?}: {said}"
    );
    assert_eq!(arena.start("next").end(), Some(0));
    assert_eq!(arena.left(), Vec::<String>::new());
}
