//! What is there to be explained at all.

use super::*;
use crate::recording::{Output, StepRecord};

#[test]
fn only_what_failed_has_a_symptom() {
    let mut recording = Recording {
        experiment: "x".to_owned(),
        steps: Vec::new(),
        planned: 0,
        end: End::Completed,
        duration_us: 0,
        leftovers: Vec::new(),
    };
    assert!(Symptom::of(&recording).is_none());
    recording.end = End::NotStarted(Failure::errno("clone3", WORKER, Errno::EPERM));
    assert_eq!(Symptom::of(&recording).unwrap().errno(), Some("EPERM"));
}

#[test]
fn why_a_measurement_did_not_settle_is_said_by_itself() {
    let stopped = |failure: Failure| Recording {
        experiment: "x".to_owned(),
        steps: vec![StepRecord {
            index: 0,
            depth: 0,
            line: 1,
            text: "top a.out ≤ 20% ±5% in /".to_owned(),
            duration_us: 1,
            output: Output::nothing(),
            failure: Some(failure),
            as_declared: false,
            ended: true,
        }],
        planned: 1,
        end: End::Stopped,
        duration_us: 1,
        leftovers: Vec::new(),
    };
    let unsettled = stopped(Failure::inconclusive("measure", "a.out", "5 s"));
    assert!(Symptom::of(&unsettled).is_none());
    let outside = stopped(Failure::unexpected(
        "measure",
        "a.out",
        "outside of 20% ±5%",
    ));
    assert!(Symptom::of(&outside).is_some());
}
