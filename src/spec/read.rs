//! From a YAML file to a [`Spec`], with an error for everything that is not one.

use std::sync::Arc;

use super::{DEFAULT_TIMEOUT, Expected, Spec, Step};
use crate::line::{LineError, Words};
use crate::need::Need;
use crate::source::{Source, SourceError, nearest};
use crate::verbs::{self, Action};
use crate::yaml::{self, Node, Value};

/// The largest spec file, in bytes; the longest that comes with verify has 4 kB.
pub const SIZE_LIMIT: usize = 1 << 20;

/// The most steps of one spec.
const STEP_LIMIT: usize = 1000;

const KEYS: [&str; 5] = ["experiment", "title", "needs", "timeout", "steps"];
const STEP_KEYS: [&str; 3] = ["inside", "fails", "timeout"];

/// Reads one spec.
///
/// # Errors
/// The first thing in it that is wrong, with its place.
pub fn read(source: &Arc<Source>) -> Result<Spec, SourceError> {
    if source.text.len() > SIZE_LIMIT {
        return Err(source
            .error(0..0, format!("the file has {} bytes", source.text.len()))
            .help(format!(
                "a spec has at most {SIZE_LIMIT} bytes: is this the right file?"
            )));
    }
    let root = yaml::parse(source)?;
    Reader {
        source,
        next_index: 0,
    }
    .spec(&root)
}

struct Reader<'a> {
    source: &'a Arc<Source>,
    next_index: usize,
}

