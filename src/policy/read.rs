//! From a YAML file to a policy as it stands there, before it inherits.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::inherit::once;
use super::{ByExperiment, Meaning, Occasion, Placed, Policy, PolicyFile, waiver};
use crate::digest::sha256;
use crate::measure::tolerance_pp;
use crate::need::Need;
use crate::source::{Source, SourceError, nearest};
use crate::yaml::{self, Fields, Node, Value};

/// The largest file, in bytes.
pub const SIZE_LIMIT: usize = 1 << 20;

const KEYS: [&str; 11] = [
    "policy",
    "title",
    "inherits",
    "require",
    "recommend",
    "any-of",
    "may-skip",
    "means",
    "time-limits",
    "bands",
    "waivers",
];

/// Reads one policy.
///
/// # Errors
/// The first thing in it that is wrong, with its place.
pub fn policy(source: &Arc<Source>) -> Result<Policy, SourceError> {
    let root = root(source)?;
    let fields = root.fields(source, "a policy")?;
    fields.only(source, &KEYS)?;
    let name = fields.get("policy").ok_or_else(|| {
        root.error(source, "`policy` is missing")
            .help("a policy begins with its name, which is that of its file: `policy: NAME`")
    })?;
    let name = name_of_file(source, name)?;
    let reader = Reader { source, fields };
    let policy = Policy {
        files: vec![file(&name.value, source)],
        name,
        title: reader.title()?,
        inherits: reader.inherits()?,
        require: reader.names("require")?,
        recommend: reader.names("recommend")?,
        any_of: reader.any_of()?,
        may_skip: reader.may_skip()?,
        means: reader.means()?,
        time_limits: reader.each("time-limits", |node| node.time_limit(source))?,
        bands: reader.each("bands", |node| tolerance(source, node))?,
        waivers: reader.waivers()?,
    };
    // What a policy inherits is another file's; there the same name may come again.
    once(policy.names(), "named")?;
    Ok(policy)
}

/// Reads a file that has waivers alone.
///
/// # Errors
/// The first thing in it that is wrong, with its place.
pub fn waivers(source: &Arc<Source>) -> Result<Vec<waiver::Waiver>, SourceError> {
    let root = root(source)?;
    let fields = root.fields(source, "a file of waivers")?;
    fields.only(source, &["waivers"])?;
    Reader { source, fields }.waivers()
}

/// What a policy was read from.
pub fn file(name: &str, source: &Source) -> PolicyFile {
    PolicyFile {
        name: name.to_owned(),
        path: source.name.clone(),
        sha256: sha256(source.text.as_bytes()),
    }
}

fn root(source: &Arc<Source>) -> Result<Node, SourceError> {
    if source.text.len() > SIZE_LIMIT {
        let message = format!("the file has more than {SIZE_LIMIT} bytes");
        return Err(source.error(0..0, message).help("is this the right file?"));
    }
    yaml::parse(source)
}

fn name_of_file(source: &Arc<Source>, node: &Node) -> Result<Placed<String>, SourceError> {
    let name = node.text(source, "the policy's name")?;
    let stem = std::path::Path::new(&source.name).file_stem();
    if stem.is_some_and(|stem| stem != name) {
        return Err(node
            .error(
                source,
                format!("the policy is named `{name}`, its file is not"),
            )
            .help(format!("name the file {name}.yaml")));
    }
    Ok(Placed::new(name.to_owned(), source, node))
}

fn tolerance(source: &Arc<Source>, node: &Node) -> Result<f64, SourceError> {
    let text = node.text(source, "a tolerance")?;
    tolerance_pp(text).map_err(|message| node.error(source, message))
}

struct Reader<'a, 'n> {
    source: &'a Arc<Source>,
    fields: Fields<'n>,
}

