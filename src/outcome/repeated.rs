//! One judgement for an experiment that was performed several times.

use super::{Judgement, Outcome};
use crate::recording::Recording;
use crate::transcript::Transcript;

/// An experiment as it was performed and judged one time.
#[derive(Debug, Clone)]
pub struct Time {
    /// What happened.
    pub recording: Recording,
    /// What happened, as a session.
    pub transcript: Transcript,
    /// What became of it.
    pub judgement: Judgement,
}

/// What is reported of several times: the last one when all have the same outcome. Else the experiment is *broken*,
/// because nobody can say what the host does, and the first time that did not pass shows how; `None` of no times.
#[must_use]
pub fn together(mut times: Vec<Time>) -> Option<Time> {
    let outcome = |time: &Time| time.judgement.outcome;
    if times.iter().all(|time| outcome(time) == outcome(&times[0])) {
        return times.pop();
    }
    let (all, passed) = (
        times.len(),
        times
            .iter()
            .filter(|time| outcome(time) == Outcome::Pass)
            .count(),
    );
    let mut shown = times
        .into_iter()
        .find(|time| outcome(time) != Outcome::Pass)?;
    let reason = shown.judgement.reason.as_ref();
    let why = reason.map_or(String::new(), |reason| reason.text.clone());
    let line = reason.and_then(|reason| reason.line);
    let text = format!("passed {passed} times of {all}, but: {why}");
    shown.judgement = Judgement {
        diff: shown.judgement.diff,
        ..Judgement::of(Outcome::Broken, "flaky", text).at(line)
    };
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::End;
    use crate::transcript::transcribe;

    fn time(judgement: Judgement) -> Time {
        let recording = Recording {
            experiment: "x".to_owned(),
            steps: Vec::new(),
            planned: 0,
            end: End::Completed,
            duration_us: 1,
            leftovers: Vec::new(),
        };
        Time {
            transcript: transcribe(&recording),
            recording,
            judgement,
        }
    }

    fn outcome(judgements: Vec<Judgement>) -> (Outcome, String) {
        let time = together(judgements.into_iter().map(time).collect()).unwrap();
        let reason = time.judgement.reason;
        let reason = reason.map(|reason| format!("{}: {}", reason.code, reason.text));
        (time.judgement.outcome, reason.unwrap_or_default())
    }

    #[test]
    fn what_is_alike_each_time_is_not_flaky() {
        let failed = |text| Judgement::of(Outcome::Fail, "differs", text);
        assert_eq!(
            outcome(vec![Judgement::pass(), Judgement::pass()]).0,
            Outcome::Pass
        );
        let (outcome, reason) = outcome(vec![failed("a"), failed("b")]);
        assert_eq!((outcome, reason.as_str()), (Outcome::Fail, "differs: b"));
    }

    #[test]
    fn the_diff_of_the_time_that_is_shown_stays() {
        let diff = crate::compare::diff("a", "b", 1);
        let differs = Judgement {
            diff: Some(diff.clone()),
            ..Judgement::of(Outcome::Fail, "differs", "it differs")
        };
        let shown = together(vec![time(Judgement::pass()), time(differs)]).unwrap();
        assert_eq!(shown.judgement.diff, Some(diff));
    }

    #[test]
    fn a_single_failure_among_passes_is_flaky_and_shown() {
        let failed = Judgement::of(Outcome::Fail, "differs", "it differs");
        let times = vec![Judgement::pass(), failed, Judgement::pass()];
        let expected = "flaky: passed 2 times of 3, but: it differs";
        assert_eq!(outcome(times), (Outcome::Broken, expected.to_owned()));
    }
}
