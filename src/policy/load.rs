//! Which policies there are: those inside the binary, and files.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use include_dir::{Dir, include_dir};

use super::{Placed, Policy, inherit, read};
use crate::source::{ReadError, Source, SourceError, nearest};

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/policies");

/// Why there is no policy.
#[derive(Debug)]
pub enum PolicyError {
    /// None inside the binary has this name.
    Unknown(String),
    /// A file cannot be read.
    Unreadable(PathBuf, std::io::Error),
    /// A file is not a policy, or does not go together with another one.
    Invalid(Box<SourceError>),
}

impl From<SourceError> for PolicyError {
    fn from(error: SourceError) -> Self {
        Self::Invalid(Box::new(error))
    }
}

impl PolicyError {
    /// As a person reads it.
    #[must_use]
    pub fn render(&self, colours: bool) -> String {
        match self {
            Self::Invalid(error) => error.render(colours),
            Self::Unreadable(path, error) => {
                format!("error: cannot read {}: {error}", path.display())
            }
            Self::Unknown(name) => {
                let near = nearest(name, built_in_names());
                let help = near.map_or_else(
                    || "`verify policy list` shows their names; a file has a `/` in its path or ends in .yaml".to_owned(),
                    |name| format!("did you mean `{name}`?"),
                );
                format!("error: no policy is named `{name}`\nhelp: {help}")
            }
        }
    }
}

/// The names of the policies inside the binary, in the order of the alphabet.
pub fn built_in_names() -> impl Iterator<Item = &'static str> {
    BUILT_IN.files().filter_map(|file| stem(file.path()))
}

/// The policy of this name inside the binary, with all that it inherits.
///
/// # Errors
/// There is none of this name.
pub fn built_in(name: &str) -> Result<Policy, PolicyError> {
    let source = built_in_source(name).ok_or_else(|| PolicyError::Unknown(name.to_owned()))?;
    whole(&source)
}

/// The policy of this file, with all that it inherits: from files beside it, or from inside the binary.
///
/// # Errors
/// It cannot be read, is not a policy, or inherits from what is none.
pub fn load(path: &Path) -> Result<Policy, PolicyError> {
    whole(&source(path)?)
}

/// `policy` with the waivers of a file.
///
/// # Errors
/// It cannot be read, is no file of waivers, or waives what the policy waives.
pub fn add_waivers(mut policy: Policy, path: &Path) -> Result<Policy, PolicyError> {
    let source = source(path)?;
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    policy.files.push(read::file(&stem, &source));
    policy.waivers.extend(read::waivers(&source)?);
    inherit::waived_once(&policy)?;
    Ok(policy)
}

fn source(path: &Path) -> Result<Arc<Source>, PolicyError> {
    Source::from_file(path, read::SIZE_LIMIT).map_err(|error| match error {
        ReadError::Unreadable(error) => PolicyError::Unreadable(path.to_owned(), error),
        ReadError::Invalid(error) => error.into(),
    })
}

fn built_in_source(name: &str) -> Option<Arc<Source>> {
    let file = BUILT_IN.get_file(format!("{name}.yaml"))?;
    let shown = format!("<built-in>/policies/{name}.yaml");
    Some(Source::new(shown, file.contents_utf8()?))
}

/// Reads a policy and all that it inherits.
fn whole(source: &Arc<Source>) -> Result<Policy, PolicyError> {
    let policy = joined(source, &[])?;
    inherit::waived_once(&policy)?;
    Ok(policy)
}

/// `heirs` are the policies that inherit from this one, the first one first.
fn joined(source: &Arc<Source>, heirs: &[&Policy]) -> Result<Policy, PolicyError> {
    let policy = read::policy(source)?;
    one_of_each_name(heirs, &policy)?;
    let Some(name) = &policy.inherits else {
        return Ok(policy);
    };
    let parent = parent_source(source, name)?;
    let parent = joined(&parent, &[heirs, &[&policy]].concat())?;
    Ok(inherit::inherit(policy, parent))
}

