//! What to do: a point for each experiment that keeps the host from being certified, and what somebody should know.

use std::cmp::Reverse;

use maud::{Markup, html};

use super::super::text::one_line;
use super::{anchor, badge, prose};
use crate::outcome::Outcome;
use crate::results::{Experiment, Results};
use crate::verdict::Verdict;

/// The section.
pub fn section(results: &Results) -> Markup {
    let counts = |one: &&Experiment| one.verdict != Verdict::Certified;
    let mut open: Vec<_> = results.experiments.iter().filter(counts).collect();
    open.sort_by_key(|one| Reverse(one.verdict));
    let others: Vec<_> = other_reasons(results).collect();
    html! {
        section aria-labelledby="to-do" {
            h2 id="to-do" { "What to do" }
            @if open.is_empty() && others.is_empty() && results.leftovers.is_empty() {
                p { "Nothing: everything that counts was shown." }
            }
            @for leftover in &results.leftovers {
                p class="left" { b { "Left on the host: " } (one_line(leftover)) ". Remove it." }
            }
            @if !open.is_empty() { ol class="to-do" { @for one in open { (point(one)) } } }
            @for reason in others { p { (prose(reason)) } }
            @if !results.notes.is_empty() {
                h3 class="notes" { "Good to know" }
                ul { @for note in &results.notes { li { (prose(note)) } } }
            }
        }
    }
}

/// Reasons that are about no single experiment: a group of which none passed, what was not performed.
fn other_reasons(results: &Results) -> impl Iterator<Item = &String> {
    let about = |reason: &str, one: &Experiment| {
        let rest = reason.strip_prefix(one.id.as_str());
        rest.is_some_and(|rest| rest.starts_with(' '))
    };
    let other = move |reason: &&String| !results.experiments.iter().any(|one| about(reason, one));
    results.reasons.iter().filter(other)
}

fn point(experiment: &Experiment) -> Markup {
    html! {
        li {
            (badge(experiment)) " "
            a href={ "#" (anchor(experiment)) } { (one_line(&experiment.id)) }
            @if let Some(reason) = &experiment.reason {
                ": " (prose(&reason.text))
                @for (label, fact) in reason.explanation() {
                    p class=(label.trim_end_matches(':')) { b { (label) } " " (prose(fact)) }
                }
            }
            @if experiment.outcome == Outcome::Fail {
                p { "By hand: " code { "verify explain " (one_line(&experiment.id)) } }
            }
        }
    }
}
