use chrono::NaiveDate;

use super::*;
use crate::outcome::{Judgement, Reason};
use crate::policy;
use crate::source::Source;
use Outcome::{Broken, Fail, Pass, Skip};
use Verdict::{Certified, NotCertified, Undecided};

const POLICY: &str = "policy: p\nrequire: [a, b]\nrecommend: [nice]\nany-of: [[v1, v2]]\n";

fn today() -> NaiveDate {
    NaiveDate::from_ymd_opt(2026, 6, 15).unwrap()
}

fn policy(more: &str) -> Policy {
    policy::read(&Source::new("p.yaml", format!("{POLICY}{more}"))).unwrap()
}

fn judgement(outcome: Outcome, code: &'static str, text: &str) -> Judgement {
    let text = text.to_owned();
    let reason = (outcome != Pass).then_some(Reason {
        code,
        text,
        line: None,
    });
    Judgement {
        outcome,
        reason,
        diff: None,
    }
}

fn counted(policy: &Policy, outcomes: &[(&str, Judgement)]) -> Vec<Counted> {
    let unmet = |judgement: &Judgement| (judgement.outcome == Skip).then_some("namespace user");
    let count = |(name, judgement): &(&str, Judgement)| {
        count(policy, name, judgement, unmet(judgement), today())
    };
    outcomes.iter().map(count).collect()
}

fn decided(policy: &Policy, scope: Scope, outcomes: &[(&str, Judgement)]) -> Decision {
    decide(policy, &counted(policy, outcomes), scope)
}

/// The verdict on a selection, where every skip is for want of `namespace user`.
fn verdict(policy: &Policy, outcomes: &[(&str, Outcome)]) -> Verdict {
    let outcomes = outcomes
        .iter()
        .map(|(name, outcome)| (*name, judgement(*outcome, "other", "")));
    decided(policy, Scope::Selection, &outcomes.collect::<Vec<_>>()).verdict
}

#[test]
fn each_outcome_leads_to_its_verdict() {
    for (outcomes, expected) in [
        (&[("a", Pass), ("b", Pass)][..], Certified),
        (&[("a", Pass), ("b", Fail)], NotCertified),
        (&[("a", Broken), ("b", Fail)], NotCertified),
        (&[("a", Pass), ("b", Broken)], Undecided),
        (&[("a", Pass), ("b", Skip)], Undecided),
        (&[("a", Pass), ("nice", Skip)], Certified),
        (&[("a", Pass), ("nice", Fail)], NotCertified),
        (&[("a", Pass), ("nice", Broken)], Undecided),
        (&[("a", Pass), ("unknown", Skip)], Undecided),
        (&[("a", Pass), ("unknown", Fail)], NotCertified),
        (&[("nice", Skip)], Undecided),
        (&[], Undecided),
    ] {
        assert_eq!(verdict(&policy(""), outcomes), expected, "{outcomes:?}");
    }
}

#[test]
fn one_of_a_group_makes_up_for_what_is_skipped_and_for_nothing_else() {
    for (v1, v2, expected) in [
        (Pass, Pass, Certified),
        (Skip, Pass, Certified),
        (Fail, Pass, NotCertified),
        (Broken, Pass, Undecided),
        (Skip, Skip, Undecided),
        (Skip, Fail, NotCertified),
    ] {
        let outcomes = [("a", Pass), ("v1", v1), ("v2", v2)];
        assert_eq!(verdict(&policy(""), &outcomes), expected, "{v1:?} {v2:?}");
    }
    assert_eq!(
        verdict(&policy(""), &[("a", Pass), ("v1", Skip)]),
        Undecided
    );
}

