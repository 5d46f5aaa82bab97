//! Experiments to perform, and which of them is next.

use std::collections::VecDeque;

use crate::plan::Assignment;

/// An experiment to perform.
pub struct Task {
    /// What is performed.
    pub assignment: Assignment,
    /// Only try its needs.
    pub only_needs: bool,
}

/// Tasks that wait, with their numbers.
pub(super) struct Queue(VecDeque<(usize, Task)>);

impl Queue {
    /// All of them, numbered from 0.
    pub fn new(tasks: Vec<Task>) -> Self {
        Self(tasks.into_iter().enumerate().collect())
    }

    /// The next one, of those that measure CPU time only while no other does. A measurement takes longest: the others hide
    /// behind it when it goes first.
    pub fn take(&mut self, measuring: bool) -> Option<(usize, Task)> {
        let place = |measures| {
            let mut tasks = self.0.iter().map(|(_, task)| &task.assignment);
            tasks.position(|assignment| assignment.measures_cpu == measures)
        };
        let next = match measuring {
            true => place(false),
            false => place(true).or_else(|| place(false)),
        };
        self.0.remove(next?)
    }

    /// The next one, whatever it does.
    pub fn take_any(&mut self) -> Option<(usize, Task)> {
        self.0.pop_front()
    }
}

#[cfg(test)]
pub mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;

    /// Nothing to do, and nothing that it takes.
    pub fn task() -> Task {
        let assignment = Assignment {
            experiment: "x".to_owned(),
            namespaces: Vec::new(),
            needs: Vec::new(),
            subordinate_ids: None,
            cgroups: BTreeMap::new(),
            vacate: Vec::new(),
            measures_cpu: false,
            timeout: Duration::from_secs(1),
            steps: Vec::new(),
        };
        Task {
            assignment,
            only_needs: false,
        }
    }

    #[test]
    fn one_task_at_a_time_measures_and_goes_first() {
        for (tasks, measuring, next) in [
            (&[false, true, true][..], false, Some(1)),
            (&[true, true, false], true, Some(2)),
            (&[false, false], false, Some(0)),
            (&[true], true, None),
            (&[], false, None),
        ] {
            let tasks = tasks.iter().map(|measures| {
                let mut task = task();
                task.assignment.measures_cpu = *measures;
                task
            });
            let mut queue = Queue::new(tasks.collect());
            let taken = queue.take(measuring).map(|(number, _)| number);
            assert_eq!(taken, next);
        }
    }

    #[test]
    fn any_task_is_the_first() {
        let mut queue = Queue::new(vec![task(), task()]);
        let mut number = || queue.take_any().map(|(number, _)| number);
        assert_eq!([number(), number(), number()], [Some(0), Some(1), None]);
    }
}
