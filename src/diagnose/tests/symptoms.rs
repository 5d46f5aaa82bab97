//! What is there to be explained at all.

use super::*;
use crate::recording::{Output, StepRecord};

const TOP: &str = "top a.out ≤ 20% ±5% in /";

fn step(text: &str, failure: Option<Failure>) -> StepRecord {
    StepRecord {
        index: 0,
        depth: 0,
        line: 1,
        text: text.to_owned(),
        duration_us: 1,
        output: Output::nothing(),
        failure,
        as_declared: false,
        ended: true,
    }
}

fn stopped(steps: Vec<StepRecord>) -> Recording {
    Recording {
        experiment: "x".to_owned(),
        planned: steps.len(),
        steps,
        end: End::Stopped,
        duration_us: 1,
        leftovers: Vec::new(),
    }
}

#[test]
fn only_what_failed_has_a_symptom() {
    let mut recording = Recording {
        end: End::Completed,
        ..stopped(Vec::new())
    };
    assert!(Symptom::of(&recording).is_none());
    recording.end = End::NotStarted(Failure::errno("clone3", WORKER, Errno::EPERM));
    assert_eq!(Symptom::of(&recording).unwrap().errno(), Some("EPERM"));
}

#[test]
fn an_unmet_need_stands_where_a_line_of_the_session_would() {
    let failure = Failure::errno("mknod", "null", Errno::EPERM);
    let mut recording = stopped(Vec::new());
    recording.end = End::Unmet {
        need: "device-nodes".to_owned(),
        failure: failure.clone(),
    };
    let symptom = Symptom::of(&recording).unwrap();
    assert_eq!((symptom.line, symptom.failure), ("device-nodes", &failure));
}

#[test]
fn the_step_that_ended_a_session_is_the_last_that_failed_undeclared() {
    let failure = |errno| Some(Failure::errno("open", "x", errno));
    let wrong = step("wrong", failure(Errno::EPERM));
    let declared = StepRecord {
        as_declared: true,
        ..step("declared", failure(Errno::EACCES))
    };
    // It is around the one that failed, and was not ended itself.
    let around = step("around", None);
    let recording = stopped(vec![wrong, declared, around]);
    assert_eq!(Symptom::of(&recording).unwrap().line, "wrong");
}

#[test]
fn a_map_of_a_user_namespace_is_told_from_other_files() {
    for (call, object, is_map) in [
        ("write uid_map", WORKER, true),
        ("write", "/proc/7/gid_map", true),
        ("write", "/proc/7/oom_score_adj", false),
        ("open", "/proc/7/uid_map", false),
    ] {
        let failure = Failure::errno(call, object, Errno::EPERM);
        let symptom = Symptom {
            failure: &failure,
            line: "",
        };
        assert_eq!(symptom.writes_map(), is_map, "{call} {object}");
    }
}

#[test]
fn only_whole_words_are_mentioned() {
    let failure = Failure::errno("write", "/proc/self/oom_score_adj", Errno::EACCES);
    let symptom = Symptom {
        failure: &failure,
        line: "mount -t overlay overlay -o lowerdir=a",
    };
    for (word, is_there) in [
        ("overlay", true),
        ("lowerdir", true),
        ("oom_score_adj", true),
        ("lower", false),
        ("oom", false),
        ("self/oom_score_adj", false),
    ] {
        assert_eq!(symptom.mentions(word), is_there, "{word}");
    }
}

#[test]
fn why_a_measurement_did_not_settle_is_said_by_itself() {
    let unsettled = stopped(vec![step(
        TOP,
        Some(Failure::inconclusive("measure", "a.out", "5 s")),
    )]);
    assert!(Symptom::of(&unsettled).is_none());
    let outside = stopped(vec![step(
        TOP,
        Some(Failure::unexpected(
            "measure",
            "a.out",
            "outside of 20% ±5%",
        )),
    )]);
    assert!(Symptom::of(&outside).is_some());
}
