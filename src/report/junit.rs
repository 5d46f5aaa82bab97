//! JUnit XML, as Jenkins, GitLab and others read it. There is no official schema: this is the Surefire one.
//!
//! What is said stands in the text of an element, where GitLab looks; a class name is there for Jenkins.

use std::io;

use quick_junit::{NonSuccessKind, Property, Report, TestCase, TestCaseStatus, TestSuite};

use super::text::{one_line, printable, why};
use crate::outcome::Outcome;
use crate::results::{Experiment, Results};

/// The report.
///
/// # Errors
/// It cannot be written as XML.
pub fn render(results: &Results) -> io::Result<String> {
    let class = format!("verify.{}", one_line(&results.policy.name));
    let mut suite = TestSuite::new(&class);
    suite.set_timestamp(results.started);
    suite.set_time(results.duration());
    suite.add_properties(properties(results));
    suite.add_test_cases(results.experiments.iter().map(|one| test_case(one, &class)));
    let mut report = Report::new("verify");
    report.set_timestamp(results.started);
    report.set_time(results.duration());
    report.add_test_suite(suite);
    report.to_string().map_err(io::Error::other)
}

fn properties(results: &Results) -> impl Iterator<Item = Property> {
    let host = &results.host;
    [
        ("verdict", results.verdict.to_string()),
        ("verify", results.verify.version.clone()),
        ("kernel", host.kernel.clone()),
        ("machine", host.machine.clone()),
        ("privilege", host.privilege.to_string()),
        ("cpus", host.cpus.to_string()),
        ("cgroups", host.cgroups.layout().to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| Property::new(name, one_line(&value)))
}

fn test_case(experiment: &Experiment, class: &str) -> TestCase {
    let mut case = TestCase::new(one_line(&experiment.id), status(experiment));
    case.set_classname(class);
    case.set_time(experiment.duration());
    if !experiment.transcript.is_empty() {
        case.set_system_out(printable(&experiment.transcript));
    }
    case
}

fn status(experiment: &Experiment) -> TestCaseStatus {
    let mut status = match experiment.outcome {
        _ if experiment.waived().is_some() => TestCaseStatus::skipped(),
        Outcome::Pass => return TestCaseStatus::success(),
        Outcome::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Outcome::Broken => TestCaseStatus::non_success(NonSuccessKind::Error),
        Outcome::Skip => TestCaseStatus::skipped(),
    };
    if let Some(reason) = &experiment.reason {
        status.set_type(one_line(&reason.code));
        status.set_message(one_line(&reason.text));
    }
    status.set_description(why(experiment));
    status
}
