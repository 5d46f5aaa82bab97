//! What became of an experiment: a recording against the snapshot that a person has reviewed.

mod repeated;

use serde::{Deserialize, Serialize};

use crate::compare::{Diff, diff};
use crate::recording::{Cause, End, Recording};
use crate::snapshot::{Stored, normalise};
use crate::transcript::Transcript;
pub use repeated::{Time, together};

/// What became of an experiment.
///
/// *Fail* is about the host, *broken* is about the run: the line between them is whether the kernel was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Performed, the transcript equals the reviewed snapshot, nothing was left behind.
    Pass,
    /// Performed, and the kernel answered otherwise, or something was left behind.
    Fail,
    /// A declared need is not met: always with what showed it.
    Skip,
    /// It could not be performed or judged: no reviewed snapshot, time limit, inconclusive measurement, engine error.
    Broken,
}

impl Outcome {
    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Skip => "skip",
            Self::Broken => "broken",
        }
    }
}

/// Why an outcome is not *pass*.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// For machines: `new-snapshot`, `differs`, `step-failed`, `unmet-need`.
    pub code: &'static str,
    /// For people, one sentence.
    pub text: String,
    /// The line of the spec that it is about, from 1.
    pub line: Option<usize>,
}

/// The outcome of one experiment, and why.
#[derive(Debug, Clone)]
pub struct Judgement {
    /// What became of it.
    pub outcome: Outcome,
    /// Why, unless it passed.
    pub reason: Option<Reason>,
    /// What differs from the reviewed snapshot.
    pub diff: Option<Diff>,
}

impl Judgement {
    fn pass() -> Self {
        Self {
            outcome: Outcome::Pass,
            reason: None,
            diff: None,
        }
    }

    fn of(outcome: Outcome, code: &'static str, text: impl Into<String>) -> Self {
        let text = text.into();
        Self {
            outcome,
            reason: Some(Reason {
                code,
                text,
                line: None,
            }),
            diff: None,
        }
    }

    fn at(mut self, line: Option<usize>) -> Self {
        if let Some(reason) = &mut self.reason {
            reason.line = line;
        }
        self
    }
}

/// Judges a recording by its transcript and the reviewed snapshot.
#[must_use]
pub fn judge(
    recording: &Recording,
    transcript: &Transcript,
    snapshot: Option<&Stored>,
) -> Judgement {
    let step = recording.last_step();
    let line = step.map(|step| step.line);
    let at = step.map_or(String::new(), |step| format!(" at `{}`", step.text));
    let judgement = match &recording.end {
        End::Unmet { need, failure } => Judgement::of(
            Outcome::Skip,
            "unmet-need",
            format!("needs {need}: {failure}"),
        ),
        End::NotStarted(failure) => Judgement::of(
            Outcome::Broken,
            "not-started",
            format!("no worker: {failure}"),
        ),
        End::Interrupted => {
            Judgement::of(Outcome::Broken, "interrupted", format!("interrupted{at}")).at(line)
        }
        End::Died { how } => Judgement::of(
            Outcome::Broken,
            "died",
            format!("the worker died{at}: {how}"),
        )
        .at(line),
        End::TimedOut { limit_ms } => {
            let text = format!("not done after {} s{at}", seconds(*limit_ms));
            Judgement::of(Outcome::Broken, "time-limit", text).at(line)
        }
        End::Stopped => stopped(recording),
        End::Completed if !recording.leftovers.is_empty() => {
            let left = recording.leftovers.join("; ");
            return Judgement::of(Outcome::Fail, "left-behind", format!("left behind: {left}"));
        }
        End::Completed => return compared(transcript, snapshot),
    };
    Judgement {
        diff: snapshot.and_then(|stored| diff_so_far(stored, recording, transcript)),
        ..judgement
    }
}

fn seconds(milliseconds: u64) -> String {
    match milliseconds % 1000 {
        0 => (milliseconds / 1000).to_string(),
        _ => format!("{}.{:03}", milliseconds / 1000, milliseconds % 1000),
    }
}

fn stopped(recording: &Recording) -> Judgement {
    let failed = recording
        .steps
        .iter()
        .rev()
        .find(|step| !step.as_declared && step.failure.is_some());
    let Some((step, failure)) =
        failed.and_then(|step| step.failure.as_ref().map(|failure| (step, failure)))
    else {
        return Judgement::of(
            Outcome::Broken,
            "engine",
            "the worker stopped without saying why",
        );
    };
    let judgement = match failure.cause {
        Cause::Inconclusive => Judgement::of(
            Outcome::Broken,
            "inconclusive",
            format!("{}: {failure}", step.text),
        ),
        Cause::NoProcess => Judgement::of(
            Outcome::Broken,
            "no-process",
            format!("no process for `{}`: {failure}", step.text),
        ),
        _ => Judgement::of(
            Outcome::Fail,
            "step-failed",
            format!("`{}` failed: {failure}", step.text),
        ),
    };
    judgement.at(Some(step.line))
}

