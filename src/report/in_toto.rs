//! An in-toto statement (v1) with a test-result predicate (v0.1): what was tested, with which files, and what passed.
//!
//! It is not signed here: `ssh-keygen -Y sign` or `cosign` does that. A skip has no place in the predicate and is left out.

use std::io;

use serde_json::{Value, json};

use super::text;
use crate::digest::sha256;
use crate::outcome::Outcome;
use crate::results::{Experiment, Results};
use crate::verdict::Verdict;

/// The report.
///
/// # Errors
/// It cannot be written as JSON.
pub fn render(results: &Results) -> io::Result<String> {
    let host = sha256(text::json(&results.host)?.as_bytes());
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [resource("host.json", &host)],
        "predicateType": "https://in-toto.io/attestation/test-result/v0.1",
        "predicate": {
            "result": result(results),
            "configuration": configuration(results),
            "passedTests": tests(results, |one| one.outcome == Outcome::Pass),
            "warnedTests": tests(results, is_warned),
            "failedTests": tests(results, |one| is_bad(one) && !is_warned(one)),
        },
    });
    text::json(&statement)
}

/// Who lets hosts in by this must not let one in that nothing was shown of: undecided is no pass.
fn result(results: &Results) -> &'static str {
    match results.verdict {
        Verdict::Certified if results.experiments.iter().any(is_warned) => "WARNED",
        Verdict::Certified => "PASSED",
        Verdict::NotCertified | Verdict::Undecided => "FAILED",
    }
}

/// Every file that the result rests on.
fn configuration(results: &Results) -> Vec<Value> {
    let verify = results.verify.sha256.iter();
    let verify = verify.map(|sha256| resource("verify", sha256));
    let policy = results.policy.files.iter();
    let policy = policy.map(|file| resource(&file.path, &file.sha256));
    let specs = results
        .experiments
        .iter()
        .map(|one| resource(&one.spec.path, &one.spec.sha256));
    let snapshots = results
        .experiments
        .iter()
        .filter_map(|one| one.snapshot.as_ref());
    let snapshots = snapshots.map(|snapshot| resource(&snapshot.path, &snapshot.sha256));
    verify.chain(policy).chain(specs).chain(snapshots).collect()
}

fn resource(name: &str, sha256: &str) -> Value {
    json!({"name": name, "digest": {"sha256": sha256}})
}

fn is_bad(experiment: &Experiment) -> bool {
    matches!(experiment.outcome, Outcome::Fail | Outcome::Broken)
}

/// It failed, and somebody answers for that.
fn is_warned(experiment: &Experiment) -> bool {
    is_bad(experiment) && experiment.waived().is_some()
}

fn tests(results: &Results, wanted: impl Fn(&Experiment) -> bool) -> Vec<String> {
    let wanted = results.experiments.iter().filter(|one| wanted(one));
    wanted.map(|one| one.id.clone()).collect()
}
