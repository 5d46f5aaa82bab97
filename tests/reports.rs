//! Reports of results files: no root, no kernel feature, any host.

#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use verify::audit::Fleet;
use verify::outcome::Outcome;
use verify::report::Format;
use verify::results::{self, Experiment, Results};
use verify::source::Source;

fn fixture(name: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    root.join("fixtures/results").join(name)
}

fn source(name: &str) -> Arc<Source> {
    Source::new(name, std::fs::read_to_string(fixture(name)).unwrap())
}

fn read(name: &str) -> Results {
    results::parse(&source(name)).unwrap_or_else(|error| panic!("{error}"))
}

fn failed(results: &Results) -> Experiment {
    let mut failed = results
        .experiments
        .iter()
        .filter(|one| one.outcome == Outcome::Fail);
    failed.find(|one| one.waived().is_none()).unwrap().clone()
}

fn hostile(format: Format) -> String {
    format.render(&read("hostile.json")).unwrap()
}

/// Without the escape sequences that a report has put there itself.
fn without_colours(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

/// Each `fixtures/results/failing.FORMAT` is what a run that failed looks like. To make them anew:
/// `for f in fixtures/results/failing.*; do verify report fixtures/results/failing.json -r ${f##*.}=$f; done`
#[test]
fn a_failed_run_in_every_format() {
    let results = read("failing.json");
    for format in Format::ALL {
        let file = fixture(&format!("failing.{format}"));
        let Ok(expected) = std::fs::read_to_string(&file) else {
            continue;
        };
        let found = without_colours(&format.render(&results).unwrap());
        similar_asserts(&expected, &found, &file);
    }
}

fn similar_asserts(expected: &str, found: &str, file: &Path) {
    for (number, (expected, found)) in expected.lines().zip(found.lines()).enumerate() {
        assert_eq!(expected, found, "{}:{}", file.display(), number + 1);
    }
    assert_eq!(expected.len(), found.len(), "{}", file.display());
}

#[test]
fn results_are_the_same_after_they_were_written_and_read() {
    for name in ["certified.json", "failing.json", "hostile.json"] {
        let results = read(name);
        let text = Format::Json.render(&results).unwrap();
        assert_eq!(results::parse(&Source::new(name, text)).unwrap(), results);
    }
}

/// A line break may be in a report, and a tab; nothing else that controls.
#[test]
fn no_report_holds_a_character_that_controls() {
    for format in Format::ALL {
        let text = without_colours(&hostile(format));
        let control = text
            .chars()
            .find(|c| c.is_control() && *c != '\n' && *c != '\t');
        assert_eq!(control, None, "{format}");
        for unseen in ['\u{202e}', '\u{2066}', '\u{2028}', '\u{fffe}', '\u{ffff}'] {
            assert!(!text.contains(unseen), "{format} holds {unseen:?}");
        }
    }
}

/// GitHub's runner reads both output streams of a step, and takes a line for a command also when blanks stand before it.
#[test]
fn nothing_that_was_observed_is_a_workflow_command() {
    for format in [Format::Terminal, Format::Github, Format::Tap, Format::Json] {
        for line in without_colours(&hostile(format)).lines() {
            let line = line.trim_start();
            let own = format == Format::Github
                && (line.starts_with("::error ") || line.starts_with("::warning "));
            let command = line.starts_with("::") || line.starts_with("##[");
            assert!(own || !command, "{format}: {line}");
        }
    }
    let text = hostile(Format::Github);
    let errors = text.lines().filter(|line| line.starts_with("::error "));
    assert_eq!(errors.count(), 3, "one that failed and two that are broken");
}

#[test]
fn an_annotation_has_no_more_properties_than_its_own() {
    let text = hostile(Format::Github);
    let errors = text.lines().filter(|line| line.starts_with("::error "));
    for line in errors {
        let properties = line
            .strip_prefix("::error ")
            .unwrap()
            .split("::")
            .next()
            .unwrap();
        let names = properties
            .split(',')
            .map(|pair| pair.split('=').next().unwrap());
        assert_eq!(
            names.collect::<Vec<_>>(),
            ["file", "line", "title"],
            "{line}"
        );
    }
}

#[test]
fn github_shows_ten_errors_so_the_last_counts_the_rest() {
    let mut results = read("failing.json");
    results.experiments = vec![failed(&results); 12];
    results.notes.clear();
    let text = Format::Github.render(&results).unwrap();
    assert_eq!(text.lines().count(), 10);
    assert!(
        text.ends_with("::3 more experiments did not pass\n"),
        "{text}"
    );
    results.experiments.truncate(10);
    let text = Format::Github.render(&results).unwrap();
    assert_eq!(text.lines().count(), 10);
    assert!(!text.contains("more experiment"), "{text}");
}

#[test]
fn a_summary_stays_below_githubs_limit_and_keeps_its_table() {
    let mut results = read("failing.json");
    let mut failed = failed(&results);
    failed.reason.as_mut().unwrap().text = "x".repeat(400_000);
    results.experiments = vec![failed; 5];
    let text = Format::Summary.render(&results).unwrap();
    assert!(text.len() < 1 << 20, "{}", text.len());
    assert_eq!(text.matches("| ❌ fail |").count(), 5);
    assert!(text.ends_with("too long for a summary.\n"));
    assert!(Format::Markdown.render(&results).unwrap().len() > 1 << 20);
}

#[test]
fn junit_says_of_each_experiment_what_became_of_it() {
    let text = Format::Junit.render(&read("failing.json")).unwrap();
    let report = quick_junit::Report::deserialize_from_str(&text).unwrap();
    let found = (report.tests, report.failures, report.errors, report.skipped);
    assert_eq!(found, (7, 1, 2, 3), "the one that is waived is skipped");
    let hostile = quick_junit::Report::deserialize_from_str(&hostile(Format::Junit)).unwrap();
    assert_eq!(hostile.test_suites[0].test_cases.len(), 7);
}

#[test]
fn no_observed_line_is_a_test_point() {
    let text = hostile(Format::Tap);
    let points = text
        .lines()
        .filter(|line| line.starts_with("ok ") || line.starts_with("not ok "));
    assert_eq!(points.count(), 7);
    assert_eq!(
        text.lines().filter(|line| line.starts_with("1..")).count(),
        1
    );
    let points = text.lines().filter(|line| !line.starts_with(' '));
    let directives = points.filter(|line| line.contains(" # ")).count();
    assert_eq!(
        directives, 3,
        "two that were skipped and one that is waived"
    );
}

#[test]
fn no_observed_text_is_markup_in_markdown() {
    for format in [Format::Markdown, Format::Summary] {
        let text = hostile(format);
        let mut fence = None;
        for line in text.lines() {
            match fence {
                None if line.ends_with("`diff") => fence = Some(line.trim_end_matches("diff")),
                Some(end) if line == end => fence = None,
                None => assert!(
                    !line.contains("<script") && !line.contains("[a]("),
                    "{line}"
                ),
                Some(_) => {}
            }
        }
        assert_eq!(fence, None, "{format}: every block has an end");
    }
}

#[test]
fn metrics_have_no_timestamps_and_are_well_formed() {
    for name in ["certified.json", "failing.json", "hostile.json"] {
        let text = Format::Prometheus.render(&read(name)).unwrap();
        for line in text.lines().filter(|line| !line.starts_with('#')) {
            let (series, value) = line.rsplit_once(' ').unwrap();
            assert!(value.parse::<f64>().is_ok(), "{line}");
            assert!(
                series.ends_with('}') || !series.contains([' ', '{']),
                "{line}"
            );
        }
    }
}

#[test]
fn a_statement_vouches_for_nothing_that_was_not_shown() {
    let statement = |name: &str| -> serde_json::Value {
        serde_json::from_str(&Format::InToto.render(&read(name)).unwrap()).unwrap()
    };
    let certified = statement("certified.json");
    assert_eq!(certified["predicate"]["result"], "PASSED");
    let failing = statement("failing.json");
    assert_eq!(failing["predicate"]["result"], "FAILED");
    assert_eq!(
        failing["predicate"]["passedTests"],
        serde_json::json!(["cgroup-v1-cpu-shares"])
    );
    assert_eq!(
        failing["predicate"]["warnedTests"],
        serde_json::json!(["chroot"])
    );
    let all = failing.to_string();
    assert!(
        !all.contains("\"pid-namespace\""),
        "a skip is in none of the lists"
    );
    let mut certified = read("failing.json");
    certified.verdict = verify::verdict::Verdict::Certified;
    let text = Format::InToto.render(&certified).unwrap();
    assert!(text.contains("\"result\": \"WARNED\""), "{text}");
    let mut undecided = read("certified.json");
    undecided.verdict = verify::verdict::Verdict::Undecided;
    let text = Format::InToto.render(&undecided).unwrap();
    assert!(text.contains("\"result\": \"FAILED\""), "{text}");
}

#[test]
fn a_page_holds_no_script_and_leads_nowhere_else() {
    let page = hostile(Format::Html);
    for markup in [
        "<script", "<img", "<link", "<iframe", "url(", "@import", "src=\"",
    ] {
        assert!(!page.contains(markup), "{markup}");
    }
    for target in page.split(" href=\"").skip(1) {
        assert!(target.starts_with("#experiment-"), "{}", &target[..40]);
    }
    assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'"));
}

#[test]
fn a_page_has_the_verdict_first_and_every_experiment() {
    for name in ["certified.json", "failing.json"] {
        let results = read(name);
        let page = Format::Html.render(&results).unwrap();
        let at = |words: &str| page.find(words).unwrap_or_else(|| panic!("{words}"));
        assert!(at("<h1>") < at("What to do") && at("What to do") < at("id=\"experiment-"));
        for experiment in &results.experiments {
            at(&format!("id=\"experiment-{}\"", experiment.id));
        }
        at("inside the band from 47.0 to 53.0 %");
        at("Overlay: merge shows the layers container, image2, image1");
        at("A veth pair: host (1.2.3.4/24) in the host's side and guest (1.2.3.5/24) in guestnet");
    }
}

/// A page, a line for each tag, without its style.
fn lines(page: &str) -> String {
    let (before, style) = page.split_once("<style>").unwrap();
    let (_, after) = style.split_once("</style>").unwrap();
    [before, after].concat().replace('>', ">\n")
}

/// What a page looks like only a person can say: `cargo insta review`.
#[test]
fn pages_are_as_reviewed() {
    for name in ["certified", "failing"] {
        let page = Format::Html.render(&read(&format!("{name}.json"))).unwrap();
        insta::assert_snapshot!(name, lines(&page));
    }
}

#[test]
fn the_page_of_many_hosts_is_as_reviewed() {
    let mut fleet = Fleet::default();
    for name in ["certified.json", "failing.json"] {
        fleet.add(name.to_owned(), Some(&read(name)));
    }
    fleet.add("damaged.json".to_owned(), None);
    insta::assert_snapshot!("fleet", lines(&fleet.page()));
}
