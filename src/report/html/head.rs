//! The verdict, above everything else.

use maud::{Markup, html};

use super::super::text::{number_of, one_line};
use crate::results::Results;
use crate::verdict::Verdict;

/// The verdict, first of all.
pub fn verdict(results: &Results) -> Markup {
    let (class, sign) = match results.verdict {
        Verdict::Certified => ("pass", "✓"),
        Verdict::NotCertified => ("fail", "✗"),
        Verdict::Undecided => ("broken", "?"),
    };
    html! {
        header class={ "verdict " (class) } {
            p class="product" { "verify · policy " b { (one_line(&results.policy.name)) } }
            h1 { span class="sign" aria-hidden="true" { (sign) } " " (results.verdict) }
            p class="counts" { (counts(results)) }
            p class="where" {
                "Linux " (one_line(&results.host.kernel)) " " (one_line(&results.host.machine)) ", "
                (one_line(&results.host.privilege.to_string())) ", cgroups " (results.host.cgroups.layout())
                " · " time datetime=(results.finished.to_rfc3339()) { (results.finished.format("%Y-%m-%d %H:%M UTC")) }
                " · exit code " (results.exit_code.number()) ": " (results.exit_code.meaning())
            }
        }
    }
}

fn counts(results: &Results) -> String {
    let counts = &results.counts;
    let words = [
        (counts.pass, "passed"),
        (counts.fail, "failed"),
        (counts.broken, "broken"),
        (counts.skip, "skipped"),
    ];
    let words = words.iter().filter(|(number, _)| *number > 0);
    let words: Vec<_> = words
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    let all = number_of(results.experiments.len(), "experiment");
    let seconds = results.duration().as_secs_f64();
    format!("{all} in {seconds:.2} s: {}", words.join(", "))
}
