//! What a ratio may be: `1:2 ±5%`.

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A ratio and how far the measured one may be from it.
///
/// It says of the first one's share of the time of both: `1:2 ±5%` means one third, give or take five percentage
/// points, from 28.3 % to 38.3 %. The tolerance is smaller than the lighter one's share, so no band reaches 0 % or
/// 100 %, unless that is what it asks for: by `0:1 ±1%` the first one gets nothing.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Band {
    ratio: (u32, u32),
    tolerance_pp: f64,
}

/// Why a text is no [`Band`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BandError {
    /// The place, in characters from the start of the text.
    pub span: Range<usize>,
    /// What is wrong there.
    pub message: String,
}

impl fmt::Display for BandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for BandError {}

impl Band {
    /// The band of `ratio` and `tolerance_pp` percentage points.
    ///
    /// # Errors
    /// Two zeros, a tolerance that is not above zero, or one that is not below the smaller share that is not zero.
    /// The message says which.
    pub fn new(ratio: (u32, u32), tolerance_pp: f64) -> Result<Self, String> {
        let (a, b) = ratio;
        if (a, b) == (0, 0) {
            return Err("0:0 gives neither of the two anything".to_owned());
        }
        if !(tolerance_pp.is_finite() && tolerance_pp > 0.0) {
            return Err("no measurement is exact: the tolerance must be above 0%".to_owned());
        }
        let lighter = if a.min(b) == 0 { a.max(b) } else { a.min(b) };
        let lighter_pp = 100.0 * f64::from(lighter) / (f64::from(a) + f64::from(b));
        if tolerance_pp >= lighter_pp {
            return Err(format!(
                "±{tolerance_pp}% would take 0% as well: the smaller share of {a}:{b} is {lighter_pp:.1}%"
            ));
        }
        Ok(Self {
            ratio,
            tolerance_pp,
        })
    }

    /// The ratio as written, first to second.
    #[must_use]
    pub fn ratio(&self) -> (u32, u32) {
        self.ratio
    }

    /// The tolerance in percentage points.
    #[must_use]
    pub fn tolerance_pp(&self) -> f64 {
        self.tolerance_pp
    }

    /// Whether one of the two gets nothing.
    #[must_use]
    pub fn is_all_or_nothing(&self) -> bool {
        self.ratio.0.min(self.ratio.1) == 0
    }

    /// The first one's share that the ratio stands for, 0 to 1.
    #[must_use]
    pub fn share(&self) -> f64 {
        let (a, b) = (f64::from(self.ratio.0), f64::from(self.ratio.1));
        a / (a + b)
    }

    /// The tolerance in the unit of [`Band::share`].
    #[must_use]
    pub fn tolerance(&self) -> f64 {
        self.tolerance_pp / 100.0
    }
}

/// What a measured number may be.
pub trait Tolerance: fmt::Display {
    /// Sets the tolerance in percentage points.
    ///
    /// # Errors
    /// That would be a wider band, or none at all.
    fn tighten(&mut self, tolerance_pp: f64) -> Result<(), String>;
}

/// That `tolerance_pp` is not wider than what is there.
pub(super) fn not_wider(tolerance_pp: f64, there_pp: f64) -> Result<(), String> {
    match tolerance_pp > there_pp {
        true => Err(format!("±{tolerance_pp}% is wider than ±{there_pp}%")),
        false => Ok(()),
    }
}

impl Tolerance for Band {
    fn tighten(&mut self, tolerance_pp: f64) -> Result<(), String> {
        not_wider(tolerance_pp, self.tolerance_pp)?;
        *self = Self::new(self.ratio, tolerance_pp)?;
        Ok(())
    }
}

impl fmt::Display for Band {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (a, b) = self.ratio;
        write!(f, "{a}:{b} ±{}%", self.tolerance_pp)
    }
}

impl From<Band> for String {
    fn from(band: Band) -> Self {
        band.to_string()
    }
}

impl TryFrom<String> for Band {
    type Error = BandError;

    fn try_from(text: String) -> Result<Self, BandError> {
        text.parse()
    }
}

impl FromStr for Band {
    type Err = BandError;

    /// Reads `A:B ±N%`, also `A:B +-N%`, the two words apart by blanks.
    fn from_str(text: &str) -> Result<Self, BandError> {
        let words = words(text);
        let end = text.chars().count();
        let Some((ratio_span, ratio)) = words.first() else {
            return Err(wrong(
                &(0..end),
                "expected a ratio and a tolerance, such as `1:2 ±5%`",
            ));
        };
        let ratio = self::ratio(ratio).map_err(|message| wrong(ratio_span, message))?;
        let Some((span, tolerance)) = words.get(1) else {
            return Err(wrong(
                &(end..end + 1),
                "expected a tolerance, such as `±5%`",
            ));
        };
        let tolerance = tolerance_pp(tolerance).map_err(|message| wrong(span, message))?;
        if let Some((span, word)) = words.get(2) {
            return Err(wrong(span, format!("`{word}` is one word too many")));
        }
        let blamed = if ratio == (0, 0) { ratio_span } else { span };
        Self::new(ratio, tolerance).map_err(|message| wrong(blamed, message))
    }
}

