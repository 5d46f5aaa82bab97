//! Hosts that are broken for one run each, against everything that verify performs: each experiment fails, and each need
//! is unmet, where it must be, for the cause that is named; and harmless changes stay green.
//!
//! `ci/sabotage` runs this and prints the table (`VERIFY_TABLE=1`). Without root no host can be broken, and the rows
//! are ignored tests.

#![allow(clippy::unwrap_used)]

mod breaks;
mod decoy;
mod host;
mod seccomp;
mod table;

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::{LazyLock, Mutex, PoisonError};

use libtest_mimic::{Arguments, Failed, Trial};
use verify::outcome::Outcome;
use verify::source::Source;
use verify::spec::{self, Spec};

use host::{Answer, Binary, Report};
use table::{Caller, Expected, How, Row, rows};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let unfit = unfit();
    if let Some(why) = &unfit {
        eprintln!("skipped: no host can be broken here: {why}");
    }
    let broken = rows().into_iter().map(|row| {
        Trial::test(row.broken, move || check(&row))
            .with_kind("broken")
            .with_ignored_flag(unfit.is_some())
    });
    let mut trials: Vec<_> = broken.collect();
    trials.push(Trial::test(
        "every_experiment_can_fail",
        every_experiment_can_fail,
    ));
    trials.push(Trial::test(
        "every_need_can_be_unmet",
        every_need_can_be_unmet,
    ));
    trials.push(Trial::test(
        "every_pattern_fits_an_experiment",
        every_pattern_fits_an_experiment,
    ));
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(BINARY.lock().unwrap_or_else(PoisonError::into_inner).take());
    if std::env::var_os("VERIFY_TABLE").is_some() && !conclusion.has_failed() {
        print!("{}", markdown());
    }
    conclusion.exit_code()
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
        How::Broken(broken) => binary.run(broken),
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
    let passing = baseline
        .iter()
        .filter(|(_, outcome)| **outcome == Outcome::Pass);
    let wrong: Vec<_> = passing
        .filter_map(|(name, _)| wrong(row, name, answers.get(name)))
        .collect();
    match wrong.is_empty() {
        true => Ok(()),
        false => Err(wrong.join("\n").into()),
    }
}

/// What is wrong with the answer of one experiment.
fn wrong(row: &Row, name: &str, answer: Option<&Answer>) -> Option<String> {
    let Some(answer) = answer else {
        return Some(format!("{name}: no answer"));
    };
    let expected = row.expected.iter().find(|expected| expected.fits(name));
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

fn specs() -> Vec<Spec> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("specs");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        spec::read(&Source::new(path.display().to_string(), text)).unwrap()
    };
    files.map(read).collect()
}

/// Whether a row says of an experiment that it comes out so: the first pattern that fits counts.
fn says(row: &Row, experiment: &str, fits: impl Fn(&Expected) -> bool) -> bool {
    row.expected
        .iter()
        .find(|expected| expected.fits(experiment))
        .is_some_and(fits)
}

fn every_experiment_can_fail() -> Result<(), Failed> {
    let rows = rows();
    let fails = |name: &str| {
        rows.iter()
            .any(|row| says(row, name, |expected| expected.outcome == Outcome::Fail))
    };
    let without: Vec<_> = specs()
        .into_iter()
        .map(|spec| spec.experiment)
        .filter(|name| !fails(name))
        .collect();
    nothing_is_in(
        &without,
        "no row of tests/sabotage/table.rs makes these fail",
    )
}

fn every_need_can_be_unmet() -> Result<(), Failed> {
    let rows = rows();
    let mut without = BTreeSet::new();
    for spec in specs() {
        for need in spec.needs.iter().map(ToString::to_string) {
            let unmet = |expected: &Expected| expected.need == Some(&need);
            if !rows.iter().any(|row| says(row, &spec.experiment, unmet)) {
                without.insert(format!("{}: {need}", spec.experiment));
            }
        }
    }
    let met_elsewhere = |entry: &String| {
        let (_, need) = entry.split_once(": ").unwrap();
        rows.iter()
            .flat_map(|row| &row.expected)
            .any(|expected| expected.need == Some(need))
    };
    let without: Vec<_> = without
        .into_iter()
        .filter(|entry| !met_elsewhere(entry))
        .collect();
    nothing_is_in(
        &without,
        "no row of tests/sabotage/table.rs leaves these needs unmet",
    )
}

fn every_pattern_fits_an_experiment() -> Result<(), Failed> {
    let specs = specs();
    let rows = rows();
    let patterns = rows.iter().flat_map(|row| &row.expected);
    let idle =
        patterns.filter(|expected| !specs.iter().any(|spec| expected.fits(&spec.experiment)));
    let idle: Vec<_> = idle.map(|expected| expected.pattern.to_owned()).collect();
    nothing_is_in(
        &idle,
        "these patterns of tests/sabotage/table.rs fit no experiment",
    )
}

fn nothing_is_in(list: &[String], what: &str) -> Result<(), Failed> {
    match list.is_empty() {
        true => Ok(()),
        false => Err(format!("{what}: {}", list.join(", ")).into()),
    }
}

/// The table for the README.
fn markdown() -> String {
    let mut text = String::from(
        "| broken | fails | skipped | broken | named |\n| --- | --- | --- | --- | --- |\n",
    );
    for row in rows() {
        let of = |outcome| {
            let patterns = row
                .expected
                .iter()
                .filter(|expected| expected.outcome == outcome);
            patterns
                .map(|expected| expected.pattern)
                .collect::<Vec<_>>()
                .join(" ")
                .replace('*', "\\*")
        };
        let named: BTreeSet<_> = row.expected.iter().map(|expected| expected.words).collect();
        let named = named
            .into_iter()
            .filter(|words| !words.is_empty())
            .collect::<Vec<_>>()
            .join("; ");
        let cells = [
            of(Outcome::Fail),
            of(Outcome::Skip),
            of(Outcome::Broken),
            named,
        ];
        text += &format!("| {} | {} |\n", row.broken, cells.join(" | "));
    }
    text
}
