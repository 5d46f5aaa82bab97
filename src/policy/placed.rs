//! A value of a policy and the place that it came from.

use std::ops::Range;
use std::sync::Arc;

use crate::source::{Source, SourceError};
use crate::yaml::Node;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    source: Arc<Source>,
    span: Range<usize>,
    line: usize,
}

/// What a policy says of some experiments, each with the place of its name.
pub type ByExperiment<T> = Vec<(Placed<String>, T)>;

impl<T> Placed<T> {
    /// `value` as it stands at `node`.
    pub fn new(value: T, source: &Arc<Source>, node: &Node) -> Self {
        Self {
            value,
            source: Arc::clone(source),
            span: node.span.clone(),
            line: node.line,
        }
    }

    /// File and line: `policies/ci.yaml:4`.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.source.name, self.line)
    }

    /// An error at its place.
    pub fn error(&self, message: impl Into<String>) -> SourceError {
        self.source.error(self.span.clone(), message)
    }
}
