//! Known differences that somebody answers for, until a day.

use std::sync::Arc;

use chrono::NaiveDate;

use super::Placed;
use crate::source::{Source, SourceError};
use crate::yaml::{Fields, Node};

const KEYS: [&str; 5] = ["experiment", "owner", "reason", "last-day", "difference"];

/// That an experiment may be other than *pass* for a while. It is performed all the same.
#[derive(Debug, Clone)]
pub struct Waiver {
    /// The experiment.
    pub experiment: Placed<String>,
    /// Who answers for it.
    pub owner: String,
    /// Why.
    pub reason: String,
    /// The last day on which it holds, in UTC.
    pub last_day: NaiveDate,
    /// The one difference that it is for, when it is not for any: the changed lines in order, each behind its `-`
    /// (reviewed, not observed) or `+` (observed, not reviewed); for what has no such lines, the reason.
    pub difference: Option<Vec<String>>,
}

/// Reads the value of `waivers`.
///
/// # Errors
/// The first thing in it that is wrong, with its place.
pub fn read(source: &Arc<Source>, node: &Node) -> Result<Vec<Waiver>, SourceError> {
    let items = node.items(source, "`waivers`")?;
    items.iter().map(|item| waiver(source, item)).collect()
}

fn waiver(source: &Arc<Source>, node: &Node) -> Result<Waiver, SourceError> {
    let fields = node.fields(source, "a waiver")?;
    fields.only(source, &KEYS)?;
    let experiment = required(source, node, &fields, "experiment")?;
    let name = experiment.text(source, "an experiment's name")?.to_owned();
    let owner = required(source, node, &fields, "owner")?;
    let reason = required(source, node, &fields, "reason")?;
    let last_day = fields.get("last-day").ok_or_else(|| {
        node.error(source, "a waiver without an end: `last-day` is missing")
            .help("write the last day on which it holds, for example `last-day: 2027-03-31`")
    })?;
    Ok(Waiver {
        experiment: Placed::new(name, source, experiment),
        owner: owner.text(source, "an owner")?.to_owned(),
        reason: reason.text(source, "a reason")?.to_owned(),
        last_day: date(source, last_day)?,
        difference: fields
            .get("difference")
            .map(|node| difference(source, node))
            .transpose()?,
    })
}

fn required<'n>(
    source: &Arc<Source>,
    waiver: &Node,
    fields: &Fields<'n>,
    name: &str,
) -> Result<&'n Node, SourceError> {
    fields.get(name).ok_or_else(|| {
        waiver
            .error(source, format!("`{name}` is missing"))
            .help("a waiver has `experiment`, `owner`, `reason` and `last-day`")
    })
}

/// A day as ISO 8601 writes it, and in no other of the ways that chrono reads.
fn date(source: &Arc<Source>, node: &Node) -> Result<NaiveDate, SourceError> {
    let text = node.text(source, "a day")?;
    let date = text.parse::<NaiveDate>().ok();
    date.filter(|date| date.to_string() == text).ok_or_else(|| {
        node.error(source, format!("there is no day `{text}`"))
            .label("expected YEAR-MONTH-DAY, for example 2027-03-31")
    })
}

fn difference(source: &Arc<Source>, node: &Node) -> Result<Vec<String>, SourceError> {
    let text = node.as_scalar().unwrap_or_default();
    let lines: Vec<_> = text
        .lines()
        .map(unindented)
        .filter(|line| !line.is_empty())
        .collect();
    match lines.is_empty() {
        false => Ok(lines),
        true => Err(node.error(source, "a difference is text").help(
            "copy the changed lines of the report with their `-` and `+`, below `difference: |`",
        )),
    }
}

/// The report has a blank behind the sign, and how deep a line stands says nothing here.
fn unindented(line: &str) -> String {
    let line = line.trim();
    match line.strip_prefix(['-', '+']) {
        Some(text) => format!("{}{}", &line[..1], text.trim()),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml;

    fn waivers(text: &str) -> Result<Vec<Waiver>, SourceError> {
        let source = Source::new("w.yaml", text);
        read(&source, &yaml::parse(&source)?)
    }

    #[test]
    fn a_waiver_has_an_owner_a_reason_and_a_last_day() {
        let text = "- experiment: chroot\n  owner: ops\n  reason: r\n  last-day: 2028-02-29\n  difference: |\n    - a\n    +   b\n";
        let waiver = waivers(text).unwrap().remove(0);
        assert_eq!(waiver.experiment.value, "chroot");
        assert_eq!(
            waiver.last_day,
            NaiveDate::from_ymd_opt(2028, 2, 29).unwrap()
        );
        assert_eq!(waiver.difference.unwrap(), ["-a", "+b"]);
    }

    #[test]
    fn a_day_that_there_is_not_is_an_error_with_its_place() {
        for day in [
            "2027-02-29",
            "2026-13-01",
            "2026-6-1",
            "20260601",
            "soon",
            "2026-06-01T10:00",
        ] {
            let text = format!("- experiment: a\n  owner: o\n  reason: r\n  last-day: {day}\n");
            let error = waivers(&text).unwrap_err();
            assert_eq!(error.place(), "w.yaml:4:13", "{day}");
            assert!(error.message().contains(day), "{error}");
        }
    }

    #[test]
    fn a_waiver_without_an_end_is_an_error() {
        let error = waivers("- experiment: a\n  owner: o\n  reason: r\n").unwrap_err();
        assert!(error.message().contains("without an end"), "{error}");
    }
}