#[test]
fn a_policy_says_what_an_occasion_means() {
    for code in ["new-snapshot", "flaky", "inconclusive"] {
        let outcomes = [
            ("a", judgement(Pass, "", "")),
            ("b", judgement(Broken, code, "")),
        ];
        let strict = policy(&format!("means: {{{code}: not-certified}}\n"));
        assert_eq!(
            decided(&policy(""), Scope::Selection, &outcomes).verdict,
            Undecided
        );
        assert_eq!(
            decided(&strict, Scope::Selection, &outcomes).verdict,
            NotCertified
        );
    }
    let strict = policy("means: {unmet-need: not-certified}\n");
    assert_eq!(verdict(&strict, &[("a", Pass), ("b", Skip)]), NotCertified);
    assert_eq!(
        verdict(&strict, &[("a", Pass), ("v1", Skip), ("v2", Skip)]),
        NotCertified
    );
    assert_eq!(verdict(&strict, &[("a", Pass), ("nice", Skip)]), Certified);
    let broken = [("a", Pass), ("v1", Skip), ("v2", Broken)];
    assert_eq!(verdict(&strict, &broken), Undecided, "v2's need is met");
}

#[test]
fn with_a_list_of_skips_every_other_skip_is_red() {
    let listed = policy("may-skip: {a: namespace user, v1: namespace user, b: namespace pid}\n");
    for (outcomes, expected) in [
        (&[("b", Pass), ("a", Skip)][..], Certified),
        (&[("a", Pass), ("b", Skip)], NotCertified),
        (&[("a", Pass), ("nice", Skip)], NotCertified),
        (&[("v2", Pass), ("v1", Skip)], Certified),
        (&[("v1", Pass), ("v2", Skip)], NotCertified),
    ] {
        assert_eq!(verdict(&listed, outcomes), expected, "{outcomes:?}");
    }
    assert_eq!(
        verdict(&policy("may-skip: {}\n"), &[("a", Pass), ("nice", Skip)]),
        NotCertified
    );
}

#[test]
fn a_listed_skip_that_was_met_is_reported() {
    let listed = policy("may-skip: {a: namespace user}\n");
    let outcomes = [("a", judgement(Pass, "", ""))];
    let decision = decided(&listed, Scope::Selection, &outcomes);
    assert_eq!(decision.verdict, Certified);
    assert_eq!(
        decision.notes,
        ["p lets these be skipped, and they were performed: a"]
    );
}

#[test]
fn a_whole_policy_wants_all_that_it_requires() {
    let most = [
        ("a", judgement(Pass, "", "")),
        ("v2", judgement(Pass, "", "")),
    ];
    let decision = decided(&policy(""), Scope::Policy, &most);
    assert_eq!(decision.verdict, Undecided);
    assert!(
        decision.reasons[0].ends_with("were not performed, b first"),
        "{:?}",
        decision.reasons
    );
    assert_eq!(decision.not_performed, ["b", "nice", "v1"]);
    assert_eq!(
        decided(&policy(""), Scope::Selection, &most).verdict,
        Certified
    );
    let all = ["a", "b", "v2"].map(|name| (name, judgement(Pass, "", "")));
    assert_eq!(decided(&policy(""), Scope::Policy, &all).verdict, Certified);
    let no_group = ["a", "b"].map(|name| (name, judgement(Pass, "", "")));
    assert_eq!(
        decided(&policy(""), Scope::Policy, &no_group).verdict,
        Undecided
    );
}

#[test]
fn the_weightiest_reason_comes_first() {
    let outcomes = [
        ("a", judgement(Skip, "unmet-need", "needs x")),
        ("b", judgement(Fail, "differs", "it differs")),
    ];
    let decision = decided(&policy(""), Scope::Selection, &outcomes);
    assert_eq!(
        decision.reasons,
        [
            "b failed: it differs",
            "a was skipped: needs x",
            "no experiment passed"
        ]
    );
}

/// The verdict, the waiver and what is said of it, when `b` is waived by `ops`.
fn waived(last_day: &str, difference: &str, outcome: Outcome) -> (Verdict, WaiverReport, String) {
    let more = format!(
        "waivers:\n  - experiment: b\n    owner: ops\n    reason: r\n    last-day: {last_day}\n{difference}"
    );
    let policy = policy(&more);
    let b = judgement(outcome, "differs", "ENODEV: no such device");
    let outcomes = [("a", judgement(Pass, "", "")), ("b", b)];
    let counted = counted(&policy, &outcomes);
    let decision = decide(&policy, &counted, Scope::Selection);
    let waiver = counted[1].waiver.clone().unwrap();
    (decision.verdict, waiver, decision.notes.join("; "))
}

