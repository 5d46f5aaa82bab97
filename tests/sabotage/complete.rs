//! Whether the table is complete: what no row turns to *fail*, and which need no row leaves unmet.
//!
//! Only what is performed here counts. What this host cannot do at all is named: there is nothing to break, and
//! `ci/sabotage` does it in a virtual machine.

use std::collections::BTreeMap;

use libtest_mimic::{Failed, Trial};
use verify::outcome::Outcome;
use verify::spec::{Catalog, Spec};

use super::table::{Caller, Expected, rows};
use super::{baseline, judges};

/// The tests of this.
pub fn trials() -> [Trial; 3] {
    [
        Trial::test("every_experiment_can_fail", every_experiment_can_fail),
        Trial::test("every_need_can_be_unmet", every_need_can_be_unmet),
        Trial::test(
            "every_pattern_fits_an_experiment",
            every_pattern_fits_an_experiment,
        ),
    ]
}

fn specs() -> Vec<Spec> {
    let catalog = Catalog::built_in().unwrap();
    catalog
        .entries
        .into_iter()
        .map(|entry| entry.spec)
        .collect()
}

/// Whether some row shows here that an experiment comes out so.
fn is_shown(experiment: &str, so: impl Fn(&Expected) -> bool) -> bool {
    rows()
        .iter()
        .any(|row| judges(row, experiment) && row.expects(experiment).is_some_and(&so))
}

fn passes_here(experiment: &str) -> bool {
    let callers = [Caller::Root, Caller::User].into_iter();
    callers
        .map(baseline)
        .any(|outcomes| outcomes.get(experiment) == Some(&Outcome::Pass))
}

fn every_experiment_can_fail() -> Result<(), Failed> {
    let names = specs().into_iter().map(|spec| spec.experiment);
    let (here, elsewhere): (Vec<_>, Vec<_>) = names.partition(|name| passes_here(name));
    name_elsewhere("fail", &elsewhere);
    let fails = |name: &String| is_shown(name, |expected| expected.outcome == Outcome::Fail);
    let without: Vec<_> = here.into_iter().filter(|name| !fails(name)).collect();
    nothing_is_in(
        &without,
        "no row of tests/sabotage/table.rs makes these fail",
    )
}

fn every_need_can_be_unmet() -> Result<(), Failed> {
    let mut experiments: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for spec in specs() {
        for need in &spec.needs {
            let with = experiments.entry(need.to_string()).or_default();
            with.push(spec.experiment.clone());
        }
    }
    let is_here = |need: &String| experiments[need].iter().any(|name| passes_here(name));
    let needs = experiments.keys().cloned();
    let (here, elsewhere): (Vec<_>, Vec<_>) = needs.partition(is_here);
    name_elsewhere("be unmet", &elsewhere);
    let is_unmet = |need: &String| {
        let mut with = experiments[need].iter();
        with.any(|name| is_shown(name, |expected| expected.need == Some(need)))
    };
    let without: Vec<_> = here.into_iter().filter(|need| !is_unmet(need)).collect();
    nothing_is_in(
        &without,
        "no row of tests/sabotage/table.rs leaves these needs unmet",
    )
}

fn every_pattern_fits_an_experiment() -> Result<(), Failed> {
    let (specs, rows) = (specs(), rows());
    let patterns = rows.iter().flat_map(|row| &row.expected);
    let idle =
        patterns.filter(|expected| !specs.iter().any(|spec| expected.fits(&spec.experiment)));
    let idle: Vec<_> = idle.map(|expected| expected.pattern.to_owned()).collect();
    nothing_is_in(
        &idle,
        "these patterns of tests/sabotage/table.rs fit no experiment",
    )
}

/// What cannot be had here cannot be broken here.
fn name_elsewhere(how: &str, names: &[String]) {
    if !names.is_empty() {
        let names = names.join(", ");
        eprintln!("made to {how} by ci/sabotage in a virtual machine only: {names}");
    }
}

fn nothing_is_in(list: &[String], what: &str) -> Result<(), Failed> {
    match list.is_empty() {
        true => Ok(()),
        false => Err(format!("{what}: {}", list.join(", ")).into()),
    }
}
