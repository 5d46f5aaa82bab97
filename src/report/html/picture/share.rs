//! A measured share: its bar with the band and the confidence interval, and below how it settled.

use maud::{Markup, html};

use super::super::super::text::one_line;
use super::figure;
use crate::results::Measurement;

const WIDTH: f64 = 360.0;
const LEFT: f64 = 8.0;
const LENGTH: f64 = WIDTH - 2.0 * LEFT;
/// Where the curve begins and how high it is.
const CURVE: (f64, f64) = (92.0, 56.0);

/// Draws a measurement.
pub fn draw(measurement: &Measurement) -> Markup {
    let drawing = html! { (bar(measurement)) (curve(measurement)) };
    figure(
        &caption(measurement),
        WIDTH,
        CURVE.0 + CURVE.1 + 18.0,
        &drawing,
    )
}

fn caption(measurement: &Measurement) -> String {
    let (low, high) = measurement.band;
    let unit = one_line(&measurement.unit);
    format!(
        "{}: {:.1} {unit} ± {:.1}, {} the band from {low:.1} to {high:.1} {unit}",
        one_line(&measurement.name),
        measurement.value,
        measurement.half_width,
        place(measurement),
    )
}

fn inside(measurement: &Measurement) -> bool {
    let (low, high) = measurement.band;
    let (from, to) = interval(measurement);
    from >= low && to <= high
}

/// Where the confidence interval lies.
fn place(measurement: &Measurement) -> &'static str {
    let (low, high) = measurement.band;
    let (from, to) = interval(measurement);
    match inside(measurement) {
        true => "inside",
        false if to < low || from > high => "outside",
        false => "not surely inside",
    }
}

/// No part is smaller than nothing.
fn interval(measurement: &Measurement) -> (f64, f64) {
    let (value, half_width) = (measurement.value, measurement.half_width);
    ((value - half_width).max(0.0), value + half_width)
}

/// The end of the scale: 100 for a share, else what shows the band with room.
fn full(measurement: &Measurement) -> f64 {
    match measurement.unit.as_str() {
        "%" => 100.0,
        _ => {
            1.25 * measurement
                .band
                .1
                .max(measurement.value + measurement.half_width)
        }
    }
}

fn bar(measurement: &Measurement) -> Markup {
    let full = full(measurement);
    let x = |value: f64| LEFT + LENGTH * (value / full).clamp(0.0, 1.0);
    let (low, high) = measurement.band;
    let (from, to) = interval(measurement);
    let state = if inside(measurement) { "good" } else { "bad" };
    html! {
        rect class="track" x=(LEFT) y="30" width=(LENGTH) height="20" {}
        rect class={ "bar " (state) } x=(LEFT) y="30" width=(px(x(measurement.value) - LEFT)) height="20" {}
        rect class="band" x=(px(x(low))) y="24" width=(px(x(high) - x(low))) height="32" {}
        path class="whisker" d={ "M" (px(x(from))) " 40H" (px(x(to))) "M" (px(x(from))) " 35v10M" (px(x(to))) " 35v10" } {}
        text class="strong" x=(px(x(measurement.value))) y="16" text-anchor=(side(x(measurement.value))) {
            (format!("{:.1} {}", measurement.value, one_line(&measurement.unit)))
        }
        text x=(px(x(low))) y="70" text-anchor=(if x(low) < 40.0 { "start" } else { "end" }) { (format!("{:.0}", low.max(0.0))) }
        text x=(px(x(high))) y="70" text-anchor=(if x(high) > WIDTH - 40.0 { "end" } else { "start" }) { (format!("{:.0}", high.min(full))) }
    }
}

/// A label near an edge of the picture stays inside it.
fn side(x: f64) -> &'static str {
    match x {
        _ if x < 40.0 => "start",
        _ if x > WIDTH - 40.0 => "end",
        _ => "middle",
    }
}

/// How the share settled: the scale is three bands high, and what lies outside is cut.
fn curve(measurement: &Measurement) -> Markup {
    let (low, high) = measurement.band;
    let (bottom, top) = (low - (high - low), high + (high - low));
    let y = |value: f64| {
        CURVE.0 + CURVE.1 * (1.0 - ((value - bottom) / (top - bottom)).clamp(0.0, 1.0))
    };
    let step = LENGTH / (measurement.samples.len().max(2) - 1) as f64;
    let points = measurement.samples.iter().enumerate();
    let points: Vec<_> = points
        .map(|(index, value)| format!("{},{}", px(LEFT + step * index as f64), px(y(*value))))
        .collect();
    html! {
        @if measurement.samples.len() > 1 {
            rect class="band" x=(LEFT) y=(px(y(high))) width=(LENGTH) height=(px(y(low) - y(high))) {}
            polyline class="curve" points=(points.join(" ")) {}
            text x=(LEFT) y=(CURVE.0 + CURVE.1 + 12.0) { "first look" }
            text x=(LEFT + LENGTH) y=(CURVE.0 + CURVE.1 + 12.0) text-anchor="end" {
                "value so far, look " (measurement.samples.len())
            }
        }
    }
}

/// Tenths of a unit are finer than any screen.
fn px(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn measurement(value: f64) -> Measurement {
        Measurement {
            line: 1,
            name: "CPU share of a".to_owned(),
            value,
            unit: "%".to_owned(),
            half_width: 1.5,
            band: (47.0, 53.0),
            samples: vec![200.0, -5.0, value],
        }
    }

    #[test]
    fn the_caption_says_whether_the_interval_is_inside() {
        assert!(
            caption(&measurement(50.0))
                .ends_with("50.0 % ± 1.5, inside the band from 47.0 to 53.0 %")
        );
        assert!(caption(&measurement(52.0)).contains("not surely inside"));
        assert!(caption(&measurement(60.0)).contains(", outside the band"));
        let limited = Measurement {
            band: (0.0, 25.0),
            ..measurement(1.0)
        };
        assert!(caption(&limited).contains(", inside the band"));
    }

    #[test]
    fn an_interval_that_touches_the_band_is_not_surely_outside() {
        let at = |value| caption(&measurement(value));
        for (value, place) in [
            (45.0, "45.0 % ± 1.5, outside the band"),
            (45.5, "45.5 % ± 1.5, not surely inside the band"),
            (48.5, "48.5 % ± 1.5, inside the band"),
            (51.5, "51.5 % ± 1.5, inside the band"),
            (54.5, "54.5 % ± 1.5, not surely inside the band"),
            (55.0, "55.0 % ± 1.5, outside the band"),
        ] {
            assert!(at(value).contains(place), "{}", at(value));
        }
    }

    #[test]
    fn the_scale_of_what_is_no_share_shows_the_band_and_the_interval_with_room() {
        let milliseconds = |value, high| Measurement {
            unit: "ms".to_owned(),
            band: (0.0, high),
            ..measurement(value)
        };
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9, "{a} {b}");
        near(full(&measurement(50.0)), 100.0);
        near(full(&milliseconds(10.0, 20.0)), 25.0);
        near(full(&milliseconds(30.5, 20.0)), 40.0);
    }

    #[test]
    fn labels_stay_inside_the_picture() {
        let sides = [0.0, 39.9, 40.0, 180.0, 320.0, 320.1, 360.0].map(side);
        assert_eq!(
            sides,
            ["start", "start", "middle", "middle", "middle", "end", "end"]
        );
    }

    #[test]
    fn what_lies_outside_of_the_scale_is_cut() {
        let text = draw(&measurement(50.0)).into_string();
        assert!(text.contains("points=\"8,92 180,148 352,120\""), "{text}");
    }
}
