//! What the rows have shown, for `ci/sabotage` to make one table of it and of what virtual machines have shown.

use std::fs::OpenOptions;
use std::io::Write;

use serde_json::{Value, json};
use verify::outcome::Outcome;
use verify::spec::{Catalog, Entry};

use super::table::Row;

/// Says which experiments there are, and their needs.
pub fn keep_specs() {
    let catalog = Catalog::built_in().unwrap();
    let line = |entry: Entry| {
        let needs: Vec<_> = entry.spec.needs.iter().map(ToString::to_string).collect();
        json!({"experiment": entry.spec.experiment, "needs": needs})
    };
    keep(catalog.entries.into_iter().map(line));
}

/// Says what a row that came out as expected has shown of these experiments.
pub fn keep_row(row: &Row, experiments: &[&String]) {
    keep(experiments.iter().map(|name| shown(row, name)));
}

/// Adds lines to the file that `VERIFY_SHOWN` names.
fn keep(lines: impl Iterator<Item = Value>) {
    let Some(path) = std::env::var_os("VERIFY_SHOWN") else {
        return;
    };
    let lines: String = lines.map(|line| format!("{line}\n")).collect();
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .unwrap();
    file.write_all(lines.as_bytes()).unwrap();
}

fn shown(row: &Row, experiment: &str) -> Value {
    let expected = row.expects(experiment);
    json!({
        "broken": row.broken,
        "experiment": experiment,
        "pattern": expected.map_or(experiment, |expected| expected.pattern),
        "outcome": expected.map_or(Outcome::Pass, |expected| expected.outcome),
        "need": expected.and_then(|expected| expected.need),
        "named": expected.map_or("", |expected| expected.words),
    })
}
