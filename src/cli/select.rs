//! Which experiments are meant: `[PATH…] [FILTER…]`.

use std::path::{Path, PathBuf};

use super::{Stop, must_be_path};
use crate::source::nearest;
use crate::spec::{Catalog, CatalogError};

/// Paths of specs, and words that select among them.
#[derive(Debug, Clone, clap::Args)]
pub struct Selection {
    /// Files and folders of specs, and words that must be in an experiment's name; without a path, what is inside the
    /// binary
    #[arg(value_name = "PATH|FILTER")]
    words: Vec<String>,
}

impl Selection {
    /// The specs that are meant.
    ///
    /// # Errors
    /// A path or a spec that cannot be read; a word that is in no experiment's name.
    pub fn catalog(&self) -> Result<Catalog, Stop> {
        let (paths, filters): (Vec<_>, Vec<_>) = self.words.iter().partition(|word| is_path(word));
        let paths: Vec<_> = paths.into_iter().map(PathBuf::from).collect();
        let catalog = if paths.is_empty() {
            Catalog::built_in()
        } else {
            Catalog::from_paths(&paths)
        };
        let mut catalog = catalog.map_err(|error| invalid(&error))?;
        select(&mut catalog, &filters)?;
        Ok(catalog)
    }
}

/// A file here is meant rather than the experiments that have its name in theirs.
fn is_path(word: &str) -> bool {
    must_be_path(word) || Path::new(word).exists()
}

fn invalid(error: &CatalogError) -> Stop {
    Stop::invalid(error.render(true))
}

fn select(catalog: &mut Catalog, filters: &[&String]) -> Result<(), Stop> {
    let names: Vec<_> = catalog
        .entries
        .iter()
        .map(|entry| entry.spec.experiment.clone())
        .collect();
    for filter in filters {
        if !names.iter().any(|name| name.contains(filter.as_str())) {
            let near = nearest(filter, names.iter().map(String::as_str));
            let help = near.map_or_else(
                || "`verify list` shows their names".to_owned(),
                |name| format!("did you mean `{name}`?"),
            );
            return Err(Stop::undecided(format!(
                "error: no experiment has `{filter}` in its name, and there is no such file\nhelp: {help}"
            )));
        }
    }
    if !filters.is_empty() {
        let wanted = |name: &String| filters.iter().any(|filter| name.contains(filter.as_str()));
        catalog
            .entries
            .retain(|entry| wanted(&entry.spec.experiment));
    }
    Ok(())
}
