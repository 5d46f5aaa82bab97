//! What is made of what a worker says.

use super::*;
use crate::recording::Failure;
use crate::source::Source;
use crate::spec;
use crate::worker::parent::tests::task;

const STEPS: &str = "  - pwd:
  - unshare: -u /bin/bash
    timeout: 3s
    inside:
      - hostname:
        timeout: 2s
      - unshare: -u /bin/bash
        inside:
          - hostname: inner
  - run: sleep 1
    timeout: 1s
";

fn account() -> Account {
    let text = format!("experiment: x\ntitle: t\nsteps:\n{STEPS}");
    let spec = spec::read(&Source::new("x.yaml", text)).unwrap();
    let mut task = task();
    task.assignment.timeout = Duration::from_secs(100);
    task.assignment.steps = spec.steps;
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
        (vec![began(5)], 1),
        (vec![began(5), ended(5)], 100),
        (vec![began(1)], 3),
        (vec![began(1), began(2)], 2),
        (vec![began(1), began(2), ended(2)], 3),
        (vec![began(1), began(3), began(9)], 3),
        // Whoever performed the inner one was killed.
        (vec![began(1), began(2), ended(1)], 100),
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
    for event in [Event::Ready, began(5)] {
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
    assert_eq!((account.recording.planned, recorded(&account)), (6, vec![]));
    for event in [began(1), began(3), began(4), ended(4), ended(3), ended(9)] {
        account.take(event);
    }
    let text = "unshare -u /bin/bash".to_owned();
    assert_eq!(
        recorded(&account),
        [
            (1, 0, text.clone(), false),
            (3, 1, text, true),
            (4, 2, "hostname inner".to_owned(), true),
        ]
    );
    assert_eq!(account.recording.steps[1].duration_us, 7);
    assert_eq!(account.recording.steps[1].output, Output::lines(["hello"]));
    assert_eq!(account.recording.steps[0].output, Output::nothing());
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
