//! The way of the data: specs, plan, recordings, transcripts, outcomes, verdict, report. It goes one way only.

mod needs;

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use chrono::{DateTime, SubsecRound, Utc};
use nix::sys::signal::Signal;

pub use needs::{Ready, Trial, Tried, try_needs};

use crate::diagnose::{Diagnosis, Facts, Symptom, diagnose, unknown};
use crate::host::Host;
use crate::outcome::{Outcome, Time, judge, together};
use crate::plan::{Planned, Unmet, plan};
use crate::policy::Policy;
use crate::program::Program;
use crate::recording::{End, Failure, Recording};
use crate::results::{self, Counts, Experiment, Performance, PolicyUsed, Results, Schema, Watch};
use crate::snapshot::{self, Snapshot, SnapshotError, Stored};
use crate::source::Source;
use crate::spec::{Catalog, Entry, Spec};
use crate::transcript::transcribe;
use crate::verdict::{Counted, Decision, ExitCode, Scope, count, decide};
use crate::worker::{Performed, Progress, Run, Task, perform};

/// How a run is done.
pub struct Options {
    /// How many experiments at a time.
    pub jobs: usize,
    /// How many times each is performed; one that does not have the same outcome each time is flaky.
    pub repeat: usize,
    /// What the verdict is about.
    pub scope: Scope,
    /// Whether new and differing sessions are written beside the reviewed ones.
    pub write_pending: bool,
}

/// Why nothing was performed.
pub enum RunError {
    /// A snapshot cannot be read.
    Snapshot(SnapshotError),
    /// The engine does not work here.
    Engine(Failure),
}

/// What a run leaves: what it found, and what it found it from.
pub struct Done {
    /// What it found.
    pub results: Results,
    /// Everything that happened, an item for each experiment.
    pub recordings: Vec<Recording>,
}

