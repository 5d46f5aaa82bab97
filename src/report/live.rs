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

    /// What takes long, and the step that it is at.
    fn slow(&self, now: Instant) -> Option<String> {
        let mut lasting = self.working.iter().map(|(experiment, (begun, step))| {
            (now.saturating_duration_since(*begun), experiment, step)
        });
        let (time, experiment, step) = lasting.find(|(time, ..)| *time >= PATIENCE)?;
        let seconds = time.as_secs();
        Some(format!(
            "{DIM}  …  {experiment}, {seconds} s: {step}{DIM:#}"
        ))
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
        if let Some(line) = self.slow(Instant::now()) {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_experiment_that_takes_long_is_shown_with_the_step_that_it_is_at() {
        let mut live = Live::begin(&Host::look(), 2, false);
        live.step("a", "hog");
        let begun = Instant::now();
        assert_eq!(live.slow(begun), None);
        live.step("a", "pwd");
        live.step("b", "cat");
        let line = live.slow(begun + 3 * PATIENCE / 2).unwrap();
        let line = anstream::adapter::strip_str(&line).to_string();
        assert_eq!(line, "  …  a, 1 s: pwd");
    }
}
