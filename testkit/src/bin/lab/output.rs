//! Plots of curves, and progress.

use std::{error::Error, ops::Range, path::Path};

use indicatif::{ProgressBar, ProgressStyle};
use plotters::{
    coord::{Shift, ranged1d::ValueFormatter, types::RangedCoordf64},
    prelude::*,
};

/// The size of a plot that stands alone, and of one of several.
const ALONE: (u32, u32) = (1_000, 560);
const AMONG_OTHERS: (u32, u32) = (700, 380);
/// The column right of a plot that says what its curves are.
const LEGEND_WIDTH: u32 = 170;
const LEGEND_ROW_HEIGHT: i32 = 20;
/// A point less than this far from the one before is not drawn.
const MIN_STEP_PIXELS: u32 = 2;

/// Colours that are told apart on white.
const COLOURS: [RGBColor; 8] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 39, 40),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(255, 127, 14),
    RGBColor(23, 190, 207),
    RGBColor(127, 127, 127),
    RGBColor(140, 86, 75),
];

/// How a curve is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Style {
    Line,
    /// Points that are measured one by one, and many.
    Dots,
    /// Few such points, joined for the eye.
    JoinedDots,
}

/// One curve.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) style: Style,
    /// Curves of one colour belong together.
    pub(crate) colour: usize,
}

/// One plot: what stands above it and at its axes, how far they reach, and what it shows.
pub(crate) struct Plot<'a> {
    /// May be empty.
    pub(crate) title: &'a str,
    pub(crate) labels: [&'a str; 2],
    pub(crate) across: Range<f64>,
    pub(crate) up: Range<f64>,
    /// Whether the vertical axis is logarithmic.
    pub(crate) is_logarithmic: bool,
    pub(crate) curves: Vec<Curve>,
}

impl<'a> Plot<'a> {
    /// A plot of probabilities: logarithmic from `least` to 1.
    pub(crate) fn of_probabilities(labels: [&'a str; 2], across: Range<f64>, least: f64, curves: Vec<Curve>) -> Self {
        Self { title: "", labels, across, up: least..1.0, is_logarithmic: true, curves }
    }
}

/// Writes plots into one file, `columns` of them side by side.
pub(crate) fn write(path: &Path, columns: usize, plots: &[Plot<'_>]) -> Result<(), Box<dyn Error>> {
    let rows = plots.len().div_ceil(columns);
    let (width, height) = if plots.len() == 1 { ALONE } else { AMONG_OTHERS };
    let size = (width * columns as u32, height * rows as u32);
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    for (plot, place) in plots.iter().zip(area.split_evenly((rows, columns))) {
        draw(plot, &place)?;
    }
    area.present()?;
    Ok(())
}

fn draw<'a>(plot: &Plot<'_>, place: &DrawingArea<SVGBackend<'a>, Shift>) -> Result<(), Box<dyn Error>> {
    let (width, _) = place.dim_in_pixel();
    let (place, beside) = place.split_horizontally(width - LEGEND_WIDTH);
    let mut builder = ChartBuilder::on(&place);
    builder.margin(15).x_label_area_size(45).y_label_area_size(75);
    if !plot.title.is_empty() {
        builder.caption(plot.title, ("sans-serif", 18));
    }
    name_curves(&plot.curves, &beside)?;
    if plot.is_logarithmic {
        let chart = builder.build_cartesian_2d(plot.across.clone(), plot.up.clone().log_scale())?;
        fill(plot, chart, &|y| if (0.01..1_000.0).contains(y) { format!("{y}") } else { format!("{y:.0e}") })
    } else {
        let chart = builder.build_cartesian_2d(plot.across.clone(), plot.up.clone())?;
        let is_small = plot.up.end <= 10.0;
        fill(plot, chart, &|y| if is_small { format!("{y:.2}") } else { format!("{y:.0}") })
    }
}

/// The legend: each curve's mark and name, one under the other.
fn name_curves(curves: &[Curve], beside: &DrawingArea<SVGBackend<'_>, Shift>) -> Result<(), Box<dyn Error>> {
    for (row, curve) in (1..).zip(curves) {
        let (colour, y) = (COLOURS[curve.colour % COLOURS.len()], row * LEGEND_ROW_HEIGHT);
        if curve.style != Style::Dots {
            beside.draw(&PathElement::new([(0, y), (20, y)], colour.stroke_width(1)))?;
        }
        if curve.style != Style::Line {
            beside.draw(&Circle::new((10, y), 3, colour.filled()))?;
        }
        beside.draw(&Text::new(curve.name.as_str(), (26, y - 6), ("sans-serif", 13)))?;
    }
    Ok(())
}

fn fill<'a, Y>(
    plot: &Plot<'_>,
    mut chart: ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, Y>>,
    number: &dyn Fn(&f64) -> String,
) -> Result<(), Box<dyn Error>>
where
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    let [across, up] = plot.labels;
    chart.configure_mesh().x_desc(across).y_desc(up).y_label_formatter(number).draw()?;
    for curve in &plot.curves {
        let colour = COLOURS[curve.colour % COLOURS.len()];
        let is_shown = |(x, y): &(f64, f64)| plot.across.contains(x) && (plot.up.start..=plot.up.end).contains(y);
        let mut shown: Vec<(f64, f64)> = curve.points.iter().copied().filter(is_shown).collect();
        shown.dedup_by(|next, drawn| is_near(chart.plotting_area(), *drawn, *next));
        let shown = shown.into_iter();
        if curve.style != Style::Dots {
            chart.draw_series(LineSeries::new(shown.clone(), colour.stroke_width(1)))?;
        }
        if curve.style != Style::Line {
            chart.draw_series(shown.map(|point| Circle::new(point, 3, colour.filled())))?;
        }
    }
    Ok(())
}

/// Whether the second point would be drawn where the first one is.
fn is_near<Y: Ranged<ValueType = f64>>(
    area: &DrawingArea<SVGBackend<'_>, Cartesian2d<RangedCoordf64, Y>>,
    drawn: (f64, f64),
    next: (f64, f64),
) -> bool {
    let (one, other) = (area.map_coordinate(&drawn), area.map_coordinate(&next));
    one.0.abs_diff(other.0) < MIN_STEP_PIXELS && one.1.abs_diff(other.1) < MIN_STEP_PIXELS
}

/// A bar for `steps` steps.
pub(crate) fn progress(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {eta}").expect("the template is in order");
    ProgressBar::new(steps).with_style(style)
}

/// The value below which `share` of `sorted` lies (nearest rank); none of nothing.
pub(crate) fn quantile(sorted: &[u64], share: f64) -> Option<u64> {
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.max(1) - 1).copied()
}

/// Further cells of a CSV line, one for each quantile; empty ones where there is none.
pub(crate) fn quantile_cells(sorted: &[u64], shares: &[f64]) -> String {
    let cell = |share: &f64| quantile(sorted, *share).map_or_else(|| ",".into(), |value| format!(",{value}"));
    shares.iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_of_the_nearest_rank() {
        let numbers: Vec<u64> = (1..=100).collect();
        assert_eq!([0.0, 0.5, 0.99, 1.0].map(|share| quantile(&numbers, share)), [1, 50, 99, 100].map(Some));
        assert_eq!(quantile(&[7], 0.5), Some(7));
        assert_eq!(quantile(&[], 0.5), None);
    }
}
