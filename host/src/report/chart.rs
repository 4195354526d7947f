//! Charts as SVG text: curves and histograms.

use std::ops::Range;

use plotters::coord::Shift;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

/// Width and height of a chart in pixels of its own coordinate system.
const SIZE: (u32, u32) = (560, 340);
const FONT: (&str, i32) = ("sans-serif", 14);
/// Colours of successive series: distinct also for readers who cannot tell red from green.
const COLOURS: [RGBColor; 6] = [
    RGBColor(33, 102, 172),
    RGBColor(214, 96, 27),
    RGBColor(24, 138, 85),
    RGBColor(118, 77, 159),
    RGBColor(120, 94, 60),
    RGBColor(90, 100, 112),
];

/// Why a chart could not be drawn.
#[derive(Debug, thiserror::Error)]
#[error("the chart “{title}” could not be drawn: {reason}")]
pub struct ChartError {
    title: String,
    reason: String,
}

/// A named row of points.
#[derive(Debug, Clone)]
pub struct Series {
    /// The name in the legend.
    pub name: String,
    /// Points (x, y), finite.
    pub points: Vec<(f64, f64)>,
}

/// What a chart is called and what its axes mean.
#[derive(Debug, Clone, Copy)]
pub struct Labels<'a> {
    /// Above the chart.
    pub title: &'a str,
    /// Below the horizontal axis.
    pub x: &'a str,
    /// Beside the vertical axis.
    pub y: &'a str,
}

/// Curves over one pair of axes.
///
/// # Errors
/// [`ChartError`] when no point is finite.
pub fn curves(labels: Labels<'_>, series: &[Series], y_range: Option<Range<f64>>) -> Result<String, ChartError> {
    let points = || series.iter().flat_map(|s| s.points.iter().copied());
    let x = extent(points().map(|p| p.0));
    let y = y_range.or_else(|| extent(points().map(|p| p.1)));
    let (Some(x), Some(y)) = (x, y) else { return Err(error(labels, "it has no points")) };
    draw(labels, |root| {
        let mut chart = axes(root, labels, x, y)?;
        for (index, s) in series.iter().enumerate() {
            let style = COLOURS[index % COLOURS.len()].stroke_width(2);
            let line = LineSeries::new(s.points.iter().copied(), style);
            chart
                .draw_series(line)?
                .label(&s.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], style));
        }
        legend(&mut chart, series.len() > 1)
    })
}

/// Shares that sum to at most 1, as one stacked bar for each x: `parts[k].points` are (x, share of part k), with the same x
/// in every part, whole numbers. Part 0 stands at the bottom.
///
/// # Errors
/// [`ChartError`] when there is no bar.
pub fn stacked(labels: Labels<'_>, parts: &[Series]) -> Result<String, ChartError> {
    let extent = extent(parts.iter().flat_map(|part| &part.points).map(|p| p.0));
    let x = extent.ok_or_else(|| error(labels, "it has no points"))?;
    let x = x.start.round() - 0.5..x.end.round() + 0.5;
    let mut floor = vec![0.0; parts.iter().map(|part| part.points.len()).max().unwrap_or(0)];
    draw(labels, |root| {
        let mut chart = axes(root, labels, x, 0.0..1.0)?;
        for (index, part) in parts.iter().enumerate() {
            let colour = COLOURS[index % COLOURS.len()].mix(0.75);
            let bars = part.points.iter().zip(&mut floor).map(|(&(x, share), floor)| {
                let bottom = *floor;
                *floor += share;
                Rectangle::new([(x - 0.5, bottom), (x + 0.5, *floor)], colour.filled())
            });
            let swatch = move |(x, y)| Rectangle::new([(x, y - 5), (x + 16, y + 5)], colour.filled());
            chart.draw_series(bars)?.label(&part.name).legend(swatch);
        }
        legend(&mut chart, true)
    })
}

/// Distributions of several sets of values over common bins, each as a share of its own set, and a vertical mark.
///
/// # Errors
/// [`ChartError`] when a set is empty or holds nothing finite.
pub fn histogram(labels: Labels<'_>, sets: &[(&str, &[f64])], mark: Option<(&str, f64)>) -> Result<String, ChartError> {
    const BINS: usize = 48;
    let values = sets.iter().flat_map(|(_, values)| values.iter().copied()).chain(mark.map(|m| m.1));
    let range = extent(values).ok_or_else(|| error(labels, "it has no values"))?;
    let width = (range.end - range.start) / BINS as f64;
    let shares: Vec<Vec<f64>> = sets.iter().map(|(_, values)| bins(values, &range, BINS)).collect();
    let top = shares.iter().flatten().copied().fold(0.0, f64::max) * 1.1;
    draw(labels, |root| {
        let mut chart = axes(root, labels, range.clone(), 0.0..top)?;
        for (index, ((name, _), share)) in sets.iter().zip(&shares).enumerate() {
            let colour = COLOURS[index % COLOURS.len()];
            let bars = share.iter().enumerate().map(|(bin, &share)| {
                let left = range.start + bin as f64 * width;
                Rectangle::new([(left, 0.0), (left + width, share)], colour.mix(0.5).filled())
            });
            let swatch = move |(x, y)| Rectangle::new([(x, y - 5), (x + 16, y + 5)], colour.mix(0.5).filled());
            chart.draw_series(bars)?.label(*name).legend(swatch);
        }
        if let Some((name, x)) = mark {
            let line = LineSeries::new([(x, 0.0), (x, top)], BLACK.stroke_width(2));
            let legend = |(x, y)| PathElement::new([(x, y), (x + 16, y)], BLACK.stroke_width(2));
            chart.draw_series(line)?.label(name).legend(legend);
        }
        legend(&mut chart, true)
    })
}

