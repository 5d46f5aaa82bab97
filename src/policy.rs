//! Which experiments a kind of host needs. The only thing that composes specs.

use std::sync::Arc;

use include_dir::{Dir, include_dir};

use crate::digest::sha256;
use crate::source::{Source, SourceError, nearest};
use crate::yaml::{self, Node, Value};

static BUILT_IN: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/policies");

/// The policy of a run that names none.
pub const DEFAULT: &str = "tutorial";

/// A policy. An experiment that it does not name is required: a spec of the user's own is run to be met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Experiments that must pass.
    pub require: Vec<String>,
    /// Experiments whose skip is reported, but does not count.
    pub recommend: Vec<String>,
    /// Groups of which one must pass; the others may be skipped.
    pub any_of: Vec<Vec<String>>,
    /// The digest of its file.
    pub sha256: String,
}

const KEYS: [&str; 4] = ["policy", "require", "recommend", "any-of"];

impl Policy {
    /// A policy inside the binary.
    ///
    /// # Errors
    /// There is none of this name, or it is not a policy, which a test rules out.
    pub fn built_in(name: &str) -> Result<Self, String> {
        let file = BUILT_IN.get_file(format!("{name}.yaml"));
        let text = file
            .and_then(|file| file.contents_utf8())
            .ok_or_else(|| format!("no policy is named `{name}`"))?;
        Self::read(&Source::new(
            format!("<built-in>/policies/{name}.yaml"),
            text,
        ))
        .map_err(|error| error.to_string())
    }

    /// Reads a policy.
    ///
    /// # Errors
    /// The first thing in it that is wrong, with its place.
    pub fn read(source: &Arc<Source>) -> Result<Self, SourceError> {
        let root = yaml::parse(source)?;
        let wrong = |node: &Node, what: &str| {
            source.error(
                node.span.clone(),
                format!("expected {what}, this is {}", node.kind()),
            )
        };
        let Value::Mapping(entries) = &root.value else {
            return Err(wrong(&root, "a policy with its keys"));
        };
        let names = |node: &Node| match &node.value {
            Value::Sequence(items) => items
                .iter()
                .map(|item| {
                    item.as_scalar()
                        .map(str::to_owned)
                        .ok_or_else(|| wrong(item, "an experiment's name"))
                })
                .collect(),
            _ => Err(wrong(node, "a list of experiments")),
        };
        let mut policy = Self {
            name: String::new(),
            require: Vec::new(),
            recommend: Vec::new(),
            any_of: Vec::new(),
            sha256: sha256(source.text.as_bytes()),
        };
        for (key, value) in entries {
            match key.as_scalar().unwrap_or_default() {
                "policy" => {
                    policy.name = value
                        .as_scalar()
                        .ok_or_else(|| wrong(value, "a name"))?
                        .to_owned()
                }
                "require" => policy.require = names(value)?,
                "recommend" => policy.recommend = names(value)?,
                "any-of" => match &value.value {
                    Value::Sequence(groups) => {
                        policy.any_of = groups.iter().map(names).collect::<Result<_, _>>()?
                    }
                    _ => return Err(wrong(value, "a list of lists of experiments")),
                },
                other => {
                    return Err(source
                        .error(key.span.clone(), format!("unknown key `{other}`"))
                        .label(format!("expected one of {}", KEYS.join(", ")))
                        .nearest(nearest(other, KEYS)));
                }
            }
        }
        Ok(policy)
    }

    /// Every experiment that it names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let groups = self.any_of.iter().flatten();
        self.require
            .iter()
            .chain(&self.recommend)
            .chain(groups)
            .map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_policy_names_only_experiments_that_there_are() {
        let policy = Policy::built_in(DEFAULT).unwrap();
        let catalog = crate::spec::Catalog::built_in().unwrap();
        for name in policy.names() {
            assert!(
                catalog
                    .entries
                    .iter()
                    .any(|entry| entry.spec.experiment == name),
                "{name}"
            );
        }
    }

    #[test]
    fn an_unknown_key_is_an_error_with_the_nearest_one() {
        let error = Policy::read(&Source::new("p.yaml", "policy: p\nrequires: [a]\n"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("p.yaml:2:1") && error.contains("did you mean `require`"),
            "{error}"
        );
    }
}
