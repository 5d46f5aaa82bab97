//! Many hosts: of each results file a summary is kept, and no more.

use std::collections::BTreeMap;

use crate::results::{Counts, Results};
use crate::verdict::Verdict;

/// The hosts of a fleet.
#[derive(Debug, Default)]
pub struct Fleet {
    rows: Vec<Row>,
    trouble: BTreeMap<String, Counts>,
}

/// One results file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The file, which stands for the host: results name none.
    pub name: String,
    /// What it says; `None` when it cannot be read.
    pub seen: Option<Seen>,
}

/// The summary of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// The verdict.
    pub verdict: Verdict,
    /// The policy that it rests on.
    pub policy: String,
    /// The host in a few words.
    pub host: String,
    /// When the run ended, UTC: `2026-11-24 11:46`.
    pub finished: String,
    /// How many experiments had which outcome.
    pub counts: Counts,
    /// How many of them are waived.
    pub waived: usize,
    /// Why the host is not certified, a sentence each.
    pub reasons: Vec<String>,
}

impl Seen {
    fn of(results: &Results) -> Self {
        let host = &results.host;
        let waived = |waiver: &&crate::verdict::WaiverReport| waiver.holds();
        let waivers = results
            .experiments
            .iter()
            .filter_map(|one| one.waiver.as_ref());
        Self {
            verdict: results.verdict,
            policy: results.policy.name.clone(),
            host: format!(
                "Linux {} {}, {}, cgroups {}",
                host.kernel,
                host.machine,
                host.privilege,
                host.cgroups.layout()
            ),
            finished: results.finished.format("%Y-%m-%d %H:%M").to_string(),
            counts: results.counts,
            waived: waivers.filter(waived).count(),
            reasons: results.reasons.iter().take(REASONS).cloned().collect(),
        }
    }
}

/// The reasons kept of each host: the weightiest ones, which come first.
const REASONS: usize = 5;

impl Fleet {
    /// Whether there is no host in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Adds a results file; `None` when it cannot be read.
    pub fn add(&mut self, name: String, results: Option<&Results>) {
        for experiment in results.iter().flat_map(|results| &results.experiments) {
            if experiment.verdict != Verdict::Certified {
                let counts = self.trouble.entry(experiment.id.clone()).or_default();
                counts.add(experiment.outcome);
            }
        }
        let seen = results.map(Seen::of);
        self.rows.push(Row { name, seen });
    }

    /// The hosts, sorted by what is wrong: what cannot be read, then the heavier verdict, then more that failed.
    #[must_use]
    pub fn rows(&self) -> Vec<&Row> {
        let mut rows: Vec<_> = self.rows.iter().collect();
        rows.sort_by(|a, b| weight(b).cmp(&weight(a)).then_with(|| a.name.cmp(&b.name)));
        rows
    }

    /// The experiments that count against a host anywhere, each with the number of hosts by outcome, the one that fails
    /// most often first.
    #[must_use]
    pub fn trouble(&self) -> Vec<(&str, Counts)> {
        let mut trouble: Vec<_> = self
            .trouble
            .iter()
            .map(|(id, counts)| (id.as_str(), *counts))
            .collect();
        trouble.sort_by_key(|(_, counts)| {
            std::cmp::Reverse((counts.fail, counts.broken, counts.skip))
        });
        trouble
    }

    /// How many hosts have this verdict; `None` is for files that cannot be read.
    #[must_use]
    pub fn count(&self, verdict: Option<Verdict>) -> usize {
        let verdicts = self
            .rows
            .iter()
            .map(|row| row.seen.as_ref().map(|seen| seen.verdict));
        verdicts.filter(|found| *found == verdict).count()
    }

    /// The heaviest verdict; `None` when a file cannot be read, or there is none.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        let verdicts = self
            .rows
            .iter()
            .map(|row| row.seen.as_ref().map(|seen| seen.verdict));
        verdicts.collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

fn weight(row: &Row) -> (bool, Option<Verdict>, [usize; 3]) {
    let seen = row.seen.as_ref();
    let counts = seen.map(|seen| [seen.counts.fail, seen.counts.broken, seen.counts.skip]);
    (
        seen.is_none(),
        seen.map(|seen| seen.verdict),
        counts.unwrap_or_default(),
    )
}

/// The numbers that are not 0, each with its word: `12 passed, 1 failed`.
#[must_use]
pub fn in_words(counts: &Counts) -> String {
    let numbers = [
        (counts.fail, "failed"),
        (counts.broken, "broken"),
        (counts.skip, "skipped"),
        (counts.pass, "passed"),
    ];
    let shown = numbers.iter().filter(|(number, _)| *number > 0);
    let words: Vec<_> = shown
        .map(|(number, word)| format!("{number} {word}"))
        .collect();
    words.join(", ")
}