#[test]
fn a_waiver_holds_on_its_last_day_and_not_on_the_next() {
    let (verdict, waiver, _) = waived("2026-06-15", "", Fail);
    assert_eq!((verdict, waiver.state), (Certified, WaiverState::Waived));
    let (verdict, waiver, note) = waived("2026-06-14", "", Fail);
    assert_eq!(
        (verdict, waiver.state),
        (NotCertified, WaiverState::Expired)
    );
    assert_eq!(note, "the waiver of b by ops has expired on 2026-06-14");
}

#[test]
fn a_waiver_is_due_two_weeks_before() {
    for (day, due) in [
        ("2026-06-15", true),
        ("2026-06-29", true),
        ("2026-06-30", false),
    ] {
        let (verdict, waiver, _) = waived(day, "", Skip);
        assert_eq!((waiver.is_due(), verdict), (due, Certified), "{day}");
    }
    let (_, _, note) = waived("2026-06-16", "", Broken);
    assert!(
        note.contains("only until 2026-06-16, which is tomorrow"),
        "{note}"
    );
}

#[test]
fn a_waiver_that_is_not_needed_says_so_and_where() {
    let (verdict, waiver, note) = waived("2026-12-31", "", Pass);
    assert_eq!(
        (verdict, waiver.state),
        (Certified, WaiverState::NoLongerNeeded)
    );
    assert!(note.ends_with("remove it at p.yaml:6"), "{note}");
}

#[test]
fn a_waiver_may_be_for_one_difference_alone() {
    let this = "    difference: 'ENODEV: no such device'\n";
    let (verdict, waiver, _) = waived("2026-12-31", this, Fail);
    assert_eq!((verdict, waiver.state), (Certified, WaiverState::Waived));
    let other = "    difference: 'EPERM: operation not permitted'\n";
    let (verdict, waiver, _) = waived("2026-12-31", other, Fail);
    assert_eq!(
        (verdict, waiver.state),
        (NotCertified, WaiverState::OtherDifference)
    );
}

#[test]
fn the_difference_of_a_waiver_is_the_changed_lines() {
    let more = "waivers:\n  - experiment: b\n    owner: ops\n    reason: r\n    last-day: 2026-12-31\n    difference: |\n      - Hello\n      + hello\n";
    let of = |observed: &str| {
        let diff = crate::compare::diff("# cat\n  Hello\n", observed, 1);
        let judgement = Judgement {
            diff: Some(diff),
            ..judgement(Fail, "differs", "")
        };
        decided(&policy(more), Scope::Selection, &[("b", judgement)]).verdict
    };
    assert_eq!(of("# cat\n  hello\n"), Certified);
    assert_eq!(of("# cat\n  hello\n  and more\n"), NotCertified);
}

#[test]
fn nothing_but_waived_experiments_is_shown_to_be_fine() {
    let more = "waivers:\n  - {experiment: v1, owner: o, reason: r, last-day: 2026-12-31}\n";
    assert_eq!(
        verdict(&policy(more), &[("v1", Skip), ("v2", Skip)]),
        Certified
    );
    assert_eq!(
        verdict(&policy(more), &[("v1", Fail), ("v2", Pass)]),
        Certified
    );
}

#[test]
fn a_waiver_of_what_was_not_performed_is_named() {
    let more = "waivers:\n  - {experiment: b, owner: ops, reason: r, last-day: 2020-12-31}\n";
    let outcomes = [("a", judgement(Pass, "", ""))];
    let decision = decided(&policy(more), Scope::Selection, &outcomes);
    assert_eq!(decision.verdict, Certified);
    let expected = "the waiver of b by ops was not looked at: b was not performed";
    assert_eq!(decision.notes, [expected]);
}
