//! Where a confidence interval lies.

/// On which side of a limit an interval lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    /// No part of it is beyond.
    Within,
    /// All of it is beyond.
    Beyond,
    /// The limit is inside it, or its lower end.
    Across,
}

impl Side {
    /// That of `value ± half_width`, all in one unit.
    pub fn of(value: f64, half_width: f64, limit: f64) -> Self {
        if value + half_width <= limit {
            Self::Within
        } else if value - half_width > limit {
            Self::Beyond
        } else {
            Self::Across
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_that_touches_the_limit_is_not_beyond_it() {
        for (value, side) in [
            (1.0, Side::Within),
            (1.5, Side::Within),
            (1.75, Side::Across),
            (2.5, Side::Across),
            (2.75, Side::Beyond),
        ] {
            assert_eq!(Side::of(value, 0.5, 2.0), side, "{value}");
        }
    }
}
