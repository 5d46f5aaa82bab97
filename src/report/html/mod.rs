//! The report as one HTML page: the verdict, what to do about it, and every experiment as its terminal session with pictures.
//!
//! It holds no script and loads nothing, and its content security policy says so: observed text cannot become either.
//! maud escapes every text; what could turn the direction of other text is made visible besides.

mod experiment;
mod facts;
mod head;
mod map;
mod picture;
mod session;
mod to_do;

use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::text::one_line;
use crate::outcome::Outcome;
use crate::results::{Experiment, Results};

const STYLE: &str = include_str!("style.css");
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'";

/// The report.
#[must_use]
pub fn render(results: &Results) -> String {
    let title = format!(
        "{}: Linux {}",
        results.verdict,
        one_line(&results.host.kernel)
    );
    let body = html! {
        (head::verdict(results))
        main {
            (to_do::section(results))
            (map::section(results))
            section aria-labelledby="experiments" {
                h2 id="experiments" { "Experiments" }
                @for experiment in &results.experiments { (experiment::details(experiment)) }
            }
            (facts::section(results))
        }
        footer { "Made by verify " (one_line(&results.verify.version)) " from its results file." }
    };
    page(&title, &body)
}

/// A page of this content, with the style that all pages share.
#[must_use]
pub fn page(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body { (body) }
        }
    };
    page.into_string()
}

/// An outcome as a word with a sign before it, so that colour alone says nothing.
fn badge(experiment: &Experiment) -> Markup {
    html! {
        span class={ "badge " (class(experiment)) } {
            span aria-hidden="true" { (sign(experiment)) } " " (word(experiment))
        }
    }
}

fn word(experiment: &Experiment) -> String {
    let waived = if experiment.waived().is_some() {
        ", waived"
    } else {
        ""
    };
    format!("{}{waived}", experiment.outcome.name())
}

/// What is waived has the colour of what does not count.
fn class(experiment: &Experiment) -> &'static str {
    match experiment.waived() {
        Some(_) => Outcome::Skip.name(),
        None => experiment.outcome.name(),
    }
}

fn sign(experiment: &Experiment) -> &'static str {
    match experiment.outcome {
        _ if experiment.waived().is_some() => "~",
        Outcome::Pass => "✓",
        Outcome::Fail => "✗",
        Outcome::Skip => "–",
        Outcome::Broken => "!",
    }
}

/// Where an experiment stands in the page: its name, as far as a link can hold it.
fn anchor(experiment: &Experiment) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-';
    let name = experiment
        .id
        .chars()
        .map(|c| if allowed(c) { c } else { '_' });
    format!("experiment-{}", name.collect::<String>())
}

/// A sentence with what stands between backquotes as code.
fn prose(text: &str) -> Markup {
    let text = one_line(text);
    let parts = text.split('`').enumerate();
    html! {
        @for (number, part) in parts {
            @if number % 2 == 1 { code { (part) } } @else { (part) }
        }
    }
}

/// A time that a person can compare: `40 µs`, `12 ms`, `1.20 s`.
fn time(microseconds: u64) -> String {
    match microseconds {
        0..1_000 => format!("{microseconds} µs"),
        1_000..1_000_000 => format!("{} ms", (microseconds + 500) / 1_000),
        _ => format!("{:.2} s", microseconds as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_a_unit_that_suits_them() {
        let times = [40, 999, 1_000, 12_345, 999_400, 1_200_000].map(time);
        assert_eq!(
            times,
            ["40 µs", "999 µs", "1 ms", "12 ms", "999 ms", "1.20 s"]
        );
    }
}
