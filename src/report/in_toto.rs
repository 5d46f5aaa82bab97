//! An in-toto statement (v1) with a test-result predicate (v0.1): what was tested, with which files, and what passed.
//!
//! It is not signed here: `ssh-keygen -Y sign` or `cosign` does that. A skip has no place in the predicate and is left out.

use std::io;

use serde_json::{Value, json};

use super::text;
use crate::digest::sha256;
use crate::outcome::Outcome;
use crate::results::Results;
use crate::verdict::Verdict;

/// The report.
///
/// # Errors
/// It cannot be written as JSON.
pub fn render(results: &Results) -> io::Result<String> {
    let host = sha256(results.host.canonical().as_bytes());
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [resource("host.json", &host)],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": result(results.verdict),
            "configuration": configuration(results),
            "passedTests": tests(results, &[Outcome::Pass]),
            "warnedTests": [],
            "failedTests": tests(results, &[Outcome::Fail, Outcome::Broken]),
        },
    });
    text::json(&statement)
}

/// Who lets hosts in by this must not let one in that nothing was shown of: undecided is no pass.
fn result(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Certified => "PASSED",
        Verdict::NotCertified | Verdict::Undecided => "FAILED",
    }
}

/// Every file that the result rests on.
fn configuration(results: &Results) -> Vec<Value> {
    let verify = results.verify.sha256.iter();
    let verify = verify.map(|sha256| resource("verify", sha256));
    let policy = resource(
        &format!("policy {}", results.policy.name),
        &results.policy.sha256,
    );
    let specs = results
        .experiments
        .iter()
        .map(|one| resource(&one.spec.path, &one.spec.sha256));
    let snapshots = results
        .experiments
        .iter()
        .filter_map(|one| one.snapshot.as_ref());
    let snapshots = snapshots.map(|snapshot| resource(&snapshot.path, &snapshot.sha256));
    verify
        .chain([policy])
        .chain(specs)
        .chain(snapshots)
        .collect()
}

fn resource(name: &str, sha256: &str) -> Value {
    json!({"name": name, "digest": {"sha256": sha256}})
}

fn tests(results: &Results, outcomes: &[Outcome]) -> Vec<String> {
    let wanted = results
        .experiments
        .iter()
        .filter(|one| outcomes.contains(&one.outcome));
    wanted.map(|one| one.id.clone()).collect()
}
