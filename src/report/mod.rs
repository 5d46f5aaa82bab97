//! What a run has found, for people and machines. One file a format: results in, text out.

mod github;
mod html;
mod in_toto;
mod junit;
pub mod live;
mod markdown;
mod prometheus;
mod tap;
pub mod terminal;
mod text;

use std::fmt;
use std::str::FromStr;

use crate::results::Results;
use crate::source::nearest;
pub use html::page;
pub use text::{json, one_line, printable};

/// A format of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The results themselves.
    Json,
    /// For a person at a terminal.
    Terminal,
    /// JUnit XML.
    Junit,
    /// TAP version 14.
    Tap,
    /// Annotations for GitHub Actions.
    Github,
    /// The summary of a GitHub Actions job: Markdown, cut where GitHub would drop it.
    Summary,
    /// Markdown.
    Markdown,
    /// One HTML page.
    Html,
    /// Metrics for node_exporter's textfile collector.
    Prometheus,
    /// An in-toto statement.
    InToto,
    /// The facts of the host, as an in-toto statement is about them; `verify host --json` prints them as well.
    Host,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 11] = [
        Self::Json,
        Self::Terminal,
        Self::Junit,
        Self::Tap,
        Self::Github,
        Self::Summary,
        Self::Markdown,
        Self::Html,
        Self::Prometheus,
        Self::InToto,
        Self::Host,
    ];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Terminal => "terminal",
            Self::Junit => "junit",
            Self::Tap => "tap",
            Self::Github => "github",
            Self::Summary => "summary",
            Self::Markdown => "markdown",
            Self::Html => "html",
            Self::Prometheus => "prometheus",
            Self::InToto => "in-toto",
            Self::Host => "host",
        }
    }

    /// The report.
    ///
    /// # Errors
    /// The results hold what the format has no words for.
    pub fn render(self, results: &Results) -> std::io::Result<String> {
        Ok(match self {
            Self::Json => text::json(results)?,
            Self::Terminal => terminal::render(results),
            Self::Junit => junit::render(results)?,
            Self::Tap => tap::render(results),
            Self::Github => github::render(results),
            Self::Summary => markdown::summary(results),
            Self::Markdown => markdown::render(results),
            Self::Html => html::render(results),
            Self::Prometheus => prometheus::render(results),
            Self::InToto => in_toto::render(results)?,
            Self::Host => text::json(&results.host)?,
        })
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|format| format.name() == text);
        found.ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            let meant = nearest(text, names)
                .map_or(String::new(), |name| format!("did you mean `{name}`? "));
            format!(
                "no format is named `{text}`: {meant}there are {}",
                names.join(", ")
            )
        })
    }
}
