//! Plots of curves, and progress.

use std::{error::Error, path::Path};

use indicatif::{ProgressBar, ProgressStyle};
use plotters::prelude::*;

/// One curve: its name, its points, and whether they are measured (points) or computed (a line).
pub(crate) struct Curve {
    pub(crate) name: String,
    pub(crate) points: Vec<(f64, f64)>,
    pub(crate) is_measured: bool,
    /// Curves of one colour belong together.
    pub(crate) colour: usize,
}

/// Draws curves, the vertical axis logarithmic from `least` to 1.
pub(crate) fn plot(
    path: &Path,
    labels: [&str; 2],
    across: std::ops::Range<f64>,
    least: f64,
    curves: &[Curve],
) -> Result<(), Box<dyn Error>> {
    let area = SVGBackend::new(path, (900, 560)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .margin(15)
        .x_label_area_size(45)
        .y_label_area_size(75)
        .build_cartesian_2d(across, (least..1.0).log_scale())?;
    chart.configure_mesh().x_desc(labels[0]).y_desc(labels[1]).y_label_formatter(&|y| format!("{y:.0e}")).draw()?;
    for curve in curves {
        let colour = Palette99::pick(curve.colour).to_rgba();
        let shown = curve.points.iter().copied().filter(|(_, y)| *y >= least);
        if curve.is_measured {
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
    chart.configure_series_labels().background_style(WHITE.mix(0.8)).border_style(BLACK).draw()?;
    area.present()?;
    Ok(())
}

/// A bar for `steps` steps.
pub(crate) fn progress(steps: u64) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} {msg} {eta}").expect("the template is in order");
    ProgressBar::new(steps).with_style(style)
}