impl Reader<'_> {
    fn error(&self, node: &Node, message: impl Into<String>) -> SourceError {
        self.source.error(node.span.clone(), message)
    }

    fn spec(&mut self, root: &Node) -> Result<Spec, SourceError> {
        let fields = root.fields(self.source, "a spec")?;
        fields.only(self.source, &KEYS)?;
        let required = |name: &str| {
            fields.get(name).ok_or_else(|| {
                self.error(root, format!("`{name}` is missing"))
                    .help("a spec has `experiment`, `title` and `steps`")
            })
        };
        let (experiment, title, steps) = (
            required("experiment")?,
            required("title")?,
            required("steps")?,
        );
        let spec = Spec {
            experiment: self.experiment_name(experiment)?,
            title: title.text(self.source, "a title")?.to_owned(),
            needs: self.needs(fields.get("needs"))?,
            timeout: fields
                .get("timeout")
                .map_or(Ok(DEFAULT_TIMEOUT), |node| node.time_limit(self.source))?,
            steps: self.steps(steps, false)?,
            source: Arc::clone(self.source),
        };
        if !spec
            .all_steps()
            .iter()
            .any(|(_, step)| step.action.prints() || step.fails.is_some())
        {
            return Err(self
                .error(
                    steps,
                    "no step prints anything, so there is nothing to compare",
                )
                .help("add a step that shows what the others did: `cat`, `ls`, `tree`, `ps`, …"));
        }
        Ok(spec)
    }

    /// The name becomes a file's name and a cgroup's.
    fn experiment_name(&self, node: &Node) -> Result<String, SourceError> {
        let name = node.text(self.source, "the experiment's name")?;
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if !name.chars().all(allowed) || name.starts_with('-') || name.len() > 64 {
            return Err(self
                .error(node, format!("`{name}` is not a name for an experiment"))
                .help("use a-z, 0-9 and `-`, at most 64 of them"));
        }
        let stem = std::path::Path::new(&self.source.name).file_stem();
        if stem.is_some_and(|stem| stem != name) {
            return Err(self
                .error(
                    node,
                    format!("the experiment is named `{name}`, its file is not"),
                )
                .help(format!("name the file {name}.yaml")));
        }
        Ok(name.to_owned())
    }

    fn needs(&self, node: Option<&Node>) -> Result<Vec<Need>, SourceError> {
        let Some(node) = node else {
            return Ok(Vec::new());
        };
        node.items(self.source, "`needs`")?
            .iter()
            .map(|item| {
                item.text(self.source, "a need")?;
                item.words(self.source, Need::parse)
            })
            .collect()
    }

    fn steps(&mut self, node: &Node, typed: bool) -> Result<Vec<Step>, SourceError> {
        match &node.value {
            Value::Sequence(items) if !items.is_empty() => {
                items.iter().map(|item| self.step(item, typed)).collect()
            }
            Value::Sequence(_) => Err(self.error(node, "there is no step")),
            Value::Scalar(text) if text.is_empty() => Err(self.error(node, "there is no step")),
            _ => Err(self.error(node, format!("steps are a list, this is {}", node.kind()))),
        }
    }

    fn step(&mut self, node: &Node, typed: bool) -> Result<Step, SourceError> {
        let index = self.next_index;
        self.next_index += 1;
        if self.next_index > STEP_LIMIT {
            return Err(self.error(node, format!("more than {STEP_LIMIT} steps")));
        }
        let fields = node.fields(self.source, "a step")?;
        let mut verbs = fields.iter().filter(|(name, ..)| !STEP_KEYS.contains(name));
        let Some((verb, key, line)) = verbs.next() else {
            return Err(self
                .error(node, "a step without a verb")
                .help("write for example `- mkdir: DIRECTORY`"));
        };
        let action = self.action(verb, key, line)?;
        if let Some((second, key, _)) = verbs.next() {
            return Err(self.second_key(verb, second, key));
        }
        if typed && !action.typed() {
            return Err(self
                .error(key, format!("`{verb}` cannot be typed into the shell of the new root"))
                .help("there are only the programs that were copied: use `run`, `pwd`, `ls`, `cat`, …"));
        }
        let step = Step {
            index,
            line: key.line,
            text: terminal_line(verb, line.as_scalar().unwrap_or_default()),
            fails: fields
                .get("fails")
                .map(|node| self.fails(node))
                .transpose()?,
            timeout: fields
                .get("timeout")
                .map(|node| node.time_limit(self.source))
                .transpose()?,
            inside: match fields.get("inside") {
                Some(node) => self.inside(node, &action)?,
                None => Vec::new(),
            },
            action,
        };
        match &step.fails {
            Some(_) if !step.inside.is_empty() => {
                Err(self.error(node, "a step that fails has nothing inside"))
            }
            _ => Ok(step),
        }
    }

    fn second_key(&self, verb: &str, second: &str, key: &Node) -> SourceError {
        if Action::parse(second, &mut Words::new(&[], 0)).is_some() {
            return self
                .error(
                    key,
                    format!("two verbs in one step: `{verb}` and `{second}`"),
                )
                .help("write one step for each");
        }
        self.error(key, format!("unknown key `{second}`"))
            .label(format!("expected one of {}", STEP_KEYS.join(", ")))
            .nearest(nearest(second, STEP_KEYS))
    }

    fn action(&self, verb: &str, key: &Node, line: &Node) -> Result<Action, SourceError> {
        let unknown = || {
            self.error(key, format!("unknown verb `{verb}`"))
                .nearest(nearest(verb, verbs::names().chain(STEP_KEYS)))
                .help("`verify list --verbs` lists them")
        };
        if !verbs::names().any(|name| name == verb) {
            return Err(unknown());
        }
        if line.as_scalar().is_none() {
            return Err(self.error(
                line,
                format!(
                    "`{verb}` takes the rest of its line, this is {}",
                    line.kind()
                ),
            ));
        }
        line.words(self.source, |words| {
            Action::parse(verb, words).unwrap_or_else(|| Err(LineError::new(0..0, "unknown verb")))
        })
        .map_err(|error| {
            let usage = verbs::VERBS
                .iter()
                .find(|about| about.name == verb)
                .map(|about| about.usage);
            error.help(format!("usage: {}", usage.unwrap_or_default()))
        })
    }

    fn inside(&mut self, node: &Node, action: &Action) -> Result<Vec<Step>, SourceError> {
        if !action.opens() {
            return Err(self
                .error(node, format!("`{}` has no inside", action.name()))
                .help("chroot and unshare have"));
        }
        self.steps(node, action.name() == "chroot")
    }

    fn fails(&self, node: &Node) -> Result<Expected, SourceError> {
        let text = node.text(self.source, "a way to fail")?;
        text.parse().map_err(|error| {
            let names: Vec<_> = Expected::names().collect();
            self.error(node, format!("`{text}`: {error}"))
                .label("expected an errno, a signal or an exit status")
                .nearest(nearest(text, names.iter().map(String::as_str)))
        })
    }
}