/// Performs every spec of a catalog and judges it.
///
/// # Errors
/// A snapshot that cannot be read, before anything is performed; an engine that does not work here.
pub fn run(
    catalog: &Catalog,
    host: &Host,
    policy: &Policy,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Done, RunError> {
    let frame = Frame::begin(host, policy, options);
    let snapshots = reviewed(catalog).map_err(RunError::Snapshot)?;
    let mut finished = BTreeMap::new();
    let mut finish = |number: usize, times: Vec<Recording>, watch: &mut dyn Watch| {
        let entry = &catalog.entries[number];
        if let Some(one) = frame.finish(entry, times, snapshots[number].as_ref()) {
            watch.ended(&one.experiment);
            finished.insert(number, one);
        }
    };
    let (interrupted, leftovers) =
        rounds(catalog, host, options, watch, &mut finish).map_err(RunError::Engine)?;
    let finished = finished.into_values().collect();
    Ok(frame.conclude(finished, interrupted, leftovers))
}

/// What is called with the number of an experiment that has ended and what it has recorded.
type Ended<'a, T> = &'a mut dyn FnMut(usize, T, &mut dyn Watch);

/// Performs everything as many times as is asked for, or until it is interrupted. What an experiment has recorded goes
/// to `finish` after its last time.
fn rounds(
    catalog: &Catalog,
    host: &Host,
    options: &Options,
    watch: &mut dyn Watch,
    finish: Ended<'_, Vec<Recording>>,
) -> Result<(Option<Signal>, Vec<String>), Failure> {
    let (mut interrupted, mut leftovers) = (None, Vec::new());
    let mut times = Times::default();
    for _ in 0..options.repeat {
        let mut ended = |number, recording, watch: &mut dyn Watch| {
            if let Some(all) = times.add(number, recording, options.repeat) {
                finish(number, all, watch);
            }
        };
        let (signal, left) = round(catalog, host, options.jobs, watch, &mut ended)?;
        leftovers.extend(left);
        interrupted = signal;
        if interrupted.is_some() {
            break;
        }
    }
    for (number, some) in times.0 {
        finish(number, some, watch);
    }
    Ok((interrupted, leftovers))
}

fn round(
    catalog: &Catalog,
    host: &Host,
    jobs: usize,
    watch: &mut dyn Watch,
    ended: Ended<'_, Recording>,
) -> Result<(Option<Signal>, Vec<String>), Failure> {
    let (tasks, unmet) = tasks(catalog, host, false);
    for (number, recording) in unmet {
        ended(number, recording, watch);
    }
    let (numbers, tasks): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
    perform_all(tasks, host, jobs, &mut |progress| match progress {
        Progress::Step(task, step) => {
            watch.step(&catalog.entries[numbers[task]].spec.experiment, step)
        }
        Progress::Tick => watch.tick(),
        Progress::Ended(task, recording) => ended(numbers[task], recording.clone(), watch),
    })
}

/// What experiments have recorded so far, by their numbers in the catalog.
#[derive(Default)]
struct Times(BTreeMap<usize, Vec<Recording>>);

impl Times {
    /// Adds a recording; gives all of the experiment back when there are `wanted`.
    fn add(
        &mut self,
        number: usize,
        recording: Recording,
        wanted: usize,
    ) -> Option<Vec<Recording>> {
        let times = self.0.entry(number).or_default();
        times.push(recording);
        (times.len() == wanted).then(|| self.0.remove(&number))?
    }
}

fn reviewed(catalog: &Catalog) -> Result<Vec<Option<Stored>>, SnapshotError> {
    let read = |entry: &Entry| match (entry.snapshot_path(), entry.built_in_snapshot()) {
        (Some(path), _) => snapshot::read(&path),
        (None, Some(text)) => built_in(entry, text).map(Some),
        (None, None) => Ok(None),
    };
    catalog.entries.iter().map(read).collect()
}

fn built_in(entry: &Entry, text: &str) -> Result<Stored, SnapshotError> {
    let name = format!("<built-in>/snapshots/{}.snap", entry.spec.experiment);
    Ok(snapshot::parse(&Source::new(name, text))?)
}

/// Values by the numbers of their entries in the catalog.
type Numbered<T> = Vec<(usize, T)>;

/// What is to be performed, and recordings of what cannot be.
fn tasks(
    catalog: &Catalog,
    host: &Host,
    only_needs: bool,
) -> (Numbered<Task>, Numbered<Recording>) {
    let mut tasks = Vec::new();
    let mut unmet = Vec::new();
    for (number, entry) in catalog.entries.iter().enumerate() {
        match plan(&entry.spec, host) {
            Planned::Perform(assignment) => tasks.push((
                number,
                Task {
                    assignment,
                    only_needs,
                },
            )),
            Planned::Unmet(missing) => unmet.push((number, unmet_recording(&entry.spec, missing))),
        }
    }
    (tasks, unmet)
}

fn unmet_recording(spec: &Spec, unmet: Unmet) -> Recording {
    Recording {
        experiment: spec.experiment.clone(),
        steps: Vec::new(),
        planned: spec.all_steps().len(),
        end: End::Unmet {
            need: unmet.need.to_string(),
            failure: unmet.failure,
        },
        duration_us: 0,
        leftovers: Vec::new(),
    }
}

fn perform_all(
    tasks: Vec<Task>,
    host: &Host,
    jobs: usize,
    watch: &mut dyn FnMut(Progress<'_>),
) -> Result<(Option<Signal>, Vec<String>), Failure> {
    if tasks.is_empty() {
        return Ok((None, Vec::new()));
    }
    let steps = tasks.iter().flat_map(|task| &task.assignment.steps);
    let run = Run::begin(host, steps)?;
    let Performed { interrupted, .. } = perform(&run, tasks, jobs, watch)?;
    Ok((interrupted, run.end()))
}

/// Writes the session beside the reviewed one when it is whole and differs; removes an older one when it agrees.
fn keep_pending(entry: &Entry, experiment: &mut Experiment) {
    let Some(path) = entry.snapshot_path() else {
        return;
    };
    let kept = match (&experiment.reason, unreviewed(entry, experiment)) {
        (None, _) => snapshot::remove_pending(&path).map(|_| None),
        (_, Some(snapshot)) => snapshot::write_pending(&path, &snapshot).map(Some),
        (_, None) => Ok(None),
    };
    match (kept, &mut experiment.reason) {
        (Ok(pending), _) => experiment.pending = pending.map(|path| path.display().to_string()),
        (Err(error), Some(reason)) => reason.text = format!("{}; {error}", reason.text),
        (Err(_), None) => {}
    }
}

/// The session of an experiment as a snapshot for a review, when it is whole and new, or differs.
#[must_use]
pub fn unreviewed(entry: &Entry, experiment: &Experiment) -> Option<Snapshot> {
    let code = experiment.reason.as_ref().map(|reason| &*reason.code);
    let waits = matches!(code, Some("new-snapshot" | "differs"));
    let text = &experiment.transcript;
    waits.then(|| Snapshot::new(entry.source_name(), &entry.spec.title, text))
}

/// What holds for a whole run.
struct Frame<'a> {
    host: &'a Host,
    policy: &'a Policy,
    options: &'a Options,
    /// When it began, by the clock on the wall and by the one that nobody sets.
    began: (DateTime<Utc>, Instant),
    /// Looked at when the first experiment fails.
    facts: OnceCell<Facts>,
}

/// An experiment that has ended.
struct Finished {
    experiment: Experiment,
    counted: Counted,
    recording: Recording,
}

impl<'a> Frame<'a> {
    fn begin(host: &'a Host, policy: &'a Policy, options: &'a Options) -> Self {
        Self {
            host,
            policy,
            options,
            began: (wall(), Instant::now()),
            facts: OnceCell::new(),
        }
    }

    /// Why a call failed. Of another failure, such as a session that differs, it is said that nothing explains it.
    fn diagnosis(&self, recording: &Recording, outcome: Outcome) -> Option<Diagnosis> {
        let look = || Facts::look(Path::new("/")).performed_in(self.host.scratch.as_ref());
        let facts = || self.facts.get_or_init(look);
        match Symptom::of(recording) {
            Some(symptom) => Some(diagnose(&symptom, facts())),
            None => (outcome == Outcome::Fail).then(|| unknown(facts())),
        }
    }

    fn finish(
        &self,
        entry: &Entry,
        times: Vec<Recording>,
        snapshot: Option<&Stored>,
    ) -> Option<Finished> {
        let times = times.into_iter().map(|recording| time(recording, snapshot));
        let Time {
            recording,
            transcript,
            judgement,
        } = together(times.collect())?;
        let name = &entry.spec.experiment;
        let today = self.began.0.date_naive();
        let counted = count(self.policy, name, &judgement, recording.unmet_need(), today);
        let diagnosis = self.diagnosis(&recording, judgement.outcome);
        let mut experiment = results::experiment(Performance {
            spec: &entry.spec,
            snapshot,
            recording: &recording,
            transcript,
            judgement,
            counted: &counted,
            diagnosis,
        });
        if self.options.write_pending {
            keep_pending(entry, &mut experiment);
        }
        Some(Finished {
            experiment,
            counted,
            recording,
        })
    }

    fn conclude(
        &self,
        all: Vec<Finished>,
        interrupted: Option<Signal>,
        mut leftovers: Vec<String>,
    ) -> Done {
        let (finished, duration) = (wall(), self.began.1.elapsed());
        let counted: Vec<_> = all.iter().map(|one| one.counted.clone()).collect();
        let split = all.into_iter().map(|one| (one.experiment, one.recording));
        let (experiments, recordings): (Vec<_>, Vec<_>) = split.unzip();
        let decision = decide(self.policy, &counted, self.options.scope);
        leftovers.extend(experiments.iter().flat_map(|one| one.leftovers.clone()));
        let results = Results {
            schema: Schema::V1,
            verify: Program::running(),
            policy: self.policy_used(&decision),
            host: self.host.clone(),
            started: self.began.0,
            finished,
            duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
            verdict: decision.verdict,
            reasons: decision.reasons,
            notes: decision.notes,
            exit_code: ExitCode::of_run(decision.verdict, interrupted, !leftovers.is_empty()),
            counts: Counts::of(experiments.iter().map(|experiment| experiment.outcome)),
            leftovers,
            experiments,
        };
        Done {
            results,
            recordings,
        }
    }

    fn policy_used(&self, decision: &Decision) -> PolicyUsed {
        PolicyUsed {
            name: self.policy.name.value.clone(),
            sha256: self.policy.files[0].sha256.clone(),
            files: self.policy.files.clone(),
            scope: self.options.scope,
            any_of: decision.any_of.clone(),
            not_performed: decision.not_performed.clone(),
        }
    }
}

fn time(recording: Recording, snapshot: Option<&Stored>) -> Time {
    let transcript = transcribe(&recording);
    let judgement = judge(&recording, &transcript, snapshot);
    Time {
        recording,
        transcript,
        judgement,
    }
}

/// Milliseconds are exact enough for a date that a person reads.
fn wall() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}