/// A name that comes again is a circle, or two files of one name.
fn one_of_each_name(earlier: &[&Policy], policy: &Policy) -> Result<(), SourceError> {
    let name = &policy.name.value;
    let Some(start) = earlier.iter().position(|other| other.name.value == *name) else {
        return Ok(());
    };
    let first = &earlier[start];
    if first.files[0].path != policy.files[0].path {
        return Err(two_of_one_name(&policy.name, &first.files[0].path));
    }
    let names = earlier[start..]
        .iter()
        .map(|policy| policy.name.value.as_str());
    let circle: Vec<_> = names.chain([name.as_str()]).collect();
    let last = earlier.last().and_then(|last| last.inherits.as_ref());
    Err(last
        .unwrap_or(&policy.name)
        .error("policies inherit from each other in a circle")
        .help(circle.join(" inherits from ")))
}

fn two_of_one_name(name: &Placed<String>, other: &str) -> SourceError {
    name.error(format!("two policies are named `{}`", name.value))
        .help(format!("the other one is {other}; rename one"))
}

/// The file that `inherits` means: a path from the file that says so, or a name.
fn parent_source(child: &Source, inherits: &Placed<String>) -> Result<Arc<Source>, PolicyError> {
    let name = inherits.value.as_str();
    if child.name.starts_with("<built-in>/") {
        return built_in_source(name).ok_or_else(|| unknown(inherits, &[]));
    }
    let folder = Path::new(&child.name).parent().unwrap_or(Path::new(""));
    if name.contains('/') || is_yaml(Path::new(name)) {
        return source(&folder.join(name)).map_err(|error| at_inherits(inherits, error));
    }
    let files = yaml_files(folder);
    let named = files.iter().filter(|path| stem(path) == Some(name));
    let mut sources = named
        .map(|path| source(path))
        .collect::<Result<Vec<_>, _>>()?;
    sources.extend(built_in_source(name));
    the_one(&sources, inherits)?.ok_or_else(|| unknown(inherits, &files))
}

/// Which of the files of one name is meant, if that makes no difference.
fn the_one(
    sources: &[Arc<Source>],
    inherits: &Placed<String>,
) -> Result<Option<Arc<Source>>, SourceError> {
    let Some(first) = sources.first() else {
        return Ok(None);
    };
    match sources.iter().find(|other| other.text != first.text) {
        None => Ok(Some(Arc::clone(first))),
        Some(other) => Err(inherits
            .error(format!("two policies are named `{}`", inherits.value))
            .help(format!(
                "{} and {} differ: write the path of the one that is meant",
                first.name, other.name
            ))),
    }
}

fn unknown(inherits: &Placed<String>, beside: &[PathBuf]) -> PolicyError {
    let name = inherits.value.as_str();
    let mut names: Vec<&str> = built_in_names().collect();
    names.extend(beside.iter().filter_map(|path| stem(path)));
    let error = inherits.error(format!("no policy is named `{name}`"));
    error.nearest(nearest(name, names)).into()
}

fn stem(path: &Path) -> Option<&str> {
    path.file_stem()?.to_str()
}

fn at_inherits(inherits: &Placed<String>, error: PolicyError) -> PolicyError {
    match error {
        PolicyError::Unreadable(path, error) => inherits
            .error(format!("cannot read {}: {error}", path.display()))
            .into(),
        other => other,
    }
}

fn is_yaml(path: &Path) -> bool {
    path.extension()
        .is_some_and(|extension| extension == "yaml" || extension == "yml")
}

