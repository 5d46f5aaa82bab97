//! Metrics for node_exporter's textfile collector: text format 0.0.4, gauges only, and no timestamps, for which the
//! collector would skip the whole file. Name the file `*.prom`.

use std::fmt::{Display, Write as _};

use super::text::printable;
use crate::results::Results;
use crate::verdict::{Verdict, WaiverReport};

/// The report.
#[must_use]
pub fn render(results: &Results) -> String {
    let mut text = String::new();
    let policy = label("policy", &results.policy.name);
    let certified = u8::from(results.verdict == Verdict::Certified);
    let experiments = || {
        results
            .experiments
            .iter()
            .map(|one| (label("experiment", &one.id), one))
    };
    gauge(
        &mut text,
        "verify_certified",
        "Whether this host was certified under the policy.",
        [(policy, certified)],
    );
    gauge(
        &mut text,
        "verify_experiment_outcome",
        "What became of an experiment: pass, fail, skip or broken.",
        experiments().map(|(id, one)| (format!("{id},outcome=\"{}\"", one.outcome.name()), 1)),
    );
    gauge(
        &mut text,
        "verify_experiment_duration_seconds",
        "How long an experiment took.",
        experiments().map(|(id, one)| (id, one.duration().as_secs_f64())),
    );
    gauge(
        &mut text,
        "verify_waiver_expiry_timestamp_seconds",
        "When the last day of a waiver is over, in seconds since the epoch.",
        experiments().filter_map(|(id, one)| Some((id, expiry(one.waiver.as_ref()?)?))),
    );
    gauge(
        &mut text,
        "verify_run_completed_timestamp_seconds",
        "When the run ended, in seconds since the epoch.",
        [(String::new(), results.finished.timestamp())],
    );
    gauge(
        &mut text,
        "verify_build_info",
        "The verify that made this.",
        [(label("version", &results.verify.version), 1)],
    );
    text
}

/// A waiver holds to the end of its last day in UTC.
fn expiry(waiver: &WaiverReport) -> Option<i64> {
    let end = waiver.last_day.succ_opt()?.and_hms_opt(0, 0, 0)?;
    Some(end.and_utc().timestamp())
}

/// A metric with its samples, each with its labels.
fn gauge<V: Display>(
    text: &mut String,
    name: &str,
    help: &str,
    samples: impl IntoIterator<Item = (String, V)>,
) {
    let _ = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
    for (labels, value) in samples {
        let labels = match labels.is_empty() {
            true => labels,
            false => format!("{{{labels}}}"),
        };
        let _ = writeln!(text, "{name}{labels} {value}");
    }
}

fn label(name: &str, value: &str) -> String {
    let value = printable(value)
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n");
    format!("{name}=\"{value}\"")
}
