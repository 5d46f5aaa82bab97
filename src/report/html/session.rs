//! The session of an experiment, a block for each step, with what it took and what it rests on.

use maud::{Markup, html};

use super::super::text::{one_line, printable};
use super::time;
use crate::results::{Experiment, Step};

/// The session; nothing if there was none.
pub fn session(experiment: &Experiment) -> Markup {
    let facts: Vec<_> = experiment
        .steps
        .iter()
        .filter(|step| !step.evidence.is_empty())
        .collect();
    html! {
        @if !experiment.steps.is_empty() {
            h4 { "Session" }
            div class="session scroll" tabindex="0" role="region" aria-label={ "Session of " (one_line(&experiment.id)) } {
                @for step in &experiment.steps { (block(step)) }
            }
        }
        @if !facts.is_empty() {
            details class="facts" {
                summary { "Raw facts behind it" }
                dl { @for step in facts { (evidence(step)) } }
            }
        }
    }
}

fn block(step: &Step) -> Markup {
    let class = if step.as_declared {
        "step"
    } else {
        "step wrong"
    };
    html! {
        div class=(class) style={ "--depth:" (step.depth.min(8)) } {
            div class="command" {
                code { span class="prompt" { "# " } (one_line(&step.text)) }
                @if !step.ended { span class="mark" { "✗ did not end" } }
                @else if !step.as_declared { span class="mark" { "✗ not what the spec says" } }
                @if step.ended { span class="time" { (time(step.duration_us)) } }
            }
            @if !step.output.is_empty() { pre { (printable(&step.output)) } }
        }
    }
}

fn evidence(step: &Step) -> Markup {
    html! {
        dt { "Line " (step.line) ": " code { (one_line(&step.text)) } }
        @for fact in &step.evidence { dd { (one_line(fact)) } }
    }
}
