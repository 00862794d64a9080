//! Plots of curves, and progress.

use std::{error::Error, ops::Range, path::Path};

use indicatif::{ProgressBar, ProgressStyle};
use plotters::{
    coord::{Shift, ranged1d::ValueFormatter, types::RangedCoordf64},
    prelude::*,
};

/// The size of a plot that stands alone, and of one of several.
const ALONE: (u32, u32) = (900, 560);
const AMONG_OTHERS: (u32, u32) = (560, 380);

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

/// One curve: its name, its points, and whether they are drawn as dots (where they are measured one by one) or as a line.
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) has_dots: bool,
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
    pub(crate) legend: SeriesLabelPosition,
    pub(crate) curves: Vec<Curve>,
}

impl<'a> Plot<'a> {
    /// A plot of probabilities: logarithmic from `least` to 1, the legend at the right.
    pub(crate) fn of_probabilities(labels: [&'a str; 2], across: Range<f64>, least: f64, curves: Vec<Curve>) -> Self {
        let legend = SeriesLabelPosition::UpperRight;
        Self { title: "", labels, across, up: least..1.0, is_logarithmic: true, legend, curves }
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
    let mut builder = ChartBuilder::on(place);
    builder.margin(15).x_label_area_size(45).y_label_area_size(75);
    if !plot.title.is_empty() {
        builder.caption(plot.title, ("sans-serif", 18));
    }
    if plot.is_logarithmic {
        let chart = builder.build_cartesian_2d(plot.across.clone(), plot.up.clone().log_scale())?;
        fill(plot, chart, &|y| if (0.01..1_000.0).contains(y) { format!("{y}") } else { format!("{y:.0e}") })
    } else {
        let chart = builder.build_cartesian_2d(plot.across.clone(), plot.up.clone())?;
        let is_small = plot.up.end <= 10.0;
        fill(plot, chart, &|y| if is_small { format!("{y:.2}") } else { format!("{y:.0}") })
    }
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
        let shown = curve.points.iter().copied().filter(is_shown);
        if curve.has_dots {
            let dots = shown.map(|point| Circle::new(point, 3, colour.filled()));
            chart
                .draw_series(dots)?
                .label(&curve.name)
                .legend(move |(x, y)| Circle::new((x + 10, y), 3, colour.filled()));
        } else {
            chart
                .draw_series(LineSeries::new(shown, colour.stroke_width(1)))?
                .label(&curve.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour));
        }
    }
    let mut labels = chart.configure_series_labels();
    labels.position(plot.legend.clone()).background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
    Ok(())
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