type DrawError = DrawingAreaErrorKind<std::io::Error>;
type Root<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Axes<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

/// Draws on a fresh white area and gives the SVG text.
pub(super) fn draw(
    labels: Labels<'_>,
    paint: impl for<'a> FnOnce(&Root<'a>) -> Result<(), DrawError>,
) -> Result<String, ChartError> {
    let mut svg = String::new();
    let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
    let done = root.fill(&WHITE).and_then(|()| paint(&root)).and_then(|()| root.present());
    drop(root);
    done.map_err(|e| error(labels, &e.to_string()))?;
    // plotters writes a fixed size; a view box lets the page scale it.
    let (width, height) = SIZE;
    Ok(svg.replacen("<svg ", &format!("<svg viewBox=\"0 0 {width} {height}\" "), 1))
}

/// Empty axes with their labels.
pub(super) fn axes<'a>(
    root: &Root<'a>,
    labels: Labels<'_>,
    x: Range<f64>,
    y: Range<f64>,
) -> Result<Axes<'a>, DrawError> {
    let mut builder = ChartBuilder::on(root);
    builder.caption(labels.title, ("sans-serif", 18)).margin(8).x_label_area_size(44).y_label_area_size(56);
    let mut chart = builder.build_cartesian_2d(x, y)?;
    let mut mesh = chart.configure_mesh();
    mesh.light_line_style(TRANSPARENT).bold_line_style(BLACK.mix(0.1)).label_style(FONT);
    // Epochs and ranks are whole numbers: 2, not 2.0.
    let short = |value: &f64| ((value * 1e5).round() / 1e5).to_string();
    mesh.x_label_formatter(&short).y_label_formatter(&short);
    mesh.x_desc(labels.x).y_desc(labels.y).draw()?;
    Ok(chart)
}

fn legend<'a>(chart: &mut Axes<'a>, wanted: bool) -> Result<(), DrawError> {
    if wanted {
        let mut labels = chart.configure_series_labels();
        labels.border_style(BLACK.mix(0.2)).background_style(WHITE.mix(0.85)).label_font(FONT).draw()?;
    }
    Ok(())
}

/// The range of the finite values, a little wider than nothing.
pub(super) fn extent(values: impl Iterator<Item = f64>) -> Option<Range<f64>> {
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    (low <= high).then_some(if high - low < 1e-9 { low - 0.5..high + 0.5 } else { low..high })
}

/// The share of the values in each of `count` bins of one width.
fn bins(values: &[f64], range: &Range<f64>, count: usize) -> Vec<f64> {
    let mut shares = vec![0.0; count];
    for value in values.iter().filter(|v| v.is_finite()) {
        let place = (value - range.start) / (range.end - range.start) * count as f64;
        shares[(place.max(0.0) as usize).min(count - 1)] += 1.0 / values.len() as f64;
    }
    shares
}

fn error(labels: Labels<'_>, reason: &str) -> ChartError {
    ChartError { title: labels.title.into(), reason: reason.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABELS: Labels<'static> = Labels { title: "Loss", x: "epoch", y: "loss" };

    #[test]
    fn curves_carry_their_names_and_labels() {
        let series = [
            Series { name: "triplet".into(), points: vec![(1.0, 2.0), (2.0, 1.0)] },
            Series { name: "identity".into(), points: vec![(1.0, 5.0), (2.0, 4.0)] },
        ];
        let svg = curves(LABELS, &series, None).unwrap();
        for text in ["Loss", "epoch", "triplet", "identity", "viewBox"] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn nothing_to_draw_is_an_error_and_one_point_is_not() {
        assert!(curves(LABELS, &[], None).is_err());
        let nan = Series { name: "a".into(), points: vec![(f64::NAN, f64::NAN)] };
        assert!(curves(LABELS, &[nan], None).is_err());
        let one = Series { name: "a".into(), points: vec![(1.0, 1.0)] };
        assert!(curves(LABELS, &[one], None).is_ok());
    }

    #[test]
    fn stacked_bars_stand_on_each_other() {
        let part = |name: &str, shares: [f64; 2]| Series {
            name: name.into(),
            points: shares.into_iter().zip([1.0, 2.0]).map(|(share, x)| (x, share)).collect(),
        };
        let svg = stacked(LABELS, &[part("easy", [0.25, 0.75]), part("hard", [0.75, 0.25])]).unwrap();
        let heights: Vec<f64> = svg
            .split("<rect ")
            .filter(|text| text.contains("opacity=\"0.75\""))
            .filter_map(|text| text.split("height=\"").nth(1)?.split('"').next()?.parse().ok())
            .collect();
        assert_eq!(heights.len(), 6, "four bars and two swatches");
        assert!((heights[0] - heights[3]).abs() <= 1.0 && (heights[1] - heights[2]).abs() <= 1.0, "{heights:?}");
        assert!((heights[1] - 3.0 * heights[0]).abs() <= 4.0, "{heights:?}");
        assert!(stacked(LABELS, &[]).is_err());
    }

    #[test]
    fn histogram_shares_sum_to_one() {
        let shares = bins(&[0.0, 0.1, 0.9, 1.0], &(0.0..1.0), 4);
        assert_eq!(shares, [0.5, 0.0, 0.0, 0.5]);
        let svg = histogram(LABELS, &[("same", &[0.9]), ("different", &[0.1])], Some(("threshold", 0.5))).unwrap();
        assert!(svg.contains("different") && svg.contains("threshold"));
    }
}