impl<'n> Reader<'_, 'n> {
    fn title(&self) -> Result<String, SourceError> {
        let title = self.fields.get("title");
        title.map_or(Ok(String::new()), |node| {
            node.text(self.source, "a title").map(str::to_owned)
        })
    }

    fn inherits(&self) -> Result<Option<Placed<String>>, SourceError> {
        let name = |node: &Node| match &node.value {
            Value::Sequence(_) => Err(node
                .error(self.source, "a policy inherits from one other policy")
                .help("let that one inherit from the next")),
            _ => self.name(node, "a policy's name"),
        };
        self.fields.get("inherits").map(name).transpose()
    }

    fn name(&self, node: &Node, what: &str) -> Result<Placed<String>, SourceError> {
        let name = node.text(self.source, what)?.to_owned();
        Ok(Placed::new(name, self.source, node))
    }

    fn names(&self, key: &str) -> Result<Vec<Placed<String>>, SourceError> {
        let names = |node| self.names_of(node, &format!("`{key}`"));
        self.fields.get(key).map_or(Ok(Vec::new()), names)
    }

    fn names_of(&self, node: &Node, what: &str) -> Result<Vec<Placed<String>>, SourceError> {
        let names = node.items(self.source, what)?.iter();
        names
            .map(|item| self.name(item, "an experiment's name"))
            .collect()
    }

    fn any_of(&self) -> Result<Vec<Vec<Placed<String>>>, SourceError> {
        let Some(node) = self.fields.get("any-of") else {
            return Ok(Vec::new());
        };
        let groups = node.items(self.source, "`any-of`")?.iter();
        groups.map(|group| self.group(group)).collect()
    }

    fn group(&self, node: &Node) -> Result<Vec<Placed<String>>, SourceError> {
        let names = self.names_of(node, "a group of `any-of`")?;
        match names.len() {
            0 | 1 => Err(node
                .error(
                    self.source,
                    "a group of `any-of` has two experiments or more",
                )
                .help("name a single one under `require`")),
            _ => Ok(names),
        }
    }

    /// A mapping from experiments to something.
    fn each<T>(
        &self,
        key: &str,
        read: impl Fn(&Node) -> Result<T, SourceError>,
    ) -> Result<ByExperiment<T>, SourceError> {
        let Some(node) = self.fields.get(key) else {
            return Ok(Vec::new());
        };
        let fields = node.fields(self.source, &format!("`{key}`"))?;
        let entry = |(_, key, value): (&str, &Node, &Node)| {
            Ok((self.name(key, "an experiment's name")?, read(value)?))
        };
        fields.iter().map(entry).collect()
    }

    fn may_skip(&self) -> Result<Option<ByExperiment<Need>>, SourceError> {
        let need = |node: &Node| {
            node.text(self.source, "the need that is not met")?;
            node.words(self.source, Need::parse)
        };
        let listed = self.fields.get("may-skip").is_some();
        listed.then(|| self.each("may-skip", need)).transpose()
    }

    fn means(&self) -> Result<BTreeMap<Occasion, Placed<Meaning>>, SourceError> {
        let Some(node) = self.fields.get("means") else {
            return Ok(BTreeMap::new());
        };
        let fields = node.fields(self.source, "`means`")?;
        let entry = |(_, key, value): (&str, &Node, &Node)| {
            let occasion = self.one_of(key, &Occasion::ALL, Occasion::name)?;
            let meaning = self.one_of(value, &Meaning::ALL, Meaning::name)?;
            Ok((occasion, Placed::new(meaning, self.source, key)))
        };
        fields.iter().map(entry).collect()
    }

    fn one_of<T: Copy>(
        &self,
        node: &Node,
        all: &[T],
        name: impl Fn(T) -> &'static str,
    ) -> Result<T, SourceError> {
        let text = node.text(self.source, "a word")?;
        let names: Vec<_> = all.iter().map(|one| name(*one)).collect();
        let found = all.iter().copied().find(|one| name(*one) == text);
        found.ok_or_else(|| {
            node.error(self.source, format!("`{text}` is not known here"))
                .label(format!("expected one of {}", names.join(", ")))
                .nearest(nearest(text, names))
        })
    }

    fn waivers(&self) -> Result<Vec<waiver::Waiver>, SourceError> {
        let node = self.fields.get("waivers");
        node.map_or(Ok(Vec::new()), |node| waiver::read(self.source, node))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Policy, SourceError> {
        policy(&Source::new("own.yaml", text))
    }

    #[test]
    fn a_title_is_what_stands_there() {
        let titled = read("policy: own\ntitle: What we run\n").unwrap();
        assert_eq!(titled.title, "What we run");
        assert_eq!(read("policy: own\n").unwrap().title, "");
    }

    #[test]
    fn a_file_of_more_than_the_limit_is_refused() {
        let of_size = |size| format!("policy: own\n{}", "#".repeat(size - "policy: own\n".len()));
        assert!(read(&of_size(SIZE_LIMIT)).is_ok());
        let error = read(&of_size(SIZE_LIMIT + 1)).unwrap_err();
        assert_eq!(error.message(), "the file has more than 1048576 bytes");
    }
}
