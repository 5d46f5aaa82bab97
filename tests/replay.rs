//! Everything from the recording on, replayed from files: no root, no kernel feature, any host.
//!
//! `verify run specs --record fixtures/recordings` makes the recordings anew.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use verify::outcome::{Judgement, Outcome, judge};
use verify::recording::{End, Failure, Recording};
use verify::snapshot::{self, Stored};
use verify::transcript::transcribe;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn recordings() -> Vec<(Recording, Stored)> {
    let files = std::fs::read_dir(root().join("fixtures/recordings")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files.iter().map(|file| replay(file)).collect()
}

fn replay(file: &Path) -> (Recording, Stored) {
    let recording: Recording = serde_json::from_slice(&std::fs::read(file).unwrap()).unwrap();
    let snapshot = root().join(format!("snapshots/{}.snap", recording.experiment));
    let stored = snapshot::read(&snapshot).unwrap().unwrap();
    (recording, stored)
}

fn judged(recording: &Recording, stored: &Stored) -> Judgement {
    judge(recording, &transcribe(recording), Some(stored))
}

#[test]
fn every_experiment_has_a_recording_that_passes() {
    let recordings = recordings();
    let specs = std::fs::read_dir(root().join("specs")).unwrap().count();
    assert_eq!(recordings.len(), specs);
    for (recording, stored) in recordings {
        let judgement = judged(&recording, &stored);
        let diff = judgement.diff.map(|diff| diff.plain()).unwrap_or_default();
        assert_eq!(
            judgement.outcome,
            Outcome::Pass,
            "{}\n{diff}",
            recording.experiment
        );
    }
}

#[test]
fn identities_of_another_host_give_the_same_session() {
    for (mut recording, stored) in recordings() {
        let json = serde_json::to_value(&recording).unwrap();
        recording = serde_json::from_value(other_identities(json)).unwrap();
        assert_eq!(
            judged(&recording, &stored).outcome,
            Outcome::Pass,
            "{}",
            recording.experiment
        );
    }
}

/// Puts a digit before every raw identity, as another kernel would have given other numbers.
fn other_identities(mut value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match &mut value {
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| *item = other_identities(item.take())),
        Value::Object(fields) => {
            for (name, field) in fields.iter_mut() {
                *field = match (name.as_str(), field.take()) {
                    ("raw", Value::String(raw)) => Value::String(format!("9{raw}")),
                    (_, other) => other_identities(other),
                };
            }
        }
        _ => {}
    }
    value
}

#[test]
fn every_printed_line_counts() {
    for (recording, stored) in recordings() {
        for index in 0..recording.steps.len() {
            let mut broken = recording.clone();
            if broken.steps[index].output.pieces.is_empty() {
                continue;
            }
            broken.steps[index].output.text("and more\n");
            let judgement = judged(&broken, &stored);
            assert_eq!(
                judgement.outcome,
                Outcome::Fail,
                "{} step {index}",
                recording.experiment
            );
            assert!(judgement.diff.unwrap().plain().contains("and more"));
            let line = judgement.reason.unwrap().line;
            assert!(
                line.is_some_and(|line| line >= recording.steps[index].line),
                "{line:?}"
            );
        }
    }
}

#[test]
fn every_step_that_fails_undeclared_fails_its_experiment() {
    for (recording, stored) in recordings() {
        for index in 0..recording.steps.len() {
            let mut broken = recording.clone();
            broken.steps.truncate(index + 1);
            let step = &mut broken.steps[index];
            step.failure = Some(Failure::errno("call", "object", nix::errno::Errno::ENODEV));
            step.as_declared = false;
            broken.end = End::Stopped;
            let judgement = judged(&broken, &stored);
            assert_eq!(
                judgement.outcome,
                Outcome::Fail,
                "{} step {index}",
                recording.experiment
            );
            assert_eq!(judgement.reason.unwrap().code, "step-failed");
        }
    }
}
