//! Who ran when: uninterrupted runs, as far as samples show them.

/// Which one of the pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum One {
    A,
    B,
}

/// Counts how often the pair took turns and how long the longest turn was.
///
/// Samples do not show every turn: an interval in which both ran holds at least one change and counts as one.
/// Otherwise a pair that changes in step with the sampler would look like one endless run.
#[derive(Debug, Clone, Default)]
pub struct Runs {
    current: Option<(One, u64)>,
    finished: u32,
    longest_ns: u64,
    a: Turns,
    b: Turns,
}

#[derive(Debug, Clone, Copy, Default)]
struct Turns {
    number: u32,
    total_ns: u64,
}

impl Turns {
    fn mean_ns(self) -> f64 {
        self.total_ns as f64 / f64::from(self.number.max(1))
    }
}

impl Runs {
    /// Takes in what both used between two samples, in nanoseconds.
    pub fn push(&mut self, a_ns: u64, b_ns: u64) {
        self.a.total_ns += a_ns;
        self.b.total_ns += b_ns;
        match (a_ns > 0, b_ns > 0) {
            (false, false) => {}
            (true, false) => self.ran_alone(One::A, a_ns),
            (false, true) => self.ran_alone(One::B, b_ns),
            (true, true) => self.both_ran(a_ns, b_ns),
        }
    }

    fn ran_alone(&mut self, one: One, ns: u64) {
        let before = match self.current {
            Some((current, before)) if current == one => before,
            _ => {
                self.turn(one);
                0
            }
        };
        self.extend(one, before + ns);
    }

    /// The order inside the interval is unknown. The one whose turn it was is taken to have run on first, which makes
    /// its run the longest that it can have been; the other's run, which may go on, starts.
    fn both_ran(&mut self, a_ns: u64, b_ns: u64) {
        let (one, before) = self.current.unwrap_or_else(|| {
            self.turn(One::A);
            (One::A, 0)
        });
        let (last, own, others) = match one {
            One::A => (One::B, a_ns, b_ns),
            One::B => (One::A, b_ns, a_ns),
        };
        self.extend(one, before + own);
        self.turn(last);
        self.extend(last, others);
    }

    fn turn(&mut self, one: One) {
        self.finished += u32::from(self.current.is_some());
        match one {
            One::A => self.a.number += 1,
            One::B => self.b.number += 1,
        }
    }

    fn extend(&mut self, one: One, ns: u64) {
        self.current = Some((one, ns));
        self.longest_ns = self.longest_ns.max(ns);
    }

    /// How often one of them stopped for the other.
    pub fn alternations(&self) -> u32 {
        self.finished
    }

    /// CPU time of the longest run, in nanoseconds.
    pub fn longest_ns(&self) -> u64 {
        self.longest_ns
    }

    /// Mean CPU time of a run of the one that got less, in nanoseconds.
    pub fn mean_of_lighter_ns(&self) -> f64 {
        if self.a.total_ns <= self.b.total_ns {
            self.a.mean_ns()
        } else {
            self.b.mean_ns()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(intervals: &[(u64, u64)]) -> Runs {
        let mut runs = Runs::default();
        for &(a, b) in intervals {
            runs.push(a, b);
        }
        runs
    }

    #[test]
    fn turns_are_counted_and_the_longest_is_kept() {
        let runs = runs(&[(1, 0), (1, 0), (0, 3), (0, 0), (0, 3), (2, 0)]);
        assert_eq!(runs.alternations(), 2);
        assert_eq!(runs.longest_ns(), 6);
        assert!((runs.mean_of_lighter_ns() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn an_interval_in_which_both_ran_is_one_alternation() {
        let runs = runs(&[(1, 1); 10]);
        assert!(runs.alternations() >= 10);
        assert!(runs.longest_ns() <= 2);
    }

    #[test]
    fn a_stall_inside_a_shared_interval_is_seen() {
        assert_eq!(runs(&[(1, 1), (1, 1), (1, 19)]).longest_ns(), 19);
        assert_eq!(runs(&[(0, 5), (1, 5)]).longest_ns(), 10);
    }

    #[test]
    fn one_that_runs_alone_never_alternates() {
        let runs = runs(&[(1, 0); 50]);
        assert_eq!(runs.alternations(), 0);
        assert_eq!(runs.longest_ns(), 50);
    }
}
