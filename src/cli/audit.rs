//! `verify diff` and `verify merge`: results of several runs.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::Stop;
use super::reports::write_file;
use crate::audit::{Fleet, changes};
use crate::results::{self, ReadError, Results};
use crate::verdict::{ExitCode, Verdict};

/// What `verify diff` takes.
#[derive(Debug, clap::Args)]
pub struct DiffArguments {
    /// The results of a run, as `verify run -r json=FILE` writes them; `-` is standard input
    old: PathBuf,
    /// Those of a later run, or of another host
    new: PathBuf,
}

/// What `verify merge` takes.
#[derive(Debug, clap::Args)]
pub struct MergeArguments {
    /// Results files, and folders of them (*.json)
    #[arg(value_name = "RESULTS", required = true)]
    paths: Vec<PathBuf>,
    /// Also write an HTML page
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Prints what has changed; as with diff(1) the exit code is 1 when something has.
///
/// # Errors
/// One of the files cannot be read, or standard output cannot be written.
pub fn diff(arguments: &DiffArguments) -> Result<ExitCode, Stop> {
    let (old, new) = (read(&arguments.old)?, read(&arguments.new)?);
    let changes = changes(&old, &new);
    anstream::stdout().write_all(changes.render().as_bytes())?;
    Ok(match changes.is_empty() {
        true => ExitCode::Done,
        false => ExitCode::Differs,
    })
}

fn read(path: &Path) -> Result<Results, Stop> {
    results::read(path).map_err(|error| Stop::invalid(error.to_string()))
}

/// Prints a table of many hosts. The exit code is that of the heaviest verdict, and 2 when a file cannot be read.
///
/// # Errors
/// There is no file, a folder cannot be read, or the table or the page cannot be written.
pub fn merge(arguments: &MergeArguments) -> Result<ExitCode, Stop> {
    let mut fleet = Fleet::default();
    for (path, is_named) in files(&arguments.paths)? {
        let results = results::read(&path);
        // Host facts and statements lie beside the results that they belong to.
        if matches!(results, Err(ReadError::Other(_))) && !is_named {
            continue;
        }
        if let Err(error) = &results {
            let _ = writeln!(anstream::stderr(), "{error}");
        }
        fleet.add(path.to_string_lossy().into_owned(), results.as_ref().ok());
    }
    if fleet.is_empty() {
        return Err(Stop::invalid(
            "error: no results in the folders that were named".to_owned(),
        ));
    }
    if let Some(file) = &arguments.html {
        let written = write_file(file, fleet.page().as_bytes());
        written.map_err(|error| {
            Stop::invalid(format!("error: cannot write {}: {error}", file.display()))
        })?;
    }
    anstream::stdout().write_all(fleet.render().as_bytes())?;
    Ok(match fleet.verdict() {
        None => ExitCode::Invalid,
        Some(Verdict::Certified) => ExitCode::Done,
        Some(Verdict::Undecided) => ExitCode::Undecided,
        Some(Verdict::NotCertified) => ExitCode::NotCertified,
    })
}

/// The files, and those of the folders in the order of their names; with each whether it was named itself.
fn files(paths: &[PathBuf]) -> Result<Vec<(PathBuf, bool)>, Stop> {
    let mut files = Vec::new();
    for path in paths {
        match path.is_dir() {
            true => files.extend(json_files(path)?.into_iter().map(|file| (file, false))),
            false => files.push((path.clone(), true)),
        }
    }
    Ok(files)
}

fn json_files(folder: &Path) -> Result<Vec<PathBuf>, Stop> {
    let unreadable =
        |error| Stop::invalid(format!("error: cannot read {}: {error}", folder.display()));
    let entries = std::fs::read_dir(folder).map_err(unreadable)?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()));
    let mut files = paths.collect::<Result<Vec<_>, _>>().map_err(unreadable)?;
    files.retain(|path| {
        path.extension()
            .is_some_and(|extension| extension == "json")
    });
    files.sort();
    match files.is_empty() {
        true => Err(Stop::invalid(format!(
            "error: no results in {}: they are files *.json",
            folder.display()
        ))),
        false => Ok(files),
    }
}
