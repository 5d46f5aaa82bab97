//! An experiment: why it did not pass, pictures of it, and its session.

use maud::{Markup, html};

use super::super::text::{number_of, one_line};
use super::{anchor, badge, picture, prose, session, time};
use crate::compare::{Change, Diff, Hunk, visible};
use crate::outcome::Outcome;
use crate::results::{Experiment, Reason};

/// An experiment, open if it did not pass.
pub fn details(experiment: &Experiment) -> Markup {
    html! {
        details class="experiment" id=(anchor(experiment)) open[experiment.outcome != Outcome::Pass] {
            summary {
                (badge(experiment)) " "
                h3 { (one_line(&experiment.id)) }
                span class="title" { (one_line(&experiment.title)) }
                @if experiment.outcome != Outcome::Skip { span class="time" { (time(experiment.duration_us)) } }
            }
            @if let Some(reason) = &experiment.reason { (why(experiment, reason)) }
            @if let Some(waiver) = &experiment.waiver { p { (prose(&waiver.sentence(&experiment.id))) "." } }
            @if let Some(diff) = &experiment.diff { (diff_table(&experiment.id, diff)) }
            @for leftover in &experiment.leftovers { p class="left" { b { "Left behind: " } (one_line(leftover)) } }
            (picture::all(experiment))
            (session::session(experiment))
            (origin(experiment))
        }
    }
}

fn why(experiment: &Experiment, reason: &Reason) -> Markup {
    let left = experiment
        .steps_planned
        .saturating_sub(experiment.steps.len());
    html! {
        div class="why" {
            p { (prose(&reason.text)) }
            @for (label, fact) in reason.explanation() { p { b { (label) } " " (prose(fact)) } }
            @if left > 0 && experiment.outcome == Outcome::Fail {
                p { (number_of(left, "step")) " after it not performed." }
            }
            @if let Some(pending) = &experiment.pending {
                p { "The new session waits for a review in " code { (one_line(pending)) } }
            }
        }
    }
}

fn diff_table(id: &str, diff: &Diff) -> Markup {
    html! {
        h4 { "What differs from the reviewed session" }
        div class="scroll" tabindex="0" role="region" aria-label={ "What differs in " (one_line(id)) } {
            table class="diff" {
                thead { tr {
                    th scope="col" { "reviewed" } th scope="col" { "observed" }
                    th scope="col" { span class="unseen" { "change" } } th scope="col" class="line" { "line" }
                } }
                tbody { @for hunk in &diff.hunks { (hunk_rows(hunk)) } }
            }
        }
    }
}

fn hunk_rows(hunk: &Hunk) -> Markup {
    html! {
        @if let Some(step) = &hunk.step { tr class="step" { td colspan="3" {} td { (visible(step)) } } }
        @for line in &hunk.lines {
            tr class=(class(line.change)) {
                td { @if let Some(old) = line.old { (old) } }
                td { @if let Some(new) = line.new { (new) } }
                td { (line.change.sign()) @if line.change != Change::Equal { span class="unseen" { (class(line.change)) } } }
                td { (visible(&line.text)) }
            }
        }
    }
}

fn class(change: Change) -> &'static str {
    match change {
        Change::Equal => "equal",
        Change::Deleted => "deleted",
        Change::Inserted => "inserted",
    }
}

fn origin(experiment: &Experiment) -> Markup {
    html! {
        p class="origin" {
            code { (one_line(&experiment.spec.path)) @if let Some(line) = experiment.spec.line { ":" (line) } }
            @match &experiment.snapshot {
                Some(snapshot) => { ", reviewed as " code { (one_line(&snapshot.path)) } }
                None => ", not reviewed yet",
            }
        }
    }
}
