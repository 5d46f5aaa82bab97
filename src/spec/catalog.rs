//! Which specs there are: files, folders, and those inside the binary.

use std::collections::HashMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use include_dir::{Dir, include_dir};

use super::{Spec, read};
use crate::source::{ReadError, Source, SourceError};

static BUILT_IN_SPECS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/specs");
static BUILT_IN_SNAPSHOTS: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/snapshots");

/// Where a spec came from, which says where its snapshot is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A file. Its snapshot is `snapshots/NAME.snap` beside the folder `specs`, or below the spec's own folder when
    /// that has another name.
    File(PathBuf),
    /// Inside the binary, as its snapshot is.
    BuiltIn,
}

/// A spec and where it came from.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The spec.
    pub spec: Spec,
    /// Where it came from.
    pub origin: Origin,
}

impl Entry {
    /// The file of its snapshot, whether it exists or not; `None` inside the binary.
    #[must_use]
    pub fn snapshot_path(&self) -> Option<PathBuf> {
        let Origin::File(path) = &self.origin else {
            return None;
        };
        let name = format!("{}.snap", self.spec.experiment);
        Some(snapshot_folder(path.parent().unwrap_or(Path::new(""))).join(name))
    }

    /// The snapshot inside the binary.
    #[must_use]
    pub fn built_in_snapshot(&self) -> Option<&'static str> {
        BUILT_IN_SNAPSHOTS
            .get_file(format!("{}.snap", self.spec.experiment))
            .and_then(|file| file.contents_utf8())
    }

    /// The spec's path as its snapshot names it: from the folder that holds `specs/`.
    #[must_use]
    pub fn source_name(&self) -> String {
        match &self.origin {
            Origin::BuiltIn => format!("specs/{}.yaml", self.spec.experiment),
            Origin::File(path) => {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                match is_specs(path.parent().unwrap_or(Path::new(""))) {
                    true => format!("specs/{name}"),
                    false => name.into_owned(),
                }
            }
        }
    }
}

/// The folder of the snapshots for the specs in `folder`.
#[must_use]
pub fn snapshot_folder(folder: &Path) -> PathBuf {
    match is_specs(folder) {
        true => folder.parent().unwrap_or(Path::new("")).join("snapshots"),
        false => folder.join("snapshots"),
    }
}

fn is_specs(folder: &Path) -> bool {
    folder.file_name().is_some_and(|name| name == "specs")
}

/// Why there is no list of specs.
#[derive(Debug)]
pub enum CatalogError {
    /// A file or folder cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// A folder without any spec.
    NoSpecs(PathBuf),
    /// Files that are not specs; every one of them.
    Invalid(Vec<SourceError>),
    /// Two files that describe an experiment of one name.
    Twice(String, String, String),
}

impl CatalogError {
    /// As a person reads it.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        match self {
            Self::Invalid(errors) => {
                let errors: Vec<_> = errors.iter().map(|error| error.render(colours)).collect();
                errors.join("\n\n")
            }
            Self::Unreadable(path, error) => {
                format!("error: cannot read {}: {error}", path.display())
            }
            Self::NoSpecs(path) => {
                format!(
                    "error: no specs in {}: a spec is a file NAME.yaml",
                    path.display()
                )
            }
            Self::Twice(name, first, second) => {
                format!(
                    "error: two experiments are named `{name}`: {first} and {second}; rename one"
                )
            }
        }
    }
}

impl fmt::Display for CatalogError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for CatalogError {}

/// All specs of a run, in the order of their files' names.
#[derive(Debug, Clone)]
pub struct Catalog {
    /// The specs.
    pub entries: Vec<Entry>,
}

impl Catalog {
    /// The specs inside the binary.
    ///
    /// # Errors
    /// One of them is not a spec, which a test rules out.
    pub fn built_in() -> Result<Self, CatalogError> {
        let files = BUILT_IN_SPECS.files().filter_map(|file| {
            let name = file.path().display();
            let source = Source::new(format!("<built-in>/specs/{name}"), file.contents_utf8()?);
            Some((source, Origin::BuiltIn))
        });
        Self::read(files)
    }

    /// The specs in these files and folders (not in folders below them).
    ///
    /// # Errors
    /// A path that cannot be read, a folder without specs, files that are not specs, one name twice.
    pub fn from_paths(paths: &[PathBuf]) -> Result<Self, CatalogError> {
        let mut files = Vec::new();
        for path in paths {
            files.extend(spec_files(path)?);
        }
        let mut seen = std::collections::HashSet::new();
        files.retain(|file| {
            seen.insert(std::fs::canonicalize(file).unwrap_or_else(|_| file.clone()))
        });
        let mut sources = Vec::new();
        for file in files {
            let source = read_source(&file)?;
            sources.push((source, Origin::File(file)));
        }
        Self::read(sources)
    }

    fn read(
        sources: impl IntoIterator<Item = (Arc<Source>, Origin)>,
    ) -> Result<Self, CatalogError> {
        let mut errors = Vec::new();
        let mut entries: Vec<Entry> = Vec::new();
        for (source, origin) in sources {
            match read::read(&source) {
                Ok(spec) => entries.push(Entry { spec, origin }),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(CatalogError::Invalid(errors));
        }
        let mut names: HashMap<&str, &str> = HashMap::new();
        for Entry { spec, .. } in &entries {
            if let Some(first) = names.insert(&spec.experiment, &spec.source.name) {
                let second = spec.source.name.clone();
                return Err(CatalogError::Twice(
                    spec.experiment.clone(),
                    first.to_owned(),
                    second,
                ));
            }
        }
        Ok(Self { entries })
    }
}

fn spec_files(path: &Path) -> Result<Vec<PathBuf>, CatalogError> {
    let unreadable = |error| CatalogError::Unreadable(path.to_owned(), error);
    if !std::fs::metadata(path).map_err(unreadable)?.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.path();
        let yaml = file
            .extension()
            .is_some_and(|extension| extension == "yaml" || extension == "yml");
        if yaml && !file.is_dir() {
            files.push(file);
        }
    }
    files.sort();
    match files.is_empty() {
        true => Err(CatalogError::NoSpecs(path.to_owned())),
        false => Ok(files),
    }
}

fn read_source(path: &Path) -> Result<Arc<Source>, CatalogError> {
    Source::from_file(path, read::SIZE_LIMIT).map_err(|error| match error {
        ReadError::Unreadable(error) => CatalogError::Unreadable(path.to_owned(), error),
        ReadError::Invalid(error) => CatalogError::Invalid(vec![error]),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_lie_beside_a_folder_of_specs_or_in_another() {
        for (folder, snapshots) in [
            ("specs", "snapshots"),
            ("/a/specs", "/a/snapshots"),
            ("a", "a/snapshots"),
            ("specs/a", "specs/a/snapshots"),
            ("", "snapshots"),
        ] {
            assert_eq!(
                snapshot_folder(Path::new(folder)),
                Path::new(snapshots),
                "{folder}"
            );
        }
    }

    #[test]
    fn what_is_inside_the_binary_has_its_snapshot_there() {
        let catalog = Catalog::built_in().unwrap();
        for entry in &catalog.entries {
            let source = format!("source: {}\n", entry.source_name());
            let snapshot = entry.built_in_snapshot().unwrap_or_default();
            assert!(snapshot.contains(&source), "{source}{snapshot}");
        }
    }
}
