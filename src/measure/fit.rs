//! Weighted least squares, one point at a time.

/// The straight line through weighted points, and how far the points lie from it.
///
/// Means and central moments are updated as in West, "Updating Mean and Variance Estimates", CACM 22 (1979): sums of
/// raw products would lose the residual in rounding.
#[derive(Debug, Clone, Default)]
pub struct Fit {
    weight: f64,
    mean_x: f64,
    mean_y: f64,
    xx: f64,
    xy: f64,
    yy: f64,
}

impl Fit {
    /// Adds a point. A weight of zero changes nothing.
    pub fn push(&mut self, x: f64, y: f64, weight: f64) {
        if weight <= 0.0 {
            return;
        }
        self.weight += weight;
        let (dx, dy) = (x - self.mean_x, y - self.mean_y);
        let part = weight / self.weight;
        self.mean_x += part * dx;
        self.mean_y += part * dy;
        self.xx += weight * dx * (x - self.mean_x);
        self.xy += weight * dx * (y - self.mean_y);
        self.yy += weight * dy * (y - self.mean_y);
    }

    /// The line's slope, once there are two different `x`.
    pub fn slope(&self) -> Option<f64> {
        (self.xx > 0.0).then(|| self.xy / self.xx)
    }

    /// Standard deviation of the points from the line, in the unit of `y`, once there is a line.
    pub fn residual(&self) -> Option<f64> {
        let unexplained = self.yy - self.slope()? * self.xy;
        Some((unexplained.max(0.0) / self.weight).sqrt())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_exactly() {
        let mut fit = Fit::default();
        for x in 0..100 {
            let x = f64::from(x);
            fit.push(x, 7.0 + 0.25 * x, 1.0 + x);
        }
        assert!((fit.slope().unwrap() - 0.25).abs() < 1e-12);
        assert!(fit.residual().unwrap() < 1e-6);
    }

    #[test]
    fn an_alternating_deviation_is_the_residual() {
        let mut fit = Fit::default();
        for x in 0..1000 {
            let deviation = if x % 2 == 0 { 0.5 } else { -0.5 };
            fit.push(f64::from(x), 0.2 * f64::from(x) + deviation, 1.0);
        }
        assert!((fit.slope().unwrap() - 0.2).abs() < 1e-4);
        assert!((fit.residual().unwrap() - 0.5).abs() < 1e-3);
    }

    #[test]
    fn a_weight_is_as_many_points() {
        let (mut weighted, mut repeated) = (Fit::default(), Fit::default());
        for (x, y, weight) in [(0.0, 0.1, 3), (1.0, 0.2, 1), (3.0, 1.7, 2)] {
            weighted.push(x, y, f64::from(weight));
            for _ in 0..weight {
                repeated.push(x, y, 1.0);
            }
        }
        assert!((weighted.slope().unwrap() - repeated.slope().unwrap()).abs() < 1e-12);
        assert!((weighted.residual().unwrap() - repeated.residual().unwrap()).abs() < 1e-12);
    }

    #[test]
    fn one_place_has_no_slope() {
        let mut fit = Fit::default();
        assert_eq!(fit.slope(), None);
        fit.push(1.0, 2.0, 0.0);
        fit.push(1.0, 2.0, 1.0);
        fit.push(1.0, 3.0, 1.0);
        assert_eq!((fit.slope(), fit.residual()), (None, None));
    }
}
