//! The terminal's report as it comes while a run goes on, with a line of what is going on when something takes long.

use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use super::terminal::{self, DIM};
use crate::host::Host;
use crate::results::{Experiment, Results, Watch};

/// How long an experiment may take before the step that it is at is shown.
const PATIENCE: Duration = Duration::from_secs(1);

/// A report that is written as the run goes on.
pub struct Live {
    heading: Option<String>,
    experiments: terminal::Experiments,
    working: BTreeMap<String, (Instant, String)>,
    on_stderr: bool,
    live: bool,
    shown: bool,
}

impl Live {
    /// Prepares the heading, which stands above the first line that there is. `on_stderr` keeps standard output free.
    #[must_use]
    pub fn begin(host: &Host, experiments: usize, on_stderr: bool) -> Self {
        Self {
            heading: Some(terminal::heading(host, experiments)),
            experiments: terminal::Experiments::default(),
            working: BTreeMap::new(),
            on_stderr,
            live: std::io::stderr().is_terminal(),
            shown: false,
        }
    }

    /// Writes the closing lines.
    pub fn end(&mut self, results: &Results) {
        self.clear();
        let above = self.heading.take().unwrap_or_else(|| String::from("\n"));
        self.put(&(above + &terminal::closing(results)));
    }

    /// A reader that went away does not end the run: the exit code is still to come.
    fn put(&self, text: &str) {
        let _ = match self.on_stderr {
            true => anstream::stderr().write_all(text.as_bytes()),
            false => {
                let mut out = anstream::stdout();
                out.write_all(text.as_bytes()).and_then(|()| out.flush())
            }
        };
    }

    /// Takes the line of what is being done away again.
    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

impl Watch for Live {
    fn step(&mut self, experiment: &str, step: &str) {
        let begun = self
            .working
            .get(experiment)
            .map_or_else(Instant::now, |(begun, _)| *begun);
        self.working
            .insert(experiment.to_owned(), (begun, step.to_owned()));
    }

    fn tick(&mut self) {
        if !self.live {
            return;
        }
        let slow = self
            .working
            .iter()
            .find(|(_, (begun, _))| begun.elapsed() >= PATIENCE);
        if let Some((experiment, (begun, step))) = slow {
            let seconds = begun.elapsed().as_secs();
            let line = format!("{DIM}  …  {experiment}, {seconds} s: {step}{DIM:#}");
            // Not through anstream, which takes every escape away when there are to be no colours.
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
            let _ = write!(anstream::stderr(), "{line}");
            let _ = std::io::stderr().flush();
            self.shown = true;
        }
    }

    fn ended(&mut self, experiment: &Experiment) {
        self.clear();
        self.working.remove(&experiment.id);
        let heading = self.heading.take().unwrap_or_default();
        let lines = self.experiments.add(experiment);
        self.put(&(heading + &lines));
    }
}