/// In the order of their names; none where there is no such folder.
fn yaml_files(folder: &Path) -> Vec<PathBuf> {
    let folder = if folder.as_os_str().is_empty() {
        Path::new(".")
    } else {
        folder
    };
    let entries = std::fs::read_dir(folder).into_iter().flatten();
    let mut files: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    files.retain(|path| is_yaml(path));
    files.sort();
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Meaning, Occasion, Standing};

    /// A folder with these policies.
    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn loaded(files: &[(&str, &str)], name: &str) -> Result<Policy, String> {
        let folder = folder(files);
        load(&folder.path().join(name)).map_err(|error| error.render(false))
    }

    #[test]
    fn every_policy_inside_the_binary_fits_the_specs_inside_it() {
        let mut catalog = crate::spec::Catalog::built_in().unwrap();
        let names: Vec<_> = catalog
            .entries
            .iter()
            .map(|entry| entry.spec.experiment.clone())
            .collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        for name in built_in_names() {
            let policy = built_in(name).unwrap();
            assert!(!policy.title.is_empty(), "{name}");
            policy.check(&names).unwrap();
            policy.apply(&mut catalog).unwrap();
        }
        assert!(built_in_names().any(|name| name == crate::policy::DEFAULT));
    }

    #[test]
    fn what_a_policy_says_counts_over_what_it_inherits() {
        let base = "policy: base\nrequire: [a, b]\nany-of: [[v1, v2], [w1, w2]]\nmeans: {flaky: not-certified}\ntime-limits: {a: 1s, b: 2s}\n";
        let own = "policy: own\ninherits: base\nrecommend: [b]\nrequire: [v2]\nmeans: {unmet-need: not-certified}\ntime-limits: {b: 3s}\n";
        let policy = loaded(&[("base.yaml", base), ("own.yaml", own)], "own.yaml").unwrap();
        assert_eq!(policy.standing("a"), Standing::Required);
        assert_eq!(policy.standing("b"), Standing::Recommended);
        assert_eq!(policy.standing("v2"), Standing::Required);
        assert_eq!(
            policy.standing("v1"),
            Standing::Recommended,
            "its group is decided"
        );
        assert_eq!(
            policy.standing("w1"),
            Standing::AnyOf(vec!["w1".to_owned(), "w2".to_owned()])
        );
        assert_eq!(policy.standing("x"), Standing::NotInPolicy);
        assert_eq!(policy.meaning(Occasion::Flaky), Meaning::NotCertified);
        assert_eq!(policy.meaning(Occasion::UnmetNeed), Meaning::NotCertified);
        assert_eq!(policy.meaning(Occasion::Inconclusive), Meaning::Undecided);
        let limits: Vec<_> = policy
            .time_limits
            .iter()
            .map(|(name, limit)| (name.value.as_str(), limit.as_secs()))
            .collect();
        assert_eq!(limits, [("b", 3), ("a", 1)]);
        let names: Vec<_> = policy.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(names, ["own", "base"]);
    }

    #[test]
    fn a_circle_is_named_with_all_that_is_in_it() {
        let files = [
            ("a.yaml", "policy: a\ninherits: b\n"),
            ("b.yaml", "policy: b\ninherits: c\n"),
            ("c.yaml", "policy: c\ninherits: b\n"),
        ];
        let error = loaded(&files, "a.yaml").unwrap_err();
        assert!(error.contains("c.yaml:2:11"), "{error}");
        assert!(
            error.contains("b inherits from c inherits from b"),
            "{error}"
        );
    }

    #[test]
    fn a_name_that_means_two_policies_is_an_error() {
        let files = [
            ("tutorial.yaml", "policy: tutorial\n"),
            ("own.yaml", "policy: own\ninherits: tutorial\n"),
        ];
        let error = loaded(&files, "own.yaml").unwrap_err();
        assert!(
            error.contains("two policies are named `tutorial`"),
            "{error}"
        );
        let chosen = ("own.yaml", "policy: own\ninherits: ./tutorial.yaml\n");
        assert!(loaded(&[files[0], chosen], "own.yaml").is_ok());
        let own = [("tutorial.yaml", "policy: tutorial\ninherits: tutorial\n")];
        assert!(loaded(&own, "tutorial.yaml").is_err());
    }

    #[test]
    fn a_path_is_told_from_a_name_by_its_slash_or_its_ending() {
        for path in ["./base", "base.yaml", "./base.yaml"] {
            let own = format!("policy: own\ninherits: {path}\n");
            let files = [
                ("base", "policy: base\nrequire: [a]\n"),
                ("base.yaml", "policy: base\nrequire: [a]\n"),
                ("own.yaml", &own),
            ];
            let policy = loaded(&files, "own.yaml").unwrap();
            assert_eq!(policy.standing("a"), Standing::Required, "{path}");
        }
    }

    #[test]
    fn a_name_is_found_beside_the_file_and_inside_the_binary() {
        let own = "policy: own\ninherits: tutorial\n";
        let policy = loaded(&[("own.yaml", own)], "own.yaml").unwrap();
        assert_eq!(policy.standing("chroot"), Standing::Required);
        let error = loaded(
            &[("own.yaml", "policy: own\ninherits: tutrial\n")],
            "own.yaml",
        )
        .unwrap_err();
        assert!(
            error.contains("own.yaml:2:11") && error.contains("did you mean `tutorial`"),
            "{error}"
        );
    }
}