/// The diff of a session that ended early: what the snapshot has after its last answer is not missing, it was never asked.
fn diff_so_far(stored: &Stored, recording: &Recording, transcript: &Transcript) -> Option<Diff> {
    let last = recording.steps.iter().rposition(|step| step.ended)?;
    let expected = session_of(last + 1, &stored.snapshot.contents);
    let observed = session_of(last + 1, &transcript.text);
    Some(diff(&expected, &normalise(&observed), stored.first_line))
}

/// The beginning of a session, with so many commands and what each printed.
fn session_of(commands: usize, text: &str) -> String {
    let mut seen = 0;
    let lines = text.lines().take_while(|line| {
        seen += usize::from(is_command(line));
        seen <= commands
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn is_command(line: &str) -> bool {
    line.trim_start().starts_with("# ")
}

fn compared(transcript: &Transcript, snapshot: Option<&Stored>) -> Judgement {
    let Some(stored) = snapshot else {
        let text = "no reviewed snapshot yet: review the new one with `verify review` or `cargo insta review`";
        return Judgement::of(Outcome::Broken, "new-snapshot", text);
    };
    let observed = normalise(&transcript.text);
    if stored.snapshot.contents == observed {
        return Judgement::pass();
    }
    let first = first_difference(&stored.snapshot.contents, &observed);
    let line = transcript
        .spec_lines
        .get(first)
        .or(transcript.spec_lines.last())
        .copied();
    Judgement {
        diff: Some(diff(
            &stored.snapshot.contents,
            &observed,
            stored.first_line,
        )),
        ..Judgement::of(
            Outcome::Fail,
            "differs",
            "the session differs from the reviewed one",
        )
        .at(line)
    }
}

fn first_difference(expected: &str, observed: &str) -> usize {
    expected
        .lines()
        .zip(observed.lines())
        .take_while(|(a, b)| a == b)
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{Failure, Output, StepRecord};
    use crate::snapshot::Snapshot;
    use crate::transcript::transcribe;
    use nix::errno::Errno;

    fn recording(end: End, failure: Option<Failure>) -> Recording {
        let step = StepRecord {
            index: 0,
            depth: 0,
            line: 7,
            text: "cat a".to_owned(),
            duration_us: 1,
            output: Output::lines(["Hello"]),
            as_declared: failure.is_none(),
            failure,
            ended: true,
        };
        Recording {
            experiment: "x".to_owned(),
            steps: vec![step],
            planned: 2,
            end,
            duration_us: 1,
            leftovers: Vec::new(),
        }
    }

    fn stored(contents: &str) -> Stored {
        Stored {
            name: "x.snap".to_owned(),
            sha256: String::new(),
            first_line: 5,
            snapshot: Snapshot::new("specs/x.yaml", "", contents),
        }
    }

    fn outcome(recording: &Recording, snapshot: Option<&Stored>) -> (Outcome, &'static str) {
        let judgement = judge(recording, &transcribe(recording), snapshot);
        (
            judgement.outcome,
            judgement.reason.map_or("", |reason| reason.code),
        )
    }

    #[test]
    fn only_an_equal_reviewed_session_passes() {
        let done = recording(End::Completed, None);
        assert_eq!(
            outcome(&done, Some(&stored("# cat a\nHello\n"))),
            (Outcome::Pass, "")
        );
        assert_eq!(
            outcome(&done, Some(&stored("# cat a\nhello\n"))),
            (Outcome::Fail, "differs")
        );
        assert_eq!(
            outcome(&done, Some(&stored("# cat a\nHello \n# x"))),
            (Outcome::Fail, "differs")
        );
        assert_eq!(outcome(&done, None), (Outcome::Broken, "new-snapshot"));
    }

    #[test]
    fn something_left_behind_fails_an_equal_session() {
        let mut done = recording(End::Completed, None);
        done.leftovers.push("cgroup x".to_owned());
        assert_eq!(
            outcome(&done, Some(&stored("# cat a\nHello\n"))),
            (Outcome::Fail, "left-behind")
        );
    }

    #[test]
    fn an_undeclared_failure_fails_whatever_the_snapshot_says() {
        let failure = Failure::errno("open", "a", Errno::ENOENT);
        let stopped = recording(End::Stopped, Some(failure));
        let same = transcribe(&stopped).text;
        assert_eq!(
            outcome(&stopped, Some(&stored(&same))),
            (Outcome::Fail, "step-failed")
        );
        assert_eq!(outcome(&stopped, None), (Outcome::Fail, "step-failed"));
    }

    #[test]
    fn what_was_not_asked_is_broken_or_skipped_never_failed() {
        let errno = || Failure::errno("mount", "overlay", Errno::ENODEV);
        for (end, expected) in [
            (
                End::Unmet {
                    need: "filesystem overlay".to_owned(),
                    failure: errno(),
                },
                (Outcome::Skip, "unmet-need"),
            ),
            (End::NotStarted(errno()), (Outcome::Broken, "not-started")),
            (
                End::TimedOut { limit_ms: 1500 },
                (Outcome::Broken, "time-limit"),
            ),
            (
                End::Died {
                    how: "SIGKILL".to_owned(),
                },
                (Outcome::Broken, "died"),
            ),
            (End::Interrupted, (Outcome::Broken, "interrupted")),
        ] {
            assert_eq!(
                outcome(&recording(end, None), Some(&stored("# cat a\nHello"))),
                expected
            );
        }
        let unsettled = recording(End::Stopped, Some(Failure::inconclusive("top", "", "5 s")));
        assert_eq!(outcome(&unsettled, None), (Outcome::Broken, "inconclusive"));
        let refused = recording(End::Stopped, Some(Failure::fork("", Errno::EAGAIN)));
        assert_eq!(outcome(&refused, None), (Outcome::Broken, "no-process"));
    }

    #[test]
    fn the_diff_of_a_session_that_ended_early_ends_there() {
        let failure = Failure::errno("open", "a", Errno::ENOENT);
        let mut stopped = recording(End::Stopped, Some(failure));
        stopped.steps[0].output = Output::nothing();
        let snapshot = stored("# cat a\nHello\nworld\n# cat never-reached\nb\n");
        let diff = judge(&stopped, &transcribe(&stopped), Some(&snapshot))
            .diff
            .unwrap()
            .plain();
        assert_eq!(
            diff,
            "5 5   # cat a\n6   - Hello\n7   - world\n  6 + cat: ENOENT: no such file or directory\n"
        );
    }

    #[test]
    fn what_differed_before_the_end_is_told_and_the_step_that_was_ended_is_not() {
        let mut late = recording(End::TimedOut { limit_ms: 50 }, None);
        let running = StepRecord {
            output: Output::nothing(),
            ended: false,
            ..late.steps[0].clone()
        };
        late.steps.push(running);
        let told = |late: &Recording, snapshot: &str| {
            let judgement = judge(late, &transcribe(late), Some(&stored(snapshot)));
            assert_eq!(judgement.outcome, Outcome::Broken);
            judgement.diff.map_or(String::new(), |diff| diff.plain())
        };
        assert_eq!(told(&late, "# cat a\nHello\n# cat a\nHello\n"), "");
        let differs = "5 5   # cat a\n6   - Hallo\n  6 + Hello\n";
        for end in [
            late.end.clone(),
            End::Interrupted,
            End::Died { how: String::new() },
        ] {
            late.end = end;
            assert_eq!(told(&late, "# cat a\nHallo\n# cat a\nHello\n"), differs);
        }
        late.steps.remove(0);
        assert_eq!(told(&late, "# cat a\nHallo\n"), "", "nothing was answered");
    }

    #[test]
    fn a_time_limit_is_told_in_seconds() {
        for (limit_ms, told) in [(50, "0.050 s"), (1500, "1.500 s"), (2000, "2 s")] {
            let late = recording(End::TimedOut { limit_ms }, None);
            let reason = judge(&late, &transcribe(&late), None).reason.unwrap();
            assert_eq!(reason.text, format!("not done after {told} at `cat a`"));
        }
    }

    #[test]
    fn a_failure_that_was_declared_is_not_why_a_session_stopped() {
        let failure = |errno| Some(Failure::errno("open", "a", errno));
        let mut stopped = recording(End::Stopped, failure(Errno::ENOENT));
        let declared = recording(End::Completed, None).steps.remove(0);
        stopped.steps.push(StepRecord {
            failure: failure(Errno::EPERM),
            ..declared
        });
        let reason = judge(&stopped, &transcribe(&stopped), None).reason.unwrap();
        assert!(reason.text.contains("ENOENT"), "{}", reason.text);
    }

    #[test]
    fn a_session_that_differs_points_at_the_step_that_printed_the_difference() {
        let mut done = recording(End::Completed, None);
        done.steps.push(StepRecord {
            index: 1,
            line: 9,
            ..done.steps[0].clone()
        });
        for (snapshot, line) in [
            ("# cat a\nHallo\n# cat a\nHello\n", 7),
            ("# cat a\nHello\n# cat a\nHallo\n", 9),
            ("# cat a\nHello\n# cat a\nHello\n# cat b\n", 9),
        ] {
            let judgement = judge(&done, &transcribe(&done), Some(&stored(snapshot)));
            assert_eq!(judgement.reason.unwrap().line, Some(line), "{snapshot}");
            assert!(!judgement.diff.unwrap().is_empty(), "{snapshot}");
        }
    }
}