/// `run` is the one verb that is not the tutorial's own first word.
fn terminal_line(verb: &str, line: &str) -> String {
    let line = line.trim();
    match (verb, line) {
        ("run", line) => line.to_owned(),
        (verb, "") => verb.to_owned(),
        (verb, line) => format!("{verb} {line}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(steps: &str) -> Result<Spec, SourceError> {
        let text = format!("experiment: x\ntitle: t\nsteps:\n{steps}");
        read(&Source::new("x.yaml", text))
    }

    #[test]
    fn a_step_is_the_line_of_a_terminal() {
        let spec = spec("  - mkdir: a b\n  - unshare: -u /bin/bash\n    inside:\n      - hostname:\n  - run: date\n    fails: 127\n").unwrap();
        let lines: Vec<_> = spec
            .all_steps()
            .iter()
            .map(|(d, s)| (*d, s.index, s.line, s.text.clone()))
            .collect();
        assert_eq!(
            lines,
            [
                (0, 0, 4, "mkdir a b".to_owned()),
                (0, 1, 5, "unshare -u /bin/bash".to_owned()),
                (1, 2, 7, "hostname".to_owned()),
                (0, 3, 8, "date".to_owned()),
            ]
        );
    }

    #[test]
    fn errors_point_at_the_word() {
        for (steps, place, words) in [
            ("  - mkdr: a\n", "x.yaml:4:5", "did you mean `mkdir`"),
            ("  - mkdir: --parnts a\n", "x.yaml:4:12", "--parents"),
            ("  - mkdir: a 'b c' ../d\n", "x.yaml:4:20", "could lead out"),
            (
                "  - mkdir: 'a b' c\n",
                "x.yaml:4:18",
                "quote the whole line",
            ),
            ("  - mkdir: /etc/x\n", "x.yaml:4:12", "leads out"),
            ("  - cat: a | b\n", "x.yaml:4:12", "for a shell"),
            (
                "  - echo: $HOME > a\n",
                "x.yaml:4:11",
                "nothing is substituted",
            ),
            ("  - cat: a\n    cd: b\n", "x.yaml:5:5", "two verbs"),
            (
                "  - cat: a\n    insde: []\n",
                "x.yaml:5:5",
                "did you mean `inside`",
            ),
            (
                "  - cat: a\n    fails: EPRM\n",
                "x.yaml:5:12",
                "did you mean `EPERM`",
            ),
            (
                "  - cat: a\n    inside:\n      - pwd:\n",
                "x.yaml:6:",
                "has no inside",
            ),
            ("  - cat: [a]\n", "x.yaml:4:10", "the rest of its line"),
            ("  - cat:\n", "x.yaml:4:", "the line ends too early"),
            (
                "  - cat: a\n    timeout: soon\n",
                "x.yaml:5:14",
                "not a time limit",
            ),
            ("  - mkdir: a\n", "x.yaml:4:", "no step prints"),
            ("  []\n", "x.yaml:4:", "no step"),
            ("  - hostname: a b\n", "x.yaml:4:17", "too many"),
            (
                "  - chroot: a /bin/bash\n    inside:\n      - hostname:\n",
                "x.yaml:6:9",
                "cannot be typed",
            ),
        ] {
            let error = spec(steps).unwrap_err();
            let text = error.to_string();
            assert!(
                error.place().starts_with(place),
                "{steps}{text}\n{}",
                error.place()
            );
            assert!(text.contains(words), "{steps}{text}");
        }
    }

    #[test]
    fn a_spec_has_its_keys_and_no_other() {
        for (text, words) in [
            ("experimnt: x\n", "did you mean `experiment`"),
            ("experiment: x\nsteps: []\n", "`title` is missing"),
            ("experiment: X Y\ntitle: t\nsteps: []\n", "not a name"),
            (
                "experiment: y\ntitle: t\nsteps: []\n",
                "name the file y.yaml",
            ),
            (
                "experiment: x\ntitle: t\nneeds: [namespace pdi]\nsteps: []\n",
                "did you mean `pid`",
            ),
            ("- a\n", "a spec is a mapping"),
        ] {
            let error = read(&Source::new("x.yaml", text)).unwrap_err().to_string();
            assert!(error.contains(words), "{text}{error}");
        }
    }

    #[test]
    fn a_huge_file_is_refused_before_it_is_read() {
        let error = read(&Source::new("x.yaml", "a".repeat(SIZE_LIMIT + 1))).unwrap_err();
        assert!(error.message().contains("bytes"));
    }

    #[test]
    fn a_limit_is_the_last_value_that_is_allowed() {
        let named = |length| {
            let name = "x".repeat(length);
            let text = format!("experiment: {name}\ntitle: t\nsteps: [pwd: ]\n");
            read(&Source::new(format!("{name}.yaml"), text))
        };
        assert!(named(64).is_ok());
        assert!(named(65).unwrap_err().message().contains("not a name"));
        let steps = |number| spec(&"  - pwd:\n".repeat(number));
        assert!(steps(STEP_LIMIT).is_ok());
        assert!(steps(STEP_LIMIT + 1).is_err());
        let line = |length| spec(&format!("  - run: {}\n", "x".repeat(length)));
        assert!(line(2000).is_ok());
        assert!(line(2001).unwrap_err().message().contains("2000"));
        let padded = |size| {
            let text = "experiment: x\ntitle: t\nsteps: [pwd: ]\n#";
            let padding = "x".repeat(size - text.len());
            read(&Source::new("x.yaml", format!("{text}{padding}")))
        };
        assert!(padded(SIZE_LIMIT).is_ok());
        assert!(padded(SIZE_LIMIT + 1).is_err());
    }

    #[test]
    fn a_name_cannot_be_an_option_or_leave_a_folder() {
        for name in ["-x", "a/b", "..", "X", "ä", "a b"] {
            let text = format!("experiment: '{name}'\ntitle: t\nsteps: [pwd: ]\n");
            let error = read(&Source::new(format!("{name}.yaml"), text)).unwrap_err();
            assert!(error.message().contains("not a name"), "{name}: {error}");
        }
    }

    #[test]
    fn a_title_is_one_line_without_control_characters() {
        for title in ["\"a\\nb\"", "\"\\e[31m\""] {
            let text = format!("experiment: x\ntitle: {title}\nsteps: [pwd: ]\n");
            let error = read(&Source::new("x.yaml", text)).unwrap_err();
            assert!(error.message().contains("one line"), "{error}");
        }
    }

    #[test]
    fn steps_are_a_list_with_at_least_one() {
        for (steps, message) in [
            ("[]", "there is no step"),
            ("", "there is no step"),
            ("pwd", "this is"),
        ] {
            let text = format!("experiment: x\ntitle: t\nsteps: {steps}\n");
            let error = read(&Source::new("x.yaml", text)).unwrap_err();
            assert!(error.message().contains(message), "{error}");
        }
    }

    #[test]
    fn a_time_limit_is_from_a_millisecond_to_ten_minutes() {
        let limit = |text| {
            spec(&format!("  - pwd:\n    timeout: {text}\n")).map(|spec| spec.steps[0].timeout)
        };
        let milliseconds = |number| Ok(Some(std::time::Duration::from_millis(number)));
        assert_eq!(limit("1ms").map_err(drop), milliseconds(1));
        assert_eq!(limit("600s").map_err(drop), milliseconds(600_000));
        for wrong in [
            "0ms", "0s", "600001ms", "601s", "5", "s", "5m", "-1s", "1.5s",
        ] {
            assert!(limit(wrong).is_err(), "{wrong}");
        }
    }
}