pub(super) fn wrong(span: &Range<usize>, message: impl Into<String>) -> BandError {
    BandError {
        span: span.clone(),
        message: message.into(),
    }
}

/// The words of `text` with their places in characters.
pub(super) fn words(text: &str) -> Vec<(Range<usize>, &str)> {
    let mut words = Vec::new();
    let mut at = 0;
    for word in text.split(' ') {
        let end = at + word.chars().count();
        if !word.is_empty() {
            words.push((at..end, word));
        }
        at = end + 1;
    }
    words
}

fn ratio(word: &str) -> Result<(u32, u32), String> {
    let number = |part: &str| {
        let digits = part.bytes().all(|byte| byte.is_ascii_digit());
        part.parse().ok().filter(|_| digits)
    };
    word.split_once(':')
        .and_then(|(a, b)| Some((number(a)?, number(b)?)))
        .ok_or_else(|| format!("`{word}` is no ratio: expected two whole numbers, such as `1:2`"))
}

/// Reads a tolerance in percentage points: `±5%` or `+-5%`.
///
/// # Errors
/// It is none.
pub fn tolerance_pp(word: &str) -> Result<f64, String> {
    let digits = |text: &str| {
        text.bytes()
            .all(|byte| byte.is_ascii_digit() || byte == b'.')
    };
    word.strip_prefix('±')
        .or_else(|| word.strip_prefix("+-"))
        .and_then(|rest| rest.strip_suffix('%'))
        .filter(|number| digits(number))
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| {
            format!("`{word}` is no tolerance: expected percentage points, such as `±5%` or `+-5%`")
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(text: &str) -> BandError {
        text.parse::<Band>().unwrap_err()
    }

    #[test]
    fn a_band_is_read_and_shown_as_written() {
        let band: Band = "1:2 ±5%".parse().unwrap();
        assert_eq!(band, Band::new((1, 2), 5.0).unwrap());
        assert_eq!(band.to_string(), "1:2 ±5%");
        assert_eq!((band.ratio(), band.tolerance_pp()), ((1, 2), 5.0));
        assert_eq!(
            "2:4  +-2.5%".parse::<Band>().unwrap().to_string(),
            "2:4 ±2.5%"
        );
    }

    #[test]
    fn a_ratio_is_the_first_ones_share() {
        for (text, share) in [
            ("1:1 ±5%", 0.5),
            ("1:4 ±5%", 0.2),
            ("4:1 ±5%", 0.8),
            ("0:1 ±5%", 0.0),
            ("1:0 ±5%", 1.0),
        ] {
            let band: Band = text.parse().unwrap();
            assert!((band.share() - share).abs() < 1e-12, "{text}");
            assert!((band.tolerance() - 0.05).abs() < 1e-12, "{text}");
        }
    }

    #[test]
    fn a_band_can_be_tightened_and_not_widened() {
        let mut band: Band = "1:2 ±5%".parse().unwrap();
        assert!(band.tighten(5.5).unwrap_err().contains("wider"));
        assert!(band.tighten(0.0).unwrap_err().contains("above 0%"));
        band.tighten(5.0).unwrap();
        assert_eq!(band.to_string(), "1:2 ±5%");
        band.tighten(2.0).unwrap();
        assert_eq!(band.to_string(), "1:2 ±2%");
    }

    #[test]
    fn a_band_is_a_string_in_json() {
        let band: Band = "1:4 ±5%".parse().unwrap();
        let json = serde_json::to_string(&band).unwrap();
        assert_eq!(json, "\"1:4 ±5%\"");
        assert_eq!(serde_json::from_str::<Band>(&json).unwrap(), band);
        assert!(serde_json::from_str::<Band>("\"0:0 ±5%\"").is_err());
    }

    #[test]
    fn an_error_points_at_the_word() {
        for (text, span, part) in [
            ("", 0..0, "such as `1:2 ±5%`"),
            ("1:2", 3..4, "expected a tolerance"),
            ("1/2 ±5%", 0..3, "`1/2` is no ratio"),
            ("1: ±5%", 0..2, "is no ratio"),
            ("+1:2 ±5%", 0..4, "is no ratio"),
            ("1:5000000000 ±5%", 0..12, "is no ratio"),
            ("0:0 ±5%", 0..3, "neither of the two"),
            ("1:2 5%", 4..6, "`5%` is no tolerance"),
            ("1:2 ±5", 4..6, "is no tolerance"),
            ("1:2 ±-5%", 4..8, "is no tolerance"),
            ("1:2 ±inf%", 4..9, "is no tolerance"),
            ("1:2 ±%", 4..6, "is no tolerance"),
            ("1:2 ±0%", 4..7, "above 0%"),
            ("1:4 ±20%", 4..8, "the smaller share of 1:4 is 20.0%"),
            ("4:1 ±25%", 4..8, "the smaller share"),
            ("1:2 ±5% x", 8..9, "too many"),
        ] {
            let error = error(text);
            assert_eq!(error.span, span, "{text}: {error}");
            assert!(error.message.contains(part), "{text}: {error}");
        }
    }
}
