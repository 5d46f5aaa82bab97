//! The way of the data: specs, plan, recordings, transcripts, outcomes, verdict, report. It goes one way only.

use std::collections::BTreeMap;

use nix::sys::signal::Signal;

use crate::host::Host;
use crate::outcome::judge;
use crate::plan::{Planned, Unmet, plan};
use crate::policy::Policy;
use crate::recording::{End, Failure, Recording};
use crate::results::{Performance, Results, Watch};
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

/// Performs every spec of a catalog and judges it.
///
/// # Errors
/// A snapshot that cannot be read, before anything is performed; an engine that does not work here.
pub fn run<'c>(
    catalog: &'c Catalog,
    host: &Host,
    policy: &Policy,
    options: &Options,
    watch: &mut dyn Watch,
) -> Result<Results<'c>, RunError> {
    let snapshots = reviewed(catalog).map_err(RunError::Snapshot)?;
    let (tasks, unmet) = tasks(catalog, host, false);
    let mut performances = BTreeMap::new();
    let mut finish = |number: usize, recording: Recording, watch: &mut dyn Watch| {
        let performance = finish(
            &catalog.entries[number],
            recording,
            snapshots[number].as_ref(),
            options,
        );
        watch.ended(&performance);
        performances.insert(number, performance);
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
    let performances: Vec<_> = performances.into_values().collect();
    Ok(conclude(performances, policy, interrupted, leftovers))
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

fn finish<'c>(
    entry: &'c Entry,
    recording: Recording,
    snapshot: Option<&Stored>,
    options: &Options,
) -> Performance<'c> {
    let transcript = transcribe(&recording);
    let judgement = judge(&recording, &transcript, snapshot);
    let mut performance = Performance {
        entry,
        recording,
        transcript,
        judgement,
        pending: None,
    };
    if options.write_pending {
        keep_pending(&mut performance);
    }
    performance
}

/// Writes the session beside the reviewed one when it is whole and differs; removes an older one when it agrees.
fn keep_pending(performance: &mut Performance<'_>) {
    let (entry, judgement) = (performance.entry, &mut performance.judgement);
    let Some(path) = entry.snapshot_path() else {
        return;
    };
    let kept = match judgement.reason.as_ref().map(|reason| reason.code) {
        None => snapshot::remove_pending(&path).map(|_| None),
        Some("new-snapshot" | "differs") => {
            let text = &performance.transcript.text;
            let snapshot = Snapshot::new(entry.source_name(), &entry.spec.title, text);
            snapshot::write_pending(&path, &snapshot).map(Some)
        }
        Some(_) => Ok(None),
    };
    match (kept, &mut judgement.reason) {
        (Ok(pending), _) => performance.pending = pending,
        (Err(error), Some(reason)) => reason.text = format!("{}; {error}", reason.text),
        (Err(_), None) => {}
    }
}

fn conclude<'c>(
    performances: Vec<Performance<'c>>,
    policy: &Policy,
    interrupted: Option<Signal>,
    mut leftovers: Vec<String>,
) -> Results<'c> {
    let outcomes: Vec<_> = performances
        .iter()
        .map(|performance| {
            (
                performance.entry.spec.experiment.as_str(),
                performance.judgement.outcome,
            )
        })
        .collect();
    let verdict = decide(policy, &outcomes);
    leftovers.extend(
        performances
            .iter()
            .flat_map(|performance| performance.recording.leftovers.clone()),
    );
    Results {
        exit: ExitCode::of_run(verdict, interrupted, !leftovers.is_empty()),
        performances,
        verdict,
        leftovers,
    }
}
