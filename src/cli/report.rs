//! `verify report`: reports of results that are there already, on any machine and without root.

use std::io::Write as _;
use std::path::PathBuf;

use super::Stop;
use super::reports::Reports;
use crate::report::terminal;
use crate::results;

/// What `verify report` takes.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// The results of a run, as `verify run -r json=FILE` writes them; `-` is standard input
    #[arg(value_name = "RESULTS")]
    results: PathBuf,
    #[command(flatten)]
    reports: Reports,
}

/// Writes the reports that are asked for; without any, prints the one for a terminal.
///
/// # Errors
/// The results cannot be read, or a report cannot be written, which keeps no other from being written.
pub fn report(arguments: &Arguments) -> Result<(), Stop> {
    arguments.reports.check()?;
    let results =
        results::read(&arguments.results).map_err(|error| Stop::invalid(error.to_string()))?;
    if arguments.reports.is_empty() {
        anstream::stdout().write_all(terminal::render(&results).as_bytes())?;
    }
    match arguments.reports.write(&results) {
        failed if failed.is_empty() => Ok(()),
        failed => Err(Stop::invalid(failed.join("\n"))),
    }
}
