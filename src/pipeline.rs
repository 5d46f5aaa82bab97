//! The way of the data: specs, plan, recordings, transcripts, outcomes, verdict, report. It goes one way only.

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::{DateTime, SubsecRound, Utc};
use nix::sys::signal::Signal;

use crate::host::Host;
use crate::outcome::judge;
use crate::plan::{Planned, Unmet, plan};
use crate::policy::Policy;
use crate::program::Program;
use crate::recording::{End, Failure, Recording};
use crate::results::{self, Counts, Experiment, Performance, PolicyFile, Results, Schema, Watch};
use crate::snapshot::{self, Snapshot, SnapshotError, Stored};
use crate::source::Source;
use crate::spec::{Catalog, Entry, Spec};
use crate::transcript::transcribe;
use crate::verdict::{ExitCode, decide};
use crate::worker::{Performed, Progress, Run, Task, perform};

/// How a run is done.
pub struct Options {
    /// How many experiments at a time.
    pub jobs: usize,
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
    let began = Began::now();
    let snapshots = reviewed(catalog).map_err(RunError::Snapshot)?;
    let (tasks, unmet) = tasks(catalog, host, false);
    let mut finished = BTreeMap::new();
    let mut finish = |number: usize, recording: Recording, watch: &mut dyn Watch| {
        let entry = &catalog.entries[number];
        let experiment = finish(entry, &recording, snapshots[number].as_ref(), options);
        watch.ended(&experiment);
        finished.insert(number, (experiment, recording));
    };
    for (number, recording) in unmet {
        finish(number, recording, watch);
    }
    let (numbers, tasks): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
    let (interrupted, leftovers) =
        perform_all(tasks, host, options.jobs, &mut |progress| match progress {
            Progress::Step(task, step) => {
                watch.step(&catalog.entries[numbers[task]].spec.experiment, step)
            }
            Progress::Tick => watch.tick(),
            Progress::Ended(task, recording) => finish(numbers[task], recording.clone(), watch),
        })
        .map_err(RunError::Engine)?;
    let (experiments, recordings) = finished.into_values().unzip();
    Ok(Done {
        results: conclude(&began, host, policy, experiments, interrupted, leftovers),
        recordings,
    })
}

/// Tries the needs of every spec of a catalog and performs nothing.
///
/// # Errors
/// The engine does not work here.
pub fn try_needs(catalog: &Catalog, host: &Host, jobs: usize) -> Result<Vec<Recording>, Failure> {
    let (tasks, unmet) = tasks(catalog, host, true);
    let (numbers, tasks): (Vec<_>, Vec<_>) = tasks.into_iter().unzip();
    let mut recordings: BTreeMap<usize, Recording> = unmet.into_iter().collect();
    perform_all(tasks, host, jobs, &mut |progress| {
        if let Progress::Ended(task, recording) = progress {
            recordings.insert(numbers[task], recording.clone());
        }
    })?;
    Ok(recordings.into_values().collect())
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

fn finish(
    entry: &Entry,
    recording: &Recording,
    snapshot: Option<&Stored>,
    options: &Options,
) -> Experiment {
    let transcript = transcribe(recording);
    let judgement = judge(recording, &transcript, snapshot);
    let mut experiment = results::experiment(Performance {
        spec: &entry.spec,
        snapshot,
        recording,
        transcript,
        judgement,
    });
    if options.write_pending {
        keep_pending(entry, &mut experiment);
    }
    experiment
}

/// Writes the session beside the reviewed one when it is whole and differs; removes an older one when it agrees.
fn keep_pending(entry: &Entry, experiment: &mut Experiment) {
    let Some(path) = entry.snapshot_path() else {
        return;
    };
    let kept = match experiment.reason.as_ref().map(|reason| &*reason.code) {
        None => snapshot::remove_pending(&path).map(|_| None),
        Some("new-snapshot" | "differs") => {
            let text = &experiment.transcript;
            let snapshot = Snapshot::new(entry.source_name(), &entry.spec.title, text);
            snapshot::write_pending(&path, &snapshot).map(Some)
        }
        Some(_) => Ok(None),
    };
    match (kept, &mut experiment.reason) {
        (Ok(pending), _) => experiment.pending = pending.map(|path| path.display().to_string()),
        (Err(error), Some(reason)) => reason.text = format!("{}; {error}", reason.text),
        (Err(_), None) => {}
    }
}

/// When a run began, by the clock on the wall and by the one that nobody sets.
struct Began {
    wall: DateTime<Utc>,
    clock: Instant,
}

impl Began {
    fn now() -> Self {
        Self {
            wall: wall(),
            clock: Instant::now(),
        }
    }
}

/// Milliseconds are exact enough for a date that a person reads.
fn wall() -> DateTime<Utc> {
    Utc::now().trunc_subsecs(3)
}

fn conclude(
    began: &Began,
    host: &Host,
    policy: &Policy,
    experiments: Vec<Experiment>,
    interrupted: Option<Signal>,
    mut leftovers: Vec<String>,
) -> Results {
    let (finished, duration) = (wall(), began.clock.elapsed());
    let outcomes: Vec<_> = experiments
        .iter()
        .map(|experiment| (experiment.id.as_str(), experiment.outcome))
        .collect();
    let verdict = decide(policy, &outcomes);
    let counts = Counts::of(experiments.iter().map(|experiment| experiment.outcome));
    leftovers.extend(
        experiments
            .iter()
            .flat_map(|experiment| experiment.leftovers.clone()),
    );
    Results {
        schema: Schema::V1,
        verify: Program::running(),
        policy: PolicyFile {
            name: policy.name.clone(),
            sha256: policy.sha256.clone(),
        },
        host: host.clone(),
        started: began.wall,
        finished,
        duration_us: u64::try_from(duration.as_micros()).unwrap_or(u64::MAX),
        verdict,
        exit_code: ExitCode::of_run(verdict, interrupted, !leftovers.is_empty()),
        counts,
        leftovers,
        experiments,
    }
}
