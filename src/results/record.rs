//! From what was recorded and judged to what stands in the results.

use super::{Experiment, Measurement, Reason, SnapshotFile, SpecFile, Step};
use crate::diagnose::Diagnosis;
use crate::digest::sha256;
use crate::outcome::{self, Judgement};
use crate::recording::{Cause, Recording, StepRecord};
use crate::snapshot::Stored;
use crate::spec::Spec;
use crate::transcript::{Printed, Transcript};
use crate::verdict::Counted;

/// All that an experiment's result rests on.
pub struct Performance<'a> {
    /// Its spec.
    pub spec: &'a Spec,
    /// The reviewed session.
    pub snapshot: Option<&'a Stored>,
    /// What happened.
    pub recording: &'a Recording,
    /// What happened, as a session.
    pub transcript: Transcript,
    /// What became of it.
    pub judgement: Judgement,
    /// How it counts.
    pub counted: &'a Counted,
    /// Why it failed.
    pub diagnosis: Option<Diagnosis>,
}

/// The result of an experiment.
#[must_use]
pub fn experiment(performance: Performance<'_>) -> Experiment {
    let Performance {
        spec,
        snapshot,
        recording,
        transcript,
        judgement,
        counted,
        diagnosis,
    } = performance;
    let line = judgement.reason.as_ref().and_then(|reason| reason.line);
    let steps = recording.steps.iter().zip(&transcript.steps);
    Experiment {
        id: spec.experiment.clone(),
        title: spec.title.clone(),
        outcome: judgement.outcome,
        reason: judgement.reason.map(|found| reason(found, diagnosis)),
        standing: counted.standing.clone(),
        verdict: counted.verdict,
        waiver: counted.waiver.clone(),
        spec: SpecFile {
            path: spec.source.name.clone(),
            sha256: sha256(spec.source.text.as_bytes()),
            line,
        },
        snapshot: snapshot.map(|stored| SnapshotFile {
            path: stored.name.clone(),
            sha256: stored.sha256.clone(),
        }),
        pending: None,
        diff: judgement.diff.filter(|diff| !diff.is_empty()),
        duration_us: recording.duration_us,
        steps_planned: recording.planned,
        steps: steps
            .map(|(record, printed)| step(record, printed))
            .collect(),
        measurements: recording.steps.iter().flat_map(measurements).collect(),
        leftovers: recording.leftovers.clone(),
        transcript: transcript.text,
    }
}

fn reason(found: outcome::Reason, diagnosis: Option<Diagnosis>) -> Reason {
    let (cause, evidence, remedy) = match diagnosis {
        Some(known) => (Some(known.cause), known.evidence, known.remedy),
        None => (None, Vec::new(), None),
    };
    Reason {
        code: found.code.to_owned(),
        text: found.text,
        cause,
        evidence,
        remedy,
    }
}

fn step(record: &StepRecord, printed: &Printed) -> Step {
    let evidence = record.output.evidence.iter().chain(&printed.identities);
    Step {
        line: record.line,
        depth: record.depth,
        text: record.text.clone(),
        ended: record.ended,
        duration_us: record.duration_us,
        errno: record
            .failure
            .as_ref()
            .and_then(|failure| name(&failure.cause)),
        as_declared: record.as_declared,
        output: printed.text.clone(),
        evidence: evidence.cloned().collect(),
    }
}

fn name(cause: &Cause) -> Option<String> {
    match cause {
        Cause::Signal(name) => Some(name.clone()),
        Cause::Exit(status) => Some(format!("exit {status}")),
        cause => cause.errno().map(str::to_owned),
    }
}

fn measurements(record: &StepRecord) -> impl Iterator<Item = Measurement> {
    let failure = record.failure.iter();
    let failed = failure.flat_map(|failure| failure.measurement.as_deref());
    let measured = record.output.measurements.iter().chain(failed);
    measured.map(|measured| Measurement {
        line: record.line,
        name: measured.name.clone(),
        value: measured.value,
        unit: measured.unit.clone(),
        half_width: measured.half_width,
        band: measured.band,
        samples: measured.samples.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::{self, Failure, Output};

    #[test]
    fn how_a_step_failed_is_named() {
        for (cause, expected) in [
            (Cause::Errno("ENODEV".to_owned()), Some("ENODEV")),
            (Cause::NoProcess, Some("EAGAIN")),
            (Cause::Exit(3), Some("exit 3")),
            (Cause::Signal("SIGKILL".to_owned()), Some("SIGKILL")),
            (Cause::Unexpected, None),
        ] {
            assert_eq!(name(&cause).as_deref(), expected);
        }
    }

    #[test]
    fn what_was_measured_is_there_also_when_it_failed() {
        let measured = recording::Measurement {
            name: "CPU share".to_owned(),
            value: 50.0,
            unit: "%".to_owned(),
            half_width: 1.0,
            band: (30.0, 36.0),
            samples: vec![50.0],
        };
        let failure = Failure::unexpected("measure", "a : b", "outside").measured(Some(measured));
        let record = StepRecord {
            index: 0,
            depth: 0,
            line: 7,
            text: "top a b = 1:2 ±3%".to_owned(),
            duration_us: 1,
            output: Output::nothing(),
            failure: Some(failure),
            as_declared: false,
            ended: true,
        };
        let found: Vec<_> = measurements(&record).collect();
        assert_eq!((found.len(), found[0].line, found[0].value), (1, 7, 50.0));
    }
}
