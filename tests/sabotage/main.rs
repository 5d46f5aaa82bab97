//! Hosts that are broken for one run each, against everything that verify performs: each experiment fails, and each need
//! is unmet, where it must be, for the cause that is named; and harmless changes stay green.
//!
//! `ci/sabotage` runs this, here and in virtual machines, and prints the table (`VERIFY_SHOWN=FILE` is where it reads
//! what was shown). Without root no host can be broken, and all of this is ignored.

#![allow(clippy::unwrap_used)]

mod breaks;
mod complete;
mod decoy;
mod host;
mod layers;
mod seccomp;
mod shown;
mod table;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::{LazyLock, Mutex, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};
use verify::outcome::Outcome;

use host::{Answer, Binary, Report};
use table::{Caller, How, Row, rows};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    // Under nice, what is measured without CAP_SYS_NICE is undecided: that would be a break of its own.
    let _ = verify::sys::sched::make_ordinary(nix::unistd::Pid::this());
    let unfit = unfit();
    if let Some(why) = &unfit {
        eprintln!("skipped: no host can be broken here: {why}");
    }
    let mut trials: Vec<_> = rows().into_iter().map(trial).collect();
    trials.extend(complete::trials());
    if unfit.is_some() {
        trials = trials
            .into_iter()
            .map(|trial| trial.with_ignored_flag(true))
            .collect();
    }
    shown::keep_specs();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(BINARY.lock().unwrap_or_else(PoisonError::into_inner).take());
    conclusion.exit_code()
}

fn trial(row: Row) -> Trial {
    let (name, lacks) = (row.broken, row.lacks);
    if let Some(lacks) = lacks {
        eprintln!("skipped: {name}: needs {lacks}");
    }
    Trial::test(name, move || check(&row))
        .with_kind("broken")
        .with_ignored_flag(lacks.is_some())
}

fn unfit() -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("that takes root".to_owned());
    }
    let root = baseline(Caller::Root);
    let passed = root.values().any(|outcome| *outcome == Outcome::Pass);
    (!passed).then(|| "nothing passes as it is".to_owned())
}

/// Nobody drops what is static, so the end of the tests takes it.
static BINARY: Mutex<Option<Binary>> = Mutex::new(None);

/// One at a time: two would compete for the CPU that is measured.
fn run(row: &Row) -> Report {
    let mut binary = BINARY.lock().unwrap_or_else(PoisonError::into_inner);
    let binary = binary.get_or_insert_with(Binary::new);
    let report = match &row.how {
        How::Broken(broken) if row.on_storage => binary.run_on_storage(broken),
        How::Broken(broken) if row.only.is_empty() => binary.run(broken),
        How::Broken(broken) => binary.run_each(broken, row.only),
        How::Decoys => binary.run_with_decoys(),
    };
    breaks::remove_group();
    report
}

/// What becomes of each experiment on this host as it is. What does not pass then cannot show what a break does.
fn baseline(caller: Caller) -> BTreeMap<String, Outcome> {
    static BASELINES: LazyLock<[BTreeMap<String, Outcome>; 2]> = LazyLock::new(|| {
        [Caller::Root, Caller::User].map(|caller| {
            let control = rows().into_iter().find(|row| row.caller == caller).unwrap();
            let answers = run(&control).answers.into_iter();
            answers
                .map(|(name, answer)| (name, answer.outcome))
                .collect()
        })
    });
    BASELINES[caller as usize].clone()
}

fn check(row: &Row) -> Result<(), Failed> {
    let baseline = baseline(row.caller);
    let Report {
        code,
        answers,
        text,
    } = run(row);
    if answers.is_empty() || code.is_none() || text.contains("panicked") {
        return Err(format!("exit code {code:?}:\n{text}").into());
    }
    if code == Some(4) {
        return Err(format!("something was left on the host:\n{text}").into());
    }
    let judged: Vec<_> = baseline.keys().filter(|name| judges(row, name)).collect();
    let wrong: Vec<_> = judged
        .iter()
        .filter_map(|name| wrong(row, name, answers.get(*name)))
        .collect();
    if !wrong.is_empty() {
        return Err(wrong.join("\n").into());
    }
    shown::keep_row(row, &judged);
    Ok(())
}

/// Whether a row says what becomes of an experiment, and can show it here: where it does not pass anyway, nothing is shown.
fn judges(row: &Row, experiment: &str) -> bool {
    let performed = row.only.is_empty() || row.only.contains(&experiment);
    let passes = || baseline(row.caller).get(experiment) == Some(&Outcome::Pass);
    row.lacks.is_none() && performed && passes()
}

/// What is wrong with the answer of one experiment.
fn wrong(row: &Row, name: &str, answer: Option<&Answer>) -> Option<String> {
    let Some(answer) = answer else {
        return Some(format!("{name}: no answer"));
    };
    let expected = row.expects(name);
    let outcome = expected.map_or(Outcome::Pass, |expected| expected.outcome);
    let words = expected.map_or("", |expected| expected.words);
    let need = expected.and_then(|expected| expected.need);
    let unmet = need.is_none_or(|need| answer.text.contains(&format!("needs {need}: ")));
    let fine = answer.outcome == outcome && unmet && answer.text.contains(words);
    (!fine).then(|| {
        format!(
            "{name}: {:?}, but {outcome:?} is expected, with `{words}`:\n{}",
            answer.outcome, answer.text
        )
    })
}
