//! A bounded record of an unbounded series.

use super::Sample;

/// Samples at even distances over the whole series, at most a fixed number of them.
///
/// When it is full it forgets every second one and from then on takes in half as many.
#[derive(Debug, Clone)]
pub struct Thinned {
    kept: Vec<Sample>,
    limit: usize,
    stride: usize,
    seen: usize,
}

impl Thinned {
    /// An empty record of at most `limit` samples, two at least.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self {
            kept: Vec::new(),
            limit: limit.max(2),
            stride: 1,
            seen: 0,
        }
    }

    /// Takes in the next sample of the series.
    pub fn push(&mut self, sample: Sample) {
        if self.seen.is_multiple_of(self.stride) {
            if self.kept.len() == self.limit {
                self.halve();
            }
            if self.seen.is_multiple_of(self.stride) {
                self.kept.push(sample);
            }
        }
        self.seen += 1;
    }

    fn halve(&mut self) {
        let mut index = 0;
        self.kept.retain(|_| {
            index += 1;
            index % 2 == 1
        });
        self.stride *= 2;
    }

    /// What is kept, in order.
    #[must_use]
    pub fn into_samples(self) -> Vec<Sample> {
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(limit: usize, pushed: u64) -> Vec<u64> {
        let mut thinned = Thinned::new(limit);
        for wall_ns in 0..pushed {
            thinned.push(Sample {
                a_ns: 0,
                b_ns: 0,
                wall_ns,
            });
        }
        let samples = thinned.into_samples();
        samples.iter().map(|sample| sample.wall_ns).collect()
    }

    #[test]
    fn a_short_series_is_kept_whole() {
        assert_eq!(kept(4, 4), [0, 1, 2, 3]);
    }

    #[test]
    fn a_long_series_is_kept_at_even_distances_and_within_the_limit() {
        assert_eq!(kept(4, 5), [0, 2, 4]);
        assert_eq!(kept(4, 16), [0, 4, 8, 12]);
        for (limit, pushed) in [(200, 20_000), (3, 1_000), (1, 100)] {
            let kept = kept(limit, pushed);
            assert!(kept.len() <= limit.max(2), "{limit} {pushed}");
            let step = kept[1] - kept[0];
            assert!(kept.windows(2).all(|pair| pair[1] - pair[0] == step));
        }
    }
}
