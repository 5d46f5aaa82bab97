//! What a run has found, for people and machines. One file a format: results in, text out.

pub mod live;
pub mod terminal;
mod text;

use std::fmt;
use std::str::FromStr;

use crate::results::Results;
use crate::source::nearest;

/// A format of reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The results themselves.
    Json,
    /// For a person at a terminal.
    Terminal,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 2] = [Self::Json, Self::Terminal];

    /// Its name on the command line.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Json => "json",
            Self::Terminal => "terminal",
        }
    }

    /// The report.
    ///
    /// # Errors
    /// The results hold what the format has no words for.
    pub fn render(self, results: &Results) -> std::io::Result<String> {
        match self {
            Self::Json => Ok(serde_json::to_string_pretty(results)? + "\n"),
            Self::Terminal => Ok(terminal::render(results)),
        }
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
