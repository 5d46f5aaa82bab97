//! The report for a person: a line for each experiment as it ends, what differs, and a closing line with the verdict.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};

use crate::host::Host;
use crate::outcome::Outcome;
use crate::results::{Performance, Results, Watch};
use crate::verdict::Verdict;

/// How long an experiment may take before the step that it is at is shown.
const PATIENCE: Duration = Duration::from_secs(1);

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();
const GREEN: Style = AnsiColor::Green.on_default();
const RED: Style = AnsiColor::Red.on_default().bold();
const YELLOW: Style = AnsiColor::Yellow.on_default();

/// A report that is written as the run goes on.
pub struct Terminal {
    heading: Option<String>,
    begun: Instant,
    working: BTreeMap<String, (Instant, String)>,
    live: bool,
    shown: bool,
}

impl Terminal {
    /// Prepares the heading, which stands above the first line that there is.
    #[must_use]
    pub fn begin(host: &Host, experiments: usize) -> Self {
        let privilege = &host.privilege;
        let layout = host.cgroups.layout();
        let heading = format!(
            "{DIM}Linux {} {}, {privilege}, cgroups {layout}: {}{DIM:#}\n\n",
            host.kernel,
            host.machine,
            number_of(experiments, "experiment")
        );
        Self {
            heading: Some(heading),
            begun: Instant::now(),
            working: BTreeMap::new(),
            live: std::io::stderr().is_terminal(),
            shown: false,
        }
    }

    /// Writes the closing lines.
    pub fn end(&mut self, results: &Results<'_>) {
        self.clear();
        let mut text = self.heading.take().unwrap_or_else(|| String::from("\n"));
        for leftover in &results.leftovers {
            let _ = writeln!(text, "{RED}left behind{RED:#}  {leftover}");
        }
        let pending = results
            .performances
            .iter()
            .filter(|performance| performance.pending.is_some())
            .count();
        if pending > 0 {
            let _ = writeln!(
                text,
                "{} to be reviewed: `verify review` or `cargo insta review`\n",
                number_of(pending, "session")
            );
        }
        let style = match results.verdict {
            Verdict::Certified => GREEN.bold(),
            Verdict::NotCertified => RED,
            Verdict::Undecided => YELLOW.bold(),
        };
        let _ = writeln!(
            text,
            "{style}{}{style:#}: {} in {:.2} s",
            results.verdict,
            counts(results),
            self.begun.elapsed().as_secs_f64()
        );
        let _ = writeln!(
            text,
            "{DIM}exit code {}: {}{DIM:#}",
            results.exit.number(),
            results.exit.meaning()
        );
        put(&text);
    }

    /// Takes the line of what is being done away again.
    fn clear(&mut self) {
        if std::mem::take(&mut self.shown) {
            let _ = write!(std::io::stderr(), "\r\x1b[2K");
        }
    }
}

impl Watch for Terminal {
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

    fn ended(&mut self, performance: &Performance<'_>) {
        self.clear();
        self.working.remove(&performance.entry.spec.experiment);
        let heading = self.heading.take().unwrap_or_default();
        put(&format!("{heading}{}", experiment(performance)));
    }
}

fn experiment(performance: &Performance<'_>) -> String {
    let judgement = &performance.judgement;
    let spec = &performance.entry.spec;
    let (word, style) = match judgement.outcome {
        Outcome::Pass => ("pass", GREEN),
        Outcome::Fail => ("FAIL", RED),
        Outcome::Skip => ("skip", YELLOW),
        Outcome::Broken => ("BROKEN", RED),
    };
    let duration = performance.recording.duration().as_secs_f64() * 1000.0;
    let duration = match judgement.outcome {
        Outcome::Skip => String::new(),
        _ => format!("{duration:.0} ms"),
    };
    let mut text = format!(
        "{style}{word:6}{style:#} {:24} {duration:>8}  {}\n",
        spec.experiment, spec.title
    );
    let Some(reason) = &judgement.reason else {
        return text;
    };
    let place = reason.line.map_or(String::new(), |line| {
        format!("{}:{line}: ", spec.source.name)
    });
    let _ = writeln!(text, "       {place}{}", reason.text);
    if let Some(diff) = judgement.diff.as_ref().filter(|diff| !diff.is_empty()) {
        text.push_str(&indented(&diff.coloured()));
    }
    let left = performance.recording.planned - performance.recording.steps.len();
    if left > 0 && judgement.outcome == Outcome::Fail {
        let _ = writeln!(
            text,
            "       {DIM}{} after it not performed{DIM:#}",
            number_of(left, "step")
        );
    }
    if let Some(pending) = &performance.pending {
        let _ = writeln!(text, "       {DIM}written to {}{DIM:#}", pending.display());
    }
    text
}

fn number_of(number: usize, thing: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {thing}{plural}")
}

fn indented(text: &str) -> String {
    text.lines()
        .map(|line| format!("       {line}\n"))
        .collect()
}

fn counts(results: &Results<'_>) -> String {
    let count = |wanted: Outcome| {
        let outcomes = results
            .performances
            .iter()
            .map(|performance| performance.judgement.outcome);
        outcomes.filter(|outcome| *outcome == wanted).count()
    };
    let words = [
        (Outcome::Fail, "failed"),
        (Outcome::Broken, "broken"),
        (Outcome::Skip, "skipped"),
    ];
    let mut text = format!("{BOLD}{} passed{BOLD:#}", count(Outcome::Pass));
    for (outcome, word) in words {
        match count(outcome) {
            0 => {}
            number => {
                let _ = write!(text, ", {number} {word}");
            }
        }
    }
    text
}

/// A reader that went away does not end the run: the exit code is still to come.
fn put(text: &str) {
    let mut out = anstream::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
