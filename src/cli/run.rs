//! `verify run`

use std::ffi::OsStr;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::Stop;
use super::policy::PolicyChoice;
use super::reports::Reports;
use super::select::Selection;
use super::storage::Storage;
use crate::host::Host;
use crate::pipeline::{self, Options, RunError};
use crate::recording::Recording;
use crate::report::live::Live;
use crate::verdict::ExitCode;

/// What `verify run` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    policy: PolicyChoice,
    /// How many experiments at a time
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    jobs: Option<u16>,
    /// Perform each experiment so many times; one that does not have the same outcome each time is flaky
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    repeat: u16,
    #[command(flatten)]
    storage: Storage,
    /// Keep the recording of each experiment in this folder, as JSON
    #[arg(long, value_name = "FOLDER")]
    record: Option<PathBuf>,
    #[command(flatten)]
    reports: Reports,
}

/// Performs what is asked for and prints it as it goes.
///
/// # Errors
/// Nothing could be performed.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Stop> {
    let reports = arguments.reports.with_host_facts();
    reports.check()?;
    let mut catalog = arguments.selection.catalog()?;
    let (policy, scope) = arguments.policy.of(&mut catalog)?;
    let host = arguments.storage.host()?;
    let options = Options {
        jobs: arguments
            .jobs
            .map_or_else(|| default_jobs(&host), usize::from),
        repeat: usize::from(arguments.repeat),
        scope,
        write_pending: !is_set(std::env::var_os("CI").as_deref()),
    };
    let mut terminal = Live::begin(&host, catalog.entries.len(), reports.take_stdout());
    let done =
        pipeline::run(&catalog, &host, &policy, &options, &mut terminal).map_err(|error| {
            match error {
                RunError::Snapshot(error) => Stop::invalid(error.report()),
                RunError::Engine(failure) => {
                    Stop::undecided(format!("error: cannot perform anything here: {failure}"))
                }
            }
        })?;
    if let Some(folder) = &arguments.record {
        keep_recordings(folder, &done.recordings)?;
    }
    terminal.end(&done.results);
    for message in reports.write(&done.results) {
        let _ = writeln!(anstream::stderr(), "{message}");
    }
    Ok(done.results.exit_code)
}

/// Whether a variable such as `CI`, which some set to `false`, says yes.
fn is_set(variable: Option<&OsStr>) -> bool {
    variable.is_some_and(|value| !value.is_empty() && value != "0" && value != "false")
}

/// Experiments mostly wait for the kernel, so a few more than there are CPUs go well together.
pub fn default_jobs(host: &Host) -> usize {
    host.cpus + 2
}

fn keep_recordings(folder: &Path, recordings: &[Recording]) -> Result<(), Stop> {
    let stop = |error: std::io::Error| {
        Stop::invalid(format!(
            "error: cannot write to {}: {error}",
            folder.display()
        ))
    };
    std::fs::create_dir_all(folder).map_err(stop)?;
    for recording in recordings {
        let file = folder.join(format!("{}.json", recording.experiment));
        let json = serde_json::to_vec_pretty(recording).map_err(std::io::Error::other);
        json.and_then(|json| std::fs::write(file, json))
            .map_err(stop)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recording::End;

    #[test]
    fn ci_may_be_switched_off() {
        for (value, set) in [
            (None, false),
            (Some(""), false),
            (Some("0"), false),
            (Some("false"), false),
            (Some("1"), true),
            (Some("true"), true),
        ] {
            assert_eq!(is_set(value.map(OsStr::new)), set, "{value:?}");
        }
    }

    /// They wait for the kernel: on one CPU as well, and no more than are of use.
    #[test]
    fn there_are_a_few_more_jobs_than_cpus() {
        let mut host = Host::look();
        for (cpus, jobs) in [(1, 3), (2, 4), (64, 66)] {
            host.cpus = cpus;
            assert_eq!(default_jobs(&host), jobs);
        }
    }

    #[test]
    fn a_recording_is_kept_under_its_experiments_name() {
        let keep = tempfile::tempdir().unwrap();
        let recording = Recording {
            experiment: "x".to_owned(),
            steps: Vec::new(),
            planned: 1,
            end: End::Completed,
            duration_us: 1,
            leftovers: Vec::new(),
        };
        let folder = keep.path().join("a/b");
        keep_recordings(&folder, std::slice::from_ref(&recording)).unwrap();
        let kept = std::fs::read(folder.join("x.json")).unwrap();
        assert_eq!(
            serde_json::from_slice::<Recording>(&kept).unwrap(),
            recording
        );
        let file = folder.join("x.json");
        assert!(keep_recordings(&file, &[recording]).is_err());
    }
}
