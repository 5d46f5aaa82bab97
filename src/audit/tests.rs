use super::*;
use crate::compare::Change as LineChange;
use crate::outcome::Outcome;
use crate::results::{Results, parse};
use crate::source::Source;
use crate::verdict::Verdict;

fn read(text: &str) -> Results {
    parse(&Source::new("results.json", text)).unwrap()
}

fn certified() -> Results {
    read(include_str!("../../fixtures/results/certified.json"))
}

fn failing() -> Results {
    read(include_str!("../../fixtures/results/failing.json"))
}

#[test]
fn a_run_and_itself_are_the_same() {
    let changes = changes(&certified(), &certified());
    assert!(changes.is_empty(), "{changes:?}");
    assert_eq!(changes.render(), "nothing has changed\n");
}

#[test]
fn what_a_run_takes_and_when_it_was_is_no_change() {
    let mut later = certified();
    later.started += std::time::Duration::from_secs(86_400);
    later.duration_us *= 2;
    later.experiments[0].duration_us *= 2;
    assert!(changes(&certified(), &later).is_empty());
}

#[test]
fn facts_are_named_by_their_path() {
    let mut later = certified();
    later.host.kernel = "6.99.0".to_owned();
    later.host.cgroups.v1.remove("cpu");
    later.policy.files[0].sha256 = "0".repeat(64);
    let changes = changes(&certified(), &later);
    let names: Vec<_> = changes
        .facts
        .iter()
        .map(|fact| fact.what.as_str())
        .collect();
    assert_eq!(
        names,
        ["host.cgroups.v1.cpu", "host.kernel", "policy file tutorial"]
    );
    assert!(
        changes.render().contains(" -> none\n"),
        "{}",
        changes.render()
    );
}

#[test]
fn a_blank_line_parts_facts_from_experiments() {
    let (mut kernel, mut spec) = (certified(), certified());
    kernel.host.kernel = "6.99.0".to_owned();
    spec.experiments[0].spec.sha256 = "0".repeat(64);
    let mut both = spec.clone();
    both.host.kernel.clone_from(&kernel.host.kernel);
    let shown = |now: &Results| {
        let text = changes(&certified(), now).render();
        anstream::adapter::strip_str(&text).to_string()
    };
    let fact = format!("host.kernel: {} -> 6.99.0\n", certified().host.kernel);
    let (id, outcome) = (&spec.experiments[0].id, spec.experiments[0].outcome.name());
    let experiment = format!("other  {id:24} {outcome}\n       its spec has changed\n");
    assert_eq!(shown(&kernel), fact);
    assert_eq!(shown(&spec), experiment);
    assert_eq!(shown(&both), format!("{fact}\n{experiment}"));
}

#[test]
fn what_was_not_performed_has_no_session_to_compare() {
    let mut skipped = certified();
    let last = skipped.experiments.last_mut().unwrap();
    last.outcome = Outcome::Skip;
    last.transcript.clear();
    for (old, new) in [(certified(), skipped.clone()), (skipped, certified())] {
        let changes = changes(&old, &new);
        assert_eq!(changes.experiments.len(), 1);
        assert_eq!(changes.experiments[0].session, None);
    }
}

#[test]
fn what_became_worse_comes_first_with_its_session() {
    let mut now = certified();
    let last = now.experiments.len() - 1;
    now.experiments[0].spec.sha256 = "0".repeat(64);
    now.experiments[last].outcome = Outcome::Fail;
    now.experiments[last].transcript.push_str("and more\n");
    let changes = changes(&certified(), &now);
    let found: Vec<_> = changes
        .experiments
        .iter()
        .map(|change| (change.id.clone(), change.direction))
        .collect();
    let expected = [
        (now.experiments[last].id.clone(), Direction::Worse),
        (now.experiments[0].id.clone(), Direction::Different),
    ];
    assert_eq!(found, expected);
    let session = changes.experiments[0].session.as_ref().unwrap();
    let mut lines = session.hunks.iter().flat_map(|hunk| &hunk.lines);
    assert!(lines.any(|line| line.change == LineChange::Inserted && line.text == "and more"));
    assert_eq!(changes.experiments[1].details, ["its spec has changed"]);
}

