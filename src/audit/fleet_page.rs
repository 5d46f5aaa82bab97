//! Many hosts as one HTML page.

use maud::{Markup, html};

use super::fleet::{Fleet, Row, Seen, in_words};
use crate::report::{one_line, page};
use crate::verdict::Verdict;

impl Fleet {
    /// The page.
    #[must_use]
    pub fn page(&self) -> String {
        let rows = self.rows();
        let body = html! {
            header class={ "verdict " (class(self.verdict())) } {
                p class="product" { "verify: " (rows.len()) " results" }
                h1 { (self.totals()) }
            }
            main {
                (self.trouble_section())
                section aria-labelledby="hosts" {
                    h2 id="hosts" { "Hosts" }
                    div class="scroll" tabindex="0" role="region" aria-labelledby="hosts" {
                        table class="fleet" {
                            thead { tr { @for head in ["Verdict", "Results", "Experiments", "Policy", "Host", "Ended, UTC"] { th scope="col" { (head) } } } }
                            tbody { @for row in &rows { (host(row)) } }
                        }
                    }
                }
            }
        };
        page(&format!("verify: {}", self.totals()), &body)
    }

    fn trouble_section(&self) -> Markup {
        let trouble = self.trouble();
        html! {
            @if !trouble.is_empty() {
                section aria-labelledby="trouble" {
                    h2 id="trouble" { "What is wrong" }
                    ul {
                        @for (id, counts) in trouble {
                            li { strong { (one_line(id)) } ": " (in_words(&counts)) }
                        }
                    }
                }
            }
        }
    }
}

fn class(verdict: Option<Verdict>) -> &'static str {
    match verdict {
        None => "broken",
        Some(Verdict::NotCertified) => "fail",
        Some(Verdict::Undecided) => "skip",
        Some(Verdict::Certified) => "pass",
    }
}

fn host(row: &Row) -> Markup {
    let verdict = row.seen.as_ref().map(|seen| seen.verdict);
    let word = verdict.map_or("unreadable".to_owned(), |verdict| verdict.to_string());
    html! {
        tr {
            td { span class={ "badge " (class(verdict)) } { (word) } }
            th scope="row" { (one_line(&row.name)) }
            @match &row.seen {
                Some(seen) => (cells(seen)),
                None => td colspan="4" { "cannot be read as results" },
            }
        }
    }
}

fn cells(seen: &Seen) -> Markup {
    html! {
        td {
            (in_words(&seen.counts))
            @if seen.waived > 0 { ", " (seen.waived) " waived" }
            @for reason in &seen.reasons { p class="why" { (one_line(reason)) } }
        }
        td { (one_line(&seen.policy)) }
        td { (one_line(&seen.host)) }
        td class="time" { (seen.finished) }
    }
}
