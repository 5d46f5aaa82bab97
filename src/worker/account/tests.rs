//! What is made of what a worker says.

use super::*;
use crate::recording::Failure;
use crate::spec::Catalog;
use crate::worker::task::tests::task;

/// Of eleven steps, of which that with number 3 has the next four inside.
fn account() -> Account {
    let catalog = Catalog::built_in().unwrap();
    let mut entries = catalog.entries.into_iter();
    let entry = entries.find(|entry| entry.spec.experiment == "uts-namespace");
    let mut task = task();
    task.assignment.timeout = Duration::from_secs(100);
    task.assignment.steps = entry.unwrap().spec.steps.clone();
    let [_, _, _, outer, last, ..] = task.assignment.steps.as_mut_slice() else {
        panic!("the fourth step has an inside, and others follow it")
    };
    outer.timeout = Some(Duration::from_secs(3));
    outer.inside[0].timeout = Some(Duration::from_secs(2));
    last.timeout = Some(Duration::from_secs(1));
    Account::begin(&task)
}

fn began(index: usize) -> Event {
    Event::Began { index }
}

fn ended(index: usize) -> Event {
    Event::Ended {
        index,
        duration_us: 7,
        output: Output::lines(["hello"]),
        failure: None,
        as_declared: true,
    }
}

fn limits(events: impl IntoIterator<Item = Event>) -> u64 {
    let mut account = account();
    events.into_iter().for_each(|event| account.take(event));
    account.current().unwrap().limit.as_secs()
}

#[test]
fn a_worker_has_a_limit_for_its_start_its_turn_and_its_steps() {
    assert_eq!(limits([]), START_LIMIT.as_secs());
    assert_eq!(limits([Event::Waiting]), TURN_LIMIT.as_secs());
    assert_eq!(limits([Event::Waiting, Event::Ready]), 100);
}

#[test]
fn what_must_end_first_counts() {
    for (events, limit) in [
        (vec![began(0)], 100),
        (vec![began(8)], 1),
        (vec![began(8), ended(8)], 100),
        (vec![began(3)], 3),
        (vec![began(3), began(4)], 2),
        (vec![began(3), began(4), ended(4)], 3),
        (vec![began(3), began(5), began(99)], 3),
        // Whoever performed the inner one was killed.
        (vec![began(3), began(4), ended(3)], 100),
    ] {
        let what = format!("{events:?}");
        let events = std::iter::once(Event::Ready).chain(events);
        assert_eq!(limits(events), limit, "{what}");
    }
}

#[test]
fn the_whole_may_have_to_end_before_its_step() {
    let mut account = account();
    account.timeout = Duration::from_millis(500);
    for event in [Event::Ready, began(8)] {
        account.take(event);
    }
    let current = account.current().unwrap();
    assert_eq!(current.limit.as_millis(), 500);
    assert_eq!(
        current.deadline(),
        current.began + Duration::from_millis(500)
    );
}

#[test]
fn what_is_about_to_end_has_no_limit_and_the_first_reason_counts() {
    let failure = || Failure::unexpected("read", "x", "y");
    for (event, end) in [
        (Event::Finished(Flow::Continue), End::Completed),
        (Event::Finished(Flow::Stop), End::Stopped),
        (Event::Unready(failure()), End::NotStarted(failure())),
    ] {
        let mut account = account();
        account.take(event);
        account.end(End::Interrupted);
        assert_eq!(account.current(), None);
        assert_eq!(account.end, Some(end));
    }
}

#[test]
fn steps_are_recorded_as_they_begin_and_end() {
    let mut account = account();
    let recorded = |account: &Account| -> Vec<_> {
        let steps = account.recording.steps.iter();
        steps
            .map(|step| (step.index, step.depth, step.text.clone(), step.ended))
            .collect()
    };
    assert_eq!(
        (account.recording.planned, recorded(&account)),
        (11, vec![])
    );
    for event in [began(3), began(4), ended(4), ended(99)] {
        account.take(event);
    }
    assert_eq!(
        recorded(&account),
        [
            (3, 0, "unshare -u /bin/bash".to_owned(), false),
            (4, 1, "hostname happy.life.com".to_owned(), true),
        ]
    );
    let [outer, inner] = account.recording.steps.as_slice() else {
        panic!("two have begun")
    };
    assert_eq!((outer.duration_us, inner.duration_us), (0, 7));
    assert_eq!(outer.output, Output::nothing());
    assert_eq!(inner.output, Output::lines(["hello"]));
    assert!(inner.as_declared && !outer.as_declared);
}

#[test]
fn what_was_heard_is_taken_line_by_line() {
    let mut account = account();
    account
        .heard
        .extend(b"{\"began\":{\"index\":0}}\n{\"began\":{\"index\":1}}\n{\"be");
    account.take_heard().unwrap();
    assert_eq!(account.recording.steps.len(), 2);
    assert_eq!(account.heard, b"{\"be");
    account.heard.extend(b"gan\":{\"index\":2}}\nwhat?\n");
    assert!(account.take_heard().is_err());
    assert_eq!(account.recording.steps.len(), 3);
}