#[test]
fn a_value_has_moved_when_the_intervals_lie_apart() {
    let moved = |by: f64| {
        let mut now = certified();
        let measured = now
            .experiments
            .iter_mut()
            .flat_map(|one| &mut one.measurements)
            .next()
            .unwrap();
        measured.value += by * measured.half_width;
        changes(&certified(), &now).experiments.len()
    };
    assert_eq!((moved(1.9), moved(2.1), moved(-2.1)), (0, 1, 1));
}

#[test]
fn a_value_that_is_known_exactly_and_the_same_has_not_moved() {
    let mut exact = certified();
    for one in &mut exact.experiments {
        one.measurements
            .iter_mut()
            .for_each(|one| one.half_width = 0.0);
    }
    assert!(changes(&exact, &exact).is_empty());
}

#[test]
fn experiments_of_one_run_alone_are_new_or_gone() {
    let text = changes(&certified(), &failing()).render();
    let text = anstream::adapter::strip_str(&text).to_string();
    assert!(
        text.contains("verdict: certified -> not certified"),
        "{text}"
    );
    assert!(text.contains("worse  overlayfs"), "{text}");
    assert!(text.contains("gone   cgroup-v1-memory"), "{text}");
    let back = changes(&failing(), &certified()).render();
    let back = anstream::adapter::strip_str(&back).to_string();
    assert!(
        back.contains("better overlayfs                fail -> pass"),
        "{back}"
    );
    assert!(back.contains("new    cgroup-v1-memory"), "{back}");
}

fn fleet() -> Fleet {
    let mut fleet = Fleet::default();
    fleet.add("b".to_owned(), Some(&certified()));
    fleet.add("a".to_owned(), Some(&certified()));
    fleet.add("c".to_owned(), Some(&failing()));
    fleet.add("d".to_owned(), None);
    fleet
}

#[test]
fn hosts_are_sorted_by_what_is_wrong() {
    let fleet = fleet();
    let names: Vec<_> = fleet.rows().iter().map(|row| row.name.as_str()).collect();
    assert_eq!(names, ["d", "c", "a", "b"]);
    assert_eq!(
        fleet.totals(),
        "1 cannot be read, 1 not certified, 2 certified"
    );
    assert_eq!(fleet.count(Some(Verdict::Certified)), 2);
    assert_eq!(fleet.verdict(), None, "one cannot be read");
    let (worst, counts) = fleet.trouble()[0];
    assert_eq!((worst, counts.fail), ("overlayfs", 1));
}

#[test]
fn a_table_of_many_says_how_many_and_what_counts_against_them() {
    let table = anstream::adapter::strip_str(&fleet().render()).to_string();
    let (rows, rest) = table.split_once("\n\n").unwrap();
    let row = "\nnot certified  c  2 failed, 2 broken, 2 skipped, 1 passed  example, Linux ";
    assert!(rows.contains(row), "{rows}");
    assert_eq!(
        rest,
        "overlayfs counts against hosts: 1 failed\n\
         net-namespace counts against hosts: 1 broken\n\
         uts-namespace counts against hosts: 1 broken\n\
         \n\
         1 cannot be read, 1 not certified, 2 certified\n"
    );
}

#[test]
fn the_heaviest_verdict_is_that_of_the_fleet() {
    let mut fleet = Fleet::default();
    assert_eq!(fleet.verdict(), None);
    fleet.add("a".to_owned(), Some(&certified()));
    assert_eq!(fleet.verdict(), Some(Verdict::Certified));
    fleet.add("b".to_owned(), Some(&failing()));
    assert_eq!(fleet.verdict(), Some(Verdict::NotCertified));
}

#[test]
fn observed_text_stays_text_in_a_table_of_many() {
    let mut fleet = Fleet::default();
    let hostile = read(include_str!("../../fixtures/results/hostile.json"));
    fleet.add("\u{1b}[2Jx".to_owned(), Some(&hostile));
    let table = anstream::adapter::strip_str(&fleet.render()).to_string();
    assert!(
        !table.contains('\u{1b}') && table.contains("\\u{1b}[2Jx"),
        "{table}"
    );
}
