//! What has become of an experiment, as far as its worker has said.

use std::collections::BTreeMap;
use std::iter;
use std::time::{Duration, Instant};

use super::message::Event;
use super::task::Task;
use crate::recording::{End, Output, Recording, StepRecord};
use crate::session::Flow;
use crate::spec::{Step, with_inner};

/// How long a worker may take to make its place and to try its needs.
const START_LIMIT: Duration = Duration::from_secs(10);

/// How long a worker may wait for other runs to end their measurements.
const TURN_LIMIT: Duration = Duration::from_secs(120);

/// The recording of a task of which no step was begun.
pub(super) fn not_performed(task: &Task, end: End) -> Recording {
    Recording {
        experiment: task.assignment.experiment.clone(),
        steps: Vec::new(),
        planned: with_inner(&task.assignment.steps).len(),
        end,
        duration_us: 0,
        leftovers: Vec::new(),
    }
}

/// Something that must end in time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Limited {
    /// When it began.
    pub began: Instant,
    /// How long it may take.
    pub limit: Duration,
}

impl Limited {
    /// When it must have ended.
    pub fn deadline(&self) -> Instant {
        self.began + self.limit
    }
}

/// What has happened to an experiment, and what may happen next.
pub(super) struct Account {
    /// The recording as it is by now. How it ended is said at its end.
    pub recording: Recording,
    /// Why it ends, once that is known.
    pub end: Option<End>,
    /// What was said and is no whole line.
    pub heard: Vec<u8>,
    planned: Vec<(StepRecord, Option<Duration>)>,
    timeout: Duration,
    whole: Limited,
    /// Those of the steps that have begun, one in the other, by their numbers.
    steps: BTreeMap<usize, Limited>,
}

impl Account {
    /// Of a worker that is about to be started.
    pub fn begin(task: &Task) -> Self {
        let steps = with_inner(&task.assignment.steps);
        let limit = |(depth, step): (usize, &Step)| (not_begun(depth, step), step.timeout);
        Self {
            recording: not_performed(task, End::Completed),
            end: None,
            heard: Vec::new(),
            planned: steps.into_iter().map(limit).collect(),
            timeout: task.assignment.timeout,
            whole: limited_to(START_LIMIT),
            steps: BTreeMap::new(),
        }
    }

    /// What must end first, unless all of it is about to end.
    pub fn current(&self) -> Option<Limited> {
        let all = iter::once(&self.whole).chain(self.steps.values());
        let first = all.min_by_key(|limited| limited.deadline());
        first.copied().filter(|_| self.end.is_none())
    }

    /// Takes what was heard.
    ///
    /// # Errors
    /// It is no event.
    pub fn take_heard(&mut self) -> Result<(), serde_json::Error> {
        while let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            self.take(serde_json::from_slice(&line)?);
        }
        Ok(())
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Waiting => self.whole.limit = TURN_LIMIT,
            Event::Ready => self.whole = limited_to(self.timeout),
            Event::Unready(failure) => self.end(End::NotStarted(failure)),
            Event::Unmet(unmet) => self.end(End::Unmet {
                need: unmet.need.to_string(),
                failure: unmet.failure,
            }),
            Event::Began { index } => self.began(index),
            Event::Ended {
                index,
                duration_us,
                output,
                failure,
                as_declared,
            } => {
                // With those inside it, which may have been killed.
                self.steps.split_off(&index);
                let steps = &mut self.recording.steps;
                if let Some(record) = steps.iter_mut().find(|record| record.index == index) {
                    record.duration_us = duration_us;
                    record.output = output;
                    record.failure = failure;
                    record.as_declared = as_declared;
                    record.ended = true;
                }
            }
            Event::Finished(Flow::Continue) => self.end(End::Completed),
            Event::Finished(Flow::Stop) => self.end(End::Stopped),
        }
    }

    /// The first reason counts.
    pub fn end(&mut self, end: End) {
        self.end.get_or_insert(end);
    }

    fn began(&mut self, index: usize) {
        if let Some((record, limit)) = self.planned.get(index) {
            let limited = limit.map(|limit| (index, limited_to(limit)));
            self.steps.extend(limited);
            self.recording.steps.push(record.clone());
        }
    }
}

/// From now on.
fn limited_to(limit: Duration) -> Limited {
    let began = Instant::now();
    Limited { began, limit }
}

fn not_begun(depth: usize, step: &Step) -> StepRecord {
    StepRecord {
        index: step.index,
        depth,
        line: step.line,
        text: step.text.clone(),
        duration_us: 0,
        output: Output::nothing(),
        failure: None,
        as_declared: false,
        ended: false,
    }
}

#[cfg(test)]
mod tests;
