//! The spread of the share from one stretch of time to the next.

use super::Sample;

/// Blocks that are kept at most; half as many at least once there were that many.
const BLOCKS: usize = 16;

/// The CPU time cut into blocks of equal length, which doubles whenever there are too many of them.
///
/// This is the method of batch means (Law, "Simulation Modeling and Analysis", section 9.5): whatever the scheduler
/// does within a block, blocks are nearly independent of each other, and so their spread says how far off the mean
/// may be.
#[derive(Debug, Clone)]
pub struct Blocks {
    complete: Vec<Block>,
    open: Block,
    length_ns: u64,
}

/// CPU time of the first one and of the pair.
#[derive(Debug, Clone, Copy, Default)]
struct Block {
    a_ns: u64,
    pair_ns: u64,
}

impl Block {
    fn and(self, other: Self) -> Self {
        Self {
            a_ns: self.a_ns + other.a_ns,
            pair_ns: self.pair_ns + other.pair_ns,
        }
    }
}

impl Blocks {
    /// No blocks yet. Those to come are `length_ns` of CPU time long at first.
    pub fn new(length_ns: u64) -> Self {
        Self {
            complete: Vec::with_capacity(BLOCKS),
            open: Block::default(),
            length_ns,
        }
    }

    /// Takes in what both used between two samples.
    pub fn push(&mut self, step: &Sample) {
        self.open = self.open.and(Block {
            a_ns: step.a_ns,
            pair_ns: step.pair_ns(),
        });
        if self.open.pair_ns < self.length_ns {
            return;
        }
        self.complete.push(std::mem::take(&mut self.open));
        if self.complete.len() == BLOCKS {
            self.length_ns *= 2;
            self.complete = self
                .complete
                .chunks(2)
                .map(|pair| pair.iter().copied().fold(Block::default(), Block::and))
                .collect();
        }
    }

    /// Standard error of `share`, once there are half of the blocks.
    pub fn standard_error(&self, share: f64) -> Option<f64> {
        let number = self.complete.len();
        if number < BLOCKS / 2 {
            return None;
        }
        let deviation = |block: &Block| block.a_ns as f64 - share * block.pair_ns as f64;
        let squares: f64 = self
            .complete
            .iter()
            .map(|block| deviation(block).powi(2))
            .sum();
        let pair_ns: u64 = self.complete.iter().map(|block| block.pair_ns).sum();
        let number = number as f64;
        Some((squares * number / (number - 1.0)).sqrt() / pair_ns as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blocks(first: impl Iterator<Item = u64>) -> Blocks {
        let mut blocks = Blocks::new(1_000);
        for a_ns in first {
            blocks.push(&Sample {
                a_ns,
                b_ns: 1_000 - a_ns,
                wall_ns: 0,
            });
        }
        blocks
    }

    #[test]
    fn eight_to_fifteen_blocks_are_kept_whatever_the_time() {
        for number in [8, 15, 16, 17, 100, 10_000] {
            let kept = blocks(std::iter::repeat_n(500, number)).complete.len();
            assert!((8..16).contains(&kept), "{number}: {kept}");
        }
        assert_eq!(
            blocks(std::iter::repeat_n(500, 7)).standard_error(0.5),
            None
        );
    }

    #[test]
    fn equal_blocks_have_no_error() {
        let error = blocks(std::iter::repeat_n(500, 12)).standard_error(0.5);
        assert_eq!(error, Some(0.0));
    }

    #[test]
    fn the_error_of_eight_blocks_is_the_textbooks() {
        let shares = [400_u32, 600, 500, 500, 450, 550, 480, 520];
        let squares: f64 = shares
            .iter()
            .map(|a_ns| (f64::from(*a_ns) / 1_000.0 - 0.5).powi(2))
            .sum();
        let expected = (squares / 7.0 / 8.0).sqrt();
        let error = blocks(shares.into_iter().map(u64::from))
            .standard_error(0.5)
            .unwrap();
        assert!((error - expected).abs() < 1e-12, "{error} {expected}");
    }

    #[test]
    fn what_is_made_up_for_in_a_block_does_not_count() {
        let made_up = blocks([0, 1_000].into_iter().cycle().take(160)).standard_error(0.5);
        assert_eq!(made_up, Some(0.0));
        let adds_up = blocks((0..160).map(|nth| 1_000 * (nth / 40 % 2))).standard_error(0.5);
        assert!(adds_up > Some(0.1), "{adds_up:?}");
    }
}
