//! The host, and what the verdict rests on, below everything else.

use maud::{Markup, html};

use super::super::text::one_line;
use crate::results::Results;

/// The host, and the digest of every file that the verdict rests on.
pub fn section(results: &Results) -> Markup {
    let host = &results.host;
    html! {
        section aria-labelledby="host" {
            h2 id="host" { "Host" }
            dl {
                dt { "Kernel" } dd { "Linux " (one_line(&host.kernel)) " " (one_line(&host.machine)) }
                dt { "Privilege" } dd { (one_line(&host.privilege.to_string())) }
                dt { "CPUs" } dd { (host.cpus) }
                @if let Some(place) = &host.scratch { dt { "Performed on" } dd { (one_line(&place.to_string())) } }
                dt { "Cgroups" } dd { (host.cgroups.layout()) }
                @for (controller, group) in &host.cgroups.v1 {
                    dt class="sub" { "v1 " (one_line(controller)) }
                    dd { code { (one_line(&group.to_string_lossy())) } }
                }
                @for level in host.cgroups.v2.iter().flat_map(|unified| &unified.lineage) {
                    dt class="sub" { "v2" }
                    dd { code { (one_line(&level.path.to_string_lossy())) } " passes on: " (one_line(&level.passes_on.join(" "))) }
                }
            }
        }
        section aria-labelledby="files" {
            h2 id="files" { "What this rests on" }
            details {
                summary { "SHA-256 of every file" }
                (files(results))
            }
        }
    }
}

fn files(results: &Results) -> Markup {
    let specs = results
        .experiments
        .iter()
        .map(|one| (&one.spec.path, &one.spec.sha256));
    let snapshots = results
        .experiments
        .iter()
        .filter_map(|one| one.snapshot.as_ref());
    let snapshots = snapshots.map(|snapshot| (&snapshot.path, &snapshot.sha256));
    let policy = results.policy.files.iter();
    let policy = policy.map(|file| (&file.path, &file.sha256));
    let unknown = "unknown".to_owned();
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Digests" {
            table {
                thead { tr { th scope="col" { "file" } th scope="col" { "SHA-256" } } }
                tbody {
                    (digest(&format!("verify {}", results.verify.version), results.verify.sha256.as_ref().unwrap_or(&unknown)))
                    @for (path, sha256) in policy.chain(specs).chain(snapshots) { (digest(path, sha256)) }
                }
            }
        }
    }
}

fn digest(path: &str, sha256: &str) -> Markup {
    html! { tr { td { (one_line(path)) } td { code { (one_line(sha256)) } } } }
}
