//! `verify review --from`: sessions that were observed elsewhere, to be reviewed here.

use std::path::{Path, PathBuf};

use super::Stop;
use crate::digest::sha256;
use crate::pipeline::unreviewed;
use crate::results::{self, Experiment};
use crate::snapshot;
use crate::spec::{Catalog, Entry};

/// Writes the new and differing sessions of a results file beside the reviewed snapshots of these specs.
///
/// # Errors
/// A file cannot be read or written; the results are those of another spec.
pub fn keep(results: &Path, specs: &[PathBuf]) -> Result<(), Stop> {
    let results = results::read(results).map_err(|error| Stop::invalid(error.to_string()))?;
    let catalog = Catalog::from_paths(specs).map_err(|error| Stop::invalid(error.render(true)))?;
    for experiment in &results.experiments {
        let mut entries = catalog.entries.iter();
        let entry = entries.find(|entry| entry.spec.experiment == experiment.id);
        if let Some(entry) = entry {
            keep_one(entry, experiment)?;
        }
    }
    Ok(())
}

fn keep_one(entry: &Entry, experiment: &Experiment) -> Result<(), Stop> {
    let (Some(path), Some(snapshot)) = (entry.snapshot_path(), unreviewed(entry, experiment))
    else {
        return Ok(());
    };
    let source = &entry.spec.source;
    if sha256(source.text.as_bytes()) != experiment.spec.sha256 {
        return Err(Stop::invalid(format!(
            "error: {} is not the spec that was performed: its SHA-256 is another\nhelp: check out the commit that was tested",
            source.name
        )));
    }
    snapshot::write_pending(&path, &snapshot)?;
    Ok(())
}
