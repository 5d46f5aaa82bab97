//! Runs that are killed, or lose what they need, at random moments leave nothing: neither at once, where somebody is left to
//! clean up, nor after the next start.
//!
//! `VERIFY_KILLS` is how many times each test does it (12), `VERIFY_SEED` where the moments come from. Each test has an
//! arena: mounts, links and names of its own, and a cgroup in which all its runs are, so that everything that is left in
//! it is theirs.

#![allow(clippy::unwrap_used)]

mod arena;
mod delegated;
mod full;
mod kills;
mod leftovers;
mod limits;
mod moments;
mod readers;
mod reports;
mod storage;

use std::process::ExitCode;

use arena::{Arena, sweep};
use libtest_mimic::{Arguments, Trial};

/// A test and its name.
type Test = (&'static str, fn());

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    // Some are ignored under nohup(1) and in the background of a shell, and verify leaves those alone.
    verify::sys::signal::forget_all();
    let unfit = Arena::unfit();
    match &unfit {
        Some(why) => eprintln!("skipped: {why}"),
        None => sweep(),
    }
    let tests = [
        kills::TESTS,
        readers::TESTS,
        reports::TESTS,
        full::TESTS,
        storage::TESTS,
        limits::TESTS,
        leftovers::TESTS,
    ];
    let trials = tests.concat().into_iter().map(|(name, test)| {
        let run = move || {
            test();
            Ok(())
        };
        Trial::test(name, run).with_ignored_flag(unfit.is_some())
    });
    let trials = trials.chain([delegated::trial(unfit.is_some())]);
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}
