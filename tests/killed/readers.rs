//! A reader of standard output or standard error that goes away.

use std::process::Stdio;

use super::Test;
use super::arena::{Arena, Running};
use super::moments::{Dice, Experiments, rounds};

pub const TESTS: &[Test] = &[(
    "a_reader_that_goes_away_changes_nothing",
    a_reader_that_goes_away_changes_nothing,
)];

/// The report that cannot be written has verify say something on standard error.
const REPORTS: [&str; 4] = ["-r", "json=-", "-r", "tap=absent/tap"];

fn a_reader_that_goes_away_changes_nothing() {
    let arena = Arena::new();
    let mut dice = Dice::new();
    let experiments = Experiments::of(&arena).without_measurements();
    let mut early = 0;
    for round in 0..rounds() {
        let choice = experiments.choose(&mut dice);
        let mut arguments = vec!["run".to_owned()];
        arguments.extend(choice.places.iter().cloned());
        if dice.below(2) == 0 {
            arguments.extend(REPORTS.map(str::to_owned));
        }
        let mut command = arena.command(&arguments);
        let run = Running::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()));
        let (mut stdout, mut stderr) = run.readers();
        early += u32::from(dice.wait(&run, choice.whole));
        let which = dice.below(3);
        stdout.take_if(|_| which != 0);
        stderr.take_if(|_| which != 1);
        let status = run.end();
        let what = format!("round {round}: {arguments:?}");
        assert_eq!(status, Some(0), "{what}");
        assert_eq!(arena.left(), Vec::<String>::new(), "{what}");
    }
    eprintln!("readers: {early} went away before the end");
}
