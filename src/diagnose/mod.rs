//! Why an experiment did not pass: cause, evidence and remedy, as somebody would say it who has seen it before.
//!
//! This is looked for after a failure only and never changes an outcome. `facts` is what there is to be seen of the
//! host, read from files; the other files here, one for each family of causes, decide on nothing else. What the facts
//! do not show is not guessed: then the cause is not known, and what was looked at is said.

mod apparmor;
mod cgroups;
mod facts;
mod filesystems;
mod limits;
mod log;
mod modules;
mod mounts;
mod namespaces;
mod network;
mod privilege;
#[cfg(test)]
mod tests;

pub use facts::Facts;

use crate::recording::{Cause, End, Failure, Recording};

/// Why something failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnosis {
    /// What is so on this host, in one sentence.
    pub cause: String,
    /// What shows it, quoted with its place.
    pub evidence: Vec<String>,
    /// What to do about it.
    pub remedy: Option<String>,
}

impl Diagnosis {
    fn new(cause: impl Into<String>, evidence: Vec<String>, remedy: impl Into<String>) -> Self {
        Self {
            cause: cause.into(),
            evidence,
            remedy: Some(remedy.into()),
        }
    }
}

/// What was seen of the failure.
#[derive(Debug, Clone, Copy)]
pub struct Symptom<'a> {
    /// What failed.
    pub failure: &'a Failure,
    /// The line of the session that it failed at, or the need that was tried.
    pub line: &'a str,
}

impl<'a> Symptom<'a> {
    /// That of a recording; `None` where nothing failed but the session is another one, and where a measurement did not
    /// settle: why it did not is all that there is to know of it.
    #[must_use]
    pub fn of(recording: &'a Recording) -> Option<Self> {
        match &recording.end {
            End::Unmet { need, failure } => Some(Self {
                failure,
                line: need,
            }),
            End::NotStarted(failure) => Some(Self { failure, line: "" }),
            End::Stopped => {
                let mut steps = recording.steps.iter().rev();
                let step = steps.find(|step| !step.as_declared && step.failure.is_some())?;
                let failure = step.failure.as_ref()?;
                let symptom = Self {
                    failure,
                    line: &step.text,
                };
                (failure.cause != Cause::Inconclusive).then_some(symptom)
            }
            _ => None,
        }
    }

    fn errno(&self) -> Option<&'a str> {
        self.failure.cause.errno()
    }

    fn is(&self, errnos: &[&str]) -> bool {
        self.errno().is_some_and(|errno| errnos.contains(&errno))
    }

    /// Whether the call that failed is one of these, as its first word.
    fn calls(&self, names: &[&str]) -> bool {
        let call = self.failure.call.split(' ').next().unwrap_or_default();
        names.contains(&call)
    }

    /// Whether it is the map of a user namespace that could not be written.
    fn writes_map(&self) -> bool {
        let Failure { call, object, .. } = self.failure;
        call.starts_with("write") && (call.ends_with("id_map") || object.ends_with("id_map"))
    }

    fn mentions(&self, word: &str) -> bool {
        let is_word = |text: &str| {
            text.split(|c: char| !c.is_alphanumeric() && c != '_')
                .any(|w| w == word)
        };
        is_word(self.line) || is_word(&self.failure.object)
    }
}

type Family = fn(&Symptom<'_>, &Facts) -> Option<Diagnosis>;

/// The families of causes, the more certain ones first: a limit that is 0 explains more than a filter that may be anything.
const FAMILIES: [Family; 8] = [
    cgroups::diagnose,
    namespaces::diagnose,
    limits::diagnose,
    filesystems::diagnose,
    network::diagnose,
    mounts::diagnose,
    privilege::diagnose,
    apparmor::diagnose,
];

/// Says why something failed, by the facts.
#[must_use]
pub fn diagnose(symptom: &Symptom<'_>, facts: &Facts) -> Diagnosis {
    let known = FAMILIES.iter().find_map(|family| family(symptom, facts));
    known.unwrap_or_else(|| unknown(facts))
}

/// Says that the facts explain nothing, and what was looked at.
#[must_use]
pub fn unknown(facts: &Facts) -> Diagnosis {
    Diagnosis {
        cause: "not known: nothing that was looked at explains it".to_owned(),
        evidence: vec![format!("looked at {}", facts.seen())],
        remedy: None,
    }
}
